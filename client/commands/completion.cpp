#include "client/completion.hpp"

#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/sandbox.hpp"

namespace swarm::client {
namespace {

// A prompt that hangs is worse than one that knows no sandboxes.
constexpr auto kCompletionPatience = std::chrono::milliseconds(400);

async::Task<> add_sandboxes(Context& context, Completion& completion, std::string prefix) {
  Result<Reached> reached = co_await reach(context);
  if (!reached) co_return;
  Client client(context, std::move(*reached));
  auto asking = wire::call_with_timeout(client.connection(), api::kSandboxList, {.limit = 200}, kCompletionPatience);
  const Result<api::SandboxListReply> reply = co_await std::move(asking);
  if (!reply) co_return;
  for (const api::SandboxInfo& sandbox : reply->sandboxes) {
    // People type names; ids are offered where there is none, or when one has been begun.
    const std::string name = one_line(sandbox.name.value_or(""));
    if (!name.empty() && name.starts_with(prefix)) completion.candidates.push_back({name, "sandbox " + sandbox.id});
    if (sandbox.id.starts_with(prefix) && (name.empty() || !prefix.empty())) {
      completion.candidates.push_back({sandbox.id, name.empty() ? "sandbox" : "sandbox " + name});
    }
  }
}

async::Task<Result<int>> print_candidates(Context& context, Completion completion, std::string last) {
  if (completion.sandbox) co_await add_sandboxes(context, completion, last);
  for (const Candidate& candidate : completion.candidates) {
    context.printer.line(candidate.word + "\t" + candidate.doc);
  }
  if (completion.files) context.printer.line(":files");
  co_return kExitOk;
}

async::Task<Result<int>> print_script(Context& context, std::string shell) {
  context.printer.text(completion_script(shell));
  co_return kExitOk;
}

}  // namespace

void add_completion_commands(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "completion", "Print a script that completes commands in your shell",
                                  "  source <(swarmctl completion bash)\n"
                                  "  swarmctl completion fish > ~/.config/fish/completions/swarmctl.fish\n");
  auto shell = std::make_shared<std::string>();
  command.add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command.callback(
      [&selection, shell] { selection.action = [shell](Context& context) { return print_script(context, *shell); }; });

  CLI::App& asking = *root.add_subcommand("__complete", "For the scripts of 'completion'");
  asking.group("");
  asking.callback([&selection, &root] {
    std::vector<std::string> words = selection.after_dashes.value_or(std::vector<std::string>());
    if (words.empty()) words.emplace_back();
    const std::string last = words.back();
    selection.globals.no_start = true;
    selection.action = [completion = complete(root, words), last](Context& context) {
      return print_candidates(context, completion, last);
    };
  });
}

}  // namespace swarm::client
