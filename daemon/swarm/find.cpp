// Which swarm is meant, and where it is.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/swarm/swarms.hpp"
#include "daemon/swarm/words.hpp"

namespace swarm::swarms {
namespace {

bool has_sandbox(const api::SwarmInfo& info, const std::string& sandbox) {
  return std::ranges::any_of(places_of(info), [&](const api::SwarmPlace& one) { return one.sandbox == sandbox; });
}

}  // namespace

std::unexpected<Error> no_swarm(const std::string& what) {
  return fail(Code::not_found, fmt::format("there is no swarm '{}'; 'swarmctl swarm ls --all' lists them", what));
}

Result<Place> Swarms::find(const std::optional<std::string>& what) {
  const auto place = [](const Record& record) {
    return Place{.swarm = record.info.id, .name = record.info.name, .sandbox = record.info.sandbox};
  };
  if (!what) {
    std::vector<std::shared_ptr<Swarm>> alive;
    for (const auto& [id, swarm] : living_) {
      if (!is_over(swarm->record.info.state)) alive.push_back(swarm);
    }
    if (alive.size() == 1) return place(alive.front()->record);
    if (alive.empty()) {
      const auto newest = load_page(with_.store.reader(), true, INT64_MAX, "", 1);
      if (!newest) return fail(newest.error());
      if (!newest->empty()) return place(newest->front());
      return fail(Code::not_found, "there is no swarm; 'swarmctl deploy' makes one");
    }
    return fail(Code::invalid_argument, fmt::format("there are {} swarms; say which: '{}', '{}', ...", alive.size(),
                                                    alive[0]->record.info.name, alive[1]->record.info.name));
  }
  const auto ids = find_ids(with_.store.reader(), *what, 3);
  if (!ids) return fail(ids.error());
  std::vector<Record> found;
  for (const std::string& id : *ids) {
    const auto known = living(id);
    auto record = known ? Result<std::optional<Record>>(known->record) : load(with_.store.reader(), id);
    if (!record) return fail(record.error());
    if (*record) found.push_back(std::move(**record));
  }
  if (found.empty()) return no_swarm(*what);
  // Its name or its whole id says enough, whatever else begins so.
  for (const Record& record : found) {
    if (record.info.name == *what || record.info.id == *what) return place(record);
  }
  if (found.size() > 1) {
    return fail(Code::invalid_argument, fmt::format("several swarms begin with '{}'; write more of it", *what));
  }
  return place(found.front());
}

std::optional<Place> Swarms::of_sandbox(const std::string& sandbox) const {
  for (const auto& [id, swarm] : living_) {
    const api::SwarmInfo& info = swarm->record.info;
    if (!sandbox.empty() && has_sandbox(info, sandbox)) {
      return Place{.swarm = info.id, .name = info.name, .sandbox = info.sandbox};
    }
  }
  return std::nullopt;
}

std::optional<std::set<std::string>> Swarms::agents_in(const std::string& sandbox) const {
  for (const auto& [id, swarm] : living_) {
    const api::SwarmInfo& info = swarm->record.info;
    if (sandbox.empty() || !has_sandbox(info, sandbox)) continue;
    if (!spans(info)) return std::nullopt;
    std::set<std::string> agents;
    for (const api::SwarmPlace& place : info.places) {
      if (place.sandbox == sandbox) agents.insert(place.agents.begin(), place.agents.end());
    }
    return agents;
  }
  return std::nullopt;
}

Result<std::vector<std::string>> Swarms::sandboxes_of(const std::string& what) {
  const Result<Place> place = find(what);
  if (!place) return fail(place.error());
  const auto swarm = living(place->swarm);
  std::vector<std::string> all;
  if (swarm == nullptr) {
    if (!place->sandbox.empty()) all.push_back(place->sandbox);
    return all;
  }
  for (const api::SwarmPlace& one : places_of(swarm->record.info)) {
    if (!one.sandbox.empty()) all.push_back(one.sandbox);
  }
  return all;
}

Result<std::string> Swarms::sandbox_of_agent(const std::string& what, const std::string& agent) {
  const Result<Place> place = find(what);
  if (!place) return fail(place.error());
  const auto swarm = living(place->swarm);
  std::string sandbox = swarm == nullptr ? place->sandbox : sandbox_of(swarm->record.info, agent);
  if (sandbox.empty()) {
    return fail(Code::failed_precondition, fmt::format("swarm '{}' has no sandbox for it now", place->name));
  }
  return sandbox;
}

async::Task<Result<Record>> Swarms::load_record(std::optional<std::string> what) {
  const Result<Place> place = find(what);
  if (!place) co_return fail(place.error());
  if (const auto known = living(place->swarm)) co_return known->record;
  Result<std::optional<Record>> record = load(with_.store.reader(), place->swarm);
  if (!record) co_return fail(record.error());
  if (!*record) co_return no_swarm(place->swarm);
  co_return std::move(**record);
}

async::Task<Result<std::shared_ptr<Swarm>>> Swarms::living_or_refused(std::optional<std::string> what,
                                                                      std::string_view verb) {
  const Result<Place> place = find(what);
  if (!place) co_return fail(place.error());
  if (auto known = living(place->swarm)) co_return known;
  Result<Record> record = co_await load_record(place->swarm);
  if (!record) co_return fail(record.error());
  co_return fail(Code::failed_precondition, fmt::format("swarm {} is {}; it cannot be {}", record->info.name,
                                                        state_name(record->info.state), verb));
}

}  // namespace swarm::swarms
