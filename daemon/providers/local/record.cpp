#include "daemon/providers/local/record.hpp"

#include <nlohmann/json.hpp>

namespace swarm::local {
namespace {

using nlohmann::json;

constexpr int kRecordFormat = 1;

json to_json(const ProcessRef& p) { return {{"pid", p.pid}, {"start_ticks", p.start_ticks}, {"boot_id", p.boot_id}}; }

ProcessRef process_of(const json& j) {
  return {.pid = j.at("pid"), .start_ticks = j.at("start_ticks"), .boot_id = j.at("boot_id")};
}

json to_json(const std::vector<IdMapLine>& lines) {
  json out = json::array();
  for (const auto& line : lines) out.push_back({line.inside, line.outside, line.count});
  return out;
}

std::vector<IdMapLine> map_of(const json& j) {
  std::vector<IdMapLine> lines;
  for (const auto& line : j) lines.push_back({line.at(0), line.at(1), line.at(2)});
  return lines;
}

json to_json(const IdentityPlan& plan) {
  return {{"mapper", static_cast<int>(plan.mapper)},
          {"uids", to_json(plan.uids)},
          {"gids", to_json(plan.gids)},
          {"newuidmap", plan.newuidmap},
          {"newgidmap", plan.newgidmap},
          {"why", plan.why}};
}

IdentityPlan identity_of(const json& j) {
  IdentityPlan plan;
  plan.mapper = static_cast<Mapper>(j.at("mapper").get<int>());
  plan.uids = map_of(j.at("uids"));
  plan.gids = map_of(j.at("gids"));
  plan.newuidmap = j.at("newuidmap");
  plan.newgidmap = j.at("newgidmap");
  plan.why = j.at("why");
  return plan;
}

json to_json(const CgroupSet& set) {
  const auto by = [](Mechanism m) { return static_cast<int>(m); };
  return {{"directories", set.directories},
          {"memory", set.memory},
          {"usage", set.usage},
          {"freezer", set.freezer},
          {"processes", set.processes},
          {"memory_by", by(set.memory_by)},
          {"cpu_by", by(set.cpu_by)},
          {"processes_by", by(set.processes_by)},
          {"freeze_by", by(set.freeze_by)},
          {"usage_by", by(set.usage_by)}};
}

CgroupSet cgroups_of(const json& j) {
  const auto by = [&](const char* key) { return static_cast<Mechanism>(j.at(key).get<int>()); };
  CgroupSet set;
  set.directories = j.at("directories").get<std::vector<std::string>>();
  set.memory = j.at("memory");
  set.usage = j.at("usage");
  set.freezer = j.at("freezer");
  set.processes = j.at("processes");
  set.memory_by = by("memory_by");
  set.cpu_by = by("cpu_by");
  set.processes_by = by("processes_by");
  set.freeze_by = by("freeze_by");
  set.usage_by = by("usage_by");
  return set;
}

json to_json(const api::LimitStatus& limit) {
  json out = {{"resource", static_cast<int>(limit.resource)}, {"mechanism", static_cast<int>(limit.mechanism)}};
  if (limit.limit) out["limit"] = *limit.limit;
  if (limit.note) out["note"] = *limit.note;
  return out;
}

api::LimitStatus limit_of(const json& j) {
  api::LimitStatus limit;
  limit.resource = static_cast<api::Resource>(j.at("resource").get<int>());
  limit.mechanism = static_cast<api::LimitMechanism>(j.at("mechanism").get<int>());
  if (j.contains("limit")) limit.limit = j.at("limit").get<std::uint64_t>();
  if (j.contains("note")) limit.note = j.at("note").get<std::string>();
  return limit;
}

}  // namespace

std::string encode(const Record& record) {
  json limits = json::array();
  for (const auto& limit : record.limits) limits.push_back(to_json(limit));
  const json out = {{"format", kRecordFormat},
                    {"id", record.id},
                    {"owner", record.owner},
                    {"template", record.template_name},
                    {"created_us", record.created.us},
                    {"begun_ticks", record.begun_ticks},
                    {"init", to_json(record.init)},
                    {"monitor", to_json(record.monitor)},
                    {"identity", to_json(record.identity)},
                    {"cgroups", to_json(record.cgroups)},
                    {"paused", record.paused},
                    {"over", record.over},
                    {"nested_userns", record.nested_userns},
                    {"disk", record.disk},
                    {"disk_limit_bytes", record.disk_limit_bytes},
                    {"limits", limits},
                    {"weaknesses", record.weaknesses},
                    {"network", static_cast<int>(record.network.mode)},
                    {"allow", record.network.allow}};
  return out.dump(1) + "\n";
}

Result<Record> decode_record(const std::string& text) {
  try {
    const json in = json::parse(text);
    if (in.at("format").get<int>() != kRecordFormat) return fail(Code::internal, "record of another format");
    Record record;
    record.id = in.at("id");
    record.owner = in.at("owner");
    record.template_name = in.at("template");
    record.created.us = in.at("created_us");
    record.begun_ticks = in.at("begun_ticks");
    record.init = process_of(in.at("init"));
    record.monitor = process_of(in.at("monitor"));
    record.identity = identity_of(in.at("identity"));
    record.cgroups = cgroups_of(in.at("cgroups"));
    record.paused = in.at("paused");
    record.over = in.value("over", "");  // records of older daemons have none
    record.nested_userns = in.at("nested_userns");
    record.disk = in.at("disk");
    record.disk_limit_bytes = in.at("disk_limit_bytes");
    for (const auto& limit : in.at("limits")) record.limits.push_back(limit_of(limit));
    record.weaknesses = in.at("weaknesses").get<std::vector<std::string>>();
    record.network.mode = static_cast<api::NetworkMode>(in.at("network").get<int>());
    record.network.allow = in.at("allow").get<std::vector<std::string>>();
    return record;
  } catch (const json::exception& e) {
    return fail(Code::internal, std::string("sandbox record: ") + e.what());
  }
}

}  // namespace swarm::local
