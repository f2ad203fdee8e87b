#include "protocol/transport/stream.hpp"

namespace swarm::transport {

async::Task<> Stream::gone() { co_await std::suspend_always(); }

async::Task<Result<void>> write_all(Stream& stream, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const Result<std::size_t> taken = stream.try_write(bytes);
    if (!taken) co_return fail(taken.error());
    bytes = bytes.subspan(*taken);
    if (*taken == 0) co_await stream.writable();
  }
  co_return {};
}

async::Task<Result<void>> read_exactly(Stream& stream, std::span<std::byte> into) {
  while (!into.empty()) {
    const Result<std::size_t> got = co_await stream.read(into);
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return fail(Code::unavailable, "the connection ended early");
    into = into.subspan(*got);
  }
  co_return {};
}

}  // namespace swarm::transport
