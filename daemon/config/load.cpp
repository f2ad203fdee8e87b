#include "daemon/config/load.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

#include "daemon/config/consistency.hpp"
#include "daemon/config/schema.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::config {
namespace {

std::string environment_form(std::string_view key) {
  std::string text(key);
  for (char& c : text) {
    if (c == '.' || c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

/// Turns the text of a variable or flag into what the file would have held. A text that is none of its shape stays
/// text, and the setting's own check words the error.
Node node_of_text(Shape shape, std::string_view text) {
  Node node{.value = std::string(text), .at = {}};
  const auto split = [](std::string_view list) {
    std::vector<std::string> items;
    while (!list.empty()) {
      const auto comma = std::min(list.find(','), list.size());
      items.emplace_back(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return items;
  };
  const char* end = text.data() + text.size();
  switch (shape) {
    case Shape::boolean:
      if (text == "true" || text == "1" || text == "yes" || text == "on") node.value = true;
      if (text == "false" || text == "0" || text == "no" || text == "off") node.value = false;
      break;
    case Shape::number: {
      std::int64_t integer = 0;
      double number = 0;
      if (const auto [at, error] = std::from_chars(text.data(), end, integer); error == std::errc{} && at == end) {
        node.value = integer;
      } else if (const auto [to, wrong] = std::from_chars(text.data(), end, number);
                 wrong == std::errc{} && to == end) {
        node.value = number;
      }
      break;
    }
    case Shape::text:
      break;
    case Shape::list: {
      Node::Array items;
      for (std::string& item : split(text)) items.push_back({.value = std::move(item), .at = {}});
      node.value = std::move(items);
      break;
    }
    case Shape::table: {
      Node::Table members;
      for (const std::string& item : split(text)) {
        const auto equals = item.find('=');
        if (equals == std::string::npos) return node;
        members.push_back(
            {.key = item.substr(0, equals), .at = {}, .value = {.value = item.substr(equals + 1), .at = {}}});
      }
      node.value = std::move(members);
      break;
    }
  }
  return node;
}

/// Collects one configuration from its layers.
class Assembly {
 public:
  explicit Assembly(const Sources& sources) : sources_(sources) { loaded_.path = sources.path; }

  void add_file(std::string_view text) {
    const Document document = parse_document(text);
    if (document.mistake) {
      problem(place(document.mistake->at), document.mistake->message);
      return;
    }
    add_tables(document.root, "");
  }

  void add_environment() {
    for (const auto& [name, value] : sources_.environment) {
      // The path of the file itself is not a setting.
      if (name == "SWARMD_CONFIG") continue;
      const std::optional<Located> found = of_environment(name);
      if (found) {
        set(*found, node_of_text(found->setting->shape, value), {Origin::Kind::environment, name});
      } else if (name.starts_with("SWARMD_")) {
        loaded_.warnings.push_back(
            {.where = name, .message = "no such setting" + did_you_mean(name, environment_names())});
      }
    }
  }

  void add_flags() {
    for (const Flag& flag : sources_.flags) {
      if (const auto found = locate(flag.key)) {
        set(*found, node_of_text(found->setting->shape, flag.value), {Origin::Kind::flag, flag.spelling});
      } else {
        problem(flag.spelling, unknown(flag.key));
      }
    }
  }

  void problem(std::string where, std::string message) {
    problems_.push_back({.where = std::move(where), .message = std::move(message)});
  }

  std::expected<Loaded, std::vector<Problem>> finish() {
    // What does not fit together is only worth saying about values that are right by themselves.
    if (problems_.empty()) {
      for (const Conflict& conflict : conflicts(loaded_.config)) {
        const auto origin = loaded_.origins.find(conflict.key);
        problem(origin == loaded_.origins.end() ? section_place(conflict.key) : origin->second.where,
                conflict.key + ": " + conflict.message);
      }
    }
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    return std::move(loaded_);
  }

 private:
  std::string place(Position at) const {
    return at.line == 0 ? sources_.path.string() : fmt::format("{}:{}:{}", sources_.path.string(), at.line, at.column);
  }

  /// Where the table of a key that is not written itself begins.
  std::string section_place(const std::string& key) const {
    const auto found = tables_.find(key.substr(0, key.rfind('.')));
    return found == tables_.end() ? "defaults" : place(found->second);
  }

  /// The text about a key that is none: the nearest in its own section, else the same name elsewhere, else the nearest
  /// of all.
  static std::string unknown(const std::string& key) {
    const auto dot = key.rfind('.');
    const std::string stem = dot == std::string::npos ? "" : key.substr(0, dot + 1);
    const std::string last = key.substr(stem.size());
    std::vector<std::string> siblings;
    std::vector<std::string> elsewhere;
    for (const Section& section : schema()) {
      const bool here = section.named ? stem.starts_with(section.name + ".") : stem == section.name + ".";
      for (const Setting& setting : section.settings) {
        if (here) siblings.push_back(setting.name);
        if (setting.name == last) elsewhere.push_back(section.key("NAME", setting.name));
      }
    }
    std::string hint;
    if (const auto near = nearest_name(last, siblings)) {
      hint = "; did you mean '" + stem + *near + "'?";
    } else if (elsewhere.size() == 1) {
      hint = "; did you mean '" + elsewhere.front() + "'?";
    } else {
      hint = did_you_mean(key, all_keys());
    }
    return fmt::format("unknown setting '{}'{}", key, hint);
  }

  void add_tables(const Node::Table& table, const std::string& prefix) {
    for (const Member& member : table) {
      const std::string path = prefix.empty() ? member.key : prefix + "." + member.key;
      const auto section = std::ranges::find(schema(), path, &Section::name);
      const bool group =
          std::ranges::any_of(schema(), [&](const Section& s) { return s.name.starts_with(path + "."); });
      const auto* inner = std::get_if<Node::Table>(&member.value.value);
      if (section == schema().end() && !group) {
        unknown_table(member, path, prefix);
      } else if (inner == nullptr) {
        problem(place(member.value.at),
                fmt::format("{}: expected a table [{}]; got {}", path, path,
                            shown(member.value, section != schema().end() && section->conceal)));
      } else if (section == schema().end()) {
        add_tables(*inner, path);
      } else if (section->named) {
        add_instances(*section, *inner);
      } else {
        add_settings(*section, "", *inner, member.at);
      }
    }
  }

  void unknown_table(const Member& member, const std::string& path, const std::string& prefix) {
    const auto* inner = std::get_if<Node::Table>(&member.value.value);
    if (inner == nullptr) {
      problem(place(member.at), unknown(path));
      return;
    }
    std::vector<std::string> names;
    for (const Section& section : schema()) names.push_back(section.name);
    std::string hint = did_you_mean(path, names);
    if (hint.empty()) {
      hint = "; the tables are ";
      for (const std::string& name : names) {
        if (prefix.empty() || name.starts_with(prefix + ".")) hint += "[" + name + "], ";
      }
      hint.resize(hint.size() - 2);
    }
    problem(place(member.at), fmt::format("unknown table [{}]{}", path, hint));
  }

  void add_instances(const Section& section, const Node::Table& table) {
    for (const Member& member : table) {
      const std::string path = section.name + "." + member.key;
      const auto* inner = std::get_if<Node::Table>(&member.value.value);
      if (inner == nullptr) {
        const bool known = section.setting(member.key) != nullptr;
        problem(
            place(member.at),
            known ? fmt::format("'{}' stands in a table with a name: [{}.NAME]", member.key, section.name)
                  : fmt::format("{}: expected a table [{}]; got {}", path, path, shown(member.value, section.conceal)));
      } else if (!is_instance_name(member.key)) {
        problem(place(member.at), fmt::format("[{}]: expected a name of a-z, 0-9, _ and -, at most 63 long", path));
      } else {
        section.at(loaded_.config, member.key);
        add_settings(section, member.key, *inner, member.at);
      }
    }
  }

  void add_settings(const Section& section, const std::string& instance, const Node::Table& table, Position at) {
    tables_.emplace(section.named ? section.name + "." + instance : section.name, at);
    for (const Member& member : table) {
      const Setting* setting = section.setting(member.key);
      if (setting == nullptr) {
        problem(place(member.at), unknown(section.key(instance, member.key)));
        continue;
      }
      set({&section, instance, setting}, member.value, {Origin::Kind::file, place(member.value.at)});
    }
  }

  static std::string shown(const Node& node, bool conceal) { return conceal ? node.describe_kind() : node.describe(); }

  void set(const Located& target, const Node& node, Origin origin) {
    const std::string key = target.section->key(target.instance, target.setting->name);
    const auto wrong = target.setting->read(target.section->at(loaded_.config, target.instance), node);
    if (wrong) {
      problem(origin.kind == Origin::Kind::file ? place(wrong->culprit->at) : origin.where,
              fmt::format("{}: expected {}; got {}", key, wrong->expected,
                          shown(*wrong->culprit, target.section->conceal)));
      return;
    }
    loaded_.origins[key] = std::move(origin);
  }

  /// A variable names its instance in upper case, so an instance of the file is preferred ("my-pool" is MY_POOL);
  /// otherwise it names a new one in lower case.
  std::optional<Located> of_environment(std::string_view name) const {
    for (const Section& section : schema()) {
      const std::string stem = "SWARMD_" + environment_form(section.name) + "_";
      const Setting* best = nullptr;
      for (const Setting& setting : section.settings) {
        if (!setting.alias.empty() && setting.alias == name) return Located{&section, "", &setting};
        const std::string tail = environment_form(setting.name);
        if (!name.starts_with(stem)) continue;
        if (!section.named && name.substr(stem.size()) == tail) return Located{&section, "", &setting};
        if (section.named && name.size() > stem.size() + tail.size() + 1 && name.ends_with("_" + tail) &&
            (best == nullptr || best->name.size() < setting.name.size())) {
          best = &setting;
        }
      }
      if (best == nullptr) continue;
      std::string instance(name.substr(stem.size(), name.size() - stem.size() - best->name.size() - 1));
      for (const std::string& existing : section.instances(loaded_.config)) {
        if (environment_form(existing) == instance) return Located{&section, existing, best};
      }
      for (char& c : instance) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (is_instance_name(instance)) return Located{&section, std::move(instance), best};
    }
    return std::nullopt;
  }

  static const std::vector<std::string>& environment_names() {
    static const std::vector<std::string> names = [] {
      std::vector<std::string> all;
      for (const std::string& key : all_keys()) all.push_back(environment_name(key));
      return all;
    }();
    return names;
  }

  const Sources& sources_;
  Loaded loaded_;
  std::map<std::string, Position> tables_;
  std::vector<Problem> problems_;
};

/// The file's text; nothing if it does not exist.
Result<std::optional<std::string>> read_file(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno == ENOENT) return std::nullopt;
    return fail_errno("open", "");
  }
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat", "");
  if (!S_ISREG(info.st_mode)) return fail(Code::invalid_argument, "not a regular file");
  std::string text;
  // One byte more than allowed is enough to be refused by the parser, whatever the file grows to.
  while (text.size() <= kMaxFileBytes) {
    const std::size_t have = text.size();
    text.resize(have + (64U << 10U));
    const ssize_t got = ::read(fd.get(), text.data() + have, 64U << 10U);
    if (got < 0 && errno != EINTR) return fail_errno("read", "");
    text.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
  }
  return text;
}

std::expected<Loaded, std::vector<Problem>> assemble(Assembly& assembly) {
  assembly.add_environment();
  assembly.add_flags();
  return assembly.finish();
}

}  // namespace

std::string Problem::to_string() const { return where + ": " + message; }

std::string to_string(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += problem.to_string() + "\n";
  return text;
}

std::expected<Loaded, std::vector<Problem>> load_text(std::string_view text, const Sources& sources) {
  Assembly assembly(sources);
  assembly.add_file(text);
  return assemble(assembly);
}

std::expected<Loaded, std::vector<Problem>> load(const Sources& sources) {
  Sources without_file = sources;
  without_file.path.clear();
  if (sources.file == Sources::File::none) {
    Assembly assembly(without_file);
    return assemble(assembly);
  }
  const auto text = read_file(sources.path);
  if (text && *text) return load_text(**text, sources);
  const bool missing = text.has_value();
  Assembly assembly(missing ? without_file : sources);
  if (!missing) assembly.problem(sources.path.string(), text.error().message);
  if (missing && sources.file == Sources::File::must_exist) {
    assembly.problem(sources.path.string(), "no such file; it was named explicitly, so it must exist");
  }
  return assemble(assembly);
}

std::vector<std::pair<std::string, std::string>> process_environment() {
  std::vector<std::pair<std::string, std::string>> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const auto equals = line.find('=');
    if (equals != std::string_view::npos) all.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return all;
}

std::string environment_name(std::string_view key) { return "SWARMD_" + environment_form(key); }

std::string flag_name(std::string_view key) {
  std::string text = "--" + std::string(key);
  for (char& c : text) c = c == '.' || c == '_' ? '-' : c;
  return text;
}

std::string key_of_flag(std::string_view name) {
  for (const std::string& key : all_keys()) {
    if (!key.contains(".NAME.") && flag_name(key).substr(2) == name) return key;
  }
  return {};
}

}  // namespace swarm::config
