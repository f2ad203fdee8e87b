#include "daemon/ship/push.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "protocol/async/timer.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::ship {
namespace {

/// The descriptor that git and what it starts inherit. Below ten: a shell can name it.
constexpr int kCredentialFd = 9;
constexpr Duration kLimit = std::chrono::minutes(15);

/// A pipe with the credential in it, already closed for writing: it can be read once.
Result<UniqueFd> credential_pipe(const Credential& credential) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", "");
  UniqueFd read(ends[0]);
  const UniqueFd write(ends[1]);
  if (credential.password.reveal().find('\n') != std::string_view::npos ||
      credential.user.find('\n') != std::string::npos) {
    return fail(Code::invalid_argument, fmt::format("{} has more than one line; a token has one", credential.origin));
  }
  std::string text = fmt::format("username={}\npassword={}\n", credential.user, credential.password.reveal());
  // Less than a page: a pipe takes it at once.
  const ssize_t written = text.size() > 4000 ? -1 : ::write(write.get(), text.data(), text.size());
  const bool whole = written == static_cast<ssize_t>(text.size());
  secrets::wipe(text);
  if (!whole) return fail(Code::invalid_argument, fmt::format("{} is too long for a token", credential.origin));
  return read;
}

bool has(std::string_view text, std::initializer_list<std::string_view> any) {
  return std::ranges::any_of(any, [&](std::string_view each) { return text.find(each) != std::string_view::npos; });
}

}  // namespace

Error push_failure(const std::string& words, const Remote& remote, const std::string& origin) {
  std::string text = shown(words);
  if (text.size() > 1500) text.resize(1500);
  const std::string where = fmt::format("{}/{} at {}", remote.owner, remote.name, remote.host);
  if (has(words, {"Authentication failed", "could not read Username", "could not read Password", "error: 401"})) {
    return fail(Code::unauthenticated, fmt::format("{} does not accept {}: {}", remote.host, origin, text)).error();
  }
  if (has(words, {"non-fast-forward", "fetch first", "stale info"})) {
    return fail(Code::failed_precondition,
                fmt::format("the branch holds other commits in {}; remove or rename it there", where))
        .error();
  }
  if (has(words, {"[remote rejected]", "[rejected]"})) {
    return fail(Code::failed_precondition, fmt::format("{} refused the push: {}", where, text)).error();
  }
  if (has(words, {"error: 403", "ermission to", "denied to"})) {
    return fail(Code::permission_denied, fmt::format("{} may not push to {}: {}", origin, where, text)).error();
  }
  if (has(words, {"error: 404", "not found", "does not appear to be a git repository"})) {
    return fail(Code::not_found, fmt::format("there is no {}, or {} may not see it: {}", where, origin, text)).error();
  }
  if (has(words, {"certificate"})) {
    return fail(Code::unauthenticated, fmt::format("{} cannot be trusted: {}", remote.host, text)).error();
  }
  return fail(Code::unavailable, fmt::format("the push to {} broke off: {}", where, text)).error();
}

async::Task<Result<std::string>> Pusher::call(Push push, std::vector<std::string> arguments,
                                              std::shared_ptr<const Credential> credential) const {
  Result<UniqueFd> pipe = credential_pipe(*credential);
  if (!pipe) co_return fail(pipe.error());
  git::GitCall call{
      .git_dir = push.directory,
      .cwd = {},
      .arguments = {"-c", fmt::format("credential.helper=!f() {{ test \"$1\" != get || cat <&{}; }}; f", kCredentialFd),
                    "-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"},
      // Nothing but HTTP, whatever a redirect says.
      .env = {"GIT_ALLOW_PROTOCOL=http:https"},
      .input = {},
      .fds = {{kCredentialFd, pipe->get()}}};
  if (!push.ca_file.empty()) {
    call.arguments.insert(call.arguments.end(), {"-c", "http.sslCAInfo=" + push.ca_file.string()});
  }
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets variables after the start
    if (value != nullptr) call.env.push_back(fmt::format("{}={}", name, value));
  }
  call.arguments.insert(call.arguments.end(), arguments.begin(), arguments.end());
  auto running = program_.ask(std::move(call));
  const Result<async::CommandOutput> output =
      co_await async::with_timeout(program_.loop(), std::move(running), kLimit, "git push");
  if (!output) co_return fail(output.error());
  if (output->status != async::ExitStatus{}) {
    co_return fail(push_failure(output->err + output->out, push.remote, credential->origin));
  }
  co_return output->out;
}

async::Task<Result<std::string>> Pusher::look(Push push, std::shared_ptr<const Credential> credential) const {
  const std::string ref = "refs/heads/" + push.branch;
  const std::string url = push.remote.url;
  const Result<std::string> listed = co_await call(std::move(push), {"ls-remote", "--refs", url, ref}, credential);
  if (!listed) co_return fail(listed.error());
  const std::size_t tab = listed->find('\t');
  co_return tab == std::string::npos ? std::string() : listed->substr(0, tab);
}

async::Task<Result<void>> Pusher::rehearse(Push push, std::shared_ptr<const Credential> credential) const {
  std::vector<std::string> arguments = {"push",
                                        "--dry-run",
                                        "--porcelain",
                                        "--no-verify",
                                        "--recurse-submodules=no",
                                        push.remote.url,
                                        fmt::format("{}:refs/heads/{}", push.commit, push.branch)};
  const Result<std::string> done = co_await call(std::move(push), std::move(arguments), credential);
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> Pusher::push(Push push, std::shared_ptr<const Credential> credential) const {
  std::vector<std::string> arguments = {"push",          "--porcelain",
                                        "--no-verify",   "--recurse-submodules=no",
                                        push.remote.url, fmt::format("{}:refs/heads/{}", push.commit, push.branch)};
  const Result<std::string> done = co_await call(std::move(push), std::move(arguments), credential);
  if (!done) co_return fail(done.error());
  co_return {};
}

async::Task<Result<void>> Pusher::undo(Push push, std::string before,
                                       std::shared_ptr<const Credential> credential) const {
  const std::string ref = "refs/heads/" + push.branch;
  std::vector<std::string> arguments = {"push",
                                        "--porcelain",
                                        "--no-verify",
                                        "--recurse-submodules=no",
                                        fmt::format("--force-with-lease={}:{}", ref, push.commit),
                                        push.remote.url,
                                        fmt::format("{}:{}", before, ref)};
  const Result<std::string> done = co_await call(std::move(push), std::move(arguments), credential);
  if (!done) co_return fail(done.error());
  co_return {};
}

}  // namespace swarm::ship
