#include "protocol/wire/handshake.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <cassert>

#include "protocol/async/timer.hpp"
#include "protocol/wire/big_endian.hpp"

namespace swarm::wire {
namespace {

constexpr std::string_view kLabel = "swarmd tunnel handshake 1";

enum class Role : std::uint8_t { dialer = 'D', acceptor = 'A' };

const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);  // NOLINT: libsodium's own type for bytes
}

/// What both MACs have in common, hashed as it comes. Its state stands for the key, so it is wiped.
class Transcript {
 public:
  explicit Transcript(const HandshakeIdentity& identity) {
    [[maybe_unused]] const int ready = sodium_init();  // -1 only where getrandom does not work: then we abort anyway
    assert(ready >= 0);
    crypto_auth_hmacsha256_init(&state_, raw(identity.secret.bytes().data()), TunnelSecret::kSize);
    add(std::as_bytes(std::span(kLabel)));
    add(std::as_bytes(std::span(identity.sandbox_id)));
  }
  Transcript(const Transcript&) = delete;
  Transcript& operator=(const Transcript&) = delete;
  ~Transcript() { sodium_memzero(&state_, sizeof state_); }

  /// Everything is hashed with its length in front, so that no two transcripts run together.
  void add(std::span<const std::byte> bytes) { add_to(state_, bytes); }

  [[nodiscard]] Mac mac(Role role, std::span<const std::byte> answer = {}) const {
    crypto_auth_hmacsha256_state state = state_;
    const std::array<std::byte, 1> role_byte{static_cast<std::byte>(role)};
    add_to(state, role_byte);
    add_to(state, answer);
    std::array<unsigned char, crypto_auth_hmacsha256_BYTES> out{};
    crypto_auth_hmacsha256_final(&state, out.data());
    sodium_memzero(&state, sizeof state);
    Mac mac{};
    static_assert(sizeof mac == sizeof out);
    std::memcpy(mac.data(), out.data(), out.size());
    return mac;
  }

 private:
  static void add_to(crypto_auth_hmacsha256_state& state, std::span<const std::byte> bytes) {
    std::array<std::byte, 4> length{};
    put_big_endian(length, bytes.size());
    crypto_auth_hmacsha256_update(&state, raw(length.data()), length.size());
    crypto_auth_hmacsha256_update(&state, raw(bytes.data()), bytes.size());
  }

  crypto_auth_hmacsha256_state state_{};
};

bool same(const Mac& left, const Mac& right) { return sodium_memcmp(left.data(), right.data(), left.size()) == 0; }

std::unexpected<Error> not_proven() {
  return fail(Code::unauthenticated,
              "the two ends of the tunnel could not prove themselves to each other; nothing was exchanged");
}

Result<void> check_version(const Version& ours, const Version& theirs) {
  if (ours.works_with(theirs)) return {};
  return fail(Code::failed_precondition,
              fmt::format("the tunnel's peer is version {} and we are {}: one minor version older or newer works; "
                          "update the older side, or create the sandbox anew",
                          theirs.to_string(), ours.to_string()));
}

Result<void> check_admission(Admission admission) {
  switch (admission) {
    case Admission::created:
    case Admission::resumed:
      return {};
    case Admission::unknown:
      return fail(Code::not_found, "the tunnel's session is unknown to its acceptor");
    case Admission::stale:
      return fail(Code::failed_precondition, "a newer attempt to resume the tunnel's session has overtaken this one");
    case Admission::exhausted:
      return fail(Code::resource_exhausted, "the tunnel's acceptor has too many sessions");
  }
  return fail(Code::internal, "unknown admission");
}

std::vector<std::string> common(const std::vector<std::string>& ours, const std::vector<std::string>& theirs) {
  std::vector<std::string> both;
  std::ranges::set_intersection(ours, theirs, std::back_inserter(both));  // both are sorted
  return both;
}

/// One message of the peer. The body's length is checked before it is read into memory that is there already.
struct Received {
  HandshakeType type{};
  std::array<std::byte, kMaxHandshakeBody> bytes;  // only the first `size` are written
  std::size_t size = 0;
  [[nodiscard]] std::span<const std::byte> body() const { return std::span(bytes).first(size); }
};

async::Task<Result<void>> receive(transport::Stream& stream, HandshakeType expected, Received& into) {
  std::array<std::byte, kHandshakeHeader> header{};
  const Result<void> got_header = co_await transport::read_exactly(stream, header);
  if (!got_header) co_return fail(got_header.error(), "tunnel handshake");
  into.type = static_cast<HandshakeType>(header[0]);
  into.size = get_big_endian(std::span(header).subspan(1));
  if (into.type == HandshakeType::refusal && into.size == 0 && expected != HandshakeType::hello) co_return not_proven();
  if (into.type != expected || into.size > kMaxHandshakeBody) {
    co_return fail(
        Code::invalid_argument,
        fmt::format("tunnel handshake: message {} of {} bytes came where message {} of at most {} was due",
                    static_cast<unsigned>(into.type), into.size, static_cast<unsigned>(expected), kMaxHandshakeBody));
  }
  const Result<void> got_body = co_await transport::read_exactly(stream, std::span(into.bytes).first(into.size));
  if (!got_body) co_return fail(got_body.error(), "tunnel handshake");
  co_return {};
}

async::Task<Result<void>> send(transport::Stream& stream, HandshakeMessage message) {
  const Result<void> sent = co_await transport::write_all(stream, message.bytes());
  if (!sent) co_return fail(sent.error(), "tunnel handshake");
  co_return {};
}

async::Task<Result<HandshakeOutcome>> dial(transport::Stream& stream, const HandshakeIdentity& identity,
                                           HandshakeWish wish, Random& random) {
  Transcript transcript(identity);
  Hello hello{.version = identity.version,
              .instance = wish.instance,
              .session = wish.session,
              .received = wish.received,
              .attempt = wish.attempt,
              .features = identity.features};
  random.fill(hello.nonce);
  const HandshakeMessage greeting = encode(hello);
  transcript.add(greeting.body());
  const Result<void> greeted = co_await send(stream, greeting);
  if (!greeted) co_return fail(greeted.error());

  Received received;
  const Result<void> challenged = co_await receive(stream, HandshakeType::challenge, received);
  if (!challenged) co_return fail(challenged.error());
  const Result<Challenge> challenge = decode_challenge(received.body());
  if (!challenge) co_return fail(challenge.error());
  if (challenge->nonce == hello.nonce) co_return not_proven();
  const Result<void> compatible = check_version(identity.version, challenge->version);
  if (!compatible) co_return fail(compatible.error());
  transcript.add(received.body());
  const Result<void> proved = co_await send(stream, encode(Proof{.mac = transcript.mac(Role::dialer)}));
  if (!proved) co_return fail(proved.error());

  const Result<void> answered = co_await receive(stream, HandshakeType::accept, received);
  if (!answered) co_return fail(answered.error());
  const Result<Accept> accept = decode_accept(received.body());
  if (!accept) co_return fail(accept.error());
  const Mac expected = transcript.mac(Role::acceptor, proven_part(encode(*accept)));
  if (!same(expected, accept->mac)) co_return not_proven();
  const Result<void> admitted = check_admission(accept->admission);
  if (!admitted) co_return fail(admitted.error());
  co_return HandshakeOutcome{.peer_version = challenge->version,
                             .features = common(identity.features, challenge->features),
                             .session = accept->session,
                             .admission = accept->admission,
                             .peer_received = accept->received};
}

async::Task<Result<HandshakeOutcome>> accept_dialer(transport::Stream& stream, const HandshakeIdentity& identity,
                                                    Gatekeeper& gatekeeper, Random& random) {
  Transcript transcript(identity);
  Received received;
  const Result<void> greeted = co_await receive(stream, HandshakeType::hello, received);
  if (!greeted) co_return fail(greeted.error());
  const Result<Hello> hello = decode_hello(received.body());
  if (!hello) co_return fail(hello.error());
  transcript.add(received.body());

  Challenge challenge{.version = identity.version, .features = identity.features};
  random.fill(challenge.nonce);
  const HandshakeMessage question = encode(challenge);
  transcript.add(question.body());
  const Result<void> asked = co_await send(stream, question);
  if (!asked) co_return fail(asked.error());
  // Only now: the dialer has our version and says the same to its user.
  const Result<void> compatible = check_version(identity.version, hello->version);
  if (!compatible) co_return fail(compatible.error());

  const Result<void> answered = co_await receive(stream, HandshakeType::proof, received);
  if (!answered) co_return fail(answered.error());
  const Result<Proof> proof = decode_proof(received.body());
  if (!proof) co_return fail(proof.error());
  if (!same(transcript.mac(Role::dialer), proof->mac)) {
    const Result<void> told = co_await send(stream, encode(Refusal{}));
    static_cast<void>(told);  // a courtesy; the verdict is the same
    co_return not_proven();
  }

  const Gatekeeper::Answer answer = gatekeeper.admit(
      {.instance = hello->instance, .session = hello->session, .received = hello->received, .attempt = hello->attempt});
  Accept accept{.admission = answer.admission, .session = answer.session, .received = answer.received};
  accept.mac = transcript.mac(Role::acceptor, proven_part(encode(accept)));
  const Result<void> told = co_await send(stream, encode(accept));
  if (!told) co_return fail(told.error());
  const Result<void> admitted = check_admission(answer.admission);
  if (!admitted) co_return fail(admitted.error());
  co_return HandshakeOutcome{.peer_version = hello->version,
                             .features = common(identity.features, hello->features),
                             .session = answer.session,
                             .admission = answer.admission,
                             .peer_received = hello->received};
}

}  // namespace

async::Task<Result<HandshakeOutcome>> shake_hands_as_dialer(async::Loop& loop, transport::Stream& stream,
                                                            const HandshakeIdentity& identity, HandshakeWish wish,
                                                            Random& random) {
  auto work = dial(stream, identity, wish, random);
  co_return co_await async::with_timeout(loop, std::move(work), identity.deadline, "tunnel handshake");
}

async::Task<Result<HandshakeOutcome>> shake_hands_as_acceptor(async::Loop& loop, transport::Stream& stream,
                                                              const HandshakeIdentity& identity, Gatekeeper& gatekeeper,
                                                              Random& random) {
  auto work = accept_dialer(stream, identity, gatekeeper, random);
  co_return co_await async::with_timeout(loop, std::move(work), identity.deadline, "tunnel handshake");
}

}  // namespace swarm::wire
