#include "agentd/exec/channel.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace swarm::agentd {

ShimChannel::ShimChannel(async::Loop& loop, UniqueFd socket)
    : socket_(std::move(socket)), watcher_(loop, socket_.get()) {}

async::Task<std::optional<ShimReport>> ShimChannel::receive() {
  for (;;) {
    ShimReport report;
    iovec part{.iov_base = &report.state, .iov_len = sizeof report.state};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> extra{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = extra.data();
    message.msg_controllen = extra.size();
    const ssize_t size = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) {
      co_await watcher_.readable();
      continue;
    }
    if (size <= 0) co_return std::nullopt;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int))) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      report.input.reset(fd);
    }
    if (report.state.magic != shim::kMagic) continue;
    co_return report;
  }
}

void ShimChannel::send(const shim::Command& command) {
  ::send(socket_.get(), &command, sizeof command, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace swarm::agentd
