// What agents write into commits: messages, lines, paths and names. Nothing may be read beyond its end, and what comes
// out holds what was promised: no trailer of ours that a message forged, no path that leaves the repository.

#include <cstdio>
#include <cstdlib>

#include "agentd/git/secret_scan.hpp"
#include "agentd/git/snapshot.hpp"

namespace {

using namespace swarm;
using namespace swarm::agentd::git;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);  // NOLINT: bytes as characters
  const std::optional<std::string> secret = secret_in(text);
  require(!secret || secret->size() < 100, "the value of a secret in what is told about it");

  const std::map<std::string, std::string> ours{{"Swarm-Run", "run_1"}, {"Swarm-Task", "tsk_1"}};
  const std::string message = with_trailers(text, ours);
  require(message.ends_with("Swarm-Run: run_1\nSwarm-Task: tsk_1\n"), "our trailers at the end");
  require(!message.contains('\0'), "a message that ends early");
  require(with_trailers(message, ours) == message, "trailers twice");
  const auto found = trailers_of(with_trailers(text, {}));
  require(!found.contains("Swarm-Task") && !found.contains("Reviewed-by"), "a forged trailer");
  static_cast<void>(trailers_of(text));

  const Result<std::string> path = clean_path(text);
  if (path) require(!path->starts_with('/') && !("/" + *path + "/").contains("/../"), "a path that leads out");
  if (check_name("a name", text)) {
    require(!text.contains('/') && !text.contains("..") && text.front() != '.', "a name that is a path");
  }
  static_cast<void>(Oid::parse(text));
  return 0;
}
