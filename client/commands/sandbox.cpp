#include "client/commands/sandbox_views.hpp"

#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/commands.hpp"
#include "client/connect.hpp"
#include "client/exit_codes.hpp"
#include "client/output/human.hpp"
#include "client/output/progress.hpp"
#include "client/output/table_stream.hpp"

namespace swarm::client {
namespace {

struct ListOptions {
  bool all = false;
  bool ids_only = false;
  std::vector<std::string> labels;
  std::string template_name;
  std::uint32_t limit = 0;
};

// A screen or two at once, then as many as an answer holds.
constexpr std::uint32_t kFirstPage = 100;
constexpr std::uint32_t kNextPages = 1000;

/// Prints pages of sandboxes, each as it arrives.
class Listing {
 public:
  Listing(Context& context, bool ids_only) : context_(context), ids_only_(ids_only || context.printer.quiet()) {}

  void add(std::vector<api::SandboxInfo> page) {
    if (context_.printer.json()) {
      std::ranges::move(page, std::back_inserter(all_.sandboxes));
      return;
    }
    any_ = any_ || !page.empty();
    if (ids_only_) {
      std::string lines;
      for (const api::SandboxInfo& sandbox : page) lines += sandbox.id + "\n";
      context_.printer.text(lines);
      return;
    }
    if (page.empty()) return;
    // The first with a name after pages without any begins the table anew, with that column.
    const bool named = named_ || any_named(page);
    if (!table_ || named != named_) {
      table_.emplace(sandbox_columns(named), context_.printer.out().columns, context_.printer.paint());
    }
    named_ = named;
    context_.printer.text(table_->part(sandbox_rows(page, context_.now(), named_)));
  }

  void end() {
    if (context_.printer.json()) {
      context_.printer.document_of(all_);
    } else if (!any_ && !ids_only_) {
      context_.printer.note("There are no sandboxes; 'swarmctl sandbox create' makes one");
    }
  }

 private:
  Context& context_;
  bool ids_only_;
  bool any_ = false;
  bool named_ = false;
  std::optional<TableStream> table_;
  api::SandboxListReply all_;
};

async::Task<Result<int>> list(Context& context, ListOptions options) {
  const auto labels = read_pairs("--label", options.labels);
  if (!labels) co_return fail(labels.error());
  api::SandboxListRequest request{.labels = *labels,
                                  .provider = non_empty(context.globals.provider),
                                  .template_name = non_empty(options.template_name),
                                  .all = options.all};
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  // Shown as they come, the first page soon; a JSON document is one, and waits for all.
  Listing listing(context, options.ids_only);
  std::uint32_t left = options.limit == 0 ? UINT32_MAX : options.limit;
  request.limit = std::min(left, kFirstPage);
  for (;;) {
    Result<api::SandboxListReply> page = co_await (*client)->call(api::kSandboxList, request);
    if (!page) co_return fail(page.error());
    if (page->sandboxes.size() > left) page->sandboxes.resize(left);  // it need not have kept to what was asked
    left -= static_cast<std::uint32_t>(page->sandboxes.size());
    request.cursor = page->next_cursor;
    listing.add(std::move(page->sandboxes));
    if (!request.cursor || left == 0) break;
    request.limit = std::min(left, kNextPages);
  }
  listing.end();
  co_return kExitOk;
}

async::Task<Result<int>> info(Context& context, std::string sandbox) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SandboxInfo> found = co_await (*client)->call(api::kSandboxInfo, {{}, sandbox});
  if (!found) co_return fail(found.error());
  if (context.printer.json()) {
    context.printer.document_of(*found);
  } else {
    context.printer.fields(sandbox_fields(*found, context.now()));
  }
  co_return kExitOk;
}

struct KillOptions {
  std::vector<std::string> sandboxes;
  bool all = false;
  std::string grace;
  std::string reason;
};

async::Task<Result<std::vector<std::string>>> every_sandbox(Client& client, std::string provider) {
  api::SandboxListRequest request{.provider = non_empty(provider)};
  std::vector<std::string> ids;
  do {
    const Result<api::SandboxListReply> page = co_await client.call(api::kSandboxList, request);
    if (!page) co_return fail(page.error());
    for (const api::SandboxInfo& sandbox : page->sandboxes) ids.push_back(sandbox.id);
    request.cursor = page->next_cursor;
  } while (request.cursor);
  co_return ids;
}

async::Task<Result<int>> kill(Context& context, KillOptions options) {
  if (options.sandboxes.empty() == !options.all) {
    co_return fail(Code::invalid_argument, "name the sandboxes to end, or say --all; 'swarmctl sandbox ls' lists them");
  }
  const auto grace = read_duration("--grace", options.grace);
  if (!grace) co_return fail(grace.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  if (options.all) {
    Result<std::vector<std::string>> ids = co_await every_sandbox(**client, context.globals.provider);
    if (!ids) co_return fail(ids.error());
    options.sandboxes = std::move(*ids);
    if (options.sandboxes.empty()) context.printer.note("There are no sandboxes");
  }
  int status = kExitOk;
  for (const std::string& name : options.sandboxes) {
    api::InSandbox<api::SandboxKillRequest> request;
    request.sandbox = name;
    if (*grace) request.grace_ms = **grace;
    request.reason = non_empty(options.reason);
    Progress progress(context, "Ending " + name);
    const Result<api::SandboxInfo> ended = co_await (*client)->call(api::kSandboxKill, request);
    progress.finish();
    if (!ended) {
      // The others are still ended: one name that is wrong must not keep the rest alive.
      context.printer.error(ended.error());
      status = exit_of(ended.error());
      continue;
    }
    if (context.printer.json()) {
      context.printer.json_line(api::encode(*ended));
    } else {
      context.printer.line(ended->id);
    }
  }
  co_return status;
}

async::Task<Result<int>> metrics(Context& context, std::string sandbox) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SandboxMetrics> measured = co_await (*client)->call(api::kSandboxMetrics, {{}, sandbox});
  if (!measured) co_return fail(measured.error());
  if (context.printer.json()) {
    context.printer.document_of(*measured);
    co_return kExitOk;
  }
  context.printer.fields(metrics_fields(*measured));
  if (!measured->top.empty()) {
    context.printer.line("");
    context.printer.table(processes_table(*measured));
  }
  co_return kExitOk;
}

async::Task<Result<int>> extend(Context& context, std::string sandbox, std::string lease) {
  const auto wanted = read_duration("LEASE", lease);
  if (!wanted) co_return fail(wanted.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  api::InSandbox<api::SandboxExtendRequest> request;
  request.sandbox = sandbox;
  request.lease_ms = wanted->value_or(std::chrono::milliseconds(0));
  const Result<api::SandboxExtendReply> reply = co_await (*client)->call(api::kSandboxExtend, request);
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    context.printer.line(fmt::format("It lives until {} ({}) unless it is used", local_time(reply->lease_expires_us),
                                     human_until(context.now(), reply->lease_expires_us)));
  }
  co_return kExitOk;
}

async::Task<Result<int>> resize(Context& context, std::string sandbox, std::string disk) {
  const auto wanted = read_size("--disk", disk);
  if (!wanted) co_return fail(wanted.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  api::InSandbox<api::SandboxResizeRequest> request;
  request.sandbox = sandbox;
  request.disk_bytes = wanted->value_or(0);
  const Result<api::SandboxInfo> changed = co_await (*client)->call(api::kSandboxResize, request);
  if (!changed) co_return fail(changed.error());
  if (context.printer.json()) {
    context.printer.document_of(*changed);
  } else {
    context.printer.line(fmt::format("{} may write {} and is {}", changed->id, human_size(request.disk_bytes),
                                     state_name(changed->state)));
  }
  co_return kExitOk;
}

template <class Method>
async::Task<Result<int>> change(Context& context, const Method& method, std::string sandbox) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SandboxInfo> changed = co_await (*client)->call(method, {{}, sandbox});
  if (!changed) co_return fail(changed.error());
  if (context.printer.json()) {
    context.printer.document_of(*changed);
  } else {
    context.printer.line(fmt::format("{} is {}", changed->id, state_name(changed->state)));
  }
  co_return kExitOk;
}

/// A subcommand with one sandbox as its only argument.
template <class F>
void add_simple(CLI::App& group, Selection& selection, const std::string& name, const std::string& help, F run) {
  CLI::App& command = add_command(group, selection, name, help);
  auto sandbox = std::make_shared<std::string>();
  add_sandbox_argument(command, *sandbox);
  command.callback([&selection, sandbox, run] {
    selection.action = [sandbox, run](Context& context) { return run(context, *sandbox); };
  });
}

}  // namespace

void add_sandbox_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "sandbox", "Make, list and end sandboxes");
  group.alias("sb");
  add_sandbox_create(group, selection);

  CLI::App& ls = add_command(group, selection, "ls", "List sandboxes",
                             "  swarmctl sandbox ls\n"
                             "  swarmctl sandbox ls --all --label team=web\n"
                             "  swarmctl sandbox kill $(swarmctl sandbox ls --ids)\n");
  ls.alias("list");
  auto list_options = std::make_shared<ListOptions>();
  ls.add_flag("-a,--all", list_options->all, "Also those that are gone, lost or failed");
  ls.add_flag("--ids", list_options->ids_only, "Print only ids, one a line");
  ls.add_option("--label", list_options->labels, "Only those with this label; may be repeated")->type_name("KEY=VALUE");
  ls.add_option("--template", list_options->template_name, "Only those made from this template")->type_name("NAME");
  ls.add_option("--limit", list_options->limit, "At most so many")->type_name("N");
  ls.callback([&selection, list_options] {
    selection.action = [list_options](Context& context) { return list(context, *list_options); };
  });

  add_simple(group, selection, "info", "Say everything about a sandbox", info);

  CLI::App& killing = add_command(group, selection, "kill", "End sandboxes and remove what they kept",
                                  "  swarmctl sandbox kill web\n"
                                  "  swarmctl sandbox kill --all --grace 0\n");
  killing.alias("rm");
  auto kill_options = std::make_shared<KillOptions>();
  killing.add_option("SANDBOX", kill_options->sandboxes, "Ids, unique beginnings of them, or names");
  killing.add_flag("--all", kill_options->all, "Every sandbox (of --provider, when given)");
  killing.add_option("--grace", kill_options->grace, "Time for its programs between TERM and KILL (2s)")
      ->type_name("DURATION");
  killing.add_option("--reason", kill_options->reason, "Why, for the record")->type_name("TEXT");
  killing.callback([&selection, kill_options] {
    selection.action = [kill_options](Context& context) { return kill(context, *kill_options); };
  });

  add_simple(group, selection, "metrics", "Show what a sandbox uses now", metrics);

  CLI::App& extending =
      add_command(group, selection, "extend", "Let a sandbox live longer", "  swarmctl sandbox extend web 2h\n");
  auto extend_sandbox = std::make_shared<std::string>();
  auto lease = std::make_shared<std::string>();
  add_sandbox_argument(extending, *extend_sandbox);
  extending.add_option("LEASE", *lease, "At least this long from now: 30m, 2h")->required();
  extending.callback([&selection, extend_sandbox, lease] {
    selection.action = [extend_sandbox, lease](Context& context) { return extend(context, *extend_sandbox, *lease); };
  });

  add_simple(
      group, selection, "pause", "Stop every program in a sandbox until it is resumed",
      [](Context& context, std::string sandbox) { return change(context, api::kSandboxPause, std::move(sandbox)); });
  add_simple(group, selection, "resume", "Let a paused sandbox go on", [](Context& context, std::string sandbox) {
    return change(context, api::kSandboxResume, std::move(sandbox));
  });

  CLI::App& resizing =
      add_command(group, selection, "resize", "Change what a sandbox may write; one that wrote too much goes on",
                  "  swarmctl sandbox resize web --disk 20GiB\n");
  auto resized = std::make_shared<std::string>();
  auto disk = std::make_shared<std::string>();
  add_sandbox_argument(resizing, *resized);
  resizing.add_option("--disk", *disk, "What it may write in all")->type_name("SIZE")->required();
  resizing.callback([&selection, resized, disk] {
    selection.action = [resized, disk](Context& context) { return resize(context, *resized, *disk); };
  });
}

}  // namespace swarm::client
