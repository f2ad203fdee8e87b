#include "daemon/costs/summary.hpp"

namespace swarm::costs {
namespace {

using Int = std::int64_t;
using Groups = std::map<std::pair<std::string, std::string>, Sums>;

constexpr Int kEver = Int{1} << 60;

Dimension dimension_of(GroupBy by) {
  switch (by) {
    case GroupBy::agent:
      return Dimension::agent;
    case GroupBy::role:
      return Dimension::role;
    case GroupBy::task:
      return Dimension::task;
    case GroupBy::label:
      return Dimension::label;
    case GroupBy::provider:
      return Dimension::provider;
    case GroupBy::item:
      return Dimension::item;
    default:
      return Dimension::swarm;
  }
}

std::string day_name(Int us) { return format_utc(bucket_of(us, kDayUs) * kDayUs).substr(0, 10); }

/// Where the sums of (swarm, key) go.
std::pair<std::string, std::string> group_of(GroupBy by, const std::string& swarm, const std::string& key, Int at_us) {
  switch (by) {
    case GroupBy::all:
      return {};
    case GroupBy::swarm:
      return {swarm, {}};
    case GroupBy::agent:
      return {swarm, key};
    case GroupBy::day:
      return {{}, day_name(at_us)};
    default:
      return {{}, key};
  }
}

class Collector {
 public:
  Collector(store::Database& db, const Query& query) : db_(db), query_(query), prices_(db) {}

  Result<void> add_open(const OpenEntries& open) {
    return open([this](const Entry& entry) -> Result<void> {
      if (!wanted(entry.owner)) return {};
      const bool ends_inside = !query_.until_us || entry.start_us + entry.span_ns / 1000 < *query_.until_us;
      if ((!query_.since_us || entry.start_us >= *query_.since_us) && ends_inside) {
        return add(entry, &summary_.open);  // as it is: nothing is copied
      }
      const std::optional<Entry> part = clipped(entry, query_.since_us, query_.until_us);
      return part ? add(*part, &summary_.open) : Result<void>{};
    });
  }

  Result<void> add_entries(Int from_us, Int to_us) {
    // An entry that began in the hour before may reach into the window; none is longer than to its hour's end.
    const Int first = from_us <= -kEver ? from_us : bucket_of(from_us, kHourUs) * kHourUs;
    return scan(db_, first, to_us, [&](Int, const Entry& entry) -> Result<bool> {
      const std::optional<Entry> part = clipped(entry, from_us, to_us);
      if (!part || !wanted(part->owner)) return true;
      if (Result<void> added = add(*part, nullptr); !added) return fail(added.error());
      return true;
    });
  }

  Result<void> add_rollups(Span span, Int first, Int last) {
    if (first >= last) return {};
    const Result<std::vector<Rollup>> rows = rollups(db_, dimension_of(query_.by), span, first, last);
    if (!rows) return fail(rows.error());
    for (const Rollup& row : *rows) {
      if (query_.swarm && row.swarm != *query_.swarm) continue;
      const Int at_us = row.bucket * (span == Span::hour ? kHourUs : kDayUs);
      groups_[group_of(query_.by, row.swarm, row.key, at_us)] += row.sums;
    }
    return {};
  }

  Summary finish() {
    for (auto& [group, sums] : groups_) {
      summary_.total += sums;
      summary_.lines.push_back({.swarm = group.first, .key = group.second, .sums = sums});
    }
    if (query_.by != GroupBy::day) {
      std::ranges::sort(summary_.lines, [](const Line& a, const Line& b) {
        return std::tie(b.sums.amount, a.swarm, a.key) < std::tie(a.sums.amount, b.swarm, b.key);
      });
    }
    return std::move(summary_);
  }

 private:
  [[nodiscard]] bool wanted(const Owner& owner) const {
    const auto is = [](const std::optional<std::string>& want, const std::string& has) {
      return !want || *want == has;
    };
    return is(query_.swarm, owner.swarm) && is(query_.agent, owner.agent) && is(query_.role, owner.role) &&
           is(query_.task, owner.task) && is(query_.label, owner.label) && is(query_.provider, owner.provider);
  }

  Result<void> add(const Entry& entry, Sums* also) {
    const Result<Sums> sums = sums_of(entry, prices_);
    if (!sums) return fail(sums.error());
    const std::string& key = key_of(entry.owner, dimension_of(query_.by));
    if (query_.by == GroupBy::day || last_ == nullptr || entry.owner.swarm != last_swarm_ || key != last_key_) {
      last_ = &groups_[group_of(query_.by, entry.owner.swarm, key, entry.start_us)];
      last_swarm_ = entry.owner.swarm;
      last_key_ = key;
    }
    *last_ += *sums;
    if (also != nullptr) *also += *sums;
    return {};
  }

  store::Database& db_;
  const Query& query_;
  PriceCache prices_;
  Groups groups_;
  Sums* last_ = nullptr;  ///< of the group that the entry before went to: many in a row go to one
  std::string last_swarm_;
  std::string last_key_;
  Summary summary_;
};

}  // namespace

std::optional<Entry> clipped(Entry entry, std::optional<Int> since_us, std::optional<Int> until_us) {
  if (until_us && entry.start_us >= *until_us) return std::nullopt;
  if (entry.span_ns == 0 || entry.kind != Kind::sandbox) {
    if (since_us && entry.start_us < *since_us) return std::nullopt;
    return entry;
  }
  const auto ns_from_start = [&](Int us) {
    return static_cast<Int>(std::clamp<Int128>((Int128{us} - entry.start_us) * 1000, 0, entry.span_ns));
  };
  const Int from = since_us ? ns_from_start(*since_us) : 0;
  const Int to = until_us ? ns_from_start(*until_us) : entry.span_ns;
  if (from >= to) return std::nullopt;
  if (to - from == entry.span_ns) return entry;
  const auto part = [&](Int upto) { return static_cast<Int>(Int128{entry.ns} * upto / entry.span_ns); };
  // Cut so that the parts on both sides of an edge are the whole.
  entry.ns = part(to) - part(from);
  if (from > 0) entry.bound_ns = 0;
  entry.start_us += from / 1000;
  entry.span_ns = to - from;
  return entry;
}

namespace {

OpenEntries each_of(std::span<const Entry> open) {
  return [open](const EntryVisitor& visit) -> Result<void> {
    for (const Entry& entry : open) {
      if (Result<void> done = visit(entry); !done) return done;
    }
    return {};
  };
}

Result<Summary> scan_all(store::Database& db, const Query& query, const OpenEntries& open) {
  Collector collector(db, query);
  Result<void> done = collector.add_entries(query.since_us.value_or(-kEver), query.until_us.value_or(kEver));
  if (done) done = collector.add_open(open);
  if (!done) return fail(done.error());
  return collector.finish();
}

}  // namespace

Result<Summary> summarize(store::Database& db, const Query& query, std::span<const Entry> open) {
  return summarize_live(db, query, each_of(open));
}

Result<Summary> summarize_live(store::Database& db, const Query& query, const OpenEntries& open) {
  if (query.agent || query.role || query.task || query.label || query.provider) return scan_all(db, query, open);
  Collector collector(db, query);
  const Int since = query.since_us.value_or(-kEver);
  const Int until = query.until_us.value_or(kEver);
  Result<void> done;
  if (!query.since_us && !query.until_us && query.by != GroupBy::day) {
    done = collector.add_rollups(Span::ever, 0, 1);
  } else if (since < until) {
    // since ..entries.. first hour ..hours.. first day ..days.. last day ..hours.. last hour ..entries.. until
    const Int first_hour = -bucket_of(-since, kHourUs);
    const Int last_hour = bucket_of(until, kHourUs);
    if (first_hour > last_hour) {  // within one hour
      done = collector.add_entries(since, until);
    } else {
      const Int first_day = std::min(-bucket_of(-first_hour, 24), bucket_of(last_hour, 24));
      const Int last_day = bucket_of(last_hour, 24);
      const bool days = first_day * 24 >= first_hour && first_day < last_day;
      if (since < first_hour * kHourUs) done = collector.add_entries(since, first_hour * kHourUs);
      if (done && days) {
        done = collector.add_rollups(Span::hour, first_hour, first_day * 24);
        if (done) done = collector.add_rollups(Span::day, first_day, last_day);
        if (done) done = collector.add_rollups(Span::hour, last_day * 24, last_hour);
      } else if (done) {
        done = collector.add_rollups(Span::hour, first_hour, last_hour);
      }
      if (done && last_hour * kHourUs < until) done = collector.add_entries(last_hour * kHourUs, until);
    }
  }
  if (done) done = collector.add_open(open);
  if (!done) return fail(done.error());
  return collector.finish();
}

Result<Summary> summarize_by_scan(store::Database& db, const Query& query, std::span<const Entry> open) {
  return scan_all(db, query, each_of(open));
}

}  // namespace swarm::costs
