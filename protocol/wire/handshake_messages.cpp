#include "protocol/wire/handshake_messages.hpp"

#include <fmt/format.h>

#include <cassert>

#include "protocol/wire/big_endian.hpp"

namespace swarm::wire {
namespace {

constexpr std::array<std::byte, 4> kMagic{std::byte{'S'}, std::byte{'W'}, std::byte{'T'}, std::byte{'N'}};
constexpr std::size_t kAcceptProven = 1 + 16 + 8;

bool is_feature_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/// Takes a body apart; once something is missing every further piece is empty and `complete()` is false.
class BodyReader {
 public:
  explicit BodyReader(std::span<const std::byte> body) : rest_(body) {}

  template <std::size_t N>
  void take(std::array<std::byte, N>& into) {
    const auto piece = take(N);
    std::ranges::copy(piece, into.begin());
  }
  template <std::unsigned_integral T>
  void number(T& into) {
    into = get_big_endian<T>(take(sizeof(T)));
  }
  void version(Version& into) {
    number(into.major);
    number(into.minor);
    number(into.patch);
  }
  void features(std::vector<std::string>& into) {
    std::uint8_t count = 0;
    number(count);
    if (count > kMaxFeatures) failed_ = true;
    for (std::size_t i = 0; i < count && !failed_; ++i) {
      std::uint8_t length = 0;
      number(length);
      std::string name;
      for (const std::byte byte : take(length)) name.push_back(std::to_integer<char>(byte));
      into.push_back(std::move(name));
    }
  }
  std::span<const std::byte> take(std::size_t count) {
    if (failed_ || count > rest_.size()) {
      failed_ = true;
      return {};
    }
    const auto piece = rest_.first(count);
    rest_ = rest_.subspan(count);
    return piece;
  }
  /// Everything was there, and nothing else.
  [[nodiscard]] bool complete() const { return !failed_ && rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
  bool failed_ = false;
};

std::unexpected<Error> malformed(std::string_view message) {
  return fail(Code::invalid_argument, fmt::format("the tunnel's handshake: the peer sent a malformed {}", message));
}

Result<void> check_format(std::uint8_t format) {
  if (format == kHandshakeFormat) return {};
  return fail(Code::failed_precondition,
              fmt::format("the tunnel's peer speaks handshake format {} and we {}: update the older side", format,
                          kHandshakeFormat));
}

void add_version(HandshakeMessage& message, const Version& version) {
  message.add_number(version.major, 2);
  message.add_number(version.minor, 2);
  message.add_number(version.patch, 2);
}

}  // namespace

std::string Version::to_string() const { return fmt::format("{}.{}.{}", major, minor, patch); }

bool Version::works_with(const Version& other) const {
  return major == other.major && std::max(minor, other.minor) - std::min(minor, other.minor) <= 1;
}

void HandshakeMessage::add(std::span<const std::byte> bytes) {
  assert(size_ + bytes.size() <= kMaxHandshakeBody);
  std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(kHandshakeHeader + size_));
  size_ += bytes.size();
  put_big_endian(std::span(bytes_).subspan(1, 2), size_);
}

void HandshakeMessage::add_number(std::uint64_t value, std::size_t size) {
  std::array<std::byte, 8> bytes{};
  put_big_endian(std::span(bytes).first(size), value);
  add(std::span(bytes).first(size));
}

void HandshakeMessage::add_features(const std::vector<std::string>& features) {
  add_number(features.size(), 1);
  for (const std::string& name : features) {
    add_number(name.size(), 1);
    add(std::as_bytes(std::span(name)));
  }
}

HandshakeMessage encode(const Hello& hello) {
  HandshakeMessage message(HandshakeType::hello);
  message.add(kMagic);
  message.add_number(kHandshakeFormat, 1);
  message.add(hello.nonce);
  add_version(message, hello.version);
  message.add(hello.instance.bytes);
  message.add(hello.session.bytes);
  message.add_number(hello.received, 8);
  message.add_number(hello.attempt, 8);
  message.add_features(hello.features);
  return message;
}

HandshakeMessage encode(const Challenge& challenge) {
  HandshakeMessage message(HandshakeType::challenge);
  message.add_number(kHandshakeFormat, 1);
  message.add(challenge.nonce);
  add_version(message, challenge.version);
  message.add_features(challenge.features);
  return message;
}

HandshakeMessage encode(const Proof& proof) {
  HandshakeMessage message(HandshakeType::proof);
  message.add(proof.mac);
  return message;
}

HandshakeMessage encode(const Accept& accept) {
  HandshakeMessage message(HandshakeType::accept);
  message.add_number(static_cast<std::uint64_t>(accept.admission), 1);
  message.add(accept.session.bytes);
  message.add_number(accept.received, 8);
  message.add(accept.mac);
  return message;
}

HandshakeMessage encode(const Refusal& /*refusal*/) { return HandshakeMessage(HandshakeType::refusal); }

std::span<const std::byte> proven_part(const HandshakeMessage& accept) { return accept.body().first(kAcceptProven); }

Result<Hello> decode_hello(std::span<const std::byte> body) {
  BodyReader reader(body);
  Hello hello;
  std::array<std::byte, kMagic.size()> magic{};
  std::uint8_t format = 0;
  reader.take(magic);
  reader.number(format);
  if (magic != kMagic) return malformed("greeting; is it a tunnel at all?");
  if (auto known = check_format(format); !known) return fail(known.error());
  reader.take(hello.nonce);
  reader.version(hello.version);
  reader.take(hello.instance.bytes);
  reader.take(hello.session.bytes);
  reader.number(hello.received);
  reader.number(hello.attempt);
  reader.features(hello.features);
  if (!reader.complete()) return malformed("greeting");
  if (auto fine = check_features(hello.features); !fine) return fail(fine.error());
  return hello;
}

Result<Challenge> decode_challenge(std::span<const std::byte> body) {
  BodyReader reader(body);
  Challenge challenge;
  std::uint8_t format = 0;
  reader.number(format);
  if (body.empty()) return malformed("challenge");
  if (auto known = check_format(format); !known) return fail(known.error());
  reader.take(challenge.nonce);
  reader.version(challenge.version);
  reader.features(challenge.features);
  if (!reader.complete()) return malformed("challenge");
  if (auto fine = check_features(challenge.features); !fine) return fail(fine.error());
  return challenge;
}

Result<Proof> decode_proof(std::span<const std::byte> body) {
  BodyReader reader(body);
  Proof proof;
  reader.take(proof.mac);
  if (!reader.complete()) return malformed("proof");
  return proof;
}

Result<Accept> decode_accept(std::span<const std::byte> body) {
  BodyReader reader(body);
  Accept accept;
  std::uint8_t admission = 0;
  reader.number(admission);
  reader.take(accept.session.bytes);
  reader.number(accept.received);
  reader.take(accept.mac);
  if (!reader.complete() || admission > static_cast<std::uint8_t>(Admission::exhausted)) return malformed("answer");
  accept.admission = static_cast<Admission>(admission);
  return accept;
}

Result<void> check_features(const std::vector<std::string>& features) {
  if (features.size() > kMaxFeatures) {
    return fail(Code::invalid_argument, fmt::format("{} features where {} may travel", features.size(), kMaxFeatures));
  }
  const std::string* before = nullptr;
  for (const std::string& name : features) {
    if (name.empty() || name.size() > kMaxFeatureName || !std::ranges::all_of(name, is_feature_character)) {
      return fail(Code::invalid_argument, fmt::format("a feature name of {} bytes that is not 1 to {} of [a-z0-9._-]",
                                                      name.size(), kMaxFeatureName));
    }
    if (before != nullptr && *before >= name) {
      return fail(Code::invalid_argument, fmt::format("feature '{}' is not in order, or there twice", name));
    }
    before = &name;
  }
  return {};
}

}  // namespace swarm::wire
