// A stranger at either end of the handshake: whatever is said without the secret, no handshake succeeds, every failure
// has a reason, and messages that decode encode to the same bytes.

#include <cstdio>
#include <cstdlib>

#include "protocol/async/task_set.hpp"
#include "protocol/wire/handshake.hpp"
#include "tests/fixtures/memory_stream.hpp"

using namespace swarm;
using namespace swarm::wire;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

struct ClosedGate final : Gatekeeper {
  Answer admit(const HandshakeWish& /*wish*/) override {
    require(false, "a stranger was let in");
    return {};
  }
};

using Outcome = std::optional<Result<HandshakeOutcome>>;

async::Task<> keep(async::Task<Result<HandshakeOutcome>> work, Outcome& out) { out.emplace(co_await std::move(work)); }

void stranger(std::span<const std::byte> said, bool at_acceptor) {
  FakeClock clock;
  async::Loop loop(clock);
  SeededRandom random(7);
  const HandshakeIdentity identity{
      .secret = TunnelSecret::make(random), .sandbox_id = "s1", .version = {0, 1, 0}, .features = {"a", "b"}};
  ClosedGate gate;
  Outcome outcome;
  async::TaskSet tasks(loop);
  const auto pair = tests::memory_pair(loop, std::size_t{1} << 20U);
  if (at_acceptor) {
    tasks.spawn(keep(shake_hands_as_acceptor(loop, *pair.right, identity, gate, random), outcome));
    static_cast<void>(pair.left->try_write(said).has_value());
  } else {
    tasks.spawn(keep(shake_hands_as_dialer(loop, *pair.left, identity, {}, random), outcome));
    static_cast<void>(pair.right->try_write(said).has_value());
  }
  loop.run_until_idle();
  if (!outcome) {
    clock.advance(identity.deadline);
    loop.run_until_idle();
  }
  require(outcome.has_value(), "a handshake ends by its deadline");
  require(!outcome->has_value(), "a stranger has proven itself");
  require(!outcome->error().message.empty(), "refused without a reason");
}

template <class T>
void check_decoded(const T& decoded, std::span<const std::byte> body) {
  if (decoded) require(std::ranges::equal(encode(*decoded).body(), body), "what decodes encodes to the same bytes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  stranger(input, true);
  stranger(input, false);
  if (input.size() < kHandshakeHeader) return 0;
  const auto body = input.subspan(kHandshakeHeader);
  check_decoded(decode_hello(body), body);
  check_decoded(decode_challenge(body), body);
  check_decoded(decode_proof(body), body);
  check_decoded(decode_accept(body), body);
  return 0;
}
