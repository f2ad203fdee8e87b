#include "agentd/cli/stream_call.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/scanner.hpp"

namespace swarm::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kStream = 1;  // odd: we dialled

/// One connection with one call on it.
class Line {
 public:
  Line(UniqueFd fd, std::chrono::milliseconds patience) : fd_(std::move(fd)), patience_(patience) {}

  Result<void> send(const Value& message) { return send_all(fd_.get(), wire::encode(message)); }

  /// Takes one message, if there is one or `wait`.
  enum class Wait { no, yes };
  Result<bool> take(Wait wait) {
    for (;;) {
      const auto found = scanner_.scan(std::as_bytes(std::span(input_)));
      if (!found) return fail(found.error());
      if (*found == wire::FrameScanner::Found::frame) {
        Result<Value> message = wire::decode(std::as_bytes(std::span(input_)).first(scanner_.size()), limits_);
        input_.erase(0, scanner_.size());
        scanner_.next();
        if (!message) return fail(message.error());
        if (const Result<void> fine = handle(*message); !fine) return fail(fine.error());
        return true;
      }
      pollfd watched{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      const int ready = poll(&watched, 1, wait == Wait::yes ? static_cast<int>(patience_.count()) : 0);
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0 && wait == Wait::no) return false;
      if (ready == 0) return fail(Code::deadline_exceeded, "agentd took too long to answer");
      std::array<char, 65536> buffer{};
      const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return fail_errno("recv", "agentd");
      if (size == 0) return fail(Code::unavailable, "agentd went away before it answered");
      input_.append(buffer.data(), static_cast<std::size_t>(size));
    }
  }

  std::optional<Result<Value>> answer;
  std::size_t credit = wire::kInitialCredit;
  std::string came;             ///< bytes of the stream
  bool ended = false;           ///< the other side's direction
  std::optional<Error> broken;  ///< why

 private:
  Result<void> handle(Value& message) {
    Value::Array* parts = message.as_array();
    if (parts == nullptr || parts->size() < 3) return {};
    if (parts->size() == 4) {
      answer.emplace((*parts)[2].is_nil() ? Result<Value>(std::move((*parts)[3])) : fail(to_error((*parts)[2])));
      return {};
    }
    const std::string* method = (*parts)[1].as_string();
    const Value::Array* list = (*parts)[2].as_array();
    if (method == nullptr || list == nullptr || list->empty()) return {};
    const Value& about = list->front();
    if (*method == "stream.credit") {
      const Value* bytes = about.find("bytes");
      const std::int64_t* number = bytes != nullptr ? bytes->as_int() : nullptr;
      if (number != nullptr && *number > 0) credit += static_cast<std::size_t>(*number);
    } else if (*method == "stream.data") {
      const Value* data = about.find("data");
      const Bytes* bytes = data != nullptr ? data->as_bytes() : nullptr;
      if (bytes != nullptr) came += bytes->data;
    } else if (*method == "stream.end") {
      ended = true;
      const Value* error = about.find("error");
      if (error != nullptr && error->as_map() != nullptr) {
        const Value* code = error->find("code");
        const Value* text = error->find("message");
        const std::string* code_name = code != nullptr ? code->as_string() : nullptr;
        const std::string* words = text != nullptr ? text->as_string() : nullptr;
        broken = Error{.code = code_name != nullptr ? code_from_name(*code_name) : Code::internal,
                       .message = words != nullptr ? *words : "the stream broke"};
      }
    }
    return {};
  }

  UniqueFd fd_;
  std::chrono::milliseconds patience_;
  wire::Limits limits_;
  wire::FrameScanner scanner_{limits_};
  std::string input_;
};

Result<Line> begin(const std::string& socket, const std::string& method, Value arguments,
                   std::chrono::milliseconds patience) {
  Result<UniqueFd> fd = connect_to(socket);
  if (!fd) return fail(fd.error());
  Line line(std::move(*fd), patience);
  arguments.set("content", kStream);
  const Result<void> sent = line.send(Value(Value::Array{0, 1, method, Value::Array{std::move(arguments)}}));
  if (!sent) return fail(sent.error());
  return line;
}

Result<void> end_stream(Line& line, std::optional<Error> why) {
  Value::Map about{{"stream", kStream}};
  if (why) {
    about.emplace_back("error", Value::Map{{"code", std::string(code_name(why->code))}, {"message", why->message}});
  }
  return line.send(Value(Value::Array{2, "stream.end", Value::Array{Value(std::move(about))}}));
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("write", "the content");
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

}  // namespace

Result<Value> call_sending(const std::string& socket, const std::string& method, Value arguments, int file,
                           std::chrono::milliseconds patience) {
  Result<Line> line = begin(socket, method, std::move(arguments), patience);
  if (!line) return fail(line.error());
  std::string buffer(wire::kMaxChunk, '\0');
  bool reading = true;
  while (!line->answer) {
    const bool may_send = reading && !line->ended && line->credit > 0;
    const Result<bool> took = line->take(may_send ? Line::Wait::no : Line::Wait::yes);
    if (!took) return fail(took.error());
    if (*took || !may_send) continue;
    const ssize_t size = read(file, buffer.data(), std::min(buffer.size(), line->credit));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      reading = false;
      std::optional<Error> why;
      if (size < 0) why = fail_errno("read", "the file").error();
      if (const Result<void> sent = end_stream(*line, why); !sent) return fail(sent.error());
      if (why) return fail(*why);
      continue;
    }
    line->credit -= static_cast<std::size_t>(size);
    const Result<void> sent = line->send(Value(
        Value::Array{2, "stream.data",
                     Value::Array{Value::Map{{"stream", kStream},
                                             {"data", Bytes{buffer.substr(0, static_cast<std::size_t>(size))}}}}}));
    if (!sent) return fail(sent.error());
  }
  return std::move(*line->answer);
}

Result<Value> call_receiving(const std::string& socket, const std::string& method, Value arguments, int file,
                             std::chrono::milliseconds patience) {
  Result<Line> line = begin(socket, method, std::move(arguments), patience);
  if (!line) return fail(line.error());
  for (;;) {
    if (line->answer && !*line->answer) return std::move(*line->answer);
    if (!line->came.empty()) {
      const std::string bytes = std::exchange(line->came, {});
      if (const Result<void> written = write_all(file, bytes); !written) return fail(written.error());
      const Value about = Value::Map{{"stream", kStream}, {"bytes", static_cast<std::int64_t>(bytes.size())}};
      const Result<void> given = line->send(Value(Value::Array{2, "stream.credit", Value::Array{about}}));
      if (!given) return fail(given.error());
    }
    if (line->broken && line->answer) return fail(*line->broken);
    if (line->ended && line->answer) return std::move(*line->answer);
    const Result<bool> took = line->take(Line::Wait::yes);
    if (!took) return fail(took.error());
  }
}

}  // namespace swarm::cli
