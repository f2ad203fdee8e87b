#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "protocol/api/json.hpp"
#include "protocol/core/base64.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::api {
namespace {

using Json = nlohmann::json;

// Reads the text and says how far the parser is, which its handler interface does not.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  Cursor& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  Cursor operator++(int) {
    Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

// Builds the Value as the parser goes. Returning false stops the parser.
class Builder {
 public:
  Builder(std::string_view text, const JsonLimits& limits) : text_(text), limits_(limits), furthest_(text.data()) {}

  // The interface that nlohmann::json::sax_parse expects.
  bool null() { return add({}); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return stop(Code::internal, "binary data in a text"); }
  bool start_object(std::size_t) { return open(Value::Map{}); }
  bool start_array(std::size_t) { return open(Value::Array{}); }
  bool key(std::string& value) {
    if (!count()) return false;
    keys_.push_back(std::move(value));
    return true;
  }
  bool end_object();
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error);

  const char** furthest() { return &furthest_; }
  Value take() { return std::move(root_); }
  Error take_error() { return std::move(error_); }

 private:
  bool stop_at(std::size_t offset, Code code, std::string_view what);
  bool stop(Code code, std::string_view what) {
    return stop_at(static_cast<std::size_t>(furthest_ - text_.data()), code, what);
  }
  bool count() {
    if (++values_ <= limits_.max_values) return true;
    return stop(Code::resource_exhausted, fmt::format("more than {} values", limits_.max_values));
  }
  bool add(Value value);
  bool attach(Value value);
  bool open(Value container);
  bool close();

  std::string_view text_;
  const JsonLimits& limits_;
  const char* furthest_;
  std::size_t values_ = 0;
  std::vector<Value> open_;        // arrays and objects that are not closed yet, outermost first
  std::vector<std::string> keys_;  // for each open object, the key whose value comes next
  Value root_;
  Error error_;
};

bool Builder::stop_at(std::size_t offset, Code code, std::string_view what) {
  const std::string_view before = text_.substr(0, std::min(offset, text_.size()));
  const auto line = 1 + std::ranges::count(before, '\n');
  const std::size_t start = before.rfind('\n');
  const std::size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1);
  error_ = {.code = code,
            .message = fmt::format("JSON, line {}, column {}: {}", line, std::max<std::size_t>(1, column), what),
            .retryable = false};
  return false;
}

bool Builder::add(Value value) { return count() && attach(std::move(value)); }

bool Builder::attach(Value value) {
  if (open_.empty()) {
    root_ = std::move(value);
  } else if (Value::Array* array = open_.back().as_array()) {
    array->push_back(std::move(value));
  } else {
    open_.back().as_map()->emplace_back(std::move(keys_.back()), std::move(value));
    keys_.pop_back();
  }
  return true;
}

bool Builder::open(Value container) {
  if (!count()) return false;
  if (open_.size() >= limits_.max_depth) {
    return stop(Code::resource_exhausted, fmt::format("nested more than {} deep", limits_.max_depth));
  }
  open_.push_back(std::move(container));
  return true;
}

bool Builder::close() {
  Value done = std::move(open_.back());
  open_.pop_back();
  return attach(std::move(done));
}

bool Builder::end_object() {
  const Value::Map& map = *open_.back().as_map();
  std::vector<std::string_view> names;
  names.reserve(map.size());
  for (const Value::Member& member : map) names.push_back(member.first);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) {
    return stop(Code::invalid_argument,
                fmt::format("key '{}' occurs twice in the object that ends here", shown(*twice)));
  }
  if (map.size() == 1 && map.front().first == "b64" && map.front().second.as_string() != nullptr) {
    std::optional<std::string> bytes = base64_decode(*map.front().second.as_string());
    if (!bytes) return stop(Code::invalid_argument, "\"b64\" is not base64 (RFC 4648, section 4, padded)");
    open_.back() = Bytes{std::move(*bytes)};
  }
  return close();
}

bool Builder::parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
  // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while ... - reason; last read: ..."
  std::string_view what = error.what();
  if (const std::size_t bracket = what.find("] "); bracket != std::string_view::npos) what.remove_prefix(bracket + 2);
  if (const std::size_t syntax = what.find(": syntax error "); syntax != std::string_view::npos) {
    what.remove_prefix(syntax + 2);
  }
  // What was last read may be a secret. It stands between "; last read: '" and the quote before "; expected", if any.
  if (const std::size_t quoted = what.find("; last read: "); quoted != std::string_view::npos) {
    what = what.substr(0, quoted);
  } else if (what.starts_with("number overflow")) {
    what = "a number is too large";
  }
  return stop_at(position, Code::invalid_argument, what);
}

}  // namespace

Result<Value> value_from_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(Code::resource_exhausted,
                fmt::format("JSON: {} bytes are more than the {} that are accepted", text.size(), limits.max_bytes));
  }
  Builder builder(text, limits);
  try {
    const Cursor begin(text.data(), builder.furthest());
    const Cursor end(text.data() + text.size(), builder.furthest());
    if (!Json::sax_parse(begin, end, &builder)) return fail(builder.take_error());
  } catch (const std::exception& error) {
    return fail(Code::internal, fmt::format("JSON: {}", error.what()));
  }
  return builder.take();
}

}  // namespace swarm::api
