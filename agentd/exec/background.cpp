#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "agentd/exec/execs.hpp"
#include "agentd/exec/pump.hpp"
#include "agentd/exec/request.hpp"
#include "protocol/async/file.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/id.hpp"

namespace swarm::agentd {
namespace {

constexpr std::size_t kMostRecordBytes = 1U << 20U;
constexpr std::size_t kRingChunkBytes = 65536;
/// A shim that was found answers in microseconds; one that is stopped (a paused sandbox) must not hold up our start.
constexpr std::chrono::seconds kAnswerWithin{2};

Result<UniqueFd> packet_socket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("socket", "");
  return fd;
}

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) {
    return fail(Code::invalid_argument, fmt::format("'{}' is too long for a socket (107 bytes)", path));
  }
  path.copy(static_cast<char*>(address.sun_path), path.size());
  return address;
}

/// The directory is 0700, so nobody else can connect; the shim checks the peer's uid as well.
Result<UniqueFd> listen_at(const std::string& path) {
  const Result<sockaddr_un> address = socket_address(path);
  if (!address) return fail(address.error());
  Result<UniqueFd> fd = packet_socket();
  if (!fd) return fd;
  const auto* raw = reinterpret_cast<const sockaddr*>(&*address);  // NOLINT: the socket API's own way
  if (bind(fd->get(), raw, sizeof *address) != 0) return fail_errno("bind", path);
  if (listen(fd->get(), 4) != 0) return fail_errno("listen", path);
  return fd;
}

Result<UniqueFd> connect_to(const std::string& path) {
  const Result<sockaddr_un> address = socket_address(path);
  if (!address) return fail(address.error());
  Result<UniqueFd> fd = packet_socket();
  if (!fd) return fd;
  const auto* raw = reinterpret_cast<const sockaddr*>(&*address);  // NOLINT: the socket API's own way
  if (connect(fd->get(), raw, sizeof *address) != 0) return fail_errno("connect", path);
  return fd;
}

void remove_directory(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

async::Task<Result<void>> all_decided(std::vector<std::shared_ptr<Exec>> execs) {
  for (const auto& exec : execs) {
    while (!exec->decided()) co_await exec->changed();
  }
  co_return {};
}

/// Removes a directory unless it was kept.
struct Rollback {
  std::string path;
  ~Rollback() {
    if (!path.empty()) remove_directory(path);
  }
};

}  // namespace

async::Task<Result<std::shared_ptr<Exec>>> Execs::start_background(ExecSpec spec) {
  if (const Result<void> room = check_room(); !room) co_return fail(room.error());
  spec.lifetime = Lifetime::background;
  const std::string id = new_id("prc", loop_.clock(), random_);
  auto exec = std::make_shared<Exec>(loop_, summarise(id, spec));  // shared by the table and its callers
  const std::string directory = directory_of(id);
  if (mkdir(directory.c_str(), 0700) != 0) co_return fail_errno("mkdir", directory);
  Rollback rollback{directory};

  const Result<void> recorded =
      async::write_file_atomic_now(directory + "/record", encode_summary(exec->about()), 0600, async::Sync::none);
  if (!recorded) co_return fail(recorded.error());
  const UniqueFd status(
      open((directory + "/status").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!status) co_return fail_errno("create", directory + "/status");
  const Result<UniqueFd> listener = listen_at(directory + "/control");
  if (!listener) co_return fail(listener.error());
  const std::uint64_t room = spool_room();
  Result<RingFile> out = RingFile::create(directory + "/out", room);
  if (!out) co_return fail(out.error());
  exec->out_.emplace(std::move(*out));
  Descriptors fds = {
      {shim::kListenFd, listener->get()}, {shim::kStatusFd, status.get()}, {shim::kOutSpoolFd, exec->out_->fd()}};

  TerminalEnds terminal;
  PipeEnds in_pipe;
  PipeEnds out_pipe;
  PipeEnds err_pipe;
  UniqueFd input_file;
  if (spec.terminal) {
    Result<TerminalEnds> ends = make_terminal(*spec.terminal, spec.user);
    if (!ends) co_return fail(ends.error());
    terminal = std::move(*ends);
    for (const int fd : {0, 1, 2}) fds.emplace_back(fd, terminal.slave.get());
    fds.emplace_back(shim::kInputFd, terminal.master.get());
  } else {
    Result<RingFile> err = RingFile::create(directory + "/err", room);
    if (!err) co_return fail(err.error());
    exec->err_.emplace(std::move(*err));
    Result<PipeEnds> first = make_pipe(spec.user);
    Result<PipeEnds> second = make_pipe(spec.user);
    if (!first || !second) co_return fail(Code::resource_exhausted, "no more pipes can be made");
    out_pipe = std::move(*first);
    err_pipe = std::move(*second);
    fds.insert(fds.end(), {{1, out_pipe.writing.get()},
                           {2, err_pipe.writing.get()},
                           {shim::kOutFd, out_pipe.reading.get()},
                           {shim::kErrFd, err_pipe.reading.get()},
                           {shim::kErrSpoolFd, exec->err_->fd()}});
    if (spec.input_from == Input::bytes) {
      Result<UniqueFd> file = make_memory_file("exec-input", spec.input);
      if (!file) co_return fail(file.error());
      input_file = std::move(*file);
      fds.emplace_back(0, input_file.get());
    } else if (spec.input_from == Input::stream) {
      Result<PipeEnds> pipe = make_pipe(spec.user);
      if (!pipe) co_return fail(pipe.error());
      in_pipe = std::move(*pipe);
      fds.emplace_back(0, in_pipe.reading.get());
      fds.emplace_back(shim::kInputFd, in_pipe.writing.get());
    }
  }
  const Result<void> started = co_await launch(exec, spec, std::move(fds));
  if (!started) co_return fail(started.error());
  rollback.path.clear();
  co_return exec;
}

std::shared_ptr<Exec> Execs::load(const std::string& id) {
  const std::string directory = directory_of(id);
  const Result<std::string> record = async::read_file_now(directory + "/record", kMostRecordBytes);
  auto summary = record ? decode_summary(*record) : std::nullopt;
  if (!summary || summary->id != id) return nullptr;
  auto exec = std::make_shared<Exec>(loop_, std::move(*summary));
  if (Result<RingFile> out = RingFile::open(directory + "/out"); out) exec->out_.emplace(std::move(*out));
  if (Result<RingFile> err = RingFile::open(directory + "/err"); err) exec->err_.emplace(std::move(*err));
  read_status(*exec);
  return exec;
}

void Execs::read_status(Exec& exec) const {
  const Result<std::string> status = async::read_file_now(directory_of(exec.id()) + "/status", kMostRecordBytes);
  shim::State state;
  if (!status || status->size() < sizeof state) return;
  std::memcpy(&state, status->data(), sizeof state);
  if (state.magic == shim::kMagic) exec.state_ = state;
}

async::Task<Result<void>> Execs::recover() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (chmod(options_.directory.c_str(), 0700) != 0) co_return fail_errno("chmod", options_.directory);
  std::vector<std::string> ids;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
    ids.push_back(entry.path().filename().string());
  }
  if (error) co_return fail_errno("read", options_.directory, error.value());
  std::ranges::sort(ids);
  std::vector<std::shared_ptr<Exec>> found;
  for (const std::string& id : ids) {
    std::shared_ptr<Exec> exec = load(id);
    if (exec == nullptr) {  // we died while it was being made: nobody was told of it
      remove_directory(directory_of(id));
      continue;
    }
    by_id_.emplace(id, exec);
    ++running_;
    // Whoever answers on a socket in our own directory is its shim: no pid is involved that might be another's by now.
    Result<UniqueFd> socket = connect_to(directory_of(id) + "/control");
    if (!socket) {
      read_status(*exec);  // it may have ended after the first look
      exec->finish();
      retire(*exec);
      continue;
    }
    exec->state_.phase = shim::Phase::starting;  // until it says itself
    exec->channel_ = std::make_unique<ShimChannel>(loop_, std::move(*socket));
    supervisors_.spawn(supervise(exec, nullptr));
    found.push_back(exec);
  }
  const Result<void> answered =
      co_await async::with_timeout(loop_, all_decided(std::move(found)), kAnswerWithin, "supervisors of programs");
  static_cast<void>(answered);  // who is stopped answers when it goes on; until then its state is `running`
  co_return {};
}

async::Task<Result<void>> Execs::send_output(std::shared_ptr<Exec> exec, Output which, std::uint64_t from,
                                             Follow follow, std::unique_ptr<wire::ByteSink> sink) {
  for (;;) {
    const bool complete = exec->ended();  // looked at first: what was written before its end is then in the file
    const auto& ring = exec->ring(which);
    if (!ring) {
      sink->end();
      co_return {};
    }
    const Result<RingChunk> chunk = ring->read(from, kRingChunkBytes);
    if (!chunk) {
      sink->fail(chunk.error());
      co_return fail(chunk.error());
    }
    if (chunk->offset > from) {
      const Error gap = fail(Code::out_of_range,
                             fmt::format("output of {} from offset {} to {} was dropped: the spool is full and its "
                                         "reader was slower; attach again at {}",
                                         exec->id(), from, chunk->offset, chunk->offset))
                            .error();
      sink->fail(gap);
      co_return fail(gap);
    }
    if (!chunk->bytes.empty()) {
      from += chunk->bytes.size();
      const Result<void> sent = co_await sink->write(std::as_bytes(std::span(chunk->bytes)));
      if (!sent) co_return fail(sent.error());
      continue;
    }
    if (complete || follow == Follow::no) break;
    exec->watch_output();
    co_await exec->changed();
  }
  sink->end();
  co_return {};
}

async::Task<Result<void>> Execs::send_input(std::shared_ptr<Exec> exec, std::unique_ptr<wire::ByteSource> from) {
  Result<UniqueFd> input = co_await exec->take_input();
  if (!input) co_return fail(input.error());
  struct Release {
    Exec& exec;
    Exec::InputEnd end = Exec::InputEnd::keep_open;
    ~Release() { exec.release_input(end); }
  } release{.exec = *exec};
  const InputResult result = co_await pump_input(loop_, std::move(from), std::move(*input));
  if (result == InputResult::ended) release.end = Exec::InputEnd::close;
  co_return {};
}

}  // namespace swarm::agentd
