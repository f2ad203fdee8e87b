#include "daemon/costs/money.hpp"

#include <fmt/format.h>

#include <array>

namespace swarm::costs {
namespace {

constexpr Int128 kHour = 3'600'000'000'000;  // nanoseconds
constexpr Int128 kPerVcpu = Amount::kPartsPerNano / (1000 * kHour);
constexpr Int128 kPerGib = Amount::kPartsPerNano / (1024 * kHour);
constexpr Int128 kPerSandbox = Amount::kPartsPerNano / kHour;
constexpr Int128 kPerUnit = Amount::kPartsPerNano / 1'000'000;
static_assert(kPerVcpu * 1000 * kHour == Amount::kPartsPerNano && kPerGib * 1024 * kHour == Amount::kPartsPerNano &&
              kPerSandbox * kHour == Amount::kPartsPerNano && kPerUnit * 1'000'000 == Amount::kPartsPerNano);

}  // namespace

Quantities& Quantities::operator+=(const Quantities& more) {
  ns += more.ns;
  mcpu_ns += more.mcpu_ns;
  mib_ns += more.mib_ns;
  input += more.input;
  output += more.output;
  cache_read += more.cache_read;
  cache_write += more.cache_write;
  calls += more.calls;
  return *this;
}

Result<Amount> Amount::of(const Quantities& q, const Prices& p) {
  struct Term {
    Int128 quantity;
    std::int64_t price;
    Int128 factor;
  };
  const std::array<Term, 8> terms = {{{q.mcpu_ns, p.vcpu_hour, kPerVcpu},
                                      {q.mib_ns, p.gib_hour, kPerGib},
                                      {q.ns, p.sandbox_hour, kPerSandbox},
                                      {q.input, p.input_million, kPerUnit},
                                      {q.output, p.output_million, kPerUnit},
                                      {q.cache_read, p.cache_read_million, kPerUnit},
                                      {q.cache_write, p.cache_write_million, kPerUnit},
                                      {q.calls, p.call_million, kPerUnit}}};
  Int128 sum = 0;
  for (const Term& term : terms) {
    const std::optional<Int128> product = multiply(term.quantity, term.price * term.factor);
    if (!product || __builtin_add_overflow(sum, *product, &sum)) {
      return fail(Code::out_of_range, "a cost leaves the range of 128 bits; the quantity cannot be right");
    }
  }
  return Amount(sum);
}

std::string Amount::usd() const { return format_usd(nano()); }

Result<std::int64_t> parse_usd(std::string_view text) {
  const auto wrong = [&] {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no price: USD as in \"0.0000045\", at most nine decimals", text));
  };
  const std::size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  std::string_view part = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  if (whole.empty() || (dot != std::string_view::npos && part.empty())) return wrong();
  while (part.ends_with('0')) part.remove_suffix(1);
  if (part.size() > 9) return wrong();
  std::string digits(whole);
  digits += part;
  digits.append(9 - part.size(), '0');
  if (digits.find_first_not_of("0123456789") != std::string::npos) return wrong();
  const std::optional<Int128> nano = int128_from_decimal(digits);
  if (!nano || *nano >= 9'000'000'000'000'000'000) return wrong();
  return static_cast<std::int64_t>(*nano);
}

std::string format_usd(Int128 nano) {
  const bool negative = nano < 0;
  std::string digits = to_decimal(negative ? -nano : nano);
  if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
  digits.insert(digits.size() - 9, ".");
  while (digits.ends_with('0')) digits.pop_back();
  if (digits.ends_with('.')) digits.pop_back();
  return negative ? "-" + digits : digits;
}

}  // namespace swarm::costs
