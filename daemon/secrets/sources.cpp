#include "daemon/secrets/sources.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "protocol/async/process.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::secrets {
namespace {

constexpr std::size_t kLongest = 64U << 10U;

/// One line for people: no control characters, no secrets, not long.
std::string excerpt(std::string_view text, const Redactor& redactor) {
  std::string line = redactor.redact(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') c = ' ';
  }
  constexpr std::size_t kShown = 200;
  if (line.size() > kShown) line = line.substr(0, kShown) + "...";
  return line;
}

Result<SecretString> trimmed(std::string& text, std::string_view from) {
  std::string_view value = text;
  if (value.ends_with('\n')) value.remove_suffix(1);
  if (value.ends_with('\r')) value.remove_suffix(1);
  SecretString secret(value);
  wipe(text);
  if (secret.empty()) return fail(Code::failed_precondition, fmt::format("{} gave an empty value", from));
  return secret;
}

}  // namespace

Result<SecretString> read_secret_file(const std::filesystem::path& path, FileTrust trust) {
  // Not blocking, so that a pipe in its place cannot hang the daemon.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno("open", path.native());
  struct stat info = {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno("stat", path.native());
  const auto refuse = [&](const std::string& why) {
    return fail(Code::permission_denied, fmt::format("'{}' {}", path.string(), why));
  };
  if (!S_ISREG(info.st_mode)) return refuse("is not a regular file");
  if (trust == FileTrust::private_to_owner) {
    if (info.st_uid != ::geteuid() && info.st_uid != 0) {
      return refuse(fmt::format("belongs to user {}; a secret must belong to the daemon's user or root", info.st_uid));
    }
    if ((info.st_mode & 0077U) != 0) {
      return refuse(
          fmt::format("can be read by others (mode {:04o}); run 'chmod 600' on it and consider the secret known",
                      info.st_mode & 07777U));
    }
  }
  std::string text(kLongest + 1, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      wipe(text);
      return fail_errno("read", path.native(), error);
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  if (have > kLongest) {
    wipe(text);
    return fail(Code::invalid_argument, fmt::format("'{}' is larger than {} bytes", path.string(), kLongest));
  }
  // Shrinking in place: the rest is still wiped with the string's capacity.
  text.resize(have);
  return trimmed(text, fmt::format("'{}'", path.string()));
}

std::map<std::string, SecretString> take_from_environment(const std::map<std::string, config::Secret>& secrets) {
  std::map<std::string, SecretString> taken;
  std::set<std::string> variables;
  for (const auto& [name, secret] : secrets) {
    if (secret.source != config::SecretSource::environment) continue;
    const char* value = std::getenv(secret.variable.c_str());
    if (value == nullptr) continue;
    taken.emplace(name, SecretString(value));
    variables.insert(secret.variable);
  }
  // Only now, since two secrets may name one variable.
  for (const std::string& variable : variables) {
    char* value = std::getenv(variable.c_str());
    sodium_memzero(value, std::strlen(value));
    ::unsetenv(variable.c_str());
  }
  return taken;
}

async::Task<Result<SecretString>> read_from_command(async::Loop& loop, const Redactor& redactor,
                                                    config::Secret secret) {
  const std::string program = fmt::format("command '{}'", secret.command.front());
  async::SpawnOptions options;
  options.argv = secret.command;
  // `pass` and `op` need HOME, agents' sockets and the like; secrets are not in our environment any more.
  options.env = async::current_environment();
  Result<async::CommandOutput> output = co_await async::with_timeout(
      loop, async::run_command(loop, std::move(options), {}, kLongest), secret.timeout, program);
  if (!output) co_return fail(output.error());
  const async::ExitStatus status = output->status;
  if (status.code == 0 && status.signal == 0) co_return trimmed(output->out, program);
  wipe(output->out);
  const std::string how = status.signal != 0 ? fmt::format("was ended by signal {}", status.signal)
                                             : fmt::format("ended with status {}", status.code);
  const std::string said = excerpt(output->err, redactor);
  co_return fail(Code::failed_precondition,
                 fmt::format("{} {}{}", program, how, said.empty() ? "" : fmt::format(": {}", said)));
}

}  // namespace swarm::secrets
