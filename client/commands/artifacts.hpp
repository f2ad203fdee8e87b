#pragma once
// Files that were attached to tasks and reviews: what several commands show of them.

#include "client/connect.hpp"
#include "client/output/table.hpp"
#include "protocol/api/artifact.hpp"
#include "protocol/api/codec.hpp"

namespace CLI {
class App;
}

namespace swarm::client {

struct Selection;

/// `artifact ls` and `artifact get`.
void add_artifact_commands(CLI::App& root, Selection& selection);

/// Which artifacts; empty: any.
struct ArtifactsOf {
  std::string swarm;
  std::string task;
  std::string review;
};

/// All of them, oldest first.
async::Task<Result<std::vector<api::ArtifactInfo>>> artifacts_of(Client& client, ArtifactsOf of);

/// Nothing in it comes to a terminal as it is.
Table artifact_table(const std::vector<api::ArtifactInfo>& artifacts);

/// Shows `reply` by `show`, and the artifacts that belong there; as JSON they are its field `artifacts`.
template <class Reply, class Show>
void show_with_artifacts(Context& context, const Reply& reply, const std::vector<api::ArtifactInfo>& artifacts,
                         Show show) {
  if (context.printer.json()) {
    Value document = api::encode(reply);
    const Value listed = api::encode(api::ArtifactListReply{.artifacts = artifacts, .next_cursor = {}});
    document.set("artifacts", *listed.find("artifacts"));
    context.printer.document(document);
    return;
  }
  show(context, reply);
  if (!artifacts.empty()) context.printer.table(artifact_table(artifacts));
}

}  // namespace swarm::client
