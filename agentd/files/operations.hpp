#pragma once
// The operations themselves: blocking, with the rights of the thread that calls them, on absolute paths. Long walks
// look at `stop` as they go.

#include <stop_token>

#include "protocol/api/files_transfer.hpp"
#include "protocol/tree/file_ends.hpp"

namespace swarm::agentd::files {

// content.cpp
Result<api::FilesReadReply> read(const std::string& path, std::uint64_t offset, std::uint64_t limit_bytes);
Result<api::FileInfo> write(const std::string& path, const api::FilesWriteRequest& request);
Result<api::FileInfo> append(const std::string& path, const api::FilesAppendRequest& request);
/// Where an upload goes: opened, checked, ready to take bytes.
Result<std::shared_ptr<tree::Consumer>> open_upload(const std::string& path, const api::FilesUploadRequest& request);
/// What a download sends, and what is said about it before.
struct Download {
  std::shared_ptr<tree::Producer> producer;
  api::FileInfo info;
};
Result<Download> open_download(const std::string& path, std::uint64_t offset);

// list.cpp
Result<api::FilesListReply> list(const std::string& path, const api::FilesListRequest& request, std::stop_token stop);

// structure.cpp
Result<api::FileInfo> stat(const std::string& path, bool follow);
Result<api::FileInfo> mkdir(const std::string& path, std::uint32_t mode, bool parents);
Result<api::FileInfo> rename(const std::string& from, const std::string& to, bool replace);
Result<api::FilesChmodReply> chmod(const std::string& path, std::uint32_t mode, bool recursive, std::stop_token stop);

// remove.cpp
Result<api::FilesRemoveReply> remove(const std::string& path, bool recursive, bool missing_ok, std::stop_token stop);

// glob_walk.cpp
Result<api::FilesGlobReply> glob(const std::string& path, const std::string& pattern, std::size_t limit,
                                 std::stop_token stop);

/// The failure of work whose caller has gone.
std::unexpected<Error> stopped();

}  // namespace swarm::agentd::files
