#include "client/transfer/print_stream.hpp"

#include <unistd.h>

#include "client/output/printer.hpp"
#include "client/output/sanitizer.hpp"
#include "client/terminal/standard_stream.hpp"

namespace swarm::client {

async::Task<Result<std::uint64_t>> print_stream(Context& context, std::unique_ptr<wire::ByteSource> source, bool raw) {
  Result<std::unique_ptr<StandardStream>> out = StandardStream::open(context.loop, STDOUT_FILENO);
  if (!out) co_return fail(out.error());
  const bool clean = context.printer.out().terminal && !raw;
  Sanitizer sanitizer;
  std::uint64_t total = 0;
  for (bool more = true; more;) {
    Result<std::optional<std::string>> chunk = co_await source->read();
    if (!chunk) co_return fail(chunk.error());
    more = chunk->has_value();
    std::string text = more ? std::move(**chunk) : std::string();
    total += text.size();
    if (clean) text = more ? sanitizer.feed(text) : sanitizer.finish();
    const Result<void> written = co_await (*out)->write(std::as_bytes(std::span(text)));
    if (written) continue;
    if (written.error().code == Code::unavailable) end_for_closed_output();
    co_return fail(written.error(), "standard output");
  }
  co_return total;
}

}  // namespace swarm::client
