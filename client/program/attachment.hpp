#pragma once
// Our side of a program that runs in a sandbox: its output to ours, our input to it, signals and the size of the
// terminal passed on, until it ends or we leave.
//
//   standard input -> [detach keys] -> stream      stream -> [sanitiser | mode tracker] -> standard output
//   SIGINT, SIGTERM ... -> exec.signal             SIGWINCH -> exec.resize              exec.wait -> how it ended

#include <memory>

#include "client/connect.hpp"
#include "client/output/sanitizer.hpp"
#include "client/terminal/detach_keys.hpp"
#include "client/terminal/mode_tracker.hpp"
#include "client/terminal/raw_mode.hpp"
#include "client/terminal/standard_stream.hpp"
#include "protocol/api/exec.hpp"

namespace swarm::client {

/// The streams of one program: opened here first, then named in the call that connects them.
struct ProgramStreams {
  std::uint32_t input_id = 0;  ///< 0: none
  std::uint32_t output_id = 0;
  std::uint32_t error_id = 0;
  std::unique_ptr<wire::ByteSink> input;
  std::unique_ptr<wire::ByteSource> output;
  std::unique_ptr<wire::ByteSource> error;
};

/// Which of them are wanted.
struct WantedStreams {
  bool input = false;
  bool output = true;
  bool error = true;
};
Result<ProgramStreams> open_streams(wire::Connection& connection, WantedStreams wanted);

struct AttachOptions {
  bool terminal = false;    ///< it has a terminal, which ours becomes
  bool raw_output = false;  ///< control sequences pass even where we would take them out
  bool own_end = false;     ///< TERM and HUP end our side; else they are passed on as INT always is
  DetachKeys detach;
};

/// How being attached ended.
struct AttachEnd {
  enum class How : std::uint8_t {
    exited,         ///< the program did; `status` says how
    detached,       ///< the detach keys were typed
    given_up,       ///< by `signal`
    output_closed,  ///< nobody reads our output any more
  };
  How how = How::exited;
  api::ExecStatus status;
  int signal = 0;
};

class Attachment {
 public:
  /// References must outlive this.
  Attachment(Context& context, Client& client, std::string sandbox, std::string exec, ProgramStreams streams,
             AttachOptions options);
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;
  ~Attachment() = default;

  /// Stays until the program or our part in it ends. The terminal has its old mode again when this completes.
  async::Task<Result<AttachEnd>> run();

 private:
  async::Task<> carry_output(std::unique_ptr<wire::ByteSource> source, int fd);
  async::Task<> carry_input(std::unique_ptr<wire::ByteSink> sink);
  async::Task<> wait_for_exit();
  async::Task<> pass_on_signal(int number, std::string name);
  static async::Task<> send_signal(Client& client, api::InSandbox<api::ExecSignalRequest> request);
  async::Task<> follow_size();
  void finish(AttachEnd::How how, int signal = 0);
  void fail_with(Error error);
  void look_whether_done();

  Context& context_;
  Client& client_;
  std::string sandbox_;
  std::string exec_;
  ProgramStreams streams_;
  AttachOptions options_;
  ModeTracker modes_;
  int open_outputs_ = 0;
  std::optional<api::ExecStatus> status_;
  std::optional<Error> failure_;
  AttachEnd end_;
  async::Event done_;
  std::unique_ptr<RawMode> raw_;
  async::TaskSet tasks_;  // last: its tasks use the rest
};

}  // namespace swarm::client
