// The provider program: scripted-provider SOCKET. Sandboxes exist in its memory only, each with an agentd that speaks
// the real tunnel. It notes for itself what ran from when to when, and misbehaves as a test tells it. It says "ready"
// when it listens.
#include <csignal>
#include <cstdio>
#include <deque>
#include <list>
#include <map>

#include "protocol/async/signals.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/transport/unix.hpp"
#include "tests/fixtures/scripted_agent.hpp"
#include "tests/harness/provider_api.hpp"

namespace swarm::harness {
namespace {

using namespace std::chrono_literals;

struct Sandbox {
  Account account;
  MonoTime listed_from;
  bool paused = false;
  std::unique_ptr<tests::ScriptedAgent> agent;
  std::int64_t started_us = 0;
  std::int64_t ended_us = 0;
};

class Provider {
 public:
  Provider(async::Loop& loop, Random& random)
      : loop_(loop),
        random_(random),
        budget_(loop, std::size_t{1} << 30U),
        agent_router_({.name = "scripted agentd", .version = "0.1.0", .features = {}}, loop.clock()),
        router_({.name = "scripted provider", .version = "0.1.0", .features = {}}, loop.clock()),
        ended_(loop),
        tasks_(loop) {
    tests::bind_agent_methods(agent_router_);
    bind();
  }
  ~Provider() { tasks_.cancel_all(); }
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  Result<void> listen(const std::string& socket) {
    Result<UniqueFd> calls = transport::bind_unix(socket, 0600);
    if (!calls) return fail(calls.error());
    Result<UniqueFd> dials = transport::bind_unix(socket + ".dial", 0600);
    if (!dials) return fail(dials.error());
    calls_.emplace(loop_, std::move(*calls));
    dials_.emplace(loop_, std::move(*dials));
    tasks_.spawn(serve_calls());
    tasks_.spawn(serve_dials());
    return {};
  }

 private:
  void bind() {
    router_.bind(kCreate, [this](wire::CallContext& call, CreateRequest request) {
      return create(call.connection, std::move(request));
    });
    router_.bind(kList, [this](wire::CallContext& call, api::Empty) { return list(call.connection); });
    router_.bind(kKill, [this](wire::CallContext& call, RefRequest request) {
      return order(call.connection, std::move(request.ref), kill_trouble_, &Provider::end);
    });
    router_.bind(kPause, [this](wire::CallContext& call, RefRequest request) {
      return order(call.connection, std::move(request.ref), pause_trouble_, &Provider::pause);
    });
    router_.bind(kResume, [this](wire::CallContext& call, RefRequest request) {
      return order(call.connection, std::move(request.ref), pause_trouble_, &Provider::resume);
    });
    router_.bind(kGone, [this](wire::CallContext&, RefRequest request) { return gone(std::move(request.ref)); });
    router_.bind(kEndedAt, [this](wire::CallContext&, RefRequest request) -> Result<TimeReply> {
      const auto found = sandboxes_.find(request.ref);
      if (found == sandboxes_.end() || !found->second.account.ended_ns) return TimeReply{};
      return TimeReply{.time_us = found->second.ended_us};
    });
    router_.bind(kScript, [this](wire::CallContext&, ScriptRequest request) { return script(std::move(request)); });
    router_.bind(kAccounts, [this](wire::CallContext&, api::Empty) { return Result<AccountsReply>(accounts()); });
    router_.bind(kDie, [this](wire::CallContext&, RefRequest request) -> Result<api::Empty> {
      end(request.ref);
      return api::Empty{};
    });
    router_.bind(kMute, [this](wire::CallContext&, RefRequest request) -> Result<api::Empty> {
      if (const auto found = sandboxes_.find(request.ref); found != sandboxes_.end()) found->second.agent.reset();
      return api::Empty{};
    });
    router_.bind(kPlant, [this](wire::CallContext&, CreateRequest request) -> Result<api::Empty> {
      make(request, false);
      return api::Empty{};
    });
  }

  /// Whole microseconds, so that who tells the time in them tells the same time.
  std::int64_t now_us() const { return loop_.clock().wall().us; }
  static std::string ns(std::int64_t us) { return std::to_string(us) + "000"; }

  std::size_t running() const { return running_; }

  void make(const CreateRequest& request, bool with_agent) {
    Sandbox& made = sandboxes_[request.id];
    made.started_us = now_us();
    made.account = {
        .id = request.id,
        .owner = request.owner,
        .started_ns = ns(made.started_us),
        .listed_ns = ns(made.started_us + std::chrono::duration_cast<std::chrono::microseconds>(list_lag_).count())};
    made.listed_from = loop_.clock().now() + list_lag_;
    ++running_;
    totals_.most_at_once = std::max<std::uint64_t>(totals_.most_at_once, running_);
    if (!with_agent) return;
    auto secret = wire::TunnelSecret::from_bytes(std::as_bytes(std::span(request.secret.data)));
    if (!secret) return;
    made.agent =
        std::make_unique<tests::ScriptedAgent>(loop_, random_, budget_, agent_router_, request.id, std::move(*secret));
  }

  void end(const std::string& ref) {
    const auto found = sandboxes_.find(ref);
    if (found == sandboxes_.end() || found->second.account.ended_ns) return;
    found->second.ended_us = now_us();
    found->second.account.ended_ns = ns(found->second.ended_us);
    found->second.agent.reset();
    --running_;
    ended_.notify_all();
  }
  void pause(const std::string& ref) {
    const auto found = sandboxes_.find(ref);
    if (found == sandboxes_.end() || found->second.paused || found->second.account.ended_ns) return;
    found->second.paused = true;
    found->second.account.paused_ns.push_back(ns(now_us()));
  }
  void resume(const std::string& ref) {
    const auto found = sandboxes_.find(ref);
    if (found == sandboxes_.end() || !found->second.paused || found->second.account.ended_ns) return;
    found->second.paused = false;
    found->second.account.resumed_ns.push_back(ns(now_us()));
  }

  async::Task<> hang() {
    async::Event never(loop_);
    co_await never.wait();
  }

  std::string next_create() {
    if (!script_.empty()) {
      std::string next = std::move(script_.front());
      script_.pop_front();
      return next;
    }
    static const std::array<const char*, 8> kTroubles = {"refused",       "limited", "broken", "lost_made",
                                                         "lost_not_made", "hangs",   "mute",   "garbage"};
    if (troubles_.below(100) >= create_trouble_percent_) return "works";
    return kTroubles.at(troubles_.below(kTroubles.size()));
  }

  /// A refusal as 429, or nothing where there is room.
  std::optional<CreateReply> limited() {
    const MonoTime now = loop_.clock().now();
    while (!recent_.empty() && now - recent_.front() >= 1s) recent_.pop_front();
    if (rate_ > 0 && static_cast<double>(recent_.size()) >= rate_) {
      ++totals_.over_rate;
      return CreateReply{.outcome = "refused", .message = "429: too fast", .retry_after_ms = 1000ms, .limited = true};
    }
    if (running() >= capacity_) {
      ++totals_.over_capacity;
      return CreateReply{.outcome = "refused", .message = "429: too many sandboxes", .limited = true};
    }
    recent_.push_back(now);
    return std::nullopt;
  }

  async::Task<Result<CreateReply>> create(wire::Connection& connection, CreateRequest request) {
    if (jitter_ > Duration{0}) {
      co_await async::sleep_for(
          loop_,
          Duration(static_cast<Duration::rep>(troubles_.below(static_cast<std::uint64_t>(jitter_.count()) + 1))));
    }
    ++totals_.creates;
    if (sandboxes_.contains(request.id)) ++totals_.twice;
    if (std::optional<CreateReply> refused = limited()) co_return *refused;
    const std::string how = next_create();
    if (create_time_ > Duration{0}) co_await async::sleep_for(loop_, create_time_);
    if (how == "refused") co_return CreateReply{.outcome = "refused", .message = "403: no more today"};
    if (how == "limited") {
      co_return CreateReply{.outcome = "refused", .message = "429: not now", .retry_after_ms = 100ms, .limited = true};
    }
    if (how == "broken") co_return CreateReply{.outcome = "refused", .message = "500: it is broken"};
    if (how != "lost_not_made" && how != "hangs_not_made") make(request, how != "mute");
    if (how == "lost_made" || how == "lost_not_made") {
      connection.close({.code = Code::unavailable, .message = "cut"});
    }
    if (how != "works" && how != "mute" && how != "garbage") co_await hang();
    if (how == "garbage") co_return CreateReply{.outcome = "\x01?", .ref = request.id};
    co_return CreateReply{.outcome = "created", .ref = request.id, .started_us = sandboxes_.at(request.id).started_us};
  }

  async::Task<Result<ListReply>> list(wire::Connection& connection) {
    ListReply reply;
    if (list_trouble_ > 0) {
      --list_trouble_;
      if (trouble_ == "garbage") {
        reply.sandboxes = {{.ref = "", .id = "\x02", .owner = "nobody"}};
        co_return reply;
      }
      co_await misbehave(connection);
      co_return fail(Code::unavailable, "500: the list cannot be had");
    }
    for (const auto& [ref, sandbox] : sandboxes_) {
      if (sandbox.account.ended_ns || loop_.clock().now() < sandbox.listed_from) continue;
      reply.sandboxes.push_back({.ref = ref,
                                 .id = sandbox.account.id,
                                 .owner = sandbox.account.owner,
                                 .paused = sandbox.paused,
                                 .started_us = sandbox.started_us});
    }
    co_return reply;
  }

  async::Task<> misbehave(wire::Connection& connection) {
    if (trouble_ == "hangs" || trouble_ == "lost") co_await hang();
    if (trouble_ == "garbage") connection.close({.code = Code::unavailable, .message = "cut"});
  }

  async::Task<Result<api::Empty>> order(wire::Connection& connection, std::string ref, std::uint32_t& trouble,
                                        void (Provider::*act)(const std::string&)) {
    if (trouble > 0) {
      --trouble;
      if (trouble_ == "lost") (this->*act)(ref);
      co_await misbehave(connection);
      co_return fail(Code::unavailable, "500: try again");
    }
    (this->*act)(ref);
    co_return api::Empty{};
  }

  async::Task<Result<api::Empty>> gone(std::string ref) {
    for (;;) {
      const auto found = sandboxes_.find(ref);
      if (found == sandboxes_.end() || found->second.account.ended_ns) co_return api::Empty{};
      co_await ended_.wait();
    }
  }

  Result<api::Empty> script(ScriptRequest request) {
    for (std::string& next : request.create) script_.push_back(std::move(next));
    if (request.create_trouble_percent) create_trouble_percent_ = *request.create_trouble_percent;
    if (request.create_ms) create_time_ = *request.create_ms;
    if (request.jitter_ms) jitter_ = *request.jitter_ms;
    if (request.list_lag_ms) list_lag_ = *request.list_lag_ms;
    if (request.list_trouble) list_trouble_ = *request.list_trouble;
    if (request.kill_trouble) kill_trouble_ = *request.kill_trouble;
    if (request.pause_trouble) pause_trouble_ = *request.pause_trouble;
    if (request.trouble) trouble_ = *request.trouble;
    if (request.capacity) capacity_ = *request.capacity;
    if (request.rate) rate_ = *request.rate;
    if (request.seed) troubles_ = SeededRandom(*request.seed);
    return api::Empty{};
  }

  AccountsReply accounts() const {
    AccountsReply reply = totals_;
    for (const auto& [ref, sandbox] : sandboxes_) reply.accounts.push_back(sandbox.account);
    return reply;
  }

  async::Task<> serve_calls() {
    for (;;) {
      auto stream = co_await calls_->accept();
      if (stream) tasks_.spawn(serve(std::move(*stream)));
    }
  }
  async::Task<> serve(std::unique_ptr<transport::FdStream> stream) {
    wire::PeerHandler handler(router_, {.kind = wire::Peer::Kind::host});
    wire::Limits limits;
    limits.max_requests = 100'000;  // one `gone` waits for each sandbox
    wire::Connection connection(loop_, std::move(stream), wire::Side::acceptor, limits, &handler);
    const Error reason = co_await connection.run();
    static_cast<void>(reason);
  }
  async::Task<> serve_dials() {
    for (;;) {
      auto stream = co_await dials_->accept();
      if (stream) tasks_.spawn(lead(std::move(*stream)));
    }
  }
  /// The first line says which sandbox is meant; what follows is its agentd's.
  async::Task<> lead(std::unique_ptr<transport::FdStream> stream) {
    std::string ref;
    while (ref.size() < 100) {
      std::byte next{};
      const auto read = co_await stream->read(std::span(&next, 1));
      if (!read || *read == 0) co_return;
      if (next == std::byte{'\n'}) break;
      ref.push_back(static_cast<char>(next));
    }
    const auto found = sandboxes_.find(ref);
    if (found == sandboxes_.end() || found->second.agent == nullptr) co_return;
    std::unique_ptr<transport::Stream> theirs = std::move(stream);
    found->second.agent->arrive(theirs);
  }

  async::Loop& loop_;
  Random& random_;
  wire::SessionBudget budget_;
  wire::Router agent_router_;
  wire::Router router_;
  std::map<std::string, Sandbox> sandboxes_;
  std::size_t running_ = 0;
  AccountsReply totals_;
  std::deque<std::string> script_;
  SeededRandom troubles_{1};
  std::uint32_t create_trouble_percent_ = 0;
  std::uint32_t list_trouble_ = 0;
  std::uint32_t kill_trouble_ = 0;
  std::uint32_t pause_trouble_ = 0;
  std::string trouble_ = "fails";
  Duration create_time_{0};
  Duration jitter_{0};
  Duration list_lag_{0};
  std::uint64_t capacity_ = UINT64_MAX;
  double rate_ = 0;
  std::deque<MonoTime> recent_;
  async::Condition ended_;
  std::optional<transport::UnixListener> calls_;
  std::optional<transport::UnixListener> dials_;
  async::TaskSet tasks_;
};

async::Task<> until_told(async::Loop& loop) {
  async::SignalWatcher told(loop, SIGTERM);
  co_await told.next();
}

}  // namespace
}  // namespace swarm::harness

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: scripted-provider SOCKET\n", stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  const swarm::SystemClock clock;
  swarm::SystemRandom random;
  swarm::async::Loop loop(clock);
  swarm::harness::Provider provider(loop, random);
  if (const swarm::Result<void> listening = provider.listen(argv[1]); !listening) {
    std::fputs((listening.error().message + "\n").c_str(), stderr);
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  loop.block_on(swarm::harness::until_told(loop));
  return 0;
}
