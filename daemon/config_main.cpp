#include "daemon/config_main.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>

#include "daemon/config/report.hpp"
#include "daemon/options.hpp"
#include "daemon/rpc/config_view.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/json.hpp"
#include "protocol/places/places.hpp"

namespace swarm {
namespace {

constexpr int kMistakes = 1;
constexpr int kConfigUsage = 2;

/// What is ours of the command line; the rest are swarmd's own options.
struct Words {
  std::string verb;
  std::string prefix;
  bool json = false;
  bool changed = false;
  std::vector<const char*> rest;
};

int refuse(std::string_view message) {
  fmt::print(stderr, "swarmd: {}\n", message);
  return kConfigUsage;
}

/// "FILE:3:9" as {file, line, column}; a place that is no file stands alone as `where`.
Value place_of(const config::Problem& problem) {
  Value document;
  std::string_view where = problem.where;
  std::array<int, 2> numbers{};
  std::size_t found = 0;
  while (found < 2) {
    const std::size_t colon = where.rfind(':');
    if (colon == std::string_view::npos) break;
    int number = 0;
    const char* end = where.data() + where.size();
    const auto read = std::from_chars(where.data() + colon + 1, end, number);
    if (read.ec != std::errc() || read.ptr != end) break;
    numbers.at(found++) = number;
    where = where.substr(0, colon);
  }
  document.set("where", problem.where);
  if (found == 2) {
    document.set("file", where);
    document.set("line", numbers[1]);
    document.set("column", numbers[0]);
  }
  const std::size_t key_end = problem.message.find(": ");
  const std::string_view key = std::string_view(problem.message).substr(0, key_end == std::string::npos ? 0 : key_end);
  if (!key.empty() && key.find(' ') == std::string_view::npos) document.set("key", key);
  document.set("message", problem.message);
  return document;
}

Value list_of(const std::vector<config::Problem>& problems) {
  Value::Array all;
  for (const config::Problem& problem : problems) all.push_back(place_of(problem));
  return Value(std::move(all));
}

int check(const Words& words, const std::expected<config::Loaded, std::vector<config::Problem>>& loaded) {
  if (words.json) {
    Value document;
    document.set("ok", loaded.has_value());
    if (loaded && !loaded->path.empty()) document.set("file", loaded->path.native());
    document.set("problems", loaded ? Value(Value::Array()) : list_of(loaded.error()));
    document.set("warnings", loaded ? list_of(loaded->warnings) : Value(Value::Array()));
    fmt::print("{}\n", api::to_json(document));
    return loaded ? 0 : kMistakes;
  }
  if (!loaded) {
    fmt::print(stderr, "{}\n", config::to_string(loaded.error()));
    return kMistakes;
  }
  for (const config::Problem& warning : loaded->warnings) fmt::print(stderr, "warning: {}\n", warning.to_string());
  fmt::print("{}\n", loaded->path.empty() ? "There is no configuration file; all settings are at their defaults"
                                          : fmt::format("{}: no mistakes", loaded->path.native()));
  return 0;
}

int show(const Words& words, const std::expected<config::Loaded, std::vector<config::Problem>>& loaded) {
  if (!loaded) {
    fmt::print(stderr, "{}\n", config::to_string(loaded.error()));
    return kMistakes;
  }
  const api::ConfigShowReply reply = rpc::config_view(*loaded, {.prefix = words.prefix, .changed_only = words.changed});
  if (words.json) {
    fmt::print("{}\n", api::to_json(api::encode(reply)));
    return 0;
  }
  for (const api::ConfigSetting& setting : reply.settings) {
    fmt::print("{} = {}  # {}\n", setting.name, setting.value, setting.origin.value_or("default"));
  }
  return 0;
}

}  // namespace

int config_main(int argc, const char* const* argv) {
  Words words;
  words.rest.push_back(argv[0]);
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (words.verb.empty() && !word.starts_with('-')) {
      words.verb = word;
    } else if (word == "--json") {
      words.json = true;
    } else if (word == "--changed") {
      words.changed = true;
    } else if (word == "--prefix" && i + 1 < argc) {
      words.prefix = argv[++i];
    } else {
      words.rest.push_back(argv[i]);
    }
  }
  if (words.verb != "check" && words.verb != "show") {
    return refuse("expected 'swarmd config check' or 'swarmd config show'");
  }
  const ParsedOptions parsed = parse_options(static_cast<int>(words.rest.size()), words.rest.data());
  if (!parsed.options) return parsed.exit_code;
  const Options& options = *parsed.options;
  const auto mode = options.system ? Surroundings::Mode::system : Surroundings::Mode::user;
  const Result<Places> places = Places::find(Surroundings::current(mode));
  if (!places) return refuse(places.error().message);
  const auto loaded =
      config::load({.path = options.config.value_or(places->config_file),
                    .file = options.config ? config::Sources::File::must_exist : config::Sources::File::may_be_missing,
                    .environment = config::process_environment(),
                    .flags = options.flags});
  return words.verb == "check" ? check(words, loaded) : show(words, loaded);
}

}  // namespace swarm
