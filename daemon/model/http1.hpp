#pragma once
// The server's half of HTTP/1.1 over a stream of the tunnel, with the parser of our HTTP server: what a model's client
// sends and expects, and no more. What arrives comes from a sandbox: it is bounded, and whatever is odd about it ends
// the connection.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/http1_parser.hpp"
#include "protocol/http/client.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::model {

struct Request {
  std::string method;
  std::string target;  ///< path and query as they were sent
  std::vector<http_client::Header> headers;
  std::string body;
  bool keep_alive = true;

  /// The last header of that name, in any case of letters; empty: none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// Whether two names of headers are the same.
bool same_name(std::string_view a, std::string_view b);

struct Bounds {
  std::size_t head_bytes = 64UL * 1024;
  std::size_t body_bytes = 64UL * 1024 * 1024;
};

/// One connection: requests come in, responses go out, one after the other.
class ServerConnection {
 public:
  ServerConnection(std::unique_ptr<wire::ByteSource> source, std::unique_ptr<wire::ByteSink> sink, Bounds bounds = {})
      : source_(std::move(source)),
        sink_(std::move(sink)),
        bounds_(bounds),
        parser_(http::Http1Parser::Kind::request, bounds.head_bytes) {}

  /// The next request, nothing at the clean end. `invalid_argument` for what is no HTTP/1 request,
  /// `resource_exhausted` for one that is too long: answer it with `refuse` and end.
  async::Task<Result<std::optional<Request>>> next();

  /// Begins a response whose length is not known yet; `part` and `finish` follow, unless it has no body.
  async::Task<Result<void>> begin(int status, std::vector<http_client::Header> headers, bool has_body);
  async::Task<Result<void>> part(std::string bytes);
  async::Task<Result<void>> finish();

  /// A whole response.
  async::Task<Result<void>> reply(int status, std::string content_type, std::string body);

  void end() { sink_->end(); }
  void break_off(Error error) { sink_->fail(std::move(error)); }

 private:
  async::Task<Result<bool>> fill();
  async::Task<Result<void>> send(std::string bytes);
  Result<void> take_head(Request& request);

  std::unique_ptr<wire::ByteSource> source_;
  std::unique_ptr<wire::ByteSink> sink_;
  Bounds bounds_;
  http::Http1Parser parser_;
  std::string read_;  ///< arrived and not used yet
};

}  // namespace swarm::model
