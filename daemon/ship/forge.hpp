#pragma once
// Pull requests at a service that speaks GitHub's REST API (docs.github.com/rest, version 2022-11-28). It knows what
// one request means, and no more: who asks decides what to try again.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/limits/limiters.hpp"
#include "daemon/ship/credentials.hpp"
#include "protocol/http/client.hpp"

namespace swarm::ship {

struct Pull {
  std::uint32_t number = 0;
  std::string url;  ///< for people
  std::string title;
  std::string body;
  std::string into;
  bool operator==(const Pull&) const = default;
};

/// What a pull request shall be.
struct PullWish {
  std::string branch;
  std::string into;
  std::string title;
  std::string body;
  bool draft = false;
};

/// Why a request brought nothing. With `wait` the service itself said how long nothing is to be asked of it.
struct Setback {
  Error error;
  std::optional<Duration> wait{};
  bool guessed = false;  ///< the service limits and does not say for how long: `wait` is the first of growing waits
};

/// How long to wait when it was waited `before` times in vain: twice as long each time, an hour at most.
[[nodiscard]] Duration grown(Duration first, int before);

template <class T>
using Answer = std::expected<T, Setback>;

/// What an answer that is no success means.
struct Refusal {
  int status = 0;
  std::string body;
  std::optional<std::string> retry_after;  ///< header Retry-After
  std::optional<std::string> remaining;    ///< header X-RateLimit-Remaining
  std::optional<std::string> reset;        ///< header X-RateLimit-Reset: seconds since 1970
};
/// `what` was asked for: "open a pull request". Both kinds of rate limit are told by `wait`: the primary one by
/// "remaining: 0" and its reset, the secondary one by Retry-After or in words, then a minute at least.
Setback setback_of(const Refusal& refusal, WallTime now, std::string_view what);

/// One repository at one service, for as long as a task needs it. Everything that it is made of outlives its tasks.
class Forge {
 public:
  struct Setup {
    async::Loop& loop;
    http_client::Client& client;
    limits::Limiters& limiters;
    Remote remote;
    Service service;
    std::shared_ptr<const Credential> credential;
    std::string swarm;
  };
  explicit Forge(Setup setup) : with_(std::move(setup)) {}
  Forge(const Forge&) = delete;
  Forge& operator=(const Forge&) = delete;

  /// The branch that is checked out by default.
  async::Task<Answer<std::string>> default_branch();
  /// The open pull request from `branch` into `into`; nothing when there is none.
  async::Task<Answer<std::optional<Pull>>> find(std::string branch, std::string into);
  /// Opens one. There may be one already: then `already_exists`, and `find` finds it.
  async::Task<Answer<Pull>> open(PullWish wish);
  /// Gives it another title and text.
  async::Task<Answer<Pull>> update(std::uint32_t number, PullWish wish);
  /// Adds labels; those that it has stay.
  async::Task<Answer<bool>> label(std::uint32_t number, std::vector<std::string> labels);
  /// Closes it without merging.
  async::Task<Answer<bool>> close(std::uint32_t number);

 private:
  async::Task<Answer<std::string>> call(std::string method, std::string path, std::string body, std::string what);
  [[nodiscard]] std::string repository() const;

  Setup with_;
};

}  // namespace swarm::ship
