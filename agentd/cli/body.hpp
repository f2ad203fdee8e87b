#pragma once

#include <string>

#include "agentd/cli/arguments.hpp"

namespace swarm::cli {

/// The option of verbs that take a text, for `Arguments::read`.
inline constexpr Option kFileOption{"--file", Takes::value};

/// The text of a verb: of `--file PATH` (`-` is standard input), the words from `from` on, or, when there are none or
/// the only one is `-`, standard input where that is no terminal. At most `most_bytes`; `invalid_argument` beyond, and
/// where there is no text at all.
Result<std::string> read_text(const Arguments& arguments, std::size_t from,
                              std::size_t most_bytes = std::size_t{160} * 1024);

}  // namespace swarm::cli
