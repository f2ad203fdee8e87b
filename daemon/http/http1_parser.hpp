#pragma once

#include <memory>
#include <string>

#include "daemon/http/message.hpp"
#include "protocol/core/error.hpp"

namespace swarm::http {

/// Takes HTTP/1 messages apart, one after the other: requests for the server, responses for who passes requests on.
class Http1Parser {
 public:
  enum class Kind : std::uint8_t { request, response };
  Http1Parser(Kind kind, std::size_t header_limit);
  Http1Parser(const Http1Parser&) = delete;
  Http1Parser& operator=(const Http1Parser&) = delete;
  ~Http1Parser();

  /// Takes bytes up to the end of the fields, or up to the end of the message: how many it took. `invalid_argument` for
  /// what is no HTTP, `out_of_range` for fields beyond the limit.
  Result<std::size_t> feed(std::string_view bytes);
  /// The stream has ended: a body without a length is whole now. `unavailable` in the middle of a message.
  Result<void> finish();

  /// Something of the message has come.
  [[nodiscard]] bool begun() const;
  [[nodiscard]] bool has_head() const;
  [[nodiscard]] bool complete() const;

  // Of the message, once it has its head.
  [[nodiscard]] std::string method() const;
  [[nodiscard]] int status() const;
  [[nodiscard]] const std::string& target() const;
  [[nodiscard]] Headers& headers();
  [[nodiscard]] Version version() const;
  /// Another message may follow on this connection.
  [[nodiscard]] bool keep_alive() const;
  /// It asks for (or agrees to) another protocol.
  [[nodiscard]] bool upgrade() const;

  /// Body bytes since the last call.
  std::string take_body();

  /// The answer is to a HEAD request, or has no body for another reason.
  void expect_no_body();
  /// Begins the next message.
  void next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace swarm::http
