#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "agentd/files/operations.hpp"
#include "agentd/files/place.hpp"
#include "protocol/core/base64.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/tree/directory.hpp"

namespace swarm::agentd::files {
namespace {

/// A page of a listing. Whatever the size of a directory, no more names are kept than the page can take.
class Page {
 public:
  Page(const api::FilesListRequest& request, std::stop_token stop) : request_(request), stop_(std::move(stop)) {}

  /// Adds what is in `directory`, from behind the names `after` on.
  Result<void> add(UniqueFd directory, const std::string& path, std::span<const std::string> after,
                   std::uint32_t depth) {
    const Result<std::vector<std::string>> names = first_names(directory.get(), after);
    if (!names) return fail(names.error());
    for (const std::string& name : *names) {
      if (full()) return {};
      const bool resumed = !after.empty() && name == after.front();
      Result<api::FileInfo> info = describe(directory.get(), name, path + "/" + name, LastLink::keep);
      if (!info) continue;  // it has gone
      const bool descend = info->kind == api::FileKind::directory && depth > 1;
      if (!resumed) entries_.push_back(std::move(*info));
      if (!descend || full()) continue;
      Result<UniqueFd> below = tree::open_directory(directory.get(), name);
      if (!below) {
        if (below.error().code != Code::permission_denied && below.error().code != Code::resource_exhausted) continue;
        return fail(below.error());
      }
      const Result<void> added = add(std::move(*below), path + "/" + name,
                                     resumed ? after.subspan(1) : std::span<const std::string>(), depth - 1);
      if (!added) return added;
    }
    return {};
  }

  /// One entry more than the page was asked for shows that there is a next page.
  [[nodiscard]] bool full() const { return entries_.size() > request_.limit; }
  std::vector<api::FileInfo>& entries() { return entries_; }

 private:
  /// The first names in order that the page still has room for. The one where it goes on is among them, because what is
  /// below it may not have been listed yet.
  Result<std::vector<std::string>> first_names(int directory, std::span<const std::string> after) {
    UniqueFd again(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again) return fail_errno("open directory", "");
    Result<tree::DirectoryReader> reader = tree::DirectoryReader::over(std::move(again));
    if (!reader) return fail(reader.error());
    const std::size_t room = request_.limit + 2 - std::min<std::size_t>(entries_.size(), request_.limit);
    std::vector<std::string> names;  // a heap, the last name on top
    for (;;) {
      if (stop_.stop_requested()) return stopped();
      const auto found = reader->next();
      if (!found) return fail(found.error());
      if (!*found) break;
      const std::string_view name = (*found)->name;
      if (!request_.hidden && name.starts_with('.')) continue;
      if (!after.empty() && name < after.front()) continue;
      if (names.size() == room) {
        if (name >= names.front()) continue;
        std::ranges::pop_heap(names);
        names.pop_back();
      }
      names.emplace_back(name);
      std::ranges::push_heap(names);
    }
    std::ranges::sort_heap(names);
    return names;
  }

  const api::FilesListRequest& request_;
  std::stop_token stop_;
  std::vector<api::FileInfo> entries_;
};

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    names.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return names;
}

}  // namespace

Result<api::FilesListReply> list(const std::string& path, const api::FilesListRequest& request, std::stop_token stop) {
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    if (errno == ENOTDIR) return fail(Code::failed_precondition, fmt::format("'{}' is not a directory", shown(path)));
    return fail_errno("open directory", shown(path));
  }
  std::vector<std::string> after;
  if (request.cursor) {
    const auto decoded = base64_decode(*request.cursor);
    if (!decoded)
      return fail(Code::invalid_argument, "the cursor is none that a listing gave; leave it out to begin anew");
    after = split(*decoded);
  }
  const std::string base = as_directory(path);
  Page page(request, std::move(stop));
  const Result<void> added = page.add(std::move(directory), base, after, request.depth);
  if (!added) return fail(added.error(), shown(path));
  api::FilesListReply reply{.entries = std::move(page.entries())};
  if (reply.entries.size() > request.limit) {
    reply.entries.resize(request.limit);
    reply.next_cursor = base64_encode(reply.entries.back().path.bytes.substr(base.size() + 1));
  }
  return reply;
}

}  // namespace swarm::agentd::files
