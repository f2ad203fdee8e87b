#pragma once
// What the files of the schema share: rules for values, and sections made from a struct and its settings. Only these
// files include it.

#include "daemon/config/codec.hpp"

namespace swarm::config {

/// [costs], [price.NAME] and [rate.NAME].
[[nodiscard]] std::vector<Section> build_money_sections();

/// A number within both, inclusive.
template <class T>
Rule<T> between(T low, T high) {
  return {fmt::format("{} from {} to {}", std::is_floating_point_v<T> ? "a number" : "a whole number", low, high),
          [low, high](const T& value) { return value >= low && value <= high; },
          {}};
}

inline Rule<Duration> between(Duration low, Duration high) {
  return {fmt::format("a duration from \"{}\" to \"{}\"", format_duration(low), format_duration(high)),
          [low, high](const Duration& value) { return value >= low && value <= high; },
          {}};
}

/// Zero switches the thing off, anything else is between the two.
inline Rule<Duration> off_or(Duration low, Duration high) {
  return {fmt::format("\"0\" (off) or a duration from \"{}\" to \"{}\"", format_duration(low), format_duration(high)),
          [low, high](const Duration& value) { return value == Duration::zero() || (value >= low && value <= high); },
          {}};
}

inline Rule<ByteSize> between(ByteSize low, ByteSize high) {
  return {fmt::format("a size from \"{}\" to \"{}\"", format_size(low), format_size(high)),
          [low, high](const ByteSize& value) { return value >= low && value <= high; },
          {}};
}

constexpr ByteSize mib(std::uint64_t n) { return {n << 20U}; }
constexpr ByteSize gib(std::uint64_t n) { return {n << 30U}; }
constexpr Duration ms(std::int64_t n) { return std::chrono::milliseconds(n); }
constexpr Duration sec(std::int64_t n) { return std::chrono::seconds(n); }
constexpr Duration hours(std::int64_t n) { return std::chrono::hours(n); }

/// The parts that do not depend on how the structs of a section are reached.
template <class S>
Section outline(std::string name, std::string doc, std::vector<Setting> settings) {
  Section section;
  section.name = std::move(name);
  section.doc = std::move(doc);
  section.settings = std::move(settings);
  section.show_default = [](const Setting& setting) {
    const S defaults;
    return setting.show(&defaults);
  };
  return section;
}

template <class S>
Section fixed(std::string name, S Config::* member, std::string doc, std::vector<Setting> settings) {
  Section section = outline<S>(std::move(name), std::move(doc), std::move(settings));
  section.at = [member](Config& config, const std::string&) -> void* { return &(config.*member); };
  section.find = [member](const Config& config, const std::string&) -> const void* { return &(config.*member); };
  section.instances = [](const Config&) { return std::vector<std::string>{""}; };
  return section;
}

template <class S>
Section named(std::string name, std::map<std::string, S> Config::* member, std::string doc,
              std::vector<Setting> settings) {
  Section section = outline<S>(std::move(name), std::move(doc), std::move(settings));
  section.named = true;
  section.at = [member](Config& config, const std::string& instance) -> void* { return &(config.*member)[instance]; };
  section.find = [member](const Config& config, const std::string& instance) -> const void* {
    const auto found = (config.*member).find(instance);
    return found == (config.*member).end() ? nullptr : &found->second;
  };
  section.instances = [member](const Config& config) {
    std::vector<std::string> names;
    for (const auto& [instance, value] : config.*member) names.push_back(instance);
    return names;
  };
  return section;
}

}  // namespace swarm::config
