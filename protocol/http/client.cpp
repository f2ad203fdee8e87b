#include "protocol/http/client.hpp"

#include <strings.h>

#include "protocol/http/curl_loop.hpp"
#include "protocol/http/exchange.hpp"
#include "protocol/http/raw_stream.hpp"

namespace swarm::http_client {

Response::Response(std::unique_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
Response::~Response() = default;

int Response::status() const { return exchange_->status(); }
const std::vector<Header>& Response::headers() const { return exchange_->headers(); }
const std::string& Response::describe() const { return exchange_->describe(); }
int Response::major_version() const { return exchange_->major_version(); }

std::optional<std::string> Response::header(std::string_view name) const {
  const auto& all = exchange_->headers();
  for (auto each = all.rbegin(); each != all.rend(); ++each) {
    if (each->name.size() == name.size() && strncasecmp(each->name.data(), name.data(), name.size()) == 0) {
      return each->value;
    }
  }
  return std::nullopt;
}

async::Task<Result<std::optional<std::string>>> Response::read() { return exchange_->read(); }

async::Task<Result<std::string>> Response::read_all(std::size_t most) {
  std::string all;
  for (;;) {
    Result<std::optional<std::string>> chunk = co_await exchange_->read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) co_return all;
    if (all.size() + (*chunk)->size() > most) {
      co_return fail(Code::resource_exhausted,
                     exchange_->describe() + ": the answer is longer than " + std::to_string(most) + " bytes");
    }
    all += **chunk;
  }
}

Client::Client(async::Loop& loop, ClientOptions options)
    : loop_(loop), options_(std::move(options)), curl_(std::make_shared<CurlLoop>(loop, options_.connections_a_host)) {}

Client::~Client() = default;

async::Task<Result<std::unique_ptr<Response>>> Client::send(Request request) {
  Result<Url> url = parse_url(request.url);
  if (!url) co_return fail(url.error());
  auto exchange = std::make_unique<Exchange>(curl_, std::move(request), std::move(*url));
  const Result<void> begun = exchange->begin(options_);
  if (!begun) co_return fail(begun.error());
  const Result<void> answered = co_await exchange->answered();
  if (!answered) co_return fail(answered.error());
  co_return std::make_unique<Response>(std::move(exchange));
}

async::Task<Result<std::unique_ptr<transport::Stream>>> Client::connect(std::string url, Duration patience) {
  const Result<Url> to = parse_url(url);
  if (!to) co_return fail(to.error());
  auto stream = std::make_unique<RawStream>(loop_, "connect " + to->scheme + "://" + to->authority());
  const Result<void> open = co_await stream->open(options_, std::move(url), patience);
  if (!open) co_return fail(open.error());
  co_return std::unique_ptr<transport::Stream>(std::move(stream));
}

}  // namespace swarm::http_client
