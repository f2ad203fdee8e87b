#pragma once
// What every setting is: name, type, default, doc, check and whether it can change while the daemon runs, in one table
// (schema.cpp). Reading, `config show`, the reference page and the difference of two configurations all walk this
// table, so that a setting added there is complete.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/config/document.hpp"

namespace swarm::config {

/// When a changed value acts.
enum class Reload {
  now,      ///< at SIGHUP
  next,     ///< at SIGHUP, for what is created afterwards
  restart,  ///< at the next start of the daemon
};

/// "at once", "for new ones", "restart": for tables.
[[nodiscard]] std::string_view reload_name(Reload reload);

/// What the text of an environment variable or a flag is turned into before the setting reads it.
enum class Shape { boolean, number, text, list, table };

/// Which part of a value was refused (the value itself or an element of it), and what should stand there.
struct Wrong {
  const Node* culprit = nullptr;  ///< inside the node that was read
  std::string expected;           ///< "a size such as \"512MiB\""
};

/// One setting, with its type erased: `section` points to the struct of its section.
struct Setting {
  std::string name;
  std::string expected;  ///< "a duration such as \"5m\""
  Shape shape = Shape::text;
  Reload reload = Reload::restart;
  std::string doc;
  std::string alias;  ///< a second, shorter environment variable, or empty
  std::function<std::optional<Wrong>(void* section, const Node& node)> read;
  std::function<std::string(const void* section)> show;  ///< as TOML; "" where it is not set
  std::function<void(const void* from, void* to)> copy;  ///< from one struct of the section to another
};

/// A table of the file. In a named one (`[pool.NAME]`) each NAME has an instance of the struct.
struct Section {
  std::string name;  ///< "log", "provider.local", "pool"
  bool named = false;
  bool conceal = false;  ///< errors show no values: somebody may have put a secret there
  std::string doc;
  std::vector<Setting> settings;
  /// The struct of that instance, made when missing. `instance` is ignored unless `named`.
  std::function<void*(Config&, const std::string& instance)> at;
  /// The struct of that instance, or null.
  std::function<const void*(const Config&, const std::string& instance)> find;
  /// The instances that exist; one empty name unless `named`.
  std::function<std::vector<std::string>(const Config&)> instances;
  /// The default of one of this section's settings, as TOML.
  std::function<std::string(const Setting&)> show_default;

  [[nodiscard]] const Setting* setting(std::string_view setting_name) const;
  /// "log.level", "pool.fast.min_ready".
  [[nodiscard]] std::string key(std::string_view instance, std::string_view setting_name) const;
};

/// All sections, in the order of the reference page.
[[nodiscard]] const std::vector<Section>& schema();

/// One setting found by its full key.
struct Located {
  const Section* section = nullptr;
  std::string instance;
  const Setting* setting = nullptr;
};

/// The setting of "log.level" or "pool.fast.min_ready"; nothing if the key is not one.
[[nodiscard]] std::optional<Located> locate(std::string_view key);

/// All full keys, with NAME for the instance of named sections ("pool.NAME.min_ready").
[[nodiscard]] const std::vector<std::string>& all_keys();

/// True for what may stand for NAME: 1 to 63 of a-z 0-9 _ -, starting with a letter or digit.
[[nodiscard]] bool is_instance_name(std::string_view name);

}  // namespace swarm::config
