#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/costs/ledger.hpp"

namespace swarm::costs {

/// Sums as bytes: LEB128 (seven bits a byte, lowest first) of each number. Most are zero or short.
[[nodiscard]] std::string encode_sums(const Sums& sums);

/// Nothing for what `encode_sums` does not write.
[[nodiscard]] std::optional<Sums> decode_sums(std::string_view bytes);

}  // namespace swarm::costs
