#pragma once
// A pack becomes part of the object store, and names follow. Blocking.

#include "agentd/git/objects.hpp"
#include "protocol/api/git.hpp"
#include "protocol/tree/transfer.hpp"

namespace swarm::agentd::git {

/// Makes the repository if it is not there.
Result<void> open_repository(const Layout& layout, const std::string& repo);

/// Takes a pack as it comes, also one that builds on objects that are there. Nothing is left of one that is damaged or
/// breaks off.
class PackConsumer final : public tree::Consumer {
 public:
  static Result<std::shared_ptr<PackConsumer>> into(const std::string& git_dir);
  ~PackConsumer() override;
  PackConsumer(const PackConsumer&) = delete;
  PackConsumer& operator=(const PackConsumer&) = delete;

  Result<void> take(std::span<const char> bytes) override;
  Result<void> finish() override;

  [[nodiscard]] std::uint64_t objects() const;
  [[nodiscard]] std::uint64_t size_bytes() const { return bytes_; }

 private:
  PackConsumer() = default;
  struct State;
  std::unique_ptr<State> state_;
  std::uint64_t bytes_ = 0;
};

/// Checks and sets the names of an import whose objects are there.
Result<void> finish_import(const Layout& layout, const api::GitImportRequest& request);

/// git.refs
Result<api::GitRefsReply> list_refs(const Layout& layout, const api::GitRefsRequest& request);

}  // namespace swarm::agentd::git
