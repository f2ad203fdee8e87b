#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace swarm {

/// The name among `known` that a mistyped `word` most likely meant, or nothing if none is near: edit distance with
/// swapped neighbours as one step, case and `-` against `_` not counted, at most a third of the length (at least one
/// step).
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view word, std::span<const std::string> known);

/// "; did you mean 'x'?" or nothing: the tail of a message about an unknown name.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace swarm
