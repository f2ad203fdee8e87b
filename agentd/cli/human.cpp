// What an agent asks a person.

#include <array>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/body.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

void print_answer(const Value& reply) {
  const std::string text = text_of(reply, "answer");
  print_text(text.empty() ? text_of(reply, "text") : text);
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
  Value::Map arguments{{"question", std::move(*question)}, {"wait_ms", std::int64_t{patience.count()}}};
  const std::vector<std::string> options = args->values("--option");
  if (!options.empty()) arguments.emplace_back("options", Value::Array(options.begin(), options.end()));
  return answer(call, *args,
                {.method = "human.ask",
                 .arguments = std::move(arguments),
                 .again = Again::keyed,
                 .patience = patience + std::chrono::seconds(30)},
                print_answer);
}

constexpr std::array kVerbs = {
    Verb{"ask-human", "ask-human [--wait TIME] [--option TEXT]... [TEXT | --file PATH]",
         "ask a person, and wait for the answer",
         "Waits up to an hour, or as long as `--wait` says; status 5 when nobody answered in time. The question stays\n"
         "where people see it ('swarmctl status'); they answer with 'swarmctl answer'.",
         ask_human},
};

}  // namespace

std::span<const Verb> human_verbs() { return kVerbs; }

}  // namespace swarm::cli
