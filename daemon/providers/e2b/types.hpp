#pragma once
// What E2B's control plane is told and tells, as plain values. JSON is codec.cpp's business.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/core/clock.hpp"

namespace swarm::e2b {

/// What a sandbox may reach, and who may reach its ports.
struct Network {
  std::vector<std::string> allow_out;  ///< CIDR, address, name or `*.name`; wins over `deny_out`
  std::vector<std::string> deny_out;   ///< CIDR or address
  bool public_traffic = true;          ///< false: ports need the traffic token (envd's has a token of its own)
};

/// The body of a create.
struct NewSandbox {
  std::string template_id;
  std::chrono::seconds timeout{300};
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> env;
  bool secure = true;            ///< envd wants an access token
  std::optional<bool> internet;  ///< false: no egress but `network.allow_out`
  Network network;
  bool auto_pause = false;   ///< at its timeout it is paused instead of killed
  bool auto_resume = false;  ///< traffic wakes it: anybody who knows the URL can, at our cost
  std::string mcp;           ///< a JSON object, or empty
};

enum class State { running, paused };

/// A sandbox as the control plane describes it; what an answer does not say is empty.
struct Remote {
  std::string id;
  std::string template_id;
  std::string alias;
  std::string envd_version;
  std::string envd_token;     ///< secret
  std::string traffic_token;  ///< secret; only in the answers of create and connect
  std::string domain;         ///< where its ports are, when not the configured one
  State state = State::running;
  std::map<std::string, std::string> metadata;
  std::optional<WallTime> started;
  std::optional<WallTime> ends;
  std::optional<std::uint64_t> cpus;
  std::optional<std::uint64_t> memory_mib;
  std::optional<std::uint64_t> disk_mib;
};

/// One page of a list.
struct Page {
  std::vector<Remote> sandboxes;
  std::string next;  ///< empty on the last
};

/// One sample of what a sandbox uses.
struct Sample {
  WallTime time;
  double cpus = 0;
  double cpu_used_percent = 0;
  std::uint64_t memory_used = 0;
  std::uint64_t memory_total = 0;
  std::uint64_t disk_used = 0;
  std::uint64_t disk_total = 0;
};

/// One line of a sandbox's log.
struct LogLine {
  WallTime time;
  std::string level;
  std::string message;
};

/// A step of a template's build, as the service takes it.
struct BuildStep {
  std::string type;
  std::vector<std::string> args;
  std::string files_hash;  ///< of what a COPY copies
};

/// What a build shall do.
struct NewBuild {
  std::string image;          ///< or
  std::string from_template;  ///< one of both
  std::vector<BuildStep> steps;
  std::string start;
  std::string ready;
  bool force = false;
};

/// A build that was asked for.
struct BuildRef {
  std::string template_id;
  std::string build_id;
};

/// Where files of a build go.
struct FilesAddress {
  bool present = false;  ///< the service has them
  std::string url;       ///< secret: whoever has it may write there
};

struct BuildLine {
  WallTime time;
  std::string level;
  std::string message;
  std::string step;
};

/// How a build is doing, and a page of its log.
struct BuildStatus {
  std::string status;  ///< waiting, building, ready, error
  std::vector<BuildLine> lines;
  std::string reason;
};

/// One template of the account.
struct TemplateInfo {
  std::string id;
  std::vector<std::string> names;
  std::uint64_t cpus = 0;
  std::uint64_t memory_mib = 0;
  std::string build_status;
};

}  // namespace swarm::e2b
