#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "protocol/api/json.hpp"
#include "protocol/core/base64.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::api {
namespace {

class Writer {
 public:
  explicit Writer(JsonStyle style) : indented_(style == JsonStyle::indented) {}

  void write(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::nil:
        out_ += "null";
        break;
      case Value::Kind::boolean:
        out_ += *value.as_bool() ? "true" : "false";
        break;
      case Value::Kind::integer:
        out_ += fmt::format_int(*value.as_int()).c_str();
        break;
      case Value::Kind::unsigned_integer:
        out_ += fmt::format_int(*value.as_uint()).c_str();
        break;
      case Value::Kind::number:
        write_number(*value.as_double());
        break;
      case Value::Kind::string:
        is_utf8(*value.as_string()) ? write_string(*value.as_string()) : write_bytes(*value.as_string());
        break;
      case Value::Kind::bytes:
        write_bytes(value.as_bytes()->data);
        break;
      case Value::Kind::extension:
        write_extension(*value.as_ext());
        break;
      case Value::Kind::array:
        write_array(*value.as_array());
        break;
      case Value::Kind::map:
        write_map(*value.as_map());
        break;
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void new_line() {
    if (!indented_) return;
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  void write_number(double number) {
    if (!std::isfinite(number)) {
      out_ += "null";
      return;
    }
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
    out_ += text;
    // A whole number stays a float for whoever reads it back.
    if (text.find_first_of(".e") == std::string_view::npos) out_ += ".0";
  }

  void write_string(std::string_view text) {
    out_ += '"';
    std::size_t plain = 0;  // where the run that needs no escape begins
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) continue;
      out_ += text.substr(plain, i - plain);
      plain = i + 1;
      switch (c) {
        case '"':
          out_ += "\\\"";
          break;
        case '\\':
          out_ += "\\\\";
          break;
        case '\n':
          out_ += "\\n";
          break;
        case '\r':
          out_ += "\\r";
          break;
        case '\t':
          out_ += "\\t";
          break;
        default:
          out_ += fmt::format("\\u{:04x}", c);
      }
    }
    out_ += text.substr(plain);
    out_ += '"';
  }

  void write_bytes(std::string_view data) {
    out_ += indented_ ? R"({"b64": ")" : R"({"b64":")";
    out_ += base64_encode(data);
    out_ += "\"}";
  }

  void write_extension(const Ext& extension) {
    write_map({{"ext", static_cast<int>(extension.type)}, {"b64", base64_encode(extension.data)}});
  }

  void write_array(const Value::Array& array) {
    out_ += '[';
    ++depth_;
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (i != 0) out_ += ',';
      new_line();
      write(array[i]);
    }
    --depth_;
    if (!array.empty()) new_line();
    out_ += ']';
  }

  void write_map(const Value::Map& map) {
    out_ += '{';
    ++depth_;
    bool first = true;
    for (const auto& [key, value] : map) {
      if (!first) out_ += ',';
      first = false;
      new_line();
      is_utf8(key) ? write_string(key) : write_string(to_utf8(key));
      out_ += indented_ ? ": " : ":";
      write(value);
    }
    --depth_;
    if (!map.empty()) new_line();
    out_ += '}';
  }

  bool indented_;
  std::size_t depth_ = 0;
  std::string out_;
};

}  // namespace

std::string to_json(const Value& value, JsonStyle style) {
  Writer writer(style);
  writer.write(value);
  return writer.take();
}

}  // namespace swarm::api
