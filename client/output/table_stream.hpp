#pragma once
// A table whose rows arrive little by little and are shown as they come.

#include "client/output/table.hpp"

namespace swarm::client {

/// One line of a table: `cells` in columns of these widths, with its newline.
[[nodiscard]] std::string table_line(const std::vector<Cell>& cells, const std::vector<Column>& columns,
                                     const std::vector<std::size_t>& widths, Paint paint);

/// What is left of `widths` where there is room for `total` (0: any) and some columns may be cut.
[[nodiscard]] std::vector<std::size_t> fitted(std::vector<std::size_t> widths, const std::vector<Column>& columns,
                                              std::size_t total);

class TableStream {
 public:
  TableStream(std::vector<Column> columns, std::size_t width, Paint paint)
      : columns_(std::move(columns)), width_(width), paint_(paint) {}

  /// The next rows as lines, before the first of them the titles. Columns stay as wide as they were, or grow from here
  /// on.
  [[nodiscard]] std::string part(const std::vector<std::vector<Cell>>& rows);

 private:
  std::vector<Column> columns_;
  std::size_t width_;
  Paint paint_;
  std::vector<std::size_t> needed_;
};

}  // namespace swarm::client
