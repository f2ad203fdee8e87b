// What E2B's services and whatever runs in a sandbox may answer: envelopes, process events, sandboxes, errors.

#include <cstdio>
#include <cstdlib>

#include "daemon/providers/e2b/codec.hpp"
#include "daemon/providers/e2b/connect.hpp"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace swarm;
  using namespace swarm::e2b;
  const std::string_view text(reinterpret_cast<const char*>(data), size);  // NOLINT: bytes as characters

  // However a stream is cut, the same messages come out of it.
  constexpr std::size_t kMost = 4096;
  EnvelopeReader whole(kMost);
  whole.push(text);
  EnvelopeReader cut(kMost);
  std::size_t given = 0;
  for (;;) {
    const auto one = whole.next();
    auto other = cut.next();
    while (other && !*other && given < text.size()) {
      cut.push(text.substr(given++, 1));
      other = cut.next();
    }
    require(one.has_value() == other.has_value(), "a cut that changes whether a stream is good");
    if (!one || !*one) break;
    require(**one == **other, "a cut that changes a message");
    require((*one)->payload.size() <= kMost, "a message beyond the limit");
    static_cast<void>(decode_event((*one)->payload));
    static_cast<void>(decode_end((*one)->payload));
  }
  static_cast<void>(decode_event(text));
  static_cast<void>(decode_processes(text));
  const ErrorBody error = decode_error(text);
  require(error.message.size() <= 2000 && !error.message.contains('\n'), "an error of more than a line");
  if (const auto sandbox = decode_sandbox(text)) {
    require(!sandbox->id.empty() && !sandbox->id.contains('/') && !sandbox->id.contains('.'),
            "an id that leads elsewhere");
  }
  static_cast<void>(decode_sandboxes(text));
  static_cast<void>(decode_metrics(text));
  static_cast<void>(decode_logs(text));
  static_cast<void>(decode_templates(text));
  static_cast<void>(parse_time(text));
  return 0;
}
