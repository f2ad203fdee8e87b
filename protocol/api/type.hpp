#pragma once
// What a wire struct looks like, as data. A struct describes itself once, in its header:
//
//   /// Where a program's terminal is.
//   struct Pty {
//     std::uint32_t cols = 80;
//     std::uint32_t rows = 24;
//
//     template <class D>
//     static void describe(D& d) {
//       d.type("Pty", "Size and kind of a terminal.");
//       d.field("cols", &Pty::cols, "Columns.").min(1).max(1000);
//       d.field("rows", &Pty::rows, "Lines.").min(1).max(1000);
//     }
//   };
//
// `describe` is a template so that including the header costs its parse and nothing more: one .cpp file of the domain
// includes `describe.hpp` and instantiates `type_of<Pty>()`, which builds the table on first use. From these tables
// come decoding, encoding, `rpc.discover` and the reference page. A member that is neither `required()` nor
// std::optional is optional on the wire, and its default is its C++ initialiser. The words in `describe` are the
// documentation, for readers of the header too; a comment beside them says only what they cannot.
//
// An enum describes itself beside its definition:
//
//   template <class D>
//   void describe_enum(D& d, Color*) {
//     d.type("Color", "What it looks like.");
//     d.value("red", Color::red, "Like a tomato.");
//   }

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"

namespace swarm::api {

/// A file name or another string of the system that need not be UTF-8: a str on the wire where it is, else a bin.
struct Path {
  std::string bytes;
  Path() = default;
  Path(std::string b) : bytes(std::move(b)) {}  // NOLINT(google-explicit-constructor)
  Path(const char* b) : bytes(b) {}             // NOLINT(google-explicit-constructor)
  bool operator==(const Path&) const = default;
};

/// Output of a program, which is nearly always text: a str on the wire where it is UTF-8, else a bin.
struct Text {
  std::string bytes;
  bool operator==(const Text&) const = default;
};

/// The largest integer that every client keeps exactly (2^53); none above it travels, nor below its negative.
constexpr std::int64_t kMaxInteger = std::int64_t{1} << 53;

struct TypeInfo;

/// Gives the table of a type; a function, so that tables are made on first use and types may refer to themselves.
using TypeRef = const TypeInfo& (*)();

/// The table of T. Defined in `describe.hpp`; instantiated by the .cpp file of the domain that T belongs to.
template <class T>
const TypeInfo& type_of();

enum class TypeKind : std::uint8_t {
  boolean,
  integer,
  number,
  string,
  bytes,
  path,
  text,
  any,
  optional,
  list,
  dict,
  enumeration,
  structure,
};

/// A parameter that names a stream of the connection (see `stream.hpp`), and which way its bytes go.
enum class StreamUse : std::uint8_t { none, from_caller, to_caller, both };

/// One member of a struct.
struct FieldInfo {
  std::string_view name;
  std::string_view doc;
  std::size_t offset = 0;
  TypeRef type = nullptr;
  bool is_required = false;
  bool is_secret = false;     ///< its value is never put into errors, logs or the audit
  bool is_non_empty = false;  ///< strings, bytes, lists and maps
  std::optional<double> minimum;
  std::optional<double> maximum;
  std::size_t longest = SIZE_MAX;  ///< bytes of a string, entries of a list or map
  StreamUse stream = StreamUse::none;

  /// May be left out of a request.
  [[nodiscard]] bool optional() const { return !is_required; }
};

/// One name of an enum.
struct EnumValue {
  std::string_view name;
  std::string_view doc;
  std::int64_t value = 0;
};

/// Fields of which a request may carry only one.
struct Choice {
  std::vector<std::string_view> fields;
  bool one_needed = false;  ///< exactly one, else at most one
};

/// Everything that codecs and documentation know about a type. Which members are set depends on `kind`.
struct TypeInfo {
  TypeKind kind = TypeKind::any;
  std::string name;  ///< "string", "list<Pty>", "Pty"
  std::string_view doc;

  // integer, enumeration: read and write the C++ object as a 64-bit number; integers also have the type's own range
  std::int64_t (*load)(const void*) = nullptr;
  void (*store)(void*, std::int64_t) = nullptr;
  std::int64_t lowest = 0;
  std::int64_t highest = 0;
  bool is_duration = false;  ///< std::chrono::milliseconds; its wire name ends in `_ms`

  // optional, list, dict
  TypeRef element = nullptr;
  void (*clear)(void*) = nullptr;
  std::size_t (*size)(const void*) = nullptr;
  void* (*append)(void*) = nullptr;                       // optional and list: makes one and gives its address
  const void* (*at)(const void*, std::size_t) = nullptr;  // optional and list
  void* (*insert)(void*, std::string&&) = nullptr;        // dict: null if the key is there already
  void (*each)(const void*, void*, void (*)(void*, const std::string&, const void*)) = nullptr;  // dict

  // enumeration
  std::vector<EnumValue> values;
  std::optional<std::int64_t> unknown_value;  ///< what a name that this version does not know means in a reply

  // structure
  std::vector<FieldInfo> fields;
  std::vector<Choice> choices;
  const void* defaults = nullptr;             ///< a default-constructed object: where defaults are read from
  std::shared_ptr<void> (*make)() = nullptr;  ///< a new default-constructed object
};

}  // namespace swarm::api
