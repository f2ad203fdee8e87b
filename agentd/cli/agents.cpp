// Who is in the swarm.

#include <array>
#include <cstdlib>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

void print_agents(const Value& answer) {
  std::vector<std::vector<std::string>> rows = {{"AGENT", "ROLE", "STATE", "TASK", "LOCKS", "UNREAD", "HEARD"}};
  for (const Value& agent : list_of(answer, "agents")) {
    rows.push_back({text_of(agent, "id"), text_of(agent, "role"), text_of(agent, "state"), text_of(agent, "task"),
                    std::to_string(list_of(agent, "locks").size()), text_of(agent, "unread"),
                    ago(number_of(agent, "heartbeat_us"))});
  }
  print_table(rows, "no agent is alive");
}

void print_agent(const Value& agent) {
  for (const char* field : {"id", "role", "state", "identity", "uid", "task", "detail", "unread"}) {
    std::string name = field;
    name.resize(12, ' ');
    if (const std::string text = text_of(agent, field); !text.empty()) print_line(name + " " + text);
  }
  print_line("heard        " + ago(number_of(agent, "heartbeat_us")));
  if (const Value* program = agent.find("program"); program != nullptr && !program->is_nil()) {
    std::string text = text_of(*program, "state");
    if (const std::string stall = text_of(*program, "stall"); !stall.empty()) text += ", " + stall;
    print_line("program      " + text);
  }
  for (const Value& step : list_of(agent, "stalls")) {
    const std::string outcome = text_of(step, "outcome");
    print_line("stall        " + ago(number_of(step, "time_us")) + "  " + text_of(step, "kind") + ": " +
               text_of(step, "rung") + " (" + text_of(step, "seen") + ")" + (outcome.empty() ? "" : ": " + outcome));
  }
  for (const Value& lock : list_of(agent, "locks")) print_line("lock         " + text_of(&lock));
  const Value* card = agent.find("card");
  if (card == nullptr) return;
  for (const Value& skill : list_of(*card, "skills")) {
    print_line("skill        " + text_of(skill, "name") + " (" + text_of(skill, "rate") + ")");
  }
  if (const std::string about = text_of(*card, "about"); !about.empty()) print_text(about, "  ");
}

void print_candidates(const Value& answer) {
  std::vector<std::vector<std::string>> rows = {{"AGENT", "SCORE"}};
  for (const Value& one : list_of(answer, "candidates")) rows.push_back({text_of(one, "agent"), text_of(one, "score")});
  print_table(rows, "nobody can do all of that");
}

int agents(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(
      call.words,
      {{"--role", Takes::value}, {"--all", Takes::nothing}, {"--skill", Takes::value}, {"--tool", Takes::value}},
      {.most = 1});
  if (!args) return misused(call, args.error());
  if (!args->rest().empty()) {
    return answer(call, *args,
                  {.method = "agent.info", .arguments = {{"agent", args->rest().front()}}, .again = Again::safe},
                  print_agent);
  }
  const auto strings = [](const std::vector<std::string>& all) { return Value::Array(all.begin(), all.end()); };
  if (args->has("--skill") || args->has("--tool")) {
    return answer(
        call, *args,
        {.method = "agent.find",
         .arguments = {{"skills", strings(args->values("--skill"))}, {"tools", strings(args->values("--tool"))}},
         .again = Again::safe},
        print_candidates);
  }
  Value::Map arguments{{"all", args->has("--all")}, {"limit", 1000}};
  if (auto role = args->value("--role")) arguments.emplace_back("role", std::move(*role));
  return answer(call, *args, {.method = "agent.list", .arguments = std::move(arguments), .again = Again::safe},
                print_agents);
}

int find_agent(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {{"--tool", Takes::value}}, {});
  if (!args) return misused(call, args.error());
  if (args->rest().empty() && !args->has("--tool")) {
    return misused(call, {.message = "say what it has to be able to do: skills, or '--tool NAME'"});
  }
  const auto strings = [](const std::vector<std::string>& all) { return Value::Array(all.begin(), all.end()); };
  return answer(call, *args,
                {.method = "agent.find",
                 .arguments = {{"skills", strings(args->rest())}, {"tools", strings(args->values("--tool"))}},
                 .again = Again::safe},
                print_candidates);
}

/// "cpp=0.9" or "cpp".
Result<Value> skill_of(const std::string& word) {
  const auto equals = word.find('=');
  Value skill = Value::Map{{"name", word.substr(0, equals)}};
  if (equals == std::string::npos) return skill;
  char* end = nullptr;
  const double rate = std::strtod(word.c_str() + equals + 1, &end);
  if (end == word.c_str() + equals + 1 || *end != '\0') {
    return fail(Code::invalid_argument, "--skill " + word + ": how often it succeeds is a number from 0 to 1");
  }
  skill.set("rate", rate);
  return skill;
}

int card(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words,
                                                 {{"--skill", Takes::value},
                                                  {"--tool", Takes::value},
                                                  {"--availability", Takes::value},
                                                  {"--about", Takes::value}},
                                                 {.most = 0});
  if (!args) return misused(call, args.error());
  const Result<Value> self = ask(call, {.method = "inner.whoami", .again = Again::safe});
  if (!self) return failed(self.error());
  const Question own{.method = "agent.info", .arguments = {{"agent", text_of(*self, "agent")}}, .again = Again::safe};
  const bool changes =
      args->has("--skill") || args->has("--tool") || args->has("--availability") || args->has("--about");
  if (!changes) return answer(call, *args, own, print_agent);
  // What is not named stays.
  const Result<Value> now = ask(call, own);
  if (!now) return failed(now.error());
  const Value* before = now->find("card");
  Value card = before == nullptr || before->as_map() == nullptr ? Value(Value::Map{}) : *before;
  if (args->has("--skill")) {
    Value::Array skills;
    for (const std::string& word : args->values("--skill")) {
      Result<Value> skill = skill_of(word);
      if (!skill) return misused(call, skill.error());
      skills.push_back(std::move(*skill));
    }
    card.set("skills", std::move(skills));
  }
  if (args->has("--tool")) {
    const std::vector<std::string> tools = args->values("--tool");
    card.set("tools", Value::Array(tools.begin(), tools.end()));
  }
  if (const auto text = args->value("--availability")) {
    char* end = nullptr;
    const double free = std::strtod(text->c_str(), &end);
    if (end == text->c_str() || *end != '\0') {
      return misused(call, {.message = "--availability: '" + *text + "' is not a number from 0 to 1"});
    }
    card.set("availability", free);
  }
  if (auto about = args->value("--about")) card.set("about", std::move(*about));
  return answer(call, *args, {.method = "agent.update", .arguments = {{"card", std::move(card)}}, .again = Again::safe},
                print_agent);
}

constexpr std::array kAgentVerbs = {
    Verb{"agents", "agents [--role ROLE] [--all]\nagents AGENT\nagents --skill NAME [--tool NAME]",
         "who is in the swarm, and who can do what",
         "Without words: the living agents, what each does, how many locks it holds and messages it has not read.\n"
         "`--all` also shows those that are stale or gone. With a name: everything about that agent. With skills or\n"
         "tools: those who have all of them, best first.",
         agents},
    Verb{"card", "card\ncard [--skill NAME[=RATE]]... [--tool NAME]... [--availability N] [--about TEXT]",
         "what you say of yourself, for others to find you by",
         "Without options it shows your card. RATE is how often you succeed at it, 0 to 1; an availability of 0 takes\n"
         "nothing. What is not named stays as it was.",
         card},
    Verb{"find-agent", "find-agent SKILL... [--tool NAME]...", "who can do this, best first",
         "Living agents that have all of these skills and tools; the score is how often they succeed at them, times\n"
         "how free they are.",
         find_agent},
};

}  // namespace

std::span<const Verb> agent_verbs() { return kAgentVerbs; }

}  // namespace swarm::cli
