#pragma once
// What the provider writes down about a sandbox, in its directory, before and after it is started. Sandboxes outlive
// the daemon: this file is how the next one finds them, or finds what a crash in the middle of a create left behind.

#include <string>

#include "daemon/providers/local/cgroup.hpp"
#include "daemon/providers/local/identity.hpp"
#include "daemon/providers/local/process_ref.hpp"
#include "protocol/api/sandbox_types.hpp"
#include "protocol/core/clock.hpp"

namespace swarm::local {

/// Everything that is needed to use, pause, end and remove a sandbox. Holds no secret.
struct Record {
  std::string id;
  std::string owner;
  std::string template_name;
  WallTime created;
  std::uint64_t begun_ticks = 0;  ///< when the launch began, as /proc/PID/stat counts
  ProcessRef init;                ///< pid 0 until it was started
  ProcessRef monitor;
  IdentityPlan identity;
  CgroupSet cgroups;
  bool paused = false;
  std::string over;  ///< paused by us because of a limit: which, in a sentence; else empty
  bool nested_userns = false;
  bool disk = true;  ///< its files are in "files" beside this record
  std::uint64_t disk_limit_bytes = 0;
  std::vector<api::LimitStatus> limits;
  std::vector<std::string> weaknesses;
  api::NetworkPolicy network;
};

/// The record as JSON text.
std::string encode(const Record& record);

/// The inverse; `internal` with the reason for text that no version of ours has written.
Result<Record> decode_record(const std::string& text);

}  // namespace swarm::local
