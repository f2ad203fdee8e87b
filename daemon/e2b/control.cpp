#include "daemon/e2b/control.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

namespace swarm::e2b_endpoint {
namespace {

/// Refuses what a local sandbox cannot be held to.
Answered<bool> check_network(const Value& network, bool secure) {
  const auto public_traffic = bool_field(network, "allowPublicTraffic");
  if (!public_traffic) return std::unexpected(public_traffic.error());
  if (*public_traffic == false && !secure) {
    return refuse(400, "network.allowPublicTraffic: false needs a secure sandbox (`secure: true`)");
  }
  for (const char* name : {"egressProxy", "maskRequestHost", "rules", "httpsPorts"}) {
    const Value* found = network.find(name);
    if (found == nullptr || found->is_nil()) continue;
    if (found->as_map() != nullptr && found->as_map()->empty()) continue;
    return refuse(400, fmt::format("network.{}: not available on this endpoint", name));
  }
  return true;
}

Answered<Wish> read_wish(const Value& body, bool v2) {
  Wish wish;
  const auto template_id = text_field(body, "templateID");
  if (!template_id) return std::unexpected(template_id.error());
  if (!*template_id || (*template_id)->empty()) return refuse(400, "templateID: is required");
  wish.template_id = **template_id;
  const auto timeout = int_field(body, "timeout");
  if (!timeout) return std::unexpected(timeout.error());
  wish.timeout_s = timeout->value_or(v2 ? 300 : 15);
  auto metadata = text_map_field(body, "metadata");
  if (!metadata) return std::unexpected(metadata.error());
  wish.metadata = std::move(*metadata);
  auto env = text_map_field(body, "envVars");
  if (!env) return std::unexpected(env.error());
  wish.env = std::move(*env);
  const auto secure = bool_field(body, "secure");
  if (!secure) return std::unexpected(secure.error());
  wish.secure = v2 || secure->value_or(false);
  const auto auto_pause = bool_field(body, "autoPause");
  if (!auto_pause) return std::unexpected(auto_pause.error());
  wish.auto_pause = auto_pause->value_or(false);
  const auto pause_memory = bool_field(body, "autoPauseMemory");
  if (!pause_memory) return std::unexpected(pause_memory.error());
  if (*pause_memory == false) {
    return refuse(400,
                  "autoPauseMemory: false (keep the disk alone) is not available on this endpoint: a pause here "
                  "keeps the programs where they are");
  }
  if (const Value* resume = body.find("autoResume"); resume != nullptr && resume->as_map() != nullptr) {
    const auto enabled = bool_field(*resume, "enabled");
    if (!enabled) return std::unexpected(enabled.error());
    wish.auto_resume = enabled->value_or(false);
  }
  const auto internet = bool_field(body, "allow_internet_access");
  if (!internet) return std::unexpected(internet.error());
  wish.internet = *internet;
  for (const char* name : {"volumeMounts", "iam"}) {
    const Value* found = body.find(name);
    if (found == nullptr || found->is_nil() || (found->as_array() != nullptr && found->as_array()->empty())) continue;
    return refuse(400, fmt::format("{}: not available on this endpoint", name));
  }
  if (const Value* network = body.find("network"); network != nullptr && network->as_map() != nullptr) {
    const auto checked = check_network(*network, wish.secure);
    if (!checked) return std::unexpected(checked.error());
    wish.network = *network;
    wish.public_traffic = bool_field(*network, "allowPublicTraffic")->value_or(true);
  }
  return wish;
}

}  // namespace

std::string access_token(const Identity& identity, std::string_view purpose, std::string_view sandbox) {
  const std::string text = fmt::format("{}:{}", purpose, sandbox);
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(identity.secret.data()),
                              identity.secret.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac{};
  crypto_auth_hmacsha256_final(&state, mac.data());
  std::string out;
  for (const unsigned char byte : mac) out += fmt::format("{:02x}", byte);
  return out;
}

std::string envd_token(const Identity& identity, const Box& box) {
  return access_token(identity, "envd", box.record.id);
}
std::string traffic_token(const Identity& identity, const Box& box) {
  return access_token(identity, "traffic", box.record.id);
}

std::string Control::time_of(std::int64_t us) const {
  return rfc3339(us - std::chrono::duration_cast<std::chrono::microseconds>(faults_.skew()).count());
}

/// The plan that was set for tests: how many at once, and how fast.
bool Control::within_plan(Refusal& refusal, http::Headers& fields) {
  if (const std::uint32_t most = faults_.most_sandboxes(); most != 0) {
    const auto running = std::ranges::count_if(
        boxes_.all(), [this](const auto& entry) { return boxes_.state(*entry.second) == BoxState::running; });
    if (static_cast<std::uint64_t>(running) + boxes_.creating() >= most) {
      ++faults_.refused().too_many;
      refusal = {429, fmt::format("you have reached the maximum number of concurrent E2B sandboxes ({})", most)};
      return false;
    }
  }
  if (const std::optional<Duration> wait = faults_.take_create()) {
    refusal = {429, "Rate limit exceeded"};
    fields.add("retry-after", std::to_string(std::chrono::ceil<std::chrono::seconds>(*wait).count()));
    return false;
  }
  return true;
}

Value Control::created(const Box& box) const {
  Value out;
  out.set("templateID", box.record.template_id);
  out.set("sandboxID", box.record.id);
  out.set("clientID", "swarmd");
  out.set("alias", box.record.template_id);
  out.set("envdVersion", kEnvdVersion);
  if (box.record.secure) out.set("envdAccessToken", envd_token(identity_, box));
  out.set("trafficAccessToken", box.record.public_traffic ? Value() : Value(traffic_token(identity_, box)));
  out.set("domain", identity_.domain.empty() ? Value() : Value(identity_.domain));
  return out;
}

Value Control::detail(const Box& box) const {
  Value out;
  const sandbox::Record* record = boxes_.record(box);
  out.set("templateID", box.record.template_id);
  out.set("alias", box.record.template_id);
  out.set("sandboxID", box.record.id);
  out.set("clientID", "swarmd");
  out.set("startedAt", time_of(box.record.started_us));
  out.set("endAt", time_of(box.record.end_us));
  out.set("envdVersion", kEnvdVersion);
  if (box.record.secure) out.set("envdAccessToken", envd_token(identity_, box));
  out.set("domain", identity_.domain.empty() ? Value() : Value(identity_.domain));
  const api::SandboxLimits limits = record == nullptr ? api::SandboxLimits{} : record->hidden.limits;
  out.set("cpuCount", static_cast<std::int64_t>(std::max(1.0, std::round(limits.cpus.value_or(1)))));
  out.set("memoryMB", limits.memory_bytes.value_or(0) >> 20U);
  out.set("diskSizeMB", limits.disk_bytes.value_or(0) >> 20U);
  out.set("state", boxes_.state(box) == BoxState::paused ? "paused" : "running");
  out.set("metadata", text_map(box.record.metadata));
  if (box.record.internet) out.set("allowInternetAccess", *box.record.internet);
  if (box.record.network.as_map() != nullptr) out.set("network", box.record.network);
  Value lifecycle;
  lifecycle.set("onTimeout", box.record.auto_pause ? "pause" : "kill");
  lifecycle.set("autoResume", box.record.auto_resume);
  out.set("lifecycle", lifecycle);
  return out;
}

async::Task<> Control::serve(http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  std::vector<std::string> path;
  for (const std::string& part : split(request.path(), '/')) path.push_back(http::percent_decode(part));
  if (path == std::vector<std::string>{"health"}) {
    co_await send_empty(exchange, 204);
    co_return;
  }
  if (path.size() == 2 && path[0] == "template-files") {
    co_await take_files(exchange, path[1]);  // its address is its authority
    co_return;
  }
  const std::string_view key = request.headers.get("x-api-key");
  if (key.empty()) {
    co_await send_refusal(exchange, {401, "authorization header is missing: send the API key as X-API-Key"});
    co_return;
  }
  if (!same_secret(key, identity_.api_key)) {
    co_await send_refusal(exchange, {401, "invalid API key; 'swarmctl e2b env' prints the one of this endpoint"});
    co_return;
  }
  Api api = Api::v1;
  if (!path.empty() && (path[0] == "v2" || path[0] == "v3")) {
    api = Api::v2;
    path.erase(path.begin());
  }
  if (!path.empty() && path[0] == "sandboxes") {
    co_await sandboxes(exchange, std::move(path), api);
  } else if (!path.empty() && (path[0] == "templates" || path[0] == "snapshots")) {
    co_await templates(exchange, std::move(path));
  } else if (!path.empty() && (path[0] == "volumes" || path[0] == "secrets" || path[0] == "teams" ||
                               path[0] == "events" || path[0] == "api-keys")) {
    co_await send_refusal(exchange, {501, fmt::format("/{} is not available on this endpoint", path[0])});
  } else {
    co_await send_refusal(exchange, {404, fmt::format("there is no '{}' here", request.path())});
  }
}

async::Task<> Control::sandboxes(http::Exchange& exchange, Path path, Api api) {
  const std::string& method = exchange.request().method;
  if (path.size() == 1 && method == "POST") {
    co_await create(exchange, api);
  } else if (path.size() == 1 && method == "GET") {
    co_await list(exchange, api);
  } else if (path.size() == 1) {
    co_await send_refusal(exchange, {405, "method not allowed"});
  } else if (path.size() == 2 && path[1] == "metrics" && method == "GET") {
    co_await metrics_of_many(exchange);
  } else {
    co_await one_sandbox(exchange, std::move(path), api);
  }
}

async::Task<> Control::create(http::Exchange& exchange, Api api) {
  const Answered<Value> body = co_await read_json(exchange, BodyIs::required);
  if (!body) {
    co_await send_refusal(exchange, body.error());
    co_return;
  }
  Answered<Wish> wish = read_wish(*body, api == Api::v2);
  if (!wish) {
    co_await send_refusal(exchange, wish.error());
    co_return;
  }
  Refusal refusal;
  http::Headers fields;
  if (!within_plan(refusal, fields)) {
    co_await send_refusal(exchange, std::move(refusal), std::move(fields));
    co_return;
  }
  const Answered<BoxPtr> box = co_await boxes_.create(std::move(*wish));
  if (!box) {
    co_await send_refusal(exchange, box.error());
    co_return;
  }
  co_await send_json(exchange, 201, created(**box));
}

async::Task<> Control::one_sandbox(http::Exchange& exchange, Path path, Api api) {
  const std::string method = exchange.request().method;
  const std::string verb = path.size() > 2 ? path[2] : "";
  const BoxPtr box = boxes_.find(path[1]);
  if (box == nullptr || boxes_.state(*box) == BoxState::gone) {
    co_await send_refusal(exchange,
                          {404, fmt::format("Sandbox \"{}\" doesn't exist or you don't have access to it", path[1])});
    co_return;
  }
  if (verb.empty() && method == "GET") {
    co_await send_json(exchange, 200, detail(*box));
  } else if (verb.empty() && method == "DELETE") {
    const Answered<bool> killed = co_await boxes_.kill(box, "killed through the E2B API");
    if (killed) {
      co_await send_empty(exchange, 204);
    } else {
      co_await send_refusal(exchange, killed.error());
    }
  } else if (method == "POST" && (verb == "connect" || verb == "resume")) {
    co_await connect(exchange, box, api, verb);
  } else if ((method == "POST" && (verb == "pause" || verb == "timeout" || verb == "refreshes")) ||
             (method == "PUT" && verb == "network")) {
    co_await change(exchange, box, verb);
  } else if (method == "GET" && verb == "metrics") {
    co_await metrics(exchange, box);
  } else if (method == "GET" && verb == "logs") {
    co_await logs(exchange, box, api);
  } else if (method == "POST" && (verb == "snapshots" || verb == "fork")) {
    co_await send_refusal(exchange, {501,
                                     "a local sandbox has no memory snapshot, so it cannot be copied; pause it, or "
                                     "fetch its files"});
  } else {
    co_await send_refusal(exchange, {404, fmt::format("there is no '{}' here", exchange.request().path())});
  }
}

async::Task<> Control::connect(http::Exchange& exchange, BoxPtr box, Api api, std::string verb) {
  const Answered<Value> body =
      co_await read_json(exchange, api == Api::v2 || verb == "resume" ? BodyIs::optional : BodyIs::required);
  if (!body) {
    co_await send_refusal(exchange, body.error());
    co_return;
  }
  const auto timeout = int_field(*body, "timeout");
  if (!timeout) {
    co_await send_refusal(exchange, timeout.error());
    co_return;
  }
  if (verb == "connect" && api == Api::v1 && !*timeout) {
    co_await send_refusal(exchange, {400, "timeout: is required"});
    co_return;
  }
  if (bool_field(*body, "memory") == false) {
    co_await send_refusal(exchange, {400, "memory: false (a cold boot) is not available on this endpoint"});
    co_return;
  }
  const std::int64_t seconds = timeout->value_or(verb == "resume" ? 15 : 300);
  if (seconds < 0 || seconds > boxes_.most_seconds()) {
    co_await send_refusal(exchange, {400, fmt::format("timeout: from 0 to {} seconds", boxes_.most_seconds())});
    co_return;
  }
  Answered<bool> done = false;
  if (verb == "resume") {
    const auto auto_pause = bool_field(*body, "autoPause");
    if (auto_pause && *auto_pause) box->record.auto_pause = **auto_pause;
    done = co_await boxes_.resume(box, seconds);
  } else {
    done = co_await boxes_.connect(box, seconds);
  }
  if (!done) {
    co_await send_refusal(exchange, done.error());
    co_return;
  }
  co_await send_json(exchange, *done ? 201 : 200, created(*box));
}

async::Task<> Control::change(http::Exchange& exchange, BoxPtr box, std::string verb) {
  const Answered<Value> body =
      co_await read_json(exchange, verb == "timeout" || verb == "network" ? BodyIs::required : BodyIs::optional);
  if (!body) {
    co_await send_refusal(exchange, body.error());
    co_return;
  }
  Answered<bool> done = false;
  if (verb == "pause") {
    if (bool_field(*body, "memory") == false) {
      done = refuse(400, "memory: false (keep the disk alone) is not available on this endpoint");
    } else {
      done = co_await boxes_.pause(box);
    }
  } else if (verb == "network") {
    const auto internet = bool_field(*body, "allow_internet_access");
    const Answered<bool> checked = check_network(*body, box->record.secure);
    if (!internet || !checked) {
      done = std::unexpected(internet ? checked.error() : internet.error());
    } else {
      done = co_await boxes_.set_network(box, *body, *internet);
    }
  } else {
    const auto seconds = int_field(*body, verb == "timeout" ? "timeout" : "duration");
    if (!seconds) {
      done = std::unexpected(seconds.error());
    } else if (verb == "timeout" && !*seconds) {
      done = refuse(400, "timeout: is required");
    } else if (verb == "timeout") {
      done = co_await boxes_.set_timeout(box, **seconds);
    } else if (seconds->value_or(0) < 0 || seconds->value_or(0) > 3600) {
      done = refuse(400, "duration: from 0 to 3600 seconds");
    } else {
      done = co_await boxes_.refresh(box, std::max<std::int64_t>(seconds->value_or(0), 15));
    }
  }
  if (done) {
    co_await send_empty(exchange, 204);
  } else {
    co_await send_refusal(exchange, done.error());
  }
}

}  // namespace swarm::e2b_endpoint
