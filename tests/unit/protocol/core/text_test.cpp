#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "protocol/core/base64.hpp"
#include "protocol/core/utf8.hpp"

using namespace swarm;

TEST_CASE("base64 follows the vectors of RFC 4648") {
  CHECK(base64_encode("") == "");
  CHECK(base64_encode("f") == "Zg==");
  CHECK(base64_encode("fo") == "Zm8=");
  CHECK(base64_encode("foo") == "Zm9v");
  CHECK(base64_encode("foob") == "Zm9vYg==");
  for (const char* bad : {"Z", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zm-_", "Zg==Zg=="}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad).has_value());
  }
}

TEST_CASE("base64 gives every byte string back") {
  rc::prop("decode(encode(x)) == x", [](const std::string& data) {
    const auto back = base64_decode(base64_encode(data));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == data);
  });
}

TEST_CASE("UTF-8 is what RFC 3629 says") {
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
  CHECK(is_utf8("\xF4\x8F\xBF\xBF"));
  CHECK(is_utf8("\xED\x9F\xBF"));
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xE2\x82", "\xFF", "a\xC3"}) {
    INFO(bad);
    CHECK_FALSE(is_utf8(bad));
  }
  rc::prop("what to_utf8 makes is valid, and valid text is left alone", [](const std::string& text) {
    RC_ASSERT(is_utf8(to_utf8(text)));
    if (is_utf8(text)) RC_ASSERT(to_utf8(text) == text);
  });
}

TEST_CASE("foreign text is cut between characters and loses its control characters") {
  CHECK(shown("a\x1B[31m\n") == "a\\x1b[31m\\x0a");
  CHECK(shown("\xE2\x82\xAC\xE2\x82\xAC", 4) == "\xE2\x82\xAC...");
  CHECK(shown("\xFFx") == "\xEF\xBF\xBDx");
  CHECK(utf8_prefix("\xE2\x82\xAC", 2).empty());
}
