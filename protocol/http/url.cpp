#include "protocol/http/url.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include "protocol/core/deleter.hpp"

namespace swarm::http_client {
namespace {

using Handle = CPtr<CURLU, curl_url_cleanup>;

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  const CPtr<char, curl_free> owned(text);
  return owned.get();
}

}  // namespace

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const bool usual = port == (scheme == "https" ? "443" : "80");
  return usual ? name : name + ":" + port;
}

std::string Url::printable() const { return fmt::format("{}://{}{}", scheme, authority(), path); }

Result<Url> parse_url(const std::string& text) {
  const Handle url(curl_url());
  const std::string_view shown = std::string_view(text).substr(0, text.find_first_of("?@"));
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return fail(Code::invalid_argument, fmt::format("'{}' is not a URL", shown));
  }
  Url parsed{.scheme = part(url.get(), CURLUPART_SCHEME),
             .host = part(url.get(), CURLUPART_HOST),
             .port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT),
             .path = part(url.get(), CURLUPART_PATH)};
  if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  }
  if (parsed.scheme != "http" && parsed.scheme != "https") {
    return fail(Code::invalid_argument, fmt::format("'{}' is neither an http nor an https URL", shown));
  }
  if (!part(url.get(), CURLUPART_PASSWORD).empty()) {
    return fail(Code::invalid_argument,
                fmt::format("the URL of '{}' carries a password; put it into a secret", parsed.host));
  }
  return parsed;
}

std::string escape(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  return out;
}

}  // namespace swarm::http_client
