// The record file: a magic word, then fields of fixed order, each a length and bytes or a number.

#include <cstring>

#include "agentd/exec/exec.hpp"

namespace swarm::agentd {
namespace {

constexpr std::uint64_t kRecordMagic = 0x3164726365786573;  // "sexecrd1"
constexpr std::size_t kMostArgumentBytes = 4096;

class Writer {
 public:
  void number(std::uint64_t value) {
    bytes_.append(sizeof value, '\0');
    std::memcpy(bytes_.data() + bytes_.size() - sizeof value, &value, sizeof value);
  }
  void text(std::string_view value) {
    number(value.size());
    bytes_.append(value);
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

/// After the first shortage everything is empty and `ok()` is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    const std::string_view raw = take(sizeof value);
    if (raw.size() == sizeof value) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number())); }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view part = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(part.size());
    return part;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

ExecSummary summarise(const std::string& id, const ExecSpec& spec) {
  ExecSummary summary{.id = id,
                      .argv = {},
                      .command = spec.command,
                      .cwd = spec.cwd,
                      .user = spec.user.name,
                      .caller = spec.caller,
                      .lifetime = spec.lifetime,
                      .terminal = spec.terminal.has_value(),
                      .timeout = spec.timeout,
                      .limits = spec.limits,
                      .labels = spec.labels};
  std::size_t room = kMostArgumentBytes;
  for (const std::string& word : spec.argv) {
    if (word.size() > room) {
      summary.argv.push_back(word.substr(0, room) + "...");
      break;
    }
    summary.argv.push_back(word);
    room -= word.size();
  }
  if (summary.command && summary.command->size() > kMostArgumentBytes) {
    summary.command->resize(kMostArgumentBytes);
    *summary.command += "...";
  }
  return summary;
}

std::string encode_summary(const ExecSummary& summary) {
  Writer out;
  out.number(kRecordMagic);
  out.text(summary.id);
  out.number(summary.argv.size());
  for (const auto& word : summary.argv) out.text(word);
  out.number(summary.command ? 1 : 0);
  out.text(summary.command.value_or(""));
  out.text(summary.cwd);
  out.text(summary.user);
  out.text(summary.caller);
  out.number(summary.lifetime == Lifetime::background ? 1 : 0);
  out.number(summary.terminal ? 1 : 0);
  out.number(summary.timeout ? 1 : 0);
  out.number(summary.timeout ? static_cast<std::uint64_t>(summary.timeout->count()) : 0);
  out.number(summary.limits.size());
  for (const auto& limit : summary.limits) {
    out.number(static_cast<std::uint64_t>(limit.resource));
    out.number(limit.soft);
    out.number(limit.hard);
  }
  out.number(summary.labels.size());
  for (const auto& [name, value] : summary.labels) {
    out.text(name);
    out.text(value);
  }
  return out.take();
}

std::optional<ExecSummary> decode_summary(std::string_view bytes) {
  Reader in(bytes);
  if (in.number() != kRecordMagic) return std::nullopt;
  ExecSummary summary;
  summary.id = in.text();
  for (auto left = in.number(); left > 0 && in.ok(); --left) summary.argv.push_back(in.text());
  const bool has_command = in.number() != 0;
  std::string command = in.text();
  if (has_command) summary.command = std::move(command);
  summary.cwd = in.text();
  summary.user = in.text();
  summary.caller = in.text();
  summary.lifetime = in.number() != 0 ? Lifetime::background : Lifetime::foreground;
  summary.terminal = in.number() != 0;
  const bool has_timeout = in.number() != 0;
  const auto timeout = in.number();
  if (has_timeout) summary.timeout = std::chrono::milliseconds(timeout);
  for (auto left = in.number(); left > 0 && in.ok(); --left) {
    const auto resource = static_cast<int>(in.number());
    const auto soft = in.number();
    summary.limits.push_back({.resource = resource, .soft = soft, .hard = in.number()});
  }
  for (auto left = in.number(); left > 0 && in.ok(); --left) {
    std::string name = in.text();
    summary.labels[std::move(name)] = in.text();
  }
  if (!in.ok()) return std::nullopt;
  return summary;
}

}  // namespace swarm::agentd
