#include "protocol/wire/msgpack.hpp"

#include <fmt/format.h>

#include <bit>
#include <msgpack.hpp>

#include "protocol/core/utf8.hpp"
#include "protocol/wire/scanner.hpp"

namespace swarm::wire {
namespace {

struct Sink {
  std::string& out;
  void write(const char* data, std::size_t size) { out.append(data, size); }
};
using Packer = msgpack::packer<Sink>;

void pack(Packer& packer, Sink& sink, const Value& value);

void pack_text(Packer& packer, std::string_view text) {
  packer.pack_str(static_cast<std::uint32_t>(text.size()));
  packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

void pack_string(Packer& packer, const std::string& text) {
  if (is_utf8(text)) {
    pack_text(packer, text);
  } else {
    pack_text(packer, to_utf8(text));
  }
}

/// By hand: msgpack-c writes a double that is a whole number as an integer, and then 1.0 would come back as 1.
void pack_number(Sink& sink, double number) {
  std::array<char, 9> bytes{'\xcb'};
  auto bits = std::bit_cast<std::uint64_t>(number);
  if constexpr (std::endian::native == std::endian::little) bits = std::byteswap(bits);
  std::memcpy(bytes.data() + 1, &bits, sizeof bits);
  sink.write(bytes.data(), bytes.size());
}

void pack(Packer& packer, Sink& sink, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::nil:
      packer.pack_nil();
      return;
    case Value::Kind::boolean:
      *value.as_bool() ? packer.pack_true() : packer.pack_false();
      return;
    case Value::Kind::integer:
      packer.pack_int64(*value.as_int());
      return;
    case Value::Kind::unsigned_integer:
      packer.pack_uint64(*value.as_uint());
      return;
    case Value::Kind::number:
      pack_number(sink, *value.as_double());
      return;
    case Value::Kind::string:
      pack_string(packer, *value.as_string());
      return;
    case Value::Kind::bytes: {
      const std::string& data = value.as_bytes()->data;
      packer.pack_bin(static_cast<std::uint32_t>(data.size()));
      packer.pack_bin_body(data.data(), static_cast<std::uint32_t>(data.size()));
      return;
    }
    case Value::Kind::extension: {
      const Ext& ext = *value.as_ext();
      packer.pack_ext(ext.data.size(), ext.type);
      packer.pack_ext_body(ext.data.data(), static_cast<std::uint32_t>(ext.data.size()));
      return;
    }
    case Value::Kind::array:
      packer.pack_array(static_cast<std::uint32_t>(value.as_array()->size()));
      for (const Value& item : *value.as_array()) pack(packer, sink, item);
      return;
    case Value::Kind::map:
      packer.pack_map(static_cast<std::uint32_t>(value.as_map()->size()));
      for (const auto& [key, item] : *value.as_map()) {
        pack_string(packer, key);
        pack(packer, sink, item);
      }
      return;
  }
}

/// Builds a Value as msgpack-c walks the bytes. Containers are reserved at their declared size, so the addresses on the
/// stack stay good; the scanner has seen before that every declared element is there.
class Builder : public msgpack::null_visitor {
 public:
  explicit Builder(std::string_view root) : root_(root) { open_.reserve(8); }

  [[nodiscard]] Value take() { return std::move(value_); }
  [[nodiscard]] const std::string& problem() const { return problem_; }

  bool visit_nil() { return put(nullptr); }
  bool visit_boolean(bool v) { return put(v); }
  bool visit_positive_integer(std::uint64_t v) { return put(v); }
  bool visit_negative_integer(std::int64_t v) { return put(v); }
  bool visit_float32(float v) { return put(static_cast<double>(v)); }
  bool visit_float64(double v) { return put(v); }
  bool visit_bin(const char* v, std::uint32_t size) { return put(Bytes{std::string(v, size)}); }
  bool visit_ext(const char* v, std::uint32_t size) {
    return put(Ext{.type = static_cast<std::int8_t>(*v), .data = std::string(v + 1, size - 1)});
  }
  bool visit_str(const char* v, std::uint32_t size) {
    const std::string_view text(v, size);
    if (!is_utf8(text)) return refuse("a string that is not UTF-8 (send bytes as bin)");
    if (!in_key_) return put(text);
    key_ = text;
    return true;
  }
  bool start_array(std::uint32_t count) {
    Value::Array array;
    array.reserve(count);
    return open(std::move(array));
  }
  bool start_map(std::uint32_t count) {
    Value::Map map;
    map.reserve(count);
    return open(std::move(map));
  }
  bool end_array() { return close(); }
  bool end_map() { return close(); }
  bool start_map_key() {
    in_key_ = true;
    return true;
  }
  bool end_map_key() {
    in_key_ = false;
    return true;
  }

 private:
  /// Makes the Value where it stays.
  template <class T>
  Value* place(T&& content) {
    if (open_.empty()) {
      value_ = Value(std::forward<T>(content));
      return &value_;
    }
    if (Value::Array* array = open_.back()->as_array()) return &array->emplace_back(std::forward<T>(content));
    return &open_.back()->as_map()->emplace_back(key_, std::forward<T>(content)).second;
  }

  template <class T>
  bool put(T&& content) {
    if (in_key_) return refuse_key(Value(std::forward<T>(content)).kind_name());
    place(std::forward<T>(content));
    return true;
  }

  template <class T>
  bool open(T&& container) {
    if (in_key_) return refuse_key(Value(std::forward<T>(container)).kind_name());
    open_.push_back(place(std::forward<T>(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  bool refuse_key(std::string_view kind) {
    return refuse(fmt::format("a map key that is {}; keys must be strings", kind));
  }

  bool refuse(std::string_view what) {
    std::string where(root_);
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const bool last = i + 1 == open_.size();
      // The innermost container does not hold the refused value yet.
      if (const Value::Array* array = open_[i]->as_array()) {
        where += fmt::format("[{}]", array->size() - (last ? 0 : 1));
      } else if (!last) {
        where += fmt::format(".{}", shown(open_[i]->as_map()->back().first));
      } else if (!in_key_) {
        where += fmt::format(".{}", shown(key_));
      }
    }
    problem_ = fmt::format("{}: {}", where, what);
    return false;
  }

  std::string_view root_;
  Value value_;
  std::vector<Value*> open_;
  std::string_view key_;  // of the value that comes next
  bool in_key_ = false;
  std::string problem_;
};

const char* chars(std::span<const std::byte> bytes) {
  return reinterpret_cast<const char*>(bytes.data());  // NOLINT: bytes as characters
}

template <class F>
void with_packer(std::string& out, F write) {
  Sink sink{out};
  Packer packer(sink);
  write(packer);
}

}  // namespace

void encode(const Value& value, std::string& out) {
  Sink sink{out};
  Packer packer(sink);
  pack(packer, sink, value);
}

std::string encode(const Value& value) {
  std::string out;
  encode(value, out);
  return out;
}

Result<Value> decode(std::span<const std::byte> bytes, const Limits& limits) {
  FrameScanner scanner(limits);
  const Result<FrameScanner::Found> found = scanner.scan(bytes);
  if (!found) return fail(found.error());
  if (*found == FrameScanner::Found::more) {
    return fail(Code::invalid_argument, fmt::format("the value ends early: {} bytes are not all of it", bytes.size()));
  }
  if (scanner.size() < bytes.size()) {
    return fail(Code::invalid_argument, fmt::format("{} bytes follow the value, which ends at byte {}",
                                                    bytes.size() - scanner.size(), scanner.size()));
  }
  return decode_scanned(bytes, "value");
}

Result<Value> decode_scanned(std::span<const std::byte> bytes, std::string_view root) {
  Builder builder(root);
  try {
    if (msgpack::parse(chars(bytes), bytes.size(), builder)) return builder.take();
  } catch (const msgpack::unpack_error& e) {
    return fail(Code::invalid_argument, fmt::format("{}: {}", root, e.what()));
  }
  return fail(Code::invalid_argument,
              builder.problem().empty() ? fmt::format("{}: not one MessagePack value", root) : builder.problem());
}

void append_array(std::string& out, std::uint32_t count) {
  with_packer(out, [count](Packer& packer) { packer.pack_array(count); });
}
void append_map(std::string& out, std::uint32_t count) {
  with_packer(out, [count](Packer& packer) { packer.pack_map(count); });
}
void append_uint(std::string& out, std::uint64_t number) {
  with_packer(out, [number](Packer& packer) { packer.pack_uint64(number); });
}
void append_nil(std::string& out) {
  with_packer(out, [](Packer& packer) { packer.pack_nil(); });
}
void append_str(std::string& out, std::string_view text) {
  with_packer(out, [text](Packer& packer) { pack_text(packer, text); });
}
void append_bin_header(std::string& out, std::uint32_t size) {
  with_packer(out, [size](Packer& packer) { packer.pack_bin(size); });
}

}  // namespace swarm::wire
