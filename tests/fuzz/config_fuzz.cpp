// Feeds bytes to the configuration reader. Beyond memory safety it holds the reader to two promises: every mistake has
// a place, and a configuration that was accepted can be written out and read back as the same one.

#include <cstdio>
#include <cstdlib>

#include "daemon/config/load.hpp"
#include "daemon/config/report.hpp"

namespace {

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace swarm::config;
  const std::string_view text(reinterpret_cast<const char*>(data),
                              size);  // NOLINT(*-reinterpret-cast): libFuzzer's type
  const Sources sources{.path = "c.toml", .environment = {}, .flags = {}};
  const auto loaded = load_text(text, sources);
  if (!loaded) {
    require(!loaded.error().empty(), "refused without a reason");
    for (const Problem& problem : loaded.error()) {
      require(problem.where == "defaults" || problem.where.starts_with("c.toml"), problem.to_string());
      require(!problem.message.empty(), "an empty message");
    }
    return 0;
  }
  std::string again;
  for (const Shown& shown : describe(*loaded)) {
    if (!shown.value.empty()) again += shown.key + " = " + shown.value + "\n";
  }
  const auto second = load_text(again, sources);
  require(second.has_value(), "what is shown cannot be read:\n" + again + (second ? "" : to_string(second.error())));
  require(diff(loaded->config, second->config).empty(), "what is shown reads as something else:\n" + again);
  return 0;
}
