#include "tests/harness/remote_provider.hpp"

#include "protocol/async/timer.hpp"
#include "protocol/transport/unix.hpp"

namespace swarm::harness {
namespace {

using namespace std::chrono_literals;
using providers::CreateOutcome;

// As a client of a provider's service would have them. Shorter than the daemon's own patience, so that a test that lets
// the provider hang does not take minutes.
constexpr Duration kCallPatience = 2s;
constexpr Duration kRetry = 50ms;

CreateOutcome unknown(Error error) { return {.kind = CreateOutcome::Kind::unknown, .error = std::move(error)}; }

}  // namespace

RemoteProvider::RemoteProvider(async::Loop& loop, std::string socket, providers::Capabilities capabilities)
    : loop_(loop), socket_(std::move(socket)), capabilities_(capabilities), tasks_(loop) {}

RemoteProvider::~RemoteProvider() { tasks_.cancel_all(); }

async::Task<> RemoteProvider::run(std::shared_ptr<wire::Connection> connection) {
  const Error reason = co_await connection->run();
  static_cast<void>(reason);
}

async::Task<Result<std::shared_ptr<wire::Connection>>> RemoteProvider::connection() {
  if (connection_ != nullptr && !connection_->closed()) co_return connection_;
  auto stream = co_await transport::connect_unix(loop_, socket_);
  if (!stream) co_return fail(stream.error(), "scripted provider");
  if (connection_ != nullptr && !connection_->closed()) co_return connection_;  // another call was faster
  connection_ =
      std::make_shared<wire::Connection>(loop_, std::move(*stream), wire::Side::dialer, wire::Limits{}, nullptr);
  tasks_.spawn(run(connection_));
  co_return connection_;
}

async::Task<CreateOutcome> RemoteProvider::create(providers::CreateSpec spec) {
  const auto to = co_await connection();
  if (!to) {
    // Nothing was sent: it cannot have been made.
    co_return CreateOutcome{.kind = CreateOutcome::Kind::refused, .error = to.error()};
  }
  const CreateRequest request{.id = spec.id, .owner = spec.owner, .secret = Bytes{spec.secret}};
  const auto made = co_await wire::call_with_timeout(**to, kCreate, request, kCallPatience);
  if (!made) co_return unknown(made.error());
  if (made->outcome == "created" && !made->ref.empty()) {
    co_return CreateOutcome{
        .kind = CreateOutcome::Kind::created,
        .created = {.ref = made->ref, .provider_id = "p-" + made->ref, .started = WallTime{made->started_us}}};
  }
  if (made->outcome == "refused") {
    CreateOutcome refused{
        .kind = CreateOutcome::Kind::refused,
        .error = {.code = made->limited ? Code::resource_exhausted : Code::unavailable, .message = made->message}};
    if (made->retry_after_ms) refused.retry_after = Duration(*made->retry_after_ms);
    co_return refused;
  }
  co_return unknown({.code = Code::internal, .message = "the provider's answer is garbage"});
}

async::Task<Result<std::vector<providers::Listed>>> RemoteProvider::list() {
  const auto to = co_await connection();
  if (!to) co_return fail(to.error());
  const auto listed = co_await wire::call_with_timeout(**to, kList, {}, kCallPatience);
  if (!listed) co_return fail(listed.error());
  std::vector<providers::Listed> out;
  for (const Entry& entry : listed->sandboxes) {
    if (entry.ref.empty()) co_return fail(Code::internal, "the provider's list is garbage");
    const WallTime started{entry.started_us};
    out.push_back({.ref = entry.ref,
                   .provider_id = "p-" + entry.ref,
                   .id = entry.id,
                   .owner = entry.owner,
                   .paused = entry.paused,
                   .started = started,
                   .created = {.ref = entry.ref, .provider_id = "p-" + entry.ref, .started = started}});
  }
  co_return out;
}

async::Task<Result<void>> RemoteProvider::order(const api::Method<RefRequest, api::Empty>& method, std::string ref) {
  const auto to = co_await connection();
  if (!to) co_return fail(to.error());
  const auto done = co_await wire::call_with_timeout(**to, method, {.ref = ref}, kCallPatience);
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> RemoteProvider::kill(std::string ref) { return order(kKill, std::move(ref)); }
async::Task<Result<void>> RemoteProvider::pause(std::string ref) { return order(kPause, std::move(ref)); }
async::Task<Result<void>> RemoteProvider::resume(std::string ref) { return order(kResume, std::move(ref)); }
async::Task<Result<void>> RemoteProvider::extend(std::string /*ref*/, Duration /*lifetime*/) { co_return {}; }

async::Task<Result<std::unique_ptr<transport::Stream>>> RemoteProvider::dial(std::string ref) {
  auto stream = co_await transport::connect_unix(loop_, socket_ + ".dial");
  if (!stream) co_return fail(stream.error());
  const std::string greeting = ref + "\n";
  const auto written = (*stream)->try_write(std::as_bytes(std::span(greeting)));
  if (!written || *written != greeting.size()) co_return fail(Code::unavailable, "nobody answers");
  co_return std::move(*stream);
}

async::Task<Result<api::SandboxMetrics>> RemoteProvider::metrics(std::string /*ref*/) {
  co_return fail(Code::unimplemented, "the scripted provider counts nothing");
}

async::Task<> RemoteProvider::gone(std::string ref) {
  for (;;) {
    const auto to = co_await connection();
    if (to) {
      const auto ended = co_await wire::call(**to, kGone, {.ref = ref});
      if (ended) co_return;
    }
    co_await async::sleep_for(loop_, kRetry);
  }
}

async::Task<std::optional<WallTime>> RemoteProvider::ended_at(std::string ref) {
  const auto to = co_await connection();
  if (!to) co_return std::nullopt;
  const auto told = co_await wire::call_with_timeout(**to, kEndedAt, {.ref = ref}, kCallPatience);
  if (!told || !told->time_us) co_return std::nullopt;
  co_return WallTime{*told->time_us};
}

async::Task<std::vector<std::string>> RemoteProvider::problems() { co_return std::vector<std::string>(); }

}  // namespace swarm::harness
