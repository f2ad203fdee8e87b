#include "agentd/cli/print.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "agentd/cli/verb.hpp"
#include "protocol/api/json.hpp"
#include "protocol/coord/text.hpp"

namespace swarm::cli {
namespace {

void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// Characters, as far as columns need it: continuation bytes are no characters of their own.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string span(std::int64_t us) {
  const std::int64_t seconds = std::max<std::int64_t>(us, 0) / 1'000'000;
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 86400) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86400) + "d";
}

}  // namespace

void print_json(const Value& value) { put(api::to_json(value, api::JsonStyle::indented) + "\n"); }

void print_line(std::string_view text) { put(coord::clean_line(text) + "\n"); }

void print_text(std::string_view text, std::string_view indent) {
  const std::string clean = coord::clean_text(text);
  std::string_view rest = clean;
  for (;;) {
    const auto end = rest.find('\n');
    put(std::string(indent) + std::string(rest.substr(0, end)) + "\n");
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end + 1);
    if (rest.empty()) return;
  }
}

void print_table(const std::vector<std::vector<std::string>>& rows, std::string_view empty) {
  if (rows.size() < 2) {
    print_line(empty);
    return;
  }
  std::vector<std::vector<std::string>> clean = rows;
  std::vector<std::size_t> widths;
  for (auto& row : clean) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = coord::clean_line(row[i]);
      widths[i] = std::max(widths[i], width(row[i]));
    }
  }
  for (const auto& row : clean) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    put(line + "\n");
  }
}

int flushed() {
  if (std::fflush(stdout) == 0) return kExitOk;
  return failed({.code = Code::internal, .message = "the output could not be written"});
}

std::string text_of(const Value* value) {
  if (value == nullptr) return {};
  if (const auto* text = value->as_string()) return *text;
  if (const auto* bytes = value->as_bytes()) return bytes->data;
  if (const auto* number = value->as_int()) return std::to_string(*number);
  if (const auto* truth = value->as_bool()) return *truth ? "yes" : "no";
  if (const auto* real = value->as_double()) {
    char buffer[32] = {};
    std::snprintf(buffer, sizeof buffer, "%g", *real);
    return buffer;
  }
  if (const auto* list = value->as_array()) {
    std::string text;
    for (const Value& one : *list) text += (text.empty() ? "" : ", ") + text_of(&one);
    return text;
  }
  return {};
}

std::string text_of(const Value& map, std::string_view key) { return text_of(map.find(key)); }

std::int64_t number_of(const Value& map, std::string_view key, std::int64_t otherwise) {
  const Value* value = map.find(key);
  const std::int64_t* number = value == nullptr ? nullptr : value->as_int();
  return number == nullptr ? otherwise : *number;
}

bool truth_of(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const bool* truth = value == nullptr ? nullptr : value->as_bool();
  return truth != nullptr && *truth;
}

const Value::Array& list_of(const Value& map, std::string_view key) {
  static const Value::Array kNone;
  const Value* value = map.find(key);
  const Value::Array* list = value == nullptr ? nullptr : value->as_array();
  return list == nullptr ? kNone : *list;
}

std::string ago(std::int64_t time_us) { return span(now_us() - time_us) + " ago"; }

std::string until(const Value* time_us) {
  const std::int64_t* at = time_us == nullptr ? nullptr : time_us->as_int();
  return at == nullptr ? "never" : "in " + span(*at - now_us());
}

}  // namespace swarm::cli
