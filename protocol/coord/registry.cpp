#include "protocol/coord/registry.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "protocol/coord/pattern.hpp"
#include "protocol/coord/text.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::coord {
namespace {

using store::Sql;

constexpr std::array<std::string_view, 7> kAgentStates = {"starting",     "working", "idle", "waiting",
                                                          "rate_limited", "stale",   "gone"};
constexpr std::size_t kMaxText = 1000;
constexpr std::size_t kMaxList = 100;

constexpr Sql kPutAgent{
    "agents.put",
    "INSERT INTO coord_agents (swarm, id, uid, role, state, proven, registered_us, heartbeat_us, task,"
    " detail, availability, tools, about, lead) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (swarm, id) DO UPDATE SET uid = excluded.uid, role = excluded.role,"
    " state = excluded.state, proven = excluded.proven, heartbeat_us = excluded.heartbeat_us,"
    " task = excluded.task, detail = excluded.detail, availability = excluded.availability,"
    " tools = excluded.tools, about = excluded.about, lead = excluded.lead"};
constexpr Sql kFindAgent{"agents.find",
                         "SELECT id, uid, role, state, proven, registered_us, heartbeat_us, task, detail, availability,"
                         " tools, about FROM coord_agents WHERE swarm = ? AND id = ?"};
constexpr Sql kListAgents{
    "agents.list",
    "SELECT id, uid, role, state, proven, registered_us, heartbeat_us, task, detail, availability,"
    " tools, about FROM coord_agents WHERE swarm = ? ORDER BY id"};
constexpr Sql kSkills{"agents.skills", "SELECT agent, skill, rate FROM coord_skills WHERE swarm = ?"};
constexpr Sql kSkillsOf{"agents.skills_of",
                        "SELECT agent, skill, rate FROM coord_skills WHERE swarm = ? AND agent = ?"};
constexpr Sql kDropSkills{"agents.drop_skills", "DELETE FROM coord_skills WHERE swarm = ? AND agent = ?"};
constexpr Sql kAddSkill{"agents.add_skill",
                        "INSERT INTO coord_skills (swarm, agent, skill, rate) VALUES (?, ?, ?, ?)"
                        " ON CONFLICT (swarm, agent, skill) DO UPDATE SET rate = excluded.rate"};
constexpr Sql kUpdate{"agents.update",
                      "UPDATE coord_agents SET state = coalesce(?, state), task = coalesce(?, task),"
                      " detail = coalesce(?, detail), heartbeat_us = ? WHERE swarm = ? AND id = ?"};
constexpr Sql kCard{"agents.card",
                    "UPDATE coord_agents SET availability = ?, tools = ?, about = ? WHERE swarm = ? AND id = ?"};
constexpr Sql kLive{"agents.live",
                    "SELECT id, role FROM coord_agents WHERE swarm = ? AND state NOT IN ('stale', 'gone') ORDER BY id"};
constexpr Sql kLeads{"agents.leads",
                     "SELECT id FROM coord_agents WHERE swarm = ? AND state NOT IN ('stale', 'gone')"
                     " AND (lead = 1 OR role = ?) ORDER BY id"};
constexpr Sql kByUid{"agents.by_uid",
                     "SELECT id FROM coord_agents WHERE swarm = ? AND uid = ? AND state <> 'gone' ORDER BY id LIMIT 2"};
constexpr Sql kStateOf{"agents.state_of", "SELECT state FROM coord_agents WHERE swarm = ? AND id = ?"};
constexpr Sql kCountAgents{"agents.count", "SELECT count(*) FROM coord_agents WHERE swarm = ?"};
constexpr Sql kSilent{"agents.silent",
                      "SELECT id FROM coord_agents WHERE swarm = ? AND state NOT IN ('stale', 'gone')"
                      " AND heartbeat_us <= ? ORDER BY id"};
constexpr Sql kMarkStale{"agents.mark_stale", "UPDATE coord_agents SET state = 'stale' WHERE swarm = ? AND id = ?"};
constexpr Sql kOldest{"agents.oldest",
                      "SELECT min(heartbeat_us) FROM coord_agents WHERE swarm = ? AND state NOT IN ('stale', 'gone')"};

using AgentRow = std::tuple<std::string, std::optional<std::int64_t>, std::string, std::string, bool, std::int64_t,
                            std::int64_t, std::string, std::string, double, std::string, std::string>;

std::string lower(std::string_view text) { return folded(text, Folding::simple); }

std::string lines(const std::vector<std::string>& list) { return fmt::format("{}", fmt::join(list, "\n")); }

std::vector<std::string> from_lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

AgentRecord record_of(AgentRow row) {
  auto& [id, uid, role, state, proven, registered, heartbeat, task, detail, availability, tools, about] = row;
  return {.id = std::move(id),
          .uid = uid,
          .role = std::move(role),
          .state = parse_state(state).value_or(AgentState::stale),
          .proven = proven,
          .registered = {registered},
          .heartbeat = {heartbeat},
          .task = std::move(task),
          .detail = std::move(detail),
          .card = {.skills = {}, .tools = from_lines(tools), .availability = availability, .about = std::move(about)}};
}

Result<void> tidy(AgentCard& card) {
  if (!(card.availability >= 0 && card.availability <= 1)) {
    return fail(Code::invalid_argument, fmt::format("availability {} is not within 0 and 1", card.availability));
  }
  if (card.skills.size() > kMaxList || card.tools.size() > kMaxList) {
    return fail(Code::invalid_argument, fmt::format("a card lists at most {} skills and {} tools", kMaxList, kMaxList));
  }
  for (Skill& skill : card.skills) {
    skill.name = lower(clean_line(skill.name));
    if (skill.name.empty() || skill.name.size() > 100) {
      return fail(Code::invalid_argument, fmt::format("'{}' is no skill: 1 to 100 bytes", shown(skill.name)));
    }
    if (!(skill.rate >= 0 && skill.rate <= 1)) {
      return fail(Code::invalid_argument,
                  fmt::format("the rate {} of '{}' is not within 0 and 1", skill.rate, skill.name));
    }
  }
  for (std::string& tool : card.tools) tool = clean_line(tool);
  card.about = clean_text(utf8_prefix(card.about, kMaxText));
  return {};
}

Result<void> write_skills(const Turn& turn, const std::string& id, const AgentCard& card) {
  if (auto dropped = turn.db.run(kDropSkills, turn.swarm, id); !dropped) return dropped;
  for (const Skill& skill : card.skills) {
    if (auto added = turn.db.run(kAddSkill, turn.swarm, id, skill.name, skill.rate); !added) return added;
  }
  return {};
}

void tell_state(const Turn& turn, const std::string& id, AgentState state, std::string_view task,
                std::string_view detail) {
  turn.tell("agent.state", id, Value::Map{{"state", state_name(state)}, {"task", task}, {"detail", detail}});
}

}  // namespace

std::string_view state_name(AgentState state) { return kAgentStates.at(static_cast<std::size_t>(state)); }

Result<AgentState> parse_state(std::string_view text) {
  const auto found = std::ranges::find(kAgentStates, text);
  if (found == kAgentStates.end()) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no state of an agent; there are {}", shown(text), fmt::join(kAgentStates, ", ")));
  }
  return static_cast<AgentState>(found - kAgentStates.begin());
}

Result<AgentRecord> Registry::add(const Turn& turn, NewAgent agent) const {
  Result<std::string> id = checked_name(agent.id, "agent");
  if (!id) return fail(id.error());
  if (*id == kSystemName)
    return fail(Code::invalid_argument, "'swarm' is the name of the swarm itself; choose another");
  if (!agent.role.empty()) {
    Result<std::string> role = checked_name(agent.role, "role");
    if (!role) return fail(role.error());
    agent.role = std::move(*role);
  }
  if (Result<void> fine = tidy(agent.card); !fine) return fail(fine.error());
  if (agent.uid && agent.proven) {
    const auto other = turn.db.one<std::string>(kByUid, turn.swarm, *agent.uid);
    if (!other) return fail(other.error());
    if (*other && std::get<0>(**other) != *id) {
      return fail(Code::already_exists,
                  fmt::format("uid {} is that of '{}' already", *agent.uid, std::get<0>(**other)));
    }
  }
  const auto count = turn.db.one<std::int64_t>(kCountAgents, turn.swarm);
  if (!count) return fail(count.error());
  const auto known =
      turn.db.one<std::string, std::optional<std::int64_t>, std::string, std::string, bool, std::int64_t, std::int64_t,
                  std::string, std::string, double, std::string, std::string>(kFindAgent, turn.swarm, *id);
  if (!known) return fail(known.error());
  if (!*known && static_cast<std::size_t>(std::get<0>(**count)) >= options_.most_agents) {
    return fail(Code::resource_exhausted, fmt::format("the swarm has {} agents, its limit", options_.most_agents));
  }
  auto put = turn.db.run(kPutAgent, turn.swarm, *id, agent.uid, agent.role, state_name(AgentState::starting),
                         agent.proven, turn.now.us, turn.now.us, "", "", agent.card.availability,
                         lines(agent.card.tools), agent.card.about, agent.lead);
  if (!put) return fail(put.error());
  if (auto written = write_skills(turn, *id, agent.card); !written) return fail(written.error());
  turn.tell("agent.registered", *id,
            Value::Map{{"role", agent.role}, {"proven", agent.proven}, {"uid", agent.uid.value_or(-1)}});
  return find(turn, *id);
}

Result<void> Registry::update(const Turn& turn, const std::string& id, std::optional<AgentState> state,
                              std::optional<std::string> task, std::optional<std::string> detail) const {
  const Result<AgentRecord> before = find(turn, id);
  if (!before) return fail(before.error());
  // A sign of life brings back who was thought lost.
  if (!state && before->state == AgentState::stale) state = AgentState::idle;
  if (!state && before->state == AgentState::gone) {
    return fail(Code::failed_precondition, fmt::format("'{}' is gone; register it again", id));
  }
  if (task) task = clean_line(utf8_prefix(*task, kMaxText));
  if (detail) detail = clean_line(utf8_prefix(*detail, kMaxText));
  const std::optional<std::string> name = state ? std::optional(std::string(state_name(*state))) : std::nullopt;
  if (auto updated = turn.db.run(kUpdate, name, task, detail, turn.now.us, turn.swarm, id); !updated) return updated;
  if ((state && *state != before->state) || (task && *task != before->task)) {
    tell_state(turn, id, state.value_or(before->state), task.value_or(before->task), detail.value_or(before->detail));
  }
  return {};
}

Result<void> Registry::set_card(const Turn& turn, const std::string& id, AgentCard card) const {
  if (const auto known = find(turn, id); !known) return fail(known.error());
  if (Result<void> fine = tidy(card); !fine) return fine;
  auto set = turn.db.run(kCard, card.availability, lines(card.tools), card.about, turn.swarm, id);
  if (!set) return set;
  return write_skills(turn, id, card);
}

Result<void> Registry::gone(const Turn& turn, const std::string& id, std::string_view why) const {
  return update(turn, id, AgentState::gone, std::string(), std::string(why));
}

Result<AgentRecord> Registry::find(const Turn& turn, const std::string& id) const {
  auto row =
      turn.db.one<std::string, std::optional<std::int64_t>, std::string, std::string, bool, std::int64_t, std::int64_t,
                  std::string, std::string, double, std::string, std::string>(kFindAgent, turn.swarm, id);
  if (!row) return fail(row.error());
  if (!*row) {
    const auto alive = live(turn);
    if (!alive) return fail(alive.error());
    return fail(Code::not_found, fmt::format("no agent '{}'{}; alive: {}", shown(id), did_you_mean(id, *alive),
                                             alive->empty() ? "none" : fmt::format("{}", fmt::join(*alive, ", "))));
  }
  AgentRecord record = record_of(std::move(**row));
  const auto skills = turn.db.all<std::string, std::string, double>(kSkillsOf, turn.swarm, id);
  if (!skills) return fail(skills.error());
  for (const auto& [agent, skill, rate] : *skills) record.card.skills.push_back({skill, rate});
  return record;
}

Result<std::optional<AgentState>> Registry::state_of(const Turn& turn, const std::string& id) const {
  const auto row = turn.db.one<std::string>(kStateOf, turn.swarm, id);
  if (!row) return fail(row.error());
  if (!*row) return std::optional<AgentState>();
  return std::optional(parse_state(std::get<0>(**row)).value_or(AgentState::stale));
}

Result<AgentRecord> Registry::by_uid(const Turn& turn, std::int64_t uid) const {
  const auto rows = turn.db.all<std::string>(kByUid, turn.swarm, uid);
  if (!rows) return fail(rows.error());
  if (rows->empty()) return fail(Code::not_found, fmt::format("no agent of this swarm has uid {}", uid));
  if (rows->size() > 1) {
    return fail(Code::failed_precondition,
                fmt::format("several agents share uid {}; which one speaks is not proven", uid));
  }
  return find(turn, std::get<0>(rows->front()));
}

Result<std::vector<AgentRecord>> Registry::list(const Turn& turn) const {
  auto rows =
      turn.db.all<std::string, std::optional<std::int64_t>, std::string, std::string, bool, std::int64_t, std::int64_t,
                  std::string, std::string, double, std::string, std::string>(kListAgents, turn.swarm);
  if (!rows) return fail(rows.error());
  const auto skills = turn.db.all<std::string, std::string, double>(kSkills, turn.swarm);
  if (!skills) return fail(skills.error());
  std::map<std::string, std::vector<Skill>> by_agent;
  for (const auto& [agent, skill, rate] : *skills) by_agent[agent].push_back({skill, rate});
  std::vector<AgentRecord> out;
  for (auto& row : *rows) {
    out.push_back(record_of(std::move(row)));
    out.back().card.skills = by_agent[out.back().id];
  }
  return out;
}

Result<std::vector<std::string>> Registry::live(const Turn& turn, const std::optional<std::string>& role) const {
  auto rows = turn.db.all<std::string, std::string>(kLive, turn.swarm);
  if (!rows) return fail(rows.error());
  std::vector<std::string> out;
  for (auto& [id, has] : *rows) {
    if (!role || has == *role) out.push_back(std::move(id));
  }
  return out;
}

Result<std::vector<std::string>> Registry::leads(const Turn& turn, const std::string& role) const {
  auto rows = turn.db.all<std::string>(kLeads, turn.swarm, role);
  if (!rows) return fail(rows.error());
  std::vector<std::string> out;
  for (auto& [id] : *rows) out.push_back(std::move(id));
  return out;
}

Result<std::vector<Candidate>> Registry::with_skills(const Turn& turn, std::span<const std::string> skills,
                                                     std::span<const std::string> tools,
                                                     std::span<const std::string> except) const {
  const auto all = list(turn);
  if (!all) return fail(all.error());
  std::vector<Candidate> out;
  for (const AgentRecord& agent : *all) {
    if (!is_live(agent.state) || agent.card.availability <= 0 || std::ranges::find(except, agent.id) != except.end()) {
      continue;
    }
    const bool equipped = std::ranges::all_of(
        tools, [&](const std::string& t) { return std::ranges::find(agent.card.tools, t) != agent.card.tools.end(); });
    double sum = 0;
    bool able = equipped;
    for (const std::string& skill : skills) {
      const auto found = std::ranges::find(agent.card.skills, lower(skill), &Skill::name);
      able = able && found != agent.card.skills.end();
      if (able) sum += found->rate;
    }
    if (!able) continue;
    const double rate = skills.empty() ? 1 : sum / static_cast<double>(skills.size());
    out.push_back({agent.id, rate * agent.card.availability});
  }
  // They come by name, so that equals stay in an order that can be foreseen.
  std::ranges::sort(out, [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.agent < b.agent;
  });
  return out;
}

Result<std::vector<std::string>> Registry::advance(const Turn& turn) const {
  const auto rows = turn.db.all<std::string>(kSilent, turn.swarm, (turn.now - options_.stale_after).us);
  if (!rows) return fail(rows.error());
  std::vector<std::string> out;
  for (const auto& [id] : *rows) {
    if (auto marked = turn.db.run(kMarkStale, turn.swarm, id); !marked) return fail(marked.error());
    tell_state(turn, id, AgentState::stale, "", "not heard of");
    out.push_back(id);
  }
  return out;
}

Result<std::optional<Moment>> Registry::next_deadline(const Turn& turn) const {
  const auto row = turn.db.one<std::optional<std::int64_t>>(kOldest, turn.swarm);
  if (!row) return fail(row.error());
  if (!*row || !std::get<0>(**row)) return std::optional<Moment>();
  return std::optional(Moment{*std::get<0>(**row)} + options_.stale_after);
}

}  // namespace swarm::coord
