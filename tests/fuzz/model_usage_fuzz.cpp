// Feeds bytes to the reader of what a model's answer used, whole and in pieces: the counts are the same, never below
// nothing, and can be added.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "daemon/model/usage.hpp"

namespace {

using namespace swarm::model;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

Used read(std::string_view bytes, std::size_t piece, UsageReader::Shape shape) {
  UsageReader reader(shape);
  for (std::size_t at = 0; at < bytes.size(); at += piece) reader.take(bytes.substr(at, piece));
  return reader.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const auto shape : {UsageReader::Shape::events, UsageReader::Shape::document}) {
    const Used whole = read(bytes, bytes.size() + 1, shape);
    const Used pieces = read(bytes, std::size_t{1} + data[0] % 16, shape);
    require(whole.model == pieces.model && whole.input == pieces.input && whole.output == pieces.output &&
                whole.cache_read == pieces.cache_read && whole.cache_write == pieces.cache_write,
            "the size of the pieces matters");
    require(whole.input >= 0 && whole.output >= 0 && whole.cache_read >= 0 && whole.cache_write >= 0,
            "less than nothing used");
    static_cast<void>(whole.any());
  }
  return 0;
}
