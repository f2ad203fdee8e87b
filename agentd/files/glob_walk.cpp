#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "agentd/files/glob.hpp"
#include "agentd/files/operations.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/tree/directory.hpp"

namespace swarm::agentd::files {
namespace {

constexpr std::size_t kMaxGlobDepth = 200;

}  // namespace

Result<api::FilesGlobReply> glob(const std::string& path, const std::string& pattern, std::size_t limit,
                                 std::stop_token stop) {
  const Result<Glob> wanted = Glob::parse(pattern);
  if (!wanted) return fail(wanted.error());
  UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) {
    if (errno == ENOTDIR) return fail(Code::failed_precondition, fmt::format("'{}' is not a directory", shown(path)));
    return fail_errno("open directory", shown(path));
  }
  Result<tree::Walker> walker = tree::Walker::over(std::move(root), kMaxGlobDepth);
  if (!walker) return fail(walker.error());
  std::vector<Glob::Positions> levels{wanted->start()};
  std::vector<std::string> paths;
  api::FilesGlobReply reply;
  for (;;) {
    if (stop.stop_requested()) return stopped();
    const auto found = walker->next();
    if (!found) return fail(found.error(), shown(path));
    if (!*found) break;
    levels.resize(walker->depth());
    const bool directory = (*found)->type == DT_DIR;
    Glob::Step step = wanted->step(levels.back(), (*found)->name, directory);
    if (step.matched) {
      if (paths.size() == limit) {
        reply.truncated = true;
        break;
      }
      paths.emplace_back((*found)->path);
    }
    if (!directory || step.inside.empty()) continue;
    const Result<bool> entered = walker->enter();
    // What may not be read holds nothing for this user; the search goes on beside it.
    if (!entered && entered.error().code != Code::permission_denied) return fail(entered.error());
    if (entered && *entered) levels.push_back(std::move(step.inside));
  }
  std::ranges::sort(paths);
  for (std::string& one : paths) reply.paths.emplace_back(std::move(one));
  return reply;
}

}  // namespace swarm::agentd::files
