#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/output/progress.hpp"
#include "client/terminal/standard_stream.hpp"
#include "client/transfer/copy.hpp"
#include "client/transfer/counted.hpp"
#include "protocol/api/files.hpp"
#include "protocol/api/files_transfer.hpp"
#include "protocol/async/fd.hpp"
#include "protocol/tree/file_ends.hpp"
#include "protocol/tree/packer.hpp"

namespace swarm::client {
namespace {

template <class T>
api::InSandbox<T> at(const CopyPlace& place, const CopyOptions& options, std::string path) {
  api::InSandbox<T> request;
  request.sandbox = *place.sandbox;
  request.path = api::Path(path.empty() ? "." : std::move(path));
  if (!options.user.empty()) request.user = options.user;
  return request;
}

/// Whether a directory stands at the target, so that the copy goes into it.
async::Task<Result<bool>> is_directory(Client& client, CopyPlace place, CopyOptions options) {
  if (place.path.empty() || place.path.ends_with('/')) co_return true;
  const Result<api::FileInfo> there =
      co_await client.call(api::kFilesStat, at<api::FilesStatRequest>(place, options, place.path));
  if (there) co_return there->kind == api::FileKind::directory;
  if (there.error().code == Code::not_found) co_return false;
  co_return fail(there.error());
}

/// The error that says most: the sandbox's reason, unless reading here is what failed.
template <class Reply>
Result<void> settled(const std::optional<Result<Reply>>& reply, const std::optional<Result<std::uint64_t>>& sent) {
  const bool we_failed =
      sent && !*sent && sent->error().code != Code::cancelled && sent->error().code != Code::unavailable;
  if (we_failed) return fail(sent->error());
  if (!*reply) return fail((*reply).error());
  if (sent && !*sent) return fail(sent->error());
  return {};
}

async::Task<Result<Copied>> send_file(Context& context, Client& client, CopyPlace to, std::string target,
                                      CopyOptions options, UniqueFd file, bool piped) {
  api::InSandbox<api::FilesUploadRequest> request = at<api::FilesUploadRequest>(to, options, target);
  struct stat info{};
  if (!piped && ::fstat(file.get(), &info) == 0) {
    request.size_bytes = static_cast<std::uint64_t>(info.st_size);
    request.mode = info.st_mode & 0777U;
    request.mtime_us = static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000 + info.st_mtim.tv_nsec / 1000;
  }
  request.parents = true;
  if (options.refuse) request.if_exists = api::WriteMode::create;
  request.content = client.connection().new_stream_id();
  auto opened = client.connection().open_sink(request.content);
  if (!opened) co_return fail(opened.error());
  Progress progress(context, "Copying to " + target);
  CountedSink sink(std::move(*opened), [&](std::uint64_t bytes) { progress.bytes(bytes, request.size_bytes); });
  std::optional<Result<api::FileInfo>> reply;
  auto sending = piped ? send_standard_input(context.loop, sink)
                       : tree::pump_out(context.loop, std::make_shared<tree::FileProducer>(std::move(file)), sink);
  std::optional<Result<std::uint64_t>> sent;
  co_await call_with_stream(context.loop, client.call_patiently(api::kFilesUpload, request), reply, std::move(sending),
                            sent);
  const Result<void> fine = settled(reply, sent);
  if (!fine) co_return fail(fine.error());
  co_return Copied{.files = 1, .size_bytes = (*reply)->size_bytes, .target = target};
}

async::Task<Result<Copied>> send_tree(Context& context, Client& client, CopyPlace to, std::string target,
                                      CopyOptions options, UniqueFd directory) {
  api::InSandbox<api::FilesUploadTreeRequest> request = at<api::FilesUploadTreeRequest>(to, options, target);
  request.replace = !options.refuse;
  auto packer = tree::Packer::over(std::move(directory), {});
  if (!packer) co_return fail(packer.error());
  request.content = client.connection().new_stream_id();
  auto opened = client.connection().open_sink(request.content);
  if (!opened) co_return fail(opened.error());
  Progress progress(context, "Copying to " + (target.empty() ? "the workspace" : target));
  CountedSink sink(std::move(*opened), [&](std::uint64_t bytes) { progress.bytes(bytes, std::nullopt); });
  std::optional<Result<api::FilesTreeReply>> reply;
  std::optional<Result<std::uint64_t>> sent;
  co_await call_with_stream(context.loop, client.call_patiently(api::kFilesUploadTree, request), reply,
                            tree::pump_out(context.loop, *packer, sink), sent);
  const Result<void> fine = settled(reply, sent);
  if (!fine) co_return fail(fine.error());
  const api::FilesTreeReply& tree = **reply;
  co_return Copied{.files = tree.files,
                   .directories = tree.directories,
                   .links = tree.links,
                   .size_bytes = tree.size_bytes,
                   .skipped = (*packer)->summary().skipped,
                   .target = target};
}

}  // namespace

async::Task<Result<Copied>> copy_in(Context& context, Client& client, CopyPlace from, CopyPlace to,
                                    CopyOptions options) {
  if (from.stream()) {
    if (to.path.empty() || to.path.ends_with('/')) {
      co_return fail(Code::invalid_argument,
                     fmt::format("a stream has no name of its own: name the file, for example '{}:{}notes.txt'",
                                 *to.sandbox, to.path));
    }
    Result<Copied> copied = co_await send_file(context, client, to, to.path, options, UniqueFd(), true);
    co_return copied;
  }
  UniqueFd source(::open(from.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!source) co_return fail_errno("open", from.path);
  struct stat info{};
  if (::fstat(source.get(), &info) != 0) co_return fail_errno("stat", from.path);
  if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
    co_return fail(Code::invalid_argument,
                   fmt::format("'{}' is neither a file nor a directory; for a pipe use '-' and redirect", from.path));
  }
  const Result<bool> into = co_await is_directory(client, to, options);
  if (!into) co_return fail(into.error());
  const std::string target = *into ? below(to.path, last_name(from.path)) : to.path;
  if (S_ISDIR(info.st_mode)) {
    Result<Copied> copied = co_await send_tree(context, client, to, target, options, std::move(source));
    co_return copied;
  }
  Result<Copied> copied = co_await send_file(context, client, to, target, options, std::move(source), false);
  co_return copied;
}

}  // namespace swarm::client
