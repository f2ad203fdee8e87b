#include "agentd/files/watch_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "agentd/files/place.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/tree/directory.hpp"

namespace swarm::agentd::files {
namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_EXCL_UNLINK | IN_ONLYDIR;

std::string kernel_limit(const char* name) {
  std::ifstream in(fmt::format("/proc/sys/fs/inotify/{}", name));
  std::string value;
  in >> value;
  return fmt::format("fs.inotify.{} = {}", name, value.empty() ? "?" : value);
}

}  // namespace

WatchTree::WatchTree(UniqueFd inotify, std::string path, bool recursive, const WatchLimits& limits)
    : inotify_(std::move(inotify)), root_path_(std::move(path)), recursive_(recursive), limits_(limits) {}

WatchTree::~WatchTree() = default;

Result<std::unique_ptr<WatchTree>> WatchTree::open(const std::string& path, bool recursive, const WatchLimits& limits) {
  UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) {
    if (errno != EMFILE) return fail_errno("inotify_init", "");
    return fail(Code::resource_exhausted,
                fmt::format("too many watches run at once ({}); end one, or raise it on the host",
                            kernel_limit("max_user_instances")));
  }
  std::unique_ptr<WatchTree> tree(new WatchTree(std::move(inotify), path, recursive, limits));
  UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root && errno == ENOTDIR) {
    Result<Place> place = locate(path, LastLink::keep);
    if (!place) return fail(place.error());
    tree->only_ = place->name;
    tree->root_path_ = path.substr(0, path.size() - place->name.size() - 1);
    tree->recursive_ = false;
    root = std::move(place->directory);
  }
  if (!root) return fail_errno("open directory", shown(path));
  struct stat info{};
  if (::fstat(root.get(), &info) != 0) return fail_errno("stat", shown(path));
  tree->root_id_ = {info.st_dev, info.st_ino};
  root.reset();
  tree->root_path_ = as_directory(std::move(tree->root_path_));
  const Result<Node*> top = tree->add(nullptr, "");
  if (!top) return fail(top.error(), shown(path));
  tree->root_ = *top;
  if (tree->recursive_) {
    const Result<void> below = tree->add_below(*tree->root_, false);
    if (!below) return fail(below.error(), shown(path));
  }
  return tree;
}

std::string WatchTree::path_of(const Node& node) const {
  return node.parent == nullptr ? root_path_ : path_of(*node.parent) + "/" + node.name;
}

Result<UniqueFd> WatchTree::open_root() const {
  UniqueFd fd(::open(root_path_.empty() ? "/" : root_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("open directory", shown(root_path_));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0 || std::pair(info.st_dev, info.st_ino) != root_id_) {
    return fail(Code::not_found, fmt::format("'{}' is another directory now", shown(root_path_)));
  }
  return fd;
}

Result<UniqueFd> WatchTree::open_node(const Node& node) const {
  std::vector<std::string_view> names;
  for (const Node* at = &node; at->parent != nullptr; at = at->parent) names.insert(names.begin(), at->name);
  const Result<UniqueFd> root = open_root();
  if (!root) return fail(root.error());
  return tree::open_beneath(root->get(), names);
}

Result<WatchTree::Node*> WatchTree::add(Node* parent, const std::string& name) {
  Result<UniqueFd> fd = parent == nullptr ? open_root() : open_node(*parent);
  if (!fd) return fail(fd.error());
  if (parent != nullptr) {
    fd = tree::open_directory(fd->get(), name);
    if (!fd) return fail(fd.error());
  }
  if (nodes_.size() >= limits_.max_directories) {
    return fail(
        Code::resource_exhausted,
        fmt::format("there are more than {} directories to watch; watch a part of the tree", limits_.max_directories));
  }
  // By descriptor: the name may lead elsewhere by now.
  const std::string path = fmt::format("/proc/self/fd/{}", fd->get());
  const int wd = ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents);
  if (wd < 0) {
    if (errno != ENOSPC) return fail_errno("watch", shown(name));
    return fail(
        Code::resource_exhausted,
        fmt::format("the kernel's limit of watches is used up ({}); watch a part of the tree, or raise it on the host",
                    kernel_limit("max_user_watches")));
  }
  std::unique_ptr<Node>& slot = nodes_[wd];
  for (const Node* above = slot ? parent : nullptr; above != nullptr; above = above->parent) {
    // A directory mounted inside itself: once is enough.
    if (above == slot.get()) return fail(Code::failed_precondition, fmt::format("'{}' contains itself", shown(name)));
  }
  if (slot) {
    detach(*slot);  // a directory that we knew elsewhere: it was moved meanwhile
  } else {
    slot = std::make_unique<Node>();
    slot->wd = wd;
  }
  slot->parent = parent;
  slot->name = name;
  if (parent != nullptr) parent->children[name] = slot.get();
  return slot.get();
}

Result<void> WatchTree::add_below(Node& node, bool tell_found) {
  std::vector<Node*> todo{&node};
  while (!todo.empty()) {
    Node* at = todo.back();
    todo.pop_back();
    Result<UniqueFd> fd = open_node(*at);
    if (!fd) continue;  // gone again; its events tell
    const Result<void> scanned = scan(*at, fd->get(), tell_found);
    if (!scanned) return scanned;
    for (const auto& [name, child] : at->children) todo.push_back(child);
  }
  return {};
}

Result<void> WatchTree::scan(Node& node, int directory, bool tell_found) {
  UniqueFd again(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again) return {};
  Result<tree::DirectoryReader> reader = tree::DirectoryReader::over(std::move(again));
  if (!reader) return fail(reader.error());
  const std::string base = path_of(node);
  for (;;) {
    const auto found = reader->next();
    if (!found) return fail(found.error());
    if (!*found) return {};
    const std::string name((*found)->name);
    const bool is_directory = (*found)->type == DT_DIR;
    if (tell_found && node.told.insert(name).second) {
      if (node.told.size() == 1) scanned_.push_back(&node);
      tell(api::FileChangeKind::created, base + "/" + name, is_directory);
    }
    if (!is_directory) continue;
    const Result<Node*> child = add(&node, name);
    // Ones that this user may not read, or that went meanwhile, have nothing to tell.
    if (!child && child.error().code == Code::resource_exhausted) return fail(child.error());
  }
}

void WatchTree::detach(Node& node) {
  if (node.parent == nullptr) return;
  const auto at = node.parent->children.find(node.name);
  if (at != node.parent->children.end() && at->second == &node) node.parent->children.erase(at);
}

void WatchTree::forget(Node* node) {
  detach(*node);
  std::vector<Node*> todo{node};
  while (!todo.empty()) {
    Node* at = todo.back();
    todo.pop_back();
    for (const auto& [name, child] : at->children) todo.push_back(child);
    ::inotify_rm_watch(inotify_.get(), at->wd);
    std::erase(scanned_, at);
    std::erase_if(moves_, [at](const Move& move) { return move.node == at; });
    nodes_.erase(at->wd);
  }
}

void WatchTree::tell(api::FileChangeKind kind, std::string path, bool directory, std::string from) {
  if (batch_.overflow || batch_.ended) return;
  if (batch_.changes.size() >= limits_.max_changes) {
    batch_.overflow = true;
    batch_.changes.clear();
    return;
  }
  // A file that is being written says so with every write.
  if (!batch_.changes.empty() && batch_.changes.back().kind == kind && batch_.changes.back().path.bytes == path &&
      (kind == api::FileChangeKind::modified || kind == api::FileChangeKind::attributes)) {
    return;
  }
  api::FileChange change{.kind = kind, .path = std::move(path), .directory = directory};
  if (!from.empty()) change.from = std::move(from);
  batch_.changes.push_back(std::move(change));
}

void WatchTree::end(std::string why) {
  if (!batch_.ended) batch_.ended = std::move(why);
}

WatchBatch WatchTree::read() {
  alignas(inotify_event) std::array<char, 65536>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): read fills it
  while (!batch_.ended) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      const auto* event =
          reinterpret_cast<const inotify_event*>(buffer.data() + at);  // NOLINT: the kernel's own layout
      at += sizeof(inotify_event) + event->len;
      on_event(*event);
    }
  }
  if (overflowed_ && !batch_.ended) on_overflow();
  // The queue is empty: whatever was queued when a directory was read has been seen.
  for (Node* node : scanned_) node->told.clear();
  scanned_.clear();
  return take();
}

WatchBatch WatchTree::settle() {
  drop_moves();
  return take();
}

void WatchTree::drop_moves() {
  for (const Move& move : std::exchange(moves_, {})) {
    tell(api::FileChangeKind::removed, move.path, move.directory);
    if (move.node != nullptr) forget(move.node);
  }
}

WatchBatch WatchTree::take() {
  batch_.pending = !moves_.empty();
  return std::exchange(batch_, {});
}

void WatchTree::on_event(const inotify_event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    overflowed_ = true;
    return;
  }
  const auto at = nodes_.find(event.wd);
  if (at == nodes_.end()) return;  // of a directory that was forgotten
  Node& node = *at->second;
  if (&node == root_ && (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0) {
    end(fmt::format("'{}' was {}", shown(root_path_), (event.mask & IN_MOVE_SELF) != 0 ? "moved" : "removed"));
    return;
  }
  if ((event.mask & IN_IGNORED) != 0) {
    forget(&node);
    return;
  }
  if (event.len == 0) return;  // about the directory itself: its parent tells that
  const std::string name(static_cast<const char*>(event.name));
  if (!only_.empty() && name != only_) return;
  on_entry(node, event, name);
}

void WatchTree::on_entry(Node& node, const inotify_event& event, const std::string& name) {
  const bool directory = (event.mask & IN_ISDIR) != 0;
  const std::string path = path_of(node) + "/" + name;
  const auto child = [&]() -> Node* {
    const auto found = node.children.find(name);
    return found == node.children.end() ? nullptr : found->second;
  };
  if ((event.mask & IN_CREATE) != 0) {
    if (node.told.erase(name) == 0) tell(api::FileChangeKind::created, path, directory);
    if (directory && recursive_ && child() == nullptr) on_new_directory(node, name);
  } else if ((event.mask & IN_DELETE) != 0) {
    node.told.erase(name);
    tell(api::FileChangeKind::removed, path, directory);
    if (Node* gone = directory ? child() : nullptr; gone != nullptr) forget(gone);
  } else if ((event.mask & IN_MOVED_FROM) != 0) {
    node.told.erase(name);
    moves_.push_back(
        {.cookie = event.cookie, .path = path, .directory = directory, .node = directory ? child() : nullptr});
  } else if ((event.mask & IN_MOVED_TO) != 0) {
    on_moved_to(node, name, directory, event.cookie);
  } else if ((event.mask & IN_MODIFY) != 0) {
    tell(api::FileChangeKind::modified, path, directory);
  } else if ((event.mask & IN_ATTRIB) != 0) {
    tell(api::FileChangeKind::attributes, path, directory);
  }
}

void WatchTree::on_moved_to(Node& node, const std::string& name, bool directory, std::uint32_t cookie) {
  const std::string path = path_of(node) + "/" + name;
  const auto replaced = node.children.find(name);
  const auto move = std::ranges::find(moves_, cookie, &Move::cookie);
  if (move == moves_.end()) {
    if (node.told.erase(name) == 0) tell(api::FileChangeKind::created, path, directory);
    if (directory && recursive_) on_new_directory(node, name);
    return;
  }
  const Move from = std::move(*move);
  moves_.erase(move);
  node.told.erase(name);
  tell(api::FileChangeKind::renamed, path, directory, from.path);
  if (!directory) return;
  if (from.node == nullptr) {
    if (recursive_) on_new_directory(node, name);
    return;
  }
  if (replaced != node.children.end() && replaced->second != from.node) forget(replaced->second);
  // The kernel's watch stays with the directory; only its place is new.
  detach(*from.node);
  from.node->parent = &node;
  from.node->name = name;
  node.children[name] = from.node;
}

void WatchTree::on_new_directory(Node& node, const std::string& name) {
  const Result<Node*> child = add(&node, name);
  Result<void> below;
  if (child) {
    below = add_below(**child, true);
  } else if (child.error().code == Code::resource_exhausted) {
    below = fail(child.error());
  }
  if (!below) end(below.error().message);
}

void WatchTree::on_overflow() {
  overflowed_ = false;
  batch_.overflow = true;
  batch_.changes.clear();
  moves_.clear();
  // What we knew may be wrong in any way; the kernel's watches of directories that stay are found again by their
  // number.
  std::map<int, std::unique_ptr<Node>> before = std::exchange(nodes_, {});
  scanned_.clear();
  Result<Node*> root = add(nullptr, "");
  Result<void> below;
  if (root) {
    root_ = *root;
    if (recursive_) below = add_below(*root_, false);
  } else {
    below = fail(root.error());
  }
  for (const auto& [wd, node] : before) {
    if (!nodes_.contains(wd)) ::inotify_rm_watch(inotify_.get(), wd);
  }
  if (!below) end(below.error().message);
}

}  // namespace swarm::agentd::files
