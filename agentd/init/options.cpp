#include <charconv>

#include "agentd/init/init.hpp"

namespace swarm::agentd {
namespace {

std::optional<Millis> parse_millis(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return Millis(value);
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
    } else if (key == "--lease-ms" || key == "--grace-ms") {
      const auto millis = parse_millis(value);
      if (!millis) {
        error = key + ": '" + value + "' is not a number of milliseconds";
        return options;
      }
      if (key == "--lease-ms")
        options.lease = *millis;
      else
        options.grace = *millis;
    } else {
      error = "unknown option '" + key + "'";
      return options;
    }
  }
  if (options.argv.empty() || options.argv[0].empty() || options.argv[0][0] != '/')
    error = "the program to run must follow '--' as an absolute path";
  return options;
}

}  // namespace swarm::agentd
