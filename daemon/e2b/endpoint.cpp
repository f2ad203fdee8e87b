#include "daemon/e2b/endpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>

#include "daemon/log/log.hpp"
#include "protocol/async/file.hpp"
#include "protocol/tree/atomic_file.hpp"

namespace swarm::e2b_endpoint {
namespace {

std::string hex(Random& random, std::size_t bytes) {
  std::string raw(bytes, '\0');
  random.fill(std::as_writable_bytes(std::span(raw)));
  std::string out;
  for (const char byte : raw) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

/// Which sandbox and port a request is for; nothing when it is for the control plane.
struct Target {
  std::string sandbox;
  std::uint32_t port = 0;
};
std::optional<std::uint32_t> port_number(std::string_view text) {
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0 || port > 65'535) return std::nullopt;
  return port;
}
bool is_id(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

/// 400 in plain text, as E2B's proxy says it.
using Routed = std::expected<std::optional<Target>, std::string>;
Routed route_of(const http::Request& request) {
  const std::string host = http::lower(request.authority);
  const std::string_view label = std::string_view(host).substr(0, host.find_first_of(".:"));
  const std::size_t dash = label.find('-');
  if (dash != label.npos) {
    if (const auto port = port_number(label.substr(0, dash))) {
      std::string_view id = label.substr(dash + 1);
      id = id.substr(0, id.find('-'));
      if (!is_id(id)) return std::unexpected(fmt::format("Invalid host: '{}'", host));
      return Target{.sandbox = std::string(id), .port = *port};
    }
  }
  const std::string* id = request.headers.find("e2b-sandbox-id");
  const std::string* port = request.headers.find("e2b-sandbox-port");
  if (id == nullptr && port == nullptr) return std::optional<Target>();
  if (id == nullptr || port == nullptr)
    return std::unexpected("missing header: E2b-Sandbox-Id and E2b-Sandbox-Port belong together");
  const auto number = port_number(*port);
  const std::string_view plain = std::string_view(*id).substr(0, id->find('-'));
  if (!number || !is_id(plain)) return std::unexpected("invalid E2b-Sandbox-Id or E2b-Sandbox-Port");
  return Target{.sandbox = std::string(plain), .port = *number};
}

}  // namespace

Endpoint::Endpoint(Surroundings surroundings)
    : with_(std::move(surroundings)),
      builds_({.loop = with_.loop,
               .sandboxes = with_.sandboxes,
               .config = with_.config,
               .random = with_.random,
               .directory = with_.directory / "templates"}),
      boxes_({.loop = with_.loop,
              .store = with_.store,
              .sandboxes = with_.sandboxes,
              .config = with_.config,
              .builds = builds_}),
      watches_(with_.loop),
      faults_(with_.loop),
      control_(boxes_, builds_, identity_, with_.config, faults_),
      envd_(boxes_, identity_, watches_),
      ports_(boxes_, identity_) {
  with_.tunnel_router.bind_notification(api::kFilesChanged,
                                        [this](wire::CallContext& context, api::FilesChanged report) {
                                          watches_.arrived(context.connection, std::move(report));
                                        });
}

Endpoint::~Endpoint() = default;

/// The key that clients send and the secret that tokens come from: made once, kept where only this user reads.
Result<void> Endpoint::load_identity() {
  if (!identity_.secret.empty()) return {};
  const std::string directory = with_.directory.native();
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno("mkdir", directory);
  const auto load = [&](const std::string& name, const std::string& fresh) -> Result<std::string> {
    const std::string path = directory + "/" + name;
    Result<std::string> known = async::read_file_now(path, 4096);
    if (known && !known->empty()) return known;
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return fail_errno("open", path);
    const Result<void> written = tree::write_fully(fd.get(), fresh);
    if (!written) return fail(written.error());
    return fresh;
  };
  Result<std::string> key = load("key", "e2b_" + hex(with_.random, 20));
  if (!key) return fail(key.error());
  Result<std::string> secret = load("secret", hex(with_.random, 32));
  if (!secret) return fail(secret.error());
  identity_.api_key = std::move(*key);
  identity_.secret = std::move(*secret);
  return builds_.load();
}

async::Task<Result<void>> Endpoint::start() {
  const Result<void> recovered = co_await boxes_.recover();
  if (!recovered) co_return fail(recovered.error());
  if (!with_.config.e2b_endpoint.enabled) co_return {};
  const Result<api::E2bStatus> opened = co_await open({});
  if (!opened) co_return fail(opened.error(), "E2B endpoint");
  co_return {};
}

async::Task<Result<api::E2bStatus>> Endpoint::open(api::E2bOpenRequest request) {
  if (server_) {
    co_return fail(Code::already_exists,
                   fmt::format("the E2B endpoint is open already, at {}", status().url.value_or("")));
  }
  if (const Result<void> known = load_identity(); !known) co_return fail(known.error());
  const config::E2bEndpoint& settings = with_.config.e2b_endpoint;
  const std::string listen = request.listen.value_or(settings.listen);
  const std::size_t colon = listen.rfind(':');
  std::string host = colon == listen.npos ? "" : listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint32_t port = 0;
  const char* first = listen.data() + std::min(colon + 1, listen.size());
  const auto [end, error] = std::from_chars(first, listen.data() + listen.size(), port);
  if (colon == listen.npos || error != std::errc() || end != listen.data() + listen.size() || port > 65'535) {
    co_return fail(Code::invalid_argument,
                   fmt::format("listen: '{}' is no address and port; \"127.0.0.1:3999\"", listen));
  }
  const std::string certificate = request.certificate.value_or(settings.certificate.native());
  const std::string key = request.key.value_or(settings.key.native());
  if (certificate.empty() != key.empty()) co_return fail(Code::invalid_argument, "certificate and key belong together");
  tls_.reset();
  if (!certificate.empty()) {
    auto loaded = http::TlsContext::load(certificate, key);
    if (!loaded) co_return fail(loaded.error());
    tls_ = std::move(*loaded);
  }
  identity_.domain = request.domain.value_or(settings.domain);
  auto listener = transport::TcpListener::listen(
      with_.loop, {.host = host, .port = static_cast<std::uint16_t>(port)},
      settings.beyond_loopback ? transport::Reach::anywhere : transport::Reach::loopback);
  if (!listener) co_return fail(listener.error());
  server_ = std::make_unique<http::Server>(with_.loop, std::move(*listener), http::Limits{}, *this, tls_.get());
  server_->start();
  log::logger<"e2b">().info("E2B endpoint open", {{"at", server_->address().to_string()}, {"tls", tls_ != nullptr}});
  co_return status();
}

async::Task<Result<api::Empty>> Endpoint::close() {
  if (!server_) co_return fail(Code::failed_precondition, "the E2B endpoint is not open");
  co_await stop(std::chrono::seconds(1));
  co_return api::Empty{};
}

async::Task<> Endpoint::stop(Duration patience) {
  if (!server_) co_return;
  const std::unique_ptr<http::Server> server = std::move(server_);
  co_await server->drain(patience);
}

api::E2bStatus Endpoint::status() const {
  api::E2bStatus out;
  out.open = server_ != nullptr;
  out.sandboxes = boxes_.all().size();
  out.faults = faults_.hits();
  out.refused_too_fast = faults_.refused().too_fast;
  out.refused_too_many = faults_.refused().too_many;
  if (!server_) return out;
  out.url = fmt::format("{}://{}", tls_ ? "https" : "http", server_->address().to_string());
  out.api_key = identity_.api_key;
  if (!identity_.domain.empty()) out.domain = identity_.domain;
  out.connections = server_->connections();
  return out;
}

Result<api::Empty> Endpoint::set_faults(const api::E2bFaultsRequest& request) { return faults_.set(request); }

async::Task<> Endpoint::serve(http::Exchange& exchange) {
  if (!faults_.any()) {
    co_await route(exchange);
    co_return;
  }
  const std::unique_ptr<http::Exchange> faulty = faults_.around(exchange);
  const bool goes_on = co_await faults_.before(*faulty);
  if (goes_on) co_await route(*faulty);
}

BoxPtr Endpoint::signed_box(const http::Request& request) const {
  if (request.path() != "/files" || !request.query().contains("signature=")) return nullptr;
  for (const auto& [id, box] : boxes_.all()) {
    if (box->record.secure && signature_matches(request, envd_token(identity_, *box))) return boxes_.find(id);
  }
  return nullptr;
}

async::Task<> Endpoint::route(http::Exchange& exchange) {
  const Routed target = route_of(exchange.request());
  if (!target) {
    const Result<void> sent =
        co_await exchange.respond({.status = 400, .headers = {{"content-type", "text/plain"}}}, target.error());
    co_return;
  }
  if (!*target) {
    // A signed address that was made with E2B_SANDBOX_URL names no sandbox: its signature does.
    if (const BoxPtr signed_for = signed_box(exchange.request())) {
      co_await envd_.serve(exchange, signed_for);
      co_return;
    }
    co_await control_.serve(exchange);
    co_return;
  }
  const BoxPtr box = boxes_.find((*target)->sandbox);
  if (box == nullptr || (boxes_.state(*box) != BoxState::running && !box->record.auto_resume)) {
    co_await send_proxy_error(exchange, 502, (*target)->sandbox, "The sandbox was not found");
    co_return;
  }
  if ((*target)->port == kEnvdPort) {
    co_await envd_.serve(exchange, box);
  } else {
    co_await ports_.serve(exchange, box, (*target)->port);
  }
}

}  // namespace swarm::e2b_endpoint
