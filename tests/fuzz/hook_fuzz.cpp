// Feeds bytes to the reader of what programs say to their hooks. Beyond memory safety: what it gives is bounded, a path
// can be handed to the system, and a refusal has its reason.

#include <cstdio>
#include <cstdlib>

#include "agentd/cli/hook_input.hpp"
#include "protocol/core/utf8.hpp"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

bool is_path(const std::string& path) { return path.size() <= 8200 && path.find('\0') == std::string::npos; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace swarm;
  const std::string_view text(reinterpret_cast<const char*>(data), size);  // NOLINT(*-reinterpret-cast): libFuzzer's
  const Result<cli::HookInput> input = cli::read_hook(text);
  if (!input) {
    require(!input.error().message.empty(), "refused without a reason");
    require(input.error().code == Code::invalid_argument || input.error().code == Code::resource_exhausted, "code");
    return 0;
  }
  require(input->event.size() <= 64 && input->session.size() <= 200 && input->tool.size() <= 200, "short fields");
  require(input->detail.size() <= 500 && input->prompt.size() <= 1000, "longer fields");
  require(is_utf8(input->event) && is_utf8(input->session) && is_utf8(input->detail) && is_utf8(input->prompt),
          "a cut through a character");
  require(is_path(input->transcript) && is_path(input->cwd) && input->paths.size() <= 500, "a path");
  for (const std::string& path : input->paths) require(is_path(path) && !path.empty(), "a file");
  require(input->paths.empty() || cli::changes_files(input->tool) || text.find("Begin Patch") != text.npos ||
              text.find('\\') != text.npos,
          "a path without a change");
  return 0;
}
