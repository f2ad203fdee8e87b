#include "protocol/wire/record.hpp"

#include <rapidcheck/catch.h>

#include <catch2/catch.hpp>

#include "protocol/wire/byte_queue.hpp"

using namespace swarm;
using namespace swarm::wire;

namespace {

/// Writes down what a parser finds, with neighbouring data put together: how data is cut is not part of the meaning.
struct Log final : RecordSink {
  std::string text;
  bool in_data = false;

  Result<void> on_data(std::span<const std::byte> bytes) override {
    if (!std::exchange(in_data, true)) text += "data:";
    for (const std::byte byte : bytes) text += std::to_integer<char>(byte);
    return {};
  }
  Result<void> add(const std::string& line) {
    text += (in_data ? "\n" : "") + line + "\n";
    in_data = false;
    return {};
  }
  Result<void> on_ack(std::uint64_t received, std::uint64_t limit) override {
    return add("ack " + std::to_string(received) + " " + std::to_string(limit));
  }
  Result<void> on_ping(std::uint64_t n) override { return add("ping " + std::to_string(n)); }
  Result<void> on_pong(std::uint64_t n) override { return add("pong " + std::to_string(n)); }
  Result<void> on_fin(std::uint64_t n) override { return add("fin " + std::to_string(n)); }
  Result<void> on_close(CloseReason reason) override {
    return add("close " + std::to_string(static_cast<int>(reason)));
  }
};

std::string record(RecordType type, const std::string& payload) {
  std::array<std::byte, kRecordHeader> header{};
  put_header(header, type, payload.size());
  std::string text;
  for (const std::byte byte : header) text += std::to_integer<char>(byte);
  return text + payload;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// Feeds `input` in pieces of these sizes (again and again); what was found, and the error if there was one.
std::string parse(const std::string& input, const std::vector<std::size_t>& sizes) {
  Log log;
  RecordParser parser;
  std::size_t turn = 0;
  for (std::size_t at = 0; at < input.size();) {
    const std::size_t size = std::min(sizes.empty() ? input.size() : sizes[turn++ % sizes.size()], input.size() - at);
    const Result<void> fed = parser.feed(bytes_of(input).subspan(at, size), log);
    if (!fed) return log.text + "\nerror: " + fed.error().to_string();
    at += size;
  }
  return log.text;
}

rc::Gen<std::string> some_record() {
  return rc::gen::exec([] {
    const auto length = [](std::size_t least, std::size_t most) {
      return rc::gen::container<std::string>(*rc::gen::inRange(least, most + 1), rc::gen::arbitrary<char>());
    };
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
        return record(RecordType::ack, *length(16, 16));
      case 1:
        return record(RecordType::ping, *length(8, 8));
      case 2:
        return record(RecordType::pong, *length(8, 8));
      case 3:
        return record(RecordType::fin, *length(8, 8));
      case 4:
        return record(RecordType::close, *length(1, 1));
      default:
        return record(RecordType::data, *length(1, 300));
    }
  });
}

rc::Gen<std::vector<std::size_t>> some_cuts() {
  return rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 40)));
}

}  // namespace

TEST_CASE("records have the bytes that the format says") {
  std::array<std::byte, kMaxControlRecord> into{};
  REQUIRE(put_ack(into, 0x0102030405060708U, 9) == 20);
  CHECK(std::to_integer<int>(into[0]) == 2);
  CHECK(std::to_integer<int>(into[3]) == 16);
  CHECK(std::to_integer<int>(into[4]) == 1);
  CHECK(std::to_integer<int>(into[11]) == 8);
  CHECK(std::to_integer<int>(into[19]) == 9);
  CHECK(parse(record(RecordType::close, std::string(1, '\x02')), {}) == "close 2\n");
}

TEST_CASE("types and lengths that do not exist are refused at their header") {
  const auto error_of = [](const std::string& input) { return parse(input, {}); };
  CHECK_THAT(error_of(record(RecordType{9}, "x")), Catch::Contains("unknown type 9"));
  CHECK_THAT(error_of(record(RecordType{0}, "x")), Catch::Contains("unknown type 0"));
  CHECK_THAT(error_of(record(RecordType::data, "")), Catch::Contains("0 bytes; 1 to 65536"));
  CHECK_THAT(error_of(std::string("\x01\xff\xff\xff", 4)), Catch::Contains("16777215 bytes"));
  CHECK_THAT(error_of(std::string("\x02\x00\x00\x0f", 4)), Catch::Contains("15 bytes; 16 to 16"));
}

TEST_CASE("any split of the input gives the same records") {
  rc::prop("well-formed", [] {
    std::string input;
    for (const std::string& one : *rc::gen::container<std::vector<std::string>>(some_record())) input += one;
    RC_ASSERT(parse(input, *some_cuts()) == parse(input, {}));
  });
  rc::prop("anything", [] {
    const auto input = *rc::gen::container<std::string>(
        rc::gen::oneOf(rc::gen::element<char>(0, 0, 0, 1, 2, 3, 4, 5, 6, 8, 16), rc::gen::arbitrary<char>()));
    RC_ASSERT(parse(input, *some_cuts()) == parse(input, {}));
  });
}

TEST_CASE("a byte queue is a string that is cut at the front") {
  rc::prop("against std::string", [] {
    ByteQueue queue;
    std::string model;
    const auto steps = *rc::gen::container<std::vector<std::pair<int, std::size_t>>>(
        rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange<std::size_t>(0, 70'000)));
    char next = 0;
    for (const auto& [what, size] : steps) {
      std::string piece(size % (what == 1 ? 100 : 70'000), '\0');
      for (char& c : piece) c = next++;
      if (what <= 1) {
        queue.append(bytes_of(piece));
        model += piece;
      } else if (what == 2) {
        std::string out(std::min(size, model.size()), '\0');
        RC_ASSERT(queue.pop(std::as_writable_bytes(std::span(out))) == out.size());
        RC_ASSERT(out == model.substr(0, out.size()));
        model.erase(0, out.size());
      } else if (size % 2 == 0) {
        queue.drop(std::min(size, model.size()));
        model.erase(0, std::min(size, model.size()));
      } else {
        queue.push_front(bytes_of(piece));
        model.insert(0, piece);
      }
      RC_ASSERT(queue.size() == model.size());
      const std::size_t position = model.empty() ? 0 : size % model.size();
      const auto seen = queue.at(position, 1000);
      RC_ASSERT(seen.empty() == model.empty());
      RC_ASSERT(std::ranges::equal(seen, bytes_of(model).subspan(position, seen.size())));
    }
  });
}
