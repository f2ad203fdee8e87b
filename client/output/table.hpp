#pragma once
// Tables for people: columns as wide as their content, two spaces between them, cut only where the terminal is
// narrower.

#include <cstdint>
#include <string>
#include <vector>

#include "client/output/style.hpp"

namespace swarm::client {

enum class Align : std::uint8_t { left, right };

/// Which columns give way when the terminal is too narrow.
enum class Fit : std::uint8_t {
  keep,     ///< ids, numbers: worth nothing when cut
  shorten,  ///< text that is still of use with "…" at its end
};

struct Column {
  std::string title;
  Align align = Align::left;
  Fit fit = Fit::keep;
};

/// One field; its text is one line without control characters (`one_line`).
struct Cell {
  std::string text;
  Style style = Style::plain;
  Cell(std::string t, Style s = Style::plain) : text(std::move(t)), style(s) {}  // NOLINT: {"a", "b"} is a row
  Cell(const char* t) : text(t) {}                                               // NOLINT
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as there are columns.
  void add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  /// All lines, each with its newline. `width` 0 cuts nothing, as for a pipe.
  [[nodiscard]] std::string render(std::size_t width, Paint paint) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(std::size_t total) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

/// "Name:   value" lines with aligned values; an empty value leaves its line out. A value may have several lines.
class Fields {
 public:
  void add(std::string name, std::string value, Style style = Style::plain);
  [[nodiscard]] std::string render(Paint paint) const;

 private:
  struct Line {
    std::string name;
    std::string value;
    Style style;
  };
  std::vector<Line> lines_;
};

}  // namespace swarm::client
