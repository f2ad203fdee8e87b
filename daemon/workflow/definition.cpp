#include "daemon/workflow/definition.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "daemon/config/document.hpp"
#include "protocol/coord/pattern.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/units.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow {
namespace {

using config::Member;
using config::Node;

constexpr std::array<std::string_view, 8> kKinds = {"answer",    "implement", "review",  "consensus",
                                                    "integrate", "test",      "approve", "deliver"};

template <class E>
struct Word {
  std::string_view name;
  E value;
};
constexpr std::array kMethods = {
    Word{"majority", api::VoteMethod::majority},   Word{"supermajority", api::VoteMethod::supermajority},
    Word{"unanimous", api::VoteMethod::unanimous}, Word{"weighted", api::VoteMethod::weighted},
    Word{"ranked", api::VoteMethod::ranked},       Word{"approval", api::VoteMethod::approval}};
constexpr std::array kTies = {Word{"none", api::TieBreak::none}, Word{"first", api::TieBreak::first},
                              Word{"lead", api::TieBreak::lead}, Word{"lot", api::TieBreak::lot},
                              Word{"human", api::TieBreak::human}};
constexpr std::array kOrders = {Word{"task", api::MergeOrder::task}, Word{"ready", api::MergeOrder::ready}};

/// Reads one table, key by key; what nobody asked for is unknown.
class Table {
 public:
  Table(const Node::Table& table, std::string what, std::vector<std::string>& problems)
      : table_(table), what_(std::move(what)), problems_(problems) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  void text(std::string_view key, std::string& out) {
    read<std::string>(key, "a string", [&](const std::string& value, auto) { out = value; });
  }
  void flag(std::string_view key, bool& out) {
    read<bool>(key, "true or false", [&](bool value, auto) { out = value; });
  }
  void number(std::string_view key, std::uint32_t& out, std::int64_t low, std::int64_t high) {
    read<std::int64_t>(key, "a whole number", [&](std::int64_t value, config::Position at) {
      if (value < low || value > high) return problem(at, fmt::format("{} is not from {} to {}", value, low, high));
      out = static_cast<std::uint32_t>(value);
    });
  }
  void share(std::string_view key, double& out, double low) {
    const Node* node = take(key);
    if (node == nullptr) return;
    double value = -1;
    if (const auto* number = std::get_if<double>(&node->value)) value = *number;
    if (const auto* whole = std::get_if<std::int64_t>(&node->value)) value = static_cast<double>(*whole);
    if (!(value >= low && value <= 1)) {
      return problem(node->at, fmt::format("{} is not a share from {} to 1", node->describe(), low));
    }
    out = value;
  }
  void duration(std::string_view key, std::chrono::milliseconds& out) {
    read<std::string>(key, R"(a duration ("10m"))", [&](const std::string& value, config::Position at) {
      const Result<Duration> parsed = parse_duration(value);
      if (!parsed) return problem(at, parsed.error().message);
      out = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed);
    });
  }
  template <class E, std::size_t N>
  void word(std::string_view key, E& out, const std::array<Word<E>, N>& words) {
    read<std::string>(key, "a word", [&](const std::string& value, config::Position at) {
      std::vector<std::string> names;
      for (const Word<E>& each : words) {
        if (each.name == value) {
          out = each.value;
          return;
        }
        names.emplace_back(each.name);
      }
      problem(at, fmt::format("'{}' is none of: {}{}", swarm::shown(value), fmt::join(names, ", "),
                              did_you_mean(value, names)));
    });
  }
  void one_of(std::string_view key, std::string& out, const std::vector<std::string>& words) {
    read<std::string>(key, "a word", [&](const std::string& value, config::Position at) {
      if (std::ranges::find(words, value) == words.end()) {
        return problem(at, fmt::format("'{}' is none of: {}{}", swarm::shown(value), fmt::join(words, ", "),
                                       did_you_mean(value, words)));
      }
      out = value;
    });
  }
  void texts(std::string_view key, std::vector<std::string>& out) {
    read<Node::Array>(key, "a list of strings", [&](const Node::Array& list, auto) {
      for (const Node& node : list) {
        const auto* value = std::get_if<std::string>(&node.value);
        if (value == nullptr) return problem(node.at, fmt::format("{} is no string", node.describe()));
        out.push_back(*value);
      }
    });
  }
  void weights(std::string_view key, std::map<std::string, double>& out) {
    read<Node::Table>(key, "a table of numbers", [&](const Node::Table& table, auto) {
      for (const Member& member : table) {
        if (const auto* number = std::get_if<double>(&member.value.value)) {
          out[member.key] = *number;
        } else if (const auto* whole = std::get_if<std::int64_t>(&member.value.value)) {
          out[member.key] = static_cast<double>(*whole);
        } else {
          problem(member.at, fmt::format("{} is no number", member.value.describe()));
        }
      }
    });
  }
  template <class F>
  void tables(std::string_view key, F each) {
    read<Node::Array>(key, "a list of tables", [&](const Node::Array& list, auto) {
      for (const Node& node : list) {
        const auto* table = std::get_if<Node::Table>(&node.value);
        if (table == nullptr) return problem(node.at, fmt::format("{} is no table", node.describe()));
        each(*table, node.at);
      }
    });
  }
  template <class F>
  void table(std::string_view key, F each) {
    read<Node::Table>(key, "a table", [&](const Node::Table& inner, auto) { each(inner); });
  }
  /// Names what was not asked for.
  void finish() {
    for (const Member& member : table_) {
      if (std::ranges::find(asked_, member.key) != asked_.end()) continue;
      problem(member.at,
              fmt::format("{} has no '{}'{}", what_, swarm::shown(member.key), did_you_mean(member.key, asked_)));
    }
  }
  void problem(config::Position at, const std::string& text) {
    problems_.push_back(fmt::format("line {}: {}", at.line, text));
  }

 private:
  const Node* take(std::string_view key) {
    asked_.emplace_back(key);
    const auto found = std::ranges::find(table_, key, &Member::key);
    return found == table_.end() ? nullptr : &found->value;
  }
  template <class T, class F>
  void read(std::string_view key, std::string_view wanted, F use) {
    const Node* node = take(key);
    if (node == nullptr) return;
    const T* value = std::get_if<T>(&node->value);
    if (value == nullptr) return problem(node->at, fmt::format("'{}' takes {}, not {}", key, wanted, node->describe()));
    use(*value, node->at);
  }

  const Node::Table& table_;
  std::string what_;
  std::vector<std::string>& problems_;
  std::vector<std::string> asked_;
};

void read_rule(const Node::Table& table, std::vector<std::string>& problems, ReviewRule& rule, config::Position at) {
  Table reader(table, "a rule", problems);
  reader.texts("paths", rule.paths);
  reader.texts("roles", rule.roles);
  reader.texts("agents", rule.agents);
  reader.number("count", rule.count, 1, 20);
  reader.finish();
  if (rule.paths.empty()) reader.problem(at, "a rule needs 'paths'");
  for (const std::string& path : rule.paths) {
    if (auto glob = coord::Pattern::glob(path); !glob) reader.problem(at, glob.error().message);
  }
}

void read_phase(const Node::Table& table, config::Position at, std::vector<std::string>& problems, Phase& phase) {
  std::string kind;
  {
    // The kind decides which keys there are, so it is looked at first, without counting the others as unknown.
    Table reader(table, "a phase", problems);
    reader.one_of("kind", kind, std::vector<std::string>(kKinds.begin(), kKinds.end()));
    if (kind.empty()) {
      if (std::ranges::find(table, "kind", &Member::key) == table.end()) reader.problem(at, "a phase needs a 'kind'");
      return;
    }
  }
  phase.kind = static_cast<PhaseKind>(std::ranges::find(kKinds, kind) - kKinds.begin());
  Table reader(table, fmt::format("a phase of the kind '{}'", kind), problems);
  std::string ignored;
  reader.text("kind", ignored);
  phase.name = kind;
  reader.text("name", phase.name);
  reader.text("prompt", phase.prompt);
  switch (phase.kind) {
    case PhaseKind::answer:
      reader.text("role", phase.role);
      reader.text("title", phase.title);
      reader.flag("each", phase.each);
      reader.number("tasks", phase.tasks, 0, 1000);
      break;
    case PhaseKind::implement:
      reader.text("role", phase.role);
      break;
    case PhaseKind::review:
      phase.deadline = std::chrono::minutes(15);
      reader.number("count", phase.count, 1, 20);
      reader.number("rounds", phase.rounds, 1, 50);
      reader.duration("deadline", phase.deadline);
      reader.texts("roles", phase.roles);
      reader.tables("rule", [&](const Node::Table& rule, config::Position where) {
        read_rule(rule, problems, phase.rules.emplace_back(), where);
      });
      break;
    case PhaseKind::consensus:
      phase.deadline = std::chrono::minutes(10);
      phase.fallback = "change";
      reader.word("method", phase.method, kMethods);
      reader.word("tie_break", phase.tie_break, kTies);
      reader.share("threshold", phase.threshold, 0.5);
      reader.share("quorum", phase.quorum, 0);
      reader.flag("veto", phase.veto);
      reader.duration("deadline", phase.deadline);
      reader.weights("weights", phase.weights);
      reader.one_of("fallback", phase.fallback, {"merge", "change", "drop"});
      break;
    case PhaseKind::integrate:
      reader.word("order", phase.order, kOrders);
      reader.text("command", phase.command);
      reader.duration("timeout", phase.timeout);
      break;
    case PhaseKind::test:
      reader.text("command", phase.command);
      reader.number("rounds", phase.rounds, 0, 50);
      reader.duration("timeout", phase.timeout);
      break;
    case PhaseKind::approve:
      phase.fallback = "reject";
      phase.on_reject = "mend";
      reader.duration("deadline", phase.deadline);
      reader.one_of("fallback", phase.fallback, {"approve", "reject"});
      reader.one_of("on_reject", phase.on_reject, {"mend", "fail"});
      break;
    case PhaseKind::deliver:
      reader.text("title", phase.title);
      break;
  }
  reader.finish();
  const auto needs_prompt = phase.kind == PhaseKind::answer || phase.kind == PhaseKind::approve;
  if (needs_prompt && phase.prompt.empty())
    reader.problem(at, fmt::format("the phase '{}' needs a 'prompt'", phase.name));
}

/// What holds between phases.
void check_order(const Definition& definition, std::vector<std::string>& problems) {
  if (definition.phases.empty()) problems.emplace_back("line 1: there is no [[phase]]");
  std::set<std::string> names;
  const Phase* before = nullptr;
  std::set<PhaseKind> stages;
  for (const Phase& phase : definition.phases) {
    if (!names.insert(phase.name).second) problems.push_back(fmt::format("two phases are called '{}'", phase.name));
    if (is_stage(phase.kind)) {
      if (!stages.empty() && (before == nullptr || !is_stage(before->kind))) {
        problems.push_back(
            fmt::format("the phase '{}' has to stand right behind those of the kinds implement, review, "
                        "consensus and integrate",
                        phase.name));
      } else if (!stages.empty() && before->kind >= phase.kind) {
        problems.push_back(fmt::format("the phase '{}' has to stand before '{}', once", phase.name, before->name));
      }
      stages.insert(phase.kind);
    }
    before = &phase;
  }
  if (!stages.empty() && !stages.contains(PhaseKind::implement)) {
    problems.emplace_back(
        "there are phases through which tasks go, but none of the kind 'implement' where they are done");
  }
  const bool merges = stages.contains(PhaseKind::integrate);
  for (const Phase& phase : definition.phases) {
    if (phase.kind == PhaseKind::deliver && !merges) {
      problems.push_back(
          fmt::format("the phase '{}' has nothing to deliver: none of the kind 'integrate' is before it", phase.name));
    }
    if (phase.tasks > 0 && stages.empty()) {
      problems.push_back(
          fmt::format("the phase '{}' wants tasks, but no phase of the kind 'implement' does them", phase.name));
    }
  }
}

/// What every prompt may name, beside `answer.<phase>`.
constexpr std::array<std::string_view, 14> kKnown = {"feature",      "run",     "swarm",  "agent",  "role",
                                                     "task",         "title",   "body",   "reason", "attempt",
                                                     "test_command", "summary", "commit", "review"};

std::vector<std::string> own_variables(const Definition& definition) {
  std::set<std::string> out;
  std::vector<std::string> texts = {definition.brief};
  for (const Phase& phase : definition.phases) texts.insert(texts.end(), {phase.prompt, phase.title, phase.command});
  for (const std::string& text : texts) {
    for (const std::string& name : variables_of(text)) {
      if (std::ranges::find(kKnown, name) == kKnown.end() && !name.starts_with("answer.")) out.insert(name);
    }
  }
  return {out.begin(), out.end()};
}

void check_answers(const Definition& definition, std::vector<std::string>& problems) {
  std::vector<std::string> before;
  for (const Phase& phase : definition.phases) {
    for (const std::string& text : {phase.prompt, phase.title}) {
      for (const std::string& name : variables_of(text)) {
        if (!name.starts_with("answer.")) continue;
        const std::string wanted = name.substr(7);
        if (std::ranges::find(before, wanted) == before.end()) {
          problems.push_back(fmt::format("the phase '{}' uses {{{{{}}}}}, but no phase '{}' answers before it{}",
                                         phase.name, name, wanted, did_you_mean(wanted, before)));
        }
      }
    }
    if (phase.kind == PhaseKind::answer) before.push_back(phase.name);
  }
}

}  // namespace

std::string_view kind_name(PhaseKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

bool is_stage(PhaseKind kind) { return kind >= PhaseKind::implement && kind <= PhaseKind::integrate; }

const Phase* Definition::phase(PhaseKind kind) const {
  const auto found = std::ranges::find(phases, kind, &Phase::kind);
  return found == phases.end() ? nullptr : &*found;
}

std::vector<std::string> Definition::roles() const {
  std::set<std::string> out;
  for (const Phase& phase : phases) {
    if (!phase.role.empty()) out.insert(phase.role);
    out.insert(phase.roles.begin(), phase.roles.end());
  }
  return {out.begin(), out.end()};
}

Definition parse_definition(std::string_view toml, std::vector<std::string>& problems) {
  Definition out;
  const config::Document document = config::parse_document(toml);
  if (document.mistake) {
    problems.push_back(fmt::format("line {}: {}", document.mistake->at.line, document.mistake->message));
    return out;
  }
  Table reader(document.root, "a workflow", problems);
  reader.text("name", out.name);
  reader.text("title", out.title);
  reader.text("brief", out.brief);
  reader.table("limits", [&](const Node::Table& table) {
    Table limits(table, "[limits]", problems);
    limits.duration("run", out.run_limit);
    limits.duration("lease", out.lease);
    limits.duration("reserve", out.reserve);
    limits.duration("ask", out.ask);
    limits.number("attempts", out.attempts, 1, 100);
    limits.number("tasks", out.tasks, 1, 10'000);
    limits.one_of("on_stuck", out.on_stuck, {"ask", "drop", "fail"});
    limits.finish();
  });
  reader.tables("phase", [&](const Node::Table& table, config::Position at) {
    read_phase(table, at, problems, out.phases.emplace_back());
  });
  reader.finish();
  if (out.name.empty()) problems.emplace_back("line 1: a workflow needs a 'name'");
  if (out.lease < std::chrono::seconds(1)) problems.emplace_back("[limits] lease: less than a second");
  if (problems.empty()) {
    check_order(out, problems);
    check_answers(out, problems);
  }
  return out;
}

Result<Definition> read_definition(std::string_view toml) {
  std::vector<std::string> problems;
  Definition out = parse_definition(toml, problems);
  if (!problems.empty()) {
    return fail(Code::invalid_argument, fmt::format("the workflow has mistakes:\n{}", fmt::join(problems, "\n")));
  }
  return out;
}

void set_review(Definition& definition, std::optional<std::uint32_t> reviewers, std::optional<std::uint32_t> rounds) {
  if (reviewers == 0U) {
    std::erase_if(definition.phases, [](const Phase& phase) {
      return phase.kind == PhaseKind::review || phase.kind == PhaseKind::consensus;
    });
  }
  for (Phase& phase : definition.phases) {
    if (phase.kind != PhaseKind::review) continue;
    if (reviewers) phase.count = *reviewers;
    if (rounds) phase.rounds = *rounds;
  }
}

api::WorkflowInfo describe_workflow(const Definition& definition, std::string_view source) {
  api::WorkflowInfo out{.name = definition.name,
                        .title = definition.title,
                        .source = std::string(source),
                        .roles = definition.roles(),
                        .variables = own_variables(definition)};
  for (const Phase& phase : definition.phases) {
    std::vector<std::string> about;
    if (phase.each) about.emplace_back("each of the role");
    if (phase.tasks > 0) about.push_back(fmt::format("at least {} tasks", phase.tasks));
    if (phase.kind == PhaseKind::review) {
      about.push_back(fmt::format("{} others, {} rounds", phase.count, phase.rounds));
    }
    if (phase.kind == PhaseKind::consensus) {
      about.push_back(fmt::format("{}, quorum {}, else {}", kMethods.at(static_cast<std::size_t>(phase.method)).name,
                                  phase.quorum, phase.fallback));
    }
    if (phase.kind == PhaseKind::integrate) {
      about.push_back(fmt::format("in the order {}", kOrders.at(static_cast<std::size_t>(phase.order)).name));
    }
    if (phase.kind == PhaseKind::test) about.push_back(fmt::format("mended up to {} times", phase.rounds));
    if (phase.kind == PhaseKind::approve) about.push_back(fmt::format("a person; else {}", phase.fallback));
    if (phase.deadline.count() > 0)
      about.push_back(fmt::format("within {}", format_duration(Duration(phase.deadline))));
    out.phases.push_back({.name = phase.name,
                          .kind = std::string(kind_name(phase.kind)),
                          .role = phase.role,
                          .about = fmt::format("{}", fmt::join(about, "; "))});
  }
  return out;
}

std::string filled_in(std::string_view text, const std::map<std::string, std::string>& values) {
  std::string out;
  while (true) {
    const std::size_t open = text.find("{{");
    const std::size_t close = open == std::string_view::npos ? open : text.find("}}", open);
    if (close == std::string_view::npos) return out.append(text);
    std::string_view name = text.substr(open + 2, close - open - 2);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    const auto value = values.find(std::string(name));
    out += text.substr(0, open);
    if (value == values.end()) {
      out += text.substr(open, close + 2 - open);
    } else {
      out += value->second;  // what is filled in is not looked at again
    }
    text.remove_prefix(close + 2);
  }
}

std::vector<std::string> variables_of(std::string_view text) {
  std::set<std::string> out;
  for (std::size_t open = text.find("{{"); open != std::string_view::npos; open = text.find("{{", open + 2)) {
    const std::size_t close = text.find("}}", open);
    if (close == std::string_view::npos) break;
    std::string_view name = text.substr(open + 2, close - open - 2);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    out.emplace(name);
  }
  return {out.begin(), out.end()};
}

}  // namespace swarm::workflow
