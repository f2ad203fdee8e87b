#include "agentd/files/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "agentd/files/glob.hpp"
#include "agentd/files/operations.hpp"
#include "agentd/files/place.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/tree/packer.hpp"

namespace swarm::agentd::files {
namespace {

/// Tells a job that its caller has gone.
struct StopOnDrop {
  std::stop_source source;
  StopOnDrop() = default;
  StopOnDrop(const StopOnDrop&) = delete;
  StopOnDrop& operator=(const StopOnDrop&) = delete;
  ~StopOnDrop() { source.request_stop(); }
};

/// Runs `work(path, stop)` on the thread pool, as `around` makes it.
template <class R>
async::Task<Result<R>> run(async::Loop& loop, tree::Around around, std::string workspace, std::string path,
                           std::function<Result<R>(const std::string&, std::stop_token)> work) {
  const StopOnDrop stop;
  auto job = [around = std::move(around), workspace = std::move(workspace), path = std::move(path),
              work = std::move(work), token = stop.source.get_token()]() -> Result<R> {
    const Result<std::string> at = absolute(path, workspace);
    if (!at) return fail(at.error());
    std::optional<Result<R>> out;
    const Result<void> done = around([&]() -> Result<void> {
      out.emplace(work(*at, token));
      return {};
    });
    if (!done) return fail(done.error());
    return std::move(*out);
  };
  co_return co_await async::run_blocking(loop, std::move(job));
}

Result<UniqueFd> open_root(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOTDIR) return fail(Code::failed_precondition, fmt::format("'{}' is not a directory", shown(path)));
  return fail_errno("open directory", shown(path));
}

api::FilesTreeReply reply_of(const tree::Summary& summary) {
  api::FilesTreeReply reply{.files = summary.files,
                            .directories = summary.directories,
                            .links = summary.links,
                            .size_bytes = summary.size_bytes};
  for (const std::string& path : summary.skipped) reply.skipped.emplace_back(path);
  return reply;
}

Result<std::shared_ptr<tree::Packer>> open_packer(const std::string& path, const std::vector<std::string>& exclude,
                                                  std::size_t max_depth) {
  auto globs = std::make_shared<std::vector<Glob>>();
  for (const std::string& pattern : exclude) {
    Result<Glob> glob = Glob::parse(pattern);
    if (!glob) return fail(glob.error(), "exclude");
    globs->push_back(std::move(*glob));
  }
  Result<UniqueFd> root = open_root(path);
  if (!root) return fail(root.error());
  tree::PackOptions options{.max_depth = max_depth};
  if (!globs->empty()) {
    options.exclude = [globs](std::string_view at, bool directory) {
      return std::ranges::any_of(*globs, [&](const Glob& glob) { return glob.matches(at, directory); });
    };
  }
  return tree::Packer::over(std::move(*root), std::move(options));
}

Result<std::shared_ptr<tree::Unpacker>> open_unpacker(const std::string& path, bool replace,
                                                      const tree::Limits& limits) {
  tree::UnpackOptions options{.limits = limits, .special_bits = tree::SpecialBits::keep};
  if (!replace) options.existing = tree::Existing::refuse;
  Result<UniqueFd> root = open_root(path);
  if (!root && root.error().code == Code::not_found) {
    const Result<void> parents = make_parents(path);
    if (!parents) return fail(parents.error());
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("mkdir", shown(path));
    options.root = tree::RootEntry::apply;  // it is the tree's root from the first moment
    root = open_root(path);
  }
  if (!root) return fail(root.error());
  return std::make_shared<tree::Unpacker>(std::move(*root), options);
}

}  // namespace

class Files::Slot {
 public:
  explicit Slot(std::shared_ptr<std::size_t> count) : count_(std::move(count)) { ++*count_; }
  Slot(Slot&& other) noexcept = default;
  Slot& operator=(Slot&&) = delete;
  ~Slot() {
    if (count_) --*count_;
  }

 private:
  std::shared_ptr<std::size_t> count_;
};

Result<Files::Slot> Files::take_slot() {
  if (*transfers_ >= setup_.max_transfers) {
    return fail(Code::resource_exhausted,
                fmt::format("{} copies run in this sandbox already; wait for one to end", setup_.max_transfers));
  }
  return Slot(transfers_);
}

tree::Around Files::around(const std::optional<std::string>& user) const {
  return [user, find = setup_.user](const std::function<Result<void>()>& work) -> Result<void> {
    const Result<Credentials> who = find(user);
    if (!who) return fail(who.error());
    const Result<ActAs> acting = ActAs::begin(*who);
    if (!acting) return fail(acting.error());
    return work();
  };
}

async::Task<Result<api::FilesReadReply>> Files::read(api::FilesReadRequest r) {
  return run<api::FilesReadReply>(
      loop_, around(r.user), setup_.workspace, r.path.bytes,
      [r](const std::string& path, std::stop_token) { return files::read(path, r.offset, r.limit_bytes); });
}

async::Task<Result<api::FileInfo>> Files::write(api::FilesWriteRequest r) {
  const auto request = std::make_shared<api::FilesWriteRequest>(std::move(r));  // its data is not copied
  return run<api::FileInfo>(
      loop_, around(request->user), setup_.workspace, request->path.bytes,
      [request](const std::string& path, std::stop_token) { return files::write(path, *request); });
}

async::Task<Result<api::FileInfo>> Files::append(api::FilesAppendRequest r) {
  const auto request = std::make_shared<api::FilesAppendRequest>(std::move(r));
  return run<api::FileInfo>(
      loop_, around(request->user), setup_.workspace, request->path.bytes,
      [request](const std::string& path, std::stop_token) { return files::append(path, *request); });
}

async::Task<Result<api::FilesListReply>> Files::list(api::FilesListRequest r) {
  return run<api::FilesListReply>(
      loop_, around(r.user), setup_.workspace, r.path.bytes,
      [r](const std::string& path, std::stop_token stop) { return files::list(path, r, std::move(stop)); });
}

async::Task<Result<api::FileInfo>> Files::stat(api::FilesStatRequest r) {
  return run<api::FileInfo>(loop_, around(r.user), setup_.workspace, r.path.bytes,
                            [r](const std::string& path, std::stop_token) { return files::stat(path, r.follow); });
}

async::Task<Result<api::FileInfo>> Files::mkdir(api::FilesMkdirRequest r) {
  return run<api::FileInfo>(
      loop_, around(r.user), setup_.workspace, r.path.bytes,
      [r](const std::string& path, std::stop_token) { return files::mkdir(path, r.mode, r.parents); });
}

async::Task<Result<api::FilesRemoveReply>> Files::remove(api::FilesRemoveRequest r) {
  return run<api::FilesRemoveReply>(loop_, around(r.user), setup_.workspace, r.path.bytes,
                                    [r](const std::string& path, std::stop_token stop) {
                                      return files::remove(path, r.recursive, r.missing_ok, std::move(stop));
                                    });
}

async::Task<Result<api::FileInfo>> Files::rename(api::FilesRenameRequest r) {
  return run<api::FileInfo>(
      loop_, around(r.user), setup_.workspace, r.path.bytes,
      [r, workspace = setup_.workspace](const std::string& path, std::stop_token) -> Result<api::FileInfo> {
        const Result<std::string> to = absolute(r.to.bytes, workspace);
        if (!to) return fail(to.error(), "to");
        return files::rename(path, *to, r.replace);
      });
}

async::Task<Result<api::FilesChmodReply>> Files::chmod(api::FilesChmodRequest r) {
  return run<api::FilesChmodReply>(loop_, around(r.user), setup_.workspace, r.path.bytes,
                                   [r](const std::string& path, std::stop_token stop) {
                                     return files::chmod(path, r.mode, r.recursive, std::move(stop));
                                   });
}

async::Task<Result<api::FilesGlobReply>> Files::glob(api::FilesGlobRequest r) {
  const std::string path = r.path ? r.path->bytes : setup_.workspace;
  return run<api::FilesGlobReply>(loop_, around(r.user), setup_.workspace, path,
                                  [r](const std::string& at, std::stop_token stop) {
                                    return files::glob(at, r.pattern, r.limit, std::move(stop));
                                  });
}

async::Task<Result<std::unique_ptr<Watch>>> Files::watch(api::FilesWatchRequest r) {
  const Result<std::string> path = absolute(r.path.bytes, setup_.workspace);
  if (!path) co_return fail(path.error());
  if (*watches_ >= setup_.max_watches) {
    co_return fail(
        Code::resource_exhausted,
        fmt::format("{} watches run in this sandbox already; end one with files.unwatch", setup_.max_watches));
  }
  // The watch itself keeps the count, whoever ends it.
  const auto counted = std::make_shared<Slot>(watches_);
  tree::Around inner = around(r.user);
  tree::Around counting = [counted, inner](const std::function<Result<void>()>& work) { return inner(work); };
  co_return co_await Watch::open(loop_, *path, r.recursive, setup_.watch, std::move(counting));
}

async::Task<Result<api::FileInfo>> Files::upload(api::FilesUploadRequest r, OpenSource open) {
  const Result<Slot> slot = take_slot();
  if (!slot) co_return fail(slot.error());
  auto consumer = co_await run<std::shared_ptr<tree::Consumer>>(
      loop_, around(r.user), setup_.workspace, r.path.bytes,
      [r](const std::string& path, std::stop_token) { return open_upload(path, r); });
  if (!consumer) co_return fail(consumer.error());
  const Result<std::unique_ptr<wire::ByteSource>> source = open();
  if (!source) co_return fail(source.error());
  const auto got = co_await tree::pump_in(loop_, std::move(*consumer), **source, around(r.user));
  if (!got) co_return fail(got.error(), shown(r.path.bytes));
  api::FilesStatRequest request;
  request.path = r.path;
  request.user = r.user;
  co_return co_await stat(std::move(request));
}

async::Task<> Files::send(std::shared_ptr<tree::Producer> producer, std::unique_ptr<wire::ByteSink> sink,
                          tree::Around as_user, std::shared_ptr<Slot> slot) {
  // How it went travels with the stream.
  static_cast<void>(co_await tree::pump_out(loop_, std::move(producer), *sink, std::move(as_user)));
  slot.reset();
}

async::Task<Result<api::FileInfo>> Files::download(api::FilesDownloadRequest r, OpenSink open,
                                                   async::TaskSet& sending) {
  Result<Slot> slot = take_slot();
  if (!slot) co_return fail(slot.error());
  auto download =
      co_await run<Download>(loop_, around(r.user), setup_.workspace, r.path.bytes,
                             [r](const std::string& path, std::stop_token) { return open_download(path, r.offset); });
  if (!download) co_return fail(download.error());
  Result<std::unique_ptr<wire::ByteSink>> sink = open();
  if (!sink) co_return fail(sink.error());
  sending.spawn(
      send(std::move(download->producer), std::move(*sink), around(r.user), std::make_shared<Slot>(std::move(*slot))));
  co_return std::move(download->info);
}

async::Task<Result<api::FilesTreeReply>> Files::upload_tree(api::FilesUploadTreeRequest r, OpenSource open) {
  const Result<Slot> slot = take_slot();
  if (!slot) co_return fail(slot.error());
  auto unpacker = co_await run<std::shared_ptr<tree::Unpacker>>(
      loop_, around(r.user), setup_.workspace, r.path.bytes,
      [r, limits = setup_.tree](const std::string& path, std::stop_token) {
        return open_unpacker(path, r.replace, limits);
      });
  if (!unpacker) co_return fail(unpacker.error());
  const Result<std::unique_ptr<wire::ByteSource>> source = open();
  if (!source) co_return fail(source.error());
  const auto got = co_await tree::pump_in(loop_, *unpacker, **source, around(r.user));
  if (!got) co_return fail(got.error(), shown(r.path.bytes));
  co_return reply_of((*unpacker)->summary());
}

async::Task<Result<api::FilesTreeReply>> Files::download_tree(api::FilesDownloadTreeRequest r, OpenSink open) {
  const Result<Slot> slot = take_slot();
  if (!slot) co_return fail(slot.error());
  auto packer = co_await run<std::shared_ptr<tree::Packer>>(
      loop_, around(r.user), setup_.workspace, r.path.bytes,
      [r, depth = setup_.tree.max_depth](const std::string& path, std::stop_token) {
        return open_packer(path, r.exclude, depth);
      });
  if (!packer) co_return fail(packer.error());
  const Result<std::unique_ptr<wire::ByteSink>> sink = open();
  if (!sink) co_return fail(sink.error());
  const auto sent = co_await tree::pump_out(loop_, *packer, **sink, around(r.user));
  if (!sent) co_return fail(sent.error(), shown(r.path.bytes));
  co_return reply_of((*packer)->summary());
}

}  // namespace swarm::agentd::files
