#include "daemon/db_main.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "daemon/config/report.hpp"
#include "daemon/options.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/db.hpp"
#include "protocol/api/json.hpp"
#include "protocol/core/version.hpp"
#include "protocol/places/places.hpp"
#include "protocol/store/files.hpp"
#include "protocol/store/maintenance.hpp"

namespace swarm {
namespace {

constexpr int kFailed = 1;
constexpr int kDbUsage = 2;

int refuse(std::string_view message, int status) {
  fmt::print(stderr, "{}\n", message);
  return status;
}

template <class T>
int print(const T& reply) {
  fmt::print("{}\n", api::to_json(api::encode(reply)));
  return 0;
}

store::Identity identity() { return {.program = fmt::format("swarmd {}", kVersion)}; }

/// The database, if it is ours and nobody has it open.
struct Opened {
  UniqueFd lock;
  store::Database db;
};
Result<Opened> open(const std::string& path) {
  if (!store::file_exists(path)) {
    return fail(Code::not_found, fmt::format("there is no database at '{}' yet; the daemon makes it when it first "
                                             "starts",
                                             path));
  }
  Result<UniqueFd> lock = store::lock_file(path + ".lock");
  if (!lock) return fail(lock.error());
  // For writing: the log beside it is read only so.
  Result<store::Database> db = store::open_or_create(path, identity(), {});
  if (!db) return fail(db.error());
  return Opened{.lock = std::move(*lock), .db = std::move(*db)};
}

int check(const std::string& path) {
  Result<Opened> opened = open(path);
  if (!opened) return refuse(opened.error().message, kFailed);
  const Result<store::CheckReport> report = store::check(opened->db);
  if (!report) return refuse(report.error().message, kFailed);
  return print(api::DatabaseCheckReply{.path = path, .sound = report->sound(), .problems = report->problems});
}

int backup(const std::string& path, const std::string& target) {
  Result<Opened> opened = open(path);
  if (!opened) return refuse(opened.error().message, kFailed);
  const Result<void> done = store::backup(opened->db, target, store::Overwrite::no);
  if (!done) return refuse(done.error().message, kFailed);
  std::error_code failed;
  const auto size = std::filesystem::file_size(target, failed);
  return print(api::DatabaseBackupReply{.target = target, .size_bytes = failed ? 0 : size});
}

int restore(const std::string& path, const std::string& source) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const Result<store::RestoreOutcome> done = store::restore(source, path, identity());
  if (!done) return refuse(done.error().message, kFailed);
  api::DatabaseRestoreReply reply{.path = path, .epoch = static_cast<std::uint64_t>(done->epoch)};
  if (!done->replaced.empty()) reply.replaced = api::Path(done->replaced);
  return print(reply);
}

}  // namespace

int db_main(int argc, const char* const* argv) {
  std::vector<std::string> words;
  std::vector<const char*> rest{argv[0]};
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--config" && i + 1 < argc) {
      rest.insert(rest.end(), {argv[i], argv[i + 1]});
      ++i;
    } else if (word.starts_with('-')) {
      rest.push_back(argv[i]);
    } else {
      words.emplace_back(word);
    }
  }
  const std::string verb = words.empty() ? "" : words.front();
  const bool known =
      (verb == "check" && words.size() == 1) || ((verb == "backup" || verb == "restore") && words.size() == 2);
  if (!known)
    return refuse("expected 'swarmd db check', 'swarmd db backup FILE' or 'swarmd db restore FILE'", kDbUsage);

  const ParsedOptions parsed = parse_options(static_cast<int>(rest.size()), rest.data());
  if (!parsed.options) return parsed.exit_code;
  const Options& options = *parsed.options;
  const Result<Places> places =
      Places::find(Surroundings::current(options.system ? Surroundings::Mode::system : Surroundings::Mode::user));
  if (!places) return refuse(places.error().message, kDbUsage);
  const auto loaded =
      config::load({.path = options.config.value_or(places->config_file),
                    .file = options.config ? config::Sources::File::must_exist : config::Sources::File::may_be_missing,
                    .environment = config::process_environment(),
                    .flags = options.flags});
  if (!loaded) return refuse(config::to_string(loaded.error()), kFailed);
  const std::filesystem::path& named = loaded->config.store.path;
  const std::string path = (named.empty() ? places->database / "swarmd.db" : named).native();
  if (verb == "check") return check(path);
  const std::string file = std::filesystem::absolute(words.at(1)).native();
  return verb == "backup" ? backup(path, file) : restore(path, file);
}

}  // namespace swarm
