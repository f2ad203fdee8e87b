#include "client/output/progress.hpp"

#include <fmt/format.h>

#include "client/output/human.hpp"
#include "client/output/width.hpp"

namespace swarm::client {
namespace {

constexpr auto kFirst = std::chrono::milliseconds(300);
constexpr auto kEvery = std::chrono::milliseconds(100);
constexpr std::size_t kBar = 20;

}  // namespace

Progress::Progress(Context& context, std::string what)
    : context_(context), what_(std::move(what)), started_(context.loop.clock().now()), timer_(context.loop) {
  if (context.printer.err().terminal && !context.printer.quiet() && !context.printer.json()) schedule(kFirst);
}

void Progress::schedule(Duration after) {
  timer_.start_after(after, [this] {
    draw();
    schedule(kEvery);
  });
}

void Progress::bytes(std::uint64_t done, std::optional<std::uint64_t> total) {
  done_ = done;
  total_ = total;
}

void Progress::draw() {
  const Duration passed = context_.loop.clock().now() - started_;
  std::string line = what_;
  if (done_) {
    const double seconds = std::chrono::duration<double>(passed).count();
    const auto rate = static_cast<std::uint64_t>(static_cast<double>(*done_) / std::max(seconds, 0.001));
    if (total_ && *total_ > 0) {
      const std::uint64_t filled = std::min<std::uint64_t>(kBar, *done_ * kBar / *total_);
      line += fmt::format("  [{}{}] {} of {}", std::string(filled, '#'), std::string(kBar - filled, '.'),
                          human_size(*done_), human_size(*total_));
    } else {
      line += "  " + human_size(*done_);
    }
    line += fmt::format("  {}/s", human_size(rate));
  } else {
    line += fmt::format(" ... {} s", std::chrono::duration_cast<std::chrono::seconds>(passed).count());
  }
  // One column less than the terminal has: a full line would wrap and leave rests behind.
  context_.printer.err().write("\r" + cut_to_width(line, context_.printer.err().columns - 1) + "\x1b[K");
  shown_ = true;
}

void Progress::finish() {
  timer_.cancel();
  if (shown_) context_.printer.err().write("\r\x1b[K");
  shown_ = false;
}

}  // namespace swarm::client
