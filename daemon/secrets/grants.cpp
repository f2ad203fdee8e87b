#include "daemon/secrets/grants.hpp"

#include <fmt/format.h>

namespace swarm::secrets {
namespace {

bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::pair<std::string_view, std::string_view> split_port(std::string_view host) {
  const auto colon = host.rfind(':');
  if (colon == std::string_view::npos) return {host, "443"};
  return {host.substr(0, colon), host.substr(colon + 1)};
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool host_matches(std::string_view pattern, std::string_view host) {
  const auto [wanted, wanted_port] = split_port(pattern);
  auto [name, port] = split_port(host);
  if (name.ends_with('.')) name.remove_suffix(1);
  if (wanted_port != port || name.empty()) return false;
  if (!wanted.starts_with("*.")) return same_letters(wanted, name);
  const std::string_view tail = wanted.substr(1);
  return name.size() > tail.size() && same_letters(name.substr(name.size() - tail.size()), tail);
}

Result<void> check_grant(std::string_view name, const config::Secret& secret, const Use& use) {
  const auto refuse = [&](std::string_view setting, std::string_view what, std::string_view value) {
    return fail(Code::permission_denied,
                fmt::format("secret '{}' is not granted to {} '{}'; secret.{}.{} in the configuration "
                            "lists what is",
                            name, what, value, name, setting));
  };
  const auto any = [](const std::vector<std::string>& patterns, std::string_view text,
                      bool (*matches)(std::string_view, std::string_view)) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches(pattern, text); });
  };
  if (!any(secret.swarms, use.swarm, glob_matches)) return refuse("swarms", "swarm", use.swarm);
  if (!any(secret.roles, use.role, glob_matches)) return refuse("roles", "role", use.role);
  if (!secret.hosts.empty() && !any(secret.hosts, use.host, host_matches)) return refuse("hosts", "host", use.host);
  return {};
}

}  // namespace swarm::secrets
