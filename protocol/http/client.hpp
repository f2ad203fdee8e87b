#pragma once
// An HTTP client on the loop: libcurl's multi interface driven by libuv, so that any number of exchanges share
// connections (HTTP/2 streams where the server offers them). It knows nothing of what is said. The namespace is not
// `http`, which is the server's: both are linked into one program.
//
//   http_client::Client client(loop, {.ca_file = ...});
//   auto response = co_await client.send({.method = "POST", .url = url, .headers = {...}, .body = text});
//   if (!response) co_return fail(response.error());            // nothing came back
//   auto body = co_await (*response)->read_all(1U << 20U);
//
// Every stage has a deadline. Bodies stream both ways: who does not read holds the sender up. Dropping the task or the
// `Response` ends the exchange. Redirects are not followed, so a key goes nowhere but where it was sent. Errors name
// the method, host and path, never a header, a query or a body.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/async/loop.hpp"
#include "protocol/core/error.hpp"
#include "protocol/transport/stream.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::http_client {

struct Header {
  std::string name;
  std::string value;
  bool operator==(const Header&) const = default;
};

/// How long each stage may take. Zero: for ever.
struct Patience {
  Duration connect = std::chrono::seconds(10);  ///< name, TCP, TLS
  Duration answer = std::chrono::seconds(60);   ///< from the last byte that went out to the response's headers
  Duration silence = std::chrono::seconds(60);  ///< between two pieces of the response, while somebody reads
  Duration total{0};                            ///< the whole exchange
};

enum class Version {
  automatic,  ///< HTTP/2 over TLS where the server offers it, sharing connections
  http1,      ///< HTTP/1.1. For long downloads that may be read slowly: a stream of HTTP/2 that nobody reads holds up
              ///< the others of its connection in libcurl 7.88
};

/// Whether a request may be sent a second time when a connection that was kept breaks before anything came back.
enum class Repeat {
  automatic,  ///< all but POST and PATCH
  always,
  never,
};

/// What became of a request that got no response. Lives until its task ends.
struct Trace {
  bool connected = false;  ///< a connection stood: from then on the server may have acted on it
};

struct Request {
  std::string method = "GET";
  std::string url;  ///< http or https
  std::vector<Header> headers;
  std::string body;
  std::unique_ptr<wire::ByteSource> upload;   ///< instead of `body`: sent as it comes
  std::optional<std::uint64_t> upload_bytes;  ///< its length where known; else HTTP/1.1 sends it in chunks
  Patience patience;
  Version version = Version::automatic;
  Repeat repeat = Repeat::automatic;
  Trace* trace = nullptr;  ///< filled in when set
};

class Exchange;

/// The response's headers are there, its body comes. Destroying it before the end closes that stream.
class Response final : public wire::ByteSource {
 public:
  explicit Response(std::unique_ptr<Exchange> exchange);
  Response(const Response&) = delete;
  Response& operator=(const Response&) = delete;
  ~Response() override;

  [[nodiscard]] int status() const;
  [[nodiscard]] const std::vector<Header>& headers() const;
  /// The last header of that name, in any case of letters.
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;
  /// "GET https://api.example/path", for errors.
  [[nodiscard]] const std::string& describe() const;
  /// 1 or 2.
  [[nodiscard]] int major_version() const;

  /// The next bytes of the body, nothing at its end. `unavailable` when the connection broke, `deadline_exceeded` after
  /// too long a silence.
  async::Task<Result<std::optional<std::string>>> read() override;

  /// The rest of the body; `resource_exhausted` when it is longer than `most`.
  async::Task<Result<std::string>> read_all(std::size_t most);

 private:
  std::unique_ptr<Exchange> exchange_;
};

struct ClientOptions {
  std::string user_agent = "swarmd";
  std::string ca_file;           ///< PEM; empty: the system's
  long connections_a_host = 32;  ///< more requests wait; with HTTP/2 each carries many
};

class CurlLoop;

/// Exchanges and streams may outlive it; the loop outlives all.
class Client {
 public:
  Client(async::Loop& loop, ClientOptions options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Sends and waits for the response's headers, whatever the status. `unavailable` when the server cannot be reached
  /// or broke off, `deadline_exceeded` when a stage took too long, `unauthenticated` when its certificate is not good,
  /// `invalid_argument` for a URL or header that cannot be sent, or the error of the upload's source.
  async::Task<Result<std::unique_ptr<Response>>> send(Request request);

  /// A connection to the host of `url` (TCP, through a configured proxy, with TLS for https) that carries whatever the
  /// caller writes. ALPN says HTTP/1.1. Fails as `send`.
  async::Task<Result<std::unique_ptr<transport::Stream>>> connect(std::string url, Duration patience);

 private:
  async::Loop& loop_;
  ClientOptions options_;
  std::shared_ptr<CurlLoop> curl_;  // shared with the exchanges under way
};

}  // namespace swarm::http_client
