#include "daemon/team/residences.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "protocol/api/codec.hpp"
#include "protocol/api/sandbox.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/client.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::team {
namespace {

using store::Sql;

constexpr std::array kMigrations = {
    store::Migration{1, "teams", R"(
      CREATE TABLE teams (
        swarm TEXT PRIMARY KEY, name TEXT NOT NULL, sandbox TEXT NOT NULL UNIQUE
      ) STRICT, WITHOUT ROWID;
    )"},
};

constexpr Sql kAll{"teams.all", "SELECT swarm, name, sandbox FROM teams ORDER BY swarm LIMIT 100000"};
constexpr Sql kPut{"teams.put", "INSERT OR REPLACE INTO teams (swarm, name, sandbox) VALUES (?, ?, ?)"};
constexpr Sql kDrop{"teams.drop", "DELETE FROM teams WHERE swarm = ?"};

bool over(api::SandboxState state) {
  return state == api::SandboxState::gone || state == api::SandboxState::lost || state == api::SandboxState::failed;
}

}  // namespace

const store::Domain kResidenceDomain{"teams", kMigrations};

Residences::Residences(async::Loop& loop, store::Store& store, sandbox::Sandboxes& sandboxes)
    : store_(store), sandboxes_(sandboxes), tasks_(loop) {
  listening_ = store.subscribe([this](const std::vector<store::Event>& events) { sandbox_changed(events); });
}

Residences::~Residences() { tasks_.cancel_all(); }

async::Task<Result<void>> Residences::recover() {
  auto rows = store_.reader().all<std::string, std::string, std::string>(kAll);
  if (!rows) co_return fail(rows.error());
  for (auto& [swarm, name, sandbox] : *rows) {
    const auto info = co_await sandboxes_.info(sandbox);
    if (!info || over(info->state)) {
      tasks_.spawn(forget(&store_, swarm));
      continue;
    }
    homes_[swarm] = {.swarm = swarm, .name = std::move(name), .sandbox = std::move(sandbox)};
  }
  co_return {};
}

void Residences::sandbox_changed(const std::vector<store::Event>& events) {
  for (const store::Event& event : events) {
    if (event.type != api::kSandboxState.name || !event.sandbox) continue;
    const auto data = wire::decode(std::as_bytes(std::span(event.data)), wire::Limits{});
    if (!data) continue;
    const auto change = api::decode_reply<api::SandboxStateChanged>(*data);
    if (!change || !over(change->to)) continue;
    std::erase_if(homes_, [&](const auto& entry) {
      if (entry.second.sandbox != *event.sandbox) return false;
      tasks_.spawn(forget(&store_, entry.first));
      return true;
    });
  }
}

async::Task<> Residences::forget(store::Store* store, std::string swarm) {
  auto task = store->write("teams.drop", store::Durability::process,
                           [swarm](store::Changes& changes) { return changes.db().run(kDrop, swarm); });
  static_cast<void>(co_await std::move(task));  // else the next start does it
}

async::Task<Result<api::TeamInfo>> Residences::open(std::string sandbox, api::TeamOpenRequest request) {
  auto use = co_await sandboxes_.use(std::move(sandbox));
  if (!use) co_return fail(use.error());
  if (const auto home = homes_.find(request.swarm); home != homes_.end() && home->second.sandbox != use->id()) {
    co_return fail(Code::already_exists,
                   fmt::format("'{}' lives in sandbox '{}'", request.swarm, home->second.sandbox));
  }
  Result<api::TeamInfo> opened =
      co_await wire::call_with_timeout(use->agent(), api::inside::kTeamOpen, request, std::chrono::seconds(30));
  if (!opened) co_return opened;
  Home home{.swarm = opened->swarm, .name = opened->name, .sandbox = use->id()};
  auto task = store_.write("teams.put", store::Durability::process, [home](store::Changes& changes) -> Result<void> {
    return changes.db().run(kPut, home.swarm, home.name, home.sandbox);
  });
  const Result<void> written = co_await std::move(task);
  if (!written) co_return fail(written.error());
  homes_[home.swarm] = std::move(home);
  co_return opened;
}

Result<Home> Residences::find(const std::optional<std::string>& what) const {
  Error last{.code = Code::not_found, .message = "there is no swarm"};
  for (const Homes* other : others_) {
    Result<Home> found = other->find(what);
    if (found || found.error().code != Code::not_found) return found;
    last = found.error();
  }
  Result<Home> own = find_own(what);
  if (own || own.error().code != Code::not_found || others_.empty()) return own;
  return fail(last);
}

Result<Home> Residences::find_own(const std::optional<std::string>& what) const {
  std::vector<const Home*> found;
  std::vector<std::string> names;
  for (const auto& [swarm, home] : homes_) {
    if (what && home.swarm == *what) return home;
    if (!what || home.name == *what || home.swarm.starts_with(*what)) found.push_back(&home);
    names.push_back(home.name.empty() ? home.swarm : home.name);
  }
  if (found.size() == 1) return *found.front();
  if (names.empty()) return fail(Code::not_found, "there is no swarm; 'swarmctl deploy' makes one");
  if (found.empty()) {
    return fail(Code::not_found, fmt::format("no swarm '{}'{}; there are: {}", shown(*what), did_you_mean(*what, names),
                                             fmt::join(names, ", ")));
  }
  names.clear();
  for (const Home* home : found) names.push_back(home->name.empty() ? home->swarm : home->name);
  return fail(Code::invalid_argument,
              what ? fmt::format("'{}' is several swarms: {}", shown(*what), fmt::join(names, ", "))
                   : fmt::format("say which swarm: {}", fmt::join(names, ", ")));
}

std::optional<Home> Residences::of_sandbox(const std::string& sandbox) const {
  for (const Homes* other : others_) {
    if (auto home = other->of_sandbox(sandbox)) return home;
  }
  for (const auto& [swarm, home] : homes_) {
    if (home.sandbox == sandbox) return home;
  }
  return std::nullopt;
}

}  // namespace swarm::team
