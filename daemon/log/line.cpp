#include "daemon/log/line.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace swarm::log {
namespace {

// ASCII has characters for this: unit separators between items, record separators between key and value.
constexpr char kItem = '\x1f';
constexpr char kText = '\x1e';
constexpr char kBare = '\x1d';

std::string_view level_name(Level level) {
  static constexpr std::array<std::string_view, 6> kNames = {"trace", "debug", "info", "warn", "error", "off"};
  return kNames.at(static_cast<std::size_t>(level));
}

/// The journal's priorities (syslog's).
int priority(Level level) {
  switch (level) {
    case Level::error:
      return 3;
    case Level::warn:
      return 4;
    case Level::info:
      return 6;
    default:
      return 7;
  }
}

std::string_view colour_of(Level level) {
  switch (level) {
    case Level::error:
      return "\x1b[31m";
    case Level::warn:
      return "\x1b[33m";
    case Level::info:
      return "\x1b[32m";
    default:
      return "\x1b[2m";
  }
}

/// Length of the valid UTF-8 sequence at the front, or 0. C1 controls count as invalid: terminals obey some of them.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80                    ? 1
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                             : lead >= 0xE0 && lead < 0xF0  ? 3
                             : lead >= 0xC2 && lead < 0xE0  ? 2
                                                            : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  if (length == 2 && lead == 0xC2 && byte(1) < 0xA0) return 0;
  if (length == 3 && ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) >= 0xA0))) return 0;
  if (length == 4 && ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) >= 0x90))) return 0;
  return length;
}

enum class Quotes { kept, escaped };

/// Escapes control characters and bytes that are not UTF-8; JSON's escapes where it has some, so that one function
/// serves all.
std::string printable(std::string_view text, Quotes quotes) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t length = sequence_length(text.substr(at));
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (length == 0 || byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else if (quotes == Quotes::escaped && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else {
      out.append(text, at, length);
    }
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

std::string in_quotes(std::string_view text) { return "\"" + printable(text, Quotes::escaped) + "\""; }

std::string json_time(WallTime time) {
  const std::time_t seconds = time.us / 1'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(seconds), time.us % 1'000'000);
}

std::string human_time(WallTime time) {
  const std::time_t seconds = time.us / 1'000'000;
  return fmt::format("{:%H:%M:%S}.{:03}", fmt::localtime(seconds), time.us % 1'000'000 / 1'000);
}

std::string human_items(const Message& message, const secrets::Redactor& redactor) {
  std::string out;
  for (const Message::Item& item : message.items) {
    const std::string text = redactor.redact(item.text);
    const bool plain = !text.empty() &&
                       std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '='; });
    out += fmt::format(" {}={}", printable(item.key, Quotes::kept), plain ? text : in_quotes(text));
  }
  return out;
}

std::string json_line(const Message& message, const secrets::Redactor& redactor) {
  std::string out = fmt::format(R"({{"time":"{}","level":"{}","component":{},"message":{})", json_time(message.time),
                                level_name(message.level), in_quotes(message.component),
                                in_quotes(redactor.redact(message.sentence)));
  for (const Message::Item& item : message.items) {
    out += fmt::format(",{}:{}", in_quotes(item.key),
                       item.bare ? std::string(item.text) : in_quotes(redactor.redact(item.text)));
  }
  return out + "}";
}

}  // namespace

std::string format_line(const Message& message, config::LogFormat format, Colour colour,
                        const secrets::Redactor& redactor) {
  // Each part by itself first: escaping could hide a secret's line breaks, and a key's pattern ends where the part
  // does. Then the whole line, for what only shows in context ("authorization" as a key and its value).
  if (format == config::LogFormat::json) return redactor.redact(json_line(message, redactor));
  const std::string rest =
      fmt::format("{}: {}{}", message.component, printable(redactor.redact(message.sentence), Quotes::kept),
                  human_items(message, redactor));
  if (format == config::LogFormat::journald)
    return fmt::format("<{}>{}", priority(message.level), redactor.redact(rest));
  const bool coloured = colour == Colour::yes;
  return fmt::format("{} {}{:<5}{} {}", human_time(message.time), coloured ? colour_of(message.level) : "",
                     level_name(message.level), coloured ? "\x1b[0m" : "", redactor.redact(rest));
}

std::string pack(std::string_view sentence, Fields fields) {
  const auto clean = [](std::string_view text) {
    std::string out(text);
    for (char& c : out) {
      // These three never mean anything in a message; others are escaped when the line is made.
      if (c == kItem || c == kText || c == kBare) c = '?';
    }
    return out;
  };
  std::string packed = clean(sentence);
  for (const Field& field : fields) {
    packed += kItem;
    packed += clean(field.key());
    packed += field.bare() ? kBare : kText;
    packed += clean(field.text());
  }
  return packed;
}

void unpack(std::string_view packed, Message& message) {
  const auto take = [&packed] {
    const std::size_t end = std::min(packed.find(kItem), packed.size());
    const std::string_view part = packed.substr(0, end);
    packed.remove_prefix(std::min(end + 1, packed.size()));
    return part;
  };
  message.sentence = take();
  while (!packed.empty()) {
    const std::string_view part = take();
    const std::size_t split = part.find_first_of("\x1e\x1d");
    if (split == std::string_view::npos) continue;
    message.items.push_back(
        {.key = part.substr(0, split), .text = part.substr(split + 1), .bare = part[split] == kBare});
  }
}

}  // namespace swarm::log
