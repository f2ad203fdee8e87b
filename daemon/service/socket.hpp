#pragma once

#include <filesystem>

#include "protocol/core/error.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::service {

/// The daemon's socket and the right to it. One instance a socket: the lock beside it ("swarmd.lock") is held as long
/// as this object lives; the kernel gives it back however we end.
class ServerSocket {
 public:
  /// Takes the lock and binds, mode 0600. A socket that a dead daemon left is replaced; a live daemon's never is:
  /// `already_exists`, naming its pid. The directory must exist (places.hpp).
  static Result<ServerSocket> bind(const std::filesystem::path& path);

  /// For a descriptor that the service manager bound: only the lock is taken.
  static Result<ServerSocket> adopt(const std::filesystem::path& path, UniqueFd fd);

  ServerSocket(ServerSocket&&) noexcept = default;
  ServerSocket& operator=(ServerSocket&&) = delete;
  ServerSocket(const ServerSocket&) = delete;
  ServerSocket& operator=(const ServerSocket&) = delete;
  /// Removes the socket if we bound it and it is still ours.
  ~ServerSocket();

  /// The listening descriptor, to be given to a listener; the path stays ours.
  [[nodiscard]] UniqueFd take_fd() { return std::move(fd_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  ServerSocket(std::filesystem::path path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  UniqueFd lock_;
  UniqueFd fd_;
  std::uint64_t inode_ = 0;  ///< of the socket that we bound; 0: not ours to remove
};

}  // namespace swarm::service
