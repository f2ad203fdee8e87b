#pragma once
// What travels over HTTP, whatever the version: header fields, requests, targets.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace swarm::http {

/// Header fields in their order; names are lower-case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  /// The first field of that (lower-case) name.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  /// The same, or nothing as an empty string.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  /// Whether one of the comma-separated words of a field is `word` (any case): `Connection: close`.
  [[nodiscard]] bool has_word(std::string_view name, std::string_view word) const;

  /// Appends; the name is made lower-case.
  void add(std::string_view name, std::string_view value);
  /// Replaces every field of that name.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);

  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }

 private:
  std::vector<Field> fields_;
};

enum class Version : std::uint8_t { http_1_0, http_1_1, http_2 };

/// A request without its body.
struct Request {
  std::string method;
  std::string target;     ///< as sent: "/a%20b?c=d"
  std::string authority;  ///< `Host` or `:authority`: "example.org:8443"
  Headers headers;
  Version version = Version::http_1_1;
  bool secure = false;  ///< it came over TLS
  std::string peer;     ///< address and port of the client

  /// The target up to `?`, as sent.
  [[nodiscard]] std::string_view path() const;
  /// What follows the first `?`, as sent.
  [[nodiscard]] std::string_view query() const;
};

/// Status and fields of an answer.
struct Answer {
  int status = 200;
  Headers headers;
};

/// "%41+b" -> "A+b"; with `plus_is_space`, "A b". Broken escapes stay as they are.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

/// The parameters of a query string, each decoded once. Of a repeated name the last counts.
std::map<std::string, std::string> parse_query(std::string_view query);

/// The standard's words for a status: "Not Found".
std::string_view reason_phrase(int status);

/// True when nothing in a field's value can end the field early (no CR, LF or NUL).
bool is_field_value(std::string_view value);

std::string lower(std::string_view text);

}  // namespace swarm::http
