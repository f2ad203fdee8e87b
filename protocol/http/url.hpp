#pragma once

#include <string>
#include <string_view>

#include "protocol/core/error.hpp"

namespace swarm::http_client {

/// The parts of a URL that say where a request goes.
struct Url {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< without brackets
  std::string port;    ///< never empty
  std::string path;    ///< from the slash on, without the query

  /// "host" or "host:port", as the Host header has it.
  [[nodiscard]] std::string authority() const;
  /// Scheme, authority and path: what may stand in logs and errors. Query and user are left out.
  [[nodiscard]] std::string printable() const;
};

/// `invalid_argument` for what is no http or https URL, or carries a password.
Result<Url> parse_url(const std::string& text);

/// What is not of RFC 3986's unreserved set as %XX: for one segment of a path, or one part of a query.
std::string escape(std::string_view text);

}  // namespace swarm::http_client
