#include "protocol/api/costs.hpp"

#include <fmt/format.h>

#include "daemon/rpc/money.hpp"
#include "protocol/api/json.hpp"

namespace swarm::rpc {
namespace {

constexpr std::size_t kPageSize = 2000;

std::uint64_t count_of(Int128 number) {
  return static_cast<std::uint64_t>(std::clamp<Int128>(number, 0, api::kMaxInteger));
}

costs::Query query_of(const api::CostFilter& from, costs::GroupBy by) {
  return {.by = by,
          .since_us = from.since_us,
          .until_us = from.until_us,
          .swarm = from.swarm,
          .agent = from.agent,
          .role = from.role,
          .task = from.task,
          .label = from.label,
          .provider = from.provider};
}

api::CostLine line_of(const costs::Sums& sums) {
  constexpr double kHourNs = 3.6e12;
  const costs::Quantities& q = sums.quantities;
  return {.key = {},
          .usd = sums.amount.usd(),
          .vcpu_hours = static_cast<double>(q.mcpu_ns) / 1000 / kHourNs,
          .gib_hours = static_cast<double>(q.mib_ns) / 1024 / kHourNs,
          .sandbox_hours = static_cast<double>(q.ns) / kHourNs,
          .input_tokens = count_of(q.input),
          .output_tokens = count_of(q.output),
          .cache_read_tokens = count_of(q.cache_read),
          .cache_write_tokens = count_of(q.cache_write),
          .calls = count_of(q.calls),
          .uncertain_ms = std::chrono::milliseconds(count_of(divide_up(sums.bound_ns, 1'000'000)))};
}

async::Task<Result<api::CostSummaryReply>> summary(costs::Costs& costs, api::CostSummaryRequest request) {
  static_assert(static_cast<int>(api::CostGroup::day) == static_cast<int>(costs::GroupBy::day));
  const auto by = static_cast<costs::GroupBy>(request.by);
  const Result<costs::Summary> sum = co_await costs.summary(query_of(request.filter, by));
  if (!sum) co_return fail(sum.error());
  api::CostSummaryReply reply;
  reply.total = line_of(sum->total);
  reply.running_usd = sum->open.amount.usd();
  for (const costs::Unpriced& each : sum->unpriced) {
    reply.unpriced.push_back({.item = each.item, .since_us = each.since_us, .until_us = each.until_us});
  }
  for (const costs::Line& line : sum->lines) {
    if (reply.lines.size() == request.limit) break;
    api::CostLine shown = line_of(line.sums);
    if (by == costs::GroupBy::swarm || by == costs::GroupBy::agent) shown.swarm = line.swarm;
    shown.key = by == costs::GroupBy::swarm ? line.swarm : line.key;
    reply.lines.push_back(std::move(shown));
  }
  co_return reply;
}

std::uint64_t count_of(std::int64_t number) { return static_cast<std::uint64_t>(std::max<std::int64_t>(0, number)); }

api::CostEntry entry_of(costs::Costs::Page::Row row) {
  static_assert(static_cast<int>(api::CostKind::call) == static_cast<int>(costs::Kind::call));
  costs::Entry& e = row.entry;
  return {.id = row.id,
          .start_us = e.start_us,
          .kind = static_cast<api::CostKind>(e.kind),
          .swarm = std::move(e.owner.swarm),
          .agent = std::move(e.owner.agent),
          .role = std::move(e.owner.role),
          .task = std::move(e.owner.task),
          .label = std::move(e.owner.label),
          .sandbox = std::move(e.owner.sandbox),
          .provider = std::move(e.owner.provider),
          .item = std::move(e.owner.item),
          .ns = count_of(e.ns),
          .millicpus = e.mcpu,
          .mib = e.mib,
          .input = count_of(e.input),
          .output = count_of(e.output),
          .cache_read = count_of(e.cache_read),
          .cache_write = count_of(e.cache_write),
          .calls = count_of(e.calls),
          .uncertain_ns = count_of(e.bound_ns),
          .price = std::move(row.price),
          .usd = row.amount.usd()};
}

async::Task<Result<api::CostLedgerReply>> ledger(costs::Costs& costs, api::CostLedgerRequest request) {
  // The cursor is the place of the last entry: "<start_us>.<id>".
  std::int64_t before_us = INT64_MAX;
  std::int64_t before_id = INT64_MAX;
  if (request.cursor) {
    const std::size_t dot = request.cursor->find('.');
    if (dot == std::string::npos) co_return fail(Code::invalid_argument, "cursor: not one that this method gave");
    before_us = std::strtoll(request.cursor->c_str(), nullptr, 10);
    before_id = std::strtoll(request.cursor->c_str() + dot + 1, nullptr, 10);
  }
  Result<costs::Costs::Page> page = co_await costs.page_back(query_of(request.filter, costs::GroupBy::all), before_us,
                                                             before_id, std::size_t{request.limit} + 1);
  if (!page) co_return fail(page.error());
  api::CostLedgerReply reply;
  const bool more = page->rows.size() > request.limit;
  if (more) page->rows.pop_back();
  if (more) reply.next_cursor = fmt::format("{}.{}", page->rows.back().entry.start_us, page->rows.back().id);
  for (auto& row : page->rows) reply.entries.push_back(entry_of(std::move(row)));
  co_return reply;
}

constexpr std::array<std::string_view, 3> kKinds = {"sandbox", "model", "call"};

/// The fields of an entry, in the order of the file.
std::vector<std::pair<std::string_view, Value>> fields_of(const costs::Costs::Page::Row& row) {
  const costs::Entry& e = row.entry;
  const costs::Owner& o = e.owner;
  return {{"id", row.id},
          {"start_us", e.start_us},
          {"start", costs::format_utc(e.start_us)},
          {"kind", kKinds.at(static_cast<std::size_t>(e.kind))},
          {"swarm", o.swarm},
          {"agent", o.agent},
          {"role", o.role},
          {"task", o.task},
          {"label", o.label},
          {"sandbox", o.sandbox},
          {"provider", o.provider},
          {"item", o.item},
          {"ns", e.ns},
          {"millicpus", std::int64_t{e.mcpu}},
          {"mib", std::int64_t{e.mib}},
          {"input", e.input},
          {"output", e.output},
          {"cache_read", e.cache_read},
          {"cache_write", e.cache_write},
          {"calls", e.calls},
          {"uncertain_ns", e.bound_ns},
          {"price", row.price},
          {"usd", row.amount.usd()}};
}

/// RFC 4180; a text that a spreadsheet would take for a formula is kept from it by an apostrophe.
std::string csv_cell(const Value& value) {
  if (const std::int64_t* number = value.as_int()) return std::to_string(*number);
  std::string text = *value.as_string();
  const bool number = !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos;
  if (!number && !text.empty() && std::string_view("=+-@\t\r").contains(text.front())) text.insert(0, "'");
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

void write_row(std::string& out, const costs::Costs::Page::Row& row, api::CostFormat format) {
  const auto fields = fields_of(row);
  if (format == api::CostFormat::json) {
    Value object{Value::Map{}};
    for (const auto& [name, value] : fields) object.set(name, value);
    out += api::to_json(object) + '\n';
    return;
  }
  std::string_view comma;
  for (const auto& [name, value] : fields) {
    out += comma;
    out += csv_cell(value);
    comma = ",";
  }
  out += "\r\n";
}

async::Task<Result<api::CostExportReply>> send(costs::Costs& costs, wire::Connection& client,
                                               api::CostExportRequest request) {
  Result<std::unique_ptr<wire::ByteSink>> sink = client.open_sink(request.content);
  if (!sink) co_return fail(sink.error(), "'content'");
  const costs::Query query = query_of(request.filter, costs::GroupBy::all);
  std::string out;
  if (request.format == api::CostFormat::csv) {
    std::string_view comma;
    for (const auto& [name, value] : fields_of({})) {
      out += comma;
      out += name;
      comma = ",";
    }
    out += "\r\n";
  }
  api::CostExportReply reply;
  std::int64_t after_us = INT64_MIN;
  std::int64_t after_id = 0;
  for (;;) {
    const Result<costs::Costs::Page> page = co_await costs.page(query, after_us, after_id, kPageSize);
    if (!page) {
      (*sink)->fail(page.error());
      co_return fail(page.error());
    }
    for (const auto& row : page->rows) {
      write_row(out, row, request.format);
      after_us = row.entry.start_us;
      after_id = row.id;
      ++reply.entries;
    }
    const Result<void> written = co_await (*sink)->write(std::as_bytes(std::span(out)));
    if (!written) co_return fail(written.error());
    out.clear();
    if (page->rows.size() < kPageSize) break;
  }
  (*sink)->end();
  co_return reply;
}

api::PriceInfo price_of(const costs::PriceTable& table) {
  api::PriceInfo info{.name = table.name,
                      .applies_to = table.applies_to,
                      .valid_from_us = table.valid_from_us == 0 ? std::nullopt : std::optional(table.valid_from_us),
                      .built_in = table.built_in,
                      .bills_paused = table.bills_paused,
                      .prices = {}};
  const costs::Prices& p = table.prices;
  for (const auto& [name, nano] :
       std::initializer_list<std::pair<const char*, std::int64_t>>{{"vcpu_hour", p.vcpu_hour},
                                                                   {"gib_hour", p.gib_hour},
                                                                   {"sandbox_hour", p.sandbox_hour},
                                                                   {"input_million", p.input_million},
                                                                   {"output_million", p.output_million},
                                                                   {"cache_read_million", p.cache_read_million},
                                                                   {"cache_write_million", p.cache_write_million},
                                                                   {"call_million", p.call_million}}) {
    if (nano != 0) info.prices.emplace(name, costs::format_usd(nano));
  }
  return info;
}

Result<api::CostEstimateReply> estimate(costs::Costs& costs, const api::CostEstimateRequest& request) {
  const std::string item = costs::price_item(costs::Kind::sandbox, request.provider, request.template_name);
  const Result<costs::Estimate> made =
      costs::estimate(*costs.meter().prices(), item, request.cpus, request.memory_bytes, request.duration_ms,
                      request.count, costs.moment().wall);
  if (!made) return fail(made.error());
  return api::CostEstimateReply{.usd = made->amount.usd(),
                                .arithmetic = made->arithmetic,
                                .price = made->price.empty() ? std::nullopt : std::optional(made->price)};
}

}  // namespace

void add_cost_methods(wire::Router& router, costs::Costs& costs) {
  router.bind(api::kCostSummary, [&costs](wire::CallContext&, api::CostSummaryRequest request) {
    return summary(costs, std::move(request));
  });
  router.bind(api::kCostLedger, [&costs](wire::CallContext&, api::CostLedgerRequest request) {
    return ledger(costs, std::move(request));
  });
  router.bind(api::kCostExport, [&costs](wire::CallContext& call, api::CostExportRequest request) {
    return send(costs, call.connection, std::move(request));
  });
  router.bind(api::kCostPrices, [&costs](wire::CallContext&, api::Empty) -> Result<api::CostPricesReply> {
    api::CostPricesReply reply;
    const auto prices = costs.meter().prices();
    for (const costs::PriceTable& table : prices->tables()) reply.prices.push_back(price_of(table));
    return reply;
  });
  router.bind(api::kCostEstimate, [&costs](wire::CallContext&, const api::CostEstimateRequest& request) {
    return estimate(costs, request);
  });
}

}  // namespace swarm::rpc
