#pragma once
// What the daemon under test says to the provider program, and what a test tells that program to do. The same
// MessagePack-RPC as everywhere, so that a test in any language can drive it.

#include "protocol/api/method.hpp"

namespace swarm::harness {

struct CreateRequest {
  std::string id;
  std::string owner;
  Bytes secret;
  bool operator==(const CreateRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessCreateRequest", "The sandbox that is wanted.");
    d.field("id", &CreateRequest::id, "The daemon's id of it.").required();
    d.field("owner", &CreateRequest::owner, "The daemon's store.").required();
    d.field("secret", &CreateRequest::secret, "For the tunnel.").secret().required();
  }
};

struct CreateReply {
  std::string outcome;  ///< "created", "refused"; anything else is garbage
  std::string ref;
  std::string message;
  std::int64_t started_us = 0;
  std::optional<std::chrono::milliseconds> retry_after_ms;
  bool limited = false;
  bool operator==(const CreateReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessCreateReply", "What became of it.");
    d.field("outcome", &CreateReply::outcome, "created or refused.").required();
    d.field("ref", &CreateReply::ref, "The provider's handle.");
    d.field("message", &CreateReply::message, "Why it was refused.");
    d.field("started_us", &CreateReply::started_us, "When it started.");
    d.field("retry_after_ms", &CreateReply::retry_after_ms, "When to ask again.");
    d.field("limited", &CreateReply::limited, "Refused as 429.");
  }
};

struct RefRequest {
  std::string ref;
  bool operator==(const RefRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessRefRequest", "One sandbox.");
    d.field("ref", &RefRequest::ref, "The provider's handle.").required();
  }
};

struct TimeReply {
  std::optional<std::int64_t> time_us;
  bool operator==(const TimeReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessTimeReply", "A time, where there is one.");
    d.field("time_us", &TimeReply::time_us, "UTC.");
  }
};

struct Entry {
  std::string ref;
  std::string id;
  std::string owner;
  bool paused = false;
  std::int64_t started_us = 0;
  bool operator==(const Entry&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessEntry", "A line of the provider's list.");
    d.field("ref", &Entry::ref, "The provider's handle.").required();
    d.field("id", &Entry::id, "The daemon's id.").required();
    d.field("owner", &Entry::owner, "Whose.").required();
    d.field("paused", &Entry::paused, "It stands still.");
    d.field("started_us", &Entry::started_us, "Since when it runs.");
  }
};

struct ListReply {
  std::vector<Entry> sandboxes;
  bool operator==(const ListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessListReply", "Every sandbox that runs.");
    d.field("sandboxes", &ListReply::sandboxes, "The sandboxes.").required();
  }
};

/// What the provider itself has noted of one sandbox. Nanoseconds since 1970 as decimal strings: no client loses
/// digits.
struct Account {
  std::string id;
  std::string owner;
  std::string started_ns;
  std::string listed_ns;
  std::optional<std::string> ended_ns;
  std::vector<std::string> paused_ns;
  std::vector<std::string> resumed_ns;
  bool operator==(const Account&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessAccount", "What ran.");
    d.field("id", &Account::id, "The daemon's id.").required();
    d.field("owner", &Account::owner, "Whose.").required();
    d.field("started_ns", &Account::started_ns, "When it started.").required();
    d.field("listed_ns", &Account::listed_ns, "When its list shows it first.").required();
    d.field("ended_ns", &Account::ended_ns, "When it ended.");
    d.field("paused_ns", &Account::paused_ns, "Each time it was paused.");
    d.field("resumed_ns", &Account::resumed_ns, "Each time it went on.");
  }
};

struct AccountsReply {
  std::vector<Account> accounts;
  std::uint64_t creates = 0;
  std::uint64_t most_at_once = 0;
  std::uint64_t over_capacity = 0;
  std::uint64_t over_rate = 0;
  std::uint64_t twice = 0;
  bool operator==(const AccountsReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessAccountsReply", "The provider's own account.");
    d.field("accounts", &AccountsReply::accounts, "Of each sandbox that ever ran.").required();
    d.field("creates", &AccountsReply::creates, "Creations asked for.");
    d.field("most_at_once", &AccountsReply::most_at_once, "Most sandboxes at the same time.");
    d.field("over_capacity", &AccountsReply::over_capacity, "Refused because there were too many.");
    d.field("over_rate", &AccountsReply::over_rate, "Refused because they came too fast.");
    d.field("twice", &AccountsReply::twice, "The same id asked for again: it was created twice.");
  }
};

struct ScriptRequest {
  std::vector<std::string> create;
  std::optional<std::uint32_t> create_trouble_percent;
  std::optional<std::chrono::milliseconds> create_ms;
  std::optional<std::chrono::milliseconds> jitter_ms;
  std::optional<std::chrono::milliseconds> list_lag_ms;
  std::optional<std::uint32_t> list_trouble;
  std::optional<std::uint32_t> kill_trouble;
  std::optional<std::uint32_t> pause_trouble;
  std::optional<std::string> trouble;
  std::optional<std::uint64_t> capacity;
  std::optional<double> rate;
  std::optional<std::uint64_t> seed;
  bool operator==(const ScriptRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("HarnessScriptRequest", "How to behave from now on; what is absent stays.");
    d.field("create", &ScriptRequest::create,
            "The next creations: works, refused, limited, broken, lost_made, lost_not_made, hangs, hangs_not_made, "
            "mute, garbage.");
    d.field("create_trouble_percent", &ScriptRequest::create_trouble_percent,
            "So many of a hundred other creations go wrong in one of these ways.");
    d.field("create_ms", &ScriptRequest::create_ms, "How long a creation takes.");
    d.field("jitter_ms", &ScriptRequest::jitter_ms, "A creation arrives up to so much later than it was sent.");
    d.field("list_lag_ms", &ScriptRequest::list_lag_ms, "How long a new one is missing from the list.");
    d.field("list_trouble", &ScriptRequest::list_trouble, "So many of the next lists go wrong.");
    d.field("kill_trouble", &ScriptRequest::kill_trouble, "So many of the next kills go wrong.");
    d.field("pause_trouble", &ScriptRequest::pause_trouble, "So many of the next pauses and resumes go wrong.");
    d.field("trouble", &ScriptRequest::trouble, "How these go wrong: fails, hangs, garbage, lost (done, not said).");
    d.field("capacity", &ScriptRequest::capacity, "More at once are refused as 429.");
    d.field("rate", &ScriptRequest::rate, "More creations in a second are refused as 429; 0: any number.");
    d.field("seed", &ScriptRequest::seed, "Of the troubles.");
  }
};

inline constexpr api::Method<CreateRequest, CreateReply> kCreate{{.name = "provider.create", .doc = "Makes one."}};
inline constexpr api::Method<api::Empty, ListReply> kList{{.name = "provider.list", .doc = "Lists them."}};
inline constexpr api::Method<RefRequest, api::Empty> kKill{{.name = "provider.kill", .doc = "Ends one."}};
inline constexpr api::Method<RefRequest, api::Empty> kPause{{.name = "provider.pause", .doc = "Pauses one."}};
inline constexpr api::Method<RefRequest, api::Empty> kResume{{.name = "provider.resume", .doc = "Lets it go on."}};
inline constexpr api::Method<RefRequest, api::Empty> kGone{{.name = "provider.gone", .doc = "Waits for its end."}};
inline constexpr api::Method<RefRequest, TimeReply> kEndedAt{{.name = "provider.ended_at", .doc = "When it ended."}};
inline constexpr api::Method<ScriptRequest, api::Empty> kScript{{.name = "test.script", .doc = "How to behave."}};
inline constexpr api::Method<api::Empty, AccountsReply> kAccounts{{.name = "test.accounts", .doc = "What ran."}};
inline constexpr api::Method<RefRequest, api::Empty> kDie{{.name = "test.die", .doc = "One ends by itself."}};
inline constexpr api::Method<RefRequest, api::Empty> kMute{{.name = "test.mute", .doc = "Its agentd falls silent."}};
inline constexpr api::Method<CreateRequest, api::Empty> kPlant{{.name = "test.plant", .doc = "One nobody asked for."}};

}  // namespace swarm::harness
