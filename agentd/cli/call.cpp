#include "agentd/cli/call.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "protocol/core/unique_fd.hpp"
#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/scanner.hpp"

namespace swarm::cli {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) return fail(Code::invalid_argument, "the socket's path is too long");
  path.copy(static_cast<char*>(address.sun_path), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket", "");
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);  // NOLINT: the socket API's own way
  if (connect(fd.get(), raw, sizeof address) != 0) {
    return fail(Code::unavailable, "agentd does not answer at '" + path + "' (" + std::strerror(errno) +
                                       "); is this the inside of a sandbox?");
  }
  return fd;
}

Result<void> send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("send", "agentd");
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

namespace {

/// One whole message.
Result<Value> receive(int fd, Clock::time_point deadline) {
  const wire::Limits limits;
  wire::FrameScanner scanner(limits);
  std::string input;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd watched{.fd = fd, .events = POLLIN, .revents = 0};
    if (left <= 0 || poll(&watched, 1, static_cast<int>(left)) == 0) {
      return fail(Code::deadline_exceeded, "agentd took too long to answer");
    }
    std::array<char, 16384> buffer{};
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("recv", "agentd");
    if (size == 0) return fail(Code::unavailable, "agentd went away before it answered");
    input.append(buffer.data(), static_cast<std::size_t>(size));
    const auto found = scanner.scan(std::as_bytes(std::span(input)));
    if (!found) return fail(found.error());
    if (*found == wire::FrameScanner::Found::frame) {
      return wire::decode(std::as_bytes(std::span(input)).first(scanner.size()), limits);
    }
  }
}

}  // namespace

Error to_error(const Value& shape) {
  const Value::Array* pair = shape.as_array();
  const std::string* text = pair != nullptr && pair->size() == 2 ? (*pair)[1].as_string() : nullptr;
  if (text == nullptr) return {.code = Code::internal, .message = "agentd answered with an error of unknown shape"};
  const auto colon = text->find(": ");
  if (colon == std::string::npos) return {.code = Code::internal, .message = *text};
  return {.code = code_from_name(text->substr(0, colon)), .message = text->substr(colon + 2)};
}

bool exists(const std::string& socket) { return access(socket.c_str(), F_OK) == 0; }

Result<Value> call(const std::string& socket, const std::string& method, const Value& arguments,
                   std::chrono::milliseconds patience, Sent* sent) {
  Sent ignored = Sent::no;
  Sent& far = sent == nullptr ? ignored : *sent;
  far = Sent::no;
  const auto deadline = Clock::now() + patience;
  const Result<UniqueFd> fd = connect_to(socket);
  if (!fd) return fail(fd.error());
  const Value request(Value::Array{0, 1, method, Value::Array{arguments}});
  far = Sent::perhaps;
  if (const Result<void> gone = send_all(fd->get(), wire::encode(request)); !gone) return fail(gone.error());
  for (;;) {
    Result<Value> message = receive(fd->get(), deadline);
    if (!message) return message;
    Value::Array* response = message->as_array();
    if (response == nullptr || response->size() != 4) continue;  // a notification
    far = Sent::answered;
    if (!(*response)[2].is_nil()) return fail(to_error((*response)[2]));
    return std::move((*response)[3]);
  }
}

}  // namespace swarm::cli
