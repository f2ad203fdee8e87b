#include "daemon/e2b/faults.hpp"

#include <fmt/format.h>

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
    return inner_.upgrade(std::move(headers));
  }

 private:
  [[nodiscard]] bool is(Kind kind) const { return fault_ && fault_->kind == kind; }
  async::Loop& loop_;
  http::Exchange& inner_;
  std::optional<api::E2bFault> fault_;
  std::size_t written_ = 0;
  bool stalled_ = false;
};

Result<api::Empty> Faults::set(const api::E2bFaultsRequest& request) {
  rules_.clear();
  random_ = SeededRandom(request.seed);
  for (const api::E2bFault& fault : request.faults) rules_.push_back({.fault = fault});
  return api::Empty{};
}

const api::E2bFault* Faults::choose(const http::Request& request) {
  const std::string line = fmt::format("{} {}", request.method, request.path());
  for (Rule& rule : rules_) {
    if (!matches(rule.fault.match, line)) continue;
    if (rule.fault.times != 0 && rule.hits >= rule.fault.times) continue;
    const bool hit = random_.below(1'000'000) < static_cast<std::uint64_t>(rule.fault.probability * 1'000'000);
    if (!hit) continue;
    ++rule.hits;
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
      break;
  }
  co_return true;
}

}  // namespace swarm::e2b_endpoint
