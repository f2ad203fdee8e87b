#include "daemon/config/report.hpp"

#include <fmt/format.h>

#include <set>

namespace swarm::config {
namespace {

/// TOML escapes and pipes would break a cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

}  // namespace

std::vector<Shown> describe(const Loaded& loaded, std::string_view prefix) {
  std::vector<Shown> all;
  for (const Section& section : schema()) {
    for (const std::string& instance : section.instances(loaded.config)) {
      const void* values = section.find(loaded.config, instance);
      for (const Setting& setting : section.settings) {
        std::string key = section.key(instance, setting.name);
        if (!prefix.empty() && key != prefix && !key.starts_with(std::string(prefix) + ".")) continue;
        const auto origin = loaded.origins.find(key);
        all.push_back({.key = std::move(key),
                       .value = setting.show(values),
                       .origin = origin == loaded.origins.end() ? "default" : origin->second.where,
                       .expected = setting.expected,
                       .doc = setting.doc,
                       .reload = setting.reload});
      }
    }
  }
  return all;
}

std::vector<Change> diff(const Config& before, const Config& after) {
  std::vector<Change> changes;
  for (const Section& section : schema()) {
    std::set<std::string> instances;
    for (const Config* config : {&before, &after}) {
      for (std::string& name : section.instances(*config)) instances.insert(std::move(name));
    }
    for (const std::string& instance : instances) {
      const void* old_values = section.find(before, instance);
      const void* new_values = section.find(after, instance);
      const bool both = old_values != nullptr && new_values != nullptr;
      for (const Setting& setting : section.settings) {
        Change change{.key = section.key(instance, setting.name),
                      .before = old_values == nullptr ? "" : setting.show(old_values),
                      .after = new_values == nullptr ? "" : setting.show(new_values),
                      .reload = setting.reload};
        const std::string& present = old_values == nullptr ? change.after : change.before;
        const bool differs = both ? change.before != change.after : present != section.show_default(setting);
        if (differs) changes.push_back(std::move(change));
      }
      // One that holds only defaults still came or went.
      const std::string stem = section.key(instance, "");
      const bool listed = !changes.empty() && changes.back().key.starts_with(stem);
      if (!both && !listed) {
        changes.push_back({.key = stem.substr(0, stem.size() - 1),
                           .before = old_values == nullptr ? "" : "{}",
                           .after = new_values == nullptr ? "" : "{}",
                           .reload = Reload::now});
      }
    }
  }
  return changes;
}

Config reloaded(const Config& running, const Config& wanted) {
  Config result = wanted;
  // Named tables hold what is looked up at each use; only fixed ones have settings that a running part has taken.
  for (const Section& section : schema()) {
    if (section.named) continue;
    for (const Setting& setting : section.settings) {
      if (setting.reload == Reload::restart) setting.copy(section.find(running, ""), section.at(result, ""));
    }
  }
  return result;
}

std::string reference_page() {
  std::string page =
      "# Configuration\n\n"
      "<!-- Made from daemon/config/schema.cpp; the test config_test fails when it differs and\n"
      "     rewrites it when run with SWARM_UPDATE_GOLDEN=1. -->\n\n"
      "swarmd reads one TOML file: `$XDG_CONFIG_HOME/swarmd/config.toml` in user mode, `/etc/swarmd/config.toml` in "
      "system\n"
      "mode, or the one named by `--config` or `SWARMD_CONFIG`. The file at the default place may be missing. A flag "
      "wins over\n"
      "an environment variable, which wins over the file, which wins over the default. `swarmctl config show` prints "
      "each value\n"
      "and where it came from; `swarmctl config check` reports every mistake with line and column.\n\n"
      "- A *duration* is `250ms`, `5m`, `1h30m` (units ns, us, ms, s, m, h, d, w), a *size* `512MiB` or `2GB`, a "
      "*rate* `60/min`\n"
      "  or `5/s`; each is a string with its unit.\n"
      "- The environment variable of a setting is `SWARMD_` and its key in upper case with underscores: `log.max_size` "
      "is\n"
      "  `SWARMD_LOG_MAX_SIZE`, `pool.fast.min_ready` is `SWARMD_POOL_FAST_MIN_READY`. Lists are separated by commas, "
      "tables are\n"
      "  `key=value` separated by commas.\n"
      "- The flag is the key with dashes: `--log-max-size 20MiB`; any setting can be given as `--set KEY=VALUE`.\n"
      "- After a change of the file, `systemctl reload swarmd` or `kill -HUP` makes the daemon read it again. *On "
      "reload* says what\n"
      "  a changed setting does then: it acts at once, for new ones (sandboxes created afterwards), or at the next "
      "restart. A file\n"
      "  with a mistake changes nothing.\n"
      "- A file over 1 MiB or nested deeper than 10 levels is refused.\n";
  for (const Section& section : schema()) {
    fmt::format_to(std::back_inserter(page), "\n## [{}{}]\n\n{}\n\n", section.name, section.named ? ".NAME" : "",
                   section.doc);
    page += "| Setting | Value | Default | On reload | Meaning |\n|---|---|---|---|---|\n";
    for (const Setting& setting : section.settings) {
      const std::string fallback = section.show_default(setting);
      std::string meaning = setting.doc;
      if (!setting.alias.empty()) meaning += " Also `" + setting.alias + "` in the environment.";
      fmt::format_to(std::back_inserter(page), "| `{}` | {} | {} | {} | {} |\n", setting.name, cell(setting.expected),
                     fallback.empty() ? "not set" : "`" + cell(fallback) + "`", reload_name(setting.reload),
                     cell(meaning));
    }
  }
  return page;
}

}  // namespace swarm::config
