#pragma once
// The Connect protocol as envd speaks it: JSON messages, in envelopes where they stream. Decoding trusts nothing: who
// answers on that port is whatever runs in the sandbox.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::e2b {

/// One message of a stream.
struct Envelope {
  std::uint8_t flags = 0;
  std::string payload;
  bool operator==(const Envelope&) const = default;
};

inline constexpr std::uint8_t kCompressed = 1;
inline constexpr std::uint8_t kEndOfStream = 2;

/// A message as it goes on the wire: flags, 4 bytes of length, payload.
std::string seal(std::uint8_t flags, std::string_view payload);

/// Takes bytes as they come and gives messages.
class EnvelopeReader {
 public:
  /// A longer message is refused before it is kept. envd's chunks are 32 KiB of bytes in base64.
  explicit EnvelopeReader(std::size_t most = std::size_t{4} << 20U) : most_(most) {}

  void push(std::string_view bytes) { input_ += bytes; }
  /// The next whole message, nothing while it is not whole. `resource_exhausted` for one that is too long, `internal`
  /// for flags that nobody defined or that we did not ask for; the stream is of no use then.
  Result<std::optional<Envelope>> next();
  /// Bytes of a message that is not whole.
  [[nodiscard]] std::size_t rest() const { return input_.size() - taken_; }

 private:
  std::size_t most_;
  std::string input_;
  std::size_t taken_ = 0;
};

/// What `process.Process` streams.
struct ProcessEvent {
  enum class Kind { start, out, err, pty, keepalive, end, other };
  Kind kind = Kind::other;
  std::uint32_t pid = 0;  ///< start
  std::string bytes;      ///< out, err, pty
  int exit_code = 0;      ///< end: -1 for a signal
  bool exited = false;    ///< end: by itself, not by a signal
  std::string status;     ///< end: "exit status 2", "signal: killed"
  bool operator==(const ProcessEvent&) const = default;
};

/// One message of Start or Connect. Unknown kinds are `other`. `internal` for what is no such message.
Result<ProcessEvent> decode_event(std::string_view json);

/// The payload of the last envelope: nothing for a clean end, else the error of it.
std::optional<Error> decode_end(std::string_view json);

/// Connect's name of a code ("not_found", "canceled") as ours; `internal` for an unknown one.
Code connect_code(std::string_view name);

/// A process of envd's list.
struct ProcessInfo {
  std::uint32_t pid = 0;
  std::string tag;
  std::string cmd;
};
Result<std::vector<ProcessInfo>> decode_processes(std::string_view json);

/// What shall run.
struct ProcessSpec {
  std::string cmd;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  std::string cwd;
  std::string tag;
  bool stdin_open = false;
};
std::string encode_start(const ProcessSpec& spec);
std::string encode_selector(std::uint32_t pid);
std::string encode_input(std::uint32_t pid, std::string_view bytes);
enum class Signal { terminate, kill };
std::string encode_signal(std::uint32_t pid, Signal signal);
std::string encode_path(std::string_view path);
std::string encode_move(std::string_view from, std::string_view to);

}  // namespace swarm::e2b
