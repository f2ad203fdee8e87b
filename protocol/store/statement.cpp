#include "protocol/store/statement.hpp"

#include <fmt/format.h>

#include "protocol/store/connection.hpp"

namespace swarm::store {

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), prepared_(std::exchange(other.prepared_, nullptr)) {}

Statement::~Statement() {
  if (prepared_ == nullptr) return;
  if (!prepared_->cached) {
    delete prepared_;
    return;
  }
  reset();
  prepared_->in_use = false;
}

void Statement::reset() {
  sqlite3_reset(prepared_->statement.get());
  sqlite3_clear_bindings(prepared_->statement.get());  // lets go of copies of large or secret values
}

std::unexpected<Error> Statement::failed(int code) const { return connection_->failed(code, prepared_->name); }

std::unexpected<Error> Statement::wrong_type(int column, std::string_view wanted) const {
  constexpr std::array<std::string_view, 6> kTypes = {"?", "an integer", "a real number", "text", "a blob", "NULL"};
  sqlite3_stmt* const s = prepared_->statement.get();
  const auto type = static_cast<std::size_t>(sqlite3_column_type(s, column));
  const char* const name = sqlite3_column_name(s, column);
  return fail(Code::internal, fmt::format("{}: column {} '{}' is {}, expected {}", prepared_->name, column,
                                          name == nullptr ? "?" : name, kTypes.at(type), wanted));
}

Result<bool> Statement::step() {
  sqlite3_stmt* const s = prepared_->statement.get();
  const int code = sqlite3_step(s);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(s);
    return false;
  }
  auto error = failed(code);
  sqlite3_reset(s);
  return error;
}

Result<void> Statement::run() {
  while (true) {
    const Result<bool> more = step();
    if (!more) return fail(more.error());
    if (!*more) return {};
  }
}

Result<void> Statement::start_binding(int count) {
  sqlite3_stmt* const s = prepared_->statement.get();
  sqlite3_reset(s);
  if (const int wanted = sqlite3_bind_parameter_count(s); wanted != count) {
    return fail(Code::internal, fmt::format("{}: takes {} parameters, got {}", prepared_->name, wanted, count));
  }
  return {};
}

Result<void> Statement::start_row(int count) {
  if (const int have = sqlite3_column_count(prepared_->statement.get()); have != count) {
    return fail(Code::internal, fmt::format("{}: has {} columns, {} were asked for", prepared_->name, have, count));
  }
  return {};
}

Result<void> Statement::bind_int(int index, std::int64_t value) {
  const int code = sqlite3_bind_int64(prepared_->statement.get(), index, value);
  if (code != SQLITE_OK) return failed(code);
  return {};
}

Result<void> Statement::bind_double(int index, double value) {
  const int code = sqlite3_bind_double(prepared_->statement.get(), index, value);
  if (code != SQLITE_OK) return failed(code);
  return {};
}

Result<void> Statement::bind_text(int index, std::string_view value) {
  // A null pointer would bind NULL, and an empty view may have one.
  const char* const data = value.empty() ? "" : value.data();
  const int code =
      sqlite3_bind_text64(prepared_->statement.get(), index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) return failed(code);
  return {};
}

Result<void> Statement::bind_blob(int index, std::string_view value) {
  const char* const data = value.empty() ? "" : value.data();
  const int code = sqlite3_bind_blob64(prepared_->statement.get(), index, data, value.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) return failed(code);
  return {};
}

Result<void> Statement::bind_null(int index) {
  const int code = sqlite3_bind_null(prepared_->statement.get(), index);
  if (code != SQLITE_OK) return failed(code);
  return {};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(prepared_->statement.get(), column) == SQLITE_NULL;
}

Result<void> Statement::read_int(int column, std::int64_t& out) {
  sqlite3_stmt* const s = prepared_->statement.get();
  if (sqlite3_column_type(s, column) != SQLITE_INTEGER) return wrong_type(column, "an integer");
  out = sqlite3_column_int64(s, column);
  return {};
}

Result<void> Statement::read_double(int column, double& out) {
  sqlite3_stmt* const s = prepared_->statement.get();
  if (sqlite3_column_type(s, column) != SQLITE_FLOAT) return wrong_type(column, "a real number");
  out = sqlite3_column_double(s, column);
  return {};
}

Result<void> Statement::read_text(int column, std::string& out) {
  sqlite3_stmt* const s = prepared_->statement.get();
  if (sqlite3_column_type(s, column) != SQLITE_TEXT) return wrong_type(column, "text");
  const auto* const text = sqlite3_column_text(s, column);
  if (text == nullptr) return failed(SQLITE_NOMEM);
  out.assign(reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(s, column)));
  return {};
}

Result<void> Statement::read_blob(int column, std::string& out) {
  sqlite3_stmt* const s = prepared_->statement.get();
  if (sqlite3_column_type(s, column) != SQLITE_BLOB) return wrong_type(column, "a blob");
  const void* const data = sqlite3_column_blob(s, column);  // null for an empty one
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(s, column));
  if (data == nullptr) {
    out.clear();
  } else {
    out.assign(static_cast<const char*>(data), size);
  }
  return {};
}

}  // namespace swarm::store
