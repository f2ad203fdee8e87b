#pragma once
// What the daemon calls on agentd, over the tunnel. The calls that clients know too carry the same name and the same
// struct, without `sandbox`: the tunnel is the sandbox. The daemon alone calls them; no program inside reaches them.

#include "protocol/api/exec.hpp"
#include "protocol/api/files_transfer.hpp"
#include "protocol/api/forward.hpp"
#include "protocol/api/sandbox_types.hpp"

namespace swarm::api {

struct AgentdInfoReply {
  std::string version;
  std::string instance;
  std::uint32_t pid = 0;
  std::int64_t started_us = 0;
  std::vector<std::string> features;
  Identity identity = Identity::unknown;
  std::string user;
  Path workspace;
  std::vector<LimitStatus> limits;
  SystemInfo system;
  bool operator==(const AgentdInfoReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdInfoReply", "The agentd of a sandbox.");
    d.field("version", &AgentdInfoReply::version, "Its version.").required();
    d.field("instance", &AgentdInfoReply::instance, "Differs after every start of agentd.").required();
    d.field("pid", &AgentdInfoReply::pid, "Its process id inside.").required();
    d.field("started_us", &AgentdInfoReply::started_us, "When it started, UTC.").required();
    d.field("features", &AgentdInfoReply::features, "Named features that it knows.");
    d.field("identity", &AgentdInfoReply::identity, "How sure it can be who inside speaks.");
    d.field("user", &AgentdInfoReply::user, "As whom programs run unless asked otherwise.");
    d.field("workspace", &AgentdInfoReply::workspace, "Where work is.");
    d.field("limits", &AgentdInfoReply::limits, "Limits that it holds itself.");
    d.field("system", &AgentdInfoReply::system, "The system that it sees.");
  }
};

/// Something that happened inside; `type` and `data` are those of an event of the daemon's log.
struct AgentdEvent {
  std::int64_t seq = 0;
  std::string type;
  Value data;
  bool operator==(const AgentdEvent&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdEvent", "Something that happened in a sandbox.");
    d.field("seq", &AgentdEvent::seq, "Counted from 1 after every start of agentd.").required();
    d.field("type", &AgentdEvent::type, "`exec.started`, `exec.ended` or `git.committed`.").required();
    d.field("data", &AgentdEvent::data, "As the event's type has it.").required();
  }
};

struct AgentdEventsRequest {
  std::int64_t after = 0;
  bool operator==(const AgentdEventsRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdEventsRequest", "Which events.");
    d.field("after", &AgentdEventsRequest::after, "Those behind this number; none is kept that was asked behind.")
        .min(0);
  }
};

struct AgentdEventsReply {
  std::string instance;
  std::vector<AgentdEvent> events;
  bool operator==(const AgentdEventsReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdEventsReply", "What happened.");
    d.field("instance", &AgentdEventsReply::instance, "Of which agentd these numbers are.").required();
    d.field("events", &AgentdEventsReply::events, "In order, at least one. A gap: more happened than is kept.")
        .required();
  }
};

struct AgentdKeepaliveRequest {
  std::chrono::milliseconds ttl_ms{0};
  bool operator==(const AgentdKeepaliveRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdKeepaliveRequest", "The lease of a sandbox, as its agentd has to know it.");
    d.field("ttl_ms", &AgentdKeepaliveRequest::ttl_ms, "End the sandbox this long from now unless told again.")
        .required()
        .min(1000);
  }
};

struct AgentdKeepaliveReply {
  std::int64_t time_us = 0;
  std::uint64_t running = 0;
  bool operator==(const AgentdKeepaliveReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdKeepaliveReply", "Heard.");
    d.field("time_us", &AgentdKeepaliveReply::time_us, "The clock inside, UTC.").required();
    d.field("running", &AgentdKeepaliveReply::running, "Programs that run.").required();
  }
};

struct AgentdShutdownRequest {
  std::chrono::milliseconds grace_ms{2000};
  std::string reason;
  bool operator==(const AgentdShutdownRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdShutdownRequest", "How to end a sandbox from inside.");
    d.field("grace_ms", &AgentdShutdownRequest::grace_ms, "Time for programs between TERM and KILL.").max(600'000);
    d.field("reason", &AgentdShutdownRequest::reason, "Why, for the log.").max_length(500);
  }
};

struct AgentdResumedRequest {
  std::chrono::milliseconds paused_ms{0};
  bool operator==(const AgentdResumedRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("AgentdResumedRequest", "A pause is over.");
    d.field("paused_ms", &AgentdResumedRequest::paused_ms, "How long it was; every deadline inside moves by it.")
        .required();
  }
};

/// The methods as agentd serves them.
namespace inside {

/// The same method, called by the daemon on agentd.
constexpr MethodInfo on_agentd(MethodInfo method) {
  method.caller = Caller::daemon;
  return method;
}

inline constexpr Method<AgentdEventsRequest, AgentdEventsReply> kAgentdEvents{{
    .name = "agentd.events",
    .doc = "What happened inside since; answers when there is something.",
    .caller = Caller::daemon,
}};
inline constexpr Method<Empty, AgentdInfoReply> kAgentdInfo{{
    .name = "agentd.info",
    .doc = "Says which agentd this is and what it sees.",
    .caller = Caller::daemon,
}};
inline constexpr Method<AgentdKeepaliveRequest, AgentdKeepaliveReply> kAgentdKeepalive{{
    .name = "agentd.keepalive",
    .doc = "Winds up the dead-man's timer: when it runs down, agentd ends the sandbox by itself.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
}};
inline constexpr Method<AgentdShutdownRequest, Empty> kAgentdShutdown{{
    .name = "agentd.shutdown",
    .doc = "Ends every program and then the sandbox. Answers when that has begun.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
}};
inline constexpr Method<AgentdResumedRequest, Empty> kAgentdResumed{{
    .name = "agentd.resumed",
    .doc = "Tells how long a pause was.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
}};

inline constexpr Method<Empty, SandboxMetrics> kSandboxMetrics{{
    .name = "sandbox.metrics",
    .doc = "What the sandbox uses now.",
    .caller = Caller::daemon,
}};

inline constexpr Method<ExecStartRequest, ExecStartReply> kExecStart{on_agentd(api::kExecStart)};
inline constexpr Method<ExecWaitRequest, ExecStatus> kExecWait{on_agentd(api::kExecWait)};
inline constexpr Method<ExecListRequest, ExecListReply> kExecList{on_agentd(api::kExecList)};
inline constexpr Method<ExecAttachRequest, ExecAttachReply> kExecAttach{on_agentd(api::kExecAttach)};
inline constexpr Method<ExecResizeRequest, Empty> kExecResize{on_agentd(api::kExecResize)};
inline constexpr Method<ExecSignalRequest, Empty> kExecSignal{on_agentd(api::kExecSignal)};
inline constexpr Method<ExecKillRequest, ExecStatus> kExecKill{on_agentd(api::kExecKill)};

inline constexpr Method<FilesReadRequest, FilesReadReply> kFilesRead{on_agentd(api::kFilesRead)};
inline constexpr Method<FilesWriteRequest, FileInfo> kFilesWrite{on_agentd(api::kFilesWrite)};
inline constexpr Method<FilesAppendRequest, FileInfo> kFilesAppend{on_agentd(api::kFilesAppend)};
inline constexpr Method<FilesListRequest, FilesListReply> kFilesList{on_agentd(api::kFilesList)};
inline constexpr Method<FilesStatRequest, FileInfo> kFilesStat{on_agentd(api::kFilesStat)};
inline constexpr Method<FilesMkdirRequest, FileInfo> kFilesMkdir{on_agentd(api::kFilesMkdir)};
inline constexpr Method<FilesRemoveRequest, FilesRemoveReply> kFilesRemove{on_agentd(api::kFilesRemove)};
inline constexpr Method<FilesRenameRequest, FileInfo> kFilesRename{on_agentd(api::kFilesRename)};
inline constexpr Method<FilesChmodRequest, FilesChmodReply> kFilesChmod{on_agentd(api::kFilesChmod)};
inline constexpr Method<FilesGlobRequest, FilesGlobReply> kFilesGlob{on_agentd(api::kFilesGlob)};
inline constexpr Method<FilesWatchRequest, FilesWatchReply> kFilesWatch{on_agentd(api::kFilesWatch)};
inline constexpr Method<FilesUnwatchRequest, Empty> kFilesUnwatch{on_agentd(api::kFilesUnwatch)};
inline constexpr Method<FilesUploadRequest, FileInfo> kFilesUpload{on_agentd(api::kFilesUpload)};
inline constexpr Method<FilesDownloadRequest, FileInfo> kFilesDownload{on_agentd(api::kFilesDownload)};
inline constexpr Method<FilesUploadTreeRequest, FilesTreeReply> kFilesUploadTree{on_agentd(api::kFilesUploadTree)};
inline constexpr Method<FilesDownloadTreeRequest, FilesTreeReply> kFilesDownloadTree{
    on_agentd(api::kFilesDownloadTree)};

inline constexpr Method<ForwardDialRequest, Empty> kForwardDial{{
    .name = "forward.dial",
    .doc = "Connects to a port inside; the stream is the connection. Answers when it stands.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::unavailable, "nothing listens there"}},
}};
inline constexpr Method<ForwardListenRequest, ForwardListenReply> kForwardListen{{
    .name = "forward.listen",
    .doc = "Listens on a loopback port inside.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::already_exists, "the port is taken"}},
}};
inline constexpr Method<ForwardAcceptRequest, ForwardAcceptReply> kForwardAccept{{
    .name = "forward.accept",
    .doc = "Waits for the next connection to a listening port; the stream is the connection. Several calls may wait.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such listening port, or it was closed"}},
}};
inline constexpr Method<ForwardCloseRequest, Empty> kForwardClose{{
    .name = "forward.close",
    .doc = "Closes a listening port; connections that stand go on.",
    .caller = Caller::daemon,
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such listening port"}},
}};

}  // namespace inside

std::span<const MethodInfo* const> agentd_own_methods();

}  // namespace swarm::api
