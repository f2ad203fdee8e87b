#include "daemon/ship/shipping.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/git/protected_paths.hpp"
#include "daemon/git/text.hpp"
#include "daemon/log/log.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/core/id.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::ship {
namespace {

using api::ShipmentState;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

// What may pass by itself is tried again so often, with growing pauses. A rate limit is no try: it says when it ends.
constexpr int kTries = 9;
constexpr int kGuesses = 8;
constexpr Duration kFirstPause = 500ms;
constexpr Duration kLongestPause = 1min;

bool waits_for_person(const Record& record) { return record.info.state == ShipmentState::approval; }

std::vector<std::string> urls_of(const api::ShipmentInfo& info) {
  std::vector<std::string> urls;
  for (const api::ShipmentPart& part : info.parts) {
    if (!part.url.empty()) urls.push_back(part.url);
  }
  return urls;
}

/// The same commits to the same places.
bool same_cargo(const api::ShipmentInfo& a, const api::ShipmentInfo& b) {
  return std::ranges::equal(a.parts, b.parts, [](const api::ShipmentPart& one, const api::ShipmentPart& other) {
    return one.repo == other.repo && one.commit == other.commit && one.remote == other.remote;
  });
}

/// Who let one go has let the other go, too: the same commits to the same branches, and pull requests only into the
/// branches that were named then.
bool covers(const api::ShipmentInfo& approved, const api::ShipmentInfo& wanted) {
  if (!same_cargo(approved, wanted)) return false;
  const bool opens = wanted.wish.pull_request;
  if (opens && !approved.wish.pull_request) return false;
  return std::ranges::equal(approved.parts, wanted.parts, [&](const auto& one, const auto& other) {
    // Where nobody names it, it is the service's default branch, which is looked up later.
    const bool both_default = approved.wish.into.empty() && other.into.empty();
    return one.branch == other.branch && (!opens || one.into == other.into || both_default);
  });
}

/// Tells the state that is being written.
Result<void> tell(store::Changes& changes, const api::ShipmentInfo& info) {
  const api::ShipmentChanged told{
      .shipment = info.id, .state = info.state, .reason = info.reason, .urls = urls_of(info)};
  const auto seq = changes.append(
      {.type = std::string(api::kShipmentChanged.name), .swarm = info.swarm, .data = wire::encode(api::encode(told))});
  if (!seq) return fail(seq.error());
  return {};
}

}  // namespace

Shipping::Shipping(Surroundings surroundings)
    : with_(surroundings),
      credentials_(with_.loop, with_.vault, with_.redactor),
      pusher_(with_.git),
      beginning_(with_.loop),
      tasks_(with_.loop) {}

async::Task<Result<void>> Shipping::recover() {
  Result<std::vector<Record>> records = load_open(with_.store.reader());
  if (!records) co_return fail(records.error());
  for (Record& record : *records) adopt(std::move(record));
  co_return {};
}

Shipping::Shared Shipping::adopt(Record record) {
  const std::string id = record.info.id;
  auto open = std::make_shared<Open>(with_.loop, std::move(record));
  open_[id] = open;
  tasks_.spawn(carry_on(this, open));
  return open;
}

async::Task<Result<void>> Shipping::change(Shared open, std::function<void(Record&)> what) {
  const auto turn = co_await open->turn.take();
  Record next = open->record;
  what(next);
  next.info.updated_us = with_.loop.clock().wall().us;
  if (is_over(next.info.state) && !next.info.ended_us) next.info.ended_us = next.info.updated_us;
  const bool news = next.info.state != open->record.info.state || next.info.reason != open->record.info.reason;
  const Result<void> written = co_await with_.store.write("ship.change", store::Durability::power,
                                                          [next, news](store::Changes& changes) -> Result<void> {
                                                            if (Result<void> done = update(changes.db(), next); !done)
                                                              return done;
                                                            return news ? tell(changes, next.info) : Result<void>();
                                                          });
  if (!written) co_return fail(written.error());
  open->record = std::move(next);
  open->changed.notify_all();
  co_return {};
}

bool Shipping::approved_before(const Record& record) {
  const Result<std::vector<Record>> others = load_of(with_.store.reader(), record.info.swarm, false, 1000);
  if (!others) return false;
  return std::ranges::any_of(*others, [&](const Record& other) {
    return !other.info.decided_by.empty() && other.info.state != ShipmentState::rejected &&
           covers(other.info, record.info);
  });
}

async::Task<Result<Remote>> Shipping::remote_of(std::string git_dir, std::string name) {
  if (name.find('/') != std::string::npos || name.find(':') != std::string::npos) co_return read_remote(name);
  const Result<async::CommandOutput> found =
      co_await with_.git.ask({.git_dir = git_dir,
                              .cwd = {},
                              .arguments = {"config", "--get", fmt::format("remote.{}.url", name)},
                              .env = {},
                              .input = {}});
  if (!found) co_return fail(found.error());
  const std::string url = found->out.substr(0, found->out.find('\n'));
  if (found->status.code != 0 || url.empty()) {
    co_return fail(Code::not_found,
                   fmt::format("the repository has no remote '{0}'; 'git remote add {0} URL' makes one", shown(name)));
  }
  co_return read_remote(url);
}

async::Task<Result<void>> Shipping::check(std::string git_dir, api::ShipmentWish wish) {
  const Result<Remote> remote = co_await remote_of(std::move(git_dir), wish.remote);
  if (!remote) co_return fail(remote.error());
  co_return {};
}

async::Task<Result<Record>> Shipping::planned(swarms::Goods goods, api::ShipmentWish wish) {
  Record record;
  api::ShipmentInfo& info = record.info;
  info.id = new_id("shp", with_.loop.clock(), with_.random);
  info.swarm = goods.swarm;
  info.swarm_name = goods.name;
  info.wish = wish;
  info.title = std::string(utf8_prefix(wish.title.empty() ? goods.title : wish.title, 200));
  record.hidden.body = wish.body.empty() ? goods.body : wish.body;
  for (const swarms::Cargo& cargo : goods.cargoes) {
    if (cargo.head.empty() || cargo.head == cargo.base_commit) continue;  // nothing is new in this one
    const Result<Remote> remote = co_await remote_of(cargo.git_dir, wish.remote);
    if (!remote) co_return fail(remote.error(), cargo.name);
    info.parts.push_back({.repo = cargo.name,
                          .remote = remote->url,
                          .branch = goods.branch,
                          .into = wish.into.empty() ? cargo.base_branch : wish.into,
                          .commit = cargo.head,
                          .before = {},
                          .pushed = false,
                          .number = {},
                          .url = {},
                          .created = false});
    // Looked at without opening it a second time: a swarm that lives may be receiving into it.
    const Result<std::string> listed = co_await with_.git.run(
        {.git_dir = cargo.keep,
         .cwd = {},
         .arguments = {"diff-tree", "-r", "-z", "--name-only", "--no-renames", cargo.base_commit, cargo.head},
         .env = {},
         .input = {}});
    if (!listed) co_return fail(listed.error());
    const std::vector<std::string> paths = git::split(*listed, '\0');
    for (const std::string& path : git::protected_among(with_.config.git.protected_paths, paths)) {
      info.protected_paths.push_back(goods.cargoes.size() == 1 ? path : cargo.name + ":" + path);
    }
  }
  if (info.parts.empty()) {
    co_return fail(Code::failed_precondition, fmt::format("swarm {} has merged nothing yet", goods.name));
  }
  info.created_us = with_.loop.clock().wall().us;
  info.updated_us = info.created_us;
  info.state = ShipmentState::pushing;
  if (!info.protected_paths.empty() && !approved_before(record)) {
    info.state = ShipmentState::approval;
    info.reason = fmt::format("it changes {} protected path{}; 'swarmctl approve {}' lets it go",
                              info.protected_paths.size(), info.protected_paths.size() == 1 ? "" : "s", info.id);
  }
  co_return record;
}

async::Task<Result<Shipping::Shared>> Shipping::begin(std::optional<std::string> swarm, api::ShipmentWish wish) {
  const auto turn = co_await beginning_.take();
  Result<swarms::Goods> goods = co_await with_.swarms.goods(std::move(swarm));
  if (!goods) co_return fail(goods.error());
  const std::string name = goods->name;
  Result<Record> record = co_await planned(std::move(*goods), wish);
  if (!record) co_return fail(record.error());
  for (const auto& [id, open] : open_) {
    const api::ShipmentInfo& other = open->record.info;
    if (other.swarm != record->info.swarm || is_over(other.state)) continue;
    // Asked again: the same. A person who decides about one commit has not decided about the next.
    if (other.wish == wish && same_cargo(other, record->info)) co_return open;
    if (!waits_for_person(open->record)) {
      co_return fail(Code::failed_precondition,
                     fmt::format("{} of swarm {} is under way; wait for its end ('swarmctl swarm shipments {}')",
                                 other.id, name, name));
    }
    const Result<void> replaced = co_await change(open, [next = record->info.id](Record& old) {
      old.info.state = ShipmentState::rejected;
      old.info.reason = fmt::format("replaced by {}", next);
    });
    if (!replaced) co_return fail(replaced.error());
    break;
  }
  const Result<void> written = co_await with_.store.write("ship.create", store::Durability::power,
                                                          [record = *record](store::Changes& changes) -> Result<void> {
                                                            if (Result<void> done = insert(changes.db(), record); !done)
                                                              return done;
                                                            return tell(changes, record.info);
                                                          });
  if (!written) co_return fail(written.error());
  co_return adopt(std::move(*record));
}

async::Task<Result<api::ShipmentInfo>> Shipping::ship(std::optional<std::string> swarm, api::SwarmShipRequest request) {
  Result<Shared> begun = co_await begin(std::move(swarm), std::move(request.wish));
  if (!begun) co_return fail(begun.error());
  const Shared open = *begun;
  async::Timer over(with_.loop);
  bool late = request.wait_ms.count() == 0;
  over.start_after(request.wait_ms, [&late, open] {
    late = true;
    open->changed.notify_all();
  });
  while (!late && !is_over(open->record.info.state) && !waits_for_person(open->record)) co_await open->changed.wait();
  co_return open->record.info;
}

async::Task<Result<void>> Shipping::ship_at_end(std::string swarm, api::ShipmentWish wish) {
  Result<Shared> begun = co_await begin(std::move(swarm), std::move(wish));
  if (!begun) co_return fail(begun.error());
  co_return {};
}

async::Task<Result<api::SwarmShipmentsReply>> Shipping::list(std::optional<std::string> swarm,
                                                             api::SwarmShipmentsRequest request) {
  api::SwarmShipmentsReply reply;
  Result<std::vector<Record>> records;
  if (request.shipment) {
    records = find(with_.store.reader(), *request.shipment);
    if (records && records->empty()) {
      co_return fail(Code::not_found, fmt::format("there is no shipment '{}'", shown(*request.shipment)));
    }
  } else {
    std::string id;
    if (swarm) {
      Result<swarms::Place> place = with_.swarms.find(swarm);
      if (!place) co_return fail(place.error());
      id = place->swarm;
    }
    records = load_of(with_.store.reader(), id, request.open, static_cast<int>(request.limit));
  }
  if (!records) co_return fail(records.error());
  for (Record& record : *records) reply.shipments.push_back(std::move(record.info));
  co_return reply;
}

async::Task<Result<api::ShipmentInfo>> Shipping::decide(api::SwarmDecideRequest request) {
  const Result<std::vector<Record>> found = find(with_.store.reader(), request.shipment);
  if (!found) co_return fail(found.error());
  if (found->empty()) {
    co_return fail(Code::not_found, fmt::format("there is no shipment '{}'", shown(request.shipment)));
  }
  if (found->size() > 1) {
    co_return fail(Code::invalid_argument,
                   fmt::format("several shipments begin with '{}'; write more of it", shown(request.shipment)));
  }
  const api::ShipmentInfo& stored = found->front().info;
  const auto known = open_.find(stored.id);
  if (known == open_.end() || !waits_for_person(known->second->record)) {
    const bool said = !stored.decided_by.empty();
    if (said && (stored.state == ShipmentState::rejected) == !request.approve) co_return stored;  // said again
    co_return fail(Code::failed_precondition, fmt::format("{} does not wait for a person{}", stored.id,
                                                          said ? ": it was decided by " + stored.decided_by : ""));
  }
  const Shared open = known->second;
  const Result<void> written = co_await change(open, [request](Record& record) {
    if (!waits_for_person(record)) return;  // somebody was faster
    record.info.decided_by = "human";
    record.info.decision = request.reason;
    record.info.state = request.approve ? ShipmentState::pushing : ShipmentState::rejected;
    record.info.reason = request.approve          ? ""
                         : request.reason.empty() ? "rejected by a person"
                                                  : "rejected by a person: " + request.reason;
  });
  if (!written) co_return fail(written.error());
  co_return open->record.info;
}

async::Task<> Shipping::carry_on(Shipping* self, Shared open) {
  Duration pause = kFirstPause;
  int tries = 0;
  int guesses = 0;  // waits for a limit that does not say when it ends
  while (!is_over(open->record.info.state)) {
    if (waits_for_person(open->record)) {
      co_await open->changed.wait();
      continue;
    }
    Answer<ShipmentState> next = ShipmentState::failed;
    if (open->record.hidden.undoing) {
      const Answer<bool> undone = co_await self->take_back(open);
      if (!undone) next = std::unexpected(undone.error());
    } else if (open->record.info.state == ShipmentState::pushing) {
      next = co_await self->push_all(open);
    } else {
      next = co_await self->open_all(open);
    }
    if (next) {
      const Result<void> written = co_await self->change(open, [to = *next](Record& record) {
        record.info.state = to;
        record.info.reason = record.hidden.undo_why;
        record.info.waits_until_us.reset();
      });
      if (!written) {
        log::logger<"ship">().error("a shipment's state could not be recorded", {{"error", written.error()}});
        co_return;  // it goes on from where it was at the next start
      }
      tries = 0;
      guesses = 0;
      pause = kFirstPause;
      continue;
    }
    const Setback& setback = next.error();
    const std::string why = self->with_.redactor.redact(setback.error.message);
    if (setback.guessed ? guesses < kGuesses : setback.wait || (setback.error.retryable && ++tries < kTries)) {
      const Duration wait = setback.guessed ? grown(*setback.wait, guesses++) : setback.wait.value_or(pause);
      if (!setback.wait) pause = std::min(pause * 2, kLongestPause);
      log::logger<"ship">().warn("a shipment waits", {{"shipment", open->record.info.id}, {"error", why}});
      const std::int64_t until =
          self->with_.loop.clock().wall().us + std::chrono::duration_cast<std::chrono::microseconds>(wait).count();
      const Result<void> written = co_await self->change(open, [why, until](Record& record) {
        record.info.reason = why;
        record.info.waits_until_us = until;
      });
      if (!written) log::logger<"ship">().warn("that could not be recorded", {{"error", written.error()}});
      co_await async::sleep_for(self->with_.loop, wait);
      continue;
    }
    // Of several repositories none is left changed when one is refused; what cannot be taken back is said.
    const bool whole = open->record.info.parts.size() < 2 || open->record.hidden.undoing;
    log::logger<"ship">().warn("a shipment failed", {{"shipment", open->record.info.id}, {"error", why}});
    const Result<void> written = co_await self->change(open, [why, whole](Record& record) {
      record.info.waits_until_us.reset();
      if (!whole) {
        record.hidden.undoing = true;
        record.hidden.undo_why = why;
        return;
      }
      record.info.reason = record.hidden.undoing
                               ? fmt::format("{}; not everything could be taken back: {}", record.hidden.undo_why, why)
                               : why;
      record.info.state = ShipmentState::failed;
    });
    if (!written) co_return;
    tries = 0;
    guesses = 0;
    pause = kFirstPause;
  }
  open->changed.notify_all();
  self->open_.erase(open->record.info.id);
}

}  // namespace swarm::ship
