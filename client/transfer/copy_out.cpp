#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "client/output/progress.hpp"
#include "client/transfer/copy.hpp"
#include "client/transfer/counted.hpp"
#include "client/transfer/print_stream.hpp"
#include "protocol/api/files.hpp"
#include "protocol/api/files_transfer.hpp"
#include "protocol/tree/file_ends.hpp"
#include "protocol/tree/unpacker.hpp"

namespace swarm::client {
namespace {

namespace fs = std::filesystem;

template <class T>
api::InSandbox<T> at(const CopyPlace& place, const CopyOptions& options) {
  api::InSandbox<T> request;
  request.sandbox = *place.sandbox;
  request.path = api::Path(place.path.empty() ? "." : place.path);
  if (!options.user.empty()) request.user = options.user;
  return request;
}

/// What fails locally says more than the cancelled call that follows from it.
template <class Reply>
Result<void> received(const std::optional<Result<Reply>>& reply, const std::optional<Result<std::uint64_t>>& got) {
  const bool we_failed = got && !*got && got->error().code != Code::cancelled && got->error().code != Code::unavailable;
  if (we_failed) return fail(got->error());
  if (!*reply) return fail((*reply).error());
  if (!*got) return fail(got->error());
  return {};
}

Result<UniqueFd> open_parent(const fs::path& target) {
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno("open", parent.native());
  return directory;
}

async::Task<Result<Copied>> receive_file(Context& context, Client& client, CopyPlace from, fs::path target,
                                         bool to_stream, CopyOptions options, api::FileInfo info) {
  api::InSandbox<api::FilesDownloadRequest> request = at<api::FilesDownloadRequest>(from, options);
  request.content = client.connection().new_stream_id();
  auto opened = client.connection().open_source(request.content);
  if (!opened) co_return fail(opened.error());
  Progress progress(context, "Copying " + from.path);
  auto source = std::make_unique<CountedSource>(std::move(*opened),
                                                [&](std::uint64_t bytes) { progress.bytes(bytes, info.size_bytes); });
  std::optional<Result<api::FileInfo>> reply;
  std::optional<Result<std::uint64_t>> got;
  async::Task<Result<std::uint64_t>> taking;
  if (to_stream) {
    if (context.printer.out().terminal) progress.finish();
    taking = print_stream(context, std::move(source), options.raw);
  } else {
    Result<UniqueFd> directory = open_parent(target);
    if (!directory) co_return fail(directory.error());
    auto consumer = tree::FileConsumer::in(
        std::move(*directory), {.name = target.filename().native(),
                                .mode = static_cast<mode_t>(info.mode & 0777U),
                                .mtime_ns = info.mtime_us * 1000,
                                .existing = options.refuse ? tree::Existing::refuse : tree::Existing::replace});
    if (!consumer) co_return fail(consumer.error());
    taking = tree::pump_in(context.loop, *consumer, *source);
  }
  co_await call_with_stream(context.loop, client.call_patiently(api::kFilesDownload, request), reply, std::move(taking),
                            got);
  const Result<void> fine = received(reply, got);
  if (!fine) co_return fail(fine.error());
  co_return Copied{.files = 1, .size_bytes = **got, .target = target.native()};
}

async::Task<Result<Copied>> receive_tree(Context& context, Client& client, CopyPlace from, fs::path target,
                                         bool to_stream, CopyOptions options) {
  if (to_stream && context.printer.out().terminal) {
    co_return fail(Code::failed_precondition,
                   fmt::format("'{}' is a directory, and comes as a tar archive, which is nothing for a terminal; "
                               "redirect it, or pipe it into 'tar t'",
                               from.path));
  }
  api::InSandbox<api::FilesDownloadTreeRequest> request = at<api::FilesDownloadTreeRequest>(from, options);
  request.exclude = options.exclude;
  request.content = client.connection().new_stream_id();
  auto opened = client.connection().open_source(request.content);
  if (!opened) co_return fail(opened.error());
  Progress progress(context, "Copying " + (from.path.empty() ? "the workspace" : from.path));
  auto source = std::make_unique<CountedSource>(std::move(*opened),
                                                [&](std::uint64_t bytes) { progress.bytes(bytes, std::nullopt); });
  std::optional<Result<api::FilesTreeReply>> reply;
  std::optional<Result<std::uint64_t>> got;
  async::Task<Result<std::uint64_t>> taking;
  if (to_stream) {
    taking = print_stream(context, std::move(source), true);
  } else {
    if (::mkdir(target.c_str(), 0777) != 0 && errno != EEXIST) co_return fail_errno("make", target.native());
    UniqueFd directory(::open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) co_return fail_errno("open", target.native());
    auto unpacker = std::make_shared<tree::Unpacker>(
        std::move(directory),
        tree::UnpackOptions{.existing = options.refuse ? tree::Existing::refuse : tree::Existing::replace});
    taking = tree::pump_in(context.loop, unpacker, *source);
  }
  co_await call_with_stream(context.loop, client.call_patiently(api::kFilesDownloadTree, request), reply,
                            std::move(taking), got);
  const Result<void> fine = received(reply, got);
  if (!fine) co_return fail(fine.error());
  const api::FilesTreeReply& tree = **reply;
  Copied copied{.files = tree.files,
                .directories = tree.directories,
                .links = tree.links,
                .size_bytes = tree.size_bytes,
                .target = target.native()};
  for (const api::Path& path : tree.skipped) copied.skipped.push_back(path.bytes);
  co_return copied;
}

}  // namespace

async::Task<Result<Copied>> copy_out(Context& context, Client& client, CopyPlace from, CopyPlace to,
                                     CopyOptions options) {
  const Result<api::FileInfo> info = co_await client.call(api::kFilesStat, at<api::FilesStatRequest>(from, options));
  if (!info) co_return fail(info.error());
  fs::path target = to.path;
  std::error_code ignored;
  if (!to.stream() && (to.path.ends_with('/') || fs::is_directory(target, ignored))) {
    if (!fs::is_directory(target, ignored)) {
      co_return fail(Code::not_found, fmt::format("there is no directory '{}'; make it first", to.path));
    }
    // The name is a sandbox's word: only a last name can come of it.
    target /= last_name(from.path);
  }
  if (info->kind == api::FileKind::directory) {
    Result<Copied> copied = co_await receive_tree(context, client, from, target, to.stream(), options);
    co_return copied;
  }
  Result<Copied> copied = co_await receive_file(context, client, from, target, to.stream(), options, *info);
  co_return copied;
}

}  // namespace swarm::client
