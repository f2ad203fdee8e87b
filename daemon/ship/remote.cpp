#include "daemon/ship/remote.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "protocol/core/utf8.hpp"

namespace swarm::ship {
namespace {

constexpr const char* kTokenVariable = "GITHUB_TOKEN";

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

bool is_loopback(std::string_view host) {
  const bool bracketed = host.starts_with('[');
  const std::string_view name = bracketed ? host.substr(0, host.find(']') + 1) : host.substr(0, host.find(':'));
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

bool is_word(std::string_view text, std::string_view also) {
  return !text.empty() && std::ranges::all_of(text, [also](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 128 && (std::isalnum(byte) != 0 || also.find(c) != std::string_view::npos);
  });
}

}  // namespace

Result<Remote> read_remote(const std::string& url) {
  // What stands before '@' may be a password: it is in no error.
  const auto refuse = [](std::string_view why) {
    return fail(Code::failed_precondition, fmt::format("the remote cannot be pushed to: {}", why));
  };
  std::string scheme = "https";
  std::string_view rest = url;
  const std::size_t mark = rest.find("://");
  const bool ssh = mark == std::string_view::npos || rest.starts_with("ssh://");
  if (mark != std::string_view::npos) {
    if (!ssh) scheme = lower(rest.substr(0, mark));
    rest.remove_prefix(mark + 3);
  } else {
    // git's short form of SSH, "user@host:path"; else it is a path.
    const std::size_t colon = rest.find(':');
    if (colon == std::string_view::npos || rest.find('/') < colon) {
      return refuse("it is a directory; only http(s) and what a service offers over SSH can be");
    }
  }
  if (scheme != "https" && scheme != "http") {
    return refuse(fmt::format("'{}' is neither http(s) nor SSH", shown(scheme)));
  }
  const std::size_t at = rest.substr(0, rest.find('/')).rfind('@');
  if (at != std::string_view::npos) rest.remove_prefix(at + 1);
  const bool bracketed = rest.starts_with('[');
  const std::size_t end = bracketed ? rest.find_first_of("/", rest.find(']'))
                                    : rest.find_first_of(ssh && mark == std::string_view::npos ? ":" : "/");
  if (end == std::string_view::npos) return refuse("it names no repository");
  std::string host = lower(rest.substr(0, end));
  if (ssh) host = host.substr(0, host.find(':'));  // the port of SSH is not that of HTTP
  if (scheme == "https" && host.ends_with(":443")) host.resize(host.size() - 4);
  if (scheme == "http" && host.ends_with(":80")) host.resize(host.size() - 3);
  if (!is_word(host, ".-:[]_")) return refuse(fmt::format("'{}' is no host", shown(host)));
  std::string_view path = rest.substr(end + 1);
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.ends_with(".git")) path.remove_suffix(4);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == path.size()) {
    return refuse(fmt::format("'{}' is no repository: OWNER/NAME is", shown(path)));
  }
  if (!is_word(path, "-_./~+") || path.find("..") != std::string_view::npos) {
    return refuse(fmt::format("'{}' is no name of a repository", shown(path)));
  }
  if (scheme == "http" && !is_loopback(host)) {
    return refuse(fmt::format("http://{} would carry the token in the clear; use https", host));
  }
  return Remote{.url = fmt::format("{}://{}/{}.git", scheme, host, path),
                .host = host,
                .owner = std::string(path.substr(0, slash)),
                .name = std::string(path.substr(slash + 1))};
}

Service service_of(const config::Config& config, const Remote& remote) {
  for (const auto& [name, forge] : config.forges) {
    if (lower(forge.host.empty() ? name : forge.host) != remote.host) continue;
    const std::string own =
        remote.host == "github.com" ? "https://api.github.com" : fmt::format("https://{}/api/v3", remote.host);
    return {.api_url = forge.api_url.empty() ? own : forge.api_url,
            .secret = forge.secret,
            .user = forge.user,
            .ca_file = forge.ca_file};
  }
  const config::Forge usual;
  if (remote.host == "github.com") {
    return {.api_url = "https://api.github.com", .secret = usual.secret, .user = usual.user, .ca_file = {}};
  }
  return {.api_url = fmt::format("https://{}/api/v3", remote.host), .secret = {}, .user = usual.user, .ca_file = {}};
}

void adopt_environment(config::Config& config, const config::Config* before) {
  const std::string name = config::Forge().secret;
  if (config.secrets.contains(name)) return;
  const bool taken =
      before != nullptr && before->secrets.contains(name) && before->secrets.at(name).variable == kTokenVariable;
  const char* token = std::getenv(kTokenVariable);  // NOLINT(concurrency-mt-unsafe): before the first thread
  if (!taken && (token == nullptr || *token == '\0')) return;
  config.secrets[name] = {.source = config::SecretSource::environment, .variable = kTokenVariable};
}

}  // namespace swarm::ship
