#include "agentd/exec/request.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace swarm::agentd {
namespace {

bool has_nul(const std::string& text) { return text.contains('\0'); }

/// The program's rights decide, not ours; without the right to give away, the user is us.
void give_to(int fd, const ExecUser& user) {
  if (user.uid != geteuid() && fchown(fd, user.uid, user.gid) != 0) {
    // It can still use the descriptor, only not open it again by /proc/self/fd.
  }
}

}  // namespace

Result<UniqueFd> make_memory_file(const char* name, std::string_view bytes) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create", name);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t size = pwrite(fd.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (size < 0) return fail_errno("write to a memory file", name);
    done += static_cast<std::size_t>(size);
  }
  return fd;
}

Result<std::string> encode_request(const ExecSpec& spec) {
  shim::Request head;
  if (spec.argv.empty() || spec.argv.front().empty()) return fail(Code::invalid_argument, "argv: no program is named");
  if (spec.user.groups.size() > shim::kMostGroups || spec.limits.size() > shim::kMostLimits) {
    return fail(Code::resource_exhausted, fmt::format("user '{}' is in {} groups; at most {} can be taken on",
                                                      spec.user.name, spec.user.groups.size(), shim::kMostGroups));
  }
  for (const std::string& word : spec.argv) {
    if (has_nul(word)) return fail(Code::invalid_argument, "argv: an argument cannot hold a NUL byte");
  }
  for (const std::string& entry : spec.env) {
    if (has_nul(entry)) return fail(Code::invalid_argument, "env: a variable cannot hold a NUL byte");
  }
  if (has_nul(spec.cwd)) return fail(Code::invalid_argument, "cwd: a path cannot hold a NUL byte");

  head.flags = (spec.lifetime == Lifetime::background ? shim::kBackground : 0U) |
               (spec.terminal ? shim::kTerminal : 0U) | (geteuid() == 0 ? shim::kSwitchUser : 0U) |
               (spec.lifetime == Lifetime::pane ? shim::kPane : 0U);
  if (spec.lifetime == Lifetime::pane) {
    // Its input is not ours to hold.
  } else if (spec.terminal || (spec.lifetime == Lifetime::background && spec.input_from == Input::stream)) {
    head.flags |= shim::kHasInput;
  }
  head.uid = spec.user.uid;
  head.gid = spec.user.gid;
  for (const gid_t group : spec.user.groups) head.groups[head.group_count++] = group;  // NOLINT: checked above
  for (const ResourceLimit& limit : spec.limits) {
    head.limits[head.limit_count++] = {// NOLINT: checked above
                                       .resource = static_cast<std::uint32_t>(limit.resource),
                                       .soft = limit.soft,
                                       .hard = limit.hard};
  }
  head.argument_count = static_cast<std::uint32_t>(spec.argv.size());
  head.environment_count = static_cast<std::uint32_t>(spec.env.size());
  if (spec.timeout) head.timeout_ms = spec.timeout->count();
  head.grace_ms = spec.grace.count();

  std::string bytes(sizeof head, '\0');
  std::memcpy(bytes.data(), &head, sizeof head);
  const auto put = [&bytes](const std::string& text) { bytes.append(text.c_str(), text.size() + 1); };
  put(spec.cwd);
  for (const std::string& word : spec.argv) put(word);
  for (const std::string& entry : spec.env) put(entry);
  return bytes;
}

Result<UniqueFd> make_request(const ExecSpec& spec) {
  const Result<std::string> bytes = encode_request(spec);
  if (!bytes) return fail(bytes.error());
  return make_memory_file("exec-request", *bytes);
}

Result<PipeEnds> make_pipe(const ExecUser& user) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe", "");
  PipeEnds pipe{.reading = UniqueFd(ends[0]), .writing = UniqueFd(ends[1])};
  give_to(pipe.reading.get(), user);
  return pipe;
}

Result<TerminalEnds> make_terminal(const TerminalSize& size, const ExecUser& user) {
  TerminalEnds ends;
  ends.master.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!ends.master) return fail_errno("open", "/dev/ptmx");
  if (unlockpt(ends.master.get()) != 0) return fail_errno("unlockpt", "");
  ends.slave.reset(ioctl(ends.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!ends.slave) return fail_errno("open", "terminal");
  give_to(ends.slave.get(), user);
  const winsize window{.ws_row = static_cast<unsigned short>(size.rows),
                       .ws_col = static_cast<unsigned short>(size.cols),
                       .ws_xpixel = 0,
                       .ws_ypixel = 0};
  if (ioctl(ends.master.get(), TIOCSWINSZ, &window) != 0) return fail_errno("TIOCSWINSZ", "");
  return ends;
}

Error start_failure(const shim::State& state, const ExecSpec& spec) {
  using shim::Stage;
  const int error = state.error;
  const std::string reason = std::strerror(error);
  const auto make = [error](std::string what) {
    return Error{.code = fail_errno("", "", error).error().code, .message = std::move(what)};
  };
  switch (state.stage) {
    case Stage::cwd:
      if (error == ENOENT || error == ENOTDIR) {
        return {.code = Code::not_found, .message = fmt::format("cwd: no directory '{}' in the sandbox", spec.cwd)};
      }
      return make(fmt::format("cwd: user '{}' cannot enter '{}': {}", spec.user.name, spec.cwd, reason));
    case Stage::program:
      if (error == ENOENT || error == ENOTDIR) {
        const bool by_path = !spec.argv.front().contains('/');
        return {.code = Code::not_found,
                .message = fmt::format("no program '{}' in the sandbox{}", spec.argv.front(),
                                       by_path ? "'s PATH" : ", or no interpreter for it")};
      }
      if (error == E2BIG) {
        return {.code = Code::invalid_argument,
                .message = "argv, env: together or one by one longer than the kernel takes (execve(2), E2BIG)"};
      }
      return make(fmt::format("user '{}' cannot run '{}': {}", spec.user.name, spec.argv.front(), reason));
    case Stage::groups:
    case Stage::gid:
    case Stage::uid:
      if (error == EINVAL) {
        return {.code = Code::failed_precondition,
                .message = fmt::format("user '{}': uid {} or gid {} is not mapped into this sandbox", spec.user.name,
                                       spec.user.uid, spec.user.gid)};
      }
      return make(fmt::format("cannot become user '{}': {}", spec.user.name, reason));
    case Stage::limits:
      return make(fmt::format("cannot set a resource limit: {}", reason));
    case Stage::spawn: {
      Error failure = make(fmt::format("cannot start another process: {}", reason));
      if (error == EAGAIN || error == ENOMEM) failure.code = Code::resource_exhausted;
      return failure;
    }
    default:
      return make(
          fmt::format("cannot start '{}': step {}: {}", spec.argv.front(), static_cast<unsigned>(state.stage), reason));
  }
}

}  // namespace swarm::agentd
