#pragma once
// Who makes sandboxes. One folder a provider behind this one interface; a new provider is a class here and a line in
// registry.cpp. Providers know nothing of pools, leases, ledgers or clients: they make, list and end sandboxes, and say
// honestly what they cannot know.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/api/sandbox_types.hpp"
#include "protocol/async/task.hpp"
#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"
#include "protocol/transport/stream.hpp"

namespace swarm::providers {

/// What a sandbox shall be. Values are final: template and defaults have been merged by the caller.
struct CreateSpec {
  std::string id;     ///< our sandbox id; it travels in the provider's metadata, so that a lost answer can be looked up
  std::string owner;  ///< the store's id: sandboxes of another daemon on the same account are not ours
  std::string template_name;  ///< a key of the provider's templates
  std::map<std::string, std::string> env;
  std::map<std::string, std::string> labels;
  api::SandboxLimits limits;
  api::NetworkPolicy network;
  Duration lifetime{
      0};  ///< when the provider (or agentd's dead-man's timer) ends it without us; extended while it is used
  std::string secret;  ///< 32 bytes for the tunnel's challenge; never logged, never in argv or environment
};

/// A sandbox as a provider made it.
struct Created {
  std::string ref;  ///< what the provider needs to find it again, also after a restart of ours; opaque, no secret in it
  std::string provider_id;          ///< the provider's own name for people
  std::optional<WallTime> started;  ///< when the provider says billing began
  api::Identity identity = api::Identity::unknown;
  api::Isolation isolation;
  std::vector<api::LimitStatus> limits;
  api::PauseMechanism pause = api::PauseMechanism::none;
};

/// How a create ended. `unknown` is not a failure: the sandbox may exist, and must be looked up before another is made.
struct CreateOutcome {
  enum class Kind { created, refused, unknown };
  Kind kind = Kind::unknown;
  Created created;                      ///< when created
  Error error;                          ///< when refused or unknown
  std::optional<Duration> retry_after;  ///< when refused with a time (429, 503)
};

/// One line of a provider's own list.
struct Listed {
  std::string ref;
  std::string provider_id;
  std::string id;     ///< our id, from its metadata; empty when it is not ours
  std::string owner;  ///< whose daemon made it
  bool paused = false;
  bool at_limit = false;  ///< paused by its provider, as `overrun` tells
  std::optional<WallTime> started;
  std::optional<WallTime> ends;
  Created created;  ///< the facts again, for adoption after a restart (ref and provider_id as above)
};

/// A sandbox passed a limit that its provider only watches. It stands still, and goes on when it is resumed.
struct Overrun {
  api::Resource resource = api::Resource::disk;
  std::uint64_t limit = 0;
  std::string message;  ///< what happened, with figures
};

/// What a provider can do at all; asking for something else fails at once with who could.
struct Capabilities {
  bool pause = false;
  bool extend = false;   ///< it has an expiry of its own that must be prolonged
  bool listing = false;  ///< its list is the truth that reconciliation trusts
  bool network_policy = false;
  bool bills_paused = true;                ///< time spent paused costs money
  std::optional<int> max_sandboxes;        ///< plan limit on concurrency
  std::optional<double> creates_a_second;  ///< plan limit on creation
  std::optional<Duration> max_lifetime;    ///< session cap of the plan
  Duration lists_within{0};                ///< how late a new one may appear in its list
  Duration lists_ended_within{0};          ///< how long its list may go on showing one that has ended
  Duration notices_end_within{0};          ///< how late `gone` may be; 0 where the kernel tells at once
  bool notices_every_end = true;           ///< false: `gone` may be later still, and `seen` says what is known
};

class Provider {
 public:
  Provider() = default;
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;
  virtual ~Provider() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual Capabilities capabilities() const = 0;

  /// Templates that can be asked for now.
  virtual std::vector<std::string> templates() const = 0;

  /// Makes one. Dropping the task gives up waiting, not the sandbox: it may exist afterwards (look it up).
  virtual async::Task<CreateOutcome> create(CreateSpec spec) = 0;

  /// Makes one that was created, or found after its answer was lost, ready to be dialled: puts agentd and the secret
  /// into it where creating does not. Before the first dial; may be done again.
  virtual async::Task<Result<void>> prepare(std::string /*ref*/, CreateSpec /*spec*/) { co_return {}; }

  /// Every sandbox that this provider has with our metadata, of any owner. Never prolongs what it lists.
  virtual async::Task<Result<std::vector<Listed>>> list() = 0;

  /// Whether it has ended for certain, asked when a list does not have it: a list that is read while it changes may
  /// leave one out. Here a list is the truth.
  virtual async::Task<Result<bool>> is_gone(std::string /*ref*/) { co_return true; }

  /// Ends it. Success when it is gone for certain, also when it had gone before.
  virtual async::Task<Result<void>> kill(std::string ref) = 0;

  virtual async::Task<Result<void>> pause(std::string ref) = 0;
  virtual async::Task<Result<void>> resume(std::string ref) = 0;

  /// Moves the provider's own expiry to `lifetime` from now; nothing to do where `Capabilities::extend` is false.
  virtual async::Task<Result<void>> extend(std::string ref, Duration lifetime) = 0;

  /// Completes when the sandbox was stopped at a limit, at once when it is; nothing when it has ended, or where the
  /// provider watches none.
  virtual async::Task<std::optional<Overrun>> overrun(std::string /*ref*/) { co_return std::nullopt; }

  /// Another limit for what one that runs may write; answers with all its limits. `unimplemented` where that is fixed.
  virtual async::Task<Result<std::vector<api::LimitStatus>>> limit_disk(std::string /*ref*/, std::uint64_t /*bytes*/) {
    co_return fail(Code::unimplemented, "what a sandbox of this provider may write is fixed when it is made");
  }

  /// What is held less well than it could be, and is no problem: for `doctor`.
  virtual async::Task<std::vector<std::string>> remarks() { co_return {}; }

  /// A byte stream to its agentd, before the tunnel's handshake. May be called again after each break.
  virtual async::Task<Result<std::unique_ptr<transport::Stream>>> dial(std::string ref) = 0;

  /// Figures from outside (cgroups, the provider's API); `unimplemented` where there are none.
  virtual async::Task<Result<api::SandboxMetrics>> metrics(std::string ref) = 0;

  /// Completes when the sandbox has ended by itself; how it is known is the provider's business (a pidfd, its API).
  virtual async::Task<> gone(std::string ref) = 0;

  /// It had not ended before then, as answers about it have shown; nothing where this provider keeps no account of
  /// that.
  [[nodiscard]] virtual std::optional<MonoTime> seen(const std::string& /*ref*/) const { return std::nullopt; }

  /// When the sandbox ended and stopped costing, by the provider's own clock; nothing where it does not tell.
  virtual async::Task<std::optional<WallTime>> ended_at(std::string /*ref*/) { co_return std::nullopt; }

  /// How long its service wants to be left alone from now, as it last said (429, 503); nothing when it said nothing.
  [[nodiscard]] virtual std::optional<Duration> retry_after() const { return std::nullopt; }

  /// What the person at the keyboard should know: missing programs, forbidden namespaces, a bad key. Empty when well.
  virtual async::Task<std::vector<std::string>> problems() = 0;
};

}  // namespace swarm::providers
