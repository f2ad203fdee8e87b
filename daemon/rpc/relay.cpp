#include "daemon/rpc/relay.hpp"

#include "protocol/wire/carry.hpp"

namespace swarm::rpc {

Result<std::uint32_t> Relay::from_caller(std::uint32_t id) {
  Result<std::unique_ptr<wire::ByteSource>> source = client_.open_source(id);
  if (!source) return fail(source.error());
  const std::uint32_t inner = agent_.new_stream_id();
  Result<std::unique_ptr<wire::ByteSink>> sink = agent_.open_sink(inner);
  if (!sink) return fail(sink.error());
  inputs_.spawn(wire::carry(std::move(*source), std::move(*sink)));
  return inner;
}

Result<std::uint32_t> Relay::to_caller(std::uint32_t id) {
  Result<std::unique_ptr<wire::ByteSink>> sink = client_.open_sink(id);
  if (!sink) return fail(sink.error());
  const std::uint32_t inner = agent_.new_stream_id();
  Result<std::unique_ptr<wire::ByteSource>> source = agent_.open_source(inner);
  if (!source) return fail(source.error());
  outputs_.spawn(wire::carry(std::move(*source), std::move(*sink)));
  return inner;
}

async::Task<> Relay::all_done() {
  co_await outputs_.join();
  co_await inputs_.join();
}

}  // namespace swarm::rpc
