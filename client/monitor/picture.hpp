#pragma once
// What a terminal shows, as text with colours, and parts of it as lines of another terminal. The text comes from a
// sandbox: nothing of it but characters that can be seen and their colours gets through.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/output/style.hpp"

namespace swarm::client {

struct Spot {
  std::size_t column = 0;
  std::size_t row = 0;
  bool operator==(const Spot&) const = default;
};

class Picture {
 public:
  Picture() = default;
  /// `text`: lines with SGR sequences, whose colours go on over line ends. `cursor` is drawn where there is one.
  Picture(std::string_view text, std::optional<Spot> cursor);

  /// `rows` lines of exactly `columns` columns, from `from` on; blank where the picture ends.
  [[nodiscard]] std::vector<std::string> cut(Spot from, std::size_t columns, std::size_t rows, Paint paint) const;

  /// Lines up to the last that is not blank, and to the cursor.
  [[nodiscard]] std::size_t height() const { return lines_.size(); }
  /// Columns of its longest line.
  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] const std::optional<Spot>& cursor() const { return cursor_; }

  /// The first line to show where only `rows` of them can be: the end of what stands there, with the cursor in it;
  /// where that is next to nothing (a program with keys in its last line), the part that says most.
  [[nodiscard]] std::size_t best_row(std::size_t rows) const;

 private:
  struct Cell {
    std::string text;  ///< a character and what combines with it; empty: the second half of a wide one
    std::uint8_t columns = 1;
    std::uint16_t style = 0;  ///< in `styles_`
  };
  using Line = std::vector<Cell>;

  void add(Line& line, std::string_view text, std::uint16_t style);

  std::vector<std::string> styles_{std::string()};  ///< parameters of SGR that bring each about; the first is plain
  std::vector<Line> lines_;
  std::optional<Spot> cursor_;
};

}  // namespace swarm::client
