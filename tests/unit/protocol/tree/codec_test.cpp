#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "protocol/tree/decoder.hpp"
#include "protocol/tree/encoder.hpp"

using namespace swarm;
using namespace swarm::tree;

namespace {

/// Keeps what a decoder tells.
struct Record final : Receiver {
  std::vector<std::pair<Entry, std::string>> entries;
  Result<void> begin(const Entry& entry) override {
    entries.emplace_back(entry, "");
    return {};
  }
  Result<void> data(std::span<const char> bytes) override {
    entries.back().second.append(bytes.data(), bytes.size());
    return {};
  }
  Result<void> end() override { return {}; }
};

struct Outcome {
  std::vector<std::pair<Entry, std::string>> entries;
  Result<void> status;
};

Outcome decode(std::string_view bytes, std::size_t step = 1 << 20, const Limits& limits = {}) {
  Record record;
  Decoder decoder(record, limits);
  Result<void> status;
  while (!bytes.empty() && status) {
    status = decoder.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  if (status) status = decoder.finish();
  return {std::move(record.entries), std::move(status)};
}

std::string archive(const std::vector<std::pair<Entry, std::string>>& entries) {
  std::string out;
  for (const auto& [entry, content] : entries) {
    append_entry(out, entry);
    out += content;
    append_padding(out, content.size());
  }
  append_end(out);
  return out;
}

/// A header as an attacker writes it: whatever is said, with a true checksum.
std::string block(char type, std::string_view name, std::uint64_t size, std::string_view link = "") {
  Header header;
  header.set_text(field::name, name);
  header.set_number(field::mode, 0644);
  header.set_number(field::size, size);
  header.set_number(field::mtime, 0);
  header.set_text(field::link, link);
  header.set_type(type);
  header.seal();
  return std::string(header.bytes());
}

std::string extended(char type, std::string text) {
  std::string out = block(type, "x", text.size()) + text;
  append_padding(out, text.size());
  return out;
}

Code refusal(const std::string& bytes, const Limits& limits = {}) {
  std::string whole = bytes;
  append_end(whole);
  const Outcome outcome = decode(whole, 512, limits);
  REQUIRE_FALSE(outcome.status);
  CHECK(outcome.entries.size() <= 3);
  return outcome.status.error().code;
}

rc::Gen<std::string> any_name() {
  return rc::gen::map(rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::arbitrary<char>())),
                      [](std::string name) {
                        for (char& c : name) {
                          if (c == '/' || c == '\0') c = '_';
                        }
                        name.resize(std::min<std::size_t>(name.size(), 255));
                        return name == "." || name == ".." ? std::string("dots") : name;
                      });
}

rc::Gen<Entry> any_entry() {
  return rc::gen::exec([] {
    Entry entry;
    entry.kind = *rc::gen::element(Kind::file, Kind::directory, Kind::symlink, Kind::hard_link);
    const auto names = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(any_name()));
    for (const std::string& name : names) entry.path += (entry.path.empty() ? "" : "/") + name;
    RC_PRE(entry.path.size() < 4000U);
    entry.mode = *rc::gen::inRange(0U, 010000U);
    entry.mtime_ns =
        *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(-9'000'000'000'000'000'000, 9'000'000'000'000'000'000),
                        rc::gen::map(rc::gen::inRange<std::int64_t>(0, 4'000'000'000),
                                     [](std::int64_t s) { return s * 1'000'000'000; }));
    if (entry.kind == Kind::symlink) entry.target = *any_name() + "/" + *any_name();
    if (entry.kind == Kind::hard_link) entry.target = *any_name();
    return entry;
  });
}

}  // namespace

TEST_CASE("what is encoded decodes as the same, in pieces of any size") {
  rc::prop("round trip", [] {
    std::vector<std::pair<Entry, std::string>> entries;
    for (Entry& entry : *rc::gen::container<std::vector<Entry>>(any_entry())) {
      std::string content;
      if (entry.kind == Kind::file) content = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
      entry.size_bytes = content.size();
      entries.emplace_back(std::move(entry), std::move(content));
    }
    const std::size_t step = *rc::gen::inRange<std::size_t>(1, 3000);
    const Outcome outcome = decode(archive(entries), step);
    RC_ASSERT(outcome.status.has_value());
    RC_ASSERT(outcome.entries == entries);
  });
}

TEST_CASE("a file above 8 GiB is announced with its true size") {
  std::string out;
  append_entry(out, {.kind = Kind::file, .path = "big", .mode = 0644, .size_bytes = std::uint64_t{20} << 30U});
  Record record;
  Decoder decoder(record, {});
  REQUIRE(decoder.feed(out));
  REQUIRE(record.entries.size() == 1);
  CHECK(record.entries[0].first.size_bytes == std::uint64_t{20} << 30U);
}

TEST_CASE("paths that leave the tree are refused") {
  for (const std::string_view path : {"/etc/passwd", "../x", "a/../../x", "a/..", ".."}) {
    INFO(path);
    CHECK(refusal(block('0', path, 0)) == Code::invalid_argument);
    CHECK(refusal(block('5', path, 0)) == Code::invalid_argument);
    CHECK(refusal(block('1', "link", 0, path)) == Code::invalid_argument);
  }
  CHECK(refusal(extended('L', std::string("../../x\0", 8)) + block('0', "fine", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('x', "14 path=../..\n") + block('0', "fine", 0)) == Code::invalid_argument);
}

TEST_CASE("devices, pipes, sparse members and unknown types are refused") {
  for (const char type : {'3', '4', '6', 'S', 'V', 'z'})
    CHECK(refusal(block(type, "thing", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('x', "22 GNU.sparse.major=1\n") + block('0', "x", 0)) == Code::invalid_argument);
}

TEST_CASE("what exceeds a limit is refused before it is held") {
  Limits limits;
  limits.max_entries = 2;
  CHECK(refusal(block('5', "a", 0) + block('5', "b", 0) + block('5', "c", 0), limits) == Code::resource_exhausted);
  limits = {};
  limits.max_total_bytes = 1000;
  CHECK(refusal(block('0', "a", 1001), limits) == Code::resource_exhausted);
  CHECK(refusal(block('0', "a", 512) + std::string(512, 'x') + block('0', "b", 489), limits) ==
        Code::resource_exhausted);
  CHECK(refusal(block('x', "x", 300'000)) == Code::resource_exhausted);
  CHECK(refusal(block('x', "x", kMaxOctal)) == Code::resource_exhausted);
  // Headers without an entry between them count together.
  std::string many;
  const std::string record = "100 comment=" + std::string(87, 'c') + "\n";
  for (int i = 0; i < 3000; ++i) many += extended('x', record);
  CHECK(refusal(many) == Code::resource_exhausted);

  std::string deep;
  for (int i = 0; i < 201; ++i) deep += "d/";
  const std::string long_name = deep + std::string("\0", 1);
  CHECK(refusal(extended('L', long_name) + block('5', "x", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('L', std::string(256, 'n')) + block('0', "x", 0)) == Code::invalid_argument);
}

TEST_CASE("a broken archive says so") {
  std::string bytes = block('0', "a", 3) + "abc" + std::string(509, '\0');
  CHECK(decode(bytes).status.error().code == Code::unavailable);
  CHECK(decode(bytes.substr(0, 514)).status.error().code == Code::unavailable);
  CHECK(decode("").status.error().code == Code::unavailable);
  bytes[0] = 'b';
  CHECK(decode(bytes).status.error().message.find("checksum") != std::string::npos);
  CHECK(refusal(extended('x', "9 path=a\n9") + block('0', "x", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('x', "99 path=a\n") + block('0', "x", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('x', "1 p=a\n") + block('0', "x", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('x', "11 mtime=x\n") + block('0', "x", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('x', "11 size=-1\n") + block('0', "x", 0)) == Code::invalid_argument);
  CHECK(refusal(extended('x', "27 mtime=99999999999999999\n") + block('0', "x", 0)) == Code::invalid_argument);
}

TEST_CASE("archives of other writers are read: GNU's long names, base-256 sizes, prefixes, global headers") {
  const std::string name(150, 'g');
  std::string bytes =
      extended('g', "20 comment=whatever\n") + extended('L', name + std::string("\0", 1)) + block('0', "cut", 0);
  Header prefixed;
  prefixed.set_text(field::name, "name");
  prefixed.set_text(field::prefix, "some/where");
  prefixed.set_number(field::mode, 0644);
  prefixed.set_type('0');
  prefixed.seal();
  bytes += prefixed.bytes();
  append_end(bytes);
  bytes += std::string(10240, '\0');  // the rest of its last record
  const Outcome outcome = decode(bytes, 700);
  REQUIRE(outcome.status);
  REQUIRE(outcome.entries.size() == 2);
  CHECK(outcome.entries[0].first.path == name);
  CHECK(outcome.entries[1].first.path == "some/where/name");
}
