#include "protocol/core/error.hpp"

#include <catch2/catch.hpp>

using namespace swarm;

TEST_CASE("every code survives the trip over the wire") {
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    const auto code = static_cast<Code>(i);
    CHECK(code_from_name(code_name(code)) == code);
  }
}

TEST_CASE("a code of a later version is internal to this one") { CHECK(code_from_name("teapot") == Code::internal); }

TEST_CASE("context is put in front and the code stays") {
  Result<int> inner = fail(Code::not_found, "no such file");
  Result<int> outer = fail(inner.error(), "open store");
  CHECK(outer.error().to_string() == "not_found: open store: no such file");
}

TEST_CASE("a system call names itself, its argument and the reason") {
  Result<void> failed = fail_errno("open", "/nowhere", ENOENT);
  CHECK(failed.error().code == Code::not_found);
  CHECK(failed.error().message == "open '/nowhere': No such file or directory");
}

TEST_CASE("only what may pass by itself is retryable") {
  CHECK(fail(Code::unavailable, "x").error().retryable);
  CHECK_FALSE(fail(Code::invalid_argument, "x").error().retryable);
}
