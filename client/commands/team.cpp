// `swarmctl agent|msg|lock|note`: what the agents of a swarm do, tell each other, hold and write down.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/word.hpp"
#include "protocol/api/lock.hpp"
#include "protocol/api/message.hpp"
#include "protocol/api/note.hpp"

namespace swarm::client {
namespace {

/// What the command line says; each command reads its own.
struct TeamOptions {
  std::string swarm;
  std::string what;
  std::string text;
  std::string role;
  std::string kind;
  std::string sender;
  std::string recipient;
  std::string thread;
  std::vector<std::string> tools;
  std::vector<std::string> words;
  bool all = false;
  std::optional<std::int64_t> revision;
  std::uint32_t limit = 100;
};
using Options = std::shared_ptr<TeamOptions>;

template <class T>
api::InSwarm<T> of_team(const Options& options, T request = {}) {
  return client::in_swarm<T>(options->swarm, std::move(request));
}

template <class E>
Result<E> read_word(std::string_view option, const std::string& text) {
  Result<E> value = api::decode_reply<E>(Value(text));
  if (value && word(*value) == text) return value;
  std::vector<std::string_view> names;
  for (const api::EnumValue& one : api::type_of<E>().values) names.push_back(one.name);
  return fail(Code::invalid_argument,
              fmt::format("{}: '{}' is none of {}", option, one_line(text), fmt::join(names, ", ")));
}

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

std::string when(const Context& context, std::int64_t time_us) { return human_age(context.now(), time_us); }

std::string until(const Context& context, const std::optional<std::int64_t>& time_us) {
  return time_us ? human_until(context.now(), *time_us) : "with its holder";
}

// Agents.

/// What it does, and that it does not go on where that is so: "working", "working, silent".
Cell state_cell(const api::AgentInfo& agent) {
  if (agent.program && agent.program->stall) {
    return {word(agent.state) + ", " + word(*agent.program->stall), Style::warning};
  }
  return {word(agent.state), agent.state == api::AgentState::gone ? Style::faint : Style::plain};
}

void show_stalls(Context& c, const std::vector<api::AgentStalled>& steps) {
  if (steps.empty()) return;
  Table table(
      {{"WHEN"}, {"STALL"}, {"STEP"}, {"SEEN", Align::left, Fit::shorten}, {"OUTCOME", Align::left, Fit::shorten}});
  for (const api::AgentStalled& step : steps) {
    table.add({when(c, step.time_us), word(step.kind), word(step.rung), one_line(step.seen),
               step.outcome.empty() ? "done" : one_line(step.outcome)});
  }
  c.printer.line("");
  c.printer.table(table);
}

void add_program(const Context& c, const api::AgentInfo& agent, Fields& fields) {
  if (!agent.program) return;
  const api::AgentProgram& program = *agent.program;
  std::string text = one_line(program.state);
  if (program.output_us > 0) text += fmt::format(", wrote something {} ago", when(c, program.output_us));
  if (program.restarts > 0) text += fmt::format(", started again {} times", program.restarts);
  fields.add("Program", text);
  if (program.stall) {
    fields.add("Stall",
               program.stalled_us ? fmt::format("{}, since {}", word(*program.stall), when(c, *program.stalled_us))
                                  : word(*program.stall),
               Style::warning);
  }
}

async::Task<Result<int>> agent_list(Context& context, Options options) {
  api::AgentListRequest request{.role = non_empty(options->role), .all = options->all, .limit = 1000};
  Result<int> done = co_await call_and_show(
      context, api::kAgentList, of_team(options, request), [](Context& c, const api::AgentListReply& reply) {
        Table table({{"AGENT"},
                     {"ROLE"},
                     {"STATE"},
                     {"TASK", Align::left, Fit::shorten},
                     {"LOCKS", Align::right},
                     {"UNREAD", Align::right},
                     {"HEARD"}});
        for (const api::AgentInfo& agent : reply.agents) {
          table.add({one_line(agent.id), one_line(agent.role), state_cell(agent), one_line(agent.task),
                     std::to_string(agent.locks.size()), std::to_string(agent.unread), when(c, agent.heartbeat_us)});
        }
        if (table.empty()) return c.printer.note("No agent is alive");
        c.printer.table(table);
      });
  co_return done;
}

async::Task<Result<int>> agent_show(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kAgentInfo, of_team(options, api::AgentInfoRequest{.agent = options->what}),
      [](Context& c, const api::AgentInfo& agent) {
        Fields fields;
        fields.add("Agent", one_line(agent.id));
        fields.add("Role", one_line(agent.role));
        fields.add("State", word(agent.state));
        fields.add("Why", one_line(agent.detail));
        fields.add("Task", one_line(agent.task));
        add_program(c, agent, fields);
        fields.add("Identity", word(agent.identity));
        fields.add("Uid", agent.uid ? std::to_string(*agent.uid) : "");
        fields.add("Since", when(c, agent.registered_us));
        fields.add("Heard of", when(c, agent.heartbeat_us));
        fields.add("Unread", std::to_string(agent.unread));
        if (agent.delivery) {
          const api::AgentDelivery& way = *agent.delivery;
          fields.add("Messages by", one_line(way.way));
          fields.add("Messages wait", one_line(way.problem));
          if (way.event_us) {
            fields.add("Last hook",
                       one_line(way.event + (way.tool.empty() ? "" : " " + way.tool)) + ", " + when(c, *way.event_us));
          }
          if (way.woken_us) fields.add("Woken", when(c, *way.woken_us));
        }
        fields.add("Locks", joined(agent.locks));
        std::string skills;
        for (const api::AgentSkill& skill : agent.card.skills) {
          skills += (skills.empty() ? "" : ", ") + fmt::format("{} ({:.2f})", one_line(skill.name), skill.rate);
        }
        fields.add("Skills", skills);
        fields.add("Tools", one_line(joined(agent.card.tools)));
        fields.add("About", sanitized(agent.card.about));
        c.printer.fields(fields);
        show_stalls(c, agent.stalls);
      });
  co_return done;
}

async::Task<Result<int>> agent_find(Context& context, Options options) {
  Result<int> done =
      co_await call_and_show(context, api::kAgentFind,
                             of_team(options, api::AgentFindRequest{.skills = options->words, .tools = options->tools}),
                             [](Context& c, const api::AgentFindReply& reply) {
                               Table table({{"AGENT"}, {"SCORE", Align::right}});
                               for (const api::AgentCandidate& one : reply.candidates) {
                                 table.add({one_line(one.agent), fmt::format("{:.2f}", one.score)});
                               }
                               if (table.empty()) return c.printer.note("Nobody can do all of that");
                               c.printer.table(table);
                             });
  co_return done;
}

// Messages.

async::Task<Result<int>> message_send(Context& context, Options options) {
  api::MessageSendRequest request{.body = joined(options->words)};
  if (!options->kind.empty()) {
    const Result<api::MessageKind> kind = read_word<api::MessageKind>("--kind", options->kind);
    if (!kind) co_return fail(kind.error());
    request.kind = *kind;
  }
  if (options->what == "all") {
    request.all = true;
  } else if (options->what.starts_with("role:")) {
    request.role = options->what.substr(5);
  } else {
    request.to = {options->what};
  }
  Result<int> done =
      co_await call_and_show(context, api::kMessageSend, of_team(options, std::move(request)),
                             [](Context& c, const api::MessageSendReply& reply) {
                               c.printer.line(one_line(reply.id));
                               for (const api::MessageRecipient& one : reply.recipients) {
                                 if (!one.queued)
                                   c.printer.warning(fmt::format("not to {}: {}", one.agent, one.why_not.value_or("")));
                               }
                             });
  co_return done;
}

async::Task<Result<int>> message_list(Context& context, Options options) {
  api::MessageSearchRequest request{.text = non_empty(options->text),
                                    .sender = non_empty(options->sender),
                                    .recipient = non_empty(options->recipient),
                                    .thread = non_empty(options->thread),
                                    .limit = std::clamp<std::uint32_t>(options->limit, 1, 1000)};
  if (!options->kind.empty()) {
    const Result<api::MessageKind> kind = read_word<api::MessageKind>("--kind", options->kind);
    if (!kind) co_return fail(kind.error());
    request.kind = *kind;
  }
  Result<int> done =
      co_await call_and_show(context, api::kMessageSearch, of_team(options, std::move(request)),
                             [](Context& c, const api::MessageSearchReply& reply) {
                               Table table({{"MESSAGE"},
                                            {"SENT"},
                                            {"KIND"},
                                            {"FROM"},
                                            {"TO", Align::left, Fit::shorten},
                                            {"TEXT", Align::left, Fit::shorten}});
                               for (const api::MessageInfo& one : reply.messages) {
                                 table.add({one_line(one.id), when(c, one.sent_us), word(one.kind),
                                            one_line(one.sender), one_line(one.address), one_line(one.body)});
                               }
                               if (table.empty()) return c.printer.note("No messages");
                               c.printer.table(table);
                             });
  co_return done;
}

async::Task<Result<int>> message_show(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kMessageShow, of_team(options, api::MessageShowRequest{.id = options->what}),
      [](Context& c, const api::MessageShowReply& reply) {
        const api::MessageInfo& message = reply.message;
        Fields fields;
        fields.add("Message", one_line(message.id));
        fields.add("From", one_line(message.sender));
        fields.add("To", one_line(message.address));
        fields.add("Kind", word(message.kind));
        fields.add("Sent", when(c, message.sent_us));
        fields.add("Answers", one_line(message.reply_to.value_or("")));
        fields.add("Text", sanitized(message.body));
        c.printer.fields(fields);
        Table table({{"COPY OF"}, {"STATE"}, {"TRIED", Align::right}, {"REMINDED", Align::right}, {"PROOF OR REASON"}});
        for (const api::MessageDelivery& copy : reply.deliveries) {
          table.add({one_line(copy.recipient), word(copy.state), std::to_string(copy.attempts),
                     std::to_string(copy.reminders),
                     one_line(copy.reason.value_or(copy.seen_by.value_or(copy.delivered_by.value_or(""))))});
        }
        c.printer.line("");
        c.printer.table(table);
      });
  co_return done;
}

async::Task<Result<int>> message_again(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kMessageAgain,
      of_team(options, api::MessageAgainRequest{.id = options->what, .recipient = non_empty(options->recipient)}),
      [](Context& c, const api::MessageAgainReply& reply) {
        c.printer.line(fmt::format("{} copies are in their queues again", reply.copies));
      });
  co_return done;
}

// Locks.

std::string lock_name(const std::string& repository, const api::Path& path) {
  const std::string shown = path.bytes.empty() ? "." : path.bytes;
  return one_line(repository.empty() ? shown : repository + ":" + shown);
}

async::Task<Result<int>> lock_list(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kLockList, of_team(options, api::LockListRequest{.agent = non_empty(options->what), .limit = 1000}),
      [](Context& c, const api::LockListReply& reply) {
        Table table({{"LOCK"},
                     {"AGENT"},
                     {"PATH", Align::left, Fit::shorten},
                     {"KIND"},
                     {"MODE"},
                     {"ENDS"},
                     {"REASON", Align::left, Fit::shorten}});
        for (const api::LockInfo& lock : reply.locks) {
          table.add({one_line(lock.id), one_line(lock.agent), lock_name(lock.repository, lock.path), word(lock.kind),
                     word(lock.mode), until(c, lock.expires_us), one_line(lock.reason)});
        }
        for (const api::LockWaiter& waiter : reply.waiting) {
          table.add({one_line(waiter.id), one_line(waiter.agent), lock_name(waiter.repository, waiter.path),
                     word(waiter.kind), word(waiter.mode), "waits", one_line(waiter.reason)});
        }
        if (table.empty()) return c.printer.note("Nothing is locked");
        c.printer.table(table);
      });
  co_return done;
}

async::Task<Result<int>> lock_break(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kLockBreak, of_team(options, api::LockBreakRequest{.id = options->what, .reason = options->text}),
      [](Context& c, const api::LockInfo& lock) {
        c.printer.line(fmt::format("{} has lost {}", one_line(lock.agent), lock_name(lock.repository, lock.path)));
      });
  co_return done;
}

// Notes.

async::Task<Result<int>> decision_list(Context& context, Options options) {
  api::NoteDecisionsRequest request{.text = non_empty(joined(options->words)), .limit = options->limit};
  if (!options->kind.empty()) {
    const Result<api::DecisionKind> kind = read_word<api::DecisionKind>("--kind", options->kind);
    if (!kind) co_return fail(kind.error());
    request.kind = *kind;
  }
  Result<int> done = co_await call_and_show(
      context, api::kNoteDecisions, of_team(options, request), [](Context& c, const api::NoteDecisionsReply& reply) {
        for (const api::DecisionInfo& one : reply.decisions) {
          c.printer.line(fmt::format("{}  {}  {} by {}, {} ago", one.id, word(one.kind), one_line(one.title),
                                     one_line(one.author), when(c, one.recorded_us)));
          if (!one.body.empty()) c.printer.line(sanitized(one.body));
        }
        if (reply.decisions.empty()) c.printer.note("No decision has all of these words");
      });
  co_return done;
}

async::Task<Result<int>> note_list(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kNoteList, of_team(options, api::NoteListRequest{.prefix = options->what, .limit = 1000}),
      [](Context& c, const api::NoteListReply& reply) {
        Table table({{"KEY"}, {"REVISION", Align::right}, {"BY"}, {"CHANGED"}, {"VALUE", Align::left, Fit::shorten}});
        for (const api::NoteInfo& note : reply.notes) {
          table.add({one_line(note.key), std::to_string(note.revision), one_line(note.author), when(c, note.changed_us),
                     one_line(note.value.value_or(""))});
        }
        if (table.empty()) return c.printer.note("No notes");
        c.printer.table(table);
      });
  co_return done;
}

async::Task<Result<int>> note_get(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kNoteGet, of_team(options, api::NoteGetRequest{.key = options->what}),
      [](Context& c, const api::NoteInfo& note) { c.printer.line(sanitized(note.value.value_or(""))); });
  co_return done;
}

async::Task<Result<int>> note_put(Context& context, Options options) {
  Result<int> done = co_await call_and_show(
      context, api::kNotePut,
      of_team(options,
              api::NotePutRequest{
                  .key = options->what, .value = joined(options->words), .expected_revision = options->revision}),
      [](Context& c, const api::NoteInfo& note) { c.printer.line(fmt::format("revision {}", note.revision)); });
  co_return done;
}

/// A command with the options that every one of these has.
CLI::App& add(CLI::App& group, Selection& selection, const std::string& name, const std::string& help,
              const Options& options, async::Task<Result<int>> (*run)(Context&, Options)) {
  CLI::App& command = add_command(group, selection, name, help);
  command.add_option("--swarm", options->swarm, "The swarm: id, prefix or name; needed where there are several")
      ->type_name("SWARM");
  command.callback([&selection, options, run] {
    selection.action = [options, run](Context& context) { return run(context, options); };
  });
  return command;
}

/// Another file may have begun the group.
CLI::App& group_of(CLI::App& root, const std::string& name, const std::string& help) {
  const auto known = root.get_subcommands([&](CLI::App* command) { return command->get_name() == name; });
  return known.empty() ? add_group(root, name, help) : *known.front();
}

}  // namespace

void add_team_commands(CLI::App& root, Selection& selection) {
  const auto options = std::make_shared<TeamOptions>();
  const auto what = [&](CLI::App& command, const char* name, const char* help) {
    return command.add_option(name, options->what, help);
  };
  CLI::App& agents = group_of(root, "agent", "Agents of a swarm");
  CLI::App& list = add(agents, selection, "ls", "List the agents of a swarm", options, agent_list);
  list.add_flag("-a,--all", options->all, "Also those that are stale or gone");
  list.add_option("--role", options->role, "Only those of this role")->type_name("ROLE");
  what(add(agents, selection, "show", "Show everything about an agent", options, agent_show), "agent", "The agent")
      ->required();
  CLI::App& able = add(agents, selection, "find", "Find agents that have all of these skills", options, agent_find);
  able.add_option("skills", options->words, "The skills");
  able.add_option("--tool", options->tools, "A tool that it has to have, too")->type_name("TOOL");

  CLI::App& messages = group_of(root, "msg", "Messages of a swarm");
  CLI::App& send = add(messages, selection, "send", "Send a message, as a person", options, message_send);
  what(send, "to", "An agent, `role:ROLE`, or `all`")->required();
  send.add_option("text", options->words, "The text")->required();
  send.add_option("--kind", options->kind, "INFO, QUESTION, REVIEW-REQUEST, BLOCKED, COMPLETED, CHALLENGE");
  CLI::App& found = add(messages, selection, "ls", "List messages, newest first", options, message_list);
  found.add_option("--from", options->sender, "Only from this agent")->type_name("AGENT");
  found.add_option("--to", options->recipient, "Only to this agent")->type_name("AGENT");
  found.add_option("--text", options->text, "Only with all of these words");
  found.add_option("--kind", options->kind, "Only of this kind: QUESTION, BLOCKED, ...")->type_name("KIND");
  found.add_option("--thread", options->thread, "Only of the thread that this message began")->type_name("MESSAGE");
  found.add_option("-n,--limit", options->limit, "At most so many (100)")->type_name("N");
  what(add(messages, selection, "show", "Show a message and where each copy is", options, message_show), "message",
       "Its id, or how that begins")
      ->required();
  CLI::App& again = add(messages, selection, "again", "Send copies again that expired or could not be delivered",
                        options, message_again);
  what(again, "message", "Its id, or how that begins")->required();
  again.add_option("--to", options->recipient, "Only the copy of this agent")->type_name("AGENT");

  CLI::App& locks = group_of(root, "lock", "Locks of a swarm");
  what(add(locks, selection, "ls", "List locks, and who waits", options, lock_list), "agent", "Only of this agent");
  CLI::App& broken = add(locks, selection, "break", "End the lock of an agent; it is recorded", options, lock_break);
  what(broken, "lock", "Its id")->required();
  broken.add_option("--reason", options->text, "Why, for the record and its holder")->required();

  CLI::App& notes = group_of(root, "note", "Notes of a swarm");
  what(add(notes, selection, "ls", "List keys and values", options, note_list), "prefix", "Only keys that begin so");
  what(add(notes, selection, "get", "Show the value of a key", options, note_get), "key", "The key")->required();
  CLI::App& decisions =
      add(notes, selection, "decisions", "Search what was decided and learned, newest first", options, decision_list);
  decisions.add_option("words", options->words, "All of these words");
  decisions.add_option("--kind", options->kind, "decision, context, memory or learning")->type_name("KIND");
  decisions.add_option("-n,--limit", options->limit, "At most so many (100)")->type_name("N");
  CLI::App& put = add(notes, selection, "put", "Write a key", options, note_put);
  what(put, "key", "The key")->required();
  put.add_option("value", options->words, "Its value")->required();
  put.add_option("--if-revision", options->revision, "Only if this is its revision now; 0: only if it is not there");
}

}  // namespace swarm::client
