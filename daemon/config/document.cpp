#include "daemon/config/document.hpp"

#include <fmt/format.h>

#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace swarm::config {
namespace {

Position position(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

/// Walks the text once, as far as TOML's strings and comments need, to find dotted keys and brackets nested too deep.
/// The parser builds (and frees) one level a dot by recursion, without a limit of its own.
class DepthScan {
 public:
  explicit DepthScan(std::string_view text) : text_(text) {}

  std::optional<Position> too_deep() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        skip_comment();
      } else if (c == '"' || c == '\'') {
        skip_string(c);
      } else {
        if (c == '\n') {
          ++line_;
          line_start_ = at_ + 1;
        }
        if (c == '[' || c == '{') ++brackets_;
        if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
        dots_ = c == '.' ? dots_ + 1 : (std::string_view("\n=,[]{}").contains(c) ? 0 : dots_);
        // A header [[x]] nests two brackets for one level; the exact depth is counted on the tree.
        if (dots_ >= kMaxDepth || brackets_ > kMaxDepth + 1) return Position{line_, column()};
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  void skip_comment() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }

  void skip_string(char quote) {
    const bool multi = at_ + 2 < text_.size() && text_[at_ + 1] == quote && text_[at_ + 2] == quote;
    at_ += multi ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        // An unfinished one-line string: a syntax error that the parser reports better.
        if (!multi) return;
        ++line_;
        line_start_ = at_ + 1;
      }
      if (c == '\\' && quote == '"') {
        // The escaped character may be a newline, which still counts as one.
        at_ += at_ + 1 < text_.size() && text_[at_ + 1] != '\n' ? 2 : 1;
        continue;
      }
      if (c == quote && (!multi || text_.substr(at_).starts_with(std::string(3, quote)))) {
        at_ += multi ? 3 : 1;
        // Up to two quotes may stand right before the closing three.
        while (multi && at_ < text_.size() && text_[at_] == quote) ++at_;
        return;
      }
      ++at_;
    }
  }

  [[nodiscard]] std::uint32_t column() const {
    std::uint32_t n = 1;
    for (std::size_t i = line_start_; i < at_; ++i)
      n += (static_cast<unsigned char>(text_[i]) & 0xC0U) != 0x80U ? 1 : 0;
    return n;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  std::uint32_t line_ = 1;
  std::size_t brackets_ = 0;
  std::size_t dots_ = 0;
};

constexpr std::string_view kTooDeep = "nested deeper than 10 levels";
static_assert(kMaxDepth == 10);

struct TooDeep {
  Position at;
};

Node convert(const toml::node& node, std::size_t depth);

Node::Table convert_table(const toml::table& table, std::size_t depth) {
  Node::Table members;
  members.reserve(table.size());
  for (auto&& [key, value] : table) {
    members.push_back(
        {.key = std::string(key.str()), .at = position(key.source()), .value = convert(value, depth + 1)});
  }
  // The library sorts by name; people read a file, and its mistakes, from top to bottom.
  std::ranges::sort(members, [](const Member& a, const Member& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  return members;
}

Node convert(const toml::node& node, std::size_t depth) {
  Node result{.value = Node::Date{}, .at = position(node.source())};
  if (depth > kMaxDepth) throw TooDeep{result.at};
  if (const auto* flag = node.as_boolean()) {
    result.value = flag->get();
  } else if (const auto* integer = node.as_integer()) {
    result.value = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    result.value = number->get();
  } else if (const auto* text = node.as_string()) {
    result.value = text->get();
  } else if (const auto* array = node.as_array()) {
    Node::Array items;
    items.reserve(array->size());
    for (const toml::node& item : *array) items.push_back(convert(item, depth + 1));
    result.value = std::move(items);
  } else if (const auto* table = node.as_table()) {
    result.value = convert_table(*table, depth);
  }
  return result;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  std::size_t characters = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0U) != 0x80U && ++characters > 40) return out + "...\"";
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::string Node::describe() const {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return fmt::format("the integer {}", *integer);
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("the number {}", *number);
  if (const auto* text = std::get_if<std::string>(&value)) return quoted(*text);
  return describe_kind();
}

std::string Node::describe_kind() const {
  static constexpr std::array<std::string_view, 7> kKinds = {"a boolean", "an integer", "a number", "a string",
                                                             "an array",  "a table",    "a date"};
  return std::string(kKinds.at(value.index()));
}

Document parse_document(std::string_view text) {
  const auto refuse = [](Position at, std::string message) {
    Document document;
    document.mistake = Document::Mistake{.at = at, .message = std::move(message)};
    return document;
  };
  if (text.size() > kMaxFileBytes) return refuse({}, "larger than 1 MiB, which no configuration needs");
  if (const auto deep = DepthScan(text).too_deep()) return refuse(*deep, std::string(kTooDeep));
  try {
    const toml::table table = toml::parse(text);
    return Document{.root = convert_table(table, 0), .mistake = std::nullopt};
  } catch (const toml::parse_error& error) {
    return refuse(position(error.source()), std::string(error.description()));
  } catch (const TooDeep& deep) {
    return refuse(deep.at, std::string(kTooDeep));
  }
}

}  // namespace swarm::config
