#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "daemon/e2b/control.hpp"
#include "protocol/api/json.hpp"
#include "protocol/core/nearest.hpp"

namespace swarm::e2b_endpoint {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

/// The filter of a list: a query string within a query value, which the SDK encodes three times in all.
std::map<std::string, std::string> metadata_filter(std::string_view once_decoded) {
  return http::parse_query(http::percent_decode(once_decoded));
}

/// The one build of a template of this endpoint: a UUID of its name.
std::string build_of(std::string_view name) {
  std::array<unsigned char, 16> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(name.data()), name.size(),
                     nullptr, 0);
  std::string out;
  for (std::size_t i = 0; i < hash.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", hash.at(i));
  }
  return out;
}

Value metric(const api::SandboxMetrics& sample, const api::SandboxMetrics* before, double cpus) {
  double percent = 0;
  if (before != nullptr && sample.time_us > before->time_us && sample.cpu_us >= before->cpu_us) {
    percent = 100.0 * static_cast<double>(sample.cpu_us - before->cpu_us) /
              (static_cast<double>(sample.time_us - before->time_us) * std::max(cpus, 0.01));
  }
  Value out;
  out.set("timestamp", rfc3339(sample.time_us));
  out.set("timestampUnix", sample.time_us / 1'000'000);
  out.set("cpuCount", static_cast<std::int64_t>(std::max(1.0, std::round(cpus))));
  out.set("cpuUsedPct", std::round(percent * 100) / 100);
  out.set("memUsed", sample.memory_bytes);
  out.set("memTotal", sample.memory_limit_bytes.value_or(0));
  out.set("memCache", 0);
  out.set("diskUsed", sample.disk_bytes);
  out.set("diskTotal", sample.disk_limit_bytes.value_or(0));
  return out;
}

}  // namespace

async::Task<> Control::list(http::Exchange& exchange, Api api) {
  const auto query = http::parse_query(exchange.request().query());
  const auto get = [&query](const std::string& name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const Answered<std::int64_t> limit = query_number(query, "limit", 1, 100, 100);
  if (!limit) {
    co_await send_refusal(exchange, limit.error());
    co_return;
  }
  const std::string order = get("order").empty() ? "desc" : get("order");
  std::vector<std::string> states = split(get("state"), ',');
  if (states.empty()) states = {"running", "paused"};
  if (api == Api::v1) states = {"running"};
  const bool known = std::ranges::all_of(states, [](const auto& s) { return s == "running" || s == "paused"; });
  if (!known || (order != "asc" && order != "desc")) {
    co_await send_refusal(exchange, {400, "state: 'running' or 'paused'; order: 'asc' or 'desc'"});
    co_return;
  }
  const auto wanted = metadata_filter(get("metadata"));
  std::vector<BoxPtr> found;
  std::int64_t running = 0;
  const Duration late = faults_.list_delay();
  std::vector<BoxPtr> all = late > Duration{0} ? boxes_.ended_within(late) : std::vector<BoxPtr>{};
  const std::size_t ghosts = all.size();
  for (const auto& [id, box] : boxes_.all()) all.push_back(box);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const BoxPtr& box = all[i];
    const BoxState state = i < ghosts ? BoxState::running : boxes_.state(*box);
    if (state == BoxState::gone) continue;
    if (i >= ghosts && std::chrono::microseconds(boxes_.now_us() - box->record.started_us) < late) continue;
    if (faults_.leaves_out()) continue;
    if (!contains(states, state == BoxState::paused ? "paused" : "running")) continue;
    const bool matches = std::ranges::all_of(wanted, [&](const auto& pair) {
      const auto at = box->record.metadata.find(pair.first);
      return at != box->record.metadata.end() && at->second == pair.second;
    });
    if (!matches || (!get("template").empty() && get("template") != box->record.template_id)) continue;
    if (state == BoxState::running) ++running;
    found.push_back(box);
  }
  const bool down = order == "desc";
  const auto key = [](const Box& box) { return std::pair(box.record.started_us, box.record.id); };
  std::ranges::sort(found,
                    [&](const BoxPtr& a, const BoxPtr& b) { return down ? key(*a) > key(*b) : key(*a) < key(*b); });
  // "<order>.<time>.<id>": a position, so that what comes or goes meanwhile moves nothing.
  if (const std::string token = get("nextToken"); !token.empty()) {
    const std::vector<std::string> parts = split(token, '.');
    const auto time = parts.size() == 3 ? parse_int(parts[1]) : std::nullopt;
    if (!time || parts[0] != order) {
      co_await send_refusal(exchange, {400, "nextToken: it is not of a list in this order"});
      co_return;
    }
    const std::pair after(*time, parts[2]);
    std::erase_if(found, [&](const BoxPtr& box) { return down ? key(*box) >= after : key(*box) <= after; });
  }
  http::Headers fields;
  if (contains(states, "running")) fields.add("x-total-running", std::to_string(running));
  if (api == Api::v2 && found.size() > static_cast<std::size_t>(*limit)) {
    found.resize(static_cast<std::size_t>(*limit));
    fields.add("x-next-token",
               fmt::format("{}.{}.{}", order, found.back()->record.started_us, found.back()->record.id));
  }
  Value::Array out;
  for (const BoxPtr& box : found) out.push_back(detail(*box));
  co_await send_json(exchange, 200, std::move(out), std::move(fields));
}

async::Task<> Control::metrics_of_many(http::Exchange& exchange) {
  const auto query = http::parse_query(exchange.request().query());
  const auto ids = query.find("sandbox_ids");
  const std::vector<std::string> wanted = split(ids == query.end() ? "" : ids->second, ',');
  if (wanted.empty() || wanted.size() > 100) {
    co_await send_refusal(exchange, {400, "sandbox_ids: 1 to 100 ids, separated by commas"});
    co_return;
  }
  Value::Map out;
  for (const std::string& id : wanted) {
    const BoxPtr box = boxes_.find(id);
    if (box == nullptr || box->samples.empty()) continue;
    const auto& samples = box->samples;
    out.emplace_back(box->record.id, metric(samples.back(), samples.size() > 1 ? &samples[samples.size() - 2] : nullptr,
                                            samples.back().cpus_limit.value_or(1)));
  }
  Value body;
  body.set("sandboxes", std::move(out));
  co_await send_json(exchange, 200, std::move(body));
}

async::Task<> Control::metrics(http::Exchange& exchange, BoxPtr box) {
  const auto query = http::parse_query(exchange.request().query());
  const auto start = query_number(query, "start", 0, INT64_MAX / 1'000'000, 0);
  const auto end = query_number(query, "end", 0, INT64_MAX / 1'000'000, INT64_MAX / 1'000'000);
  if (!start || !end) {
    co_await send_refusal(exchange, start ? end.error() : start.error());
    co_return;
  }
  co_await boxes_.sample_first(box);
  Value::Array out;
  const api::SandboxMetrics* before = nullptr;
  for (const api::SandboxMetrics& sample : box->samples) {
    const std::int64_t seconds = sample.time_us / 1'000'000;
    if (seconds >= *start && seconds <= *end) out.push_back(metric(sample, before, sample.cpus_limit.value_or(1)));
    before = &sample;
  }
  co_await send_json(exchange, 200, std::move(out));
}

async::Task<> Control::logs(http::Exchange& exchange, BoxPtr box, Api api) {
  const auto query = http::parse_query(exchange.request().query());
  const auto get = [&query](const std::string& name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const bool v2 = api == Api::v2;
  const bool forward = v2 ? get("direction") == "forward" : true;
  const auto limit = query_number(query, "limit", 0, 1000, 1000);
  const auto cursor = query_number(query, v2 ? "cursor" : "start", 0, INT64_MAX / 1000, -1);
  if (!limit || !cursor || get("search").size() > 256) {
    co_await send_refusal(exchange, !limit    ? limit.error()
                                    : !cursor ? cursor.error()
                                              : Refusal{400, "search: at most 256 characters"});
    co_return;
  }
  std::vector<const LogLine*> lines;
  for (const LogLine& line : box->log) {
    const std::int64_t ms = line.time_us / 1000;
    if (*cursor >= 0 && (forward ? ms < *cursor : ms > *cursor)) continue;
    if (!get("level").empty() && line.level != get("level")) continue;
    if (!line.message.contains(get("search"))) continue;
    lines.push_back(&line);
  }
  if (!forward) std::ranges::reverse(lines);
  if (lines.size() > static_cast<std::size_t>(*limit)) lines.resize(static_cast<std::size_t>(*limit));
  Value::Array entries;
  Value::Array plain;
  for (const LogLine* line : lines) {
    Value entry;
    entry.set("timestamp", rfc3339(line->time_us));
    entry.set("message", line->message);
    entry.set("level", line->level);
    entry.set("fields", text_map(line->fields));
    entries.push_back(std::move(entry));
    Value old;
    old.set("timestamp", rfc3339(line->time_us));
    // A line is what a program logged, which at E2B is JSON: its command line tool takes it apart.
    Value text = text_map(line->fields);
    text.set("level", line->level);
    text.set("logger", "sandbox");
    text.set("message", line->message);
    old.set("line", api::to_json(text));
    plain.push_back(std::move(old));
  }
  Value body;
  if (v2) {
    body.set("logs", std::move(entries));
  } else {
    body.set("logs", std::move(plain));
    body.set("logEntries", std::move(entries));
  }
  co_await send_json(exchange, 200, std::move(body));
}

async::Task<> Control::templates(http::Exchange& exchange, Path path) {
  const std::string& method = exchange.request().method;
  std::vector<std::string> names = {"base"};
  for (const auto& [name, ignored] : config_.templates) names.push_back(name);
  for (const auto& [name, ignored] : builds_.all()) names.push_back(name);
  if (method != "GET") {
    co_await change_template(exchange, std::move(path));
    co_return;
  }
  if (path.size() == 4 && path[2] == "files") {
    co_await files_address(exchange, path[3]);
    co_return;
  }
  if (path.size() == 5 && path[2] == "builds" && (path[4] == "status" || path[4] == "logs")) {
    const BuildPtr asked = builds_.build(path[1], path[3]);
    if (path[4] == "status") {
      co_await build_status(exchange, asked);
    } else {
      co_await build_logs(exchange, asked);
    }
    co_return;
  }
  if (path[0] == "snapshots") {
    co_await send_json(exchange, 200, Value::Array{});
    co_return;
  }
  const auto common = [this](const std::string& name) {
    const Boxes::Spawned spawned = boxes_.spawned(name);
    const Built* built = builds_.find(name);
    Value out;
    out.set("templateID", name);
    out.set("public", false);
    out.set("aliases", Value::Array{name});
    out.set("names", Value::Array{name});
    out.set("createdAt", time_of(built == nullptr ? boxes_.began_us() : built->created_us));
    out.set("updatedAt", time_of(built == nullptr ? boxes_.began_us() : built->updated_us));
    out.set("lastSpawnedAt", spawned.count == 0 ? Value() : Value(time_of(spawned.last_us)));
    out.set("spawnCount", spawned.count);
    return out;
  };
  const auto build = [this](const std::string& name) {
    const auto found = config_.templates.find(name);
    const config::Template from = found == config_.templates.end() ? config::Template{} : found->second;
    const api::SandboxLimits limits = sandbox::limits_of({}, from, config_.sandbox);
    const Built* built = builds_.find(name);
    Value out;
    out.set("buildID", built == nullptr ? build_of(name) : built->build);
    out.set("cpuCount", static_cast<std::int64_t>(std::max(1.0, std::round(limits.cpus.value_or(1)))));
    out.set("memoryMB", std::max<std::uint64_t>(128, limits.memory_bytes.value_or(0) >> 20U));
    if (built != nullptr) {
      out.set("cpuCount", built->cpus);
      out.set("memoryMB", built->memory_mib);
    }
    out.set("diskSizeMB", limits.disk_bytes.value_or(0) >> 20U);
    out.set("envdVersion", kEnvdVersion);
    return out;
  };
  const auto info = [&common, &build](const std::string& name) {
    Value out = common(name);
    Value one = build(name);
    for (auto& [key, value] : *one.as_map()) out.set(key, std::move(value));
    out.set("createdBy", Value());
    out.set("buildCount", 1);
    out.set("buildStatus", "ready");
    return out;
  };
  if (path.size() == 1) {
    Value::Array out;
    for (const std::string& name : names) out.push_back(info(name));
    co_await send_json(exchange, 200, std::move(out));
    co_return;
  }
  const bool alias = path.size() == 3 && path[1] == "aliases";
  const std::string& name = alias ? path[2] : path[1];
  if (!contains(names, name)) {
    co_await send_refusal(exchange, {404, fmt::format("there is no template '{}'{}", name, did_you_mean(name, names))});
  } else if (alias) {
    Value out;
    out.set("templateID", name);
    out.set("public", false);
    co_await send_json(exchange, 200, std::move(out));
  } else if (path.size() == 3 && path[2] == "tags") {
    co_await send_json(exchange, 200, Value::Array{});
  } else {
    Value one = build(name);
    one.set("status", "ready");
    one.set("createdAt", time_of(boxes_.began_us()));
    one.set("updatedAt", time_of(boxes_.began_us()));
    one.set("finishedAt", time_of(boxes_.began_us()));
    Value out = common(name);
    out.set("builds", Value::Array{std::move(one)});
    co_await send_json(exchange, 200, std::move(out));
  }
}

}  // namespace swarm::e2b_endpoint
