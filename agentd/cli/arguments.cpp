#include "agentd/cli/arguments.hpp"

#include <algorithm>
#include <charconv>

#include "protocol/core/nearest.hpp"
#include "protocol/core/units.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::cli {
namespace {

const Option* known(std::string_view name, std::span<const Option> options) {
  static constexpr Option kJson{"--json", Takes::nothing};
  if (name == kJson.name) return &kJson;
  const auto found = std::ranges::find(options, name, &Option::name);
  return found == options.end() ? nullptr : &*found;
}

std::unexpected<Error> unknown(std::string_view name, std::span<const Option> options) {
  std::vector<std::string> names = {"--json", "--help"};
  for (const Option& option : options) names.emplace_back(option.name);
  return fail(Code::invalid_argument, "unknown option '" + shown(name) + "'" + did_you_mean(name, names) +
                                          "; text that begins so goes behind "
                                          "'--'");
}

}  // namespace

Result<Arguments> Arguments::read(std::span<const std::string> words, std::span<const Option> options, Count count) {
  Arguments out;
  bool only_text = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_text || word.size() < 2 || !word.starts_with("-")) {
      out.rest_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_text = true;
      continue;
    }
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Option* option = known(name, options);
    if (option == nullptr) return unknown(name, options);
    std::vector<std::string>& values = out.options_[name];
    if (option->takes == Takes::nothing) {
      if (equals != std::string::npos) return fail(Code::invalid_argument, "'" + name + "' takes no value");
    } else if (equals != std::string::npos) {
      values.push_back(word.substr(equals + 1));
    } else if (i + 1 < words.size()) {
      values.push_back(words[++i]);
    } else {
      return fail(Code::invalid_argument, "'" + name + "' needs a value");
    }
  }
  if (out.rest_.size() < count.least) return fail(Code::invalid_argument, "something is missing");
  if (out.rest_.size() > count.most) {
    return fail(Code::invalid_argument, "'" + shown(out.rest_[count.most]) + "' is too much");
  }
  return out;
}

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto found = options_.find(option);
  if (found == options_.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> Arguments::values(std::string_view option) const {
  std::vector<std::string> out;
  const auto found = options_.find(option);
  if (found == options_.end()) return out;
  for (const std::string& value : found->second) {
    for (std::string& one : split_commas(value)) out.push_back(std::move(one));
  }
  return out;
}

Result<std::optional<std::chrono::milliseconds>> Arguments::duration(std::string_view option) const {
  const std::optional<std::string> text = value(option);
  if (!text) return std::optional<std::chrono::milliseconds>();
  const Result<Duration> parsed = parse_duration(*text);
  if (!parsed) return fail(parsed.error(), option);
  return std::optional(std::chrono::ceil<std::chrono::milliseconds>(*parsed));
}

Result<std::optional<std::int64_t>> Arguments::number(std::string_view option) const {
  const std::optional<std::string> text = value(option);
  if (!text) return std::optional<std::int64_t>();
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (problem != std::errc{} || end != text->data() + text->size()) {
    return fail(Code::invalid_argument, std::string(option) + ": '" + shown(*text) + "' is no whole number");
  }
  return std::optional(number);
}

std::string Arguments::joined(std::size_t from) const {
  std::string text;
  for (std::size_t i = from; i < rest_.size(); ++i) {
    if (i > from) text += ' ';
    text += rest_[i];
  }
  return text;
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const auto comma = text.find(',');
    if (const std::string_view part = text.substr(0, comma); !part.empty()) parts.emplace_back(part);
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace swarm::cli
