#pragma once
// Every struct that travels, found by walking the methods, events and notifications; and values of each, made from its
// table.

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "protocol/api/type.hpp"

namespace swarm::api::tests {

/// By name; a request that clients send with its sandbox is "Name in a sandbox".
const std::map<std::string, const TypeInfo*>& wire_structs();

/// Chooses for `sample`: a number below its argument.
using Choose = std::function<std::uint64_t(std::uint64_t)>;

/// How much of a struct a sample has.
enum class Fill { all, required, some };

/// A valid value of the type, within every constraint. `field` may be null.
Value sample(const TypeInfo& type, const FieldInfo* field, Fill fill, const Choose& choose);

}  // namespace swarm::api::tests
