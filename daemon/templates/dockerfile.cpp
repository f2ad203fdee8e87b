#include "daemon/templates/dockerfile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "protocol/core/nearest.hpp"

namespace swarm::templates {
namespace {

using Variables = std::map<std::string, std::string>;

struct Line {
  int number = 0;
  std::string word;  ///< the instruction, in capitals
  std::string rest;
};

struct Stage {
  std::string name;
  std::string from;
  int line = 0;
  std::vector<Line> lines;
};

std::unexpected<Error> mistake(int line, const std::string& why) {
  return fail(Code::invalid_argument, fmt::format("Dockerfile line {}: {}", line, why));
}

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && (is_space(text.back()) || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

/// Whole instructions: lines that end in a backslash go on, comments between them are left out.
std::vector<Line> instructions(std::string_view text) {
  std::vector<Line> out;
  std::string whole;
  int begun = 0;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    const std::string_view bare = trim(line);
    if (bare.starts_with('#') || (bare.empty() && whole.empty())) continue;
    if (whole.empty()) begun = number;
    line = trim(line);
    const bool goes_on = line.ends_with('\\');
    if (goes_on) line.remove_suffix(1);
    whole += line;
    if (goes_on && !text.empty()) {
      whole += ' ';
      continue;
    }
    const std::string_view done = trim(whole);
    const std::size_t space = std::min(done.find_first_of(" \t"), done.size());
    out.push_back({begun, upper(done.substr(0, space)), std::string(trim(done.substr(space)))});
    whole.clear();
  }
  return out;
}

/// $NAME, ${NAME}, ${NAME:-otherwise}, ${NAME:+instead}.
std::string expand(std::string_view text, const Variables& variables) {
  std::string out;
  const auto value = [&variables](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
  const auto of_name = [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '$') {
      out += text[++i];
      continue;
    }
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '{') {
      const std::size_t end = text.find('}', i);
      if (end == text.npos) {
        out += text[i];
        continue;
      }
      const std::string_view inside = text.substr(i + 2, end - i - 2);
      const std::size_t colon = std::min(inside.find(':'), inside.size());
      const std::string known = value(std::string(inside.substr(0, colon)));
      const std::string_view more = inside.substr(std::min(colon + 1, inside.size()));
      if (more.starts_with('-')) {
        out += known.empty() ? expand(more.substr(1), variables) : known;
      } else if (more.starts_with('+')) {
        out += known.empty() ? "" : expand(more.substr(1), variables);
      } else {
        out += known;
      }
      i = end;
      continue;
    }
    std::size_t end = i + 1;
    while (end < text.size() && of_name(text[end])) ++end;
    if (end == i + 1) {
      out += text[i];
      continue;
    }
    out += value(std::string(text.substr(i + 1, end - i - 1)));
    i = end - 1;
  }
  return out;
}

/// Words with quotes taken off; `["a", "b"]` likewise.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  const bool list = text.starts_with('[') && text.ends_with(']');
  if (list) text = text.substr(1, text.size() - 2);
  std::string word;
  bool any = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else if (c == '\\' && quote == '"' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) {
        word += text[++i];
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      any = true;
    } else if (is_space(c) || (list && c == ',')) {
      if (any || !word.empty()) out.push_back(std::move(word));
      word.clear();
      any = false;
    } else {
      word += c;
    }
  }
  if (any || !word.empty()) out.push_back(std::move(word));
  return out;
}

std::string shell_quoted(const std::string& word) {
  if (!word.empty() &&
      word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@+") ==
          std::string::npos) {
    return word;
  }
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// A command as a shell takes it, whichever form it has.
std::string command_of(const std::string& text) {
  if (!text.starts_with('[')) return text;
  std::string out;
  for (const std::string& word : words_of(text)) out += (out.empty() ? "" : " ") + shell_quoted(word);
  return out;
}

/// `NAME=value NAME="other value"`, or the old `NAME value`.
std::optional<std::vector<std::string>> pairs_of(const std::string& text) {
  std::vector<std::string> out;
  const std::vector<std::string> words = words_of(text);
  if (words.empty()) return std::nullopt;
  if (words[0].find('=') == std::string::npos) {
    if (words.size() < 2) return std::nullopt;
    return std::vector<std::string>{words[0], std::string(trim(std::string_view(text).substr(words[0].size())))};
  }
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return std::nullopt;
    out.push_back(word.substr(0, equals));
    out.push_back(word.substr(equals + 1));
  }
  return out;
}

Result<Step> copy_of(const Line& line, const Variables& variables) {
  std::string owner;
  std::string mode;
  std::string rest = line.rest;
  while (rest.starts_with("--")) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    const std::string flag = expand(rest.substr(0, end), variables);
    rest = std::string(trim(std::string_view(rest).substr(end)));
    if (flag.starts_with("--chown=")) {
      owner = flag.substr(8);
    } else if (flag.starts_with("--chmod=")) {
      mode = flag.substr(8);
    } else {
      return mistake(line.number, fmt::format("{} {}: E2B's builds copy files of the context alone", line.word, flag));
    }
  }
  if (rest.starts_with("<<")) return mistake(line.number, "here documents are not available; copy a file");
  const std::vector<std::string> words = words_of(expand(rest, variables));
  if (words.size() != 2) return mistake(line.number, fmt::format("{}: one source and a destination", line.word));
  if (words[0].contains("://")) return mistake(line.number, "ADD of an address: fetch it with RUN");
  return Step{.type = "COPY", .args = {words[0], words[1], owner, mode}};
}

class Reader {
 public:
  explicit Reader(const Variables& arguments) : arguments_(arguments) {}

  Result<Recipe> read(std::string_view text, const std::string& target) {
    if (auto split = into_stages(text); !split) return fail(split.error());
    if (stages_.empty()) return fail(Code::invalid_argument, "Dockerfile: there is no FROM");
    std::vector<std::string> names;
    for (const Stage& stage : stages_) names.push_back(stage.name);
    const Stage* last = target.empty() ? &stages_.back() : find(target);
    if (last == nullptr) {
      return fail(Code::not_found,
                  fmt::format("Dockerfile: there is no stage '{}'{}", target, did_you_mean(target, names)));
    }
    // What it stands on, down to an image.
    std::vector<const Stage*> chain = {last};
    while (const Stage* below = find(chain.back()->from)) {
      if (below >= chain.back()) return mistake(chain.back()->line, "a stage stands on an earlier one");
      chain.push_back(below);
    }
    Recipe recipe{.image = chain.back()->from};
    // As Docker begins; E2B begins as its own user.
    recipe.steps = {{.type = "USER", .args = {"root"}}, {.type = "WORKDIR", .args = {"/"}}};
    for (auto stage = chain.rbegin(); stage != chain.rend(); ++stage) {
      variables_.clear();
      for (const auto& [name, value] : environment_) variables_[name] = value;
      for (const Line& line : (*stage)->lines) {
        if (auto added = add(line, recipe); !added) return fail(added.error());
      }
    }
    return recipe;
  }

 private:
  Result<void> into_stages(std::string_view text) {
    for (Line& line : instructions(text)) {
      if (line.word == "ARG" && stages_.empty()) {
        if (auto taken = argument(line, global_); !taken) return fail(taken.error());
      } else if (line.word == "FROM") {
        std::vector<std::string> words = words_of(expand(line.rest, global_));
        std::erase_if(words, [](const std::string& word) { return word.starts_with("--platform="); });
        const bool named = words.size() == 3 && upper(words[1]) == "AS";
        if (words.size() != 1 && !named) return mistake(line.number, "FROM IMAGE, or FROM IMAGE AS NAME");
        stages_.push_back({.name = named ? words[2] : "", .from = words[0], .line = line.number, .lines = {}});
      } else if (stages_.empty()) {
        return mistake(line.number, fmt::format("{} before FROM", line.word));
      } else {
        stages_.back().lines.push_back(std::move(line));
      }
    }
    return {};
  }

  [[nodiscard]] const Stage* find(const std::string& name) const {
    for (const Stage& stage : stages_) {
      if (!name.empty() && stage.name == name) return &stage;
    }
    return nullptr;
  }

  /// `ARG NAME=otherwise`: what was given wins.
  Result<void> argument(const Line& line, Variables& into) const {
    const std::vector<std::string> words = words_of(line.rest);
    if (words.empty()) return mistake(line.number, "ARG NAME, or ARG NAME=VALUE");
    for (const std::string& word : words) {
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      if (const auto given = arguments_.find(name); given != arguments_.end()) {
        into[name] = given->second;
      } else if (equals != std::string::npos) {
        into[name] = expand(word.substr(equals + 1), into);
      } else if (const auto above = global_.find(name); above != global_.end()) {
        into[name] = above->second;
      }
    }
    return {};
  }

  Result<void> add(const Line& line, Recipe& recipe) {
    static const std::vector<std::string> kPassedOver = {"LABEL",      "EXPOSE",      "MAINTAINER",
                                                         "STOPSIGNAL", "HEALTHCHECK", "SHELL"};
    const std::string text = expand(line.rest, variables_);
    if (line.word == "RUN") {
      if (line.rest.starts_with("--")) return mistake(line.number, "RUN with options is Docker's alone");
      if (line.rest.starts_with("<<"))
        return mistake(line.number, "here documents are not available; one line, or a file");
      recipe.steps.push_back({.type = "RUN", .args = {command_of(line.rest)}});
    } else if (line.word == "COPY" || line.word == "ADD") {
      Result<Step> step = copy_of(line, variables_);
      if (!step) return fail(step.error());
      recipe.steps.push_back(std::move(*step));
    } else if (line.word == "ENV") {
      const auto pairs = pairs_of(text);
      if (!pairs) return mistake(line.number, "ENV NAME=VALUE");
      for (std::size_t i = 0; i + 1 < pairs->size(); i += 2) {
        variables_[(*pairs)[i]] = environment_[(*pairs)[i]] = (*pairs)[i + 1];
      }
      recipe.steps.push_back({.type = "ENV", .args = *pairs});
    } else if (line.word == "ARG") {
      const Variables before = variables_;
      if (auto taken = argument(line, variables_); !taken) return taken;
      // RUN sees it; E2B knows no variable that is only the build's.
      Step step{.type = "ENV", .args = {}};
      for (const auto& [name, value] : variables_) {
        const auto was = before.find(name);
        if (was != before.end() && was->second == value) continue;
        step.args.push_back(name);
        step.args.push_back(value);
      }
      if (!step.args.empty()) recipe.steps.push_back(std::move(step));
    } else if (line.word == "WORKDIR" || line.word == "USER") {
      if (text.empty()) return mistake(line.number, line.word + " wants a name");
      recipe.steps.push_back({.type = line.word, .args = {text}});
    } else if (line.word == "CMD" || line.word == "ENTRYPOINT") {
      recipe.command = command_of(line.rest);
    } else if (std::ranges::find(kPassedOver, line.word) == kPassedOver.end()) {
      return mistake(line.number, fmt::format("'{}' is no instruction that E2B's builds know", line.word));
    }
    return {};
  }

  const Variables& arguments_;
  Variables global_;       ///< ARG before the first FROM
  Variables variables_;    ///< of the stage
  Variables environment_;  ///< of all stages so far
  std::vector<Stage> stages_;
};

}  // namespace

Result<Recipe> read_dockerfile(std::string_view text, const std::string& target, const Variables& arguments) {
  return Reader(arguments).read(text, target);
}

}  // namespace swarm::templates
