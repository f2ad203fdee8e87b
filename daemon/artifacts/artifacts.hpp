#pragma once
// Files that agents attach to tasks and reviews. Content is kept once, under its SHA-256, on the disk before it is
// recorded; a record is what refers to it. What no record refers to any more is removed: within an hour, at the next
// start, or when a swarm ends or is discarded. Names are data, never paths. A stream may take as long as its connection
// lives: what waits takes room from its own swarm alone.

#include <functional>
#include <map>

#include "daemon/artifacts/record.hpp"
#include "daemon/config/config.hpp"
#include "protocol/async/event.hpp"
#include "protocol/async/task_set.hpp"
#include "protocol/core/random.hpp"
#include "protocol/wire/byte_stream.hpp"

namespace swarm::artifacts {

/// Where an artifact belongs. Task and review are whole ids.
struct Place {
  std::string swarm;
  std::string by;
  std::optional<std::string> run{};
  std::optional<std::string> task{};
  std::optional<std::string> review{};
};

class Artifacts {
 public:
  struct Setup {
    async::Loop& loop;
    store::Store& store;
    Random& random;
    std::filesystem::path directory;  ///< 0700, ours
    const config::Config& config;
  };
  explicit Artifacts(Setup setup);
  Artifacts(const Artifacts&) = delete;
  Artifacts& operator=(const Artifacts&) = delete;

  /// Makes the directory, removes what an earlier run left unfinished, and prunes from then on.
  async::Task<Result<void>> start();
  void stop() { tasks_.cancel_all(); }

  /// Opens a stream of the call once it is known that the call is not refused.
  using OpenSource = std::function<Result<std::unique_ptr<wire::ByteSource>>()>;
  using OpenSink = std::function<Result<std::unique_ptr<wire::ByteSink>>()>;

  /// Takes it all before it answers.
  async::Task<Result<api::ArtifactInfo>> put(Place place, api::ArtifactPutRequest request, OpenSource open);
  Result<api::ArtifactListReply> list(const std::string& swarm, const api::ArtifactListRequest& request);
  /// Answers before the first byte; the content is sent in `sending`.
  async::Task<Result<api::ArtifactInfo>> get(std::string swarm, std::string artifact, OpenSink open,
                                             async::TaskSet& sending);

  /// Forgets what is over its time, and removes content without a record.
  async::Task<Result<void>> prune();

 private:
  /// Room for what is on its way, given back at its end.
  class Room;
  Result<std::shared_ptr<Room>> reserve(const std::string& swarm, std::optional<std::uint64_t> size_bytes);
  async::Task<> keep_pruning();
  async::Task<Result<void>> until_woken();

  Setup with_;
  async::Turn turn_;  ///< content gets its record, or goes, one after the other
  std::uint64_t reserved_bytes_ = 0;
  struct UnderWay {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, UnderWay> under_way_;  // by swarm
  bool litter_ = false;                        // there may be content without a record
  async::Condition wake_;
  store::Subscription listening_;
  async::TaskSet tasks_;
};

}  // namespace swarm::artifacts
