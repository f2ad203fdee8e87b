// Work: what is an agent's turn, and handing it in.

#include <array>
#include <functional>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/body.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

constexpr std::chrono::seconds kTaskMargin{30};

void add_list(Value::Map& arguments, const Arguments& args, std::string_view option, const char* field) {
  const std::vector<std::string> values = args.values(option);
  if (!values.empty()) arguments.emplace_back(field, Value::Array(values.begin(), values.end()));
}

void add_text(Value::Map& arguments, const Arguments& args, std::string_view option, const char* field) {
  if (auto value = args.value(option)) arguments.emplace_back(field, std::move(*value));
}

/// `--NAME TEXT` or `--NAME-file PATH`.
Result<void> add_text_or_file(Value::Map& arguments, const Arguments& args, const std::string& option,
                              const char* field) {
  add_text(arguments, args, option, field);
  const auto file = args.value(option + "-file");
  if (!file) return {};
  const std::array<std::string, 2> words{"--file", *file};
  const Result<Arguments> one = Arguments::read(words, {kFileOption}, {});
  if (!one) return fail(one.error());
  Result<std::string> text = read_text(*one, 0);
  if (!text) return fail(text.error());
  arguments.emplace_back(field, std::move(*text));
  return {};
}

void print_task(const Value& task) {
  print_line(text_of(task, "id") + "  " + text_of(task, "state") + "  " + text_of(task, "title"));
  const std::string reason = text_of(task, "reason");
  if (!reason.empty()) print_text(reason, "  ");
}

void print_next(const Value& answer) {
  const std::string next = text_of(answer, "next");
  if (next == "nothing") return print_line("There is nothing for you now; ask again.");
  if (next == "ended") return print_line("The run is over; there is no more work.");
  print_text(text_of(answer, "prompt"));
}

void print_shown(const Value& answer) {
  if (const Value* task = answer.find("task")) {
    print_task(*task);
    print_text(text_of(*task, "body"), "  ");
  }
  for (const Value& attempt : list_of(answer, "attempts")) {
    print_line("attempt " + text_of(attempt, "attempt") + " by " + text_of(attempt, "agent") + ": " +
               text_of(attempt, "outcome"));
    print_text(text_of(attempt, "reason"), "  ");
  }
  for (const Value& review : list_of(answer, "reviews")) {
    print_line("review " + text_of(review, "id") + ", round " + text_of(review, "round") + ": " +
               text_of(review, "state"));
  }
}

void print_list(const Value& answer) {
  std::vector<std::vector<std::string>> rows{{"TASK", "STATE", "AGENT", "TITLE"}};
  for (const Value& task : list_of(answer, "tasks")) {
    rows.push_back({text_of(task, "id"), text_of(task, "state"), text_of(task, "agent"), text_of(task, "title")});
  }
  print_table(rows, "There are no tasks.");
}

int next(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args =
      Arguments::read(words, {{"--wait", Takes::value}, {"--kind", Takes::value}}, {.least = 0, .most = 0});
  if (!args) return misused(call, args.error());
  const auto wait = args->duration("--wait");
  if (!wait) return misused(call, wait.error());
  const auto patience = wait->value_or(std::chrono::milliseconds(0));
  Value::Map arguments{{"wait_ms", std::int64_t{patience.count()}}};
  add_list(arguments, *args, "--kind", "kinds");
  // A task that was given stays the caller's: asking again gives it again.
  return answer(call, *args,
                {.method = "task.next",
                 .arguments = std::move(arguments),
                 .again = Again::safe,
                 .patience = patience + kTaskMargin},
                print_next);
}

int add(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(words,
                                                 {{"--body", Takes::value},
                                                  {"--body-file", Takes::value},
                                                  {"--kind", Takes::value},
                                                  {"--role", Takes::value},
                                                  {"--priority", Takes::value},
                                                  {"--needs", Takes::value},
                                                  {"--skill", Takes::value},
                                                  {"--file", Takes::value},
                                                  {"--proof", Takes::value},
                                                  {"--split-of", Takes::value},
                                                  {"--estimate", Takes::value}},
                                                 {.least = 1});
  if (!args) return misused(call, args.error());
  const auto priority = args->number("--priority");
  if (!priority) return misused(call, priority.error());
  const auto estimate = args->duration("--estimate");
  if (!estimate) return misused(call, estimate.error());
  Value::Map arguments{{"title", args->joined(0)}};
  if (Result<void> body = add_text_or_file(arguments, *args, "--body", "body"); !body) return failed(body.error());
  add_text(arguments, *args, "--kind", "kind");
  add_text(arguments, *args, "--role", "role");
  add_text(arguments, *args, "--proof", "proof");
  add_text(arguments, *args, "--split-of", "split_of");
  add_list(arguments, *args, "--needs", "needs");
  add_list(arguments, *args, "--skill", "skills");
  add_list(arguments, *args, "--file", "files");
  if (*priority) arguments.emplace_back("priority", **priority);
  if (*estimate) arguments.emplace_back("estimate_ms", std::int64_t{(*estimate)->count()});
  return answer(call, *args, {.method = "task.add", .arguments = std::move(arguments), .again = Again::keyed},
                print_task);
}

int list(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args =
      Arguments::read(words, {{"--state", Takes::value}, {"--owner", Takes::value}}, {.least = 0, .most = 0});
  if (!args) return misused(call, args.error());
  Value::Map arguments{{"limit", std::int64_t{1000}}};
  add_list(arguments, *args, "--state", "states");
  add_text(arguments, *args, "--owner", "owner");
  return answer(call, *args, {.method = "task.list", .arguments = std::move(arguments), .again = Again::safe},
                print_list);
}

int show(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(words, {}, {.least = 1, .most = 1});
  if (!args) return misused(call, args.error());
  return answer(call, *args, {.method = "task.show", .arguments = {{"task", args->rest()[0]}}, .again = Again::safe},
                print_shown);
}

int claim(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(words, {}, {.least = 1, .most = 1});
  if (!args) return misused(call, args.error());
  return answer(call, *args, {.method = "task.claim", .arguments = {{"task", args->rest()[0]}}, .again = Again::keyed},
                print_task);
}

int progress(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(words, {}, {.least = 1});
  if (!args) return misused(call, args.error());
  return answer(call, *args,
                {.method = "task.progress",
                 .arguments = {{"task", args->rest()[0]}, {"text", args->joined(1)}},
                 .again = Again::safe},
                print_task);
}

int done(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(words,
                                                 {{"--commit", Takes::value},
                                                  {"--answer", Takes::value},
                                                  {"--answer-file", Takes::value},
                                                  {"--summary", Takes::value},
                                                  {"--summary-file", Takes::value}},
                                                 {.least = 1, .most = 1});
  if (!args) return misused(call, args.error());
  Value::Map arguments{{"task", args->rest()[0]}};
  add_text(arguments, *args, "--commit", "commit");
  for (const char* field : {"answer", "summary"}) {
    const Result<void> added = add_text_or_file(arguments, *args, std::string("--") + field, field);
    if (!added) return failed(added.error());
  }
  return answer(call, *args, {.method = "task.done", .arguments = std::move(arguments), .again = Again::keyed},
                print_task);
}

int with_reason(const Invocation& call, std::span<const std::string> words, std::string_view method) {
  const Result<Arguments> args = Arguments::read(words, {{"--reason", Takes::value}}, {.least = 1});
  if (!args) return misused(call, args.error());
  return answer(
      call, *args,
      {.method = method,
       .arguments = {{"task", args->rest()[0]}, {"reason", args->value("--reason").value_or(args->joined(1))}},
       .again = Again::keyed},
      print_task);
}

int task(const Invocation& call) {
  if (call.words.empty()) return misused(call, {.code = Code::invalid_argument, .message = "say what to do"});
  const std::string& what = call.words[0];
  const std::span<const std::string> words = std::span(call.words).subspan(1);
  if (what == "next") return next(call, words);
  if (what == "add") return add(call, words);
  if (what == "list" || what == "ls") return list(call, words);
  if (what == "show") return show(call, words);
  if (what == "claim") return claim(call, words);
  if (what == "progress") return progress(call, words);
  if (what == "done") return done(call, words);
  if (what == "fail") return with_reason(call, words, "task.fail");
  if (what == "block") return with_reason(call, words, "task.block");
  if (what == "release") return with_reason(call, words, "task.release");
  return misused(call,
                 {.code = Code::invalid_argument, .message = "'" + what + "' is nothing that is done with tasks"});
}

constexpr std::array kTaskVerbs = {
    Verb{"task",
         "task next [--wait TIME] [--kind task,review,vote]\n"
         "task list [--state STATE] [--owner AGENT]\n"
         "task show TASK\n"
         "task claim TASK\n"
         "task progress TASK TEXT\n"
         "task done TASK [--commit COMMIT] [--summary TEXT] [--answer TEXT | --answer-file PATH]\n"
         "task fail|block|release TASK --reason TEXT\n"
         "task add TITLE [--body TEXT] [--kind change|fix|answer] [--file PATH] [--needs TASK] [--skill NAME]\n"
         "         [--priority N] [--proof COMMAND] [--role ROLE] [--split-of TASK]",
         "get the next piece of work, and hand it in",
         "What 'task next' gives is yours until you hand it in or give it back, also after a restart. 'task done' "
         "hands\n"
         "in what your branch points to; it is looked at, tested and merged by others than you.",
         task},
};

}  // namespace

std::span<const Verb> task_verbs() { return kTaskVerbs; }

}  // namespace swarm::cli
