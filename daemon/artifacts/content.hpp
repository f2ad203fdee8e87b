#pragma once
// The content of artifacts: files in one directory, each called by its SHA-256. Blocking.

#include <filesystem>
#include <set>

#include "protocol/tree/atomic_file.hpp"
#include "protocol/tree/transfer.hpp"

struct crypto_hash_sha256_state;

namespace swarm::artifacts {

/// What comes in. Has no name until `keep`; destroyed before, it leaves nothing.
class Incoming final : public tree::Consumer {
 public:
  /// Takes the directory. A stream of more than `limit_bytes` is `resource_exhausted`, one of another length than
  /// `size_bytes` `invalid_argument`.
  static Result<std::shared_ptr<Incoming>> into(const std::filesystem::path& directory, std::uint64_t limit_bytes,
                                                std::optional<std::uint64_t> size_bytes);
  ~Incoming() override;
  Result<void> take(std::span<const char> bytes) override;
  Result<void> finish() override;

  /// When all has come: puts it, mode 0600 and on the disk, where the same content would be.
  Result<void> keep();
  [[nodiscard]] const std::string& sha256() const { return sha256_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_; }

 private:
  Incoming(UniqueFd directory, tree::AtomicFile file, std::uint64_t limit, std::optional<std::uint64_t> expected);

  UniqueFd directory_;
  tree::AtomicFile file_;  // after directory_: it must go first
  std::uint64_t limit_;
  std::optional<std::uint64_t> expected_;
  std::uint64_t size_ = 0;
  std::unique_ptr<crypto_hash_sha256_state> hash_;
  std::string sha256_;
};

/// Content as a stream that fails at its end when it is not what its name says. `not_found` names what is missing.
Result<std::shared_ptr<tree::Producer>> read_content(const std::filesystem::path& directory, const std::string& sha256);

/// Removes every content but these; with `unfinished`, also what never got its name. How many files went.
enum class Unfinished { keep, remove };
Result<std::size_t> sweep(const std::filesystem::path& directory, const std::set<std::string>& wanted,
                          Unfinished unfinished);

}  // namespace swarm::artifacts
