#include "protocol/wire/carry.hpp"

namespace swarm::wire {

async::Task<> carry(std::unique_ptr<ByteSource> source, std::unique_ptr<ByteSink> sink) {
  for (;;) {
    Result<std::optional<std::string>> chunk = co_await source->read();
    if (!chunk) {
      sink->fail(chunk.error());
      co_return;
    }
    if (!*chunk) {
      sink->end();
      co_return;
    }
    const Result<void> sent = co_await sink->write(std::as_bytes(std::span(**chunk)));
    if (!sent) co_return;  // nobody reads any more; dropping the source tells the sender
  }
}

}  // namespace swarm::wire
