// The part of a session that moves bytes between its queues and the stream below.

#include <fmt/format.h>

#include "protocol/wire/session_link.hpp"

namespace swarm::wire {
namespace {

// Acknowledge by bytes at a quarter of the window: the sender never stands still for want of an answer.
constexpr std::size_t kAcksAWindow = 4;

std::unexpected<Error> violation(std::string what) {
  return fail(Code::invalid_argument, "the peer broke the session protocol: " + std::move(what));
}

}  // namespace

// ---- in

async::Task<> Session::read_records(Link& link) {
  bool drained = true;
  for (;;) {
    // A stream that was just read empty is likely to be silent for a while: wait on it with the small buffer.
    std::span<std::byte> buffer(link.small);
    if (drained) {
      if (link.large) budget_.give_back_buffer(std::move(link.large));
    } else {
      if (!link.large) link.large = budget_.take_buffer();
      buffer = {link.large.get(), SessionBudget::kReadBuffer};
    }
    const Result<std::size_t> got = co_await link.stream->read(buffer);
    if (!got || *got == 0) {
      break_link(got ? Error{.code = Code::unavailable, .message = "the stream ended", .retryable = true}
                     : got.error());
      co_return;
    }
    if (link.broken) co_return;
    heard_ = true;
    drained = *got < buffer.size();
    const Result<void> fed = link.parser.feed(buffer.first(*got), *this);
    if (!fed) end(fed.error(), CloseReason::violation);
    if (link.broken) co_return;
    consider_ack();
    pump();
    if (link.broken) co_return;
  }
}

Result<void> Session::on_data(std::span<const std::byte> bytes) {
  if (peer_finished_) return violation("data behind its end");
  // What was allowed counts however the rest came in with it.
  const auto allowed = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), promised_ - received_));
  const bool too_much = allowed < bytes.size();
  bytes = bytes.first(allowed);
  received_ += bytes.size();
  burst_ += bytes.size();
  if (waiting_read_ != nullptr && inbox_.empty()) {
    WaitingRead& read = *waiting_read_;
    const std::size_t count = std::min(bytes.size(), read.into.size() - read.filled);
    std::memcpy(read.into.data() + read.filled, bytes.data(), count);
    read.filled += count;
    bytes = bytes.subspan(count);
  }
  if (!bytes.empty()) inbox_.append(bytes);
  readable_.notify_all();
  if (too_much) return violation(fmt::format("data behind byte {}, which was as far as it might go", promised_));
  return {};
}

Result<void> Session::on_ack(std::uint64_t received, std::uint64_t limit) {
  if (received > sent_ && !(fin_sent_ && received == written_ + 1)) {
    return violation(fmt::format("byte {} acknowledged where {} were sent", received, sent_));
  }
  acknowledge(received);
  peer_limit_ = std::max(peer_limit_, limit);
  return {};
}

Result<void> Session::on_ping(std::uint64_t number) {
  pong_ = number;  // a flood of pings gets one answer
  ack_wanted_ = true;
  return {};
}

Result<void> Session::on_pong(std::uint64_t /*number*/) { return {}; }  // that anything came is the answer

Result<void> Session::on_fin(std::uint64_t total) {
  if (total != received_) {
    return violation(fmt::format("its end at byte {} where {} bytes came", total, received_));
  }
  peer_finished_ = true;
  ack_wanted_ = true;
  readable_.notify_all();
  return {};
}

Result<void> Session::on_close(CloseReason reason) {
  std::string_view why = "the peer has closed it";
  if (reason == CloseReason::violation) why = "the peer refused our side of the session protocol";
  if (reason == CloseReason::replaced) why = "a newer session took its place";
  if (reason == CloseReason::expired) why = "the peer gave it up";
  Error error{.code = Code::unavailable,
              .message = fmt::format("session {} has ended: {}", id_.short_name(), why),
              .retryable = true};
  break_link(error);  // before end(): a closed session is not told that it is closed
  return fail(std::move(error));
}

void Session::consume(std::size_t count) {
  consumed_ += count;
  // The peer may be standing at its limit, so it hears of new room without a timer, though not of every byte.
  if (consumed_ + window_ - promised_ < window_ / 2) return;
  ack_wanted_ = true;
  pump();
}

void Session::consider_ack() {
  if (window_ == kInitialWindow && burst_ >= 2 * kInitialWindow && inbox_.size() < kInitialWindow / 2 &&
      options_.max_window_bytes > kInitialWindow) {
    burst_ = 0;  // if the budget has nothing now, ask again after as much
    const std::size_t more = options_.max_window_bytes - kInitialWindow;
    if (budget_.take_window(more)) {
      window_ += more;
      ack_wanted_ = true;
    }
  }
  const std::uint64_t news = receive_offset() - acked_to_peer_;
  if (news >= window_ / kAcksAWindow) ack_wanted_ = true;
  if (news > 0 && !ack_timer_.pending()) {
    burst_ = 0;
    ack_timer_.start_after(options_.ack_delay, [this] { acknowledge_late(); });
  }
}

void Session::acknowledge_late() {
  burst_ = 0;
  if (receive_offset() == acked_to_peer_) return;
  ack_wanted_ = true;
  pump();
}

// ---- out

void Session::acknowledge(std::uint64_t received) {
  if (fin_ever_sent_ && received == written_ + 1) {
    fin_acked_ = true;
    received = written_;
    progress_.notify_all();
  }
  if (received <= acked_) return;
  ack_asked_ = false;
  outbox_.drop(static_cast<std::size_t>(received - acked_));
  acked_ = received;
  const std::size_t needed = outbox_.size() - std::min(outbox_.size(), options_.guaranteed_bytes);
  if (needed < charged_) {
    budget_.give_back(charged_ - needed);
    charged_ = needed;
  }
  progress_.notify_all();
}

void Session::ask_for_ack() {
  // Our buffer is full, and may be far smaller than what the peer collects before it acknowledges by itself.
  if (!std::exchange(ack_asked_, true)) ack_asking_ = true;
}

async::Task<> Session::write_when_possible(Link& link) {
  for (;;) {
    while (!link.blocked) co_await link.became_blocked.wait();
    co_await link.stream->writable();
    link.blocked = false;
    pump();
    if (link.broken) co_return;
  }
}

Result<std::size_t> Session::offer(Link& link, std::span<const std::byte> bytes) {
  Result<std::size_t> taken = link.stream->try_write(bytes);
  if (!taken) {
    break_link(taken.error());
  } else if (*taken == 0) {
    link.blocked = true;
    link.became_blocked.notify_all();
  }
  return taken;
}

void Session::pump() {
  if (!link_) return;
  Link& link = *link_;
  while (!link.broken && !link.blocked) {
    const bool moved = link.staged_begin < link.staged_end ? flush_staged(link)
                       : link.payload_left > 0             ? flush_payload(link)
                                                           : stage(link);
    if (!moved) return;
  }
}

bool Session::flush_staged(Link& link) {
  const auto rest = std::span(link.staged).subspan(link.staged_begin, link.staged_end - link.staged_begin);
  const Result<std::size_t> taken = offer(link, rest);
  if (!taken) return false;
  link.staged_begin += *taken;
  return *taken > 0;
}

bool Session::flush_payload(Link& link) {
  const Result<std::size_t> taken =
      offer(link, outbox_.at(static_cast<std::size_t>(sent_ - acked_), link.payload_left));
  if (!taken) return false;
  link.payload_left -= *taken;
  sent_ += *taken;
  sent_most_ = std::max(sent_most_, sent_);
  return *taken > 0;
}

bool Session::stage(Link& link) {
  link.staged_begin = link.staged_end = 0;
  const auto rest = [&link] { return std::span(link.staged).subspan(link.staged_end); };
  const bool closing = close_ && (*close_ != CloseReason::done || sendable() == 0);
  if (closing) {
    link.staged_end += put_close(rest(), *close_);
    close_.reset();
    return true;
  }
  // An acknowledgement rides along with data that goes anyway.
  if (ack_wanted_ || (sendable() > 0 && receive_offset() != acked_to_peer_)) {
    ack_wanted_ = false;
    acked_to_peer_ = receive_offset();
    promised_ = std::max(promised_, consumed_ + window_);
    link.staged_end += put_ack(rest(), acked_to_peer_, promised_);
  }
  if (pong_) link.staged_end += put_number(rest(), RecordType::pong, *std::exchange(pong_, std::nullopt));
  if (ping_) link.staged_end += put_number(rest(), RecordType::ping, *std::exchange(ping_, std::nullopt));
  if (sendable() > 0) {
    stage_data(link);
  } else if (std::exchange(ack_asking_, false)) {
    link.staged_end += put_number(rest(), RecordType::ping, streams_);
  } else if (fin_ && !fin_sent_ && sent_ == written_) {
    link.staged_end += put_number(rest(), RecordType::fin, written_);
    fin_sent_ = fin_ever_sent_ = true;
  }
  return link.staged_end > 0;
}

void Session::stage_data(Link& link) {
  const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(sendable(), kMaxDataRecord));
  put_header(std::span(link.staged).subspan(link.staged_end), RecordType::data, length);
  link.staged_end += kRecordHeader;
  // A short record goes out whole with its header; of a long one the rest follows from the outbox without a copy.
  std::size_t copied = 0;
  const std::size_t copy = std::min(length, link.staged.size() - link.staged_end);
  while (copied < copy) {
    const auto piece = outbox_.at(static_cast<std::size_t>(sent_ - acked_), copy - copied);
    std::memcpy(link.staged.data() + link.staged_end, piece.data(), piece.size());
    link.staged_end += piece.size();
    copied += piece.size();
    sent_ += piece.size();
  }
  sent_most_ = std::max(sent_most_, sent_);
  link.payload_left = length - copied;
}

}  // namespace swarm::wire
