#pragma once
// The way of a swarm's result from our bare repositories to the remotes of the user's, and its pull requests.
//
//   ship --> approval --person--> pushing --> opening --> done
//              |  (only where protected paths are changed)
//              '--person--> rejected            any --> failed
//
// Each state is on disk before it is acted on, and everything in it can be done again: a push sets a branch to a commit
// that it may stand at already, and before a pull request is opened the service is asked whether there is one. So a
// crash, a lost answer or a cut connection makes nothing twice. Of several repositories all arrive or none: what was
// pushed and opened is taken back when one of them is refused.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/limits/limiters.hpp"
#include "daemon/ship/credentials.hpp"
#include "daemon/ship/forge.hpp"
#include "daemon/ship/push.hpp"
#include "daemon/ship/record.hpp"
#include "daemon/swarm/swarms.hpp"

namespace swarm::ship {

class Shipping final : public swarms::Outlet {
 public:
  /// What it stands on; everything outlives it.
  struct Surroundings {
    async::Loop& loop;
    store::Store& store;
    Random& random;
    swarms::Swarms& swarms;
    const git::Program& git;
    secrets::Vault& vault;
    secrets::Redactor& redactor;
    limits::Limiters& limiters;
    const config::Config& config;  ///< as it is now: it may be read again
  };
  explicit Shipping(Surroundings surroundings);
  Shipping(const Shipping&) = delete;
  Shipping& operator=(const Shipping&) = delete;
  ~Shipping() override { stop(); }

  /// Takes up what an earlier run of the daemon left. When swarms are recovered.
  async::Task<Result<void>> recover();
  void stop() { tasks_.cancel_all(); }

  /// Records a shipment of what a swarm has merged, begins with it, and waits as asked.
  async::Task<Result<api::ShipmentInfo>> ship(std::optional<std::string> swarm, api::SwarmShipRequest request);
  async::Task<Result<api::SwarmShipmentsReply>> list(std::optional<std::string> swarm,
                                                     api::SwarmShipmentsRequest request);
  /// A person's word.
  async::Task<Result<api::ShipmentInfo>> decide(api::SwarmDecideRequest request);

  async::Task<Result<void>> check(std::string git_dir, api::ShipmentWish wish) override;
  /// A swarm that is about to end ships as its deploy asked for.
  async::Task<Result<void>> ship_at_end(std::string swarm, api::ShipmentWish wish) override;

 private:
  /// One that is not over, with its flow.
  struct Open {
    Open(async::Loop& loop, Record r) : record(std::move(r)), turn(loop), changed(loop) {}
    Record record;
    async::Turn turn;
    async::Condition changed;
  };
  using Shared = std::shared_ptr<Open>;  // the table, the flow, and those who wait

  async::Task<Result<Shared>> begin(std::optional<std::string> swarm, api::ShipmentWish wish);
  async::Task<Result<Remote>> remote_of(std::string git_dir, std::string name);
  async::Task<Result<Record>> planned(swarms::Goods goods, api::ShipmentWish wish);
  async::Task<Result<void>> change(Shared open, std::function<void(Record&)> what);
  Shared adopt(Record record);
  [[nodiscard]] bool approved_before(const Record& record);

  static async::Task<> carry_on(Shipping* self, Shared open);
  /// One pass through what the state asks for; gives the state that follows.
  async::Task<Answer<api::ShipmentState>> push_all(Shared open);
  async::Task<Answer<api::ShipmentState>> open_all(Shared open);
  async::Task<Answer<bool>> open_one(Shared open, std::size_t part);
  async::Task<Answer<bool>> take_back(Shared open);
  /// Records a pull request before anything else can fail: from here on it is known whose it is.
  async::Task<Result<void>> found(Shared open, std::size_t part, Pull pull, bool ours);
  /// Finds the pull request that was opened when nobody lived to hear the answer; true when it is ours.
  async::Task<Answer<bool>> find_opened(Shared open, std::size_t at);
  async::Task<Answer<std::shared_ptr<const Credential>>> credential(const Record& record, const Remote& remote);
  async::Task<Result<std::unique_ptr<Forge>>> forge(const Record& record, const api::ShipmentPart& part);
  [[nodiscard]] Push push_of(const Record& record, const api::ShipmentPart& part, const Remote& remote) const;
  [[nodiscard]] PullWish wish_of(const Record& record, std::size_t part) const;
  http_client::Client& client_for(const std::filesystem::path& ca_file);

  Surroundings with_;
  Credentials credentials_;
  Pusher pusher_;
  std::map<std::string, std::unique_ptr<http_client::Client>> clients_;  ///< by the file of their certificates
  std::map<std::string, Shared> open_;                                   ///< by id
  async::Turn beginning_;
  async::TaskSet tasks_;  // last: its tasks use everything above
};

}  // namespace swarm::ship
