#pragma once
// What was spent, by whom, and what something would cost. Money is a decimal string in USD, rounded once, from an exact
// sum.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class CostGroup : std::uint8_t { all, swarm, agent, role, task, label, provider, template_name, day };

template <class D>
void describe_enum(D& d, CostGroup*) {
  d.type("CostGroup", "By what costs are summed.");
  d.value("all", CostGroup::all, "Everything in one.");
  d.value("swarm", CostGroup::swarm, "By swarm.");
  d.value("agent", CostGroup::agent, "By agent of a swarm.");
  d.value("role", CostGroup::role, "By role.");
  d.value("task", CostGroup::task, "By task.");
  d.value("label", CostGroup::label, "By the value of the configured label.");
  d.value("provider", CostGroup::provider, "By who is paid.");
  d.value("template", CostGroup::template_name, "By template, model or server.");
  d.value("day", CostGroup::day, "By day, UTC.");
}

/// Who and when.
struct CostFilter {
  std::optional<std::int64_t> since_us;
  std::optional<std::int64_t> until_us;
  std::optional<std::string> swarm;
  std::optional<std::string> agent;
  std::optional<std::string> role;
  std::optional<std::string> task;
  std::optional<std::string> label;
  std::optional<std::string> provider;
  bool operator==(const CostFilter&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostFilter", "Which costs.");
    d.field("since_us", &CostFilter::since_us, "Only from then on, UTC.");
    d.field("until_us", &CostFilter::until_us, "Only before then, UTC.");
    d.field("swarm", &CostFilter::swarm, "Only of this swarm.").max_length(200);
    d.field("agent", &CostFilter::agent, "Only of this agent.").max_length(200);
    d.field("role", &CostFilter::role, "Only of this role.").max_length(200);
    d.field("task", &CostFilter::task, "Only of this task.").max_length(200);
    d.field("label", &CostFilter::label, "Only with this value of the label.").max_length(200);
    d.field("provider", &CostFilter::provider, "Only paid to this provider.").max_length(200);
  }
};

struct CostSummaryRequest {
  CostGroup by = CostGroup::all;
  CostFilter filter;
  std::uint32_t limit = 100;
  bool operator==(const CostSummaryRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostSummaryRequest", "Which costs, and by what they are summed.");
    d.field("by", &CostSummaryRequest::by, "By what they are summed.");
    d.field("filter", &CostSummaryRequest::filter, "Which costs.");
    d.field("limit", &CostSummaryRequest::limit, "Most lines; the total counts all.").min(1).max(10'000);
  }
};

struct CostLine {
  std::optional<std::string> swarm;
  std::string key;
  std::string usd;
  double vcpu_hours = 0;
  double gib_hours = 0;
  double sandbox_hours = 0;
  std::uint64_t input_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::uint64_t cache_read_tokens = 0;
  std::uint64_t cache_write_tokens = 0;
  std::uint64_t calls = 0;
  std::chrono::milliseconds uncertain_ms{0};
  bool operator==(const CostLine&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostLine", "A sum of costs.");
    d.field("swarm", &CostLine::swarm, "The swarm, when summed by swarm or agent.");
    d.field("key", &CostLine::key, "What it is the sum of; empty for what belongs to none.").required();
    d.field("usd", &CostLine::usd, "The cost.").required();
    d.field("vcpu_hours", &CostLine::vcpu_hours, "Hours of a vCPU.");
    d.field("gib_hours", &CostLine::gib_hours, "Hours of a GiB of memory.");
    d.field("sandbox_hours", &CostLine::sandbox_hours, "Hours of a sandbox; parts of shared ones.");
    d.field("input_tokens", &CostLine::input_tokens, "Tokens read.");
    d.field("output_tokens", &CostLine::output_tokens, "Tokens written.");
    d.field("cache_read_tokens", &CostLine::cache_read_tokens, "Tokens from the provider's cache.");
    d.field("cache_write_tokens", &CostLine::cache_write_tokens, "Tokens into it.");
    d.field("calls", &CostLine::calls, "Calls.");
    d.field("uncertain_ms", &CostLine::uncertain_ms,
            "So much of the time was estimated and may be wrong; 0: all was measured.");
  }
};

/// Used, and counted as free because no price says otherwise.
struct CostUnpriced {
  std::string item;
  std::int64_t since_us = 0;
  std::optional<std::int64_t> until_us;
  bool operator==(const CostUnpriced&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostUnpriced", "What was used without any price that applies to it: it is counted as 0.");
    d.field("item", &CostUnpriced::item, "What a price would apply to: provider/template, or model/name.").required();
    d.field("since_us", &CostUnpriced::since_us, "Since when, microseconds since 1970.").required();
    d.field("until_us", &CostUnpriced::until_us, "Until when; absent: there is still none.");
  }
};

struct CostSummaryReply {
  std::vector<CostLine> lines;
  CostLine total;
  std::string running_usd;
  std::vector<CostUnpriced> unpriced;
  bool operator==(const CostSummaryReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostSummaryReply", "Sums, dearest first; days in order.");
    d.field("lines", &CostSummaryReply::lines, "The sums.").required();
    d.field("total", &CostSummaryReply::total, "All of them, also those beyond `limit`.").required();
    d.field("running_usd", &CostSummaryReply::running_usd, "The part of it of sandboxes that run on.").required();
    d.field("unpriced", &CostSummaryReply::unpriced, "What was used in that time without a price: not in the sums.");
  }
};

enum class CostKind : std::uint8_t { sandbox, model, call };

template <class D>
void describe_enum(D& d, CostKind*) {
  d.type("CostKind", "What was used.");
  d.value("sandbox", CostKind::sandbox, "A sandbox's time.");
  d.value("model", CostKind::model, "Tokens of a model.");
  d.value("call", CostKind::call, "Calls of a server.");
}

struct CostLedgerRequest {
  CostFilter filter;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const CostLedgerRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostLedgerRequest", "Which entries of the ledger.");
    d.field("filter", &CostLedgerRequest::filter, "Which entries; those that began in the time.");
    d.field("limit", &CostLedgerRequest::limit, "Most entries.").min(1).max(1000);
    d.field("cursor", &CostLedgerRequest::cursor, "Go on behind an earlier answer's `next_cursor`.").max_length(100);
  }
};

struct CostEntry {
  std::int64_t id = 0;
  std::int64_t start_us = 0;
  CostKind kind = CostKind::sandbox;
  std::string swarm;
  std::string agent;
  std::string role;
  std::string task;
  std::string label;
  std::string sandbox;
  std::string provider;
  std::string item;
  std::uint64_t ns = 0;
  std::uint32_t millicpus = 0;
  std::uint32_t mib = 0;
  std::uint64_t input = 0;
  std::uint64_t output = 0;
  std::uint64_t cache_read = 0;
  std::uint64_t cache_write = 0;
  std::uint64_t calls = 0;
  std::uint64_t uncertain_ns = 0;
  std::string price;
  std::string usd;
  bool operator==(const CostEntry&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostEntry", "An entry of the ledger. It never changes.");
    d.field("id", &CostEntry::id, "Its number.").required();
    d.field("start_us", &CostEntry::start_us, "When it began, UTC.").required();
    d.field("kind", &CostEntry::kind, "What was used.").required();
    d.field("swarm", &CostEntry::swarm, "Whose it is; empty: nobody's.");
    d.field("agent", &CostEntry::agent, "The agent that bears it.");
    d.field("role", &CostEntry::role, "Its role.");
    d.field("task", &CostEntry::task, "Its task.");
    d.field("label", &CostEntry::label, "The value of the label that `costs.label` names.");
    d.field("sandbox", &CostEntry::sandbox, "The sandbox.");
    d.field("provider", &CostEntry::provider, "Who is paid.");
    d.field("item", &CostEntry::item, "Template, model or server.");
    d.field("ns", &CostEntry::ns, "Nanoseconds of a sandbox: this owner's part.");
    d.field("millicpus", &CostEntry::millicpus, "Thousandths of a vCPU, during `ns`.");
    d.field("mib", &CostEntry::mib, "MiB of memory, during `ns`.");
    d.field("input", &CostEntry::input, "Tokens read.");
    d.field("output", &CostEntry::output, "Tokens written.");
    d.field("cache_read", &CostEntry::cache_read, "Tokens from the provider's cache.");
    d.field("cache_write", &CostEntry::cache_write, "Tokens into it.");
    d.field("calls", &CostEntry::calls, "Calls.");
    d.field("uncertain_ns", &CostEntry::uncertain_ns, "`ns` is an estimate, wrong by at most so much; 0: measured.");
    d.field("price", &CostEntry::price, "The price table; empty: free.");
    d.field("usd", &CostEntry::usd, "What it comes to, rounded by itself.").required();
  }
};

struct CostLedgerReply {
  std::vector<CostEntry> entries;
  std::optional<std::string> next_cursor;
  bool operator==(const CostLedgerReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostLedgerReply", "Entries of the ledger, newest first.");
    d.field("entries", &CostLedgerReply::entries, "The entries.").required();
    d.field("next_cursor", &CostLedgerReply::next_cursor, "Where the next older ones are; absent at the end.");
  }
};

enum class CostFormat : std::uint8_t { csv, json };

template <class D>
void describe_enum(D& d, CostFormat*) {
  d.type("CostFormat", "How entries are written.");
  d.value("csv", CostFormat::csv, "RFC 4180, with a first line of names.");
  d.value("json", CostFormat::json, "One JSON object a line.");
}

struct CostExportRequest {
  std::uint32_t content = 0;
  CostFormat format = CostFormat::csv;
  CostFilter filter;
  bool operator==(const CostExportRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostExportRequest", "Which entries of the ledger, and how.");
    d.field("content", &CostExportRequest::content, "Stream for the entries, oldest first.")
        .required()
        .min(1)
        .stream(StreamUse::to_caller);
    d.field("format", &CostExportRequest::format, "How they are written.");
    d.field("filter", &CostExportRequest::filter, "Which entries; those that began in the time.");
  }
};

struct CostExportReply {
  std::uint64_t entries = 0;
  bool operator==(const CostExportReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostExportReply", "What was sent.");
    d.field("entries", &CostExportReply::entries, "How many entries.").required();
  }
};

struct PriceInfo {
  std::string name;
  std::string applies_to;
  std::optional<std::int64_t> valid_from_us;
  bool built_in = false;
  bool bills_paused = false;
  std::map<std::string, std::string> prices;
  bool operator==(const PriceInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("PriceInfo", "A price table.");
    d.field("name", &PriceInfo::name, "Its name.").required();
    d.field("applies_to", &PriceInfo::applies_to, "What it is the price of.").required();
    d.field("valid_from_us", &PriceInfo::valid_from_us, "From when on, UTC; absent: always.");
    d.field("built_in", &PriceInfo::built_in, "It comes with the program.");
    d.field("bills_paused", &PriceInfo::bills_paused, "A paused sandbox costs as well.");
    d.field("prices", &PriceInfo::prices,
            "USD by what it is for: `vcpu_hour`, `gib_hour`, `sandbox_hour`, `input_million`, `output_million`, "
            "`cache_read_million`, `cache_write_million`, `call_million`; what costs nothing is left out.");
  }
};

struct CostPricesReply {
  std::vector<PriceInfo> prices;
  bool operator==(const CostPricesReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostPricesReply", "Price tables.");
    d.field("prices", &CostPricesReply::prices, "The tables.").required();
  }
};

struct CostEstimateRequest {
  std::string provider = "e2b";
  std::string template_name = "default";
  double cpus = 2;
  std::uint64_t memory_bytes = 2ULL << 30U;
  std::chrono::milliseconds duration_ms{0};
  std::uint32_t count = 1;
  bool operator==(const CostEstimateRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostEstimateRequest", "Sandboxes that might run.");
    d.field("provider", &CostEstimateRequest::provider, "Who would make them.").non_empty().max_length(100);
    d.field("template", &CostEstimateRequest::template_name, "What from.").non_empty().max_length(100);
    d.field("cpus", &CostEstimateRequest::cpus, "vCPUs of each.").min(0.01).max(1024);
    d.field("memory_bytes", &CostEstimateRequest::memory_bytes, "Memory of each.").max(0x1p50);
    d.field("duration_ms", &CostEstimateRequest::duration_ms, "How long each runs.").required().max(3.2e12);
    d.field("count", &CostEstimateRequest::count, "How many.").min(1).max(1'000'000);
  }
};

struct CostEstimateReply {
  std::string usd;
  std::string arithmetic;
  std::optional<std::string> price;
  bool operator==(const CostEstimateReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("CostEstimateReply", "What that would cost.");
    d.field("usd", &CostEstimateReply::usd, "The cost.").required();
    d.field("arithmetic", &CostEstimateReply::arithmetic, "How it comes about.").required();
    d.field("price", &CostEstimateReply::price, "The price table; absent where nothing has a price.");
  }
};

inline constexpr Method<CostSummaryRequest, CostSummaryReply> kCostSummary{{
    .name = "cost.summary",
    .doc = "Sums what was spent, with what runs now.",
}};
inline constexpr Method<CostLedgerRequest, CostLedgerReply> kCostLedger{{
    .name = "cost.ledger",
    .doc = "Lists entries of the ledger, newest first.",
}};
inline constexpr Method<CostExportRequest, CostExportReply> kCostExport{{
    .name = "cost.export",
    .doc = "Sends entries of the ledger on a stream. Answers when all were sent.",
}};
inline constexpr Method<Empty, CostPricesReply> kCostPrices{{
    .name = "cost.prices",
    .doc = "Lists price tables.",
}};
inline constexpr Method<CostEstimateRequest, CostEstimateReply> kCostEstimate{{
    .name = "cost.estimate",
    .doc = "Says what sandboxes would cost, and how that comes about.",
}};

inline constexpr EventType<CostUnpriced> kCostUnpriced{
    {.name = "cost.unpriced", .doc = "Something is used that no price applies to: it is counted as free."}};

std::span<const MethodInfo* const> cost_methods();
std::span<const EventInfo* const> cost_events();

}  // namespace swarm::api
