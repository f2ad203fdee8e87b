// Feeds bytes to the reader of multipart bodies, whole and in pieces: both have to read the same, parts begin and end
// in step, and nothing of the body is kept beyond a boundary's length and a part's header.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "daemon/e2b/multipart.hpp"

namespace {

using swarm::e2b_endpoint::MultipartReader;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// What was read, as one text; "!" at its end for a failure.
std::string read(std::string_view body, std::size_t size) {
  MultipartReader reader("b");
  std::string out;
  bool open = false;
  for (std::size_t at = 0; at < body.size(); at += size) {
    const auto pieces = reader.feed(body.substr(at, size));
    if (!pieces) return out + "!";
    for (const auto& piece : *pieces) {
      if (piece.kind == MultipartReader::Piece::Kind::begin) {
        require(!open, "a part begins inside another");
        open = true;
        out += "<" + piece.name + "|" + piece.filename + ">";
      } else if (piece.kind == MultipartReader::Piece::Kind::data) {
        require(open && !piece.data.empty(), "data between parts");
        out += piece.data;
      } else {
        require(open, "an end without a part");
        open = false;
        out += "</>";
      }
    }
  }
  return out + (reader.complete() ? "." : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  swarm::e2b_endpoint::multipart_boundary(body);
  const std::string whole = read(body, body.size() + 1);
  const std::string pieces = read(body, std::size_t{1} + data[0] % 16);
  // Only how much came before a failure may differ.
  if (!whole.ends_with("!") && !pieces.ends_with("!")) require(whole == pieces, "the size of the pieces matters");
  return 0;
}
