#pragma once
// A client of envd, the agent that E2B runs in every sandbox: files and programs. It is how agentd gets into a sandbox
// whose template does not have it, and the way in when agentd does not answer.

#include "daemon/providers/e2b/connect.hpp"
#include "daemon/providers/e2b/types.hpp"
#include "protocol/http/client.hpp"

namespace swarm::e2b {

/// How a port of a sandbox is reached: the URL, and the headers that every request there must carry.
struct Door {
  std::string url;  ///< without a slash at its end
  std::vector<http_client::Header> headers;
};

/// Where sandboxes' ports are found.
struct Routing {
  std::string domain = "e2b.app";
  std::string sandbox_url;  ///< one base URL for all sandboxes, told apart by headers; empty: by host name
};

inline constexpr int kEnvdPort = 49983;

/// The way to a port of `sandbox`, with the tokens that it wants.
Door door_to(const Remote& sandbox, int port, const Routing& routing);

/// A program's events as they come.
class ProcessStream {
 public:
  explicit ProcessStream(std::unique_ptr<http_client::Response> response) : response_(std::move(response)) {}

  /// The next event but keepalives; nothing after the clean end of the stream. `unavailable` when it broke: what became
  /// of the program is not known then. Dropping the stream does not end the program.
  async::Task<Result<std::optional<ProcessEvent>>> next();

  /// Of the program, once its start was read.
  [[nodiscard]] std::uint32_t pid() const { return pid_; }

 private:
  std::unique_ptr<http_client::Response> response_;
  EnvelopeReader envelopes_;
  std::uint32_t pid_ = 0;
  bool over_ = false;
};

/// What a program printed and how it ended.
struct RunResult {
  int exit_code = 0;
  bool exited = false;
  std::string status;
  std::string out;
  std::string err;
};

class Envd {
 public:
  /// The client outlives it and its tasks.
  Envd(http_client::Client& client, Door door, std::string version)
      : client_(client), door_(std::move(door)), version_(std::move(version)) {}

  /// Whether it answers. Wakes a sandbox that traffic wakes: ask the control plane first.
  async::Task<Result<void>> health();

  /// One file of an upload.
  struct File {
    std::string path;  ///< absolute
    std::unique_ptr<wire::ByteSource> content;
    std::uint64_t size = 0;
  };
  /// Writes files in one request, owned by root. Not atomic.
  async::Task<Result<void>> upload(std::vector<File> files);
  async::Task<Result<void>> upload(std::string path, std::string content);
  /// The file's bytes; `not_found`. At most `most`.
  async::Task<Result<std::string>> download(std::string path, std::size_t most);
  /// The same as it comes.
  async::Task<Result<std::unique_ptr<wire::ByteSource>>> open_download(std::string path);

  async::Task<Result<void>> make_dir(std::string path);
  async::Task<Result<void>> move(std::string from, std::string to);
  async::Task<Result<void>> remove(std::string path);

  /// Starts a program as `user` and answers when it was started. It goes on when the stream is dropped.
  async::Task<Result<std::unique_ptr<ProcessStream>>> start(ProcessSpec spec, std::string user);
  /// The events from now on of one that runs.
  async::Task<Result<std::unique_ptr<ProcessStream>>> connect(std::uint32_t pid);
  /// Starts a program and waits for its end; more than `most` bytes of output are `resource_exhausted`.
  async::Task<Result<RunResult>> run(ProcessSpec spec, std::string user, std::size_t most);
  async::Task<Result<void>> send_input(std::uint32_t pid, std::string bytes);
  async::Task<Result<void>> close_input(std::uint32_t pid);
  async::Task<Result<void>> send_signal(std::uint32_t pid, Signal signal);
  async::Task<Result<std::vector<ProcessInfo>>> list();

 private:
  [[nodiscard]] http_client::Request request(std::string method, std::string path, const std::string& user) const;
  async::Task<Result<std::string>> call(std::string service, std::string body);
  async::Task<Result<std::unique_ptr<ProcessStream>>> stream(std::string service, std::string body, std::string user);

  http_client::Client& client_;
  Door door_;
  std::string version_;
};

/// "0.5.7" against "0.6.13", by numbers; what is no version is older than all.
bool version_at_least(std::string_view version, std::string_view least);

}  // namespace swarm::e2b
