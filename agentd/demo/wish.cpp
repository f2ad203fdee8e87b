#include "agentd/demo/wish.hpp"

#include <algorithm>
#include <sstream>

namespace swarm::demo {
namespace {

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

/// Parts between `separator`, which does not count inside of a quoted literal.
std::vector<std::string> split_outside_quotes(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  std::string part;
  char quote = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (quote != 0 && c == '\\' && i + 1 < text.size()) {
      part += c;
      part += text[i + 1];
      i += 2;
      continue;
    }
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (text.substr(i).starts_with(separator)) {
      parts.push_back(trimmed(part));
      part.clear();
      i += separator.size();
      continue;
    }
    part += c;
    ++i;
  }
  parts.push_back(trimmed(part));
  return parts;
}

std::string dotted(std::string path) {
  if (path.ends_with(".py")) path.resize(path.size() - 3);
  std::ranges::replace(path, '/', '.');
  return path;
}

Step parse_step(const std::string& text) {
  const auto space = text.find(' ');
  if (space == std::string::npos) return {.name = text, .argument = {}};
  return {.name = text.substr(0, space), .argument = trimmed(text.substr(space))};
}

}  // namespace

std::string Wish::module_name() const { return dotted(module); }
std::string Wish::test_name() const { return dotted(test); }

Result<Wish> parse_wish(const std::string& path, const std::string& text) {
  Wish wish{.path = path};
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (trimmed(line).empty()) continue;
    const auto colon = line.find(": ");
    if (colon == std::string::npos) {
      return fail(Code::invalid_argument, path + ":" + std::to_string(number) + ": '" + line + "' is no 'key: value'");
    }
    const std::string key = line.substr(0, colon);
    const std::string value = trimmed(line.substr(colon + 2));
    if (key == "title") wish.title = value;
    if (key == "kind") wish.kind = value;
    if (key == "name") wish.name = value;
    if (key == "module") wish.module = value;
    if (key == "function") wish.function = value;
    if (key == "test") wish.test = value;
    if (key == "register") wish.register_in = value;
    if (key == "list") wish.list = value;
    if (key == "needs") wish.needs = split_outside_quotes(value, ",");
    if (key == "priority") wish.urgent = value == "high";
    if (key == "steps") {
      for (const std::string& step : split_outside_quotes(value, "|")) wish.steps.push_back(parse_step(step));
    }
    if (key == "choose") {
      if (!value.starts_with("join ")) {
        return fail(Code::invalid_argument, path + ":" + std::to_string(number) + ": only 'join' can be left open");
      }
      wish.choices = split_outside_quotes(value.substr(5), " or ");
    }
    if (key == "example") {
      const auto sides = split_outside_quotes(value, " => ");
      if (sides.size() != 2) {
        return fail(Code::invalid_argument, path + ":" + std::to_string(number) + ": an example is 'TEXT => RESULT'");
      }
      wish.examples.push_back({.input = sides[0], .results = split_outside_quotes(sides[1], " or ")});
    }
  }
  if (wish.name.empty() || wish.kind.empty() || wish.module.empty()) {
    return fail(Code::invalid_argument, path + ": a wish needs 'name', 'kind' and 'module'");
  }
  return wish;
}

}  // namespace swarm::demo
