#include "client/output/width.hpp"

#include <clocale>
#include <cwchar>

namespace swarm::client {
namespace {

/// The C library knows the widths of Unicode's characters, in a locale that is built into it.
class Utf8Locale {
 public:
  Utf8Locale() : made_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (made_ != nullptr) before_ = uselocale(made_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale() {
    if (made_ == nullptr) return;
    uselocale(before_);
    freelocale(made_);
  }

 private:
  locale_t made_;
  locale_t before_ = nullptr;
};

struct Character {
  std::size_t bytes;
  std::size_t columns;
};

/// The first character of a text that is not empty; a malformed byte counts as one column.
Character first_of(std::string_view text) {
  if (static_cast<unsigned char>(text.front()) < 0x80) return {.bytes = 1, .columns = 1};
  wchar_t wide = 0;
  std::mbstate_t state{};
  const std::size_t size = std::mbrtowc(&wide, text.data(), text.size(), &state);
  if (size == 0 || size > text.size()) return {.bytes = 1, .columns = 1};
  const int columns = ::wcwidth(wide);
  return {.bytes = size, .columns = columns < 0 ? 1 : static_cast<std::size_t>(columns)};
}

bool plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::size_t display_width(std::string_view text) {
  if (plain(text)) return text.size();
  const Utf8Locale locale;
  std::size_t width = 0;
  while (!text.empty()) {
    const Character c = first_of(text);
    width += c.columns;
    text.remove_prefix(c.bytes);
  }
  return width;
}

void each_character(std::string_view text, const std::function<void(std::string_view, std::size_t)>& told) {
  const Utf8Locale locale;
  while (!text.empty()) {
    const Character c = first_of(text);
    told(text.substr(0, c.bytes), c.columns);
    text.remove_prefix(c.bytes);
  }
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  const Utf8Locale locale;
  std::string out;
  for (std::size_t width = 0; !text.empty();) {
    const Character c = first_of(text);
    if (width + c.columns > columns - 1) break;
    out.append(text.substr(0, c.bytes));
    width += c.columns;
    text.remove_prefix(c.bytes);
  }
  return out + "…";
}

std::string wrap_to_width(std::string_view text, std::size_t columns, std::string_view indent) {
  if (columns == 0) return std::string(text);
  std::string out(text.substr(0, std::min(text.find_first_not_of(' '), text.size())));
  text.remove_prefix(out.size());
  std::size_t width = out.size();
  bool begun = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    const std::size_t needed = display_width(word);
    if (begun && width + 1 + needed > columns) {
      out += "\n";
      out += indent;
      width = indent.size();
    } else if (begun) {
      out += ' ';
      ++width;
    }
    out += word;
    width += needed;
    begun = true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace swarm::client
