#include <catch2/catch.hpp>

#include "daemon/model/http1.hpp"
#include "daemon/model/routes.hpp"
#include "daemon/model/usage.hpp"
#include "tests/fixtures/byte_streams.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::model;
using swarm::tests::LoopFixture;

namespace {

Request asked(std::string target, std::vector<http_client::Header> headers = {}) {
  Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers = std::move(headers);
  return request;
}

/// A connection on which these chunks arrive.
struct Line {
  tests::Received out;
  ServerConnection connection;
  Line(async::Loop& loop, std::deque<std::string> chunks, Bounds bounds = {})
      : out(loop),
        connection(std::make_unique<tests::MemorySource>(loop, std::move(chunks)),
                   std::make_unique<tests::MemorySink>(out), bounds) {}
};

}  // namespace

TEST_CASE("only requests to models pass, each to its provider") {
  CHECK(provider_of(asked("/v1/messages?beta=true")) == "anthropic");
  CHECK(provider_of(asked("/v1/messages/count_tokens")) == "anthropic");
  CHECK(provider_of(asked("/v1/models", {{"Anthropic-Version", "2023-06-01"}})) == "anthropic");
  CHECK(provider_of(asked("/v1/models")) == "openai");
  CHECK(provider_of(asked("/v1/responses")) == "openai");
  CHECK(provider_of(asked("/v1/chat/completions")) == "openai");
  CHECK(provider_of(asked("/v1beta/models/gemini:streamGenerateContent?alt=sse")) == "google");
  for (const char* target : {"/", "/v1/organizations/api_keys", "/v1/messages/../organizations", "/v1//messages",
                             "/v1/messages%2f..%2fx", "/v1/messagesx", "/v1/files", "/v1/fine_tuning/jobs"}) {
    INFO(target);
    CHECK_FALSE(provider_of(asked(target)));
  }
}

TEST_CASE("what a sandbox takes for a key stays behind") {
  const Request request = asked("/v1beta/models/x:y?key=placeholder&alt=sse", {{"X-Api-Key", "placeholder"},
                                                                               {"Authorization", "Bearer placeholder"},
                                                                               {"x-goog-api-key", "placeholder"},
                                                                               {"Cookie", "placeholder"},
                                                                               {"Host", "127.0.0.1"},
                                                                               {"Accept-Encoding", "br"},
                                                                               {"anthropic-beta", "a"}});
  CHECK(target_of(request) == "/v1beta/models/x:y?alt=sse");
  CHECK(headers_of(request) == std::vector<http_client::Header>{{"anthropic-beta", "a"}});
  CHECK(key_header("openai", "k").value == "Bearer k");
  CHECK(key_header("anthropic", "k").name == "x-api-key");
}

TEST_CASE_METHOD(LoopFixture, "requests are read one after the other, however they are cut") {
  const std::string text =
      "POST /v1/messages HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
      "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, text.size()}) {
    std::deque<std::string> chunks;
    for (std::size_t at = 0; at < text.size(); at += size) chunks.push_back(text.substr(at, size));
    Line line(loop, std::move(chunks));
    const auto first = loop.block_on(line.connection.next());
    REQUIRE((first && *first));
    CHECK((*first)->body == "hello");
    CHECK((*first)->keep_alive);
    const auto second = loop.block_on(line.connection.next());
    REQUIRE((second && *second));
    CHECK((*second)->body == "abcde");
    CHECK_FALSE((*second)->keep_alive);
    const auto end = loop.block_on(line.connection.next());
    REQUIRE(end);
    CHECK_FALSE(*end);
  }
}

TEST_CASE_METHOD(LoopFixture, "what is odd about a request is refused") {
  for (const char* text :
       {"hello\r\n\r\n", "GET x HTTP/1.1\r\n\r\n", "GET / HTTP/2\r\n\r\n", "GET / HTTP/1.1\r\nA B: c\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "GET / HTTP/1.1\r\n"}) {
    INFO(text);
    Line line(loop, {text});
    const auto request = loop.block_on(line.connection.next());
    REQUIRE_FALSE(request);
    CHECK(request.error().code == Code::invalid_argument);
  }
  Line line(loop, {"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n"}, {.head_bytes = 100, .body_bytes = 10});
  const auto request = loop.block_on(line.connection.next());
  REQUIRE_FALSE(request);
  CHECK(request.error().code == Code::resource_exhausted);
}

TEST_CASE_METHOD(LoopFixture, "an answer is sent in chunks as it comes") {
  Line line(loop, {});
  REQUIRE(loop.block_on(line.connection.begin(200, {{"content-type", "text/event-stream"}}, true)));
  REQUIRE(loop.block_on(line.connection.part("hello world, hello")));
  REQUIRE(loop.block_on(line.connection.part("")));
  REQUIRE(loop.block_on(line.connection.finish()));
  CHECK(line.out.text ==
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        "12\r\nhello world, hello\r\n0\r\n\r\n");
}

TEST_CASE("what an answer used is read from each provider's way of saying it") {
  const auto used = [](UsageReader::Shape shape, std::string_view text) {
    UsageReader reader(shape);
    for (std::size_t at = 0; at < text.size(); at += 5) reader.take(text.substr(at, 5));
    return reader.finish();
  };
  const Used anthropic =
      used(UsageReader::Shape::events,
           "event: message_start\ndata: "
           "{\"type\":\"message_start\",\"message\":{\"model\":\"claude-x\",\"usage\":{\"input_tokens\":"
           "10,\"cache_read_input_tokens\":4,\"cache_creation_input_tokens\":3,\"output_tokens\":1}}}\n\nevent: "
           "message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":25}}\n\n");
  CHECK(anthropic.model == "claude-x");
  CHECK(anthropic.input == 10);
  CHECK(anthropic.output == 25);
  CHECK(anthropic.cache_read == 4);
  CHECK(anthropic.cache_write == 3);
  const Used openai =
      used(UsageReader::Shape::events,
           "data: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-x\",\"usage\":{\"input_tokens\":"
           "12,\"input_tokens_details\":{\"cached_tokens\":2},\"output_tokens\":7}}}\n\ndata: [DONE]\n\n");
  CHECK(openai.model == "gpt-x");
  CHECK(openai.input == 10);
  CHECK(openai.cache_read == 2);
  CHECK(openai.output == 7);
  const Used google =
      used(UsageReader::Shape::document,
           "{\"modelVersion\":\"gemini-x\",\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":5,"
           "\"thoughtsTokenCount\":2}}");
  CHECK(google.model == "gemini-x");
  CHECK(google.input == 8);
  CHECK(google.output == 7);
  const Used boasted =
      used(UsageReader::Shape::document,
           "{\"usage\":{\"output_tokens\":9223372036854775807,\"completion_tokens\":9223372036854775807}}");
  CHECK(boasted.output == 2'000'000'000'000);
  CHECK_FALSE(used(UsageReader::Shape::document, "{\"error\":\"no\"}").any());
  CHECK_FALSE(used(UsageReader::Shape::events, "data: {not json, \"usage\n").any());
}
