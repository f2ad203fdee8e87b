#include "daemon/e2b/multipart.hpp"

#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>

namespace swarm::tests {
namespace {

using e2b_endpoint::MultipartReader;
using Kind = MultipartReader::Piece::Kind;

/// Parts as "name|filename|content", read in pieces of `size` bytes.
Result<std::vector<std::string>> read(const std::string& body, const std::string& boundary, std::size_t size) {
  MultipartReader reader(boundary);
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < body.size(); at += size) {
    auto pieces = reader.feed(std::string_view(body).substr(at, size));
    if (!pieces) return fail(pieces.error());
    for (const auto& piece : *pieces) {
      if (piece.kind == Kind::begin) parts.push_back(piece.name + "|" + piece.filename + "|");
      if (piece.kind == Kind::data) parts.back() += piece.data;
      if (piece.kind == Kind::end) parts.back() += "$";
    }
  }
  if (!reader.complete()) return fail(Code::invalid_argument, "no end");
  return parts;
}

}  // namespace

TEST_CASE("parts come out whole, however the body is cut") {
  const std::string body =
      "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".txt\"\r\nContent-Type: "
      "text/plain\r\n"
      "\r\nhello\r\n--x\r\n\r\n--xx\r\nCONTENT-DISPOSITION: form-data; name=file; "
      "filename=\"dir/%22c%22\"\r\n\r\n\r\n--xx--\r\n";
  rc::prop("any size of pieces", [&] {
    const auto size = *rc::gen::inRange<std::size_t>(1, body.size() + 1);
    const auto parts = read(body, "xx", size);
    RC_ASSERT(parts.has_value());
    RC_ASSERT(*parts == std::vector<std::string>({"file|a \"b\".txt|hello\r\n--x\r\n$", "file|dir/\"c\"|$"}));
  });
}

TEST_CASE("any content survives") {
  rc::prop("content", [](const std::string& content) {
    RC_PRE(content.find("\r\n--xyz") == std::string::npos);
    const std::string body =
        "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + content + "\r\n--xyz--";
    const auto parts = read(body, "xyz", *rc::gen::inRange<std::size_t>(1, 10));
    RC_ASSERT(parts.has_value());
    RC_ASSERT(*parts == std::vector<std::string>({"file|f|" + content + "$"}));
  });
}

TEST_CASE("a body that is no multipart is refused, or has no end") {
  CHECK(!read("nothing", "xx", 3));
  CHECK(!read("--xxjunk\r\n\r\n", "xx", 100));
  CHECK(!read("--xx\r\n" + std::string(20'000, 'a'), "xx", 100));
}

TEST_CASE("boundaries") {
  CHECK(e2b_endpoint::multipart_boundary("multipart/form-data; boundary=abc") == "abc");
  CHECK(e2b_endpoint::multipart_boundary("Multipart/Form-Data; charset=x; boundary=\"a b\"") == "a b");
  CHECK(!e2b_endpoint::multipart_boundary("multipart/form-data"));
  CHECK(!e2b_endpoint::multipart_boundary("text/plain; boundary=abc"));
}

}  // namespace swarm::tests
