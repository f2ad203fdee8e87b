#include "client/terminal/keys.hpp"

#include <optional>

namespace swarm::client {
namespace {

constexpr char kEscape = '\x1b';
constexpr std::size_t kLongestParameters = 64;

std::optional<Key> letter_key(char last) {
  switch (last) {
    case 'A':
      return Key::up;
    case 'B':
      return Key::down;
    case 'C':
      return Key::right;
    case 'D':
      return Key::left;
    case 'H':
      return Key::home;
    case 'F':
      return Key::end;
    case 'Z':
      return Key::back_tab;
    default:
      return std::nullopt;
  }
}

std::optional<Key> number_key(std::string_view parameters) {
  const std::string_view number = parameters.substr(0, parameters.find(';'));
  if (number == "1" || number == "7") return Key::home;
  if (number == "4" || number == "8") return Key::end;
  if (number == "5") return Key::page_up;
  if (number == "6") return Key::page_down;
  return std::nullopt;
}

std::optional<KeyPress> plain_key(char byte) {
  if (byte == '\t') return KeyPress{.key = Key::tab};
  if (byte == '\r' || byte == '\n') return KeyPress{.key = Key::enter};
  if (static_cast<unsigned char>(byte) >= 0x7f) return std::nullopt;
  return KeyPress{.key = Key::character, .character = byte};
}

}  // namespace

std::vector<KeyPress> KeyReader::feed(std::string_view bytes) {
  std::vector<KeyPress> keys;
  for (const char byte : bytes) {
    switch (state_) {
      case State::plain:
        if (byte == kEscape) {
          state_ = State::escape;
        } else if (const auto key = plain_key(byte)) {
          keys.push_back(*key);
        }
        break;
      case State::escape:
        if (byte == '[' || byte == 'O') {
          state_ = byte == '[' ? State::csi : State::ss3;
          parameters_.clear();
        } else {
          // Two escapes are two presses; Alt and a letter is the letter.
          if (byte == kEscape) keys.push_back({.key = Key::escape});
          state_ = byte == kEscape ? State::escape : State::plain;
          if (const auto key = plain_key(byte); key && byte != kEscape) keys.push_back(*key);
        }
        break;
      case State::csi:
      case State::ss3:
        if (byte >= 0x20 && byte <= 0x3f && parameters_.size() < kLongestParameters) {
          parameters_.push_back(byte);
          break;
        }
        state_ = State::plain;
        if (const auto key = byte == '~' ? number_key(parameters_) : letter_key(byte)) keys.push_back({.key = *key});
        break;
    }
  }
  if (state_ == State::escape) {
    keys.push_back({.key = Key::escape});
    state_ = State::plain;
  }
  return keys;
}

}  // namespace swarm::client
