#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/money_views.hpp"
#include "client/output/money.hpp"
#include "client/output/sanitizer.hpp"
#include "client/terminal/standard_stream.hpp"
#include "client/transfer/counted.hpp"
#include "protocol/tree/file_ends.hpp"

namespace swarm::client {
namespace {

/// The options that choose costs.
struct FilterOptions {
  std::string since;
  std::string until;
  std::string swarm;
  std::string agent;
  std::string role;
  std::string task;
  std::string label;
};

void add_filter_options(CLI::App& command, FilterOptions& options) {
  command
      .add_option("--since", options.since, "From then on: 2h (ago), today, month, 2026-07-01, 2026-07-01T12:30:00Z")
      ->type_name("TIME");
  command.add_option("--until", options.until, "Before then, likewise")->type_name("TIME");
  command.add_option("--swarm", options.swarm, "Only of this swarm")->type_name("SWARM");
  command.add_option("--agent", options.agent, "Only of this agent")->type_name("AGENT");
  command.add_option("--role", options.role, "Only of this role")->type_name("ROLE");
  command.add_option("--task", options.task, "Only of this task")->type_name("TASK");
  command.add_option("--label", options.label, "Only with this value of the label 'costs.label' names")
      ->type_name("VALUE");
}

Result<api::CostFilter> filter_of(const Context& context, const FilterOptions& options) {
  const auto since = read_moment("--since", options.since, context.now());
  if (!since) return fail(since.error());
  const auto until = read_moment("--until", options.until, context.now());
  if (!until) return fail(until.error());
  return api::CostFilter{.since_us = *since,
                         .until_us = *until,
                         .swarm = non_empty(options.swarm),
                         .agent = non_empty(options.agent),
                         .role = non_empty(options.role),
                         .task = non_empty(options.task),
                         .label = non_empty(options.label),
                         .provider = non_empty(context.globals.provider)};
}

const std::map<std::string, api::CostGroup>& groups() {
  static const std::map<std::string, api::CostGroup> all = {{"all", api::CostGroup::all},
                                                            {"swarm", api::CostGroup::swarm},
                                                            {"agent", api::CostGroup::agent},
                                                            {"role", api::CostGroup::role},
                                                            {"task", api::CostGroup::task},
                                                            {"label", api::CostGroup::label},
                                                            {"day", api::CostGroup::day},
                                                            {"provider", api::CostGroup::provider},
                                                            {"template", api::CostGroup::template_name}};
  return all;
}

struct SummaryOptions {
  FilterOptions filter;
  std::string by = "swarm";
  std::uint32_t limit = 100;
};

async::Task<Result<int>> summary(Context& context, SummaryOptions options) {
  const Result<api::CostFilter> filter = filter_of(context, options.filter);
  if (!filter) co_return fail(filter.error());
  const api::CostGroup by = groups().at(options.by);
  const api::CostSummaryRequest request{.by = by, .filter = *filter, .limit = options.limit};
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::CostSummaryReply> reply = co_await (*client)->call(api::kCostSummary, request);
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
    co_return kExitOk;
  }
  context.printer.table(summary_table(*reply, by, options.by));
  for (const std::string& note : summary_notes(*reply)) context.printer.note(note);
  co_return kExitOk;
}

struct LedgerOptions {
  FilterOptions filter;
  std::uint32_t limit = 20;
};

async::Task<Result<int>> ledger(Context& context, LedgerOptions options) {
  const Result<api::CostFilter> filter = filter_of(context, options.filter);
  if (!filter) co_return fail(filter.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::CostLedgerReply> reply =
      co_await (*client)->call(api::kCostLedger, {.filter = *filter, .limit = options.limit});
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else if (reply->entries.empty()) {
    context.printer.note("Nothing is booked there yet; what runs now is in 'swarmctl cost summary'");
  } else {
    context.printer.table(ledger_table(*reply));
    if (reply->next_cursor) context.printer.note("There are older ones: --limit N shows more, 'cost export' all");
  }
  co_return kExitOk;
}

struct ExportOptions {
  FilterOptions filter;
  std::string format = "csv";
  std::string output;
};

/// The stream's bytes to standard output.
async::Task<Result<std::uint64_t>> print(Context& context, std::unique_ptr<wire::ByteSource> source) {
  Result<std::unique_ptr<StandardStream>> out = StandardStream::open(context.loop, STDOUT_FILENO);
  if (!out) co_return fail(out.error());
  std::uint64_t total = 0;
  for (;;) {
    const Result<std::optional<std::string>> chunk = co_await source->read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) co_return total;
    total += (*chunk)->size();
    const Result<void> written = co_await (*out)->write(std::as_bytes(std::span(**chunk)));
    if (written) continue;
    if (written.error().code == Code::unavailable) end_for_closed_output();
    co_return fail(written.error(), "standard output");
  }
}

async::Task<Result<std::uint64_t>> save(Context& context, std::unique_ptr<wire::ByteSource> source, std::string path) {
  const std::filesystem::path target(path);
  const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
  UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) co_return fail_errno("open", parent.native());
  // Who spends what on which task is nobody else's business.
  auto consumer = tree::FileConsumer::in(
      std::move(directory), {.name = target.filename().native(), .mode = 0600, .existing = tree::Existing::replace});
  if (!consumer) co_return fail(consumer.error());
  Result<std::uint64_t> taken = co_await tree::pump_in(context.loop, *consumer, *source);
  co_return taken;
}

async::Task<Result<int>> export_entries(Context& context, ExportOptions options) {
  const Result<api::CostFilter> filter = filter_of(context, options.filter);
  if (!filter) co_return fail(filter.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const bool json = options.format == "json" || context.printer.json();
  const api::CostExportRequest request{.content = (*client)->connection().new_stream_id(),
                                       .format = json ? api::CostFormat::json : api::CostFormat::csv,
                                       .filter = *filter};
  Result<std::unique_ptr<wire::ByteSource>> source = (*client)->connection().open_source(request.content);
  if (!source) co_return fail(source.error());
  std::optional<Result<api::CostExportReply>> reply;
  std::optional<Result<std::uint64_t>> got;
  async::Task<Result<std::uint64_t>> taking = options.output.empty() || options.output == "-"
                                                  ? print(context, std::move(*source))
                                                  : save(context, std::move(*source), options.output);
  co_await call_with_stream(context.loop, (*client)->call_patiently(api::kCostExport, request), reply,
                            std::move(taking), got);
  const bool we_failed = got && !*got && got->error().code != Code::cancelled && got->error().code != Code::unavailable;
  if (we_failed) co_return fail(got->error());
  if (!*reply) co_return fail(reply->error());
  if (!got || !*got) co_return fail(got ? got->error() : Error{.code = Code::internal, .message = "no entries came"});
  context.printer.note(fmt::format("{} {}", (*reply)->entries, (*reply)->entries == 1 ? "entry" : "entries"));
  co_return kExitOk;
}

struct EstimateOptions {
  std::string template_name;
  double cpus = 2;
  std::string memory;
  std::string duration;
  std::uint32_t count = 1;
};

async::Task<Result<int>> estimate(Context& context, EstimateOptions options) {
  api::CostEstimateRequest request{.cpus = options.cpus, .count = options.count};
  if (!context.globals.provider.empty()) request.provider = context.globals.provider;
  if (!options.template_name.empty()) request.template_name = options.template_name;
  const auto memory = read_size("--memory", options.memory);
  if (!memory) co_return fail(memory.error());
  if (*memory) request.memory_bytes = **memory;
  const auto duration = read_duration("DURATION", options.duration);
  if (!duration) co_return fail(duration.error());
  request.duration_ms = duration->value_or(std::chrono::milliseconds(0));
  Result<int> done = co_await call_and_show(context, api::kCostEstimate, std::move(request),
                                            [](Context& shown, const api::CostEstimateReply& reply) {
                                              shown.printer.line(one_line(reply.arithmetic));
                                              if (reply.price)
                                                shown.printer.note("Price table: " + one_line(*reply.price));
                                            });
  co_return done;
}

}  // namespace

void add_cost_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "cost", "What was spent, on what, and at which prices");

  CLI::App& summing = add_command(group, selection, "summary", "Sum what was spent, with what runs now",
                                  "  swarmctl cost summary\n"
                                  "  swarmctl cost summary --by agent --swarm swm_01J... --since today\n"
                                  "  swarmctl --json cost summary --by day --since month\n");
  auto sum = std::make_shared<SummaryOptions>();
  std::vector<std::string> names;
  for (const auto& [name, value] : groups()) names.push_back(name);
  summing.add_option("--by", sum->by, "What the lines are (swarm)")->check(CLI::IsMember(names))->type_name("WHAT");
  summing.add_option("--limit", sum->limit, "At most so many lines; the total counts all (100)")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  add_filter_options(summing, sum->filter);
  summing.callback(
      [&selection, sum] { selection.action = [sum](Context& context) { return summary(context, *sum); }; });

  CLI::App& listing = add_command(group, selection, "ledger", "Show the last entries of the ledger, newest first",
                                  "  swarmctl cost ledger --limit 50\n"
                                  "  swarmctl cost ledger --since 2h --agent agent-1\n");
  auto rows = std::make_shared<LedgerOptions>();
  listing.add_option("-n,--limit", rows->limit, "How many (20)")->check(CLI::Range(1, 1000))->type_name("N");
  add_filter_options(listing, rows->filter);
  listing.callback(
      [&selection, rows] { selection.action = [rows](Context& context) { return ledger(context, *rows); }; });

  CLI::App& exporting = add_command(group, selection, "export", "Write entries of the ledger as CSV or JSON lines",
                                    "  swarmctl cost export --since month -o costs.csv\n"
                                    "  swarmctl cost export --format json | jq -s 'map(.ns) | add'\n");
  auto out = std::make_shared<ExportOptions>();
  exporting.add_option("--format", out->format, "csv, or json: an object a line (csv)")
      ->check(CLI::IsMember({"csv", "json"}));
  exporting.add_option("-o,--output", out->output, "Where to; else standard output")->type_name("FILE");
  add_filter_options(exporting, out->filter);
  exporting.callback(
      [&selection, out] { selection.action = [out](Context& context) { return export_entries(context, *out); }; });

  CLI::App& prices = add_command(group, selection, "prices", "Show the price tables");
  prices.callback([&selection] {
    selection.action = [](Context& context) {
      return call_and_show(context, api::kCostPrices, {}, [](Context& shown, const api::CostPricesReply& reply) {
        shown.printer.table(prices_table(reply));
      });
    };
  });

  CLI::App& guessing = add_command(group, selection, "estimate", "Say what sandboxes would cost",
                                   "  swarmctl cost estimate 1h --cpus 2 --memory 4GiB --count 10 --provider e2b\n");
  auto guess = std::make_shared<EstimateOptions>();
  guessing.add_option("DURATION", guess->duration, "How long each runs: 30m, 2h")->required();
  guessing.add_option("--cpus", guess->cpus, "vCPUs of each (2)")->type_name("N");
  guessing.add_option("--memory", guess->memory, "Memory of each (2GiB)")->type_name("SIZE");
  guessing.add_option("--count", guess->count, "How many (1)")->type_name("N");
  guessing.add_option("--template", guess->template_name, "What from")->type_name("NAME");
  guessing.callback(
      [&selection, guess] { selection.action = [guess](Context& context) { return estimate(context, *guess); }; });
}

}  // namespace swarm::client
