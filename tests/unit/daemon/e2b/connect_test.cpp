#include "daemon/e2b/connect.hpp"

#include <zlib.h>

#include "tests/fixtures/loop_fixture.hpp"

namespace swarm::tests {
namespace {

using namespace e2b_endpoint;

/// A request with a body in pieces, and an answer to look at.
class FakeExchange final : public http::Exchange {
 public:
  FakeExchange(http::Headers headers, std::vector<std::string> body)
      : Exchange({.method = "POST", .target = "/x", .authority = "h", .headers = std::move(headers), .peer = ""}),
        body_(std::move(body)) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    if (at_ == body_.size()) co_return std::optional<std::string>();
    co_return std::optional<std::string>(body_[at_++]);
  }
  async::Task<Result<void>> begin(http::Answer given) override {
    answer = std::move(given);
    begun_ = true;
    co_return {};
  }
  async::Task<Result<void>> write(std::string bytes) override {
    out += bytes;
    co_return {};
  }
  async::Task<Result<void>> end() override {
    ended = true;
    co_return {};
  }
  [[nodiscard]] bool begun() const override { return begun_; }
  async::Task<Result<transport::Stream*>> upgrade(http::Headers) override {
    co_return fail(Code::failed_precondition, "no");
  }

  http::Answer answer;
  std::string out;
  bool ended = false;

 private:
  std::vector<std::string> body_;
  std::size_t at_ = 0;
  bool begun_ = false;
};

std::string gzip(std::string text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

const http::Headers kStream = {{"content-type", "application/connect+json"}};

}  // namespace

TEST_CASE("an envelope has a flag and a big-endian length in front") {
  CHECK(envelope(0, "abc") == std::string("\0\0\0\0\3abc", 8));
  CHECK(envelope(2, std::string(258, 'x')).substr(0, 5) == std::string("\2\0\0\1\2", 5));
  CHECK(end_of_stream(nullptr) == std::string("\2\0\0\0\2{}", 7));
  const RpcError error{"not_found", "process with pid 5 not found"};
  CHECK(end_of_stream(&error).substr(5) ==
        R"({"error":{"code":"not_found","message":"process with pid 5 not found"}})");
}

TEST_CASE_METHOD(LoopFixture, "messages come out whole, however the stream is cut") {
  const std::string whole = envelope(0, R"({"a":1})") + envelope(0, "{}") + envelope(2, "{}");
  const auto size = GENERATE(1, 2, 3, 5, 7, 100);
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < whole.size(); at += static_cast<std::size_t>(size)) {
    parts.push_back(whole.substr(at, static_cast<std::size_t>(size)));
  }
  FakeExchange exchange(kStream, parts);
  EnvelopeReader reader(exchange);
  const auto first = loop.block_on(reader.next());
  REQUIRE((first && *first));
  CHECK((*first)->find("a") != nullptr);
  const auto second = loop.block_on(reader.next());
  CHECK((second && *second));
  const auto end = loop.block_on(reader.next());
  CHECK((end && !*end));
}

TEST_CASE_METHOD(LoopFixture, "compressed messages are read where the request says how") {
  FakeExchange exchange({{"content-type", "application/connect+json"}, {"connect-content-encoding", "gzip"}},
                        {envelope(1, gzip(R"({"b":2})"))});
  const auto message = loop.block_on(read_message(exchange, true));
  REQUIRE(message);
  CHECK(message->find("b") != nullptr);
  FakeExchange unnamed(kStream, {envelope(1, gzip("{}"))});
  CHECK(loop.block_on(read_message(unnamed, true)).error().code == "invalid_argument");
  FakeExchange unary({{"content-type", "application/json"}, {"content-encoding", "gzip"}}, {gzip("{}")});
  CHECK(loop.block_on(read_message(unary, false)));
}

TEST_CASE_METHOD(LoopFixture, "answers are compressed for those who take gzip") {
  Value message;
  message.set("text", std::string(5000, 'x'));
  FakeExchange asked({{"connect-accept-encoding", "br, gzip"}}, {});
  StreamWriter writer(asked);
  REQUIRE(loop.block_on(writer.send(message)));
  CHECK(loop.block_on(writer.send(Value(Value::Map{}))));
  CHECK(asked.answer.headers.get("connect-content-encoding") == "gzip");
  CHECK(asked.out.size() < 200);
  CHECK(asked.out[0] == 1);
  CHECK(asked.out.ends_with(std::string("\0\0\0\0\2{}", 7)));  // one that small is left as it is
  FakeExchange back({{"content-type", "application/connect+json"}, {"connect-content-encoding", "gzip"}}, {asked.out});
  EnvelopeReader reader(back);
  const auto same = loop.block_on(reader.next());
  REQUIRE((same && *same));
  CHECK(**same == message);

  for (const char* encodings : {"", "identity", "gzip;q=0", "br"}) {
    FakeExchange plain({{"connect-accept-encoding", encodings}}, {});
    StreamWriter other(plain);
    REQUIRE(loop.block_on(other.send(message)));
    CHECK(plain.answer.headers.get("connect-content-encoding").empty());
    CHECK(plain.out.size() > 5000);
  }
  FakeExchange unary({{"accept-encoding", "gzip, deflate"}}, {});
  loop.block_on(answer_unary(unary, message));
  CHECK(unary.answer.headers.get("content-encoding") == "gzip");
  CHECK(unary.out.size() < 200);
}

TEST_CASE_METHOD(LoopFixture, "a compression that nobody here knows is refused before anything is done") {
  FakeExchange stream({{"content-type", "application/connect+json"}, {"connect-content-encoding", "zstd"}}, {});
  CHECK(!loop.block_on(read_head(stream, true)));
  CHECK(stream.out.contains("unimplemented"));
  FakeExchange unary({{"content-type", "application/json"}, {"content-encoding", "br"}}, {});
  CHECK(!loop.block_on(read_head(unary, false)));
  CHECK(unary.answer.status == 501);
}

TEST_CASE_METHOD(LoopFixture, "what is wrong with a request is said in the protocol's way") {
  FakeExchange type({{"content-type", "text/plain"}}, {});
  CHECK(!loop.block_on(read_head(type, true)));
  CHECK(type.answer.status == 415);
  FakeExchange version({{"content-type", "application/connect+json"}, {"connect-protocol-version", "2"}}, {});
  CHECK(!loop.block_on(read_head(version, true)));
  CHECK(version.answer.status == 200);
  CHECK(version.out.contains("invalid_argument"));
  CHECK(version.ended);
  FakeExchange timeout({{"content-type", "application/json"}, {"connect-timeout-ms", "12345678901"}}, {});
  CHECK(!loop.block_on(read_head(timeout, false)));
  CHECK(timeout.answer.status == 400);
  FakeExchange fine({{"content-type", "application/json; charset=utf-8"},
                     {"connect-timeout-ms", "250"},
                     {"keepalive-ping-interval", "50"}},
                    {});
  const auto head = loop.block_on(read_head(fine, false));
  REQUIRE(head);
  CHECK(head->timeout == Duration(std::chrono::milliseconds(250)));
  CHECK(head->keepalive == Duration(std::chrono::seconds(50)));
}

TEST_CASE_METHOD(LoopFixture, "a unary failure has the status of its code") {
  for (const auto& [code, status] :
       {std::pair("not_found", 404), std::pair("already_exists", 409), std::pair("unavailable", 503),
        std::pair("internal", 500), std::pair("canceled", 499), std::pair("failed_precondition", 400)}) {
    FakeExchange exchange({}, {});
    loop.block_on(answer_unary(exchange, rpc_fail(code, "why")));
    CHECK(exchange.answer.status == status);
    CHECK(exchange.out == std::string(R"({"code":")") + code + R"(","message":"why"})");
  }
  FakeExchange empty({}, {});
  loop.block_on(answer_unary(empty, Value()));
  CHECK(empty.out == "{}");
}

TEST_CASE_METHOD(LoopFixture, "a request for a stream without its message, with half of one or with two is refused") {
  FakeExchange none(kStream, {});
  CHECK(loop.block_on(read_message(none, true)).error().code == "unimplemented");
  FakeExchange two(kStream, {envelope(0, "{}"), envelope(0, "{}")});
  CHECK(loop.block_on(read_message(two, true)).error().code == "unimplemented");
  FakeExchange half(kStream, {envelope(0, "{}").substr(0, 6)});
  CHECK(loop.block_on(read_message(half, true)).error().code == "invalid_argument");
  FakeExchange huge(kStream, {std::string("\0\x7f\xff\xff\xff", 5)});
  CHECK(loop.block_on(read_message(huge, true)).error().code == "resource_exhausted");
}

}  // namespace swarm::tests
