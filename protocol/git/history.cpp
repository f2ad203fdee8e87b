#include "protocol/git/history.hpp"

#include <fmt/format.h>
#include <git2.h>

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <utility>

namespace swarm::git {

struct History::Node {
  Oid id;
  std::int64_t time = 0;
  std::uint64_t order = 0;  // of discovery: ties are broken the same way every time
  std::vector<Oid> parents;
  unsigned marks = 0;
  bool listed = false;
  std::size_t counted = 0;  // times it is in the queue as interesting
};

struct History::Nodes {
  std::unordered_map<Oid, std::unique_ptr<Node>, OidHash> by_id;
};

namespace {

constexpr unsigned kOne = 1;
constexpr unsigned kOther = 2;
constexpr unsigned kBoth = kOne | kOther;
constexpr unsigned kStale = 4;  // below a common commit: of no interest
constexpr unsigned kBase = 8;

}  // namespace

History::History(git_repository* repository, const std::vector<Oid>& shallow)
    : repository_(repository), shallow_(shallow.begin(), shallow.end()), nodes_(std::make_unique<Nodes>()) {}

History::~History() = default;

Result<History::Node*> History::node(const Oid& id) {
  auto& slot = nodes_->by_id[id];
  if (slot) return slot.get();
  if (nodes_->by_id.size() > kMost) {
    nodes_->by_id.erase(id);
    return fail(Code::resource_exhausted, fmt::format("the history is longer than {} commits", kMost));
  }
  git_commit* raw = nullptr;
  if (const int code = git_commit_lookup(&raw, repository_, id.get()); code < 0) {
    nodes_->by_id.erase(id);
    return failed(code, "commit " + id.text());
  }
  const Commit commit(raw);
  slot = std::make_unique<Node>(
      Node{.id = id, .time = git_commit_time(raw), .order = nodes_->by_id.size(), .parents = {}});
  if (!shallow_.contains(id)) {
    for (unsigned i = 0; i < git_commit_parentcount(raw); ++i)
      slot->parents.emplace_back(*git_commit_parent_id(raw, i));
  }
  return slot.get();
}

Result<std::vector<Oid>> History::parents(const Oid& commit) {
  const Result<Node*> found = node(commit);
  if (!found) return fail(found.error());
  return (*found)->parents;
}

Result<History::Compared> History::compare(const std::vector<Oid>& one, const std::vector<Oid>& other) {
  for (auto& [id, known] : nodes_->by_id) {
    known->marks = 0;
    known->listed = false;
    known->counted = 0;
  }
  const auto later = [](const Node* a, const Node* b) {
    return a->time != b->time ? a->time < b->time : a->order > b->order;
  };
  std::priority_queue<Node*, std::vector<Node*>, decltype(later)> queue(later);
  std::size_t interesting = 0;  // in the queue, not stale
  const auto reach = [&](const Oid& id, unsigned marks) -> Result<void> {
    const Result<Node*> found = node(id);
    if (!found) return fail(found.error());
    Node* at = *found;
    if ((at->marks & marks) == marks) return {};
    at->marks |= marks;
    queue.push(at);
    if ((at->marks & kStale) != 0) {
      interesting -= std::exchange(at->counted, 0);
    } else {
      ++at->counted;
      ++interesting;
    }
    return {};
  };
  for (const Oid& id : one) {
    if (const Result<void> ok = reach(id, kOne); !ok) return fail(ok.error());
  }
  for (const Oid& id : other) {
    if (const Result<void> ok = reach(id, kOther); !ok) return fail(ok.error());
  }
  std::vector<Node*> seen;
  // A commit comes into the queue again when its marks grew, with its parents behind it.
  while (!queue.empty() && interesting > 0) {
    Node* at = queue.top();
    queue.pop();
    if (at->counted > 0) {
      --at->counted;
      --interesting;
    }
    if (!at->listed) {
      at->listed = true;
      seen.push_back(at);
    }
    unsigned marks = at->marks & (kBoth | kStale);
    if ((marks & kBoth) == kBoth) {
      if ((marks & kStale) == 0) at->marks |= kBase;
      marks |= kStale;
    }
    for (const Oid& parent : at->parents) {
      if (const Result<void> ok = reach(parent, marks); !ok) return fail(ok.error());
    }
  }
  Compared result;
  for (const Node* at : seen) {
    if ((at->marks & kBoth) == kOne) result.ours.push_back(at->id);
    if ((at->marks & kBoth) == kOther) result.theirs.push_back(at->id);
    if ((at->marks & kBase) != 0 && (at->marks & kStale) == 0) result.bases.push_back(at->id);
  }
  return result;
}

Result<bool> History::contains(const Oid& commit, const Oid& ancestor) {
  const Result<Compared> compared = compare({ancestor}, {commit});
  if (!compared) return fail(compared.error());
  return compared->ours.empty();
}

}  // namespace swarm::git
