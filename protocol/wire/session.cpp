#include "protocol/wire/session.hpp"

#include <fmt/format.h>

#include "protocol/wire/session_link.hpp"

namespace swarm::wire {

std::string SessionId::short_name() const {
  std::string name;
  for (const std::byte byte : std::span(bytes).first(4)) name += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return name;
}

Session::Session(async::Loop& loop, SessionId id, const SessionOptions& options, SessionBudget& budget)
    : loop_(loop),
      id_(id),
      options_(options),
      budget_(budget),
      readable_(loop),
      progress_(loop),
      detached_(loop),
      ack_timer_(loop),
      ping_timer_(loop),
      keep_timer_(loop),
      tasks_(loop) {
  detached_.set();
}

Session::~Session() {
  tasks_.cancel_all();
  end({.code = Code::cancelled, .message = "the session was closed"});
  dropper_.unlink();
  link_.reset();
  if (window_ > kInitialWindow) budget_.give_back_window(window_ - kInitialWindow);
  if (when_gone_) when_gone_();
}

async::Task<Result<std::size_t>> Session::read(std::span<std::byte> into) {
  if (into.empty()) co_return std::size_t{0};
  for (;;) {
    if (!inbox_.empty()) {
      const std::size_t got = inbox_.pop(into);
      consume(got);
      co_return got;
    }
    if (peer_finished_) co_return std::size_t{0};
    if (ended_) co_return fail(*ended_);
    WaitingRead waiting(*this, into);
    co_await readable_.wait();
    const std::size_t got = std::exchange(waiting.filled, 0);
    if (got == 0) continue;
    consume(got);
    co_return got;
  }
}

std::size_t Session::room() const {
  const std::size_t held = outbox_.size();
  if (held >= options_.max_unacknowledged_bytes) return 0;
  const std::size_t covered = options_.guaranteed_bytes + charged_;
  return std::min(options_.max_unacknowledged_bytes - held, covered - std::min(covered, held) + budget_.available());
}

Result<std::size_t> Session::try_write(std::span<const std::byte> bytes) {
  if (ended_) return fail(*ended_);
  if (fin_) return fail(Code::failed_precondition, "cannot write: this direction of the session was ended");
  bytes = bytes.first(std::min(bytes.size(), room()));
  if (bytes.empty()) return std::size_t{0};
  const std::size_t after = outbox_.size() + bytes.size();
  const std::size_t needed = after - std::min(after, options_.guaranteed_bytes);
  if (needed > charged_) charged_ += budget_.take(needed - charged_);
  outbox_.append(bytes);
  written_ += bytes.size();
  if (room() == 0) ask_for_ack();
  pump();
  return bytes.size();
}

async::Task<> Session::writable() {
  while (!ended_ && !fin_ && room() == 0) {
    if (outbox_.size() < options_.max_unacknowledged_bytes) budget_.wait(budget_waiter_);
    co_await progress_.wait();
  }
}

async::Task<> Session::gone() {
  while (!ended_) co_await progress_.wait();
}

void Session::shutdown_write() {
  if (ended_ || std::exchange(fin_, true)) return;
  pump();
  progress_.notify_all();
}

async::Task<Result<void>> Session::flushed() {
  for (;;) {
    if (outbox_.empty() && acked_ == written_ && (!fin_ || fin_acked_)) co_return {};
    if (ended_) co_return fail(*ended_);
    co_await progress_.wait();
  }
}

std::optional<transport::PeerCredentials> Session::peer() const {
  if (!link_) return std::nullopt;
  return link_->stream->peer();
}

std::string Session::describe() const {
  if (!link_) return fmt::format("session {}, waiting for a stream", id_.short_name());
  return fmt::format("session {} over {}", id_.short_name(), link_->stream->describe());
}

SessionStats Session::stats() const {
  return {.written_bytes = written_, .received_bytes = received_, .resent_bytes = resent_, .streams = streams_};
}

Result<void> Session::can_resume_from(std::uint64_t peer_received) const {
  if (ended_) return fail(*ended_);
  const std::uint64_t oldest = acked_ + (fin_acked_ ? 1U : 0U);
  const std::uint64_t newest = fin_ever_sent_ ? written_ + 1 : sent_most_;
  if (peer_received >= oldest && peer_received <= newest) return {};
  return fail(Code::out_of_range, fmt::format("session {} cannot go on from byte {}: {} to {} are kept",
                                              id_.short_name(), peer_received, oldest, newest));
}

Result<void> Session::attach(std::unique_ptr<transport::Stream> stream, std::uint64_t peer_received) {
  if (auto possible = can_resume_from(peer_received); !possible) return possible;
  drop_link();
  acknowledge(peer_received);
  sent_ = acked_;
  resent_ += sent_most_ - sent_;
  fin_sent_ = fin_acked_;
  // The peer hears at once how far it may go; also what it heard on the old stream may have been lost with it.
  ack_wanted_ = true;
  ping_.reset();
  pong_.reset();
  heard_ = asked_ = ack_asked_ = false;
  if (room() == 0) ask_for_ack();
  keep_timer_.cancel();
  detached_.reset();
  ++streams_;
  link_ = std::make_unique<Link>(loop_, std::move(stream));
  link_->tasks.spawn(read_records(*link_));
  link_->tasks.spawn(write_when_possible(*link_));
  if (options_.ping_interval > Duration{0}) {
    ping_timer_.start_after(options_.ping_interval, [this] { check_alive(); });
  }
  pump();
  return {};
}

void Session::detach(const Error& why) {
  if (!link_) return;
  break_link(why);
  drop_link();
}

async::Task<> Session::detached() { co_await detached_.wait(); }

void Session::break_link(Error why) {
  link_->broken = true;
  break_reason_ = std::move(why);
  loop_.make_ready(dropper_);
}

void Session::drop_link() {
  dropper_.unlink();
  if (!link_) return;
  link_.reset();
  ack_timer_.cancel();
  ping_timer_.cancel();
  detached_.set();
  if (ended_ || complete()) return;
  keep_timer_.start_after(options_.keep_detached, [this] {
    end({.code = Code::unavailable,
         .message = fmt::format("session {} was given up: no stream to the peer for {} ({})", id_.short_name(),
                                async::format_duration(options_.keep_detached),
                                break_reason_ ? break_reason_->message : "never connected"),
         .retryable = true},
        CloseReason::expired);
  });
}

void Session::end(Error why, CloseReason reason) {
  if (ended_) return;
  ended_ = std::move(why);
  keep_timer_.cancel();
  if (link_ && !link_->broken) {
    close_ = reason;
    pump();
    break_link(*ended_);
  }
  budget_waiter_.unlink();
  outbox_.clear();
  budget_.give_back(std::exchange(charged_, 0));
  readable_.notify_all();
  progress_.notify_all();
  if (!link_) detached_.set();
}

void Session::check_alive() {
  if (std::exchange(heard_, false)) {
    asked_ = false;
    ping_timer_.start_after(options_.ping_interval, [this] { check_alive(); });
    return;
  }
  if (asked_) {
    break_link({.code = Code::unavailable,
                .message = "the peer answered no ping within " + async::format_duration(options_.ping_timeout),
                .retryable = true});
    return;
  }
  asked_ = true;
  ping_ = streams_;
  ping_timer_.start_after(options_.ping_timeout, [this] { check_alive(); });
  pump();
}

}  // namespace swarm::wire
