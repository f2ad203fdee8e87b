#pragma once
// The way to the daemon: which socket, whether one has to be started, and sentences for when that fails.

#include <memory>

#include "client/context.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/transport/unix.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::client {

/// Whether a daemon may be started when none runs.
enum class Start : std::uint8_t { allowed, forbidden };

/// The sockets to try, in order: --socket alone when given, else as the places say.
Result<std::vector<std::string>> sockets_to_try(const Context& context);

/// A connected socket and where it is.
struct Reached {
  std::string path;
  std::unique_ptr<transport::FdStream> stream;
};

/// Connects to the first socket at which somebody listens. `unavailable` when nobody does, and says what to do;
/// `permission_denied` when a daemon is there and this user may not talk to it.
async::Task<Result<Reached>> reach(Context& context);

/// A connection to the daemon, with its reader running. Calls give up after --timeout.
class Client : private wire::Handler {
 public:
  /// Connects, and starts a daemon first when none runs and that is allowed (by `start` and without --no-start).
  static async::Task<Result<std::unique_ptr<Client>>> open(Context& context, Start start = Start::allowed);
  Client(Context& context, Reached reached);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() override;

  [[nodiscard]] wire::Connection& connection() { return connection_; }
  [[nodiscard]] const std::string& socket() const { return path_; }

  /// What the daemon says unasked: `handler(method, params)`.
  void on_notification(std::function<void(const std::string&, Value)> handler) { heard_ = std::move(handler); }

  /// Completes when the connection has ended; then `end()` says why.
  async::Task<> ended() { co_await ended_.wait(); }
  [[nodiscard]] const std::optional<Error>& end() const { return end_; }

  template <class Req, class Res>
  async::Task<Result<Res>> call(const api::Method<Req, Res>& method, const std::type_identity_t<Req>& request) {
    return checked<Res>(*this, wire::call(connection_, method, request), std::string(method.name));
  }

  /// The same without --timeout: for what ends when it ends.
  template <class Req, class Res>
  async::Task<Result<Res>> call_patiently(const api::Method<Req, Res>& method,
                                          const std::type_identity_t<Req>& request) {
    return explained<Res>(*this, wire::call(connection_, method, request), std::string(method.name));
  }

  async::Task<Result<Value>> call_raw(std::string method, Value params) {
    return checked<Value>(*this, connection_.call(method, std::move(params)), method);
  }

 private:
  template <class Res>
  static async::Task<Result<Res>> explained(Client& self, async::Task<Result<Res>> call, std::string method) {
    Result<Res> answer = co_await std::move(call);
    if (!answer) co_return fail(self.explain(answer.error(), method));
    co_return answer;
  }
  template <class Res>
  static async::Task<Result<Res>> checked(Client& self, async::Task<Result<Res>> call, std::string method) {
    if (self.context_.timeout) {
      call = async::with_timeout(self.context_.loop, std::move(call), *self.context_.timeout, method);
    }
    return explained<Res>(self, std::move(call), std::move(method));
  }
  [[nodiscard]] Error explain(const Error& error, const std::string& method) const;

  wire::Reply request(wire::Connection& connection, wire::Incoming incoming) override;
  void notification(wire::Connection& connection, wire::Incoming incoming) override;
  async::Task<> run();
  async::Task<> greet();

  Context& context_;
  std::string path_;
  std::function<void(const std::string&, Value)> heard_;
  std::optional<Error> end_;
  async::Event ended_;
  wire::Connection connection_;
  async::TaskSet tasks_;  // last: its tasks use the rest
};

/// Sets `event` when the connection has ended; for what waits for that or for something else.
inline async::Task<> set_at_end(Client& client, async::Event& event) {
  co_await client.ended();
  event.set();
}

}  // namespace swarm::client
