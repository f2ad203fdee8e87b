#include "protocol/wire/tunnel_acceptor.hpp"

#include <fmt/format.h>

namespace swarm::wire {
namespace {

// Accepting failed (out of descriptors, mostly): look again after this.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

struct TunnelAcceptor::Gate final : Gatekeeper {
  Gate(TunnelAcceptor& owner, Pending& handshake) : acceptor(owner), pending(handshake) {}
  Answer admit(const HandshakeWish& wish) override {
    pending.wish = wish;
    return acceptor.admit(wish);
  }
  TunnelAcceptor& acceptor;
  Pending& pending;
};

TunnelAcceptor::TunnelAcceptor(async::Loop& loop, StreamSource accept, AcceptorOptions options, Random& random,
                               SessionBudget& budget)
    : loop_(loop),
      accept_(std::move(accept)),
      options_(std::move(options)),
      random_(random),
      budget_(budget),
      registry_(std::make_shared<Registry>()),
      arrival_(loop),
      tasks_(loop) {
  tasks_.spawn(accept_all());
}

TunnelAcceptor::~TunnelAcceptor() = default;

async::Task<Tunnel> TunnelAcceptor::next() {
  for (;;) {
    while (arrived_.empty()) co_await arrival_.wait();
    Tunnel tunnel = std::move(arrived_.front());
    arrived_.pop_front();
    if (!tunnel.session->ended()) co_return tunnel;  // else it was replaced while it waited here
  }
}

async::Task<> TunnelAcceptor::accept_all() {
  for (;;) {
    auto accepted = co_await accept_();
    if (!accepted) {
      if (options_.refused) options_.refused(accepted.error().with_context("tunnel"));
      co_await async::sleep_for(loop_, kAcceptPause);
      continue;
    }
    if (pending_.size() >= options_.max_handshakes) {
      if (options_.refused) {
        options_.refused(
            {.code = Code::resource_exhausted,
             .message = fmt::format("tunnel handshake: dropped, the oldest of {} at once", options_.max_handshakes)});
      }
      pending_.pop_front();
    }
    Pending& pending = pending_.emplace_back(loop_);
    pending.tasks.spawn(welcome(pending, std::move(*accepted)));
  }
}

async::Task<> TunnelAcceptor::welcome(Pending& pending, std::unique_ptr<transport::Stream> stream) {
  Gate gate(*this, pending);
  const Result<HandshakeOutcome> outcome =
      co_await shake_hands_as_acceptor(loop_, *stream, options_.identity, gate, random_);
  Result<void> settled = outcome ? settle(*outcome, pending.wish, std::move(stream)) : fail(outcome.error());
  if (!settled && options_.refused) options_.refused(settled.error());
  pending.done = true;
  loop_.make_ready(reaper_);
}

void TunnelAcceptor::reap() {
  std::erase_if(pending_, [](const Pending& pending) { return pending.done; });
}

TunnelAcceptor::Kept* TunnelAcceptor::find(const SessionId& id) {
  const auto found = registry_->find(id);
  if (found == registry_->end() || found->second.session->ended()) return nullptr;
  return &found->second;
}

void TunnelAcceptor::end_session(Registry::iterator kept, std::string why) {
  Session& session = *kept->second.session;
  registry_->erase(kept);
  session.end({.code = Code::unavailable,
               .message = fmt::format("session {} has ended: {}", session.id().short_name(), why),
               .retryable = true},
              CloseReason::replaced);
}

Gatekeeper::Answer TunnelAcceptor::admit(const HandshakeWish& wish) {
  if (wish.session.empty()) return admit_new(wish.instance);
  Kept* kept = find(wish.session);
  if (kept == nullptr || kept->instance != wish.instance || !kept->session->can_resume_from(wish.received)) {
    return {.admission = Admission::unknown};
  }
  if (wish.attempt <= kept->attempt) return {.admission = Admission::stale};
  kept->attempt = wish.attempt;
  // Before the offset is told: nothing more may come in on the old stream.
  kept->session->detach({.code = Code::unavailable, .message = "the dialer came back on a new stream"});
  return {.admission = Admission::resumed, .session = wish.session, .received = kept->session->receive_offset()};
}

void TunnelAcceptor::end_sessions_of(const InstanceId& instance) {
  for (auto kept = registry_->begin(); kept != registry_->end();) {
    const auto here = kept++;
    if (here->second.session->ended()) {
      registry_->erase(here);
    } else if (here->second.instance == instance) {
      end_session(here, "its daemon has started a new one");
    }
  }
}

Gatekeeper::Answer TunnelAcceptor::admit_new(const InstanceId& instance) {
  end_sessions_of(instance);
  if (registry_->size() >= options_.max_sessions) {
    const auto idle =
        std::ranges::find_if(*registry_, [](const auto& kept) { return !kept.second.session->attached(); });
    if (idle == registry_->end()) return {.admission = Admission::exhausted};
    end_session(idle, "another daemon needed its place");
  }
  return {.admission = Admission::created, .session = SessionId::make(random_)};
}

Result<void> TunnelAcceptor::settle(const HandshakeOutcome& outcome, const HandshakeWish& wish,
                                    std::unique_ptr<transport::Stream> stream) {
  if (outcome.admission == Admission::resumed) {
    Kept* kept = find(outcome.session);
    if (kept == nullptr) return fail(Code::not_found, "tunnel: the session ended while it was being resumed");
    if (kept->attempt != wish.attempt) return fail(Code::failed_precondition, "tunnel: a newer attempt was faster");
    return kept->session->attach(std::move(stream), outcome.peer_received);
  }
  // Two handshakes of one daemon may have been admitted side by side; the later one holds.
  end_sessions_of(wish.instance);
  auto session = std::make_unique<Session>(loop_, outcome.session, options_.session, budget_);
  if (auto attached = session->attach(std::move(stream), outcome.peer_received); !attached) return attached;
  registry_->emplace(outcome.session, Kept{.session = session.get(), .instance = wish.instance});
  session->on_gone([registry = registry_, id = outcome.session] { registry->erase(id); });
  arrived_.push_back(
      {.session = std::move(session), .peer_version = outcome.peer_version, .features = outcome.features});
  arrival_.notify_one();
  return {};
}

}  // namespace swarm::wire
