#include <fmt/format.h>

#include "daemon/e2b/process_parts.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::e2b_endpoint {
namespace {

using namespace std::chrono_literals;

/// "-rw-r--r--", as ls and Go write it.
std::string permissions(char kind, std::uint32_t mode) {
  std::string out(1, kind);
  for (int shift = 6; shift >= 0; shift -= 3) {
    const std::uint32_t bits = mode >> static_cast<unsigned>(shift);
    out += (bits & 4U) != 0 ? 'r' : '-';
    out += (bits & 2U) != 0 ? 'w' : '-';
    out += (bits & 1U) != 0 ? 'x' : '-';
  }
  return out;
}

std::string base_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string owner_name(const Box& box, std::uint32_t uid) {
  const auto found = std::ranges::find(box.users, uid, &BoxUser::uid);
  return found == box.users.end() ? std::to_string(uid) : found->name;
}

/// What a watch saw, as events: a rename gives the old name's and the new one's.
std::vector<std::pair<std::string, std::string>> events_of(const api::FileChange& change) {
  switch (change.kind) {
    case api::FileChangeKind::created:
      return {{"EVENT_TYPE_CREATE", change.path.bytes}};
    case api::FileChangeKind::modified:
      return {{"EVENT_TYPE_WRITE", change.path.bytes}};
    case api::FileChangeKind::attributes:
      return {{"EVENT_TYPE_CHMOD", change.path.bytes}};
    case api::FileChangeKind::removed:
      return {{"EVENT_TYPE_REMOVE", change.path.bytes}};
    case api::FileChangeKind::renamed:
      return {{"EVENT_TYPE_RENAME", change.from ? change.from->bytes : change.path.bytes},
              {"EVENT_TYPE_CREATE", change.path.bytes}};
    case api::FileChangeKind::other:
      break;
  }
  return {};
}

/// Ends a watch inside when its stream ends, however that comes about.
struct OpenWatch {
  async::TaskSet& tasks;
  Watches& watches;
  std::shared_ptr<wire::Connection> connection;
  std::string id;
  OpenWatch(async::TaskSet& t, Watches& w, std::shared_ptr<wire::Connection> c, std::string i)
      : tasks(t), watches(w), connection(std::move(c)), id(std::move(i)) {}
  OpenWatch(const OpenWatch&) = delete;
  OpenWatch& operator=(const OpenWatch&) = delete;
  ~OpenWatch() {
    watches.close(*connection, id);
    tasks.spawn(end(connection, id));
  }
  static async::Task<> end(std::shared_ptr<wire::Connection> connection, std::string id) {
    const std::shared_ptr<wire::Connection> kept = std::move(connection);
    const api::FilesUnwatchRequest request{.watch = std::move(id)};
    const auto done = co_await wire::call_with_timeout(*kept, api::inside::kFilesUnwatch, request, 10s);
    static_cast<void>(done);  // it may have ended by itself
  }
};

async::Task<Result<void>> any_change(Watches::FeedPtr feed) {
  while (feed->batches.empty()) co_await feed->changed.wait();
  co_return {};
}

}  // namespace

/// EntryInfo of what stands at a path. A link is shown as what it leads to.
async::Task<RpcResult<Value>> Envd::entry_of(Call& call, api::FileInfo info) {
  Value entry;
  entry.set("name", base_name(info.path.bytes));
  std::string type;
  api::FileInfo shown = info;
  if (info.kind == api::FileKind::symlink) {
    if (info.target) {
      std::string target = info.target->bytes;
      if (!target.starts_with('/')) {
        target = info.path.bytes.substr(0, info.path.bytes.rfind('/') + 1) + target;
      }
      entry.set("symlinkTarget", target);
    }
    api::FilesStatRequest follow;
    follow.path = info.path;
    const Result<api::FileInfo> target = co_await call_files(call, api::inside::kFilesStat, std::move(follow));
    if (target) shown = *target;
  }
  if (shown.kind == api::FileKind::file) type = "FILE_TYPE_FILE";
  if (shown.kind == api::FileKind::directory) type = "FILE_TYPE_DIRECTORY";
  if (!type.empty()) entry.set("type", type);
  entry.set("path", info.path.bytes);
  entry.set("size", std::to_string(shown.size_bytes));
  entry.set("mode", shown.mode & 0777U);
  entry.set("permissions", permissions(info.kind == api::FileKind::symlink      ? 'L'
                                       : shown.kind == api::FileKind::directory ? 'd'
                                                                                : '-',
                                       shown.mode));
  entry.set("owner", owner_name(*call.box, info.uid));
  const auto group = call.box->groups.find(info.gid);
  entry.set("group", group == call.box->groups.end() ? std::to_string(info.gid) : group->second);
  entry.set("modifiedTime", rfc3339(info.mtime_us));
  co_return entry;
}

async::Task<> Envd::filesystem_call(Call& call, std::string method) {
  if (method == "WatchDir") {
    co_await watch_dir(call);
    co_return;
  }
  const std::optional<CallHead> head = co_await read_head(call.exchange, false);
  if (!head) co_return;
  const RpcResult<Value> message = co_await read_message(call.exchange, false);
  if (!message) {
    co_await answer_unary(call.exchange, std::unexpected(message.error()));
    co_return;
  }
  const auto path = checked(text_field(*message, method == "Move" ? "source" : "path"));
  const auto destination = checked(text_field(*message, "destination"));
  const auto depth = checked(int_field(*message, "depth"));
  if (!path || !destination || !depth || depth->value_or(0) < 0 || depth->value_or(0) > 100) {
    co_await answer_unary(call.exchange,
                          std::unexpected(!path          ? path.error()
                                          : !destination ? destination.error()
                                          : !depth       ? depth.error()
                                                         : RpcError{"invalid_argument", "depth: from 0 to 100"}));
    co_return;
  }
  const std::string at = resolve_path(call.user, path->value_or(""));
  Result<api::FileInfo> info = fail(Code::internal, "");
  bool entry = true;
  Value answer(Value::Map{});
  if (method == "Stat") {
    api::FilesStatRequest request;
    request.path = api::Path(at);
    request.follow = false;
    info = co_await call_files(call, api::inside::kFilesStat, std::move(request));
  } else if (method == "MakeDir") {
    api::FilesStatRequest look;
    look.path = api::Path(at);
    const Result<api::FileInfo> there = co_await call_files(call, api::inside::kFilesStat, std::move(look));
    if (there) {
      co_await answer_unary(
          call.exchange, there->kind == api::FileKind::directory
                             ? rpc_fail("already_exists", fmt::format("directory already exists: {}", at))
                             : rpc_fail("invalid_argument", fmt::format("path exists, and is no directory: {}", at)));
      co_return;
    }
    api::FilesMkdirRequest request;
    request.path = api::Path(at);
    request.parents = true;
    info = co_await call_files(call, api::inside::kFilesMkdir, std::move(request));
  } else if (method == "Move") {
    const std::string to = resolve_path(call.user, destination->value_or(""));
    const std::string parent = to.substr(0, std::max<std::size_t>(to.rfind('/'), 1));
    api::FilesMkdirRequest parents;
    parents.path = api::Path(parent);
    parents.parents = true;
    const auto made = co_await call_files(call, api::inside::kFilesMkdir, std::move(parents));
    static_cast<void>(made);  // the move says what is wrong
    api::FilesRenameRequest request;
    request.path = api::Path(at);
    request.to = api::Path(to);
    info = co_await call_files(call, api::inside::kFilesRename, std::move(request));
  } else if (method == "Remove") {
    entry = false;
    api::FilesRemoveRequest request;
    request.path = api::Path(at);
    request.recursive = true;
    request.missing_ok = true;
    const auto removed = co_await call_files(call, api::inside::kFilesRemove, std::move(request));
    if (!removed) {
      co_await answer_unary(call.exchange, std::unexpected(file_error(removed.error())));
      co_return;
    }
  } else if (method == "ListDir") {
    entry = false;
    api::FilesListRequest request;
    request.path = api::Path(at);
    request.depth = static_cast<std::uint32_t>(std::max<std::int64_t>(depth->value_or(1), 1));
    request.limit = 10'000;
    Value::Array entries;
    for (;;) {
      const Result<api::FilesListReply> reply = co_await call_files(call, api::inside::kFilesList, request);
      if (!reply) {
        co_await answer_unary(call.exchange, std::unexpected(file_error(reply.error())));
        co_return;
      }
      for (const api::FileInfo& one : reply->entries) {
        RpcResult<Value> shown = co_await entry_of(call, one);
        if (shown) entries.push_back(std::move(*shown));
      }
      if (!reply->next_cursor) break;
      request.cursor = reply->next_cursor;
    }
    if (!entries.empty()) answer.set("entries", std::move(entries));
  } else if (method == "CreateWatcher" || method == "GetWatcherEvents" || method == "RemoveWatcher") {
    co_await answer_unary(
        call.exchange, rpc_fail("unimplemented", "polled watchers are not available on this endpoint; use WatchDir"));
    co_return;
  } else {
    const Result<void> sent = co_await call.exchange.respond({.status = 404, .headers = {}}, "");
    static_cast<void>(sent);
    co_return;
  }
  if (entry) {
    if (!info) {
      co_await answer_unary(call.exchange, std::unexpected(file_error(info.error())));
      co_return;
    }
    RpcResult<Value> shown = co_await entry_of(call, *info);
    if (shown) answer.set("entry", std::move(*shown));
  }
  co_await answer_unary(call.exchange, std::move(answer));
}

async::Task<> Envd::watch_dir(Call& call) {
  const std::optional<CallHead> head = co_await read_head(call.exchange, true);
  if (!head) co_return;
  StreamWriter writer(call.exchange);
  const RpcResult<Value> message = co_await read_message(call.exchange, true);
  if (!message) {
    co_await writer.finish(message.error());
    co_return;
  }
  const auto path = checked(text_field(*message, "path"));
  const auto recursive = checked(bool_field(*message, "recursive"));
  const auto with_entry = checked(bool_field(*message, "includeEntry"));
  if (!path || !recursive || !with_entry) {
    co_await writer.finish(!path ? path.error() : !recursive ? recursive.error() : with_entry.error());
    co_return;
  }
  const std::string at = resolve_path(call.user, path->value_or(""));
  api::FilesStatRequest look;
  look.path = api::Path(at);
  const Result<api::FileInfo> there = co_await call_files(call, api::inside::kFilesStat, std::move(look));
  if (!there || there->kind != api::FileKind::directory) {
    co_await writer.finish(there ? RpcError{"invalid_argument", fmt::format("path {} is not a directory", at)}
                                 : file_error(there.error()));
    co_return;
  }
  api::FilesWatchRequest request;
  request.path = api::Path(at);
  request.recursive = recursive->value_or(false);
  const Result<api::FilesWatchReply> watching = co_await call_files(call, api::inside::kFilesWatch, std::move(request));
  if (!watching) {
    co_await writer.finish(file_error(watching.error()));
    co_return;
  }
  const OpenWatch open_watch(boxes_.tasks(), watches_, call.use.connection(), watching->watch);
  const Watches::FeedPtr feed = watches_.open(call.use.agent(), watching->watch);
  Value began;
  began.set("start", Value(Value::Map{}));
  bool open = co_await writer.send(std::move(began));
  async::Loop& loop = boxes_.loop();
  const Duration ping = head->keepalive.value_or(kKeepalive);
  const MonoTime end = head->timeout ? loop.clock().now() + *head->timeout : MonoTime{Duration::max()};
  const std::string prefix = at.ends_with('/') ? at : at + "/";
  while (open) {
    const Duration left = end - loop.clock().now();
    if (left <= Duration::zero()) {
      co_await writer.finish(RpcError{"deadline_exceeded", "the time for this stream is over"});
      co_return;
    }
    const Result<void> changed = co_await async::with_timeout(loop, any_change(feed), std::min(ping, left), "change");
    if (!changed) {
      Value keepalive;
      keepalive.set("keepalive", Value(Value::Map{}));
      if (ping <= left) open = co_await writer.send(std::move(keepalive));
      continue;
    }
    const api::FilesChanged batch = std::move(feed->batches.front());
    feed->batches.pop_front();
    for (const api::FileChange& change : batch.changes) {
      for (const auto& [type, changed_path] : events_of(change)) {
        std::string whole = changed_path.starts_with('/') ? changed_path : prefix + changed_path;
        Value event;
        event.set("name", whole.starts_with(prefix) ? whole.substr(prefix.size()) : whole);
        event.set("type", type);
        const bool has_entry = type != "EVENT_TYPE_REMOVE" && type != "EVENT_TYPE_RENAME";
        if (with_entry->value_or(false) && has_entry) {
          api::FilesStatRequest stat;
          stat.path = api::Path(whole);
          stat.follow = false;
          const Result<api::FileInfo> now = co_await call_files(call, api::inside::kFilesStat, std::move(stat));
          if (now) {
            RpcResult<Value> shown = co_await entry_of(call, *now);
            if (shown) event.set("entry", std::move(*shown));
          }
        }
        Value out;
        out.set("filesystem", std::move(event));
        if (open) open = co_await writer.send(std::move(out));
      }
    }
    if (batch.ended) {
      co_await writer.finish();
      co_return;
    }
  }
}

}  // namespace swarm::e2b_endpoint
