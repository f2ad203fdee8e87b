#pragma once
// How one message looks, apart from where it goes.

#include <string>
#include <string_view>
#include <vector>

#include "daemon/log/log.hpp"

namespace swarm::log {

/// One message on its way from a logger to a sink.
struct Message {
  WallTime time;
  Level level = Level::info;
  std::string_view component;
  std::string_view sentence;
  struct Item {
    std::string_view key;
    std::string_view text;
    bool bare = false;
  };
  std::vector<Item> items;
};

enum class Colour { no, yes };

/// The finished line without its newline: redacted, and free of control characters (a message cannot forge a second
/// line).
[[nodiscard]] std::string format_line(const Message& message, config::LogFormat format, Colour colour,
                                      const secrets::Redactor& redactor);

/// Packs a message into one string, as spdlog carries it, and back. The parts are separated by control characters,
/// which are escaped inside them.
[[nodiscard]] std::string pack(std::string_view sentence, Fields fields);
void unpack(std::string_view packed, Message& message);

}  // namespace swarm::log
