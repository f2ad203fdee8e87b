#include "protocol/core/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace swarm {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::array<Unit, 8> kTimes = {{{"w", 7 * 86'400 * kSecond},
                                         {"d", 86'400 * kSecond},
                                         {"h", 3'600 * kSecond},
                                         {"m", 60 * kSecond},
                                         {"s", kSecond},
                                         {"ms", 1'000'000},
                                         {"us", 1'000},
                                         {"ns", 1}}};

constexpr std::uint64_t kKibi = 1024;
constexpr std::array<Unit, 17> kSizes = {{{"PiB", kKibi* kKibi* kKibi* kKibi* kKibi},
                                          {"PB", 1'000'000'000'000'000},
                                          {"TiB", kKibi* kKibi* kKibi* kKibi},
                                          {"TB", 1'000'000'000'000},
                                          {"GiB", kKibi* kKibi* kKibi},
                                          {"GB", 1'000'000'000},
                                          {"MiB", kKibi* kKibi},
                                          {"MB", 1'000'000},
                                          {"KiB", kKibi},
                                          {"kB", 1'000},
                                          {"B", 1},
                                          // Only read, never written:
                                          {"KB", 1'000},
                                          {"Pi", kKibi* kKibi* kKibi* kKibi* kKibi},
                                          {"Ti", kKibi* kKibi* kKibi* kKibi},
                                          {"Gi", kKibi* kKibi* kKibi},
                                          {"Mi", kKibi* kKibi},
                                          {"Ki", kKibi}}};
constexpr std::size_t kWrittenSizes = 11;

constexpr std::array<Unit, 11> kPeriods = {{{"s", kSecond},
                                            {"min", 60 * kSecond},
                                            {"h", 3'600 * kSecond},
                                            {"day", 86'400 * kSecond},
                                            // Only read, never written:
                                            {"sec", kSecond},
                                            {"second", kSecond},
                                            {"m", 60 * kSecond},
                                            {"minute", 60 * kSecond},
                                            {"hour", 3'600 * kSecond},
                                            {"d", 86'400 * kSecond},
                                            {"hr", 3'600 * kSecond}}};
constexpr std::size_t kWrittenPeriods = 4;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes digits from the front of `text`; nothing if there are none or they do not fit.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

/// Takes "12" or "1.25" and the unit after it, and gives whole * factor + fraction * factor if that is a whole number
/// that fits.
template <std::size_t N>
std::optional<std::uint64_t> take_quantity(std::string_view& text, const std::array<Unit, N>& units,
                                           std::size_t& unit) {
  const auto whole = take_number(text);
  if (!whole) return std::nullopt;
  std::string_view fraction;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    std::size_t length = 0;
    while (length < text.size() && is_digit(text[length])) ++length;
    if (length == 0 || length > 15) return std::nullopt;
    fraction = text.substr(0, length);
    text.remove_prefix(length);
  }
  std::size_t length = 0;
  while (length < text.size() && !is_digit(text[length])) ++length;
  const std::string_view name = text.substr(0, length);
  text.remove_prefix(length);
  for (unit = 0; unit < N && units[unit].name != name; ++unit) {
  }
  if (unit == N) return std::nullopt;
  const std::uint64_t factor = units[unit].factor;

  std::uint64_t total = 0;
  if (__builtin_mul_overflow(*whole, factor, &total)) return std::nullopt;
  // Long division digit by digit keeps the fraction exact without a wider integer.
  std::uint64_t scale = 1;
  std::uint64_t digits = 0;
  for (const char c : fraction) {
    scale *= 10;
    digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
  }
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(digits) * factor;
  if (product % scale != 0) return std::nullopt;
  if (__builtin_add_overflow(total, static_cast<std::uint64_t>(product / scale), &total)) return std::nullopt;
  return total;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is not a duration{}; write it like 250ms, 5m or 1h30m", text, why));
  };
  if (text == "0") return Duration::zero();
  if (text.empty()) return bad("");
  if (text.find_first_not_of("0123456789") == std::string_view::npos) return bad(": the unit is missing");
  std::uint64_t total = 0;
  std::optional<std::size_t> last;
  for (std::string_view rest = text; !rest.empty();) {
    std::size_t unit = 0;
    const auto part = take_quantity(rest, kTimes, unit);
    if (!part) return bad("");
    if (last && unit <= *last) return bad(": units go from large to small, each once");
    last = unit;
    if (__builtin_add_overflow(total, *part, &total)) return bad(": too long");
  }
  if (total > static_cast<std::uint64_t>(std::numeric_limits<Duration::rep>::max())) return bad(": too long");
  return Duration(static_cast<Duration::rep>(total));
}

std::string format_duration(Duration duration) {
  auto rest = static_cast<std::uint64_t>(duration.count());
  std::string text;
  for (const Unit& unit : kTimes) {
    // Weeks read badly in sums ("2w1d"); days are what people count in.
    if (unit.name == "w") continue;
    if (const std::uint64_t n = rest / unit.factor; n > 0)
      fmt::format_to(std::back_inserter(text), "{}{}", n, unit.name);
    rest %= unit.factor;
  }
  return text.empty() ? "0s" : text;
}

Result<ByteSize> parse_size(std::string_view text) {
  if (text == "0") return ByteSize{};
  std::string_view rest = text;
  std::size_t unit = 0;
  const auto bytes = take_quantity(rest, kSizes, unit);
  if (bytes && rest.empty()) return ByteSize{*bytes};
  const bool bare = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  return fail(Code::invalid_argument, fmt::format("'{}' is not a size{}; write it like 512MiB, 2GB or 100B", text,
                                                  bare ? ": the unit is missing" : ""));
}

std::string format_size(ByteSize size) {
  if (size.bytes == 0) return "0B";
  std::string best;
  for (std::size_t i = 0; i < kWrittenSizes; ++i) {
    if (size.bytes % kSizes[i].factor != 0) continue;
    std::string text = fmt::format("{}{}", size.bytes / kSizes[i].factor, kSizes[i].name);
    if (best.empty() || text.size() < best.size()) best = std::move(text);
  }
  return best;
}

Result<Rate> parse_rate(std::string_view text) {
  const auto bad = [&] {
    return fail(Code::invalid_argument, fmt::format("'{}' is not a rate; write it like 60/min, 5/s or 100/10s", text));
  };
  std::string_view rest = text;
  const auto count = take_number(rest);
  if (!count || rest.empty() || rest.front() != '/') return bad();
  rest.remove_prefix(1);
  for (const Unit& period : kPeriods) {
    if (period.name == rest) return Rate{*count, Duration(static_cast<Duration::rep>(period.factor))};
  }
  const Result<Duration> per = parse_duration(rest);
  if (!per || per->count() == 0) return bad();
  return Rate{*count, *per};
}

std::string format_rate(Rate rate) {
  for (std::size_t i = 0; i < kWrittenPeriods; ++i) {
    if (static_cast<std::uint64_t>(rate.per.count()) == kPeriods[i].factor) {
      return fmt::format("{}/{}", rate.count, kPeriods[i].name);
    }
  }
  return fmt::format("{}/{}", rate.count, format_duration(rate.per));
}

}  // namespace swarm
