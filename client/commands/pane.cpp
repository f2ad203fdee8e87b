// `swarmctl pane` and what `swarmctl agent` does with an agent's terminal.

#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/pane_target.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/terminal/standard_stream.hpp"

namespace swarm::client {
namespace {

std::string state_text(api::PaneState state) {
  const auto& values = api::type_of<api::PaneState>().values;
  const auto found = std::ranges::find(values, static_cast<std::int64_t>(state), &api::EnumValue::value);
  return found == values.end() ? "unknown" : std::string(found->name);
}

Cell state_cell(const api::PaneInfo& pane) {
  switch (pane.state) {
    case api::PaneState::crashed:
      if (pane.oom_killed) return {"out of memory", Style::bad};
      if (pane.signal) return {fmt::format("signal {}", *pane.signal), Style::bad};
      return {pane.exit_code ? fmt::format("exit {}", *pane.exit_code) : "lost", Style::bad};
    case api::PaneState::permission:
    case api::PaneState::rate_limited:
    case api::PaneState::logged_out:
      return {state_text(pane.state), Style::warning};
    case api::PaneState::ready:
    case api::PaneState::busy:
      return {state_text(pane.state), Style::good};
    default:
      return {state_text(pane.state), Style::plain};
  }
}

std::string command_text(const api::PaneInfo& pane) {
  std::string text;
  for (const api::Text& word : pane.argv) text += (text.empty() ? "" : " ") + word.bytes;
  return one_line(text);
}

/// `call_and_show` for the sandbox of a pane.
template <class Req, class Res, class F>
async::Task<Result<int>> at_pane(Context& context, PaneTarget target, const api::Method<api::AtPane<Req>, Res>& method,
                                 Req request, F show) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<std::string> sandbox = co_await find_pane(**client, target);
  if (!sandbox) co_return fail(sandbox.error());
  request.pane = target.pane;
  const Result<Res> reply = co_await (*client)->call(method, at_sandbox(*sandbox, std::move(request)));
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    show(context, *reply);
  }
  co_return kExitOk;
}

async::Task<Result<int>> list(Context& context, PaneTarget target) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const bool all = target.sandbox.empty() && target.swarm.empty();
  const Result<std::vector<std::string>> places = co_await find_sandboxes(**client, target);
  if (!places) co_return fail(places.error());
  Value::Array documents;
  Table table({{"SANDBOX"},
               {"PANE"},
               {"KIND"},
               {"USER"},
               {"STATE"},
               {"SIZE"},
               {"VIEWERS", Align::right},
               {"AGE", Align::right},
               {"COMMAND", Align::left, Fit::shorten}});
  for (const std::string& sandbox : *places) {
    std::optional<std::string> cursor;
    do {
      const api::PaneListRequest request{.limit = 1000, .cursor = cursor};
      const Result<api::PaneListReply> reply = co_await (*client)->call(api::kPaneList, at_sandbox(sandbox, request));
      if (!reply && all) break;  // it ended meanwhile
      if (!reply) co_return fail(reply.error());
      for (const api::PaneInfo& pane : reply->panes) {
        if (context.printer.json()) {
          Value one = api::encode(pane);
          one.set("sandbox", sandbox);
          documents.push_back(std::move(one));
          continue;
        }
        table.add({sandbox, pane.pane, pane.kind.empty() ? "-" : one_line(pane.kind), one_line(pane.user),
                   state_cell(pane), fmt::format("{}x{}", pane.cols, pane.rows), std::to_string(pane.viewers),
                   human_age(context.now(), pane.started_us), command_text(pane)});
      }
      cursor = reply->next_cursor;
    } while (cursor);
  }
  if (context.printer.json()) {
    context.printer.document(Value::Map{{"panes", std::move(documents)}});
  } else {
    context.printer.table(table);
  }
  co_return kExitOk;
}

async::Task<Result<int>> send(Context& context, PaneTarget target, std::vector<std::string> words, std::string keys,
                              bool raw) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  if (!raw && keys.empty()) {
    const auto show = [name = target.pane](Context& ctx, const api::PanePromptReply& reply) {
      ctx.printer.note(reply.verified ? fmt::format("{} took the prompt; it is {}", name, state_text(reply.state))
                                      : fmt::format("Given to {}; its program does not show whether it took it", name));
    };
    api::PanePromptRequest request;
    request.text.bytes = std::move(text);
    Result<int> status = co_await at_pane(context, target, api::kPanePrompt, std::move(request), show);
    co_return status;
  }
  api::PaneSendRequest request;
  request.text.bytes = std::move(text);
  while (!keys.empty()) {
    const auto comma = keys.find(',');
    request.keys.push_back(keys.substr(0, comma));
    keys.erase(0, comma == std::string::npos ? keys.size() : comma + 1);
  }
  const auto show = [name = target.pane](Context& ctx, const api::PaneSendReply&) {
    ctx.printer.note(fmt::format("Typed into {}", name));
  };
  Result<int> status = co_await at_pane(context, target, api::kPaneSend, std::move(request), show);
  co_return status;
}

async::Task<Result<int>> pane_logs(Context& context, PaneTarget target, bool follow, bool raw, std::string tail) {
  const auto tail_bytes = read_size("--tail", tail);
  if (!tail_bytes) co_return fail(tail_bytes.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<std::string> sandbox = co_await find_pane(**client, target);
  if (!sandbox) co_return fail(sandbox.error());
  wire::Connection& connection = (*client)->connection();
  api::PaneLogRequest request{.pane = target.pane, .tail_bytes = *tail_bytes, .follow = follow};
  request.stream = connection.new_stream_id();
  auto source = connection.open_source(request.stream);
  if (!source) co_return fail(source.error());
  const Result<api::PaneLogReply> begun = co_await (*client)->call(api::kPaneLog, at_sandbox(*sandbox, request));
  if (!begun) co_return fail(begun.error());
  Result<std::unique_ptr<StandardStream>> out = StandardStream::open(context.loop, 1);
  if (!out) co_return fail(out.error());
  Sanitizer sanitizer;
  for (bool more = true; more;) {
    Result<std::optional<std::string>> chunk = co_await (*source)->read();
    if (!chunk) co_return fail(chunk.error().with_context("the output broke off"));
    more = chunk->has_value();
    std::string text = more ? std::move(**chunk) : std::string();
    if (!raw) text = more ? sanitizer.feed(text) : sanitizer.finish();
    const Result<void> written = co_await (*out)->write(std::as_bytes(std::span(text)));
    if (!written && written.error().code == Code::unavailable) end_for_closed_output();
    if (!written) co_return fail(written.error());
  }
  co_return kExitOk;
}

async::Task<Result<int>> stop(Context& context, PaneTarget target, std::string grace, bool close) {
  const auto time = read_duration("--grace", grace);
  if (!time) co_return fail(time.error());
  api::PaneKillRequest request{.close = close};
  if (*time) request.grace_ms = **time;
  const auto show = [](Context& ctx, const api::PaneInfo& pane) {
    ctx.printer.note(fmt::format("{} has ended", pane.pane));
  };
  Result<int> status = co_await at_pane(context, std::move(target), api::kPaneKill, std::move(request), show);
  co_return status;
}

struct PaneOptions {
  PaneTarget target;
  bool styles = false;
  bool follow = false;
  bool raw = false;
  bool close = false;
  std::uint32_t history = 0;
  std::string tail;
  std::string keys;
  std::string grace = "5s";
  std::vector<std::string> words;
};

void add_screen(CLI::App& group, Selection& selection) {
  CLI::App& command = add_command(group, selection, "screen", "Show what an agent's terminal shows now",
                                  "  swarmctl agent screen agent-1\n"
                                  "  swarmctl agent screen agent-1 --history 500\n");
  auto options = std::make_shared<PaneOptions>();
  add_pane_target(command, options->target);
  command.add_flag("--styles", options->styles, "With colours");
  command.add_option("--history", options->history, "That many lines that scrolled away, too")->type_name("LINES");
  command.callback([&selection, options] {
    selection.action = [options](Context& context) {
      api::PaneScreenRequest request{.styles = options->styles, .history_lines = options->history};
      return at_pane(context, options->target, api::kPaneScreen, std::move(request),
                     [](Context& ctx, const api::PaneScreenReply& reply) {
                       ctx.printer.text(reply.text.bytes + (reply.text.bytes.ends_with('\n') ? "" : "\n"));
                     });
    };
  });
}

void add_send(CLI::App& group, Selection& selection) {
  CLI::App& command = add_command(group, selection, "send", "Give an agent a prompt, or type into its terminal",
                                  "  swarmctl agent send agent-1 'Please run the tests too'\n"
                                  "  swarmctl agent send agent-1 --keys C-c\n"
                                  "  swarmctl agent send agent-1 --type 'y' --keys Enter\n"
                                  "\nA prompt waits until the agent is ready, and never goes into a dialog.\n");
  auto options = std::make_shared<PaneOptions>();
  add_pane_target(command, options->target);
  command.add_option("TEXT", options->words, "The prompt");
  command.add_flag("--type", options->raw, "Type it at once, whatever the terminal shows, and do not submit it");
  command.add_option("--keys", options->keys, "Keys to press then, by tmux's names: Enter,C-c,Up")->type_name("KEYS");
  command.callback([&selection, options] {
    selection.action = [options](Context& context) {
      return send(context, options->target, options->words, options->keys, options->raw);
    };
  });
}

void add_logs(CLI::App& group, Selection& selection) {
  CLI::App& command = add_command(group, selection, "logs", "Show the output of an agent's terminal",
                                  "  swarmctl agent logs -f agent-1\n"
                                  "  swarmctl agent logs agent-1 --tail 64KiB\n"
                                  "\nControl sequences are taken out; --raw lets them pass.\n");
  auto options = std::make_shared<PaneOptions>();
  add_pane_target(command, options->target);
  command.add_flag("-f,--follow", options->follow, "Go on with new output");
  command.add_flag("--raw", options->raw, "Every byte as it came");
  command.add_option("--tail", options->tail, "Only so much of its end: 64KiB")->type_name("SIZE");
  command.callback([&selection, options] {
    selection.action = [options](Context& context) {
      return pane_logs(context, options->target, options->follow, options->raw, options->tail);
    };
  });
}

void add_restart(CLI::App& group, Selection& selection) {
  CLI::App& command = add_command(group, selection, "restart", "Start an agent's program again in its terminal",
                                  "  swarmctl agent restart agent-1\n");
  auto options = std::make_shared<PaneOptions>();
  add_pane_target(command, options->target);
  command.callback([&selection, options] {
    selection.action = [options](Context& context) {
      return at_pane(context, options->target, api::kPaneRestart, api::PaneRestartRequest{},
                     [](Context& ctx, const api::PaneInfo& pane) {
                       ctx.printer.note(fmt::format("{} runs again as process {}", pane.pane, pane.pid));
                     });
    };
  });
}

void add_stop(CLI::App& group, Selection& selection) {
  CLI::App& command = add_command(group, selection, "stop", "End an agent's program and all that it started",
                                  "  swarmctl agent stop agent-1 --grace 10s\n");
  auto options = std::make_shared<PaneOptions>();
  add_pane_target(command, options->target);
  command.add_option("--grace", options->grace, "Between TERM and KILL")->type_name("DURATION")->capture_default_str();
  command.add_flag("--close", options->close, "Close its terminal too");
  command.callback([&selection, options] {
    selection.action = [options](Context& context) {
      return stop(context, options->target, options->grace, options->close);
    };
  });
}

}  // namespace

void add_pane_commands(CLI::App& root, Selection& selection) {
  CLI::App& panes = add_group(root, "pane", "Terminals of agents");
  CLI::App& command = add_command(panes, selection, "ls", "List terminals and what their programs do",
                                  "  swarmctl pane ls\n"
                                  "  swarmctl pane ls --sandbox web --json\n");
  auto options = std::make_shared<PaneOptions>();
  add_pane_place(command, options->target);
  command.callback([&selection, options] {
    selection.action = [options](Context& context) { return list(context, options->target); };
  });
  const auto agents = root.get_subcommands([](CLI::App* command) { return command->get_name() == "agent"; });
  CLI::App& group = agents.empty() ? add_group(root, "agent", "Agents of a swarm") : *agents.front();
  add_screen(group, selection);
  add_send(group, selection);
  add_logs(group, selection);
  add_restart(group, selection);
  add_stop(group, selection);
}

}  // namespace swarm::client
