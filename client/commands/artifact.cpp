// artifact ls, artifact get
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "client/commands/arguments.hpp"
#include "client/commands/artifacts.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/output/human.hpp"
#include "client/output/progress.hpp"
#include "client/output/sanitizer.hpp"
#include "client/transfer/counted.hpp"
#include "client/transfer/print_stream.hpp"
#include "protocol/tree/file_ends.hpp"

namespace swarm::client {
namespace {

struct Getting {
  std::string swarm;
  std::string artifact;
  std::string output;
  bool raw = false;
};

async::Task<Result<int>> list_artifacts(Context& context, ArtifactsOf of) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const auto found = co_await artifacts_of(**client, std::move(of));
  if (!found) co_return fail(found.error());
  if (context.printer.json()) {
    context.printer.document_of(api::ArtifactListReply{.artifacts = *found, .next_cursor = {}});
  } else {
    context.printer.table(artifact_table(*found));
  }
  co_return kExitOk;
}

async::Task<Result<int>> get_artifact(Context& context, Getting getting) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  api::FromAgent<api::ArtifactGetRequest> request;
  request.swarm = non_empty(getting.swarm);
  request.artifact = getting.artifact;
  request.content = (*client)->connection().new_stream_id();
  auto source = (*client)->connection().open_source(request.content);
  if (!source) co_return fail(source.error());
  const bool to_stream = getting.output == "-";
  async::Task<Result<std::uint64_t>> taking;
  if (to_stream) {
    taking = print_stream(context, std::move(*source), getting.raw);
  } else {
    const std::filesystem::path target = getting.output;
    const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : ".";
    UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) co_return fail_errno("open", parent.native());
    // It has its name when all has come and its SHA-256 is right.
    auto consumer = tree::FileConsumer::in(std::move(directory), {.name = target.filename().native()});
    if (!consumer) co_return fail(consumer.error());
    taking = tree::pump_in(context.loop, *consumer, **source);
  }
  std::optional<Result<api::ArtifactInfo>> reply;
  std::optional<Result<std::uint64_t>> got;
  co_await call_with_stream(context.loop, (*client)->call_patiently(api::kArtifactGet, request), reply,
                            std::move(taking), got);
  if (!*reply) co_return fail(reply->error());
  if (!*got) co_return fail(got->error(), "artifact");
  if (to_stream) co_return kExitOk;
  if (context.printer.json()) {
    context.printer.document_of(**reply);
  } else {
    context.printer.note(fmt::format("{} ({}) is in {}", one_line((*reply)->name.bytes),
                                     human_size((*reply)->size_bytes), one_line(getting.output)));
  }
  co_return kExitOk;
}

}  // namespace

async::Task<Result<std::vector<api::ArtifactInfo>>> artifacts_of(Client& client, ArtifactsOf of) {
  api::FromAgent<api::ArtifactListRequest> request;
  request.swarm = non_empty(of.swarm);
  request.task = non_empty(of.task);
  request.review = non_empty(of.review);
  request.limit = 1000;
  std::vector<api::ArtifactInfo> all;
  do {
    Result<api::ArtifactListReply> page = co_await client.call(api::kArtifactList, request);
    if (!page) co_return fail(page.error());
    std::ranges::move(page->artifacts, std::back_inserter(all));
    request.cursor = page->next_cursor;
  } while (request.cursor);
  co_return all;
}

Table artifact_table(const std::vector<api::ArtifactInfo>& artifacts) {
  Table table({{"ARTIFACT"}, {"SIZE", Align::right}, {"BY"}, {"TASK"}, {"NAME"}, {"NOTE", Align::left, Fit::shorten}});
  for (const api::ArtifactInfo& one : artifacts) {
    table.add({one.id, human_size(one.size_bytes), one_line(one.by), one.task.value_or(""), one_line(one.name.bytes),
               one_line(one.note)});
  }
  return table;
}

void add_artifact_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "artifact", "Files that agents attached to tasks and reviews");
  const auto of = std::make_shared<ArtifactsOf>();
  CLI::App& ls = add_command(group, selection, "ls", "List them",
                             "  swarmctl artifact ls\n  swarmctl artifact ls --task tsk_01k\n");
  ls.alias("list");
  ls.add_option("--swarm", of->swarm, "The swarm, where there are several")->type_name("SWARM");
  ls.add_option("--task", of->task, "Only those of this task")->type_name("TASK");
  ls.add_option("--review", of->review, "Only those of this review")->type_name("REVIEW");
  ls.callback([&selection, of] { selection.action = [of](Context& context) { return list_artifacts(context, *of); }; });

  const auto getting = std::make_shared<Getting>();
  CLI::App& get = add_command(group, selection, "get", "Copy one to this machine",
                              "  swarmctl artifact get art_01k page.png\n"
                              "  swarmctl artifact get art_01k - | less\n"
                              "\nIts own name is never used for a file here.\n");
  get.add_option("--swarm", getting->swarm, "The swarm, where there are several")->type_name("SWARM");
  get.add_option("ARTIFACT", getting->artifact, "Its id, or a unique prefix of it")->required();
  get.add_option("FILE", getting->output, "The file to write, or - for standard output")->required();
  get.add_flag("--raw", getting->raw, "Let control sequences pass to the terminal");
  get.callback([&selection, getting] {
    selection.action = [getting](Context& context) { return get_artifact(context, *getting); };
  });
}

}  // namespace swarm::client
