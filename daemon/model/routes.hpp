#pragma once
// Which provider a request is for, and how it is asked there: told from the path and the headers that its client sends.

#include <optional>
#include <string>
#include <vector>

#include "daemon/model/http1.hpp"

namespace swarm::model {

/// A provider as the configuration has it.
struct Upstream {
  std::string name;      ///< "anthropic", "openai", "google"
  std::string url;       ///< without a slash at its end
  std::string secret;    ///< name of its key
  bool granted = false;  ///< the key says which swarms may use it; else every agent's model calls may
};

/// The name of the provider that speaks this; nothing for what is no request to a model: such a thing would reach the
/// account behind the key.
std::optional<std::string> provider_of(const Request& request);

/// The target as it is sent on: without a key in its query.
std::string target_of(const Request& request);

/// The headers that go along, without those of this connection and without whatever the sender took for a key.
std::vector<http_client::Header> headers_of(const Request& request);

/// The header that carries the key.
http_client::Header key_header(const std::string& provider, std::string_view key);

/// The headers of an answer that go back.
std::vector<http_client::Header> answer_headers(const std::vector<http_client::Header>& headers);

/// An error in the shape that the provider's clients read.
std::string error_body(const std::string& provider, int status, const std::string& message);

}  // namespace swarm::model
