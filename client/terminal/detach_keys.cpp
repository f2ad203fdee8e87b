#include "client/terminal/detach_keys.hpp"

#include <fmt/format.h>

namespace swarm::client {
namespace {

/// One key's byte, or nothing.
std::optional<char> key_byte(std::string_view key) {
  if (key.size() == 1 && key.front() > ' ' && key.front() < 0x7f) return key.front();
  constexpr std::string_view kControl = "ctrl-";
  if (key.size() != kControl.size() + 1 || !key.starts_with(kControl)) return std::nullopt;
  const char c = key.back();
  if (c >= 'a' && c <= 'z') return static_cast<char>(c - 'a' + 1);
  if (c >= '@' && c <= '_') return static_cast<char>(c - '@');
  return std::nullopt;
}

}  // namespace

Result<DetachKeys> DetachKeys::parse(std::string_view keys) {
  DetachKeys made;
  if (keys.empty() || keys == "none") return made;
  for (std::size_t at = 0; at <= keys.size();) {
    const std::size_t end = std::min(keys.find(',', at), keys.size());
    const std::string_view key = keys.substr(at, end - at);
    const std::optional<char> byte = key_byte(key);
    if (!byte) {
      return fail(Code::invalid_argument,
                  fmt::format("--detach-keys: '{}' is no key; expected keys separated by commas, each one character or "
                              "'ctrl-' and one of a-z @ [ \\ ] ^ _, for example 'ctrl-p,ctrl-q', or 'none'",
                              key));
    }
    made.keys_.push_back(*byte);
    at = end + 1;
  }
  return made;
}

DetachKeys::Typed DetachKeys::feed(std::string_view bytes) {
  Typed typed;
  if (keys_.empty()) {
    typed.forward = bytes;
    return typed;
  }
  for (const char byte : bytes) {
    // What was held back and turns out to be no match is shifted out a byte at a time: "ctrl-p ctrl-p ctrl-q" detaches.
    std::string held = keys_.substr(0, matched_) + byte;
    while (!held.empty() && !keys_.starts_with(held)) {
      typed.forward.push_back(held.front());
      held.erase(0, 1);
    }
    matched_ = held.size();
    if (matched_ == keys_.size()) {
      matched_ = 0;
      typed.detach = true;
      return typed;
    }
  }
  return typed;
}

}  // namespace swarm::client
