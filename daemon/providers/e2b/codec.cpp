#include "daemon/providers/e2b/codec.hpp"

#include <fmt/format.h>

#include <charconv>
#include <ctime>

#include "daemon/providers/e2b/json.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/http/url.hpp"

namespace swarm::e2b {
namespace {

/// The year 10000 in seconds since 1970: times beyond it are no times, and their microseconds may not fit.
constexpr std::int64_t kEndOfTime = 253'402'300'800;

std::unexpected<Error> garbage(std::string_view what) { return no_answer("E2B", what); }

/// Nothing also for a number beyond what a double counts exactly (2^53, about 9e15): no field of E2B means one, and to
/// convert a larger double to an integer is undefined.
template <class T>
std::optional<T> number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  if constexpr (std::is_integral_v<T>) {
    constexpr double kMost = 9e15;
    const auto value = found->get<double>();
    if (value > kMost || value < (std::is_unsigned_v<T> ? 0 : -kMost)) return std::nullopt;
  }
  return found->get<T>();
}

std::optional<WallTime> time_of(const Json& object, const char* key) { return parse_time(text_of(object, key)); }

std::optional<Remote> sandbox_of(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  Remote sandbox{.id = text_of(json, "sandboxID"),
                 .template_id = text_of(json, "templateID"),
                 .alias = text_of(json, "alias"),
                 .envd_version = text_of(json, "envdVersion"),
                 .envd_token = text_of(json, "envdAccessToken"),
                 .traffic_token = text_of(json, "trafficAccessToken"),
                 .domain = text_of(json, "domain"),
                 .state = text_of(json, "state") == "paused" ? State::paused : State::running,
                 .started = time_of(json, "startedAt"),
                 .ends = time_of(json, "endAt"),
                 .cpus = number_of<std::uint64_t>(json, "cpuCount"),
                 .memory_mib = number_of<std::uint64_t>(json, "memoryMB"),
                 .disk_mib = number_of<std::uint64_t>(json, "diskSizeMB")};
  // It becomes part of URLs and host names.
  if (sandbox.id.empty() || sandbox.id.size() > 100 ||
      sandbox.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    return std::nullopt;
  }
  if (const auto metadata = json.find("metadata"); metadata != json.end() && metadata->is_object()) {
    for (const auto& [key, value] : metadata->items()) {
      if (value.is_string()) sandbox.metadata[key] = value.get<std::string>();
    }
  }
  return sandbox;
}

}  // namespace

Result<std::string> encode(const NewSandbox& wanted, Route route) {
  Json body{{"templateID", wanted.template_id}, {"timeout", wanted.timeout.count()}};
  if (!wanted.metadata.empty()) body["metadata"] = wanted.metadata;
  if (!wanted.env.empty()) body["envVars"] = wanted.env;
  if (route == Route::v1) body["secure"] = wanted.secure;
  if (wanted.auto_pause) body["autoPause"] = true;
  if (wanted.auto_resume) body["autoResume"] = {{"enabled", true}};
  if (wanted.internet) body["allow_internet_access"] = *wanted.internet;
  Json network = Json::object();
  if (!wanted.network.allow_out.empty()) network["allowOut"] = wanted.network.allow_out;
  if (!wanted.network.deny_out.empty()) network["denyOut"] = wanted.network.deny_out;
  if (!wanted.network.public_traffic) network["allowPublicTraffic"] = false;
  if (!network.empty()) body["network"] = std::move(network);
  if (!wanted.mcp.empty()) {
    Json mcp = parse_json(wanted.mcp);
    if (!mcp.is_object()) return fail(Code::invalid_argument, "mcp: not a JSON object");
    body["mcp"] = std::move(mcp);
  }
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Remote> decode_sandbox(std::string_view json) {
  std::optional<Remote> sandbox = sandbox_of(parse_json(json));
  if (!sandbox) return garbage("sandbox");
  return std::move(*sandbox);
}

Result<std::vector<Remote>> decode_sandboxes(std::string_view json) {
  const Json list = parse_json(json);
  if (!list.is_array()) return garbage("list of sandboxes");
  std::vector<Remote> sandboxes;
  for (const Json& entry : list) {
    std::optional<Remote> sandbox = sandbox_of(entry);
    if (!sandbox) return garbage("list of sandboxes");
    sandboxes.push_back(std::move(*sandbox));
  }
  return sandboxes;
}

Result<std::vector<Sample>> decode_metrics(std::string_view json) {
  const Json list = parse_json(json);
  if (!list.is_array()) return garbage("list of metrics");
  std::vector<Sample> samples;
  for (const Json& entry : list) {
    if (!entry.is_object()) return garbage("list of metrics");
    const auto seconds = number_of<std::int64_t>(entry, "timestampUnix");
    const bool sane = seconds && *seconds >= 0 && *seconds < kEndOfTime;
    const auto time = sane ? std::optional(WallTime{*seconds * 1'000'000}) : time_of(entry, "timestamp");
    samples.push_back({.time = time.value_or(WallTime{}),
                       .cpus = number_of<double>(entry, "cpuCount").value_or(0),
                       .cpu_used_percent = number_of<double>(entry, "cpuUsedPct").value_or(0),
                       .memory_used = number_of<std::uint64_t>(entry, "memUsed").value_or(0),
                       .memory_total = number_of<std::uint64_t>(entry, "memTotal").value_or(0),
                       .disk_used = number_of<std::uint64_t>(entry, "diskUsed").value_or(0),
                       .disk_total = number_of<std::uint64_t>(entry, "diskTotal").value_or(0)});
  }
  return samples;
}

Result<std::vector<LogLine>> decode_logs(std::string_view json) {
  const Json object = parse_json(json);
  const auto list = object.is_object() ? object.find("logs") : object.end();
  if (!object.is_object() || list == object.end() || !list->is_array()) return garbage("log");
  std::vector<LogLine> lines;
  for (const Json& entry : *list) {
    if (!entry.is_object()) return garbage("log");
    lines.push_back({.time = time_of(entry, "timestamp").value_or(WallTime{}),
                     .level = text_of(entry, "level"),
                     .message = text_of(entry, "message")});
  }
  return lines;
}

Result<std::vector<TemplateInfo>> decode_templates(std::string_view json) {
  const Json list = parse_json(json);
  if (!list.is_array()) return garbage("list of templates");
  std::vector<TemplateInfo> templates;
  for (const Json& entry : list) {
    if (!entry.is_object()) return garbage("list of templates");
    TemplateInfo info{.id = text_of(entry, "templateID"),
                      .cpus = number_of<std::uint64_t>(entry, "cpuCount").value_or(0),
                      .memory_mib = number_of<std::uint64_t>(entry, "memoryMB").value_or(0),
                      .build_status = text_of(entry, "buildStatus")};
    for (const char* key : {"names", "aliases"}) {
      const auto names = entry.find(key);
      if (names == entry.end() || !names->is_array() || !info.names.empty()) continue;
      for (const Json& name : *names) {
        if (name.is_string()) info.names.push_back(name.get<std::string>());
      }
    }
    if (info.id.empty()) return garbage("list of templates");
    templates.push_back(std::move(info));
  }
  return templates;
}

Result<std::string> encode_build_request(const std::string& name, std::uint64_t cpus, std::uint64_t memory_mib) {
  return dump(Json{{"name", name}, {"cpuCount", cpus}, {"memoryMB", memory_mib}});
}

Result<std::string> encode(const NewBuild& build) {
  Json body{{"force", build.force}};
  if (build.image.empty()) {
    body["fromTemplate"] = build.from_template;
  } else {
    body["fromImage"] = build.image;
  }
  if (!build.start.empty()) body["startCmd"] = build.start;
  if (!build.ready.empty()) body["readyCmd"] = build.ready;
  body["steps"] = Json::array();
  for (const BuildStep& step : build.steps) {
    Json one{{"type", step.type}, {"args", step.args}};
    if (!step.files_hash.empty()) one["filesHash"] = step.files_hash;
    body["steps"].push_back(std::move(one));
  }
  return dump(body);
}

Result<BuildRef> decode_build(std::string_view json) {
  const Json answer = parse_json(json);
  if (!answer.is_object()) return garbage("build");
  BuildRef build{.template_id = text_of(answer, "templateID"), .build_id = text_of(answer, "buildID")};
  if (build.template_id.empty() || build.build_id.empty()) return garbage("build");
  return build;
}

Result<FilesAddress> decode_files_address(std::string_view json) {
  const Json answer = parse_json(json);
  if (!answer.is_object()) return garbage("address for files");
  const auto present = answer.find("present");
  if (present == answer.end() || !present->is_boolean()) return garbage("address for files");
  return FilesAddress{.present = present->get<bool>(), .url = text_of(answer, "url")};
}

Result<BuildStatus> decode_build_status(std::string_view json) {
  const Json answer = parse_json(json);
  if (!answer.is_object()) return garbage("status of a build");
  BuildStatus status{.status = text_of(answer, "status")};
  if (status.status.empty()) return garbage("status of a build");
  if (const auto entries = answer.find("logEntries"); entries != answer.end() && entries->is_array()) {
    for (const Json& entry : *entries) {
      if (!entry.is_object()) return garbage("status of a build");
      status.lines.push_back({.time = time_of(entry, "timestamp").value_or(WallTime{}),
                              .level = text_of(entry, "level"),
                              .message = text_of(entry, "message"),
                              .step = text_of(entry, "step")});
    }
  }
  if (const auto reason = answer.find("reason"); reason != answer.end() && reason->is_object()) {
    status.reason = text_of(*reason, "message");
  }
  return status;
}

Result<std::string> decode_newest_build(std::string_view json) {
  const Json answer = parse_json(json);
  if (!answer.is_object()) return garbage("template");
  const auto builds = answer.find("builds");
  if (builds == answer.end() || !builds->is_array() || builds->empty()) {
    return fail(Code::not_found, "the template has no build");
  }
  std::string newest;
  std::string when;
  for (const Json& build : *builds) {
    if (!build.is_object()) return garbage("template");
    if (newest.empty() || text_of(build, "createdAt") > when) {
      newest = text_of(build, "buildID");
      when = text_of(build, "createdAt");
    }
  }
  return newest;
}

ErrorBody decode_error(std::string_view body) {
  ErrorBody error;
  const Json json = parse_json(body);
  if (!json.is_object()) return error;
  error.json = true;
  error.slug = text_of(json, "error_code");
  if (error.slug.empty()) error.slug = text_of(json, "code");
  error.has_port = json.contains("port");
  for (const char c : text_of(json, "message").substr(0, kMessageMost)) {
    error.message += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  error.message = to_utf8(error.message);
  return error;
}

std::string metadata_filter(const std::map<std::string, std::string>& metadata) {
  using http_client::escape;
  std::string pairs;
  for (const auto& [key, value] : metadata) {
    if (!pairs.empty()) pairs += '&';
    pairs += escape(escape(key)) + "=" + escape(escape(value));
  }
  return escape(pairs);
}

std::optional<WallTime> parse_time(std::string_view text) {
  // 2026-08-20T10:00:05[.123456789](Z|+02:00)
  const auto number = [&text](std::size_t at, std::size_t length) -> std::optional<int> {
    if (at + length > text.size()) return std::nullopt;
    int value = 0;
    const char* end = text.data() + at + length;
    const auto [stop, problem] = std::from_chars(text.data() + at, end, value);
    if (problem != std::errc{} || stop != end || value < 0) return std::nullopt;
    return value;
  };
  const auto year = number(0, 4), month = number(5, 2), day = number(8, 2);
  const auto hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  if (*month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  std::tm parts{};
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  parts.tm_hour = *hour;
  parts.tm_min = *minute;
  parts.tm_sec = *second;
  std::int64_t us = static_cast<std::int64_t>(timegm(&parts)) * 1'000'000;
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) us += (text[at] - '0') * unit;
  }
  if (at >= text.size()) return std::nullopt;
  if (text[at] == 'Z' || text[at] == 'z') return at + 1 == text.size() ? std::optional(WallTime{us}) : std::nullopt;
  const auto hours = number(at + 1, 2), minutes = number(at + 4, 2);
  if ((text[at] != '+' && text[at] != '-') || !hours || !minutes || text.size() != at + 6) return std::nullopt;
  const std::int64_t offset = (*hours * 60 + *minutes) * std::int64_t{60'000'000};
  return WallTime{text[at] == '+' ? us - offset : us + offset};
}

}  // namespace swarm::e2b
