#pragma once
// How each C++ type of a setting is read from a value of the file and shown as TOML. Only schema.cpp includes this.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "daemon/config/schema.hpp"

namespace swarm::config {

/// A string as TOML writes it.
[[nodiscard]] std::string toml_string(std::string_view text);

/// A key as TOML writes it: bare where that is possible.
[[nodiscard]] std::string toml_key(std::string_view key);

/// The names of an enum's values; specialised in schema.cpp.
template <class E>
struct Names;

/// expected(): words for people. read(): false if the node is not one; `culprit` is set to the part that is wrong.
template <class T>
struct Codec;

template <>
struct Codec<bool> {
  static constexpr Shape kShape = Shape::boolean;
  static std::string expected() { return "true or false"; }
  static bool read(const Node& node, bool& out, const Node*&) {
    const auto* flag = std::get_if<bool>(&node.value);
    if (flag != nullptr) out = *flag;
    return flag != nullptr;
  }
  static std::string show(bool value) { return value ? "true" : "false"; }
};

template <std::unsigned_integral T>
struct Codec<T> {
  static constexpr Shape kShape = Shape::number;
  static std::string expected() { return "a whole number"; }
  static bool read(const Node& node, T& out, const Node*&) {
    const auto* integer = std::get_if<std::int64_t>(&node.value);
    if (integer == nullptr || !std::in_range<T>(*integer)) return false;
    out = static_cast<T>(*integer);
    return true;
  }
  static std::string show(T value) { return fmt::to_string(value); }
};

template <>
struct Codec<double> {
  static constexpr Shape kShape = Shape::number;
  static std::string expected() { return "a number"; }
  static bool read(const Node& node, double& out, const Node*&) {
    if (const auto* integer = std::get_if<std::int64_t>(&node.value)) {
      out = static_cast<double>(*integer);
      return true;
    }
    const auto* number = std::get_if<double>(&node.value);
    if (number == nullptr || !std::isfinite(*number)) return false;
    out = *number;
    return true;
  }
  static std::string show(double value) { return fmt::to_string(value); }
};

template <>
struct Codec<std::string> {
  static constexpr Shape kShape = Shape::text;
  static std::string expected() { return "a string"; }
  static bool read(const Node& node, std::string& out, const Node*&) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text == nullptr) return false;
    // Nothing that we do with a string (paths, arguments, names, log lines) survives a NUL.
    if (text->find('\0') != std::string::npos) return false;
    out = *text;
    return true;
  }
  static std::string show(const std::string& value) { return toml_string(value); }
};

template <>
struct Codec<std::filesystem::path> {
  static constexpr Shape kShape = Shape::text;
  static std::string expected() { return "an absolute path"; }
  static bool read(const Node& node, std::filesystem::path& out, const Node*& culprit) {
    std::string text;
    if (!Codec<std::string>::read(node, text, culprit) || (!text.empty() && text.front() != '/')) return false;
    out = text;
    return true;
  }
  static std::string show(const std::filesystem::path& value) { return toml_string(value.native()); }
};

/// Quantities are strings with a unit.
template <class T, auto Parse, auto Format>
struct QuantityCodec {
  static constexpr Shape kShape = Shape::text;
  static bool read(const Node& node, T& out, const Node*&) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text == nullptr) return false;
    const Result<T> parsed = Parse(*text);
    if (parsed) out = *parsed;
    return parsed.has_value();
  }
  static std::string show(T value) { return toml_string(Format(value)); }
};

template <>
struct Codec<Duration> : QuantityCodec<Duration, parse_duration, format_duration> {
  static std::string expected() { return "a duration such as \"250ms\", \"5m\" or \"1h30m\""; }
};
template <>
struct Codec<ByteSize> : QuantityCodec<ByteSize, parse_size, format_size> {
  static std::string expected() { return "a size such as \"512MiB\" or \"2GB\""; }
};
template <>
struct Codec<Rate> : QuantityCodec<Rate, parse_rate, format_rate> {
  static std::string expected() { return "a rate such as \"60/min\" or \"5/s\""; }
};

template <class E>
  requires std::is_enum_v<E>
struct Codec<E> {
  static constexpr Shape kShape = Shape::text;
  static std::string expected() {
    std::string text = "one of ";
    for (const auto& [name, value] : Names<E>::kAll) text += fmt::format("\"{}\", ", name);
    text.resize(text.size() - 2);
    return text;
  }
  static bool read(const Node& node, E& out, const Node*&) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text == nullptr) return false;
    for (const auto& [name, value] : Names<E>::kAll) {
      if (name != *text) continue;
      out = value;
      return true;
    }
    return false;
  }
  static std::string show(E wanted) {
    for (const auto& [name, value] : Names<E>::kAll) {
      if (value == wanted) return toml_string(name);
    }
    return toml_string("");
  }
};

template <>
struct Codec<std::vector<std::string>> {
  static constexpr Shape kShape = Shape::list;
  static std::string expected() { return "a list of strings"; }
  static bool read(const Node& node, std::vector<std::string>& out, const Node*& culprit) {
    const auto* items = std::get_if<Node::Array>(&node.value);
    if (items == nullptr) return false;
    std::vector<std::string> all;
    for (const Node& item : *items) {
      culprit = &item;
      if (!Codec<std::string>::read(item, all.emplace_back(), culprit)) return false;
    }
    out = std::move(all);
    return true;
  }
  static std::string show(const std::vector<std::string>& value) {
    std::string text = "[";
    for (const std::string& item : value) text += (text.size() > 1 ? ", " : "") + toml_string(item);
    return text + "]";
  }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static constexpr Shape kShape = Shape::table;
  static std::string expected() { return "a table whose values are each " + Codec<T>::expected(); }
  static bool read(const Node& node, std::map<std::string, T>& out, const Node*& culprit) {
    const auto* members = std::get_if<Node::Table>(&node.value);
    if (members == nullptr) return false;
    std::map<std::string, T> all;
    for (const Member& member : *members) {
      culprit = &member.value;
      if (!Codec<T>::read(member.value, all[member.key], culprit)) return false;
    }
    out = std::move(all);
    return true;
  }
  static std::string show(const std::map<std::string, T>& value) {
    if (value.empty()) return "{}";
    std::string text = "{ ";
    for (const auto& [key, item] : value) {
      text += (text.size() > 2 ? ", " : "") + toml_key(key) + " = " + Codec<T>::show(item);
    }
    return text + " }";
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static constexpr Shape kShape = Codec<T>::kShape;
  static std::string expected() { return Codec<T>::expected(); }
  static bool read(const Node& node, std::optional<T>& out, const Node*& culprit) {
    return Codec<T>::read(node, out.emplace(), culprit);
  }
  static std::string show(const std::optional<T>& value) { return value ? Codec<T>::show(*value) : std::string(); }
};

template <class T>
struct Plain {
  using type = T;
};
template <class T>
struct Plain<std::optional<T>> {
  using type = T;
};
/// The type inside an optional, or the type itself.
template <class T>
using PlainType = typename Plain<T>::type;

/// What a value must fulfil beyond its type. `expected` replaces the type's own words.
template <class T>
struct Rule {
  std::string expected;
  std::function<bool(const T&)> holds;
  /// For lists: which element it is that does not hold.
  std::function<std::size_t(const T&)> first_wrong;
};

/// A setting of struct S that is stored in `member`.
template <class S, class T>
Setting setting(std::string name, T S::* member, Reload reload, std::string doc, Rule<PlainType<T>> rule = {}) {
  Setting result{
      .name = std::move(name),
      .expected = rule.expected.empty() ? Codec<T>::expected() : rule.expected,
      .shape = Codec<T>::kShape,
      .reload = reload,
      .doc = std::move(doc),
      .alias = {},
      .read = {},
      .show = [member](const void* section) { return Codec<T>::show(static_cast<const S*>(section)->*member); },
      .copy = [member](const void* from,
                       void* to) { static_cast<S*>(to)->*member = static_cast<const S*>(from)->*member; }};
  result.read = [member, expected = result.expected, rule = std::move(rule)](void* section,
                                                                             const Node& node) -> std::optional<Wrong> {
    using Value = PlainType<T>;
    const Node* culprit = &node;
    Value value{};
    bool good = Codec<Value>::read(node, value, culprit);
    if (good && rule.holds && !rule.holds(value)) {
      good = false;
      const auto* items = std::get_if<Node::Array>(&node.value);
      culprit = items != nullptr && rule.first_wrong ? &items->at(rule.first_wrong(value)) : &node;
    }
    if (!good) return Wrong{.culprit = culprit, .expected = expected};
    static_cast<S*>(section)->*member = std::move(value);
    return std::nullopt;
  };
  return result;
}

}  // namespace swarm::config
