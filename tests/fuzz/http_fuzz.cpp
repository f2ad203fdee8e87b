// Feeds bytes to the reader of HTTP/1 messages, as a server gets them and as a client does, whole and in pieces: both
// have to read the same messages, their fields stay within the limit, and no field holds what ends a field early.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "daemon/http/http1_parser.hpp"

namespace {

using namespace swarm::http;

constexpr std::size_t kHeaderLimit = 4096;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

void add_head(std::string& out, Http1Parser& parser, Http1Parser::Kind kind) {
  out += kind == Http1Parser::Kind::request ? parser.method() + " " + parser.target() : std::to_string(parser.status());
  std::size_t size = 0;
  for (const auto& [name, value] : parser.headers()) {
    require(is_field_value(value), "a field that ends early");
    require(!name.empty() && name == lower(name), "a name that is not lower-case");
    size += name.size() + value.size();
    out += "|" + name + ":" + value;
  }
  require(size <= kHeaderLimit, "fields beyond the limit");
  out += parser.keep_alive() ? "|keep" : "|close";
}

/// All that was read, as one text; "!" at its end for a failure.
std::string read(std::string_view bytes, std::size_t piece, Http1Parser::Kind kind) {
  Http1Parser parser(kind, kHeaderLimit);
  std::string out;
  std::size_t at = 0;
  bool head = false;
  // What a server does: the head first, then the body as it comes, then the next message.
  const auto look = [&] {
    if (parser.has_head() && !head) {
      head = true;
      add_head(out, parser, kind);
      out += "\n";
    }
    const std::string body = parser.take_body();
    require(body.empty() || head, "a body before its head");
    out += body;
    if (!parser.complete()) return true;
    out += "$";
    if (!parser.keep_alive() || parser.upgrade()) return false;
    parser.next();
    head = false;
    return true;
  };
  while (at < bytes.size()) {
    const std::string_view next = bytes.substr(at, piece);
    const auto taken = parser.feed(next);
    if (!taken) return out + "!";
    require(*taken <= next.size(), "more taken than there was");
    const bool paused = parser.has_head() && !head;
    if (!look()) return out;
    require(*taken > 0 || paused || parser.complete() || !parser.begun(), "nothing taken and nothing come");
    if (*taken == 0 && !paused && !parser.begun()) return out;
    at += *taken;
  }
  if (!parser.finish()) return out + "!";
  look();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const auto kind : {Http1Parser::Kind::request, Http1Parser::Kind::response}) {
    const std::string whole = read(bytes, bytes.size() + 1, kind);
    const std::string pieces = read(bytes, std::size_t{1} + data[0] % 16, kind);
    // Only how much came before a failure may differ.
    if (!whole.ends_with("!") && !pieces.ends_with("!")) require(whole == pieces, "the size of the pieces matters");
  }
  static_cast<void>(percent_decode(bytes, true));
  for (const auto& [name, value] : parse_query(bytes)) {
    require(name.size() + value.size() <= bytes.size(), "a parameter that grew");
  }
  return 0;
}
