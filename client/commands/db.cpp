#include <fmt/format.h>

#include <filesystem>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/daemon_program.hpp"
#include "client/output/human.hpp"
#include "client/output/progress.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/db.hpp"
#include "protocol/api/json.hpp"

namespace swarm::client {
namespace {

struct DbOptions {
  std::string file;
  std::string config;
  bool system = false;
};

// A large database takes about two milliseconds a mebibyte.
constexpr Duration kDbPatience = std::chrono::minutes(30);

/// What the daemon's own program says of the database that no daemon has open.
template <class Reply>
async::Task<Result<Reply>> offline(Context& context, std::string verb, DbOptions options) {
  std::vector<std::string> words{"db", std::move(verb)};
  if (!options.file.empty()) words.push_back(std::filesystem::absolute(options.file).native());
  if (options.system) words.emplace_back("--system");
  if (!options.config.empty()) {
    words.insert(words.end(), {"--config", std::filesystem::absolute(options.config).native()});
  }
  const Result<async::CommandOutput> run =
      co_await run_daemon_program(context, std::move(words), context.timeout.value_or(kDbPatience));
  if (!run) co_return fail(run.error());
  if (run->status.code != 0 || run->status.signal != 0) {
    std::string why = run->err;
    why.erase(why.find_last_not_of("\n ") + 1);
    co_return fail(Code::failed_precondition, why.empty() ? "swarmd db ended without a word" : why);
  }
  Result<Value> value = api::value_from_json(run->out);
  if (!value) co_return fail(value.error(), "swarmd db");
  co_return api::decode_reply<Reply>(std::move(*value));
}

/// Asks the daemon where one runs (and its configuration is meant), else its program.
template <class Req, class Reply>
async::Task<Result<Reply>> ask(Context& context, const api::Method<Req, Reply>& method, Req request, std::string verb,
                               DbOptions options) {
  if (options.config.empty() && !options.system) {
    Result<std::unique_ptr<Client>> client = co_await Client::open(context, Start::forbidden);
    if (client) {
      Result<Reply> reply = co_await (*client)->call_patiently(method, request);
      co_return reply;
    }
    if (client.error().code != Code::unavailable) co_return fail(client.error());
  }
  Result<Reply> reply = co_await offline<Reply>(context, std::move(verb), std::move(options));
  co_return reply;
}

async::Task<Result<int>> db_check(Context& context, DbOptions options) {
  Progress progress(context, "Reading the whole database");
  const Result<api::DatabaseCheckReply> reply =
      co_await ask(context, api::kDatabaseCheck, api::Empty{}, "check", std::move(options));
  progress.finish();
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else if (reply->sound) {
    context.printer.line(one_line(reply->path.bytes) + " is sound");
  } else {
    for (const std::string& problem : reply->problems) context.printer.line(one_line(problem));
    context.printer.warning(
        fmt::format("{} is damaged; stop the daemon and go back to a copy: 'swarmctl db restore "
                    "FILE'. The damaged file is kept beside it",
                    one_line(reply->path.bytes)));
  }
  co_return reply->sound ? kExitOk : kExitFailed;
}

async::Task<Result<int>> db_backup(Context& context, DbOptions options) {
  options.file = std::filesystem::absolute(options.file).native();  // the daemon writes it, from another directory
  Progress progress(context, "Copying the database");
  const Result<api::DatabaseBackupReply> reply = co_await ask(
      context, api::kDatabaseBackup, api::DatabaseBackupRequest{.target = options.file}, "backup", options);
  progress.finish();
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else {
    context.printer.line(fmt::format("{} ({})", one_line(reply->target.bytes), human_size(reply->size_bytes)));
  }
  co_return kExitOk;
}

async::Task<Result<int>> db_restore(Context& context, DbOptions options) {
  if (options.config.empty() && !options.system) {
    const Result<Reached> running = co_await reach(context);
    if (running) {
      co_return fail(Code::failed_precondition,
                     "the daemon has the database open; stop it first: 'swarmctl daemon stop'. Sandboxes live on");
    }
  }
  Progress progress(context, "Putting the copy in place");
  const Result<api::DatabaseRestoreReply> reply =
      co_await offline<api::DatabaseRestoreReply>(context, "restore", std::move(options));
  progress.finish();
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
    co_return kExitOk;
  }
  context.printer.line(one_line(reply->path.bytes) + " is what the copy was");
  if (reply->replaced) context.printer.line("The database before is kept: " + one_line(reply->replaced->bytes));
  co_return kExitOk;
}

}  // namespace

void add_db_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "db", "Look for damage in the daemon's database, copy it, put a copy back");
  const auto add = [&group, &selection](const std::string& name, const std::string& help, const std::string& examples,
                                        const char* file, auto run) {
    CLI::App& command = add_command(group, selection, name, help, examples);
    auto options = std::make_shared<DbOptions>();
    if (file != nullptr) command.add_option("FILE", options->file, file)->required();
    command.add_option("--config", options->config, "Where no daemon runs: its configuration file")->type_name("FILE");
    command.add_flag("--system", options->system, "The machine's daemon, not this user's");
    command.callback([&selection, options, run] {
      selection.action = [options, run](Context& context) { return run(context, *options); };
    });
  };
  add("check", "Read the whole database and look for damage", "  swarmctl db check\n", nullptr, db_check);
  add("backup", "Write a consistent copy to a file, while everything goes on",
      "  swarmctl db backup ~/swarmd-$(date +%F).db\n", "Where no file is yet", db_backup);
  add("restore", "Put a copy in the place of the database, while no daemon runs",
      "  swarmctl daemon stop\n  swarmctl db restore ~/swarmd-2026-03-01.db\n", "A copy made by 'db backup'",
      db_restore);
}

}  // namespace swarm::client
