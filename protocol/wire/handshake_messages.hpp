#pragma once
// The bytes of the handshake (handshake.hpp says what they are for). Every message is
//
//   | type (8) | length (16, BE) | body |
//
// with a body of at most `kMaxHandshakeBody` bytes. Numbers are big-endian; features are sorted, each once.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/core/error.hpp"
#include "protocol/wire/session_id.hpp"

namespace swarm::wire {

inline constexpr std::uint8_t kHandshakeFormat = 1;
inline constexpr std::size_t kHandshakeHeader = 3;
inline constexpr std::size_t kMaxHandshakeBody = 3328;
inline constexpr std::size_t kMaxFeatures = 64;
inline constexpr std::size_t kMaxFeatureName = 48;

using Nonce = std::array<std::byte, 32>;
using Mac = std::array<std::byte, 32>;

enum class HandshakeType : std::uint8_t { hello = 1, challenge = 2, proof = 3, accept = 4, refusal = 5 };

/// The version of a program. One minor version older or newer works together.
struct Version {
  std::uint16_t major = 0;
  std::uint16_t minor = 0;
  std::uint16_t patch = 0;
  auto operator<=>(const Version&) const = default;
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool works_with(const Version& other) const;
};

/// Names one run of a daemon: 128 random bits, made at its start.
struct InstanceId {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const InstanceId&) const = default;
  static InstanceId make(Random& random) {
    InstanceId id;
    random.fill(id.bytes);
    return id;
  }
};

/// Dialer to acceptor, first.
struct Hello {
  Nonce nonce{};
  Version version;
  InstanceId instance;
  SessionId session;           ///< empty asks for a new one
  std::uint64_t received = 0;  ///< `Session::receive_offset()` of the dialer
  std::uint64_t attempt = 0;   ///< counts the dialer's tries for this session; an older one never replaces a newer
  std::vector<std::string> features;
  bool operator==(const Hello&) const = default;
};

/// Acceptor to dialer.
struct Challenge {
  Nonce nonce{};
  Version version;
  std::vector<std::string> features;
  bool operator==(const Challenge&) const = default;
};

/// Dialer to acceptor.
struct Proof {
  Mac mac{};
  bool operator==(const Proof&) const = default;
};

/// What became of the dialer's wish. Under the acceptor's MAC.
enum class Admission : std::uint8_t {
  created = 0,    ///< a new session
  resumed = 1,    ///< the session goes on
  unknown = 2,    ///< no such session: the acceptor was restarted or has given it up
  stale = 3,      ///< a newer attempt has overtaken this one
  exhausted = 4,  ///< too many sessions
};

/// Acceptor to dialer, last.
struct Accept {
  Admission admission = Admission::unknown;
  SessionId session;
  std::uint64_t received = 0;  ///< `Session::receive_offset()` of the acceptor
  Mac mac{};
  bool operator==(const Accept&) const = default;
};

/// Acceptor to dialer in place of any message: not proven. Says nothing else.
struct Refusal {
  bool operator==(const Refusal&) const = default;
};

/// One encoded message: header and body.
class HandshakeMessage {
 public:
  explicit HandshakeMessage(HandshakeType type) { bytes_[0] = static_cast<std::byte>(type); }
  void add(std::span<const std::byte> bytes);
  void add_number(std::uint64_t value, std::size_t size);
  void add_features(const std::vector<std::string>& features);

  [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(bytes_).first(kHandshakeHeader + size_); }
  [[nodiscard]] std::span<const std::byte> body() const { return bytes().subspan(kHandshakeHeader); }

 private:
  std::array<std::byte, kHandshakeHeader + kMaxHandshakeBody> bytes_{};
  std::size_t size_ = 0;
};

HandshakeMessage encode(const Hello& hello);
HandshakeMessage encode(const Challenge& challenge);
HandshakeMessage encode(const Proof& proof);
HandshakeMessage encode(const Accept& accept);
HandshakeMessage encode(const Refusal& refusal);

/// The part of an Accept that its MAC covers: everything before the MAC itself.
std::span<const std::byte> proven_part(const HandshakeMessage& accept);

/// Decode a body. `failed_precondition` for another handshake format, `invalid_argument` for anything malformed.
Result<Hello> decode_hello(std::span<const std::byte> body);
Result<Challenge> decode_challenge(std::span<const std::byte> body);
Result<Proof> decode_proof(std::span<const std::byte> body);
Result<Accept> decode_accept(std::span<const std::byte> body);

/// `invalid_argument`, naming the first feature that cannot travel: up to 64 names of 1 to 48 of [a-z0-9._-], sorted,
/// each once.
Result<void> check_features(const std::vector<std::string>& features);

}  // namespace swarm::wire
