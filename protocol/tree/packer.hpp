#pragma once

#include <functional>

#include "protocol/core/unique_fd.hpp"
#include "protocol/tree/directory.hpp"
#include "protocol/tree/transfer.hpp"

namespace swarm::tree {

struct PackOptions {
  std::size_t max_depth = 200;
  /// True leaves this path, and what is below it, out. Called on worker threads.
  std::function<bool(std::string_view path, bool directory)> exclude;
};

/// Packs a directory: itself as ".", then what is in it, parents before children. Hard links become files of their own;
/// sockets, pipes, devices and what vanishes meanwhile are left out and named in the summary. A file that shrinks while
/// it is read is `failed_precondition`: zeros in its place would be a lie.
class Packer final : public Producer {
 public:
  static Result<std::shared_ptr<Packer>> over(UniqueFd root, PackOptions options);

  Result<void> fill(std::string& out) override;

  /// Complete when `fill` has said so; not while a piece is being filled.
  [[nodiscard]] const Summary& summary() const { return summary_; }

 private:
  Packer(Walker walker, Entry root, PackOptions options);
  Result<void> add(std::string& out, const Walker::Found& found);
  Result<void> add_file(std::string& out, const Walker::Found& found);
  Result<void> add_content(std::string& out);
  void skip(std::string_view path);

  Walker walker_;
  Entry root_;
  PackOptions options_;
  Summary summary_;
  UniqueFd file_;  // the file that is being read
  std::string file_path_;
  std::uint64_t file_size_ = 0;
  std::uint64_t file_left_ = 0;
  enum class State : std::uint8_t { root, entries, ended } state_ = State::root;
};

}  // namespace swarm::tree
