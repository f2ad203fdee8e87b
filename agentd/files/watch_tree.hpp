#pragma once
// What inotify says, made into changes of paths. Blocking in short pieces, for the thread pool; knows no loop.
//
//  - A new directory is watched first and read then, so nothing in it is missed; what was both read and announced is
//    told once.
//  - The two halves of a move are paired by their cookie. A first half waits for its other one until `settle`.
//  - When the kernel's queue overflows, the tree is read again (directories that came are watched, ones that went are
//    forgotten) and the batch says `overflow`: what changed meanwhile is not known and not guessed.

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "protocol/api/files_types.hpp"
#include "protocol/core/unique_fd.hpp"

struct inotify_event;

namespace swarm::agentd::files {

/// Limits of one watch.
struct WatchLimits {
  std::size_t max_directories = 100'000;
  std::size_t max_changes = 4096;  ///< of one batch; more are an overflow
};

/// What was seen.
struct WatchBatch {
  std::vector<api::FileChange> changes;
  bool overflow = false;
  std::optional<std::string> ended;  ///< the watch is over, and why
  bool pending = false;              ///< half a move waits for `settle`
};

class WatchTree {
 public:
  /// Begins to watch what is at `path` (absolute). A file is watched through its directory, so that one that is
  /// replaced by rename stays watched. `resource_exhausted` names the kernel's limit that was met.
  static Result<std::unique_ptr<WatchTree>> open(const std::string& path, bool recursive, const WatchLimits& limits);
  ~WatchTree();

  /// To wait for: readable when `read` will tell something.
  [[nodiscard]] int fd() const { return inotify_.get(); }

  /// Everything that has happened until now.
  WatchBatch read();

  /// Gives up waiting for second halves of moves: what went is removed.
  WatchBatch settle();

 private:
  struct Node {
    int wd = -1;
    Node* parent = nullptr;
    std::string name;
    std::map<std::string, Node*, std::less<>> children;  // directories that are watched
    std::set<std::string, std::less<>> told;             // names told by reading, whose events may be still queued
  };
  struct Move {
    std::uint32_t cookie;
    std::string path;
    bool directory;
    Node* node;  // the watched directory that moves; null for files
  };

  WatchTree(UniqueFd inotify, std::string path, bool recursive, const WatchLimits& limits);

  Result<Node*> add(Node* parent, const std::string& name);
  Result<void> add_below(Node& node, bool tell);
  Result<void> scan(Node& node, int directory, bool tell);
  /// Opens the root again, if it still is the directory that it was. It is not kept open: the kernel tells of the end
  /// of a directory when nobody holds it any more.
  [[nodiscard]] Result<UniqueFd> open_root() const;
  [[nodiscard]] Result<UniqueFd> open_node(const Node& node) const;
  void forget(Node* node);
  void detach(Node& node);
  [[nodiscard]] std::string path_of(const Node& node) const;
  void on_event(const inotify_event& event);
  void on_entry(Node& node, const inotify_event& event, const std::string& name);
  void on_moved_to(Node& node, const std::string& name, bool directory, std::uint32_t cookie);
  void on_new_directory(Node& node, const std::string& name);
  void on_overflow();
  void tell(api::FileChangeKind kind, std::string path, bool directory, std::string from = {});
  void end(std::string why);
  void drop_moves();
  WatchBatch take();

  UniqueFd inotify_;
  std::string root_path_;
  std::pair<dev_t, ino_t> root_id_;
  std::string only_;  // the one name that counts, when a file is watched
  bool recursive_;
  WatchLimits limits_;
  std::map<int, std::unique_ptr<Node>> nodes_;
  Node* root_ = nullptr;
  std::vector<Move> moves_;
  std::vector<Node*> scanned_;  // nodes with something in `told`
  bool overflowed_ = false;
  WatchBatch batch_;
};

}  // namespace swarm::agentd::files
