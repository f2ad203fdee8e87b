#include "daemon/costs/sums_codec.hpp"

namespace swarm::costs {
namespace {

void put(std::string& out, Int128 number) {
  // Zigzag: small negative numbers, which corrections may bring, stay short too.
  UInt128 rest = (static_cast<UInt128>(number) << 1U) ^ static_cast<UInt128>(number >> 127);
  while (rest >= 0x80) {
    out += static_cast<char>(static_cast<unsigned>(rest & 0x7F) | 0x80U);
    rest >>= 7U;
  }
  out += static_cast<char>(static_cast<unsigned>(rest));
}

bool take(std::string_view& in, Int128& number) {
  UInt128 value = 0;
  for (unsigned shift = 0; shift < 128 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<UInt128>(byte & 0x7FU) << shift;
    if (byte < 0x80) {
      number = static_cast<Int128>(value >> 1U) ^ -static_cast<Int128>(value & 1U);
      return true;
    }
  }
  return false;
}

/// The numbers of `sums` in their order.
template <class S, class F>
bool each(S& sums, F visit) {
  auto& q = sums.quantities;
  return visit(q.ns) && visit(q.mcpu_ns) && visit(q.mib_ns) && visit(q.input) && visit(q.output) &&
         visit(q.cache_read) && visit(q.cache_write) && visit(q.calls) && visit(sums.bound_ns) && visit(sums.entries);
}

}  // namespace

std::string encode_sums(const Sums& sums) {
  std::string out;
  put(out, sums.amount.parts());
  each(sums, [&](Int128 number) {
    put(out, number);
    return true;
  });
  return out;
}

std::optional<Sums> decode_sums(std::string_view bytes) {
  Sums sums;
  Int128 parts = 0;
  if (!take(bytes, parts)) return std::nullopt;
  sums.amount = Amount::from_parts(parts);
  if (!each(sums, [&](Int128& number) { return take(bytes, number); }) || !bytes.empty()) return std::nullopt;
  return sums;
}

}  // namespace swarm::costs
