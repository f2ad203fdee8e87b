// Who is in the swarm.

#include <array>

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

constexpr std::array kVerbs = {
    Verb{"agents", "agents [--role ROLE] [--all]\nagents AGENT\nagents --skill NAME [--tool NAME]",
         "who is in the swarm, and who can do what",
         "Without words: the living agents, what each does, how many locks it holds and messages it has not read.\n"
         "`--all` also shows those that are stale or gone. With a name: everything about that agent. With skills or\n"
         "tools: those who have all of them, best first.",
         agents},
};

}  // namespace

std::span<const Verb> agent_verbs() { return kVerbs; }

}  // namespace swarm::cli
