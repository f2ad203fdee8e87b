#include "daemon/git/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "protocol/async/task_set.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::git {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10U;
constexpr std::size_t kMostWords = 4000;  // of git's complaint
constexpr std::size_t kMostOutput = std::size_t{256} << 20U;

/// Keys with which a repository's own configuration could start programs or change what travels.
constexpr std::array kSafe = {
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.sshCommand=false",
    "core.askPass=",
    "core.gitProxy=",
    "core.logAllRefUpdates=",
    "core.untrackedCache=false",
    "core.attributesFile=",
    // What is larger passes through in pieces: a few kilobytes of a pack may unfold to gigabytes.
    "core.bigFileThreshold=32m",
    "credential.helper=",
    "protocol.allow=never",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "pack.packSizeLimit=0",
    "submodule.recurse=false",
    "fetch.writeCommitGraph=0",
    "log.showSignature=false",
    "commit.gpgSign=false",
    "core.commitGraph=false",
};

std::string words_of(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (text.size() > kMostWords) text.remove_prefix(text.size() - kMostWords);
  return shown(text);
}

std::string_view verb_of(const GitCall& call) {
  for (const std::string& word : call.arguments) {
    if (!word.starts_with('-') && !word.starts_with('/')) return word;
  }
  return "";
}

Error failure(std::string_view verb, const async::ExitStatus& status, std::string_view err) {
  const std::string words = words_of(err);
  const std::string end = status.signal != 0 ? fmt::format("was ended by signal {}", status.signal)
                                             : fmt::format("ended with {}", status.code);
  return {.code = Code::failed_precondition,
          .message = words.empty() ? fmt::format("git {} {}", verb, end) : fmt::format("git {}: {}", verb, words)};
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", "");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// Reads to the end, keeping at most `limit` bytes.
async::Task<> keep_all(async::Fd& from, std::string& into, std::size_t limit) {
  std::vector<std::byte> buffer(std::size_t{64} << 10U);
  for (;;) {
    const Result<std::size_t> got = co_await from.read(buffer);
    if (!got || *got == 0) co_return;
    const std::size_t kept = std::min(*got, limit - std::min(limit, into.size()));
    into.append(reinterpret_cast<const char*>(buffer.data()), kept);  // NOLINT: bytes as characters
  }
}

async::Task<> give_input(std::unique_ptr<async::Fd> to, std::string input) {
  // A program that ends without reading its input says why by its status.
  static_cast<void>(co_await to->write(std::as_bytes(std::span(input))));
}

/// A running git whose output is read as it comes.
class Output final : public wire::ByteSource {
 public:
  Output(async::Loop& loop, std::string verb, std::unique_ptr<async::Process> process, UniqueFd out, UniqueFd err,
         UniqueFd in, std::string input)
      : verb_(std::move(verb)),
        process_(std::move(process)),
        out_(loop, std::move(out)),
        err_(loop, std::move(err)),
        buffer_(kPiece),
        tasks_(loop) {
    tasks_.spawn(keep_all(err_, words_, kMostWords * 4));
    tasks_.spawn(give_input(std::make_unique<async::Fd>(loop, std::move(in)), std::move(input)));
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() override {
    tasks_.cancel_all();
    if (!process_->status()) process_->kill_group();
  }

  async::Task<Result<std::optional<std::string>>> read() override {
    const Result<std::size_t> got = co_await out_.read(buffer_);
    if (!got) co_return swarm::fail(got.error(), "git " + verb_);
    if (*got > 0) {
      co_return std::optional(std::string(reinterpret_cast<const char*>(buffer_.data()), *got));  // NOLINT: characters
    }
    co_await tasks_.join();
    const async::ExitStatus status = co_await process_->wait();
    if (status != async::ExitStatus{}) co_return swarm::fail(failure(verb_, status, words_));
    co_return std::nullopt;
  }

 private:
  std::string verb_;
  std::unique_ptr<async::Process> process_;
  async::Fd out_;
  async::Fd err_;
  std::string words_;
  std::vector<std::byte> buffer_;
  async::TaskSet tasks_;
};

}  // namespace

async::SpawnOptions Program::options(const GitCall& call) const {
  async::SpawnOptions options{
      .argv = {path_}, .cwd = call.cwd.empty() ? call.git_dir : call.cwd, .fds = call.fds, .new_session = true};
  for (const char* setting : kSafe) {
    options.argv.emplace_back("-c");
    options.argv.emplace_back(setting);
  }
  options.argv.insert(options.argv.end(), call.arguments.begin(), call.arguments.end());
  // HOME for the user's own list of ignored files; the user's configuration itself is not read.
  for (const char* name : {"PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets variables after the start
    if (value != nullptr) options.env.push_back(fmt::format("{}={}", name, value));
  }
  for (const char* fixed :
       {"LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
        "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1", "GIT_ALLOW_PROTOCOL=none", "GIT_ATTR_NOSYSTEM=1",
        "GIT_EDITOR=false", "GIT_COMMITTER_NAME=swarmd", "GIT_COMMITTER_EMAIL=swarmd@localhost"}) {
    options.env.emplace_back(fixed);
  }
  if (!call.git_dir.empty()) options.env.push_back("GIT_DIR=" + call.git_dir);
  for (const std::string& entry : call.env) {  // of two with one name the first would count
    const std::string name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(options.env, [&name](const std::string& other) { return other.starts_with(name); });
    options.env.push_back(entry);
  }
  return options;
}

async::Task<Result<async::CommandOutput>> Program::ask(GitCall call) const {
  auto output = co_await async::run_command(loop_, options(call), std::move(call.input), kMostOutput);
  if (!output && output.error().code == Code::not_found) {
    co_return fail(Code::failed_precondition,
                   fmt::format("cannot start '{}' in '{}': {}; is git installed?", path_,
                               call.cwd.empty() ? call.git_dir : call.cwd, output.error().message));
  }
  co_return output;
}

async::Task<Result<std::string>> Program::run(GitCall call) const {
  const std::string verb(verb_of(call));
  Result<async::CommandOutput> output = co_await ask(std::move(call));
  if (!output) co_return fail(output.error());
  if (output->status != async::ExitStatus{}) co_return fail(failure(verb, output->status, output->err));
  co_return std::move(output->out);
}

Result<std::unique_ptr<wire::ByteSource>> Program::stream_out(GitCall call) const {
  Result<Pipe> in = make_pipe();
  Result<Pipe> out = make_pipe();
  Result<Pipe> err = make_pipe();
  if (!in || !out || !err) return fail_errno("pipe", "git");
  async::SpawnOptions start = options(call);
  start.fds = {{0, in->read.get()}, {1, out->write.get()}, {2, err->write.get()}};
  Result<std::unique_ptr<async::Process>> process = async::Process::spawn(loop_, start);
  if (!process) return fail(process.error());
  in->read.reset();
  out->write.reset();
  err->write.reset();
  return std::make_unique<Output>(loop_, std::string(verb_of(call)), std::move(*process), std::move(out->read),
                                  std::move(err->read), std::move(in->write), std::move(call.input));
}

async::Task<Result<std::string>> Program::feed(GitCall call, std::unique_ptr<wire::ByteSource> input,
                                               std::uint64_t limit_bytes) const {
  Result<Pipe> in = make_pipe();
  Result<Pipe> out = make_pipe();
  Result<Pipe> err = make_pipe();
  if (!in || !out || !err) co_return fail_errno("pipe", "git");
  async::SpawnOptions start = options(call);
  start.fds = {{0, in->read.get()}, {1, out->write.get()}, {2, err->write.get()}};
  const Result<std::unique_ptr<async::Process>> process = async::Process::spawn(loop_, start);
  if (!process) co_return fail(process.error());
  in->read.reset();
  out->write.reset();
  err->write.reset();

  async::Fd from_out(loop_, std::move(out->read));
  async::Fd from_err(loop_, std::move(err->read));
  auto to_in = std::make_unique<async::Fd>(loop_, std::move(in->write));
  std::string output;
  std::string words;
  async::TaskSet readers(loop_);
  readers.spawn(keep_all(from_out, output, kMostOutput));
  readers.spawn(keep_all(from_err, words, kMostWords * 4));
  std::uint64_t fed = 0;
  for (;;) {
    const Result<std::optional<std::string>> chunk = co_await input->read();
    if (!chunk) co_return fail(chunk.error());  // git goes with the process object, and never saw the end
    if (!*chunk) break;
    fed += (*chunk)->size();
    if (limit_bytes != 0 && fed > limit_bytes) {
      co_return fail(Code::resource_exhausted,
                     fmt::format("more than {} bytes came; the limit of one pack is set by its receiver", limit_bytes));
    }
    const Result<void> written = co_await to_in->write(std::as_bytes(std::span(**chunk)));
    if (!written) break;  // it ended early, and says why
  }
  to_in.reset();
  co_await readers.join();
  const async::ExitStatus status = co_await (*process)->wait();
  if (status != async::ExitStatus{}) co_return fail(failure(verb_of(call), status, words));
  co_return output;
}

}  // namespace swarm::git
