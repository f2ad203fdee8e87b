#include "protocol/wire/tunnel_dialer.hpp"

#include <fmt/format.h>

namespace swarm::wire {

struct TunnelDialer::State {
  async::Loop& loop;
  StreamSource dial;
  DialerOptions options;
  Random& random;
  SessionBudget& budget;

  using Shared = std::shared_ptr<State>;
  static async::Task<Result<Tunnel>> connect(Shared state, Duration limit);
  static async::Task<Result<Tunnel>> try_connect(Shared state, Duration limit);
  static async::Task<> keep_attached(Session& session, Shared state);
  static async::Task<Result<void>> resume(Session& session, Shared state, std::uint64_t attempt);
  async::Task<Result<std::unique_ptr<transport::Stream>>> open(Duration limit) {
    auto opening = dial();
    return async::with_timeout(loop, std::move(opening), std::min(limit, options.dial_timeout), "dial");
  }
};

namespace {

/// Failures of a dial or handshake that another try cannot mend.
bool is_final(const Error& error) {
  return error.code == Code::unauthenticated || error.code == Code::failed_precondition ||
         error.code == Code::permission_denied;
}

}  // namespace

TunnelDialer::TunnelDialer(async::Loop& loop, StreamSource dial, DialerOptions options, Random& random,
                           SessionBudget& budget)
    : state_(new State{
          .loop = loop, .dial = std::move(dial), .options = std::move(options), .random = random, .budget = budget}) {}

async::Task<Result<Tunnel>> TunnelDialer::connect(Duration limit) { return State::connect(state_, limit); }

async::Task<Result<Tunnel>> TunnelDialer::State::connect(Shared state, Duration limit) {
  const Result<void> sendable = check_features(state->options.identity.features);
  if (!sendable) co_return fail(sendable.error(), "tunnel");
  Backoff backoff(state->options.backoff, state->random);
  const Clock& clock = state->loop.clock();
  const MonoTime end = clock.now() + limit;
  for (int tries = 1;; ++tries) {
    Result<Tunnel> tunnel = co_await try_connect(state, end - clock.now());
    if (tunnel) co_return tunnel;
    if (is_final(tunnel.error())) co_return fail(tunnel.error(), "tunnel");
    const Duration pause = backoff.next();
    if (clock.now() + pause >= end) co_return fail(tunnel.error(), fmt::format("tunnel, after {} tries", tries));
    co_await async::sleep_for(state->loop, pause);
  }
}

async::Task<Result<Tunnel>> TunnelDialer::State::try_connect(Shared state, Duration limit) {
  auto opened = co_await state->open(limit);
  if (!opened) co_return fail(opened.error());
  std::unique_ptr<transport::Stream> stream = std::move(*opened);
  const Result<HandshakeOutcome> outcome = co_await shake_hands_as_dialer(
      state->loop, *stream, state->options.identity, {.instance = state->options.instance}, state->random);
  if (!outcome) co_return fail(outcome.error());
  auto session = std::make_unique<Session>(state->loop, outcome->session, state->options.session, state->budget);
  const Result<void> attached = session->attach(std::move(stream), outcome->peer_received);
  if (!attached) co_return fail(attached.error());
  session->tasks().spawn(keep_attached(*session, state));
  co_return Tunnel{.session = std::move(session), .peer_version = outcome->peer_version, .features = outcome->features};
}

async::Task<> TunnelDialer::State::keep_attached(Session& session, Shared state) {
  Backoff backoff(state->options.backoff, state->random);
  std::uint64_t attempt = 0;
  std::uint64_t progress = 0;
  for (;;) {
    co_await session.detached();
    if (session.ended() || session.complete()) co_return;
    // A stream that carried something was a good one. One that breaks at once must not make us dial in a circle.
    const std::uint64_t now = session.receive_offset() + session.acknowledged_offset();
    if (std::exchange(progress, now) != now) backoff.reset();
    const Duration pause = backoff.next();
    co_await async::sleep_for(state->loop, pause);
    if (session.ended()) co_return;
    const Result<void> resumed = co_await resume(session, state, ++attempt);
    if (!resumed && is_final(resumed.error())) session.end(resumed.error().with_context("tunnel"));
  }
}

async::Task<Result<void>> TunnelDialer::State::resume(Session& session, Shared state, std::uint64_t attempt) {
  auto opened = co_await state->open(state->options.dial_timeout);
  if (!opened) co_return fail(opened.error());
  std::unique_ptr<transport::Stream> stream = std::move(*opened);
  const HandshakeWish wish{.instance = state->options.instance,
                           .session = session.id(),
                           .received = session.receive_offset(),
                           .attempt = attempt};
  const Result<HandshakeOutcome> outcome =
      co_await shake_hands_as_dialer(state->loop, *stream, state->options.identity, wish, state->random);
  if (!outcome) {
    if (outcome.error().code == Code::not_found) {
      session.end({.code = Code::unavailable,
                   .message = fmt::format("session {} has ended: the peer was restarted, or gave it up",
                                          session.id().short_name()),
                   .retryable = true});
    }
    co_return fail(outcome.error());
  }
  if (session.ended()) co_return fail(*session.ended());
  const Result<void> attached = session.attach(std::move(stream), outcome->peer_received);
  if (!attached) session.end(attached.error().with_context("tunnel"));
  co_return attached;
}

}  // namespace swarm::wire
