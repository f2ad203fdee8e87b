#pragma once
// E2B's control plane: one function a call of its API. What is safe to repeat is repeated a few times with growing
// pauses; a create never is.

#include <functional>
#include <memory>

#include "daemon/providers/e2b/codec.hpp"
#include "daemon/providers/e2b/refusal.hpp"
#include "daemon/secrets/secret_string.hpp"
#include "protocol/async/loop.hpp"
#include "protocol/core/random.hpp"
#include "protocol/http/client.hpp"

namespace swarm::e2b {

/// Where the API key comes from; asked before each request, so that a changed key needs no restart.
using KeySource = std::function<async::Task<Result<secrets::SecretString>>()>;

struct ControlOptions {
  std::string api_url;  ///< "https://api.e2b.app", without a slash at its end
  KeySource key;
  http_client::Patience patience{.connect = std::chrono::seconds(10),
                                 .answer = std::chrono::seconds(90),  // the service gives up after 70
                                 .silence = std::chrono::seconds(30),
                                 .total = std::chrono::minutes(3)};
  int tries = 3;                                          ///< of what may be repeated
  Duration first_pause = std::chrono::milliseconds(250);  ///< between the first two
};

/// How a create ended.
struct CreateAnswer {
  enum class Kind { created, refused, unknown };
  Kind kind = Kind::unknown;
  Remote sandbox;
  Error error;
  std::optional<Duration> retry_after;
};

class Control {
 public:
  /// All outlive it and its tasks.
  Control(async::Loop& loop, http_client::Client& client, Random& random, ControlOptions options);

  async::Task<CreateAnswer> create(NewSandbox wanted);
  /// `not_found` when it has ended, also while it is being ended.
  async::Task<Result<Remote>> get(std::string id);
  /// All that have this metadata, over all pages, each once.
  async::Task<Result<std::vector<Remote>>> list(std::map<std::string, std::string> metadata);
  /// Whether it was there until then; one that had gone before is no failure.
  async::Task<Result<bool>> kill(std::string id);
  /// Success when it is paused, also when it was.
  async::Task<Result<void>> pause(std::string id);
  /// Resumes a paused one, extends a running one, and tells its tokens again.
  async::Task<Result<Remote>> connect(std::string id, std::chrono::seconds timeout);
  /// Its end is so long from now; may shorten. The service cuts it to what the plan allows without saying so.
  async::Task<Result<void>> set_timeout(std::string id, std::chrono::seconds timeout);
  /// Its end is at least so long from now, at most an hour.
  async::Task<Result<void>> refresh(std::string id, std::chrono::seconds duration);
  async::Task<Result<std::vector<Sample>>> metrics(std::string id);
  /// Log lines from `cursor_ms` (Unix time) on, oldest first.
  async::Task<Result<std::vector<LogLine>>> logs(std::string id, std::int64_t cursor_ms, int limit);
  async::Task<Result<std::vector<TemplateInfo>>> templates();

  // Builds of templates. A build that is asked for twice is two builds; nothing costs but the time.
  async::Task<Result<BuildRef>> request_build(std::string name, std::uint64_t cpus, std::uint64_t memory_mib);
  async::Task<Result<FilesAddress>> files_address(std::string template_id, std::string hash);
  /// To an address that is its own authority: no key goes there.
  async::Task<Result<void>> upload(std::string url, std::unique_ptr<wire::ByteSource> archive, std::uint64_t size);
  async::Task<Result<void>> start_build(BuildRef build, NewBuild what);
  async::Task<Result<BuildStatus>> build_status(BuildRef build, std::uint64_t from_line);
  async::Task<Result<std::string>> newest_build(std::string template_id);
  async::Task<Result<void>> remove_template(std::string template_id);

  /// Whether the service answers and takes the key.
  async::Task<Result<void>> check();

  /// How long the service wants to be left alone from now, as its last 429 or 503 said.
  [[nodiscard]] std::optional<Duration> retry_after() const;

 private:
  struct Answer {
    int status = 0;
    std::string body;
    std::string next;
  };
  struct Failure {
    Refusal refusal;
    bool connected = true;  ///< false: the request cannot have reached the service
    int status = 0;         ///< zero: nothing came back
  };
  using Outcome = std::expected<Answer, Failure>;
  struct Call {
    std::string method;
    std::string path;  ///< with its query
    std::string body;
  };

  async::Task<Outcome> once(Call call);
  /// Tries again what failed in a way that may pass.
  async::Task<Outcome> call(Call call);
  async::Task<Result<void>> order(Call call);

  async::Loop& loop_;
  http_client::Client& client_;
  Random& random_;
  ControlOptions options_;
  Route route_ = Route::v1;
  std::optional<MonoTime> blocked_until_;
};

}  // namespace swarm::e2b
