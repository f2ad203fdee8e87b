#include "daemon/rpc/artifact.hpp"

#include "daemon/artifacts/artifacts.hpp"
#include "daemon/swarm/swarms.hpp"
#include "daemon/workflow/engine.hpp"
#include "daemon/workflow/service.hpp"

namespace swarm::rpc {
namespace {

using artifacts::Artifacts;

/// What an artifact call may act on. A person reaches the artifacts of a swarm without a sandbox too.
struct ArtifactFaces {
  const team::Homes& homes;
  swarms::Swarms& swarms;
  workflow::Engine& engine;
  Artifacts& artifacts;

  template <class Req>
  [[nodiscard]] Result<artifacts::Place> place_of(const wire::CallContext& call, Req& request) const {
    if (call.peer.kind != wire::Peer::Kind::sandbox && !request.agent) {
      const Result<swarms::Place> found = swarms.find(request.swarm);
      if (!found) return fail(found.error());
      return artifacts::Place{.swarm = found->swarm, .by = "human"};
    }
    Result<Scope> scope = scope_of(homes, call, request);
    if (!scope) return fail(scope.error());
    return artifacts::Place{.swarm = scope->home.swarm, .by = scope->agent};
  }

  /// Task and review that are meant, by whole ids; a review says whose change it is about.
  Result<void> name(artifacts::Place& place, const std::optional<std::string>& task,
                    const std::optional<std::string>& review) const {
    const workflow::Actor actor{
        .kind = place.by == "human" ? workflow::Actor::Kind::person : workflow::Actor::Kind::agent,
        .swarm = place.swarm,
        .name = place.by};
    if (task) {
      const auto found = engine.look(
          [&](workflow::Turn& turn) { return workflow::service::task_show(turn, actor, api::TaskRef{.task = *task}); });
      if (!found) return fail(found.error());
      place.task = found->task.id;
      place.run = found->task.run;
    }
    if (review) {
      const auto found = engine.look([&](workflow::Turn& turn) {
        return workflow::service::review_show(turn, actor, api::ReviewRef{.review = *review});
      });
      if (!found) return fail(found.error());
      if (place.task && *place.task != found->task) {
        return fail(Code::invalid_argument,
                    fmt::format("review {} is of task {}, not of {}", found->id, found->task, *place.task));
      }
      place.review = found->id;
      place.task = found->task;
      place.run = found->run;
    }
    return {};
  }
};

async::Task<Result<api::ArtifactInfo>> put(std::shared_ptr<const ArtifactFaces> faces, Result<artifacts::Place> place,
                                           api::FromAgent<api::ArtifactPutRequest> request,
                                           wire::Connection& connection) {
  if (!place) co_return fail(place.error());
  if (const Result<void> named = faces->name(*place, request.task, request.review); !named) {
    co_return fail(named.error());
  }
  const std::uint32_t stream = request.content;
  auto putting = faces->artifacts.put(std::move(*place), std::move(static_cast<api::ArtifactPutRequest&>(request)),
                                      [&connection, stream] { return connection.open_source(stream); });
  Result<api::ArtifactInfo> kept = co_await std::move(putting);
  co_return kept;
}

async::Task<Result<api::ArtifactInfo>> get(std::shared_ptr<const ArtifactFaces> faces, Result<artifacts::Place> place,
                                           api::FromAgent<api::ArtifactGetRequest> request,
                                           wire::Connection& connection) {
  if (!place) co_return fail(place.error());
  const std::uint32_t stream = request.content;
  auto getting = faces->artifacts.get(
      place->swarm, request.artifact, [&connection, stream] { return connection.open_sink(stream); },
      connection.tasks());
  Result<api::ArtifactInfo> found = co_await std::move(getting);
  co_return found;
}

}  // namespace

void add_artifact_methods(Routers routers, const team::Homes& homes, swarms::Swarms& swarms, workflow::Engine& engine,
                          artifacts::Artifacts& artifacts) {
  const auto faces = std::make_shared<const ArtifactFaces>(homes, swarms, engine, artifacts);
  for (wire::Router* router : {&routers.host, &routers.tunnel}) {
    router->bind(api::kArtifactPut, [faces](wire::CallContext& call, api::FromAgent<api::ArtifactPutRequest> request) {
      Result<artifacts::Place> place = faces->place_of(call, request);
      return put(faces, std::move(place), std::move(request), call.connection);
    });
    router->bind(api::kArtifactGet, [faces](wire::CallContext& call, api::FromAgent<api::ArtifactGetRequest> request) {
      Result<artifacts::Place> place = faces->place_of(call, request);
      return get(faces, std::move(place), std::move(request), call.connection);
    });
    router->bind(api::kArtifactList,
                 [faces](wire::CallContext& call,
                         api::FromAgent<api::ArtifactListRequest> request) -> Result<api::ArtifactListReply> {
                   const Result<artifacts::Place> place = faces->place_of(call, request);
                   if (!place) return fail(place.error());
                   return faces->artifacts.list(place->swarm, request);
                 });
  }
}

}  // namespace swarm::rpc
