#pragma once
// Costs as the daemon has them: the meter that the lifecycle calls, the budgets, and a pulse that keeps both honest.

#include "daemon/costs/budgets.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::costs {

class Costs {
 public:
  struct Setup {
    async::Loop& loop;
    store::Store& store;
    std::string boot_id;       ///< see read_boot_id
    Duration tick;             ///< how often budgets are looked at
    Budgets::Enforce enforce;  ///< may be empty
    /// Whether every sandbox that may cost has been seen in this run: only then does the daemon watch. Empty: always.
    std::function<bool()> watching{};
  };
  explicit Costs(Setup setup);
  Costs(const Costs&) = delete;
  Costs& operator=(const Costs&) = delete;

  /// Takes prices and budgets up and starts the pulse. Before any sandbox is adopted.
  async::Task<Result<void>> start(std::vector<PriceTable> tables);

  /// Other prices (SIGHUP).
  async::Task<Result<void>> set_prices(std::vector<PriceTable> tables);
  void set_tick(Duration tick) { with_.tick = tick; }

  /// For transactions of the lifecycle.
  [[nodiscard]] Meter& meter() { return meter_; }
  [[nodiscard]] Budgets& budgets() { return budgets_; }
  /// Now, for the meter.
  [[nodiscard]] Moment moment() const { return {with_.loop.clock().wall(), with_.loop.clock().now()}; }

  /// Sums with what runs now.
  async::Task<Result<Summary>> summary(Query query);

  /// What is counted as free because no price applies to it, as things stand.
  async::Task<Result<std::vector<Unpriced>>> unpriced_now();

  /// A part of the ledger, oldest first.
  struct Page {
    struct Row {
      std::int64_t id = 0;
      Entry entry;
      Amount amount;
      std::string price;  ///< name of the table; empty: free
    };
    std::vector<Row> rows;
  };
  /// Up to `limit` entries behind (start_us, id) that fit the filter of `query`; fewer only at the end.
  async::Task<Result<Page>> page(Query query, std::int64_t after_us, std::int64_t after_id, std::size_t limit);
  /// The same backwards: those before (start_us, id), newest first.
  async::Task<Result<Page>> page_back(Query query, std::int64_t before_us, std::int64_t before_id, std::size_t limit);

 private:
  struct Cut {
    Order order = Order::oldest_first;
    std::int64_t us = 0;  ///< those beyond (us, id)
    std::int64_t id = 0;
    std::size_t limit = 0;
  };
  static Result<Page> read_page(store::Database& db, const Query& query, Cut cut);
  async::Task<> pulse();
  async::Task<Result<void>> beat();
  async::Task<Result<void>> settle();

  Setup with_;
  Meter meter_;
  Budgets budgets_;
  MonoTime watched_;
  MonoTime settled_;
  async::TaskSet tasks_;
};

/// What one or more sandboxes of that size would cost, for `cost.estimate`.
struct Estimate {
  Amount amount;
  std::string arithmetic;  ///< "2 vCPU x 300 s x $0.000014 + 4 GiB x 300 s x $0.0000045 = $0.0138"
  std::string price;       ///< name of the table; empty: free
};
[[nodiscard]] Result<Estimate> estimate(const PriceBook& prices, const std::string& item, double cpus,
                                        std::uint64_t memory_bytes, Duration duration, std::uint32_t count,
                                        WallTime at);

/// The kernel's id of this boot.
[[nodiscard]] Result<std::string> read_boot_id();

}  // namespace swarm::costs
