#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"
#include "protocol/api/events.hpp"
#include "protocol/api/json.hpp"

namespace swarm::client {
namespace {

struct EventOptions {
  bool follow = false;
  std::optional<std::uint64_t> from;
  std::vector<std::string> types;
  std::string sandbox;
  std::uint32_t limit = 20;
};

/// The members of an event's data as words: "from=ready to=claimed".
std::string data_text(const Value& data) {
  const Value::Map* map = data.as_map();
  if (map == nullptr) return data.is_nil() ? "" : api::to_json(data);
  std::string text;
  for (const auto& [key, value] : *map) {
    if (!text.empty()) text += " ";
    const std::string* word = value.as_string();
    text += key + "=" + (word != nullptr && word->find(' ') == std::string::npos ? *word : api::to_json(value));
  }
  return text;
}

void show(Context& context, const api::Event& event) {
  if (context.printer.json()) {
    context.printer.json_line(api::encode(event));
    return;
  }
  const std::string about = event.sandbox ? event.sandbox->substr(0, 8) : "";
  std::string line = fmt::format("{:>6} {} {:<18} {:<8}  {}", event.seq, clock_time(event.time_us),
                                 one_line(event.type), one_line(about), one_line(data_text(event.data)));
  if (const std::size_t columns = context.printer.out().columns; columns > 0) line = cut_to_width(line, columns);
  const std::size_t number_end = std::min<std::size_t>(line.find(' ', 6), line.size());
  context.printer.line(painted(line.substr(0, number_end), Style::faint, context.printer.paint()) +
                       line.substr(number_end));
}

async::Task<Result<int>> list(Context& context, EventOptions options) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  api::EventsListRequest request{.types = options.types,
                                 .sandbox = non_empty(options.sandbox),
                                 .from = options.from,
                                 .limit = std::clamp<std::uint32_t>(options.limit, 1, 1000)};
  std::uint32_t left = options.limit;
  do {
    request.limit = std::clamp<std::uint32_t>(left, 1, 1000);
    const Result<api::EventsListReply> page = co_await (*client)->call(api::kEventsList, request);
    if (!page) co_return fail(page.error());
    for (const api::Event& event : page->events) show(context, event);
    left -= std::min<std::uint32_t>(left, static_cast<std::uint32_t>(page->events.size()));
    request.cursor = page->next_cursor;
    request.from.reset();
  } while (request.cursor && options.from && left > 0);
  co_return kExitOk;
}

async::Task<Result<int>> follow(Context& context, EventOptions options) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  (*client)->on_notification([&](const std::string& method, Value params) {
    if (method != api::kEvent.name) return;
    Result<Value> argument = api::named_arguments(std::move(params));
    if (!argument) return;
    const Result<api::Event> event = api::decode_reply<api::Event>(std::move(*argument));
    if (event) show(context, *event);
  });
  const Result<api::EventsSubscribeReply> subscribed = co_await (*client)->call(
      api::kEventsSubscribe, {.types = options.types, .sandbox = non_empty(options.sandbox), .from = options.from});
  if (!subscribed) co_return fail(subscribed.error());
  if (context.printer.out().terminal && !context.printer.json()) {
    context.printer.note(fmt::format("Waiting for events from number {} on; Ctrl-C ends it", subscribed->next_seq));
  }
  co_await (*client)->ended();
  co_return fail(Code::unavailable,
                 "the daemon went away, and no more events come; 'swarmctl daemon status' says whether it runs. Go on "
                 "after the last number with --from");
}

}  // namespace

void add_events_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "events", "Show what happened, or what happens",
                                  "  swarmctl events\n"
                                  "  swarmctl events --follow --types 'sandbox.*,exec.ended'\n"
                                  "  swarmctl --json events --follow --from 1200 | jq .type\n");
  auto options = std::make_shared<EventOptions>();
  command.add_flag("-f,--follow", options->follow, "Go on with new events");
  command.add_option("--from", options->from, "Begin with this number")->type_name("N");
  command
      .add_option("--types,--type", options->types, "Only these types, separated by commas; sandbox.* for all of them")
      ->delimiter(',')
      ->type_name("TYPES")
      ->allow_extra_args(false);
  command.add_option("--sandbox", options->sandbox, "Only those of this sandbox")->type_name("SANDBOX");
  command.add_option("-n,--limit", options->limit, "How many, without --follow (20)")->type_name("N");
  command.callback([&selection, options] {
    selection.action = [options](Context& context) {
      return options->follow ? follow(context, *options) : list(context, *options);
    };
  });
}

}  // namespace swarm::client
