#pragma once
// A byte stream that outlives the streams under it.
//
//   owner (a Connection)        read / try_write
//        |                            |
//   +----v----------------------------v---------------------------------------------+
//   | Session   out: outbox [acked .. sent .. written)   in: inbox [consumed .. received) |
//   +----^---------------------------------------------------------------------------+
//        | attach(stream, offset)      records (record.hpp)
//   stream 1, break, stream 2, break, stream 3 ...      whoever dials or accepts brings them
//
// Each direction numbers its bytes from 0; the end of a direction takes one number more. What the peer has not yet
// acknowledged stays in the outbox and is sent again on the next stream from the offset that the peer names. The
// receiver promises how far the sender may go (a window), so it can always read on: acknowledgements never queue behind
// data that nobody takes.
//
// The session knows neither who dials nor how peers prove themselves; tunnel_dialer.hpp and tunnel_acceptor.hpp do.
// It belongs to one loop. It must outlive tasks that read from it or write to it.

#include <functional>
#include <memory>
#include <optional>

#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/transport/stream.hpp"
#include "protocol/wire/byte_queue.hpp"
#include "protocol/wire/record.hpp"
#include "protocol/wire/session_budget.hpp"
#include "protocol/wire/session_id.hpp"

namespace swarm::wire {

/// How far a peer may send before it has heard anything: part of the protocol, the same on both sides.
inline constexpr std::size_t kInitialWindow = std::size_t{64} << 10U;

struct SessionOptions {
  std::size_t max_unacknowledged_bytes = std::size_t{1} << 20U;  ///< outbox; beyond it writers wait
  std::size_t guaranteed_bytes = std::size_t{16} << 10U;         ///< of the outbox, whatever the budget says
  std::size_t max_window_bytes = std::size_t{1} << 20U;  ///< receive window once data pours in; >= kInitialWindow
  Duration ack_delay = std::chrono::milliseconds(25);    ///< the longest that received bytes go unacknowledged
  Duration ping_interval =
      std::chrono::seconds(20);  ///< silence before we ask; 0 never asks (a local socket cannot hang)
  Duration ping_timeout = std::chrono::seconds(10);   ///< silence after we asked before the stream counts as broken
  Duration keep_detached = std::chrono::minutes(10);  ///< without any stream; then the session ends
};

/// What a session has done; for metrics and tests.
struct SessionStats {
  std::uint64_t written_bytes = 0;   ///< taken from our owner
  std::uint64_t received_bytes = 0;  ///< from the peer, each once
  std::uint64_t resent_bytes = 0;    ///< sent on one stream and again on a later one
  std::uint64_t streams = 0;         ///< streams that it has lived on
};

class Session final : public transport::Stream, private RecordSink {
 public:
  /// Detached at first. `budget` and `loop` must outlive it.
  Session(async::Loop& loop, SessionId id, const SessionOptions& options, SessionBudget& budget);
  /// Tells the peer where that is possible without waiting. What it has not acknowledged is lost: await `flushed()`
  /// first where that matters.
  ~Session() override;

  /// Bytes of the peer, each once and in order; what came before the session ended is still given out. `unavailable`
  /// when the session has ended (not at a mere break). A dropped read loses nothing.
  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override;
  /// Takes what fits into the outbox and the budget, also while no stream is attached.
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override;
  async::Task<> writable() override;
  /// Completes when the session has ended; a mere break is not the end of the peer.
  async::Task<> gone() override;
  void shutdown_write() override;
  [[nodiscard]] std::optional<transport::PeerCredentials> peer() const override;
  [[nodiscard]] std::string describe() const override;

  /// Completes when the peer has acknowledged everything, the end of our direction included once that was asked for.
  /// The session's own error when it ended before.
  async::Task<Result<void>> flushed();

  [[nodiscard]] const SessionId& id() const { return id_; }

  /// What this side says when it resumes: the number of bytes received (and of the end, if it came).
  [[nodiscard]] std::uint64_t receive_offset() const { return received_ + (peer_finished_ ? 1U : 0U); }

  /// The number of bytes that the peer is known to have.
  [[nodiscard]] std::uint64_t acknowledged_offset() const { return acked_; }

  /// Whether the peer can resume from `peer_received`: `out_of_range` when those bytes are no longer kept or were never
  /// sent; the session's error when it has ended.
  [[nodiscard]] Result<void> can_resume_from(std::uint64_t peer_received) const;

  /// Goes on with `stream`, sending again what lies behind `peer_received`. A stream that is still attached is dropped
  /// first; but tell the peer `receive_offset()` only after `detach()`. Not to be called from the session's readers.
  Result<void> attach(std::unique_ptr<transport::Stream> stream, std::uint64_t peer_received);

  /// Drops the stream, if any, and waits for another one.
  void detach(const Error& why);
  [[nodiscard]] bool attached() const { return link_ != nullptr; }
  /// Completes while no stream is attached.
  async::Task<> detached();
  /// Why the last stream was lost.
  [[nodiscard]] const std::optional<Error>& break_reason() const { return break_reason_; }

  /// Ends the session for good; readers and writers get `why`. The first call counts.
  void end(Error why, CloseReason reason = CloseReason::done);
  [[nodiscard]] const std::optional<Error>& ended() const { return ended_; }
  /// Both directions have ended cleanly and the peer knows it; no further stream is needed.
  [[nodiscard]] bool complete() const { return fin_acked_ && peer_finished_; }

  [[nodiscard]] SessionStats stats() const;

  /// Work that goes with the session, such as dialling again.
  async::TaskSet& tasks() { return tasks_; }

  /// Called at the end of the destructor. One call; a later one replaces it.
  void on_gone(std::function<void()> call) { when_gone_ = std::move(call); }

 private:
  struct Link;
  struct WaitingRead;

  Result<void> on_data(std::span<const std::byte> bytes) override;
  Result<void> on_ack(std::uint64_t received, std::uint64_t limit) override;
  Result<void> on_ping(std::uint64_t number) override;
  Result<void> on_pong(std::uint64_t number) override;
  Result<void> on_fin(std::uint64_t total) override;
  Result<void> on_close(CloseReason reason) override;

  async::Task<> read_records(Link& link);
  async::Task<> write_when_possible(Link& link);
  void pump();
  bool flush_staged(Link& link);
  bool flush_payload(Link& link);
  bool stage(Link& link);
  void stage_data(Link& link);
  Result<std::size_t> offer(Link& link, std::span<const std::byte> bytes);

  void acknowledge(std::uint64_t received);
  void consume(std::size_t count);
  void consider_ack();
  void acknowledge_late();
  void ask_for_ack();
  [[nodiscard]] std::size_t room() const;
  [[nodiscard]] std::uint64_t sendable() const { return std::min(written_, peer_limit_) - sent_; }

  void break_link(Error why);
  void drop_link();
  void check_alive();

  async::Loop& loop_;
  const SessionId id_;
  const SessionOptions options_;
  SessionBudget& budget_;

  // Our direction. acked_ <= sent_ <= written_; the outbox holds [acked_, written_).
  ByteQueue outbox_;
  std::uint64_t written_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t sent_ = 0;       // on this stream
  std::uint64_t sent_most_ = 0;  // on any stream
  std::uint64_t peer_limit_ = kInitialWindow;
  std::size_t charged_ = 0;  // taken from the budget for the outbox
  std::uint64_t resent_ = 0;
  bool fin_ = false;            // shutdown_write() was called
  bool fin_sent_ = false;       // on this stream
  bool fin_ever_sent_ = false;  // on any stream
  bool fin_acked_ = false;

  // The peer's direction. consumed_ <= received_ <= promised_.
  ByteQueue inbox_;
  WaitingRead* waiting_read_ = nullptr;
  std::uint64_t received_ = 0;
  std::uint64_t consumed_ = 0;
  std::uint64_t promised_ = kInitialWindow;
  std::size_t window_ = kInitialWindow;
  std::uint64_t acked_to_peer_ = 0;
  std::size_t burst_ = 0;  // bytes received within this acknowledgement delay
  bool peer_finished_ = false;
  bool ack_wanted_ = false;

  bool heard_ = false;       // something came since check_alive() looked
  bool asked_ = false;       // a ping is out
  bool ack_asked_ = false;   // since the last acknowledgement that moved something
  bool ack_asking_ = false;  // to be sent behind the data
  std::optional<std::uint64_t> ping_;
  std::optional<std::uint64_t> pong_;
  std::optional<CloseReason> close_;

  std::optional<Error> ended_;
  std::optional<Error> break_reason_;
  std::uint64_t streams_ = 0;
  async::Condition readable_;
  async::Condition progress_;  // room in the outbox, an acknowledgement, or the end
  async::Event detached_;
  async::Timer ack_timer_;
  async::Timer ping_timer_;
  async::Timer keep_timer_;
  async::Waiter budget_waiter_{[](void* self) { static_cast<Session*>(self)->progress_.notify_all(); }, this};
  // A stream's own tasks find out that it broke; it is dropped from the loop's top, not under their feet.
  async::Waiter dropper_{[](void* self) { static_cast<Session*>(self)->drop_link(); }, this};
  std::function<void()> when_gone_;
  std::unique_ptr<Link> link_;
  async::TaskSet tasks_;
};

}  // namespace swarm::wire
