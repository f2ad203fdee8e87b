#include "agentd/rpc/files.hpp"

#include <fmt/format.h>

#include "protocol/api/agentd.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::agentd {
namespace {

using files::Files;
using wire::CallContext;

Files::OpenSource source_of(CallContext& context, std::uint32_t stream) {
  return [&connection = context.connection, stream] { return connection.open_source(stream); };
}

Files::OpenSink sink_of(CallContext& context, std::uint32_t stream) {
  return [&connection = context.connection, stream] { return connection.open_sink(stream); };
}

/// Takes a watch off the list when it ends, however it ends.
struct Listed {
  FilesService& service;
  std::pair<wire::Connection*, std::string> key;
  Listed(FilesService& s, wire::Connection& connection, std::string id) : service(s), key(&connection, std::move(id)) {}
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;
  ~Listed() { service.watches.erase(key); }
};

/// Sends what a watch sees until it ends. While the client reads slowly nothing is read from the kernel, whose queue
/// then overflows and says so.
async::Task<> report(std::unique_ptr<Listed> listed, std::unique_ptr<files::Watch> watch) {
  wire::Connection& connection = *listed->key.first;
  const std::string& id = listed->key.second;
  for (bool over = false; !over;) {
    files::WatchBatch batch = co_await watch->next();
    over = batch.ended.has_value();
    api::FilesChanged changed{
        .watch = id, .changes = std::move(batch.changes), .overflow = batch.overflow, .ended = std::move(batch.ended)};
    const Value params(Value::Array{api::encode(changed)});
    for (;;) {
      const Result<void> sent = connection.notify(api::kFilesChanged.name, params);
      if (sent) break;
      if (sent.error().code != Code::resource_exhausted) co_return;
      co_await connection.output_drained();
    }
    co_await connection.output_drained();
  }
}

async::Task<Result<api::FilesWatchReply>> watch(FilesService& service, CallContext& context,
                                                api::FilesWatchRequest request) {
  Result<std::unique_ptr<files::Watch>> opened = co_await service.files.watch(std::move(request));
  if (!opened) co_return fail(opened.error());
  std::string id = fmt::format("w{}", service.next_watch++);
  wire::Connection& connection = context.connection;
  service.watches[{&connection, id}] = {
      .task = connection.tasks().spawn(report(std::make_unique<Listed>(service, connection, id), std::move(*opened)))};
  co_return api::FilesWatchReply{.watch = std::move(id)};
}

Result<api::Empty> unwatch(FilesService& service, CallContext& context, const api::FilesUnwatchRequest& request) {
  const auto found = service.watches.find({&context.connection, request.watch});
  if (found == service.watches.end()) {
    return fail(Code::not_found, fmt::format("no watch '{}' on this connection", shown(request.watch)));
  }
  const async::TaskSet::Ticket task = found->second.task;
  service.watches.erase(found);
  context.connection.tasks().cancel(task);
  return api::Empty{};
}

/// Binds a method that needs nothing but its request.
template <class Req, class Res>
void bind_plain(wire::Router& router, FilesService& service, const api::Method<Req, Res>& method,
                async::Task<Result<Res>> (Files::*operation)(Req)) {
  router.bind(method, [&service, operation](CallContext&, Req request) {
    return (service.files.*operation)(std::move(request));
  });
}

}  // namespace

std::function<Result<Credentials>(const std::optional<std::string>&)> credentials_from(const Users& users) {
  return [users](const std::optional<std::string>& name) -> Result<Credentials> {
    const Result<ExecUser> user = name ? users.find(*name) : users.fallback();
    if (!user) return fail(user.error());
    return Credentials{.uid = user->uid, .gid = user->gid, .groups = user->groups};
  };
}

void bind_files(wire::Router& router, FilesService& service) {
  namespace in = api::inside;
  bind_plain(router, service, in::kFilesRead, &Files::read);
  bind_plain(router, service, in::kFilesWrite, &Files::write);
  bind_plain(router, service, in::kFilesAppend, &Files::append);
  bind_plain(router, service, in::kFilesList, &Files::list);
  bind_plain(router, service, in::kFilesStat, &Files::stat);
  bind_plain(router, service, in::kFilesMkdir, &Files::mkdir);
  bind_plain(router, service, in::kFilesRemove, &Files::remove);
  bind_plain(router, service, in::kFilesRename, &Files::rename);
  bind_plain(router, service, in::kFilesChmod, &Files::chmod);
  bind_plain(router, service, in::kFilesGlob, &Files::glob);
  router.bind(in::kFilesWatch, [&service](CallContext& context, api::FilesWatchRequest request) {
    return watch(service, context, std::move(request));
  });
  router.bind(in::kFilesUnwatch, [&service](CallContext& context, const api::FilesUnwatchRequest& request) {
    return unwatch(service, context, request);
  });
  router.bind(in::kFilesUpload, [&service](CallContext& context, api::FilesUploadRequest request) {
    Files::OpenSource open = source_of(context, request.content);
    return service.files.upload(std::move(request), std::move(open));
  });
  router.bind(in::kFilesDownload, [&service](CallContext& context, api::FilesDownloadRequest request) {
    Files::OpenSink open = sink_of(context, request.content);
    return service.files.download(std::move(request), std::move(open), context.connection.tasks());
  });
  router.bind(in::kFilesUploadTree, [&service](CallContext& context, api::FilesUploadTreeRequest request) {
    Files::OpenSource open = source_of(context, request.content);
    return service.files.upload_tree(std::move(request), std::move(open));
  });
  router.bind(in::kFilesDownloadTree, [&service](CallContext& context, api::FilesDownloadTreeRequest request) {
    Files::OpenSink open = sink_of(context, request.content);
    return service.files.download_tree(std::move(request), std::move(open));
  });
}

}  // namespace swarm::agentd
