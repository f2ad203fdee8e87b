#include <charconv>

#include "agentd/init/init.hpp"

namespace swarm::agentd {
namespace {

std::optional<std::int64_t> parse_number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// False for an option that there is not.
bool set_number(InitOptions& options, const std::string& key, std::int64_t value) {
  if (key == "--lease-ms")
    options.lease = Millis(value);
  else if (key == "--grace-ms")
    options.grace = Millis(value);
  else if (key == "--processes")
    options.processes = static_cast<std::uint64_t>(value);
  else if (key == "--ready-fd")
    options.ready_fd = static_cast<int>(value);
  else
    return false;
  return true;
}

}  // namespace

InitOptions parse_init_options(const std::vector<std::string>& words, std::string& error) {
  InitOptions options;
  error.clear();
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") {
      options.argv.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
      break;
    }
    if (i + 1 == words.size()) {
      error = "'" + words[i] + "' needs a value";
      return options;
    }
    const std::string& key = words[i];
    const std::string& value = words[++i];
    if (key == "--log") {
      options.log_path = value;
      continue;
    }
    const auto number = parse_number(value);
    if (!set_number(options, key, number.value_or(0)))
      error = "unknown option '" + key + "'";
    else if (!number)
      error = key + ": '" + value + "' is not a number";
    if (!error.empty()) return options;
  }
  if (options.argv.empty() || options.argv[0].empty() || options.argv[0][0] != '/')
    error = "the program to run must follow '--' as an absolute path";
  return options;
}

}  // namespace swarm::agentd
