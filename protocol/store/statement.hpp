#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"

struct sqlite3_stmt;

namespace swarm::store {

/// A statement's SQL and the name that errors call it by ("events.append"). Both are static text: values are bound,
/// never pasted in.
struct Sql {
  std::string_view name;
  std::string_view text;
};

namespace detail {
struct Connection;
struct Prepared;
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
}  // namespace detail

/// One prepared statement, borrowed from its database's cache; back there when destroyed. It must not outlive the
/// `Database`, and is used by the thread that uses that.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  /// Binds all parameters by position, copying them. Integers, bool, double, text, `Bytes`, nullopt and optionals of
  /// these. The count must be the statement's (`internal` otherwise: a bug).
  template <class... A>
  Result<void> bind(const A&... values) {
    if (Result<void> fits = start_binding(static_cast<int>(sizeof...(A))); !fits) return fits;
    int index = 0;
    Result<void> bound;
    static_cast<void>((... && (bound = bind_one(++index, values)).has_value()));
    return bound;
  }

  /// Goes to the next row; false when there is none (then the statement is reset).
  Result<bool> step();

  /// Steps to the end, ignoring rows.
  Result<void> run();

  /// The current row. T: std::int64_t, int, bool, double, std::string, Bytes, or an optional of these; a column of
  /// another type, or NULL without optional, is `internal` and names the column.
  template <class... T>
  Result<std::tuple<T...>> row() {
    std::tuple<T...> out;
    Result<void> read = start_row(static_cast<int>(sizeof...(T)));
    if (!read) return fail(read.error());
    int column = 0;
    std::apply([&](T&... field) { static_cast<void>((... && (read = read_one(column++, field)).has_value())); }, out);
    if (!read) return fail(read.error());
    return out;
  }

  /// Back to before the first row, parameters forgotten.
  void reset();

 private:
  friend class Database;
  Statement(detail::Connection* connection, detail::Prepared* prepared)
      : connection_(connection), prepared_(prepared) {}

  Result<void> start_binding(int count);
  Result<void> start_row(int count);
  Result<void> bind_int(int index, std::int64_t value);
  Result<void> bind_double(int index, double value);
  Result<void> bind_text(int index, std::string_view value);
  Result<void> bind_blob(int index, std::string_view value);
  Result<void> bind_null(int index);
  Result<void> read_int(int column, std::int64_t& out);
  Result<void> read_double(int column, double& out);
  Result<void> read_text(int column, std::string& out);
  Result<void> read_blob(int column, std::string& out);
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::unexpected<Error> failed(int code) const;
  [[nodiscard]] std::unexpected<Error> wrong_type(int column, std::string_view wanted) const;

  template <class T>
  Result<void> bind_one(int index, const T& value) {
    if constexpr (detail::IsOptional<T>::value) {
      return value ? bind_one(index, *value) : bind_null(index);
    } else if constexpr (std::is_same_v<T, std::nullopt_t>) {
      return bind_null(index);
    } else if constexpr (std::is_integral_v<T>) {
      return bind_int(index, static_cast<std::int64_t>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
      return bind_double(index, value);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return bind_blob(index, value.data);
    } else {
      return bind_text(index, std::string_view(value));
    }
  }

  template <class T>
  Result<void> read_one(int column, T& out) {
    if constexpr (detail::IsOptional<T>::value) {
      if (is_null(column)) {
        out.reset();
        return {};
      }
      return read_one(column, out.emplace());
    } else if constexpr (std::is_integral_v<T>) {
      std::int64_t number = 0;
      Result<void> read = read_int(column, number);
      if (read && !std::is_same_v<T, bool> && !std::in_range<NarrowTo<T>>(number)) {
        return wrong_type(column, "a smaller integer");
      }
      out = static_cast<T>(number);
      return read;
    } else if constexpr (std::is_same_v<T, double>) {
      return read_double(column, out);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return read_blob(column, out.data);
    } else {
      static_assert(std::is_same_v<T, std::string>, "a column reads as an integer, bool, double, string or Bytes");
      return read_text(column, out);
    }
  }

  /// std::in_range refuses bool.
  template <class T>
  using NarrowTo = std::conditional_t<std::is_same_v<T, bool>, std::int64_t, T>;

  detail::Connection* connection_;
  detail::Prepared* prepared_;
};

}  // namespace swarm::store
