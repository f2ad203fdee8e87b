#include "daemon/costs/costs.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "daemon/log/log.hpp"

namespace swarm::costs {
namespace {

using namespace std::chrono_literals;

// How far back the last sign of life may lie when an end was not seen: the bound of an estimate.
constexpr Duration kWatchEvery = 10s;
constexpr Duration kSettleEvery = 60s;
constexpr std::size_t kSettleAtOnce = 100;  // a transaction of some milliseconds

// One that rests costs nothing, until it is let go on behind our back.
constexpr store::Sql kRuns{"costs.runs", "SELECT EXISTS (SELECT 1 FROM cost_open WHERE phase IN (1, 2))"};

bool fits(const Query& query, const Owner& owner) {
  const auto is = [](const std::optional<std::string>& want, const std::string& has) { return !want || *want == has; };
  return is(query.swarm, owner.swarm) && is(query.agent, owner.agent) && is(query.role, owner.role) &&
         is(query.task, owner.task) && is(query.label, owner.label) && is(query.provider, owner.provider);
}

}  // namespace

Costs::Costs(Setup setup)
    : with_(std::move(setup)),
      meter_(with_.boot_id),
      budgets_(with_.loop, with_.store, meter_, with_.enforce),
      watched_(with_.loop.clock().now()),
      settled_(watched_),
      tasks_(with_.loop) {}

async::Task<Result<void>> Costs::start(std::vector<PriceTable> tables) {
  const Result<void> priced = co_await set_prices(std::move(tables));
  if (!priced) co_return fail(priced.error());
  const Result<void> recovered = co_await budgets_.recover();
  if (!recovered) co_return fail(recovered.error());
  tasks_.spawn(pulse());
  co_return {};
}

async::Task<Result<void>> Costs::set_prices(std::vector<PriceTable> tables) {
  Result<void> done = co_await with_.store.write(
      "costs.set_prices", store::Durability::process,
      [this, tables = std::move(tables)](store::Changes& changes) { return meter_.set_prices(changes, tables); });
  if (!done) co_return fail(done.error(), "prices");
  co_return done;
}

async::Task<> Costs::pulse() {
  for (;;) {
    co_await async::sleep_for(with_.loop, with_.tick);
    const Result<void> done = co_await beat();
    if (!done)
      log::logger<"costs">().warn("budgets and running costs could not be looked at", {{"error", done.error()}});
  }
}

async::Task<Result<void>> Costs::beat() {
  const MonoTime now = with_.loop.clock().now();
  if (budgets_.any()) {
    const Result<void> looked = co_await budgets_.tick();
    if (!looked) co_return fail(looked.error());
  }
  if (now - watched_ < kWatchEvery) co_return {};
  watched_ = now;
  if (with_.watching && !with_.watching()) co_return {};
  const auto runs = with_.store.reader().one<bool>(kRuns);
  if (!runs) co_return fail(runs.error());
  if (!*runs || !std::get<0>(**runs)) co_return {};
  const Moment at = moment();
  const Result<void> alive =
      co_await with_.store.write("costs.alive", store::Durability::process,
                                 [this, at](store::Changes& changes) { return meter_.alive(changes, at); });
  if (!alive) co_return fail(alive.error());
  if (now - settled_ < kSettleEvery) co_return {};
  settled_ = now;
  Result<void> done = co_await settle();
  co_return done;
}

async::Task<Result<void>> Costs::settle() {
  for (;;) {
    const Moment at = moment();
    const Result<std::size_t> count = co_await with_.store.write(
        "costs.settle", store::Durability::process,
        [this, at](store::Changes& changes) { return meter_.settle(changes, at, kSettleAtOnce); });
    if (!count) co_return fail(count.error());
    if (*count < kSettleAtOnce) co_return {};
  }
}

async::Task<Result<Summary>> Costs::summary(Query query) {
  const Moment now = moment();
  Result<Summary> sum = co_await with_.store.read(
      [&meter = meter_, query = std::move(query), now](store::Database& db) -> Result<Summary> {
        Result<Summary> sum =
            summarize_live(db, query, [&](const EntryVisitor& visit) { return meter.accrued(db, now, visit); });
        if (!sum) return sum;
        Result<std::vector<Unpriced>> without = unpriced(db, query.since_us, query.until_us);
        if (!without) return fail(without.error());
        sum->unpriced = std::move(*without);
        return sum;
      });
  co_return sum;
}

async::Task<Result<std::vector<Unpriced>>> Costs::unpriced_now() {
  const std::int64_t now_us = moment().wall.us;
  Result<std::vector<Unpriced>> found =
      co_await with_.store.read([now_us](store::Database& db) { return unpriced(db, now_us, std::nullopt); });
  co_return found;
}

Result<Costs::Page> Costs::read_page(store::Database& db, const Query& query, Cut cut) {
  Page found;
  PriceCache prices(db);
  std::int64_t from = query.since_us.value_or(INT64_MIN);
  std::int64_t to = query.until_us.value_or(INT64_MAX);
  const bool back = cut.order == Order::newest_first;
  if (back && cut.us < INT64_MAX) to = std::min(to, cut.us + 1);
  if (!back) from = std::max(from, cut.us);
  const Result<void> read = scan(
      db, from, to,
      [&](std::int64_t id, const Entry& entry) -> Result<bool> {
        if (entry.start_us == cut.us && (back ? id >= cut.id : id <= cut.id)) return true;
        if (!fits(query, entry.owner)) return true;
        const Result<Sums> sums = sums_of(entry, prices);
        if (!sums) return fail(sums.error());
        const Result<const PriceTable*> table = prices.at(entry.price);
        if (!table) return fail(table.error());
        found.rows.push_back({.id = id, .entry = entry, .amount = sums->amount, .price = (*table)->name});
        return found.rows.size() < cut.limit;
      },
      cut.order);
  if (!read) return fail(read.error());
  return found;
}

async::Task<Result<Costs::Page>> Costs::page(Query query, std::int64_t after_us, std::int64_t after_id,
                                             std::size_t limit) {
  const Cut cut{.order = Order::oldest_first, .us = after_us, .id = after_id, .limit = limit};
  Result<Page> page = co_await with_.store.read(
      [query = std::move(query), cut](store::Database& db) { return read_page(db, query, cut); });
  co_return page;
}

async::Task<Result<Costs::Page>> Costs::page_back(Query query, std::int64_t before_us, std::int64_t before_id,
                                                  std::size_t limit) {
  const Cut cut{.order = Order::newest_first, .us = before_us, .id = before_id, .limit = limit};
  Result<Page> page = co_await with_.store.read(
      [query = std::move(query), cut](store::Database& db) { return read_page(db, query, cut); });
  co_return page;
}

Result<Estimate> estimate(const PriceBook& prices, const std::string& item, double cpus, std::uint64_t memory_bytes,
                          Duration duration, std::uint32_t count, WallTime at) {
  const PriceTable* table = prices.find(item, at.us);
  if (table == nullptr) return Estimate{.amount = {}, .arithmetic = "nothing has a price there", .price = ""};
  const Prices& p = table->prices;
  const Int128 ns = Int128{duration.count()} * count;
  const auto mcpu = static_cast<std::int64_t>(std::llround(cpus * 1000));
  const auto mib = static_cast<std::int64_t>((memory_bytes + 1048575) >> 20U);
  const Result<Amount> amount = Amount::of({.ns = ns, .mcpu_ns = ns * mcpu, .mib_ns = ns * mib}, p);
  if (!amount) return fail(amount.error());
  const double seconds = std::chrono::duration<double>(duration).count();
  std::string text;
  const auto add = [&](std::int64_t an_hour, const std::string& what) {
    if (an_hour == 0) return;
    // List prices are by the second; where that is no whole nano-USD the hour is shown.
    const bool even = an_hour % 3600 == 0;
    text += fmt::format("{}{}{} x {} {} x ${}", text.empty() ? "" : " + ",
                        count == 1 ? "" : fmt::format("{} x ", count), what, even ? seconds : seconds / 3600,
                        even ? "s" : "h", format_usd(even ? an_hour / 3600 : an_hour));
  };
  add(p.vcpu_hour, fmt::format("{} vCPU", cpus));
  add(p.gib_hour, fmt::format("{} GiB", static_cast<double>(mib) / 1024));
  add(p.sandbox_hour, "1 sandbox");
  text = text.empty() ? "free" : fmt::format("{} = ${}", text, amount->usd());
  return Estimate{.amount = *amount, .arithmetic = text, .price = table->name};
}

Result<std::string> read_boot_id() {
  constexpr const char* kPath = "/proc/sys/kernel/random/boot_id";
  std::ifstream in(kPath);
  std::string id;
  if (!std::getline(in, id) || id.empty()) return fail_errno("read", kPath);
  return id;
}

}  // namespace swarm::costs
