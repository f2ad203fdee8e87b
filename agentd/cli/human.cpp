// What an agent asks a person.

#include <array>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/body.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

/// What a person answered: words, or that it was approved or rejected.
void print_answer(const Value& question) {
  const std::string state = text_of(question, "state");
  if (state != "answered") print_line(state);
  if (const std::string text = text_of(question, "answer"); !text.empty()) print_text(text);
}

int ask_human(const Invocation& call) {
  const Result<Arguments> args =
      Arguments::read(call.words, {{"--wait", Takes::value}, {"--option", Takes::value}, kFileOption}, {});
  if (!args) return misused(call, args.error());
  const auto wait = args->duration("--wait");
  if (!wait) return misused(call, wait.error());
  Result<std::string> question = read_text(*args, 0);
  if (!question) return misused(call, question.error());
  const auto patience = wait->value_or(std::chrono::hours(1));
  Value::Map arguments{{"text", std::move(*question)}, {"wait_ms", std::int64_t{patience.count()}}};
  const std::vector<std::string> options = args->values("--option");
  if (!options.empty()) arguments.emplace_back("options", Value::Array(options.begin(), options.end()));
  const Result<Value> got = ask(call, {.method = "human.ask",
                                       .arguments = std::move(arguments),
                                       .again = Again::keyed,
                                       .patience = patience + std::chrono::seconds(30)});
  if (!got) return failed(got.error());
  if (text_of(*got, "state") == "open") {
    return failed({.code = Code::deadline_exceeded,
                   .message = "nobody has answered yet; the question stays open as " + text_of(*got, "id")});
  }
  if (args->json()) {
    print_json(*got);
  } else {
    print_answer(*got);
  }
  return flushed();
}

constexpr std::array kHumanVerbs = {
    Verb{"ask-human", "ask-human [--wait TIME] [--option TEXT]... [TEXT | --file PATH]",
         "ask a person, and wait for the answer",
         "Waits up to an hour, or as long as `--wait` says; status 5 when nobody answered in time. The question stays\n"
         "where people see it ('swarmctl status'); they answer with 'swarmctl answer'.",
         ask_human},
};

}  // namespace

std::span<const Verb> human_verbs() { return kHumanVerbs; }

}  // namespace swarm::cli
