// Reads a kind's data file. What is wrong in it is said with its line; an unknown key is an error, so that a slip does
// not silently change how an agent is started.

#include <fmt/format.h>

#include "daemon/config/document.hpp"
#include "daemon/swarm/kinds/kinds.hpp"
#include "protocol/core/nearest.hpp"

namespace swarm::kinds {

using config::Member;
using config::Node;

struct Kind::Reader {
  std::string file;
  std::optional<Error> error;

  void complain(config::Position at, const std::string& what) {
    if (!error) error = Error{.code = Code::invalid_argument, .message = fmt::format("{}:{}: {}", file, at.line, what)};
  }

  template <class T>
  void read(const Member& member, T& into, std::string_view wanted) {
    if (const auto* value = std::get_if<T>(&member.value.value)) {
      into = *value;
    } else {
      complain(member.at, fmt::format("'{}' must be {}, not {}", member.key, wanted, member.value.describe()));
    }
  }
  void text(const Member& member, std::string& into) { read(member, into, "a string"); }
  void flag(const Member& member, bool& into) { read(member, into, "true or false"); }
  void number(const Member& member, std::uint32_t& into, std::int64_t most) {
    std::int64_t value = 0;
    read(member, value, "a number");
    if (value < 0 || value > most) complain(member.at, fmt::format("'{}' must be from 0 to {}", member.key, most));
    into = static_cast<std::uint32_t>(value);
  }
  void words(const Member& member, std::vector<std::string>& into) {
    const auto* list = std::get_if<Node::Array>(&member.value.value);
    if (list == nullptr) return complain(member.at, fmt::format("'{}' must be a list of strings", member.key));
    for (const Node& one : *list) {
      const auto* word = std::get_if<std::string>(&one.value);
      if (word == nullptr) return complain(one.at, fmt::format("'{}': {} is no string", member.key, one.describe()));
      into.push_back(*word);
    }
  }
  void state(const Member& member, api::PaneState& into) {
    std::string name;
    text(member, name);
    for (const api::EnumValue& one : api::type_of<api::PaneState>().values) {
      if (one.name == name) {
        into = static_cast<api::PaneState>(one.value);
        return;
      }
    }
    complain(member.at, fmt::format("'{}' is no state of a pane", name));
  }

  using Take = std::function<void(const Member&)>;
  /// Gives each member of a table to the one that takes its key.
  void table(const Node& node, const std::map<std::string, Take, std::less<>>& takes, const std::string& what) {
    const auto* members = std::get_if<Node::Table>(&node.value);
    if (members == nullptr) return complain(node.at, what + " must be a table");
    table(*members, takes);
  }
  void table(const Node::Table& members, const std::map<std::string, Take, std::less<>>& takes) {
    for (const Member& member : members) {
      const auto take = takes.find(member.key);
      if (take == takes.end()) {
        std::vector<std::string> known;
        for (const auto& [key, unused] : takes) known.push_back(key);
        complain(member.at, fmt::format("unknown key '{}'{}", member.key, did_you_mean(member.key, known)));
      } else {
        take->second(member);
      }
    }
  }
  void tables(const Member& member, const std::function<void(const Node&)>& each) {
    const auto* list = std::get_if<Node::Array>(&member.value.value);
    if (list == nullptr) return complain(member.at, fmt::format("'{}' must be a list of tables", member.key));
    for (const Node& node : *list) each(node);
  }
};

Result<Kind> Kind::parse(std::string_view name, std::string_view toml) {
  const config::Document document = config::parse_document(toml);
  Reader reader{.file = fmt::format("{}.toml", name), .error = {}};
  if (document.mistake) {
    reader.complain(document.mistake->at, document.mistake->message);
    return fail(*reader.error);
  }
  Kind kind;
  kind.name_ = name;
  kind.program_.kind = name;
  const auto install = [&](const Member& member) {
    reader.table(member.value,
                 {{"tool", [&](const Member& m) { reader.text(m, kind.install_.tool); }},
                  {"version", [&](const Member& m) { reader.text(m, kind.install_.version); }},
                  {"program", [&](const Member& m) { reader.text(m, kind.install_.program); }}},
                 "install");
  };
  const auto start = [&](const Member& member) {
    reader.table(member.value,
                 {{"full_screen", [&](const Member& m) { reader.words(m, kind.full_screen_); }},
                  {"one_shot", [&](const Member& m) { reader.words(m, kind.one_shot_); }},
                  {"resume", [&](const Member& m) { reader.words(m, kind.resume_); }}},
                 "start");
  };
  const auto env = [&](const Member& member) {
    const auto* members = std::get_if<Node::Table>(&member.value.value);
    if (members == nullptr) return reader.complain(member.at, "'env' must be a table");
    for (const Member& one : *members) {
      std::string value;
      reader.text(one, value);
      kind.env_.emplace_back(one.key, std::move(value));
    }
  };
  const auto file = [&](const Node& node) {
    Template made;
    reader.table(node,
                 {{"path", [&](const Member& m) { reader.text(m, made.path); }},
                  {"content", [&](const Member& m) { reader.text(m, made.content); }},
                  {"format", [&](const Member& m) { reader.text(m, made.format); }},
                  {"mode", [&](const Member& m) { reader.number(m, made.mode, 0777); }},
                  {"root", [&](const Member& m) { reader.flag(m, made.root); }},
                  {"keep", [&](const Member& m) { reader.flag(m, made.keep); }}},
                 "files");
    if (made.path.empty()) reader.complain(node.at, "a file needs a 'path'");
    if (made.format != "raw" && made.format != "json" && made.format != "toml") {
      reader.complain(node.at, fmt::format("format '{}' is not raw, json or toml", made.format));
    }
    kind.files_.push_back(std::move(made));
  };
  const auto rule = [&](const Node& node) {
    api::PaneRule made;
    reader.table(node,
                 {{"state", [&](const Member& m) { reader.state(m, made.state); }},
                  {"pattern", [&](const Member& m) { reader.text(m, made.pattern); }},
                  {"bottom_lines", [&](const Member& m) { reader.number(m, made.bottom_lines, 1000); }}},
                 "rules");
    if (made.pattern.empty()) reader.complain(node.at, "a rule needs a 'pattern'");
    kind.program_.rules.push_back(std::move(made));
  };
  api::PaneProgram& program = kind.program_;
  const auto screen = [&](const Member& member) {
    reader.table(member.value,
                 {{"composer", [&](const Member& m) { reader.text(m, program.composer); }},
                  {"composer_end", [&](const Member& m) { reader.text(m, program.composer_end); }},
                  {"faint_is_empty", [&](const Member& m) { reader.flag(m, program.faint_is_empty); }},
                  {"otherwise", [&](const Member& m) { reader.state(m, program.otherwise); }},
                  {"submit_key", [&](const Member& m) { reader.text(m, program.submit_key); }},
                  {"interrupt_key", [&](const Member& m) { reader.text(m, program.interrupt_key); }},
                  {"rules", [&](const Member& m) { reader.tables(m, rule); }}},
                 "screen");
  };
  const auto delivery = [&](const Member& member) {
    std::string way;
    reader.text(member, way);
    for (const api::EnumValue& one : api::type_of<api::PaneDelivery>().values) {
      if (one.name == way && way != "unknown") {
        program.delivery = static_cast<api::PaneDelivery>(one.value);
        return;
      }
    }
    reader.complain(member.at, fmt::format("delivery '{}' is not none, paste or hooks", way));
  };
  reader.table(document.root, {{"summary", [&](const Member& m) { reader.text(m, kind.summary_); }},
                               {"model_provider", [&](const Member& m) { reader.text(m, kind.model_provider_); }},
                               {"install", install},
                               {"start", start},
                               {"env", env},
                               {"files", [&](const Member& m) { reader.tables(m, file); }},
                               {"delivery", delivery},
                               {"screen", screen}});
  if (kind.full_screen_.empty()) reader.complain({.line = 1, .column = 1}, "'start.full_screen' is missing");
  if (reader.error) return fail(*reader.error);
  return kind;
}

}  // namespace swarm::kinds
