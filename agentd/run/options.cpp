#include "agentd/run/options.hpp"

#include <fmt/format.h>

#include <charconv>

#include "protocol/core/id.hpp"
#include "protocol/core/nearest.hpp"

namespace swarm::agentd {

Result<RunOptions> parse_run_options(const std::vector<std::string>& words) {
  static const std::vector<std::string> kNames = {"--sandbox", "--state", "--shim",  "--workspace",
                                                  "--store",   "--etc",   "--homes", "--spool-bytes"};
  RunOptions options;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::string& name = words[i];
    if (std::ranges::find(kNames, name) == kNames.end()) {
      return fail(Code::invalid_argument, fmt::format("unknown option '{}'{}", name, did_you_mean(name, kNames)));
    }
    if (i + 1 == words.size()) return fail(Code::invalid_argument, fmt::format("'{}' needs a value", name));
    const std::string& value = words[i + 1];
    std::string* const text = name == "--sandbox"     ? &options.sandbox
                              : name == "--state"     ? &options.state
                              : name == "--shim"      ? &options.shim
                              : name == "--workspace" ? &options.workspace
                              : name == "--store"     ? &options.store
                              : name == "--etc"       ? &options.etc
                              : name == "--homes"     ? &options.homes
                                                      : nullptr;
    if (text != nullptr) {
      *text = value;
    } else {
      const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), options.spool_bytes);
      if (problem != std::errc{} || end != value.data() + value.size() || options.spool_bytes < 4096) {
        return fail(Code::invalid_argument, fmt::format("{}: '{}' is not a number from 4096", name, value));
      }
    }
  }
  if (!is_sandbox_id(options.sandbox)) {
    return fail(Code::invalid_argument, fmt::format("--sandbox: '{}' is not the id of a sandbox", options.sandbox));
  }
  return options;
}

}  // namespace swarm::agentd
