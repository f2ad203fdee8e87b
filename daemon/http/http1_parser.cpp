#include "daemon/http/http1_parser.hpp"

#include <fmt/format.h>
#include <http_parser.h>

namespace swarm::http {

struct Http1Parser::State {
  explicit State(Kind of, std::size_t limit) : kind(of), header_limit(limit) { reset(); }

  void reset() {
    http_parser_init(&parser, kind == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE);
    parser.data = this;
    target.clear();
    headers = {};
    name.clear();
    value.clear();
    body.clear();
    header_bytes = 0;
    begun = has_head = complete = keep_alive = upgrade = too_large = odd_name = false;
  }

  void flush_field() {
    if (!name.empty()) headers.add(name, value);
    name.clear();
    value.clear();
    in_value = false;
  }
  /// Counts what the fields take; false beyond the limit.
  bool count(std::size_t bytes) {
    header_bytes += bytes;
    too_large = header_bytes > header_limit;
    return !too_large;
  }

  static State& of(http_parser* p) { return *static_cast<State*>(p->data); }

  static const http_parser_settings* callbacks() {
    static const http_parser_settings made = [] {
      http_parser_settings s;
      http_parser_settings_init(&s);
      s.on_message_begin = [](http_parser* p) {
        of(p).begun = true;
        return 0;
      };
      s.on_url = [](http_parser* p, const char* at, std::size_t size) {
        of(p).target.append(at, size);
        return of(p).count(size) ? 0 : 1;
      };
      s.on_header_field = [](http_parser* p, const char* at, std::size_t size) {
        State& state = of(p);
        if (state.in_value) state.flush_field();
        state.name.append(at, size);
        // Debian's build of the library takes a space in a name, behind which others hide a field.
        state.odd_name = state.odd_name || std::string_view(at, size).contains(' ');
        return state.count(size) && !state.odd_name ? 0 : 1;
      };
      s.on_header_value = [](http_parser* p, const char* at, std::size_t size) {
        State& state = of(p);
        state.in_value = true;
        state.value.append(at, size);
        return state.count(size + 4) ? 0 : 1;
      };
      s.on_headers_complete = [](http_parser* p) {
        State& state = of(p);
        state.flush_field();
        if (p->http_major != 1) return -1;  // the library takes any digit
        state.has_head = true;
        state.keep_alive = http_should_keep_alive(p) != 0;
        state.upgrade = p->upgrade != 0;
        if (state.no_body) return 1;
        http_parser_pause(p, 1);
        return 0;
      };
      s.on_body = [](http_parser* p, const char* at, std::size_t size) {
        of(p).body.append(at, size);
        return 0;
      };
      s.on_message_complete = [](http_parser* p) {
        of(p).complete = true;
        http_parser_pause(p, 1);
        return 0;
      };
      return s;
    }();
    return &made;
  }

  Kind kind;
  std::size_t header_limit;
  http_parser parser{};
  std::string target;
  Headers headers;
  std::string name;
  std::string value;
  bool in_value = false;
  std::string body;
  std::size_t header_bytes = 0;
  bool begun = false;
  bool has_head = false;
  bool complete = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool too_large = false;
  bool odd_name = false;
  bool no_body = false;
};

Http1Parser::Http1Parser(Kind kind, std::size_t header_limit) : state_(std::make_unique<State>(kind, header_limit)) {}
Http1Parser::~Http1Parser() = default;

Result<std::size_t> Http1Parser::feed(std::string_view bytes) {
  State& state = *state_;
  if (state.complete || bytes.empty()) return std::size_t{0};
  http_parser_pause(&state.parser, 0);
  const std::size_t taken = http_parser_execute(&state.parser, State::callbacks(), bytes.data(), bytes.size());
  const auto error = HTTP_PARSER_ERRNO(&state.parser);
  if (state.too_large || error == HPE_HEADER_OVERFLOW) {
    return fail(Code::out_of_range, fmt::format("the header is longer than {} bytes", state.header_limit));
  }
  if (state.odd_name) return fail(Code::invalid_argument, "malformed HTTP: a space in the name of a field");
  if (error != HPE_OK && error != HPE_PAUSED) {
    return fail(Code::invalid_argument, fmt::format("malformed HTTP: {}", http_errno_description(error)));
  }
  return taken;
}

Result<void> Http1Parser::finish() {
  State& state = *state_;
  if (!state.begun || state.complete) return {};
  http_parser_pause(&state.parser, 0);
  http_parser_execute(&state.parser, State::callbacks(), nullptr, 0);
  if (!state.complete) return fail(Code::unavailable, "the connection ended in the middle of a message");
  return {};
}

bool Http1Parser::begun() const { return state_->begun; }
bool Http1Parser::has_head() const { return state_->has_head; }
bool Http1Parser::complete() const { return state_->complete; }
std::string Http1Parser::method() const { return http_method_str(static_cast<http_method>(state_->parser.method)); }
int Http1Parser::status() const { return static_cast<int>(state_->parser.status_code); }
const std::string& Http1Parser::target() const { return state_->target; }
Headers& Http1Parser::headers() { return state_->headers; }
Version Http1Parser::version() const {
  return state_->parser.http_major == 1 && state_->parser.http_minor == 0 ? Version::http_1_0 : Version::http_1_1;
}
bool Http1Parser::keep_alive() const { return state_->keep_alive; }
bool Http1Parser::upgrade() const { return state_->upgrade; }
std::string Http1Parser::take_body() { return std::exchange(state_->body, {}); }
void Http1Parser::expect_no_body() { state_->no_body = true; }
void Http1Parser::next() { state_->reset(); }

}  // namespace swarm::http
