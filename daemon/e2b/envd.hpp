#pragma once
// envd's API, as it stands in each sandbox of E2B at port 49983: processes and files as Connect calls, uploads and
// downloads over plain HTTP. Served here, on the host, through the sandbox's agentd.

#include "daemon/e2b/connect.hpp"
#include "daemon/e2b/control.hpp"
#include "daemon/e2b/watches.hpp"
#include "protocol/core/base64.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::e2b_endpoint {

inline constexpr std::uint32_t kEnvdPort = 49983;

/// One call: who calls, and the way inside.
struct Call {
  http::Exchange& exchange;
  BoxPtr box;
  sandbox::Sandboxes::Use& use;
  BoxUser user;
};

struct Feed;

class Envd {
 public:
  Envd(Boxes& boxes, const Identity& identity, Watches& watches)
      : boxes_(boxes), identity_(identity), watches_(watches) {}

  async::Task<> serve(http::Exchange& exchange, BoxPtr box);

 private:
  async::Task<> rpc(Call& call, std::string service, std::string method);

  // envd_process.cpp
  async::Task<> process_call(Call& call, std::string method);
  async::Task<> start(Call& call);
  async::Task<> connect(Call& call);
  /// What the time that a caller gives ends: the process that it starts, or only its stream.
  enum class Deadline : std::uint8_t { of_process, of_stream };
  async::Task<> follow_feed(Call& call, Feed& feed, std::string exec, std::uint32_t pid, CallHead head,
                            Deadline deadline);
  async::Task<> watch_process(BoxPtr box, std::shared_ptr<wire::Connection> agent, std::string exec);
  async::Task<RpcResult<Value>> list_processes(Call& call);
  async::Task<RpcResult<Value>> update(Call& call, Value message);
  async::Task<RpcResult<Value>> give_input(Call& call, Value message);
  async::Task<RpcResult<Value>> close_input(Call& call, Value message);
  async::Task<RpcResult<Value>> signal(Call& call, Value message);
  async::Task<> stream_input(Call& call);

  // envd_files.cpp
  async::Task<> filesystem_call(Call& call, std::string method);
  async::Task<> watch_dir(Call& call);
  async::Task<RpcResult<Value>> entry_of(Call& call, api::FileInfo info);

  // envd_http.cpp
  async::Task<> download(Call& call);
  async::Task<> upload(Call& call);
  async::Task<> metrics(Call& call);

  Boxes& boxes_;
  const Identity& identity_;
  Watches& watches_;
};

/// Whether a request for `/files` carries the signature of the sandbox that this token is of.
bool signature_matches(const http::Request& request, const std::string& token);
/// Reads the sandbox's users once.
async::Task<Result<void>> learn_users(Box& box, wire::Connection& agent);
/// `~`, relative to the home, or absolute; an empty one is the home.
std::string resolve_path(const BoxUser& user, std::string_view path);
/// Why agentd refused, in envd's words.
RpcError file_error(const Error& error);

/// Calls a file operation as the user, and as root where the user may not: envd does everything as root, and the user
/// of a call only says whose home and whose files.
template <class Req, class Res>
async::Task<Result<Res>> call_files(Call& call, const api::Method<Req, Res>& method, Req request) {
  request.user = call.user.name;
  Result<Res> done = co_await wire::call(call.use.agent(), method, request);
  if (!done && done.error().code == Code::permission_denied && call.user.uid != 0) {
    request.user = "root";
    done = co_await wire::call(call.use.agent(), method, request);
  }
  co_return done;
}

}  // namespace swarm::e2b_endpoint
