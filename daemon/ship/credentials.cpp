#include "daemon/ship/credentials.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/async/process.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::ship {
namespace {

/// A helper may have to unlock something; nobody is there to type.
constexpr Duration kHelperLimit = std::chrono::seconds(30);

/// The value of "key=..." among lines.
std::string line_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key)) return std::string(line.substr(key.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return {};
}

}  // namespace

async::Task<Result<Credential>> Credentials::find(Purpose purpose) {
  const std::string& name = purpose.service.secret;
  const std::vector<secrets::Listed> known = vault_.list();
  const auto listed = std::ranges::find(known, name, &secrets::Listed::name);
  if (!name.empty() && listed != known.end()) {
    // One that names swarms is for those alone, and for the hosts that it names.
    const std::string host = purpose.remote.host;
    const bool granted = !listed->swarms.empty() || !listed->hosts.empty();
    if (!listed->hosts.empty() && std::ranges::none_of(listed->hosts, [&](const std::string& each) {
          return secrets::host_matches(each, host);
        })) {
      co_return fail(Code::permission_denied,
                     fmt::format("secret '{}' is not for host '{}'; secret.{}.hosts lists those", name, host, name));
    }
    auto looking = granted && !listed->swarms.empty()
                       ? vault_.get_for(name, {.swarm = purpose.swarm_name, .role = "", .host = host})
                       : vault_.get(name);
    Result<secrets::SecretString> token = co_await std::move(looking);
    if (!token) co_return fail(token.error());
    co_return Credential{
        .user = purpose.service.user, .password = std::move(*token), .origin = fmt::format("secret '{}'", name)};
  }
  Result<Credential> helped = co_await ask_helper(purpose.remote);
  if (helped) co_return helped;
  const std::string secret = name.empty() ? "github" : name;
  const std::string setting =
      name.empty() ? fmt::format(", and say in the configuration that it is for [forge.\"{}\"]", purpose.remote.host)
                   : "";
  co_return fail(Code::failed_precondition,
                 fmt::format("there is no credential for {}: store a token with 'swarmctl secret set {}'{}, or set up "
                             "git's credential helper ({})",
                             purpose.remote.host, secret, setting, helped.error().message));
}

async::Task<Result<Credential>> Credentials::ask_helper(Remote remote) {
  // The user's own configuration of git, and no repository's: a repository must not name a program for us.
  async::SpawnOptions options{.argv = {"git", "-c", "core.askPass=", "credential", "fill"}, .cwd = "/"};
  options.env = async::current_environment();
  std::erase_if(options.env, [](const std::string& entry) {
    return entry.starts_with("GIT_") || entry.starts_with("SSH_ASKPASS") || entry.starts_with("DISPLAY=");
  });
  options.env.emplace_back("GIT_TERMINAL_PROMPT=0");
  options.env.emplace_back("GIT_CEILING_DIRECTORIES=/");
  const std::string scheme = remote.url.substr(0, remote.url.find(':'));
  const std::string question =
      fmt::format("protocol={}\nhost={}\npath={}/{}.git\n\n", scheme, remote.host, remote.owner, remote.name);
  auto running = async::run_command(loop_, std::move(options), question, 64U << 10U);
  Result<async::CommandOutput> output =
      co_await async::with_timeout(loop_, std::move(running), kHelperLimit, "git's credential helper");
  if (!output) co_return fail(output.error());
  std::string password = line_of(output->out, "password=");
  const std::string user = line_of(output->out, "username=");
  secrets::wipe(output->out);
  if (output->status != async::ExitStatus{} || password.empty()) {
    co_return fail(Code::not_found, "git's credential helper has none");
  }
  Credential found{
      .user = user, .password = secrets::SecretString::taken_from(password), .origin = "git's credential helper"};
  const Result<void> known = redactor_.add("git-" + remote.host, found.password);
  if (!known) co_return fail(known.error());
  co_return found;
}

}  // namespace swarm::ship
