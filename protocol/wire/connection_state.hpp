#pragma once
// Inside of Connection: included by its .cpp files only.

#include <unordered_map>

#include "protocol/wire/connection.hpp"
#include "protocol/wire/output.hpp"
#include "protocol/wire/scanner.hpp"

namespace swarm::wire {

/// A call that waits for its answer; owned by the coroutine that waits.
struct PendingCall {
  PendingCall(Connection::State& owner, std::string name, Value arguments);
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;
  /// Dropped without an answer: tells the peer.
  ~PendingCall();

  void settle(Result<Value> with);

  Connection::State& state;
  std::uint32_t msgid = 0;
  std::string method;
  Value params;  // until it is sent
  bool sent = false;
  std::optional<Result<Value>> result;
  async::Event done;
};

/// A request of the peer whose handler gave a task.
struct Served {
  std::string method;
  std::uint64_t serial = 0;
  std::size_t weight = 0;  // memory that it holds, estimated
  async::TaskSet::Ticket task;
};

struct Connection::State : std::enable_shared_from_this<Connection::State> {
  State(Connection& owner, async::Loop& on, std::unique_ptr<transport::Stream> over, Side end, const Limits& bounds,
        Handler* answers);
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() = default;

  // Life (connection.cpp)
  static async::Task<Error> run(std::shared_ptr<State> self);
  /// Lets the peer take what is queued, for as long as `linger`.
  async::Task<> drain();
  static async::Task<> all_answered(std::shared_ptr<State> self);
  static async::Task<> drained(std::shared_ptr<State> self);
  void end(Error why);
  /// Drops what was in flight in both directions. Not from inside a handler.
  void drop_work();
  [[nodiscard]] Error gone() const;

  // The peer's messages (dispatch.cpp)
  enum class Step : std::uint8_t {
    hungry,   // more bytes are needed
    full,     // the next request has to wait
    share,    // others have a turn first
    stopped,  // the connection ends
  };
  async::Task<> read_loop();
  async::Task<> room_for_requests();
  async::Task<> end_when_gone();
  Step take_messages(class Input& input, FrameScanner& scanner);
  /// False where it has to wait and be taken again.
  bool take(const Message& message, std::size_t weight);
  void take_request(const Message& message, std::size_t weight);
  void take_response(const Message& message);
  void take_notification(const Message& message);
  void take_cancel(const Message& message);
  [[nodiscard]] bool may_take_request() const;
  void protocol_error(Error error);
  static async::Task<> serve(State& self, std::uint32_t msgid, async::Task<Result<Value>> task);
  void answer(std::uint32_t msgid, std::string_view method, const Result<Value>& result);
  void request_over();

  // Our messages (connection.cpp)
  void send(PendingCall& call);
  static async::Task<Result<Value>> answer_to(std::shared_ptr<State> self, std::unique_ptr<PendingCall> call);
  /// Takes back what was appended since the output had `before` bytes if it is more than one message may have.
  Result<void> check_size(std::size_t before, std::string_view what);

  Connection* connection;  // null when destroyed
  async::Loop& loop;
  std::unique_ptr<transport::Stream> stream;
  Limits limits;
  Handler* handler;
  Output output;
  std::shared_ptr<Streams> streams;

  std::unordered_map<std::uint32_t, PendingCall*> calls;
  std::uint32_t next_msgid = 0;

  std::unordered_map<std::uint32_t, Served> served;
  std::size_t served_bytes = 0;
  std::uint64_t serial = 0;  // of the newest request of the peer
  ErrorShape shape = ErrorShape::pair;
  std::optional<Failure> last_error;

  std::optional<Error> reason;  // set once: the connection ends or has ended
  async::Event ended;
  async::TaskSet user_tasks;
  async::TaskSet serving;  // last: handlers' tasks go first
};

}  // namespace swarm::wire
