#pragma once

#include "daemon/rpc/money.hpp"

namespace swarm {

/// What is scarce, costs or is secret, put together: rate limits, costs with budgets, and the vault.
class Accounts {
 public:
  struct Setup {
    async::Loop& loop;
    store::Store& store;
    secrets::Redactor& redactor;
    secrets::Vault::Places secret_places;
    std::map<std::string, secrets::SecretString> from_environment;
    std::string boot_id;
    costs::Budgets::Enforce enforce;   ///< may be empty
    std::function<bool()> watching{};  ///< see costs::Costs::Setup
  };
  Accounts(Setup setup, const config::Config& config);
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;

  /// The tables that the store must have.
  [[nodiscard]] static std::array<store::Domain, 2> domains();

  /// Takes up what an earlier run left. Before sandboxes are adopted.
  async::Task<Result<void>> start(const config::Config& config);
  /// Remembers what must be; nothing asks any more.
  async::Task<Result<void>> stop();
  /// Takes a changed configuration over.
  void reload(const config::Config& config);
  /// What the providers' plans allow.
  void set_plans(std::vector<limits::Rule> plans, const config::Config& config);

  void add_methods(wire::Router& router);

  [[nodiscard]] limits::Limiters& limiters() { return limiters_; }
  [[nodiscard]] costs::Costs& costs() { return costs_; }
  [[nodiscard]] secrets::Vault& vault() { return vault_; }

 private:
  async::Task<> tell(limits::Notice notice);
  async::Task<> take_prices(std::vector<costs::PriceTable> tables);

  store::Store& store_;
  std::vector<limits::Rule> plans_;
  limits::Limiters limiters_;
  costs::Costs costs_;
  secrets::Vault vault_;
  async::TaskSet tasks_;
};

}  // namespace swarm
