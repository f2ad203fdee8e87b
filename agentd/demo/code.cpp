#include "agentd/demo/code.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <sstream>

namespace swarm::demo {
namespace {

/// Lines of Python that change `text`; `$` is the step's argument.
const std::map<std::string, std::vector<std::vector<std::string>>>& known() {
  static const std::map<std::string, std::vector<std::vector<std::string>>> all = {
      {"lower", {{"text = text.lower()"}}},
      {"upper", {{"text = text.upper()"}}},
      {"swap-case", {{"text = text.swapcase()"}}},
      {"reverse-words", {{"text = \" \".join(reversed(text.split()))"}}},
      {"reverse-letters", {{"text = text[::-1]"}}},
      {"sort-words", {{"text = \" \".join(sorted(text.split()))"}}},
      {"unique-words", {{"text = \" \".join(dict.fromkeys(text.split()))"}}},
      {"squeeze", {{"text = \" \".join(text.split())"}}},
      {"initials", {{"text = \"\".join(word[0] for word in text.split())"}}},
      {"take", {{"text = \" \".join(text.split()[:$])"}}},
      {"drop", {{"text = \" \".join(text.split()[$:])"}}},
      {"rotate",
       {{"words = text.split()",
         "text = \" \".join(words[$ % len(words):] + words[:$ % len(words)]) if words else \"\""}}},
      {"join", {{"text = $.join(text.split())"}}},
      {"prefix", {{"text = $ + text"}}},
      {"suffix", {{"text = text + $"}}},
      {"capital-words",
       {{"text = text.title()"},
        {"text = text.capitalize()"},
        {"text = \" \".join(word[:1].upper() + word[1:] for word in text.split(\" \"))"}}},
      {"without-suffix", {{"text = text.rstrip($)"}, {"text = text.removesuffix($)"}}},
      {"without-prefix", {{"text = text.lstrip($)"}, {"text = text.removeprefix($)"}}},
      {"number-lines",
       {{"text = \"\\n\".join(f\"{i} {line}\" for i, line in enumerate(text.splitlines(), 1))"},
        {"text = \"\\n\".join(f\"{i} {line}\" for i, line in enumerate(text.split(\"\\n\"), 1))"}}},
  };
  return all;
}

std::string with_argument(std::string line, const std::string& argument) {
  for (auto at = line.find('$'); at != std::string::npos; at = line.find('$', at + argument.size())) {
    line.replace(at, 1, argument);
  }
  return line;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::size_t indentation(const std::string& line) {
  const auto first = line.find_first_not_of(' ');
  return first == std::string::npos ? std::string::npos : first;
}

/// The index behind the last line of the block that begins at `start`.
std::size_t block_end(const std::vector<std::string>& lines, std::size_t start) {
  const std::size_t depth = indentation(lines[start]);
  std::size_t end = start + 1;
  while (end < lines.size() && (indentation(lines[end]) == std::string::npos || indentation(lines[end]) > depth)) ++end;
  return end;
}

/// Small things that people get wrong, and what they meant.
constexpr std::pair<std::string_view, std::string_view> kSlips[] = {
    {".split(\" \")", ".split()"},
    {".split()", ".split(\"\\n\")"},
    {".split()", ".split(\" \")"},
    {" - 1", ""},
    {" + 1", ""},
    {" - 1", " + 1"},
    {" + 1", " - 1"},
    {" <= ", " < "},
    {" < ", " <= "},
    {" >= ", " > "},
    {" > ", " >= "},
    {"max(", "min("},
    {"min(", "max("},
    {"True", "False"},
    {"False", "True"},
    {" and ", " or "},
    {" or ", " and "},
};

}  // namespace

std::size_t ways(const Step& step) {
  const auto found = known().find(step.name);
  return found == known().end() ? 0 : found->second.size();
}

std::vector<std::vector<std::size_t>> all_ways(const Wish& wish) {
  std::vector<std::vector<std::size_t>> all{{}};
  for (const Step& step : wish.steps) {
    std::vector<std::vector<std::size_t>> longer;
    for (const auto& so_far : all) {
      for (std::size_t way = 0; way < std::max<std::size_t>(ways(step), 1); ++way) {
        longer.push_back(so_far);
        longer.back().push_back(way);
      }
    }
    all = std::move(longer);
  }
  return all;
}

Result<std::string> write_module(const Wish& wish, const std::vector<std::size_t>& way, const std::string& choice) {
  std::vector<std::string> lines{"\"\"\"" + wish.title + ".\"\"\"", "", "", "def apply(text):"};
  for (std::size_t i = 0; i < wish.steps.size(); ++i) {
    const auto found = known().find(wish.steps[i].name);
    if (found == known().end()) {
      return fail(Code::not_found, "nobody taught the demo agent the step '" + wish.steps[i].name + "'");
    }
    const auto& implementation = found->second[std::min(i < way.size() ? way[i] : 0, found->second.size() - 1)];
    for (const std::string& line : implementation)
      lines.push_back("    " + with_argument(line, wish.steps[i].argument));
  }
  if (!choice.empty()) lines.push_back("    text = " + choice + ".join(text.split())");
  lines.emplace_back("    return text");
  return joined(lines);
}

Result<std::string> add_to_list(const std::string& text, const std::string& list, const std::string& name) {
  const std::string head = list + " = [";
  std::vector<std::string> lines = lines_of(text);
  for (std::string& line : lines) {
    if (!line.starts_with(head)) continue;
    const auto close = line.find(']', head.size());
    if (close == std::string::npos) break;
    std::set<std::string> names{"\"" + name + "\""};
    std::istringstream inside(line.substr(head.size(), close - head.size()));
    for (std::string one; std::getline(inside, one, ',');) {
      const auto first = one.find_first_not_of(' ');
      if (first != std::string::npos) names.insert(one.substr(first));
    }
    std::string replaced = head;
    for (const std::string& one : names) replaced += (replaced.size() == head.size() ? "" : ", ") + one;
    line = replaced + line.substr(close);
    return joined(lines);
  }
  return fail(Code::not_found, "there is no line '" + head + "...]' to add '" + name + "' to");
}

namespace {

/// `theirs` with what stands in lists of the same names in `ours`: what both sides added to stays added.
std::string with_names_of(std::string theirs, const std::string& ours) {
  for (const std::string& line : lines_of(ours)) {
    const auto open = line.find(" = [");
    const auto close = line.find(']');
    if (open == std::string::npos || close == std::string::npos || close < open) continue;
    std::istringstream inside(line.substr(open + 4, close - open - 4));
    for (std::string one; std::getline(inside, one, ',');) {
      const auto first = one.find('"');
      const auto last = one.rfind('"');
      if (first == std::string::npos || last == first) continue;
      if (auto more = add_to_list(theirs, line.substr(0, open), one.substr(first + 1, last - first - 1)))
        theirs = *more;
    }
  }
  return theirs;
}

}  // namespace

std::string take_theirs(const std::string& text) {
  enum class Side : std::uint8_t { both, ours, base, theirs };
  Side side = Side::both;
  std::string kept;
  std::string ours;
  std::string theirs;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("<<<<<<<")) {
      side = Side::ours;
      ours.clear();
      theirs.clear();
    } else if (side != Side::both && line.starts_with("|||||||")) {
      side = Side::base;
    } else if (side != Side::both && line.starts_with("=======")) {
      side = Side::theirs;
    } else if (side != Side::both && line.starts_with(">>>>>>>")) {
      side = Side::both;
      kept += with_names_of(theirs, ours);
    } else if (side != Side::base) {
      (side == Side::both ? kept : side == Side::ours ? ours : theirs) += line + "\n";
    }
  }
  return kept;
}

std::string without_methods(const std::string& test, const std::vector<std::string>& names) {
  std::vector<std::string> lines = lines_of(test);
  for (const std::string& name : names) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto depth = indentation(lines[i]);
      if (depth == std::string::npos || !lines[i].substr(depth).starts_with("def " + name + "(")) continue;
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i),
                  lines.begin() + static_cast<std::ptrdiff_t>(block_end(lines, i)));
      break;
    }
  }
  return joined(lines);
}

std::vector<std::string> repairs(const std::string& code, const std::string& function) {
  std::vector<std::string> lines = lines_of(code);
  std::size_t begin = 0;
  std::size_t end = lines.size();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!function.empty() && lines[i].starts_with("def " + function + "(")) {
      begin = i + 1;
      end = block_end(lines, i);
    }
  }
  std::vector<std::string> found;
  const auto keep = [&](std::size_t at, const std::string& line) {
    std::vector<std::string> changed = lines;
    changed[at] = line;
    found.push_back(joined(changed));
  };
  for (const auto& [slip, meant] : kSlips) {
    for (std::size_t i = begin; i < end; ++i) {
      for (auto at = lines[i].find(slip); at != std::string::npos; at = lines[i].find(slip, at + 1)) {
        std::string line = lines[i];
        keep(i, line.replace(at, slip.size(), meant));
      }
    }
  }
  // Two calls of the wrong kind around each other.
  for (std::size_t i = begin; i < end; ++i) {
    const auto low = lines[i].find("min(");
    const auto high = lines[i].find("max(");
    if (low == std::string::npos || high == std::string::npos) continue;
    std::string line = lines[i];
    line.replace(low, 4, "max(").replace(high, 4, "min(");
    keep(i, line);
  }
  return found;
}

}  // namespace swarm::demo
