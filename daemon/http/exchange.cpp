#include "daemon/http/exchange.hpp"

#include <fmt/format.h>

namespace swarm::http {

async::Task<Result<void>> Exchange::respond(Answer answer, std::string body) {
  if (answer.status != 204 && answer.status != 304) answer.headers.set("content-length", std::to_string(body.size()));
  Result<void> sent = co_await begin(std::move(answer));
  if (sent && !body.empty()) sent = co_await write(std::move(body));
  if (sent) sent = co_await end();
  co_return sent;
}

async::Task<Result<std::string>> Exchange::read_all(std::size_t limit) {
  std::string whole;
  for (;;) {
    Result<std::optional<std::string>> part = co_await read();
    if (!part) co_return fail(part.error());
    if (!*part) co_return whole;
    whole += **part;
    if (whole.size() > limit) {
      co_return fail(Code::out_of_range, fmt::format("the body is longer than the {} bytes that are allowed", limit));
    }
  }
}

}  // namespace swarm::http
