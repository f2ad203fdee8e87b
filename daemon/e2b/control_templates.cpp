#include <fmt/format.h>

#include "daemon/e2b/control.hpp"

namespace swarm::e2b_endpoint {
namespace {

constexpr std::int64_t kUploadSeconds = 30 * 60;  // an address for files is good for so long

std::string_view word_of(BuildState state) {
  switch (state) {
    case BuildState::waiting:
      return "waiting";
    case BuildState::building:
      return "building";
    case BuildState::ready:
      return "ready";
    case BuildState::error:
      break;
  }
  return "error";
}

Answered<std::vector<std::string>> texts_field(const Value& map, std::string_view name) {
  std::vector<std::string> out;
  const Value* found = map.find(name);
  if (found == nullptr || found->is_nil()) return out;
  const Value::Array* list = found->as_array();
  if (list == nullptr) return refuse(400, fmt::format("{}: has to be a list of strings", name));
  for (const Value& one : *list) {
    if (one.as_string() == nullptr) return refuse(400, fmt::format("{}: has to be a list of strings", name));
    out.push_back(*one.as_string());
  }
  return out;
}

Answered<BuildPlan> read_plan(const Value& body) {
  BuildPlan plan;
  const auto image = text_field(body, "fromImage");
  const auto base = text_field(body, "fromTemplate");
  const auto start = text_field(body, "startCmd");
  const auto ready = text_field(body, "readyCmd");
  const auto force = bool_field(body, "force");
  for (const auto* text : {&image, &base, &start, &ready}) {
    if (!*text) return std::unexpected(text->error());
  }
  if (!force) return std::unexpected(force.error());
  if (base->has_value() == image->has_value()) return refuse(400, "either fromImage or fromTemplate");
  if (image->has_value()) {
    // What the SDK takes when it is told nothing is what this endpoint has under that name.
    if (!(*image)->starts_with("e2bdev/base")) {
      return refuse(400, fmt::format("fromImage: '{}': images are not available on this endpoint; take fromTemplate "
                                     "with 'base' or one of its templates",
                                     **image));
    }
    plan.base = "base";
  } else {
    plan.base = **base;
  }
  plan.start = start->value_or("");
  plan.ready = ready->value_or("");
  plan.force = force->value_or(false);
  const Value* steps = body.find("steps");
  if (steps == nullptr || steps->is_nil()) return plan;
  if (steps->as_array() == nullptr) return refuse(400, "steps: has to be a list");
  for (const Value& one : *steps->as_array()) {
    if (one.as_map() == nullptr) return refuse(400, "steps: has to be a list of objects");
    const auto type = text_field(one, "type");
    const auto files = text_field(one, "filesHash");
    const auto again = bool_field(one, "force");
    auto args = texts_field(one, "args");
    if (!type) return std::unexpected(type.error());
    if (!files) return std::unexpected(files.error());
    if (!again) return std::unexpected(again.error());
    if (!args) return std::unexpected(args.error());
    if (!*type) return refuse(400, "steps: each has a type");
    plan.force = plan.force || again->value_or(false);
    plan.steps.push_back({.type = **type, .args = std::move(*args), .files = files->value_or("")});
  }
  return plan;
}

Value entry_of(const BuildLine& line) {
  Value out;
  out.set("timestamp", rfc3339(line.time_us));
  out.set("level", line.level);
  out.set("message", line.message);
  if (!line.step.empty()) out.set("step", line.step);
  return out;
}

}  // namespace

async::Task<> Control::change_template(http::Exchange& exchange, Path path) {
  const std::string& method = exchange.request().method;
  if (method == "POST" && path.size() == 1) {
    co_await request_build(exchange);
  } else if (method == "POST" && path.size() == 4 && path[2] == "builds") {
    co_await start_build(exchange, builds_.build(path[1], path[3]));
  } else if (method == "DELETE" && path.size() == 2 && path[1] != "tags") {
    const Answered<bool> removed = builds_.remove(path[1]);
    if (removed) {
      co_await send_empty(exchange, 204);
    } else {
      co_await send_refusal(exchange, removed.error());
    }
  } else {
    co_await send_refusal(exchange, {501,
                                     "templates of this endpoint are built and deleted; other changes, tags among "
                                     "them, are not available"});
  }
}

async::Task<> Control::request_build(http::Exchange& exchange) {
  const Answered<Value> body = co_await read_json(exchange, BodyIs::required);
  if (!body) {
    co_await send_refusal(exchange, body.error());
    co_return;
  }
  const auto name = text_field(*body, "name");
  const auto alias = text_field(*body, "alias");
  const auto cpus = int_field(*body, "cpuCount");
  const auto memory = int_field(*body, "memoryMB");
  Answered<BuildPtr> made = refuse(400, "name: is required");
  if (!name) {
    made = std::unexpected(name.error());
  } else if (!alias) {
    made = std::unexpected(alias.error());
  } else if (!cpus) {
    made = std::unexpected(cpus.error());
  } else if (!memory) {
    made = std::unexpected(memory.error());
  } else if (*name || *alias) {
    made = builds_.request(name->value_or(alias->value_or("")), cpus->value_or(2), memory->value_or(1024));
  }
  if (!made) {
    co_await send_refusal(exchange, made.error());
    co_return;
  }
  const Build& build = **made;
  Value out;
  out.set("templateID", build.name);
  out.set("buildID", build.id);
  out.set("public", false);
  out.set("names", Value::Array{build.name});
  out.set("aliases", Value::Array{build.name});
  out.set("tags", Value::Array{"default"});
  co_await send_json(exchange, 202, std::move(out));
}

async::Task<> Control::start_build(http::Exchange& exchange, BuildPtr build) {
  const Answered<Value> body = co_await read_json(exchange, BodyIs::required);
  Answered<bool> begun = refuse(404, "there is no such build");
  if (!body) {
    begun = std::unexpected(body.error());
  } else if (build != nullptr) {
    Answered<BuildPlan> plan = read_plan(*body);
    begun = plan ? builds_.start(std::move(build), std::move(*plan)) : std::unexpected(plan.error());
  }
  if (begun) {
    co_await send_empty(exchange, 202);
  } else {
    co_await send_refusal(exchange, begun.error());
  }
}

async::Task<> Control::build_status(http::Exchange& exchange, BuildPtr build) {
  if (build == nullptr) {
    co_await send_refusal(exchange, {400, "there is no such build"});  // as the service does, against its specification
    co_return;
  }
  const auto query = http::parse_query(exchange.request().query());
  const auto offset = query_number(query, "logsOffset", 0, INT32_MAX, 0);
  const auto limit = query_number(query, "limit", 0, 100, 100);
  if (!offset || !limit) {
    co_await send_refusal(exchange, offset ? limit.error() : offset.error());
    co_return;
  }
  Value::Array entries;
  const auto first = static_cast<std::size_t>(std::max<std::int64_t>(*offset - build->log_first, 0));
  for (std::size_t i = first; i < build->log.size() && entries.size() < static_cast<std::size_t>(*limit); ++i) {
    entries.push_back(entry_of(build->log[i]));
  }
  Value out;
  out.set("templateID", build->name);
  out.set("buildID", build->id);
  out.set("status", word_of(build->state));
  out.set("logs", Value::Array{});
  out.set("logEntries", std::move(entries));
  if (!build->reason.empty()) {
    Value reason;
    reason.set("message", build->reason);
    if (!build->reason_step.empty()) reason.set("step", build->reason_step);
    out.set("reason", std::move(reason));
  }
  co_await send_json(exchange, 200, std::move(out));
}

async::Task<> Control::build_logs(http::Exchange& exchange, BuildPtr build) {
  if (build == nullptr) {
    co_await send_refusal(exchange, {404, "there is no such build"});
    co_return;
  }
  const auto query = http::parse_query(exchange.request().query());
  const auto cursor = query_number(query, "cursor", 0, INT64_MAX / 1000, -1);
  const auto limit = query_number(query, "limit", 0, 100, 100);
  if (!cursor || !limit) {
    co_await send_refusal(exchange, cursor ? limit.error() : cursor.error());
    co_return;
  }
  const auto direction = query.find("direction");
  const auto level = query.find("level");
  const bool forward = direction == query.end() || direction->second == "forward";
  std::vector<const BuildLine*> lines;
  for (const BuildLine& line : build->log) {
    const std::int64_t ms = line.time_us / 1000;
    if (*cursor >= 0 && (forward ? ms < *cursor : ms > *cursor)) continue;
    if (level == query.end() || level->second == line.level) lines.push_back(&line);
  }
  if (!forward) std::ranges::reverse(lines);
  if (lines.size() > static_cast<std::size_t>(*limit)) lines.resize(static_cast<std::size_t>(*limit));
  Value::Array entries;
  for (const BuildLine* line : lines) entries.push_back(entry_of(*line));
  Value out;
  out.set("logs", std::move(entries));
  co_await send_json(exchange, 200, std::move(out));
}

std::string Control::upload_signature(const std::string& hash, std::string_view until) const {
  return access_token(identity_, "upload", fmt::format("{}:{}", hash, until));
}

async::Task<> Control::files_address(http::Exchange& exchange, std::string hash) {
  const http::Request& request = exchange.request();
  const std::string until = std::to_string(boxes_.now_us() / 1'000'000 + kUploadSeconds);
  Value out;
  out.set("present", builds_.has_files(hash));
  out.set("url", fmt::format("{}://{}/template-files/{}?until={}&signature={}", request.secure ? "https" : "http",
                             request.authority, hash, until, upload_signature(hash, until)));
  co_await send_json(exchange, 201, std::move(out));
}

async::Task<> Control::take_files(http::Exchange& exchange, std::string hash) {
  const auto query = http::parse_query(exchange.request().query());
  const auto get = [&query](const std::string& name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const auto until = parse_int(get("until"));
  if (exchange.request().method != "PUT") {
    co_await send_refusal(exchange, {405, "method not allowed"});
  } else if (!same_secret(get("signature"), upload_signature(hash, get("until")))) {
    co_await send_refusal(exchange, {403, "the signature does not match"});
  } else if (!until || *until < boxes_.now_us() / 1'000'000) {
    co_await send_refusal(exchange, {403, "this address is no longer good; ask for another"});
  } else {
    const Answered<bool> kept = co_await builds_.keep_files(exchange, std::move(hash));
    if (kept) {
      co_await send_empty(exchange, 200);
    } else {
      co_await send_refusal(exchange, kept.error());
    }
  }
}

}  // namespace swarm::e2b_endpoint
