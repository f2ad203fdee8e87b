#pragma once
// A sandbox as E2B's API sees it: what our own sandboxes do not know of themselves, kept in a table of its own.

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "protocol/api/sandbox_types.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/store/store.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::e2b_endpoint {

/// What is kept of one over restarts.
struct BoxRecord {
  std::string id;
  std::string template_id;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> env;
  bool secure = true;
  bool public_traffic = true;
  bool auto_pause = false;
  bool auto_resume = false;
  std::optional<bool> internet;
  Value network;
  std::int64_t started_us = 0;
  std::int64_t end_us = 0;
  std::int64_t timeout_s = 0;

  template <class D>
  static void describe(D& d) {
    d.type("E2bSandboxRecord", "What the E2B endpoint keeps of a sandbox.");
    d.field("id", &BoxRecord::id, "Its id.").required();
    d.field("template", &BoxRecord::template_id, "The template as it was asked for.");
    d.field("metadata", &BoxRecord::metadata, "The caller's marks.");
    d.field("env", &BoxRecord::env, "Environment of every process.").secret();
    d.field("secure", &BoxRecord::secure, "envd asks for the access token.");
    d.field("public_traffic", &BoxRecord::public_traffic, "Ports need no traffic token.");
    d.field("auto_pause", &BoxRecord::auto_pause, "Its timeout pauses it.");
    d.field("auto_resume", &BoxRecord::auto_resume, "Traffic wakes it.");
    d.field("internet", &BoxRecord::internet, "As it was asked for.");
    d.field("network", &BoxRecord::network, "As it was asked for.");
    d.field("started_us", &BoxRecord::started_us, "When it was made, or resumed.");
    d.field("end_us", &BoxRecord::end_us, "When its timeout comes.");
    d.field("timeout_s", &BoxRecord::timeout_s, "The timeout that was asked for last.");
  }
};

/// A user of a sandbox, from its passwd file.
struct BoxUser {
  std::string name;
  std::uint32_t uid = 0;
  std::string home;
};

struct LogLine {
  std::int64_t time_us = 0;
  std::string level;
  std::string message;
  std::map<std::string, std::string> fields;
};

/// The open input of a process. Writers take turns.
struct ProcessInput {
  ProcessInput(async::Loop& loop, std::unique_ptr<wire::ByteSink> to) : turn(loop), sink(std::move(to)) {}
  async::Turn turn;
  std::unique_ptr<wire::ByteSink> sink;  ///< null once it was closed
};

/// One sandbox while the endpoint serves it.
struct Box {
  Box(async::Loop& loop, BoxRecord kept) : record(std::move(kept)), expiry(loop), turn(loop) {}

  BoxRecord record;
  async::Timer expiry;
  async::Turn turn;  ///< pause, resume and end pass one after the other
  bool ending = false;

  // What is known of the inside; read again after a restart.
  std::vector<BoxUser> users;
  std::map<std::uint32_t, std::string> groups;
  std::map<std::string, std::shared_ptr<ProcessInput>> inputs;            ///< by exec; shared with who writes
  std::map<std::string, std::map<std::string, std::string>> process_env;  ///< by exec, while it runs
  std::deque<LogLine> log;                                                ///< newest last, capped
  std::deque<api::SandboxMetrics> samples;                                ///< newest last, capped

  void note(std::int64_t time_us, std::string level, std::string message,
            std::map<std::string, std::string> fields = {}) {
    if (log.size() >= 1000) log.pop_front();
    log.push_back({time_us, std::move(level), std::move(message), std::move(fields)});
  }
};
using BoxPtr = std::shared_ptr<Box>;  // shared by the table and by requests under way

/// The endpoint's table.
extern const store::Domain kBoxDomain;

Result<void> put(store::Database& db, const BoxRecord& record);
Result<void> drop(store::Database& db, const std::string& id);
Result<std::vector<BoxRecord>> load_boxes(store::Database& db);

}  // namespace swarm::e2b_endpoint
