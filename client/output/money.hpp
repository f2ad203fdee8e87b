#pragma once
// Money and what it was spent on, for people. Exact amounts are in the JSON.

#include <string>
#include <string_view>

namespace swarm::client {

/// "2.254253857" to "$2.2543", "1234.5" to "$1,234.5000": four decimals, rounded, so that a column lines up. What is
/// less than can be shown, and not nothing, is "<$0.0001".
std::string human_usd(std::string_view usd);

/// Hours with three decimals: "0.331", "12.000"; what is less, and not nothing, is "<0.001".
std::string human_hours(double hours);

/// "81 %", "<1 %", "99 %": never 100 before it is.
std::string human_percent(double percent);

}  // namespace swarm::client
