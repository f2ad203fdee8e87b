#include "daemon/providers/e2b/envd.hpp"

#include <fmt/format.h>

#include <charconv>
#include <deque>

#include "daemon/providers/e2b/codec.hpp"
#include "protocol/core/base64.hpp"
#include "protocol/http/url.hpp"

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;
using http_client::escape;
using Source = std::unique_ptr<wire::ByteSource>;

constexpr std::size_t kEnvdAnswerMost = std::size_t{8} << 20U;
constexpr std::string_view kRoot = "root";

// envd sends a sign of life so often on streams that are silent; two missed ones are a dead path.
constexpr int kPingSeconds = 50;
constexpr Duration kStreamSilence = 110s;

constexpr std::string_view kBoundary = "swarmd-part-7e2b4f1c9a5d";

/// Domains whose shared host routes by headers, so that one pool of connections serves all sandboxes.
constexpr std::array<std::string_view, 3> kHosted = {"e2b.app", "e2b.dev", "e2b.pro"};

/// An answer that is not a success. It comes from the proxies, from envd's REST part, or from its RPC part.
Error error_of(int status, std::string_view body, const std::string& what) {
  const ErrorBody said = decode_error(body);
  Error error{.message =
                  fmt::format("{}: {}", what, said.message.empty() ? fmt::format("status {}", status) : said.message)};
  switch (status) {
    case 400:
      error.code = said.slug.empty() ? Code::invalid_argument : connect_code(said.slug);
      break;
    case 401:
      error.code = Code::unauthenticated;
      break;
    case 403:
      error.code = Code::permission_denied;
      break;
    case 404:
      error.code = Code::not_found;
      break;
    case 507:
      error.code = Code::resource_exhausted;
      break;
    case 429:
    case 502:
    case 503:
    case 504:
      error.code = Code::unavailable;
      error.retryable = true;
      break;
    default:
      error.code = said.slug.empty() ? Code::internal : connect_code(said.slug);
  }
  return error;
}

/// A text, then files, then texts between them: the body of a multipart upload.
class Parts final : public wire::ByteSource {
 public:
  explicit Parts(std::vector<Envd::File> files) {
    for (Envd::File& file : files) {
      // Quotes and line ends would end the name early.
      std::string name;
      for (const char c : file.path) {
        name += c == '"' ? "%22" : c == '\r' ? "%0D" : c == '\n' ? "%0A" : std::string(1, c);
      }
      add(
          fmt::format("--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n"
                      "Content-Type: application/octet-stream\r\n\r\n",
                      kBoundary, name));
      size_ += file.size;
      pieces_.push_back({.text = {}, .source = std::move(file.content)});
      add("\r\n");
    }
    add(fmt::format("--{}--\r\n", kBoundary));
  }

  [[nodiscard]] std::uint64_t size() const { return size_; }

  async::Task<Result<std::optional<std::string>>> read() override {
    while (!pieces_.empty()) {
      Piece& piece = pieces_.front();
      if (piece.source == nullptr) {
        std::string text = std::move(piece.text);
        pieces_.pop_front();
        co_return std::optional(std::move(text));
      }
      Result<std::optional<std::string>> chunk = co_await piece.source->read();
      if (!chunk || *chunk) co_return chunk;
      pieces_.pop_front();
    }
    co_return std::nullopt;
  }

 private:
  struct Piece {
    std::string text;
    Source source;
  };
  void add(std::string text) {
    size_ += text.size();
    pieces_.push_back({.text = std::move(text), .source = nullptr});
  }

  std::deque<Piece> pieces_;
  std::uint64_t size_ = 0;
};

class Text final : public wire::ByteSource {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    if (text_.empty()) co_return std::nullopt;
    co_return std::optional(std::exchange(text_, {}));
  }

 private:
  std::string text_;
};

}  // namespace

bool version_at_least(std::string_view version, std::string_view least) {
  const auto numbers = [](std::string_view text) {
    std::array<int, 3> out{-1, 0, 0};
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    for (int& number : out) {
      const auto [stop, problem] = std::from_chars(at, end, number);
      if (problem != std::errc{}) break;
      at = stop;
      if (at == end || *at != '.') break;
      ++at;
    }
    return out;
  };
  return numbers(version) >= numbers(least);
}

Door door_to(const Remote& sandbox, int port, const Routing& routing) {
  Door door;
  const std::string& domain = sandbox.domain.empty() ? routing.domain : sandbox.domain;
  const bool hosted = std::ranges::find(kHosted, domain) != kHosted.end();
  if (!routing.sandbox_url.empty() || (hosted && port == kEnvdPort)) {
    door.url = routing.sandbox_url.empty() ? "https://sandbox." + domain : routing.sandbox_url;
    door.headers = {{"E2b-Sandbox-Id", sandbox.id}, {"E2b-Sandbox-Port", std::to_string(port)}};
  } else {
    door.url = fmt::format("https://{}-{}.{}", port, sandbox.id, domain);
  }
  if (port == kEnvdPort) {
    if (!sandbox.envd_token.empty()) door.headers.push_back({"X-Access-Token", sandbox.envd_token});
  } else if (!sandbox.traffic_token.empty()) {
    door.headers.push_back({"e2b-traffic-access-token", sandbox.traffic_token});
  }
  return door;
}

async::Task<Result<std::optional<ProcessEvent>>> ProcessStream::next() {
  while (!over_) {
    Result<std::optional<Envelope>> envelope = envelopes_.next();
    if (!envelope) co_return fail(envelope.error());
    if (!*envelope) {
      Result<std::optional<std::string>> chunk = co_await response_->read();
      if (!chunk) co_return fail(chunk.error());
      if (!*chunk) {
        co_return fail(Code::unavailable,
                       response_->describe() + ": the stream broke off; what became of the program is not known");
      }
      envelopes_.push(**chunk);
      continue;
    }
    if (((*envelope)->flags & kEndOfStream) != 0) {
      over_ = true;
      if (const std::optional<Error> error = decode_end((*envelope)->payload)) co_return fail(*error);
      break;
    }
    Result<ProcessEvent> event = decode_event((*envelope)->payload);
    if (!event) co_return fail(event.error());
    if (event->kind == ProcessEvent::Kind::keepalive || event->kind == ProcessEvent::Kind::other) continue;
    if (event->kind == ProcessEvent::Kind::start) pid_ = event->pid;
    co_return std::optional(std::move(*event));
  }
  co_return std::nullopt;
}

http_client::Request Envd::request(std::string method, std::string path, const std::string& user) const {
  http_client::Request out{
      .method = std::move(method),
      .url = door_.url + path,
      .headers = door_.headers,
      .patience = {.connect = 10s, .answer = 60s, .silence = 60s},
  };
  out.headers.push_back({"Accept", "application/json"});
  if (!user.empty()) out.headers.push_back({"Authorization", "Basic " + base64_encode(user + ":")});
  return out;
}

async::Task<Result<void>> Envd::health() {
  http_client::Request asked = request("GET", "/health", "");
  asked.patience.answer = 5s;
  auto response = co_await client_.send(std::move(asked));
  if (!response) co_return fail(response.error());
  const Result<std::string> body = co_await (*response)->read_all(kEnvdAnswerMost);
  if (!body) co_return fail(body.error());
  const int status = (*response)->status();
  if (status < 200 || status > 299) co_return fail(error_of(status, *body, (*response)->describe()));
  co_return {};
}

async::Task<Result<void>> Envd::upload(std::vector<File> files) {
  // With one file, and an envd that takes it: the bytes as they are. Else in parts, which all versions take.
  const bool plain = files.size() == 1 && version_at_least(version_, "0.5.7");
  http_client::Request asked = request("POST",
                                       plain ? fmt::format("/files?path={}&username={}", escape(files[0].path), kRoot)
                                             : fmt::format("/files?username={}", kRoot),
                                       std::string(kRoot));
  asked.version = http_client::Version::http1;
  asked.patience.answer = 120s;
  if (plain) {
    asked.headers.push_back({"Content-Type", "application/octet-stream"});
    asked.upload_bytes = files[0].size;
    asked.upload = std::move(files[0].content);
  } else {
    asked.headers.push_back({"Content-Type", fmt::format("multipart/form-data; boundary={}", kBoundary)});
    auto parts = std::make_unique<Parts>(std::move(files));
    asked.upload_bytes = parts->size();
    asked.upload = std::move(parts);
  }
  auto response = co_await client_.send(std::move(asked));
  if (!response) co_return fail(response.error());
  const Result<std::string> body = co_await (*response)->read_all(kEnvdAnswerMost);
  if (!body) co_return fail(body.error());
  if ((*response)->status() != 200) co_return fail(error_of((*response)->status(), *body, (*response)->describe()));
  co_return {};
}

async::Task<Result<void>> Envd::upload(std::string path, std::string content) {
  std::vector<File> files;
  const std::uint64_t size = content.size();
  files.push_back({.path = std::move(path), .content = std::make_unique<Text>(std::move(content)), .size = size});
  Result<void> done = co_await upload(std::move(files));
  co_return done;
}

async::Task<Result<std::unique_ptr<wire::ByteSource>>> Envd::open_download(std::string path) {
  http_client::Request asked =
      request("GET", fmt::format("/files?path={}&username={}", escape(path), kRoot), std::string(kRoot));
  asked.version = http_client::Version::http1;
  auto response = co_await client_.send(std::move(asked));
  if (!response) co_return fail(response.error());
  if ((*response)->status() == 200) co_return std::unique_ptr<wire::ByteSource>(std::move(*response));
  const Result<std::string> body = co_await (*response)->read_all(kEnvdAnswerMost);
  if (!body) co_return fail(body.error());
  co_return fail(error_of((*response)->status(), *body, (*response)->describe()));
}

async::Task<Result<std::string>> Envd::download(std::string path, std::size_t most) {
  auto source = co_await open_download(std::move(path));
  if (!source) co_return fail(source.error());
  std::string all;
  for (;;) {
    Result<std::optional<std::string>> chunk = co_await (*source)->read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) co_return all;
    if (all.size() + (*chunk)->size() > most) {
      co_return fail(Code::resource_exhausted, fmt::format("the file is longer than {} bytes", most));
    }
    all += **chunk;
  }
}

async::Task<Result<std::string>> Envd::call(std::string service, std::string body) {
  http_client::Request asked = request("POST", "/" + service, std::string(kRoot));
  asked.headers.push_back({"Content-Type", "application/json"});
  asked.headers.push_back({"Connect-Protocol-Version", "1"});
  asked.body = std::move(body);
  auto response = co_await client_.send(std::move(asked));
  if (!response) co_return fail(response.error());
  Result<std::string> answer = co_await (*response)->read_all(kEnvdAnswerMost);
  if (!answer) co_return fail(answer.error());
  if ((*response)->status() != 200) co_return fail(error_of((*response)->status(), *answer, (*response)->describe()));
  co_return answer;
}

async::Task<Result<void>> Envd::make_dir(std::string path) {
  const Result<std::string> made = co_await call("filesystem.Filesystem/MakeDir", encode_path(path));
  if (made || made.error().code == Code::already_exists) co_return {};
  co_return fail(made.error());
}

async::Task<Result<void>> Envd::move(std::string from, std::string to) {
  const Result<std::string> moved = co_await call("filesystem.Filesystem/Move", encode_move(from, to));
  if (!moved) co_return fail(moved.error());
  co_return {};
}

async::Task<Result<void>> Envd::remove(std::string path) {
  const Result<std::string> removed = co_await call("filesystem.Filesystem/Remove", encode_path(path));
  if (!removed) co_return fail(removed.error());
  co_return {};
}

async::Task<Result<std::unique_ptr<ProcessStream>>> Envd::stream(std::string service, std::string body,
                                                                 std::string user) {
  http_client::Request asked = request("POST", "/" + service, user);
  asked.headers.push_back({"Content-Type", "application/connect+json"});
  asked.headers.push_back({"Connect-Protocol-Version", "1"});
  asked.headers.push_back({"Keepalive-Ping-Interval", std::to_string(kPingSeconds)});
  asked.body = seal(0, body);
  asked.patience.silence = kStreamSilence;
  auto response = co_await client_.send(std::move(asked));
  if (!response) co_return fail(response.error());
  const std::string type = (*response)->header("Content-Type").value_or("");
  if ((*response)->status() != 200 || !type.starts_with("application/connect+json")) {
    const Result<std::string> answer = co_await (*response)->read_all(kEnvdAnswerMost);
    if (!answer) co_return fail(answer.error());
    co_return fail(error_of((*response)->status(), *answer, (*response)->describe()));
  }
  auto out = std::make_unique<ProcessStream>(std::move(*response));
  const Result<std::optional<ProcessEvent>> first = co_await out->next();
  if (!first) co_return fail(first.error());
  if (!*first || (*first)->kind != ProcessEvent::Kind::start) {
    co_return fail(Code::internal, "envd's stream does not begin with the start of a program");
  }
  co_return out;
}

async::Task<Result<std::unique_ptr<ProcessStream>>> Envd::start(ProcessSpec spec, std::string user) {
  return stream("process.Process/Start", encode_start(spec), std::move(user));
}

async::Task<Result<std::unique_ptr<ProcessStream>>> Envd::connect(std::uint32_t pid) {
  return stream("process.Process/Connect", encode_selector(pid), std::string(kRoot));
}

async::Task<Result<RunResult>> Envd::run(ProcessSpec spec, std::string user, std::size_t most) {
  auto events = co_await start(std::move(spec), std::move(user));
  if (!events) co_return fail(events.error());
  RunResult result;
  bool ended = false;
  for (;;) {
    Result<std::optional<ProcessEvent>> event = co_await (*events)->next();
    if (!event) co_return fail(event.error());
    if (!*event) break;
    if ((*event)->kind == ProcessEvent::Kind::out) result.out += (*event)->bytes;
    if ((*event)->kind == ProcessEvent::Kind::err) result.err += (*event)->bytes;
    if (result.out.size() + result.err.size() > most) {
      co_return fail(Code::resource_exhausted, fmt::format("the program prints more than {} bytes", most));
    }
    if ((*event)->kind != ProcessEvent::Kind::end) continue;
    ended = true;
    result.exit_code = (*event)->exit_code;
    result.exited = (*event)->exited;
    result.status = (*event)->status;
  }
  if (!ended) co_return fail(Code::unavailable, "envd does not say how the program ended");
  co_return result;
}

async::Task<Result<void>> Envd::send_input(std::uint32_t pid, std::string bytes) {
  const Result<std::string> sent = co_await call("process.Process/SendInput", encode_input(pid, bytes));
  if (!sent) co_return fail(sent.error());
  co_return {};
}

async::Task<Result<void>> Envd::close_input(std::uint32_t pid) {
  const Result<std::string> closed = co_await call("process.Process/CloseStdin", encode_selector(pid));
  if (!closed) co_return fail(closed.error());
  co_return {};
}

async::Task<Result<void>> Envd::send_signal(std::uint32_t pid, Signal signal) {
  const Result<std::string> sent = co_await call("process.Process/SendSignal", encode_signal(pid, signal));
  if (!sent) co_return fail(sent.error());
  co_return {};
}

async::Task<Result<std::vector<ProcessInfo>>> Envd::list() {
  const Result<std::string> listed = co_await call("process.Process/List", "{}");
  if (!listed) co_return fail(listed.error());
  co_return decode_processes(*listed);
}

}  // namespace swarm::e2b
