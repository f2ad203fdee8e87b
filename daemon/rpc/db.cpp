#include "protocol/api/db.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "daemon/rpc/services.hpp"

namespace swarm::rpc {
namespace {

async::Task<Result<api::DatabaseCheckReply>> check(Services& services) {
  Result<std::vector<std::string>> problems = co_await services.store.check_integrity();
  if (!problems) co_return fail(problems.error());
  api::DatabaseCheckReply reply{.path = services.store.path(), .sound = problems->empty()};
  reply.problems = std::move(*problems);
  co_return reply;
}

async::Task<Result<api::DatabaseBackupReply>> backup(Services& services, api::DatabaseBackupRequest request) {
  const std::filesystem::path target = request.target.bytes;
  if (!target.is_absolute()) {
    co_return fail(Code::invalid_argument,
                   fmt::format("'target': '{}' is not an absolute path; the daemon's working directory is not yours",
                               target.native()));
  }
  const Result<void> written = co_await services.store.backup_to(target.native());
  if (!written) co_return fail(written.error());
  std::error_code failed;
  const auto size = std::filesystem::file_size(target, failed);
  co_return api::DatabaseBackupReply{.target = target.native(), .size_bytes = failed ? 0 : size};
}

}  // namespace

void add_db_methods(wire::Router& router, Services& services) {
  router.bind(api::kDatabaseCheck, [&services](wire::CallContext&, api::Empty) { return check(services); });
  router.bind(api::kDatabaseBackup, [&services](wire::CallContext&, api::DatabaseBackupRequest request) {
    return backup(services, std::move(request));
  });
}

}  // namespace swarm::rpc
