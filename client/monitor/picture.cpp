#include "client/monitor/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"

namespace swarm::client {
namespace {

constexpr std::size_t kMostLines = 1000;
constexpr std::size_t kMostColumns = 1000;
constexpr std::size_t kMostStyles = 4096;
constexpr std::size_t kMostCombined = 32;  // bytes of one character with all that combines with it

/// What SGR sequences have set so far.
struct Pen {
  // Blinking (5, 6) would draw the eye to a neighbour's screen, and concealed text (8) is nothing to show.
  std::array<bool, 10> attributes{};
  std::string foreground;
  std::string background;

  void apply(std::string_view parameters) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at <= parameters.size();) {
      const std::size_t end = std::min(parameters.find(';', at), parameters.size());
      words.push_back(parameters.substr(at, end - at));
      at = end + 1;
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string_view word = words[i].substr(0, words[i].find(':'));
      int code = 0;
      std::from_chars(word.data(), word.data() + word.size(), code);
      if ((code == 38 || code == 48 || code == 58) && word == words[i]) {
        i += colour(code, words, i);
      } else {
        set(code, words[i]);
      }
    }
  }

  [[nodiscard]] std::string parameters() const {
    std::string out;
    for (const std::size_t one : {1U, 2U, 3U, 4U, 7U, 9U}) {
      if (attributes.at(one)) out += fmt::format("{};", one);
    }
    for (const std::string& colour : {foreground, background}) {
      if (!colour.empty()) out += colour + ";";
    }
    if (!out.empty()) out.pop_back();
    return out;
  }

 private:
  /// 38;5;N and 38;2;R;G;B; how many words belong to it behind the first.
  std::size_t colour(int code, const std::vector<std::string_view>& words, std::size_t at) {
    const std::string_view form = at + 1 < words.size() ? words[at + 1] : "";
    const std::size_t more = form == "5" ? 2 : form == "2" ? 4 : 0;
    if (more == 0 || at + more >= words.size()) return words.size() - at;
    std::string text = std::to_string(code);
    for (std::size_t i = at + 1; i <= at + more; ++i) {
      if (words[i].empty() || words[i].size() > 3 || words[i].find(':') != std::string_view::npos) return more;
      text += ";" + std::string(words[i]);
    }
    if (code == 38) foreground = text;
    if (code == 48) background = text;
    return more;
  }

  void set(int code, std::string_view word) {
    if (code == 0) *this = Pen();
    if (code >= 1 && code <= 9) attributes.at(static_cast<std::size_t>(code)) = word != "4:0";
    if (code == 22) attributes[1] = attributes[2] = false;
    if (code >= 23 && code <= 29) attributes.at(static_cast<std::size_t>(code) - 20) = false;
    if (code == 39) foreground.clear();
    if (code == 49) background.clear();
    if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) foreground = std::to_string(code);
    if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) background = std::to_string(code);
    if (code == 21) attributes[4] = true;  // underlined twice
  }
};

/// Where an SGR sequence at the beginning of `text` ends, and its parameters.
std::optional<std::string_view> sgr_at(std::string_view text) {
  if (!text.starts_with("\x1b[")) return std::nullopt;
  const std::size_t end = text.find_first_not_of("0123456789;:", 2);
  if (end == std::string_view::npos || text[end] != 'm') return std::nullopt;
  return text.substr(2, end - 2);
}

}  // namespace

Picture::Picture(std::string_view text, std::optional<Spot> cursor) : cursor_(cursor) {
  Pen pen;
  std::uint16_t style = 0;
  Line line;
  const auto end_line = [&] {
    while (!line.empty() && line.back().style == 0 && line.back().text == " ") line.pop_back();
    lines_.push_back(std::move(line));
    line.clear();
  };
  while (!text.empty() && lines_.size() < kMostLines) {
    if (const auto parameters = sgr_at(text)) {
      pen.apply(*parameters);
      const std::string wanted = pen.parameters();
      const auto known = std::ranges::find(styles_, wanted);
      if (known == styles_.end() && styles_.size() >= kMostStyles) {
        style = 0;
      } else {
        style = static_cast<std::uint16_t>(known - styles_.begin());
        if (known == styles_.end()) styles_.push_back(wanted);
      }
      text.remove_prefix(parameters->size() + 3);
      continue;
    }
    if (text.front() == '\n') {
      end_line();
      text.remove_prefix(1);
      continue;
    }
    const std::size_t end = std::min(text.find_first_of("\n\x1b", 1), text.size());
    add(line, text.substr(0, end), style);
    text.remove_prefix(end);
  }
  end_line();
  while (!lines_.empty() && lines_.back().empty()) lines_.pop_back();
  if (cursor_ && cursor_->row < kMostLines && lines_.size() <= cursor_->row) lines_.resize(cursor_->row + 1);
}

void Picture::add(Line& line, std::string_view text, std::uint16_t style) {
  each_character(one_line(text), [&](std::string_view character, std::size_t columns) {
    if (columns == 0) {
      // To the character itself, not to the second half of a wide one.
      const std::size_t back = !line.empty() && line.back().columns == 0 ? 2 : 1;
      if (line.size() < back) return;
      std::string& before = line[line.size() - back].text;
      if (before.size() + character.size() <= kMostCombined) before += character;
      return;
    }
    if (line.size() + columns > kMostColumns) return;
    line.push_back({.text = std::string(character), .columns = static_cast<std::uint8_t>(columns), .style = style});
    for (std::size_t i = 1; i < columns; ++i) line.push_back({.text = {}, .columns = 0, .style = style});
  });
}

std::size_t Picture::width() const {
  std::size_t most = 0;
  for (const Line& line : lines_) most = std::max(most, line.size());
  return most;
}

std::size_t Picture::best_row(std::size_t rows) const {
  if (height() <= rows) return 0;
  const auto said = [&](std::size_t from) {
    return std::count_if(lines_.begin() + static_cast<std::ptrdiff_t>(from),
                         lines_.begin() + static_cast<std::ptrdiff_t>(from + rows),
                         [](const Line& line) { return !line.empty(); });
  };
  const std::size_t last = height() - rows;
  const std::size_t least = cursor_ && cursor_->row >= rows ? cursor_->row - rows + 1 : 0;
  const std::size_t most = cursor_ ? std::min(last, cursor_->row) : last;
  std::size_t best = most;
  if (static_cast<std::size_t>(said(best)) * 3 >= rows) return best;
  for (std::size_t from = most; from-- > least;) {
    if (said(from) > said(best)) best = from;
  }
  return best;
}

std::vector<std::string> Picture::cut(Spot from, std::size_t columns, std::size_t rows, Paint paint) const {
  static const Cell blank{.text = " ", .columns = 1, .style = 0};
  static const Line none;
  std::vector<std::string> out;
  for (std::size_t row = from.row; row < from.row + rows; ++row) {
    const Line& line = row < lines_.size() ? lines_[row] : none;
    std::string text;
    std::string now;
    for (std::size_t column = from.column; column < from.column + columns;) {
      const Cell& cell = column < line.size() ? line[column] : blank;
      // Half of a wide character cannot be shown.
      const bool whole = cell.columns > 0 && column + cell.columns <= from.column + columns;
      const bool here = cursor_ == Spot{.column = column, .row = row};
      std::string style = styles_[cell.style];
      if (here) style = style.empty() ? "7" : style + ";7";
      if (paint == Paint::yes && style != now) {
        text += style.empty() ? "\x1b[0m" : fmt::format("\x1b[0;{}m", style);
        now = std::move(style);
      }
      text += whole ? cell.text : " ";
      column += whole ? cell.columns : 1;
    }
    if (!now.empty()) text += "\x1b[0m";
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace swarm::client
