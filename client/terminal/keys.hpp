#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace swarm::client {

enum class Key : std::uint8_t {
  character,
  up,
  down,
  left,
  right,
  page_up,
  page_down,
  home,
  end,
  tab,
  back_tab,
  enter,
  escape
};

/// A key that was pressed; `character` is set for `Key::character` alone. Ctrl-C in raw mode is the character 3.
struct KeyPress {
  Key key = Key::character;
  char character = 0;
  bool operator==(const KeyPress&) const = default;
};

/// Takes what a terminal in raw mode sends apart. What it does not know (mouse, functions keys, letters outside ASCII)
/// is left out.
class KeyReader {
 public:
  /// The next bytes. A sequence that is not whole is held back; an escape that ends them is the key of that name.
  std::vector<KeyPress> feed(std::string_view bytes);

 private:
  enum class State : std::uint8_t { plain, escape, csi, ss3 };
  State state_ = State::plain;
  std::string parameters_;
};

}  // namespace swarm::client
