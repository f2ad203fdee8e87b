#pragma once
// What a key looks like although nobody registered it: the prefixes that issuers give their tokens so that tools can
// find them.

#include <cstddef>
#include <span>
#include <string_view>

namespace swarm::secrets {

/// One kind of key: `prefix`, then at least `least` characters of a class; all that follow of that class belong to it.
struct KnownKey {
  std::string_view name;
  std::string_view prefix;
  enum class Kind {
    token,   ///< prefix and characters, not in the middle of a word
    header,  ///< "name: value" in any case and with any quotes, to the end of the line or the quotes
    block,   ///< "-----BEGIN ... PRIVATE KEY-----" to its END
  } kind = Kind::token;
  enum class Characters {
    alphanumeric,
    upper,
    hexadecimal,
    word
  } characters = Characters::word;  ///< word: with _ and -
  std::size_t least = 0;
};

[[nodiscard]] std::span<const KnownKey> known_keys();

/// True if `c` belongs to the class.
[[nodiscard]] bool is_of(KnownKey::Characters characters, char c);

/// How a kind of key stands at the beginning of a text.
struct Sighting {
  enum class Verdict { no, yes, more_needed } verdict = Verdict::no;
  std::size_t shown = 0;  ///< characters that stay visible: the name of a header
  std::size_t taken = 0;  ///< characters that are replaced, after those shown
};

/// Looks at the beginning of `text`, which follows the character `before`. `more_needed` if the text ends before it is
/// clear.
[[nodiscard]] Sighting sight(const KnownKey& key, std::string_view text, char before);

}  // namespace swarm::secrets
