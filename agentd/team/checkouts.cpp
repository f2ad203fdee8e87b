#include "agentd/team/checkouts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <filesystem>

#include "protocol/core/utf8.hpp"

namespace swarm::agentd {
namespace {

namespace fs = std::filesystem;

/// A workspace that is flooded with names must not make every lock slow.
constexpr int kMostNames = 10'000;

bool is_directory(const std::string& path) {
  struct stat info{};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// Where a link points, relative to the directory it is in when it points into `root`; as it is otherwise.
std::optional<std::string> link_target(const std::string& root, const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  const ssize_t size = readlink((root + "/" + path).c_str(), buffer.data(), buffer.size());
  if (size <= 0) return std::nullopt;
  std::string target(buffer.data(), static_cast<std::size_t>(size));
  if (!target.starts_with(root + "/")) return target;
  std::string up;
  for (auto depth = std::ranges::count(path, '/'); depth > 0; --depth) up += "../";
  return up + target.substr(root.size() + 1);
}

}  // namespace

std::vector<std::string> Checkouts::repositories() const {
  std::vector<std::string> names;
  std::error_code error;
  int seen = 0;
  for (fs::directory_iterator it(workspace_, error), end; !error && it != end && seen < kMostNames;
       it.increment(error), ++seen) {
    std::string name = it->path().filename().string();
    struct stat info{};
    if (!name.starts_with('.') && is_directory(it->path().string()) &&
        lstat((it->path() / ".git").c_str(), &info) == 0) {
      names.push_back(std::move(name));
    }
  }
  std::ranges::sort(names);
  return names;
}

Result<Checkouts::Place> Checkouts::place(const std::string& repository, const std::string& path) const {
  if (!path.starts_with('/')) {
    if (!repository.empty()) return Place{repository, path};
    std::vector<std::string> all = repositories();
    if (all.size() > 1) {
      return fail(Code::invalid_argument,
                  fmt::format("there are several repositories ({}); say which", fmt::join(all, ", ")));
    }
    return Place{all.empty() ? std::string() : std::move(all.front()), path};
  }
  const auto outside = [&] {
    return fail(Code::invalid_argument, fmt::format("'{}' is not below '{}'", shown(path), workspace_));
  };
  std::vector<std::string> names;
  for (const fs::path& name : fs::path(path)) names.push_back(name.string());
  if (std::ranges::find(names, "..") != names.end()) {
    return fail(Code::invalid_argument, fmt::format("'{}': write an absolute path without '..'", shown(path)));
  }
  const auto skip = static_cast<std::size_t>(std::ranges::distance(fs::path(workspace_)));
  if (!path.starts_with(workspace_ + "/") && path != workspace_) return outside();
  const auto from = [&](std::size_t first) {
    std::string text;
    for (std::size_t i = first; i < names.size(); ++i) text += (i > first ? "/" : "") + names[i];
    return text.empty() ? std::string(".") : text;
  };
  Place found;
  if (names.size() >= skip + 3 && names[skip] == ".worktrees") {
    found = {names[skip + 2], from(skip + 3)};
  } else if (const auto all = repositories(); all.empty()) {
    found = {"", from(skip)};
  } else if (names.size() > skip && std::ranges::find(all, names[skip]) != all.end()) {
    found = {names[skip], from(skip + 1)};
  } else {
    return fail(Code::invalid_argument, fmt::format("'{}' is in no repository; there {}: {}", shown(path),
                                                    all.size() == 1 ? "is one" : "are", fmt::join(all, ", ")));
  }
  if (!repository.empty() && repository != found.repository) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is in '{}', not in '{}'", shown(path), found.repository, shown(repository)));
  }
  return found;
}

coord::PathRules Checkouts::rules(const std::string& agent, const std::string& repository) const {
  std::string root = workspace_;
  if (!repository.empty()) {
    const std::string worktree = fmt::format("{}/.worktrees/{}/{}", workspace_, agent, repository);
    root = !agent.empty() && is_directory(worktree) ? worktree : workspace_ + "/" + repository;
  }
  coord::PathRules rules;
  rules.links.target = [root](const std::string& path) { return link_target(root, path); };
  return rules;
}

Result<coord::LockKey> Checkouts::key(const std::string& agent, const std::string& repository, coord::LockKind kind,
                                      const std::string& path) const {
  // It becomes part of a path that root looks at.
  if (repository.find('/') != std::string::npos || repository == ".." || repository == ".") {
    return fail(Code::invalid_argument, fmt::format("'{}' is no name of a repository", shown(repository)));
  }
  Result<Place> found = place(repository, path);
  if (!found) return fail(found.error());
  // What a directory was called with its slash stays one.
  if (path.ends_with('/') && !found->path.ends_with('/')) found->path += '/';
  return coord::make_key(found->repository, kind, found->path, rules(agent, found->repository));
}

}  // namespace swarm::agentd
