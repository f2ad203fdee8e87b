#pragma once
// One in-memory shape for what travels: MessagePack on the socket, JSON on the HTTP and MCP faces. Codecs turn bytes
// into a Value (with limits), `protocol/api` turns a Value into typed structs (with precise errors).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace swarm {

class Value;

/// Raw bytes: MessagePack `bin`; `{"b64": "..."}` in JSON.
struct Bytes {
  std::string data;
  bool operator==(const Bytes&) const = default;
};

/// A MessagePack extension value. We never send one; a client may (Neovim's buffer handles), and then an error names
/// it.
struct Ext {
  std::int8_t type = 0;
  std::string data;
  bool operator==(const Ext&) const = default;
};

/// nil, bool, integer, float, string, bytes, extension, array or map with string keys. Copyable; a map keeps its order.
class Value {
 public:
  using Array = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Map = std::vector<Member>;

  enum class Kind { nil, boolean, integer, unsigned_integer, number, string, bytes, extension, array, map };

  Value() = default;
  Value(std::nullptr_t) {}                                         // NOLINT(google-explicit-constructor)
  Value(bool v) : data_(v) {}                                      // NOLINT(google-explicit-constructor)
  Value(int v) : data_(static_cast<std::int64_t>(v)) {}            // NOLINT(google-explicit-constructor)
  Value(std::int64_t v) : data_(v) {}                              // NOLINT(google-explicit-constructor)
  Value(std::uint32_t v) : data_(static_cast<std::int64_t>(v)) {}  // NOLINT(google-explicit-constructor)
  /// Kept as `integer` where it fits into 63 bits.
  Value(std::uint64_t v);                               // NOLINT(google-explicit-constructor)
  Value(double v) : data_(v) {}                         // NOLINT(google-explicit-constructor)
  Value(const char* v) : data_(std::string(v)) {}       // NOLINT(google-explicit-constructor)
  Value(std::string v) : data_(std::move(v)) {}         // NOLINT(google-explicit-constructor)
  Value(std::string_view v) : data_(std::string(v)) {}  // NOLINT(google-explicit-constructor)
  Value(Bytes v) : data_(std::move(v)) {}               // NOLINT(google-explicit-constructor)
  Value(Ext v) : data_(std::move(v)) {}                 // NOLINT(google-explicit-constructor)
  Value(Array v) : data_(std::move(v)) {}               // NOLINT(google-explicit-constructor)
  Value(Map v) : data_(std::move(v)) {}                 // NOLINT(google-explicit-constructor)

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(data_.index()); }
  /// The word for messages to people: "a string", "a map", "nil".
  [[nodiscard]] std::string_view kind_name() const;

  [[nodiscard]] bool is_nil() const { return kind() == Kind::nil; }
  [[nodiscard]] const bool* as_bool() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&data_); }
  [[nodiscard]] const std::uint64_t* as_uint() const { return std::get_if<std::uint64_t>(&data_); }
  [[nodiscard]] const double* as_double() const { return std::get_if<double>(&data_); }
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] std::string* as_string() { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const Bytes* as_bytes() const { return std::get_if<Bytes>(&data_); }
  [[nodiscard]] Bytes* as_bytes() { return std::get_if<Bytes>(&data_); }
  [[nodiscard]] const Ext* as_ext() const { return std::get_if<Ext>(&data_); }
  [[nodiscard]] const Array* as_array() const { return std::get_if<Array>(&data_); }
  [[nodiscard]] Array* as_array() { return std::get_if<Array>(&data_); }
  [[nodiscard]] const Map* as_map() const { return std::get_if<Map>(&data_); }
  [[nodiscard]] Map* as_map() { return std::get_if<Map>(&data_); }

  /// The member of that name if this is a map that has it, else null. Linear: our maps are small.
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);

  /// Adds or replaces a member; makes a nil value a map first. Must be nil or a map.
  Value& set(std::string_view key, Value value);

  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Bytes, Ext, Array, Map> data_;
};

}  // namespace swarm
