#include "daemon/e2b/faults.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/e2b/reply.hpp"

namespace swarm::e2b_endpoint {
namespace {

using Kind = api::E2bFaultKind;

/// Whether `pattern` (with `*` for anything) is `text`.
bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = pattern.npos;
  std::size_t mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

/// A connection that became another protocol, with the same fault.
class Faults::FaultyStream final : public transport::Stream {
 public:
  FaultyStream(async::Loop& loop, transport::Stream& inner, api::E2bFault fault)
      : loop_(loop), inner_(inner), fault_(std::move(fault)) {}

  async::Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    if (broken_) co_return fail(Code::unavailable, kCut);
    Result<std::size_t> size = co_await inner_.read(into);
    if (broken_) co_return fail(Code::unavailable, kCut);
    co_return size;
  }
  Result<std::size_t> try_write(std::span<const std::byte> bytes) override {
    if (broken_) return fail(Code::unavailable, kCut);
    if (fault_.after_bytes > written_) {
      bytes = bytes.first(std::min<std::uint64_t>(bytes.size(), fault_.after_bytes - written_));
    } else if (fault_.kind == Kind::cut) {
      broken_ = true;
      inner_.break_off();
      inner_.shutdown_write();
      return fail(Code::unavailable, kCut);
    } else if (!stalled_) {
      return std::size_t{0};  // until `writable` has waited
    }
    const Result<std::size_t> taken = inner_.try_write(bytes);
    if (taken) written_ += *taken;
    return taken;
  }
  async::Task<> writable() override {
    if (written_ >= fault_.after_bytes && fault_.kind == Kind::stall && !stalled_) {
      co_await async::sleep_for(loop_, fault_.delay_ms);
      stalled_ = true;
      co_return;
    }
    co_await inner_.writable();
  }
  async::Task<> gone() override { return inner_.gone(); }
  void shutdown_write() override { inner_.shutdown_write(); }
  void break_off() override { inner_.break_off(); }
  [[nodiscard]] std::string describe() const override { return inner_.describe(); }

 private:
  static constexpr const char* kCut = "the connection is cut, as a fault wants it";
  async::Loop& loop_;
  transport::Stream& inner_;
  api::E2bFault fault_;
  std::uint64_t written_ = 0;
  bool stalled_ = false;
  bool broken_ = false;
};

/// Passes everything on to the real exchange until its fault comes.
class Faults::Faulty final : public http::Exchange {
 public:
  Faulty(async::Loop& loop, http::Exchange& inner, std::optional<api::E2bFault> fault)
      : Exchange(inner.request()), loop_(loop), inner_(inner), fault_(std::move(fault)) {}

  [[nodiscard]] const std::optional<api::E2bFault>& fault() const { return fault_; }

  async::Task<Result<std::optional<std::string>>> read() override { return inner_.read(); }
  async::Task<Result<void>> begin(http::Answer answer) override {
    // An answer without a body has nothing to break in: it never comes.
    if (is(Kind::lost_answer) && answer.status == 204) co_await async::sleep_for(loop_, std::chrono::hours(1));
    if (is(Kind::late_answer)) co_await async::sleep_for(loop_, fault_->delay_ms);
    Result<void> sent = co_await inner_.begin(std::move(answer));
    co_return sent;
  }
  async::Task<Result<void>> write(std::string bytes) override {
    if (is(Kind::lost_answer)) co_return fail(Code::unavailable, "the answer is lost, as a fault wants it");
    if (is(Kind::cut) && written_ + bytes.size() > fault_->after_bytes) {
      bytes.resize(fault_->after_bytes - std::min<std::size_t>(written_, fault_->after_bytes));
      const Result<void> sent = co_await inner_.write(std::move(bytes));
      static_cast<void>(sent);
      co_return fail(Code::unavailable, "the answer is cut, as a fault wants it");
    }
    if (is(Kind::stall) && written_ + bytes.size() > fault_->after_bytes && !stalled_) {
      stalled_ = true;
      co_await async::sleep_for(loop_, fault_->delay_ms);
    }
    written_ += bytes.size();
    Result<void> sent = co_await inner_.write(std::move(bytes));
    co_return sent;
  }
  async::Task<Result<void>> end() override {
    // Cut at the very end: all of the body came and the end of it did not.
    if (is(Kind::cut)) co_return fail(Code::unavailable, "the answer is cut, as a fault wants it");
    Result<void> sent = co_await inner_.end();
    co_return sent;
  }
  [[nodiscard]] bool begun() const override { return inner_.begun(); }
  async::Task<Result<transport::Stream*>> upgrade(http::Headers headers) override {
    Result<transport::Stream*> stream = co_await inner_.upgrade(std::move(headers));
    if (!stream || !(is(Kind::cut) || is(Kind::stall))) co_return stream;
    upgraded_ = std::make_unique<FaultyStream>(loop_, **stream, *fault_);
    co_return upgraded_.get();
  }

 private:
  [[nodiscard]] bool is(Kind kind) const { return fault_ && fault_->kind == kind; }
  async::Loop& loop_;
  http::Exchange& inner_;
  std::optional<api::E2bFault> fault_;
  std::size_t written_ = 0;
  bool stalled_ = false;
  std::unique_ptr<FaultyStream> upgraded_;
};

const api::E2bFault* Faults::of(Kind kind) const {
  const auto found = std::ranges::find_if(rules_, [kind](const Rule& rule) { return rule.fault.kind == kind; });
  return found == rules_.end() ? nullptr : &found->fault;
}

Duration Faults::list_delay() const {
  const api::E2bFault* fault = of(Kind::late_list);
  return fault == nullptr ? Duration{0} : Duration(fault->delay_ms);
}

Duration Faults::skew() const {
  const api::E2bFault* fault = of(Kind::skew);
  return fault == nullptr ? Duration{0} : Duration(fault->delay_ms);
}

bool Faults::leaves_out() {
  const api::E2bFault* fault = of(Kind::gap);
  return fault != nullptr && random_.below(1'000'000) < static_cast<std::uint64_t>(fault->probability * 1'000'000);
}

std::optional<Duration> Faults::take_create() {
  if (create_period_ == Duration{0}) return std::nullopt;
  const MonoTime now = loop_.clock().now();
  if (last_create_ && now - *last_create_ < create_period_) {
    ++refused_.too_fast;
    return create_period_ - (now - *last_create_);
  }
  last_create_ = now;
  return std::nullopt;
}

Result<api::Empty> Faults::set(const api::E2bFaultsRequest& request) {
  most_sandboxes_ = request.sandboxes;
  create_period_ =
      request.creates_a_second > 0
          ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / request.creates_a_second))
          : Duration{0};
  last_create_.reset();
  refused_ = {};
  hits_ = 0;
  rules_.clear();
  random_ = SeededRandom(request.seed);
  for (const api::E2bFault& fault : request.faults) rules_.push_back({.fault = fault});
  return api::Empty{};
}

const api::E2bFault* Faults::choose(const http::Request& request) {
  const std::string line = fmt::format("{} {}", request.method, request.path());
  for (Rule& rule : rules_) {
    if (rule.fault.kind == Kind::late_list || rule.fault.kind == Kind::gap || rule.fault.kind == Kind::skew) continue;
    if (!matches(rule.fault.match, line)) continue;
    if (rule.fault.times != 0 && rule.hits >= rule.fault.times) continue;
    const bool hit = random_.below(1'000'000) < static_cast<std::uint64_t>(rule.fault.probability * 1'000'000);
    if (!hit) continue;
    ++rule.hits;
    ++hits_;
    return &rule.fault;
  }
  return nullptr;
}

std::unique_ptr<http::Exchange> Faults::around(http::Exchange& inner) {
  const api::E2bFault* fault = choose(inner.request());
  return std::make_unique<Faulty>(loop_, inner, fault == nullptr ? std::nullopt : std::optional(*fault));
}

async::Task<bool> Faults::before(http::Exchange& exchange) {
  const std::optional<api::E2bFault>& fault = static_cast<Faulty&>(exchange).fault();
  if (!fault) co_return true;
  switch (fault->kind) {
    case Kind::status: {
      http::Headers fields{{"content-type", "application/json"}};
      if (fault->retry_after_s) fields.add("retry-after", std::to_string(*fault->retry_after_s));
      Value body;
      body.set("code", fault->status);
      body.set("message", fault->message);
      co_await send_json(exchange, static_cast<int>(fault->status), std::move(body), std::move(fields));
      co_return false;
    }
    case Kind::edge: {
      const Result<void> sent = co_await exchange.respond(
          {.status = static_cast<int>(fault->status), .headers = {{"content-type", "text/html"}}},
          "<html><body>" + fault->message + "</body></html>");
      static_cast<void>(sent);
      co_return false;
    }
    case Kind::reset: {
      const Result<void> sent = co_await exchange.begin({});
      static_cast<void>(sent);  // begun and not ended: the connection breaks
      co_return false;
    }
    case Kind::delay:
      co_await async::sleep_for(loop_, fault->delay_ms);
      co_return true;
    case Kind::lost_answer:
    case Kind::late_answer:
    case Kind::cut:
    case Kind::stall:
    case Kind::late_list:
    case Kind::gap:
    case Kind::skew:
      break;
  }
  co_return true;
}

}  // namespace swarm::e2b_endpoint
