#pragma once
// How many sandboxes there may be: in all, of one provider, of one template, of one swarm. A place is taken before a
// sandbox is asked for and given back when it is gone for certain, never earlier. Who finds no place waits in line: by
// priority, then in the order of asking; a line that cannot move on for its first lets nobody of the same scarce thing
// pass (no overtaking, no starvation).

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "protocol/async/event.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/error.hpp"

namespace swarm::sandbox {

/// What a sandbox counts against.
struct Claimant {
  std::string provider;
  std::string template_name;
  std::string swarm;  ///< empty: none
  int priority = 0;   ///< higher goes first
};

class Capacity;

/// A place that is held. Given back when destroyed.
class [[nodiscard]] Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { release(); }

  void release();
  [[nodiscard]] bool held() const { return capacity_ != nullptr; }

 private:
  friend Capacity;
  Reservation(Capacity& capacity, Claimant claimant) : capacity_(&capacity), claimant_(std::move(claimant)) {}
  Capacity* capacity_ = nullptr;
  Claimant claimant_;
};

class Capacity {
 public:
  struct Limits {
    std::uint64_t total = UINT64_MAX;
    std::map<std::string, std::uint64_t> providers;
    std::map<std::string, std::uint64_t> templates;
    std::map<std::string, std::uint64_t> swarms;
    /// How many of a provider's places the pool leaves free beyond what is waited for.
    std::size_t max_waiting = 10'000;
  };

  /// `loop` outlives it; reservations must not.
  Capacity(async::Loop& loop, Limits limits);
  Capacity(const Capacity&) = delete;
  Capacity& operator=(const Capacity&) = delete;
  ~Capacity();

  /// Takes a place now, or says which limit is reached (`resource_exhausted`). Never passes those who wait.
  Result<Reservation> try_acquire(const Claimant& claimant);

  /// Takes a place whatever the limits say: for sandboxes that exist already (a restart), so that the count is true.
  Reservation take_existing(const Claimant& claimant);

  /// Waits in line for at most `patience`; then `deadline_exceeded` with the place in line and what is scarce.
  async::Task<Result<Reservation>> acquire(Claimant claimant, Duration patience);

  /// Changes limits while it runs. What is over a lowered limit stays; nothing new is let in until it is below.
  void set_limits(Limits limits);

  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] std::uint64_t used() const { return total_; }
  [[nodiscard]] std::uint64_t used(const std::string& provider) const;
  [[nodiscard]] std::size_t waiting() const { return line_.size(); }
  /// Those in line for this provider: while there are any, the pool takes nothing.
  [[nodiscard]] std::size_t waiting(const std::string& provider) const;

 private:
  friend Reservation;
  struct Waiting;
  using Counts = std::map<std::string, std::uint64_t>;

  /// Why there is no place for it now; empty when there is one.
  [[nodiscard]] std::string scarce(const Claimant& claimant) const;
  void count(const Claimant& claimant, int change);
  void give_back(const Claimant& claimant);
  void serve_line();

  async::Loop& loop_;
  Limits limits_;
  std::uint64_t total_ = 0;
  Counts providers_;
  Counts templates_;
  Counts swarms_;
  std::list<Waiting*> line_;  // by priority, then by time; entries live in the frames of those who wait
};

}  // namespace swarm::sandbox
