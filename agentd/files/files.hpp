#pragma once
// Files of the sandbox, for the daemon. Every operation runs on the thread pool with the rights of the user that was
// asked for (act_as.hpp), so what that user may not do fails here as it would in a shell. Knows the structs that travel
// and nothing of how they travel.

#include <functional>
#include <memory>
#include <optional>

#include "agentd/files/act_as.hpp"
#include "agentd/files/watch.hpp"
#include "protocol/api/files_transfer.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/tree/unpacker.hpp"

namespace swarm::agentd::files {

struct Setup {
  std::string workspace = "/workspace";
  /// Whose rights a request has: for a user name or uid, or for the default user. Called on worker threads.
  std::function<Result<Credentials>(const std::optional<std::string>& user)> user;
  tree::Limits tree;
  WatchLimits watch;
  std::size_t max_watches = 64;
  std::size_t max_transfers = 32;  ///< streams at once; each may hold two pieces of memory and a worker for a moment
};

class Files {
 public:
  Files(async::Loop& loop, Setup setup) : loop_(loop), setup_(std::move(setup)) {}

  // Dropping a task stops long walks soon; what is done stays done.
  async::Task<Result<api::FilesReadReply>> read(api::FilesReadRequest request);
  async::Task<Result<api::FileInfo>> write(api::FilesWriteRequest request);
  async::Task<Result<api::FileInfo>> append(api::FilesAppendRequest request);
  async::Task<Result<api::FilesListReply>> list(api::FilesListRequest request);
  async::Task<Result<api::FileInfo>> stat(api::FilesStatRequest request);
  async::Task<Result<api::FileInfo>> mkdir(api::FilesMkdirRequest request);
  async::Task<Result<api::FilesRemoveReply>> remove(api::FilesRemoveRequest request);
  async::Task<Result<api::FileInfo>> rename(api::FilesRenameRequest request);
  async::Task<Result<api::FilesChmodReply>> chmod(api::FilesChmodRequest request);
  async::Task<Result<api::FilesGlobReply>> glob(api::FilesGlobRequest request);

  /// A watch that runs; `resource_exhausted` above `max_watches`.
  async::Task<Result<std::unique_ptr<Watch>>> watch(api::FilesWatchRequest request);

  /// Opens a stream of the call once it is known that the call is not refused.
  using OpenSource = std::function<Result<std::unique_ptr<wire::ByteSource>>()>;
  using OpenSink = std::function<Result<std::unique_ptr<wire::ByteSink>>()>;

  async::Task<Result<api::FileInfo>> upload(api::FilesUploadRequest request, OpenSource open);
  /// Completes when the stream is open; the sending goes on in `sending`, which this object must outlive.
  async::Task<Result<api::FileInfo>> download(api::FilesDownloadRequest request, OpenSink open,
                                              async::TaskSet& sending);
  async::Task<Result<api::FilesTreeReply>> upload_tree(api::FilesUploadTreeRequest request, OpenSource open);
  async::Task<Result<api::FilesTreeReply>> download_tree(api::FilesDownloadTreeRequest request, OpenSink open);

 private:
  /// Counts a transfer while it lives.
  class Slot;
  Result<Slot> take_slot();
  tree::Around around(const std::optional<std::string>& user) const;
  async::Task<> send(std::shared_ptr<tree::Producer> producer, std::unique_ptr<wire::ByteSink> sink,
                     tree::Around around, std::shared_ptr<Slot> slot);

  async::Loop& loop_;
  Setup setup_;
  // Shared with what it counts, which may end after this object.
  std::shared_ptr<std::size_t> transfers_ = std::make_shared<std::size_t>(0);
  std::shared_ptr<std::size_t> watches_ = std::make_shared<std::size_t>(0);
};

}  // namespace swarm::agentd::files
