#include "client/completion.hpp"

#include <CLI/CLI.hpp>

namespace swarm::client {
namespace {

/// All options of a command, those in its groups too.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  std::vector<const CLI::Option*> all = app.get_options();
  for (const CLI::App* group : app.get_subcommands([](const CLI::App* c) { return c->get_name().empty(); })) {
    std::ranges::move(options_of(*group), std::back_inserter(all));
  }
  return all;
}

const CLI::Option* find_option(const CLI::App& app, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  for (const CLI::Option* option : options_of(app)) {
    if (option->nonpositional() && option->check_name(name)) return option;
  }
  return nullptr;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  const auto found =
      app.get_subcommands([&](const CLI::App* c) { return !c->get_name().empty() && c->check_name(word); });
  return found.empty() ? nullptr : found.front();
}

/// What a value of this option or argument can be.
void add_values(const CLI::Option& option, Completion& completion) {
  const std::string& type = option.get_type_name();
  if (option.get_single_name() == "SANDBOX" || type == "SANDBOX") {
    completion.sandbox = true;
    return;
  }
  // "MODE:{off,allow,on}" is how a checked list describes itself.
  const std::size_t open = type.find('{');
  if (open != std::string::npos) {
    std::string_view list(type);
    list = list.substr(open + 1, list.find('}') - open - 1);
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      completion.candidates.push_back({std::string(list.substr(0, comma)), ""});
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return;
  }
  completion.files =
      type == "FILE" || type == "PATH" || option.get_single_name() == "FROM" || option.get_single_name() == "TO";
  if (option.get_single_name() == "FROM" || option.get_single_name() == "TO") completion.sandbox = true;
}

}  // namespace

Completion complete(const CLI::App& root, const std::vector<std::string>& words) {
  Completion completion;
  if (words.empty()) return completion;
  const CLI::App* app = &root;
  std::size_t positionals = 0;
  const CLI::Option* pending = nullptr;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (pending != nullptr) {
      pending = nullptr;
      continue;
    }
    if (word == "--") return {.files = true};
    if (word.size() > 1 && word.starts_with('-')) {
      const CLI::Option* option = find_option(*app, word);
      if (option != nullptr && takes_value(*option) && word.find('=') == std::string::npos) pending = option;
      continue;
    }
    if (const CLI::App* below = positionals == 0 ? find_command(*app, word) : nullptr; below != nullptr) {
      app = below;
    } else {
      ++positionals;
      if (app->get_prefix_command() && positionals > 1) return {.files = true};
    }
  }
  const std::string& last = words.back();
  if (pending != nullptr) {
    add_values(*pending, completion);
  } else if (last.starts_with('-')) {
    for (const CLI::Option* option : options_of(*app)) {
      const std::string doc = option->get_description();
      for (const std::string& name : option->get_lnames()) completion.candidates.push_back({"--" + name, doc});
    }
  } else {
    if (positionals == 0) {
      for (const CLI::App* below :
           app->get_subcommands([](const CLI::App* c) { return !c->get_name().empty() && !c->get_group().empty(); })) {
        completion.candidates.push_back({below->get_name(), below->get_description()});
      }
    }
    std::vector<const CLI::Option*> arguments;
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_positional()) arguments.push_back(option);
    }
    if (positionals < arguments.size()) {
      add_values(*arguments[positionals], completion);
    } else if (!arguments.empty() && arguments.back()->get_items_expected_max() > 1) {
      add_values(*arguments.back(), completion);
    } else if (app->get_prefix_command()) {
      completion.sandbox = positionals == 0;
      completion.files = positionals > 0;
    }
  }
  std::erase_if(completion.candidates, [&](const Candidate& c) { return !c.word.starts_with(last); });
  std::ranges::sort(completion.candidates, {}, &Candidate::word);
  return completion;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") {
    return R"sh(# bash completion of swarmctl: source this, or put it into ~/.local/share/bash-completion/completions/swarmctl
_swarmctl() {
  local IFS=$'\n' line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ':files' ]]; then
      compopt -o filenames 2>/dev/null
      COMPREPLY+=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    else
      COMPREPLY+=("${line%%$'\t'*}")
    fi
  done < <(swarmctl __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _swarmctl swarmctl
)sh";
  }
  if (shell == "zsh") {
    return R"sh(#compdef swarmctl
# zsh completion of swarmctl: put this into a file _swarmctl in a directory of $fpath
_swarmctl() {
  local -a found
  local line files=
  for line in ${(f)"$(swarmctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
    if [[ $line == ':files' ]]; then
      files=1
    else
      found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    fi
  done
  (( $#found )) && _describe 'swarmctl' found
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _swarmctl ]]; then _swarmctl "$@"; else compdef _swarmctl swarmctl; fi
)sh";
  }
  if (shell == "fish") {
    return R"sh(# fish completion of swarmctl: put this into ~/.config/fish/completions/swarmctl.fish
function __swarmctl_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (swarmctl __complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = ':files'
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c swarmctl -f -a '(__swarmctl_complete)'
)sh";
  }
  return {};
}

}  // namespace swarm::client
