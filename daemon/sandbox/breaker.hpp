#pragma once

#include "protocol/core/clock.hpp"

namespace swarm::sandbox {

/// Leaves alone what keeps failing: closed (asked), open (not asked for a while), half-open (one request tries it).
class Breaker {
 public:
  struct Options {
    int failures_to_open = 3;  ///< in a row
    Duration first_pause = std::chrono::seconds(5);
    Duration longest_pause = std::chrono::minutes(5);
  };
  enum class State { closed, half_open, open };

  Breaker(const Clock& clock, Options options) : clock_(clock), options_(options) {}

  /// Whether a request may be made now. In half-open only the first is let through, until its outcome is told.
  bool allow();
  void succeeded();
  void failed();
  /// It came to nothing for another reason: the next request may be the one that tries.
  void undecided() { probing_ = false; }

  [[nodiscard]] State state() const;
  /// When it will be tried again; only while open.
  [[nodiscard]] MonoTime retry_at() const { return retry_at_; }
  [[nodiscard]] int failures() const { return failures_; }

 private:
  const Clock& clock_;
  Options options_;
  int failures_ = 0;
  int openings_ = 0;
  bool open_ = false;
  bool probing_ = false;
  MonoTime retry_at_;
};

}  // namespace swarm::sandbox
