// What a swarm writes down.

#include <array>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/body.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

void print_value(const Value& answer) { print_text(text_of(answer, "value")); }

void print_revision(const Value& answer) { print_line("revision " + text_of(answer, "revision")); }

void print_notes(const Value& answer) {
  std::vector<std::vector<std::string>> rows = {{"KEY", "REVISION", "BY", "CHANGED", "VALUE"}};
  for (const Value& note : list_of(answer, "notes")) {
    std::string value = text_of(note, "value");
    if (value.size() > 60) value = value.substr(0, 57) + "...";
    rows.push_back({text_of(note, "key"), text_of(note, "revision"), text_of(note, "author"),
                    ago(number_of(note, "changed_us")), std::move(value)});
  }
  print_table(rows, "no notes");
}

void print_changes(const Value& answer) {
  for (const Value& note : list_of(answer, "changes")) {
    const Value* value = note.find("value");
    const bool deleted = value == nullptr || value->is_nil();
    print_line(text_of(note, "revision") + "  " + text_of(note, "key") + (deleted ? " deleted" : "") + " by " +
               text_of(note, "author"));
    if (!deleted) print_text(text_of(value), "    ");
  }
}

void print_decision(const Value& decision) {
  print_line(text_of(decision, "id") + "  " + text_of(decision, "kind") + " by " + text_of(decision, "author") + ", " +
             ago(number_of(decision, "recorded_us")));
  print_line("  " + text_of(decision, "title"));
  if (const std::string body = text_of(decision, "body"); !body.empty()) print_text(body, "    ");
}

void print_decisions(const Value& answer) {
  const Value::Array& all = list_of(answer, "decisions");
  if (all.empty()) print_line("nothing is recorded");
  for (const Value& decision : all) print_decision(decision);
}

int get(const Invocation& call, const Arguments& args) {
  if (args.rest().size() != 2) return misused(call, {.message = "'get' takes one key"});
  return answer(call, args, {.method = "note.get", .arguments = {{"key", args.rest()[1]}}, .again = Again::safe},
                print_value);
}

int put(const Invocation& call, const Arguments& args) {
  if (args.rest().size() < 2) return misused(call, {.message = "say which key"});
  Value::Map arguments{{"key", args.rest()[1]}};
  const auto expected = args.number("--if-revision");
  if (!expected) return misused(call, expected.error());
  if (*expected) arguments.emplace_back("expected_revision", **expected);
  if (args.rest().front() == "put") {
    Result<std::string> value = read_text(args, 2);
    if (!value) return misused(call, value.error());
    arguments.emplace_back("value", std::move(*value));
  }
  return answer(call, args, {.method = "note.put", .arguments = std::move(arguments)}, print_revision);
}

int list(const Invocation& call, const Arguments& args) {
  Value::Map arguments{{"limit", 1000}};
  if (args.rest().size() > 1) arguments.emplace_back("prefix", args.rest()[1]);
  return answer(call, args, {.method = "note.list", .arguments = std::move(arguments), .again = Again::safe},
                print_notes);
}

int watch(const Invocation& call, const Arguments& args) {
  const auto wait = args.duration("--wait");
  if (!wait) return misused(call, wait.error());
  const auto after = args.number("--after");
  if (!after) return misused(call, after.error());
  const auto patience = wait->value_or(std::chrono::minutes(1));
  Value::Map arguments{{"wait_ms", std::int64_t{patience.count()}}};
  if (args.rest().size() > 1) arguments.emplace_back("prefix", args.rest()[1]);
  std::int64_t from = after->value_or(-1);
  if (from < 0) {
    const Result<Value> now = ask(call, {.method = "note.list", .arguments = {{"limit", 1}}, .again = Again::safe});
    if (!now) return failed(now.error());
    from = number_of(*now, "revision");
  }
  arguments.emplace_back("after", from);
  return answer(call, args,
                {.method = "note.watch",
                 .arguments = std::move(arguments),
                 .again = Again::safe,
                 .patience = patience + std::chrono::seconds(10)},
                print_changes);
}

int record(const Invocation& call, const Arguments& args) {
  if (args.rest().size() < 2) return misused(call, {.message = "say in one line what is recorded"});
  Value::Map arguments{{"title", args.rest()[1]}};
  if (auto kind = args.value("--kind")) arguments.emplace_back("kind", std::move(*kind));
  if (args.rest().size() > 2 || args.has(kFileOption.name)) {
    Result<std::string> body = read_text(args, 2);
    if (!body) return misused(call, body.error());
    arguments.emplace_back("body", std::move(*body));
  }
  const std::vector<std::string> links = args.values("--link");
  if (!links.empty()) arguments.emplace_back("links", Value::Array(links.begin(), links.end()));
  const std::vector<std::string> about = args.values("--about");
  if (!about.empty()) arguments.emplace_back("files", Value::Array(about.begin(), about.end()));
  return answer(call, args, {.method = "note.decide", .arguments = std::move(arguments)}, print_decision);
}

int search(const Invocation& call, const Arguments& args) {
  Value::Map arguments;
  if (args.rest().size() > 1) arguments.emplace_back("text", args.joined(1));
  if (auto kind = args.value("--kind")) arguments.emplace_back("kind", std::move(*kind));
  return answer(call, args, {.method = "note.decisions", .arguments = std::move(arguments), .again = Again::safe},
                print_decisions);
}

struct Form {
  std::string_view name;
  int (*run)(const Invocation&, const Arguments&);
};
constexpr std::array kForms = {Form{"get", get},     Form{"put", put},       Form{"rm", put},       Form{"ls", list},
                               Form{"watch", watch}, Form{"record", record}, Form{"search", search}};

int note(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words,
                                                 {{"--if-revision", Takes::value},
                                                  {"--wait", Takes::value},
                                                  {"--after", Takes::value},
                                                  {"--kind", Takes::value},
                                                  {"--link", Takes::value},
                                                  {"--about", Takes::value},
                                                  kFileOption},
                                                 {.least = 1});
  if (!args) return misused(call, args.error());
  for (const Form& form : kForms) {
    if (args->rest().front() == form.name) return form.run(call, *args);
  }
  return misused(call, {.message = "there is no 'note " + args->rest().front() + "'"});
}

constexpr std::array kNoteVerbs = {
    Verb{"note",
         "note get KEY\nnote put KEY [--if-revision N] [TEXT | --file PATH]\nnote rm KEY [--if-revision N]\n"
         "note ls [PREFIX]\nnote watch [PREFIX] [--after REVISION] [--wait TIME]\n"
         "note record TITLE [TEXT | --file PATH] [--kind KIND] [--about PATH] [--link ID]\nnote search [WORDS...]",
         "the swarm's notes, and what was decided",
         "Keys and values are for all. `--if-revision` writes only over that revision (0: only a new key). `record`\n"
         "keeps a decision for those who come later: KIND is decision, context, memory or learning.",
         note},
};

}  // namespace

std::span<const Verb> note_verbs() { return kNoteVerbs; }

}  // namespace swarm::cli
