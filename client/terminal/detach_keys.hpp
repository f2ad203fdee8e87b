#pragma once

#include <string>
#include <string_view>

#include "protocol/core/error.hpp"

namespace swarm::client {

/// Finds the keys that detach in what is typed.
class DetachKeys {
 public:
  /// "ctrl-p,ctrl-q", "ctrl-]", "ctrl-a,d"; empty or "none" never detaches. `invalid_argument` says what is accepted.
  static Result<DetachKeys> parse(std::string_view keys);

  struct Typed {
    std::string forward;  ///< what goes to the program
    bool detach = false;  ///< the keys were typed; nothing behind them goes anywhere
  };

  /// The next typed bytes. A beginning of the keys is held back until it is decided.
  Typed feed(std::string_view bytes);

 private:
  std::string keys_;
  std::size_t matched_ = 0;
};

}  // namespace swarm::client
