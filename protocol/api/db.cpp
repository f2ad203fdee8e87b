#include "protocol/api/db.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<DatabaseCheckReply>();
template const TypeInfo& type_of<DatabaseBackupRequest>();
template const TypeInfo& type_of<DatabaseBackupReply>();
template const TypeInfo& type_of<DatabaseRestoreReply>();

std::span<const MethodInfo* const> database_methods() {
  static constexpr std::array<const MethodInfo*, 2> kAll = {&kDatabaseCheck, &kDatabaseBackup};
  return kAll;
}

}  // namespace swarm::api
