#include "protocol/coord/views.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

using Json = nlohmann::ordered_json;

std::string utc(Moment moment, Span paused) {
  const std::int64_t us = moment.us + paused.count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(static_cast<std::time_t>(us / 1'000'000)),
                     us % 1'000'000);
}

Json lock_json(const Lease& lease, Span paused) {
  Json out = {{"id", lease.id},
              {"agent", lease.owner.agent},
              {"repository", lease.key.repository},
              {"kind", kind_name(lease.key.kind)},
              {"path", to_utf8(lease.key.path)},
              {"mode", mode_name(lease.mode)},
              {"reason", lease.reason},
              {"granted", utc(lease.granted, paused)},
              {"fence", {lease.fence.epoch, lease.fence.counter}},
              {"identity", lease.owner.proven ? "proven" : "cooperative"}};
  if (lease.expires) out["expires"] = utc(*lease.expires, paused);
  return out;
}

}  // namespace

std::string active_agents_view(std::span<const AgentRecord> agents,
                               const std::map<std::string, std::vector<std::string>>& locked,
                               const std::map<std::string, std::int64_t>& unread, Moment now, Span paused) {
  Json list = Json::array();
  for (const AgentRecord& agent : agents) {
    if (!is_live(agent.state)) continue;
    Json locks = Json::array();
    if (const auto theirs = locked.find(agent.id); theirs != locked.end()) {
      for (const std::string& path : theirs->second) locks.push_back(to_utf8(path));
    }
    const auto waiting = unread.find(agent.id);
    Json one = {{"id", agent.id},
                {"role", agent.role},
                {"state", state_name(agent.state)},
                {"task", agent.task},
                {"last_seen", utc(agent.heartbeat, paused)},
                {"locks", std::move(locks)},
                {"unread", waiting == unread.end() ? 0 : waiting->second},
                {"identity", agent.proven ? "proven" : "cooperative"}};
    if (agent.uid) one["uid"] = *agent.uid;
    list.push_back(std::move(one));
  }
  const Json all = {{"updated", utc(now, paused)}, {"agents", std::move(list)}};
  return all.dump(2) + "\n";
}

std::string message_log_line(const Message& message, std::span<const std::string> recipients, Span paused) {
  Json out = {{"time", utc(message.sent, paused)},
              {"id", message.id},
              {"type", kind_name(message.kind)},
              {"from", message.sender},
              {"to", std::vector<std::string>(recipients.begin(), recipients.end())},
              {"priority", priority_name(message.priority)},
              {"thread", message.thread},
              {"text", message.body}};
  if (message.reply_to) out["reply_to"] = *message.reply_to;
  if (message.file) out["file"] = to_utf8(message.file->path);
  if (!message.proven) out["identity"] = "cooperative";
  return out.dump() + "\n";
}

std::string lock_view(const Lease& lease, Span paused) { return lock_json(lease, paused).dump(2) + "\n"; }

std::string lock_file_name(const Lease& lease) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  // With id and ending below the 255 bytes of a file name.
  constexpr std::size_t kMost = 180;
  std::string out;
  for (const char c : lease.key.path.empty() ? std::string("root") : lease.key.path) {
    if (kPlain.contains(c) && !(out.empty() && c == '.')) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    if (out.size() > kMost) break;
  }
  return out + "." + lease.id + ".lock";
}

}  // namespace swarm::coord
