#pragma once
// Who may change which paths. Overlap of files, directories and globs is computed; requests are served in their order.

#include "protocol/api/agent.hpp"

namespace swarm::api {

enum class LockKind : std::uint8_t { file, directory, glob };

template <class D>
void describe_enum(D& d, LockKind*) {
  d.type("LockKind", "What a lock is on.");
  d.value("file", LockKind::file, "One path; with a slash at its end a directory.");
  d.value("directory", LockKind::directory, "A path and everything below; `.` is the repository.");
  d.value("glob", LockKind::glob, "Paths that match: `*`, `?`, `**`, `[a-z]`, `[!a]`, `{a,b}`.");
}

enum class LockMode : std::uint8_t { shared, exclusive };

template <class D>
void describe_enum(D& d, LockMode*) {
  d.type("LockMode", "Who else may hold it.");
  d.value("shared", LockMode::shared, "Others who share.");
  d.value("exclusive", LockMode::exclusive, "Nobody.");
}

enum class LockEnd : std::uint8_t { released, expired, broken, owner_gone, unknown };

template <class D>
void describe_enum(D& d, LockEnd*) {
  d.type("LockEnd", "Why a lock ended.");
  d.value("released", LockEnd::released, "Its holder gave it back.");
  d.value("expired", LockEnd::expired, "Its time ran out.");
  d.value("broken", LockEnd::broken, "A person broke it.");
  d.value("owner_gone", LockEnd::owner_gone, "Its holder is gone.");
  d.value("unknown", LockEnd::unknown, "A reason of a newer version.");
  d.unknown(LockEnd::unknown);
}

struct LockInfo {
  std::string id;
  std::string agent;
  Identity identity = Identity::unknown;
  std::string repository;
  LockKind kind = LockKind::file;
  Path path;
  LockMode mode = LockMode::exclusive;
  std::string reason;
  std::int64_t granted_us = 0;
  std::optional<std::int64_t> expires_us;
  std::int64_t epoch = 0;
  std::int64_t counter = 0;
  bool operator==(const LockInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockInfo", "A lock that is held.");
    d.field("id", &LockInfo::id, "Its id.").required();
    d.field("agent", &LockInfo::agent, "Who holds it.").required();
    d.field("identity", &LockInfo::identity, "How sure that is.");
    d.field("repository", &LockInfo::repository, "The repository.");
    d.field("kind", &LockInfo::kind, "What `path` is.").required();
    d.field("path", &LockInfo::path, "The path, normalised; empty: the repository.").required();
    d.field("mode", &LockInfo::mode, "Who else may hold it.").required();
    d.field("reason", &LockInfo::reason, "Why.");
    d.field("granted_us", &LockInfo::granted_us, "Since when, UTC.").required();
    d.field("expires_us", &LockInfo::expires_us, "Until when unless it is renewed, UTC; absent: until released.");
    d.field("epoch", &LockInfo::epoch, "First part of the fencing token.").required();
    d.field("counter", &LockInfo::counter, "Second part; every grant has a larger token than all before.").required();
  }
};

struct LockWaiter {
  std::string id;
  std::string agent;
  std::string repository;
  LockKind kind = LockKind::file;
  Path path;
  LockMode mode = LockMode::exclusive;
  std::string reason;
  std::int64_t since_us = 0;
  std::int64_t until_us = 0;
  bool operator==(const LockWaiter&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockWaiter", "A request in line.");
    d.field("id", &LockWaiter::id, "The id that the lock will have.").required();
    d.field("agent", &LockWaiter::agent, "Who waits.").required();
    d.field("repository", &LockWaiter::repository, "The repository.");
    d.field("kind", &LockWaiter::kind, "What `path` is.").required();
    d.field("path", &LockWaiter::path, "The path.").required();
    d.field("mode", &LockWaiter::mode, "How.").required();
    d.field("reason", &LockWaiter::reason, "Why.");
    d.field("since_us", &LockWaiter::since_us, "Since when, UTC.").required();
    d.field("until_us", &LockWaiter::until_us, "Until when, UTC.").required();
  }
};

struct LockAcquireRequest {
  std::string repository;
  LockKind kind = LockKind::file;
  Path path;
  LockMode mode = LockMode::exclusive;
  std::string reason;
  std::optional<std::chrono::milliseconds> ttl_ms{300000};
  std::chrono::milliseconds wait_ms{0};
  bool operator==(const LockAcquireRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockAcquireRequest", "What to lock.");
    d.field("repository", &LockAcquireRequest::repository, "The repository, by name; empty: the only one.")
        .max_length(200);
    d.field("kind", &LockAcquireRequest::kind, "What `path` is.");
    d.field("path", &LockAcquireRequest::path,
            "The path in the repository. However it is spelled, it is one name: dots, slashes, links, and case where "
            "the file system folds it.")
        .required()
        .non_empty()
        .max_length(4096);
    d.field("mode", &LockAcquireRequest::mode, "Who else may hold it.");
    d.field("reason", &LockAcquireRequest::reason, "Why; shown to those who are refused.").max_length(500);
    d.field("ttl_ms", &LockAcquireRequest::ttl_ms,
            "It ends this long from now unless renewed. null: when it is released or its holder is gone.")
        .min(1000);
    d.field("wait_ms", &LockAcquireRequest::wait_ms, "How long to stand in line; 0: granted or refused at once.")
        .max(86'400'000);
  }
};

struct LockAcquireReply {
  LockInfo lock;
  bool renewed = false;
  bool operator==(const LockAcquireReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockAcquireReply", "Granted.");
    d.field("lock", &LockAcquireReply::lock, "The lock.").required();
    d.field("renewed", &LockAcquireReply::renewed, "The caller held it already; it lasts longer now.").required();
  }
};

struct LockRenewRequest {
  std::string id;
  std::chrono::milliseconds ttl_ms{300000};
  bool operator==(const LockRenewRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockRenewRequest", "Which lock to extend.");
    d.field("id", &LockRenewRequest::id, "The lock.").required().non_empty().max_length(40);
    d.field("ttl_ms", &LockRenewRequest::ttl_ms, "It lasts at least this long from now.").min(1000);
  }
};

struct LockReleaseRequest {
  std::optional<std::string> id;
  std::string repository;
  LockKind kind = LockKind::file;
  std::optional<Path> path;
  bool operator==(const LockReleaseRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockReleaseRequest", "Which lock to give back.");
    d.field("id", &LockReleaseRequest::id, "The lock.").non_empty().max_length(40);
    d.field("repository", &LockReleaseRequest::repository, "The repository of `path`.").max_length(200);
    d.field("kind", &LockReleaseRequest::kind, "What `path` is.");
    d.field("path", &LockReleaseRequest::path, "The path as it was locked.").non_empty().max_length(4096);
    d.exactly_one({"id", "path"});
  }
};

struct LockReleaseReply {
  std::uint32_t released = 0;
  bool operator==(const LockReleaseReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockReleaseReply", "Given back.");
    d.field("released", &LockReleaseReply::released, "How many locks; one that was not held any more is no error.")
        .required();
  }
};

struct LockListRequest {
  std::optional<std::string> agent;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const LockListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockListRequest", "Which locks.");
    d.field("agent", &LockListRequest::agent, "Only those of this agent.").non_empty().max_length(64);
    d.field("limit", &LockListRequest::limit, "Most entries of one answer.").min(1).max(1000);
    d.field("cursor", &LockListRequest::cursor, "`next_cursor` of the answer before.").max_length(200);
  }
};

struct LockListReply {
  std::vector<LockInfo> locks;
  std::vector<LockWaiter> waiting;
  std::optional<std::string> next_cursor;
  bool operator==(const LockListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockListReply", "Locks, and who waits.");
    d.field("locks", &LockListReply::locks, "What is held.").required();
    d.field("waiting", &LockListReply::waiting, "The line, first come first.").required();
    d.field("next_cursor", &LockListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct LockCheckRequest {
  std::string repository;
  std::vector<Path> paths;
  std::optional<std::string> agent;
  bool operator==(const LockCheckRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockCheckRequest", "What is about to be changed.");
    d.field("repository", &LockCheckRequest::repository, "The repository.").max_length(200);
    d.field("paths", &LockCheckRequest::paths, "The paths in it.").required().non_empty().max_length(100000);
    d.field("agent", &LockCheckRequest::agent, "Who changes them; inside a sandbox always the caller.")
        .non_empty()
        .max_length(64);
  }
};

struct LockCheckReply {
  std::vector<LockInfo> conflicts;
  bool operator==(const LockCheckReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockCheckReply", "What stands in the way.");
    d.field("conflicts", &LockCheckReply::conflicts, "Locks of others on these paths; empty: nothing.").required();
  }
};

struct LockBreakRequest {
  std::string id;
  std::string reason;
  bool operator==(const LockBreakRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockBreakRequest", "Which lock a person ends.");
    d.field("id", &LockBreakRequest::id, "The lock.").required().non_empty().max_length(40);
    d.field("reason", &LockBreakRequest::reason, "Why, for the record and its holder.")
        .required()
        .non_empty()
        .max_length(500);
  }
};

struct LockGranted {
  std::string id;
  std::string agent;
  std::string repository;
  LockKind kind = LockKind::file;
  Path path;
  LockMode mode = LockMode::exclusive;
  std::int64_t epoch = 0;
  std::int64_t counter = 0;
  std::string reason;
  bool proven = true;
  std::optional<std::int64_t> expires_us;
  bool operator==(const LockGranted&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockGranted", "A lock that was granted.");
    d.field("id", &LockGranted::id, "Its id.").required();
    d.field("agent", &LockGranted::agent, "Who holds it.").required();
    d.field("repository", &LockGranted::repository, "The repository.");
    d.field("kind", &LockGranted::kind, "What `path` is.").required();
    d.field("path", &LockGranted::path, "The path.").required();
    d.field("mode", &LockGranted::mode, "How.").required();
    d.field("epoch", &LockGranted::epoch, "First part of its token.").required();
    d.field("counter", &LockGranted::counter, "Second part.").required();
    d.field("reason", &LockGranted::reason, "Why.");
    d.field("proven", &LockGranted::proven, "The kernel says who holds it.");
    d.field("expires_us", &LockGranted::expires_us, "Until when, UTC.");
  }
};

struct LockEnded {
  std::string id;
  std::string agent;
  std::string repository;
  LockKind kind = LockKind::file;
  Path path;
  LockMode mode = LockMode::exclusive;
  std::int64_t epoch = 0;
  std::int64_t counter = 0;
  LockEnd end = LockEnd::unknown;
  std::optional<std::string> by;
  std::optional<std::string> reason;
  bool operator==(const LockEnded&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockEnded", "A lock that ended.");
    d.field("id", &LockEnded::id, "Its id.").required();
    d.field("agent", &LockEnded::agent, "Who held it.").required();
    d.field("repository", &LockEnded::repository, "The repository.");
    d.field("kind", &LockEnded::kind, "What `path` is.").required();
    d.field("path", &LockEnded::path, "The path.").required();
    d.field("mode", &LockEnded::mode, "How.").required();
    d.field("epoch", &LockEnded::epoch, "First part of its token.").required();
    d.field("counter", &LockEnded::counter, "Second part.").required();
    d.field("end", &LockEnded::end, "Why it ended.").required();
    d.field("by", &LockEnded::by, "Who ended it.");
    d.field("reason", &LockEnded::reason, "With which reason.");
  }
};

struct LockDeadlock {
  std::string repository;
  LockKind kind = LockKind::file;
  Path path;
  std::string circle;
  bool operator==(const LockDeadlock&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("LockDeadlock", "A request that would have closed a circle of waiting was refused.");
    d.field("repository", &LockDeadlock::repository, "The repository.");
    d.field("kind", &LockDeadlock::kind, "What `path` is.").required();
    d.field("path", &LockDeadlock::path, "What was asked for.").required();
    d.field("circle", &LockDeadlock::circle, "Who waits for whom.").required();
  }
};

inline constexpr Method<InSwarm<LockAcquireRequest>, LockAcquireReply> kLockAcquire{{
    .name = "lock.acquire",
    .doc = "Takes a lock for the calling agent, or waits for it in the order of asking.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition,
                "another holds it or asked before (retryable), or waiting would be a deadlock; the message says who, "
                "how long and why"},
               {Code::deadline_exceeded, "`wait_ms` is over"},
               {Code::not_found, "the caller is no agent of the swarm"},
               {Code::unavailable, "the line was lost in a restart; ask again"}},
}};
inline constexpr Method<InSwarm<LockRenewRequest>, LockInfo> kLockRenew{{
    .name = "lock.renew",
    .doc = "Extends a lock of the calling agent.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "it is not held any more"}, {Code::permission_denied, "another holds it"}},
}};
inline constexpr Method<InSwarm<LockReleaseRequest>, LockReleaseReply> kLockRelease{{
    .name = "lock.release",
    .doc = "Gives locks of the calling agent back.",
    .caller = Caller::tunnel,
    .effect = Effect::changes,
    .errors = {{Code::permission_denied, "another holds it"}},
}};
inline constexpr Method<InSwarm<LockListRequest>, LockListReply> kLockList{{
    .name = "lock.list",
    .doc = "Lists locks and who waits for one.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<LockCheckRequest>, LockCheckReply> kLockCheck{{
    .name = "lock.check",
    .doc = "Says whose locks stand in the way of a change.",
    .caller = Caller::both,
}};
inline constexpr Method<InSwarm<LockBreakRequest>, LockInfo> kLockBreak{{
    .name = "lock.break",
    .doc = "Ends the lock of an agent by the decision of a person. Recorded.",
    .caller = Caller::host,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such lock is held"}},
}};

/// As agentd serves it.
namespace inside {
inline constexpr Method<InSwarm<LockBreakRequest>, LockInfo> kLockBreak{for_the_daemon(api::kLockBreak)};
}  // namespace inside

inline constexpr EventType<LockGranted> kLockGranted{{.name = "lock.granted", .doc = "An agent holds a lock."}};
inline constexpr EventType<LockEnded> kLockEnded{
    {.name = "lock.ended", .doc = "A lock was released, broken, ran out, or went with its holder."}};
inline constexpr EventType<LockDeadlock> kLockDeadlock{
    {.name = "lock.deadlock", .doc = "A request was refused since agents would have waited for each other."}};

std::span<const MethodInfo* const> lock_methods();
std::span<const EventInfo* const> lock_events();

}  // namespace swarm::api
