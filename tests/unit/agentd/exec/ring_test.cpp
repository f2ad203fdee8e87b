#include <fcntl.h>

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>
#include <thread>

#include "agentd/exec/ring_file.hpp"
#include "agentd/exec/shim/ring_writer.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::tests {
namespace {

using agentd::RingFile;
using agentd::shim::RingWriter;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST_CASE("ring: any writes and reads agree with a plain string") {
  rc::prop("ring", [](const std::vector<std::string>& writes) {
    const test::TemporaryDirectory directory;
    const auto capacity = *rc::gen::inRange<std::uint64_t>(1, 40);
    auto ring = RingFile::create(directory / "ring", capacity);
    RC_ASSERT(ring.has_value());
    RingWriter writer;
    RC_ASSERT(writer.open(dup(ring->fd())));
    std::string all;
    for (const auto& text : writes) {
      writer.append(bytes_of(text));
      all += text;
      RC_ASSERT(ring->end() == all.size());
      RC_ASSERT(ring->first() == (all.size() > capacity ? all.size() - capacity : 0));
      const auto from = *rc::gen::inRange<std::uint64_t>(0, all.size() + 2);
      const auto most = *rc::gen::inRange<std::size_t>(1, 50);
      const auto chunk = ring->read(from, most);
      RC_ASSERT(chunk.has_value());
      RC_ASSERT(chunk->offset == std::max(from, ring->first()));
      const std::string expected = chunk->offset < all.size() ? all.substr(chunk->offset, most) : "";
      RC_ASSERT(chunk->bytes == expected);
    }
  });
}

TEST_CASE("ring: a reader beside a fast writer never gets a wrong byte") {
  const test::TemporaryDirectory directory;
  auto ring = RingFile::create(directory / "ring", 5000);
  REQUIRE(ring);
  const auto byte_at = [](std::uint64_t offset) { return static_cast<char>(offset * 2654435761U >> 13U); };
  std::thread writing([&] {
    RingWriter writer;
    if (!writer.open(dup(ring->fd()))) return;
    std::string chunk;
    for (std::uint64_t at = 0; at < 20'000'000; at += chunk.size()) {
      chunk.resize(1 + at % 1777);
      for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = byte_at(at + i);
      writer.append(bytes_of(chunk));
    }
  });
  std::uint64_t at = 0;
  std::uint64_t wrong = 0;
  std::uint64_t read = 0;
  while (ring->end() < 20'000'000 || at < ring->end()) {
    const auto chunk = ring->read(at, 3000);
    if (!chunk) break;
    for (std::size_t i = 0; i < chunk->bytes.size(); ++i)
      wrong += chunk->bytes[i] == byte_at(chunk->offset + i) ? 0U : 1U;
    at = chunk->offset + chunk->bytes.size();
    read += chunk->bytes.size();
  }
  writing.join();
  CHECK(wrong == 0);
  CHECK(read > 0);
}

TEST_CASE("ring: a file that is none is refused") {
  const test::TemporaryDirectory directory;
  CHECK(RingFile::open(directory / "absent").error().code == Code::not_found);
  auto ring = RingFile::create(directory / "ring", 100);
  REQUIRE(ring);
  CHECK(RingFile::open(directory / "ring"));
  REQUIRE(ftruncate(ring->fd(), 4100) == 0);
  CHECK(!RingFile::open(directory / "ring"));
}

}  // namespace
}  // namespace swarm::tests
