#pragma once

#include <string>
#include <utility>
#include <vector>

#include "protocol/core/random.hpp"
#include "protocol/transport/stream.hpp"

namespace swarm::websocket {

/// What a client asks for.
struct Request {
  std::string host;  ///< for the Host header
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Why there is no WebSocket.
struct Refusal {
  Error error;
  int status = 0;    ///< of the answer; zero: none came
  std::string body;  ///< at most a few KiB of it; by whoever is at the other end
};

/// A stream that is a WebSocket now, and what came behind the handshake.
struct Opened {
  std::unique_ptr<transport::Stream> stream;
  std::string rest;
};

/// The client's side of RFC 6455, section 4.1. Give it a deadline.
async::Task<std::expected<Opened, Refusal>> ask(std::unique_ptr<transport::Stream> stream, Request request,
                                                Random& random);

/// The server's side of section 4.2, for one path. What is refused was answered with a status. Give it a deadline.
async::Task<Result<Opened>> answer(std::unique_ptr<transport::Stream> stream, std::string path);

/// What a server answers to `key`: base64 of the SHA-1 of the key and the standard's constant.
std::string accept_of(std::string_view key);

}  // namespace swarm::websocket
