#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"

namespace swarm::cli {

/// Whether an option has a value behind it.
enum class Takes { nothing, value };

struct Option {
  std::string_view name;  ///< "--wait"
  Takes takes = Takes::value;
};

/// How many words there may be that are no options.
struct Count {
  std::size_t least = 0;
  std::size_t most = static_cast<std::size_t>(-1);
};

/// The words behind a verb, taken apart. `--json` is known to every verb; `--` ends the options; `--name=value` is
/// `--name value`.
class Arguments {
 public:
  /// `invalid_argument` says which word is wrong and which option was perhaps meant.
  static Result<Arguments> read(std::span<const std::string> words, std::span<const Option> options, Count count);
  static Result<Arguments> read(std::span<const std::string> words, std::initializer_list<Option> options,
                                Count count) {
    return read(words, std::span(options.begin(), options.size()), count);
  }

  [[nodiscard]] bool has(std::string_view option) const { return options_.contains(option); }
  [[nodiscard]] bool json() const { return has("--json"); }
  /// The last value of an option.
  [[nodiscard]] std::optional<std::string> value(std::string_view option) const;
  /// All values of an option that may come several times, or with commas.
  [[nodiscard]] std::vector<std::string> values(std::string_view option) const;
  /// A value as "30s"; nothing where the option is absent.
  [[nodiscard]] Result<std::optional<std::chrono::milliseconds>> duration(std::string_view option) const;
  [[nodiscard]] Result<std::optional<std::int64_t>> number(std::string_view option) const;

  [[nodiscard]] const std::vector<std::string>& rest() const { return rest_; }
  /// The words from `from` on as one text, as the shell's `echo` joins them.
  [[nodiscard]] std::string joined(std::size_t from) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::vector<std::string> rest_;
};

/// `a,b` as two.
std::vector<std::string> split_commas(std::string_view text);

}  // namespace swarm::cli
