#include <fmt/format.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "client/transfer/copy.hpp"

namespace swarm::client {
namespace {

struct Arguments {
  std::string from;
  std::string to;
  CopyOptions copy;
};

std::string told(const Copied& copied) {
  std::string what = fmt::format("{} {}", human_count(copied.files), copied.files == 1 ? "file" : "files");
  if (copied.directories > 0) {
    what +=
        fmt::format(", {} {}", human_count(copied.directories), copied.directories == 1 ? "directory" : "directories");
  }
  if (copied.links > 0) what += fmt::format(", {} links", human_count(copied.links));
  return fmt::format("Copied {} ({})", what, human_size(copied.size_bytes));
}

Value document_of(const Copied& copied) {
  Value document;
  document.set("target", copied.target);
  document.set("files", copied.files);
  document.set("directories", copied.directories);
  document.set("links", copied.links);
  document.set("size_bytes", copied.size_bytes);
  Value::Array skipped;
  for (const std::string& path : copied.skipped) skipped.emplace_back(path);
  document.set("skipped", Value(std::move(skipped)));
  return document;
}

async::Task<Result<int>> cp(Context& context, Arguments arguments) {
  const Result<CopyPlace> from = parse_place(arguments.from);
  if (!from) co_return fail(from.error());
  const Result<CopyPlace> to = parse_place(arguments.to);
  if (!to) co_return fail(to.error());
  if (from->sandbox.has_value() == to->sandbox.has_value()) {
    co_return fail(Code::invalid_argument,
                   from->sandbox
                       ? "both places are in sandboxes; copy to this machine first, or pipe: 'swarmctl cp a:x - | "
                         "swarmctl cp - b:x'"
                       : "neither place is in a sandbox; write SANDBOX:PATH for the one that is");
  }
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  Result<Copied> copied(Copied{});
  if (to->sandbox) {
    copied = co_await copy_in(context, **client, *from, *to, arguments.copy);
  } else {
    copied = co_await copy_out(context, **client, *from, *to, arguments.copy);
  }
  if (!copied) co_return fail(copied.error(), "cp");
  if (to->stream()) co_return kExitOk;  // standard output is the file's
  if (context.printer.json()) {
    context.printer.document(document_of(*copied));
    co_return kExitOk;
  }
  if (context.printer.err().terminal) context.printer.note(told(*copied));
  for (const std::string& path : copied->skipped)
    context.printer.note("Left out, neither file nor link: " + one_line(path));
  co_return kExitOk;
}

}  // namespace

void add_cp_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "cp", "Copy files and trees into a sandbox, or out of it",
                                  "  swarmctl cp notes.txt web:             into the workspace\n"
                                  "  swarmctl cp ./src web:/tmp/            the tree becomes /tmp/src\n"
                                  "  swarmctl cp web:build/report.html .\n"
                                  "  swarmctl cp web:out - | sha256sum\n"
                                  "  pg_dump db | swarmctl cp - web:dump.sql\n"
                                  "\nA directory comes out on '-' as a tar archive.\n");
  auto arguments = std::make_shared<Arguments>();
  command.add_option("FROM", arguments->from, "PATH, SANDBOX:PATH, or - for standard input")->required();
  command.add_option("TO", arguments->to, "PATH, SANDBOX:PATH, or - for standard output")->required();
  command.add_option("-u,--user", arguments->copy.user, "As whom inside")->type_name("USER");
  command.add_flag("--keep", arguments->copy.refuse, "Fail rather than replace a file that is there");
  command.add_flag("--raw", arguments->copy.raw, "Let control sequences pass to the terminal");
  command.add_option("--exclude", arguments->copy.exclude, "Leave out what matches, when copying out; may be repeated")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  command.callback([&selection, arguments] {
    selection.action = [arguments](Context& context) { return cp(context, *arguments); };
  });
}

}  // namespace swarm::client
