#include "protocol/api/json.hpp"

#include <catch2/catch.hpp>

using namespace swarm;
using namespace swarm::api;

namespace {

std::string error_of(std::string_view text, const JsonLimits& limits = {}) {
  const Result<Value> read = value_from_json(text, limits);
  return read ? "no error" : read.error().to_string();
}

}  // namespace

TEST_CASE("JSON becomes a value") {
  const auto read = value_from_json(R"( {"a": [1, -2, 2.0, 18446744073709551615, true, null, "\u00e4\ud83d\ude00"]} )");
  REQUIRE(read);
  CHECK(*read ==
        Value(Value::Map{{"a", Value::Array{1, -2, 2.0, UINT64_MAX, true, nullptr, "\xC3\xA4\xF0\x9F\x98\x80"}}}));
}

TEST_CASE("bytes travel as b64") {
  CHECK(*value_from_json(R"({"b64": "AP8="})") == Value(Bytes{std::string("\0\xFF", 2)}));
  CHECK(*value_from_json(R"({"b64": 1})") == Value(Value::Map{{"b64", 1}}));
  CHECK(*value_from_json(R"({"b64": "AP8=", "x": 1})")->find("b64") == Value("AP8="));
  CHECK(to_json(Bytes{std::string("\0\xFF", 2)}) == R"({"b64":"AP8="})");
  CHECK(to_json("\xFF") == R"({"b64":"/w=="})");
  CHECK(error_of(R"({"b64": "??"})") ==
        "invalid_argument: JSON, line 1, column 13: \"b64\" is not base64 (RFC 4648, section 4, padded)");
}

TEST_CASE("values become JSON") {
  CHECK(to_json(Value::Map{{"a\"\\\n\x01", Value::Array{1, 2.0, 0.1, nullptr, true, "x"}}}) ==
        R"({"a\"\\\n\u0001":[1,2.0,0.1,null,true,"x"]})");
  CHECK(to_json(Value::Map{{"a", Value::Array{1}}, {"b", Value::Map{}}}, JsonStyle::indented) ==
        "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
  CHECK(to_json(std::numeric_limits<double>::infinity()) == "null");
  CHECK(to_json(1e300) == "1e+300");
  CHECK(to_json(Ext{.type = -3, .data = "a"}) == R"({"ext":-3,"b64":"YQ=="})");
  CHECK(to_json(std::int64_t{INT64_MIN}) == "-9223372036854775808");
}

TEST_CASE("errors say where, and never quote the text") {
  CHECK(error_of("") ==
        "invalid_argument: JSON, line 1, column 1: syntax error while parsing value - unexpected end of input; "
        "expected '[', '{', or a literal");
  CHECK(error_of("{\"token\": \"hunter2\",\n  oops}") ==
        "invalid_argument: JSON, line 2, column 3: syntax error while parsing object key - invalid literal");
  CHECK(error_of("[1] 2").starts_with("invalid_argument: JSON, line 1, column 5: "));
  CHECK(error_of("[1e999]").starts_with("invalid_argument: JSON, line 1, column 6: a number is too large"));
  CHECK(error_of(R"({"a": 1, "b": 2, "a": 3})") ==
        "invalid_argument: JSON, line 1, column 24: key 'a' occurs twice in the object that ends here");
  for (const char* secret : {"{\"k\": \"hunter2", "{\"k\": hunter2}", "\"hunter2\x01\"", "{\"hunter2\" 1}",
                             "\"hunter2\xFF\"", "[\"hunter2\\q\"]", "[hunter2]", "{\"a\":\"hunter2; expected\" 1}",
                             "\"\\ud800hunter2\"", "[1e999, \"hunter2\"]"}) {
    INFO(secret);
    CHECK_FALSE(value_from_json(secret));
    CHECK(error_of(secret).find("hunter") == std::string::npos);
  }
}

TEST_CASE("limits hold while parsing") {
  CHECK(error_of("[[[]]]", {.max_depth = 2}) == "resource_exhausted: JSON, line 1, column 3: nested more than 2 deep");
  CHECK(error_of("[[[]]]", {.max_depth = 3}) == "no error");
  CHECK(error_of("[1,2,3]", {.max_values = 3}) == "resource_exhausted: JSON, line 1, column 7: more than 3 values");
  CHECK(error_of(R"({"a":1})", {.max_values = 2}) == "resource_exhausted: JSON, line 1, column 7: more than 2 values");
  CHECK(error_of("[1,2,3]", {.max_bytes = 3}) ==
        "resource_exhausted: JSON: 7 bytes are more than the 3 that are accepted");
  CHECK(error_of(std::string(1'000'000, '[')).starts_with("resource_exhausted: JSON, line 1, column 65: nested"));
}
