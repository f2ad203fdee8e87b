#include "agentd/git/layout.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "protocol/async/file.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd::git {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestName = 100;
constexpr std::size_t kMostRecordBytes = 4096;

std::string record_path(const Layout& layout, std::string_view repo, std::string_view agent) {
  return fmt::format("{}/swarm/{}", layout.git_dir(repo), agent);
}

}  // namespace

Result<void> check_name(std::string_view what, std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  const bool good = !name.empty() && name.size() <= kLongestName && name.front() != '.' && name.front() != '-' &&
                    name.back() != '.' && !name.ends_with(".lock") && !name.contains("..") &&
                    std::ranges::all_of(name, allowed);
  if (good) return {};
  return fail(
      Code::invalid_argument,
      fmt::format("'{}' cannot be the name of {}: letters, digits, '.', '_' and '-', no dot or dash in front, at "
                  "most {} bytes",
                  shown(std::string(name)), what, kLongestName));
}

std::string branch_of(std::string_view swarm, std::string_view agent) {
  return fmt::format("swarm/{}/{}", swarm, agent == kIntegrator ? "integration" : agent);
}

std::string integration_branch(std::string_view swarm) { return branch_of(swarm, kIntegrator); }

std::string Layout::repository(std::string_view repo) const { return fmt::format("{}/{}", workspace, repo); }
std::string Layout::git_dir(std::string_view repo) const { return fmt::format("{}/{}/.git", workspace, repo); }
std::string Layout::admin(std::string_view repo, std::string_view agent) const {
  return fmt::format("{}/worktrees/{}", git_dir(repo), agent);
}
std::string Layout::worktree(std::string_view repo, std::string_view agent) const {
  return fmt::format("{}/.worktrees/{}/{}", workspace, agent, repo);
}

std::vector<std::string> Layout::repositories() const {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(workspace, ignored)) {
    const std::string name = entry.path().filename().string();
    if (check_name("a repository", name) && check_repository(*this, name)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<void> check_repository(const Layout& layout, const std::string& repo) {
  if (const Result<void> ok = check_name("a repository", repo); !ok) return fail(ok.error());
  for (const std::string& path : {layout.repository(repo), layout.git_dir(repo), layout.git_dir(repo) + "/swarm"}) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) {
      return fail(Code::not_found, fmt::format("no repository '{}' was imported into this sandbox", repo));
    }
    if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
      return fail(Code::permission_denied,
                  fmt::format("'{}' is not what was imported: it belongs to uid {}", path, info.st_uid));
    }
  }
  return {};
}

Result<void> own_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return fail_errno("mkdir", path);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return fail_errno("stat", path);
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid()) {
    return fail(Code::already_exists, fmt::format("'{}' is in the way: it is not a directory of agentd", path));
  }
  if ((info.st_mode & 07777U) != mode && ::chmod(path.c_str(), mode) != 0) return fail_errno("chmod", path);
  return {};
}

Result<Record> load_record(const Layout& layout, const std::string& repo, const std::string& agent) {
  const Result<std::string> text = async::read_file_now(record_path(layout, repo, agent), kMostRecordBytes);
  if (!text) {
    return fail(Code::not_found, fmt::format("'{}' has no worktree of '{}'", agent, repo));
  }
  std::map<std::string, std::string> fields;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t space = line.find(' ');
    if (space != std::string_view::npos) fields.emplace(line.substr(0, space), line.substr(space + 1));
  }
  Record record{.repo = repo, .agent = agent, .swarm = fields["swarm"], .user = fields["user"], .merging = {}};
  if (fields.contains("merging")) record.merging = fields["merging"];
  return record;
}

Result<void> save_record(const Layout& layout, const Record& record) {
  std::string text = fmt::format("swarm {}\nuser {}\n", record.swarm, record.user);
  if (record.merging) text += fmt::format("merging {}\n", *record.merging);
  return async::write_file_atomic_now(record_path(layout, record.repo, record.agent), text, 0644, async::Sync::none);
}

void remove_record(const Layout& layout, const Record& record) {
  ::unlink(record_path(layout, record.repo, record.agent).c_str());
}

std::vector<Record> all_records(const Layout& layout) {
  std::vector<Record> records;
  for (const std::string& repo : layout.repositories()) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(layout.git_dir(repo) + "/swarm", ignored)) {
      const std::string agent = entry.path().filename().string();
      if (!check_name("an agent", agent)) continue;
      Result<Record> record = load_record(layout, repo, agent);
      if (record) records.push_back(std::move(*record));
    }
  }
  return records;
}

}  // namespace swarm::agentd::git
