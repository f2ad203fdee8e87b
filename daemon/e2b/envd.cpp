#include "daemon/e2b/envd.hpp"

#include <fmt/format.h>
#include <sodium.h>

namespace swarm::e2b_endpoint {
namespace {

/// The signature that lets somebody without the token use `/files` (wire notes of E2B: path, operation, user, token,
/// expiration).
std::string signature(std::string_view path, std::string_view operation, std::string_view user, std::string_view token,
                      std::string_view expiration) {
  std::string text = fmt::format("{}:{}:{}:{}", path, operation, user, token);
  if (!expiration.empty()) text += fmt::format(":{}", expiration);
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::string encoded = base64_encode({reinterpret_cast<const char*>(hash.data()), hash.size()});
  while (encoded.ends_with('=')) encoded.pop_back();
  return "v1_" + encoded;
}

}  // namespace

bool signature_matches(const http::Request& request, const std::string& token) {
  auto query = http::parse_query(request.query());
  const std::string expected = signature(query["path"], request.method == "GET" ? "read" : "write", query["username"],
                                         token, query["signature_expiration"]);
  return same_secret(query["signature"], expected);
}

namespace {

/// Whether the caller may; a sentence when not.
std::optional<std::string> forbidden(const http::Request& request, const std::string& token, std::int64_t now_us) {
  if (const std::string* given = request.headers.find("x-access-token")) {
    if (same_secret(*given, token)) return std::nullopt;
    return "unauthorized access, please provide a valid access token";
  }
  auto query = http::parse_query(request.query());
  if (request.path() != "/files" || query["signature"].empty()) {
    return "unauthorized access, please provide a valid access token or method signing if supported";
  }
  if (!signature_matches(request, token)) return "invalid signature";
  if (!query["signature_expiration"].empty()) {
    const auto until = parse_int(query["signature_expiration"]);
    if (!until || *until < now_us / 1'000'000) return "signature is already expired";
  }
  return std::nullopt;
}

/// The user of HTTP Basic authentication; nothing when there is none.
std::optional<std::string> basic_user(const http::Request& request) {
  std::string_view field = request.headers.get("authorization");
  if (!field.starts_with("Basic ")) return std::nullopt;
  field.remove_prefix(6);
  const std::optional<std::string> plain = base64_decode(field);
  if (!plain) return std::nullopt;
  return plain->substr(0, plain->find(':'));
}

std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> out(1);
  for (const char c : line) {
    if (c == ':') {
      out.emplace_back();
    } else {
      out.back().push_back(c);
    }
  }
  return out;
}

async::Task<Result<std::string>> read_small(wire::Connection& agent, std::string path) {
  api::FilesReadRequest request;
  request.path = api::Path(std::move(path));
  request.user = "root";
  Result<api::FilesReadReply> reply = co_await wire::call(agent, api::inside::kFilesRead, request);
  if (!reply) co_return fail(reply.error());
  co_return std::move(reply->data.data);
}

}  // namespace

async::Task<Result<void>> learn_users(Box& box, wire::Connection& agent) {
  if (!box.users.empty()) co_return {};
  const Result<std::string> passwd = co_await read_small(agent, "/etc/passwd");
  if (!passwd) co_return fail(passwd.error(), "users of the sandbox");
  const Result<std::string> groups = co_await read_small(agent, "/etc/group");
  const auto each = [](std::string_view text, auto take) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      take(fields_of(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  };
  std::vector<BoxUser> users;
  each(*passwd, [&users](const std::vector<std::string>& fields) {
    const auto uid = fields.size() >= 6 ? parse_int(fields[2]) : std::nullopt;
    if (uid) users.push_back({.name = fields[0], .uid = static_cast<std::uint32_t>(*uid), .home = fields[5]});
  });
  if (groups) {
    each(*groups, [&box](const std::vector<std::string>& fields) {
      const auto gid = fields.size() >= 3 ? parse_int(fields[2]) : std::nullopt;
      if (gid) box.groups[static_cast<std::uint32_t>(*gid)] = fields[0];
    });
  }
  box.users = std::move(users);
  co_return {};
}

std::string resolve_path(const BoxUser& user, std::string_view path) {
  if (path.empty() || path == "~" || path == ".") return user.home;
  if (path.starts_with("~/")) return user.home + "/" + std::string(path.substr(2));
  if (path.starts_with('/')) return std::string(path);
  return user.home + "/" + std::string(path);
}

RpcError file_error(const Error& error) {
  RpcError out = rpc_error(error);
  // What the name stands for is of the wrong kind, for envd.
  if (error.code == Code::failed_precondition) out.code = "invalid_argument";
  return out;
}

async::Task<> Envd::serve(http::Exchange& exchange, BoxPtr box) {
  const http::Request& request = exchange.request();
  const std::string path(request.path());
  if (path == "/health" && request.method == "GET") {
    const auto used = co_await boxes_.use(box);
    if (used) {
      co_await send_empty(exchange, 204);
    } else {
      co_await send_refusal(exchange, used.error());
    }
    co_return;
  }
  for (const char* own : {"/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade"}) {
    if (path != own) continue;
    Value body;
    body.set("message", "This endpoint is reserved for the orchestrator and is not reachable from outside");
    body.set("path", path);
    body.set("code", 404);
    co_await send_json(exchange, 404, std::move(body));
    co_return;
  }
  if (box->record.secure) {
    if (const auto why = forbidden(request, envd_token(identity_, *box), boxes_.now_us())) {
      co_await send_refusal(exchange, {401, *why});
      co_return;
    }
  }
  auto used = co_await boxes_.use(box);
  if (!used) {
    Value body;
    body.set("sandboxId", box->record.id);
    body.set("message", used.error().message);
    body.set("code", used.error().status);
    co_await send_json(exchange, used.error().status, std::move(body));
    co_return;
  }
  const Result<void> learnt = co_await learn_users(*box, used->agent());
  if (!learnt) {
    co_await send_refusal(exchange, refusal_of(learnt.error()));
    co_return;
  }
  const bool is_rpc = path.starts_with("/process.Process/") || path.starts_with("/filesystem.Filesystem/");
  std::string name = basic_user(request).value_or("");
  if (!is_rpc) {
    auto query = http::parse_query(request.query());
    if (!query["username"].empty()) name = query["username"];
  }
  if (name.empty()) name = used->record().info.user.value_or("user");
  const auto user = std::ranges::find(box->users, name, &BoxUser::name);
  if (user == box->users.end()) {
    const std::string why = fmt::format("invalid username: '{}'", name);
    if (is_rpc) {
      co_await answer_unary(exchange, rpc_fail("unauthenticated", why));
    } else {
      co_await send_refusal(exchange, {401, why});
    }
    co_return;
  }
  Call call{.exchange = exchange, .box = box, .use = *used, .user = *user};
  if (is_rpc) {
    const std::size_t slash = path.find('/', 1);
    co_await rpc(call, path.substr(1, slash - 1), path.substr(slash + 1));
  } else if (path == "/files" && request.method == "GET") {
    co_await download(call);
  } else if (path == "/files" && request.method == "POST") {
    co_await upload(call);
  } else if (path == "/metrics" && request.method == "GET") {
    co_await metrics(call);
  } else if (path == "/envs" && request.method == "GET") {
    Value env(Value::Map{});
    for (const auto& [key, value] : box->record.env) env.set(key, value);
    env.set("E2B_SANDBOX", "true");
    env.set("E2B_SANDBOX_ID", box->record.id);
    env.set("E2B_TEMPLATE_ID", box->record.template_id);
    co_await send_json(exchange, 200, std::move(env));
  } else {
    co_await send_refusal(exchange, {404, "404 page not found"});
  }
}

async::Task<> Envd::rpc(Call& call, std::string service, std::string method) {
  if (call.exchange.request().method != "POST") {
    const Result<void> sent = co_await call.exchange.respond({.status = 405, .headers = {{"allow", "POST"}}}, "");
    co_return;
  }
  if (service == "process.Process") {
    co_await process_call(call, std::move(method));
  } else {
    co_await filesystem_call(call, std::move(method));
  }
}

}  // namespace swarm::e2b_endpoint
