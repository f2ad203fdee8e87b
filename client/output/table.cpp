#include "client/output/table.hpp"

#include "client/output/table_stream.hpp"
#include "client/output/width.hpp"

namespace swarm::client {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;  // a shortened column keeps so many

std::string padded(const Cell& cell, std::size_t width, Align align, bool last, Paint paint) {
  const std::string text = cut_to_width(cell.text, width);
  const std::size_t space = width - std::min(width, display_width(text));
  const std::string shown = painted(text, cell.style, paint);
  if (align == Align::right) return std::string(space, ' ') + shown;
  return last ? shown : shown + std::string(space, ' ');
}

}  // namespace

std::string table_line(const std::vector<Cell>& cells, const std::vector<Column>& columns,
                       const std::vector<std::size_t>& widths, Paint paint) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out.append(kGap, ' ');
    out += padded(cells[i], widths[i], columns[i].align, i + 1 == cells.size(), paint);
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

void Table::add(std::vector<Cell> row) {
  while (row.size() < columns_.size()) row.emplace_back("");
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> fitted(std::vector<std::size_t> widths, const std::vector<Column>& columns,
                                std::size_t total) {
  if (total == 0) return widths;
  const auto needed = [&] {
    std::size_t sum = kGap * (widths.size() - 1);
    for (const std::size_t width : widths) sum += width;
    return sum;
  };
  // The widest of those that may be cut gives way first, a column at a time.
  while (needed() > total) {
    std::optional<std::size_t> widest;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::size_t least = std::max(kNarrowest, display_width(columns[i].title));
      if (columns[i].fit != Fit::shorten || widths[i] <= least) continue;
      if (!widest || widths[i] > widths[*widest]) widest = i;
    }
    if (!widest) break;
    --widths[*widest];
  }
  return widths;
}

std::vector<std::size_t> Table::widths(std::size_t total) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i].text));
    widths.push_back(width);
  }
  return fitted(std::move(widths), columns_, total);
}

std::string TableStream::part(const std::vector<std::vector<Cell>>& rows) {
  std::string out;
  const bool first = needed_.empty();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (first) needed_.push_back(display_width(columns_[i].title));
    for (const auto& row : rows) needed_[i] = std::max(needed_[i], display_width(row[i].text));
  }
  const std::vector<std::size_t> widths = fitted(needed_, columns_, width_);
  if (first) {
    std::vector<Cell> titles;
    for (const Column& column : columns_) titles.emplace_back(column.title, Style::heading);
    out = table_line(titles, columns_, widths, paint_);
  }
  for (const auto& row : rows) out += table_line(row, columns_, widths, paint_);
  return out;
}

std::string Table::render(std::size_t width, Paint paint) const {
  const std::vector<std::size_t> all = widths(width);
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title, Style::heading);
  std::string out = table_line(titles, columns_, all, paint);
  for (const auto& row : rows_) out += table_line(row, columns_, all, paint);
  return out;
}

void Fields::add(std::string name, std::string value, Style style) {
  if (!value.empty()) lines_.push_back({.name = std::move(name), .value = std::move(value), .style = style});
}

std::string Fields::render(Paint paint) const {
  std::size_t width = 0;
  for (const Line& line : lines_) width = std::max(width, display_width(line.name));
  std::string out;
  for (const Line& line : lines_) {
    out += painted(line.name + ":", Style::heading, paint);
    out.append(width - display_width(line.name) + kGap, ' ');
    for (std::string_view rest = line.value;;) {
      const std::size_t end = rest.find('\n');
      out += painted(rest.substr(0, end), line.style, paint) + "\n";
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
      out.append(width + 1 + kGap, ' ');
    }
  }
  return out;
}

}  // namespace swarm::client
