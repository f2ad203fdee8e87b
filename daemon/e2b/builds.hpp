#pragma once
// Templates that were built through E2B's API, as far as sandboxes of this machine can hold one: the steps run in a
// sandbox of the template below, and what they left in the directories that a sandbox has of its own (/home, /root,
// /workspace) is kept as an archive, which every sandbox of the template begins with. /usr is the host's or that of
// the template below, and read-only: a step that installs packages fails, and its log says so.

#include <deque>
#include <filesystem>
#include <map>
#include <memory>

#include "daemon/config/config.hpp"
#include "daemon/e2b/reply.hpp"
#include "daemon/sandbox/sandboxes.hpp"

namespace swarm::e2b_endpoint {

struct BuildStep {
  std::string type;  ///< RUN, COPY, ENV, WORKDIR, USER
  std::vector<std::string> args;
  std::string files;  ///< COPY: the hash of its archive
};

/// What a build shall do.
struct BuildPlan {
  std::string base;  ///< a template of the configuration, or one that was built
  std::vector<BuildStep> steps;
  std::string start;
  std::string ready;
  bool force = false;
};

struct BuildLine {
  std::int64_t time_us = 0;
  std::string level;
  std::string message;
  std::string step;  ///< its number, from 1; empty: of the build as a whole
};

enum class BuildState : std::uint8_t { waiting, building, ready, error };

struct Build {
  std::string id;
  std::string name;  ///< of the template
  std::int64_t cpus = 2;
  std::int64_t memory_mib = 1024;
  std::int64_t created_us = 0;
  BuildState state = BuildState::waiting;
  std::deque<BuildLine> log;
  std::int64_t log_first = 0;  ///< the number of the oldest line that is kept
  std::string reason;
  std::string reason_step;
  std::string sandbox;  ///< where it runs
};
using BuildPtr = std::shared_ptr<Build>;  // shared by the table, the work and requests that look at it

/// A template as it was built last.
struct Built {
  std::string name;
  std::string base;  ///< a template of the configuration; empty: the default
  std::string build;
  std::string digest;  ///< of the plan
  std::string start;
  std::string ready;
  std::string user;
  std::map<std::string, std::string> env;
  std::int64_t cpus = 0;
  std::int64_t memory_mib = 0;
  std::int64_t created_us = 0;
  std::int64_t updated_us = 0;

  template <class D>
  static void describe(D& d) {
    d.type("E2bTemplateRecord", "What the E2B endpoint keeps of a template that was built through it.");
    d.field("name", &Built::name, "Its name, which is its id.").required();
    d.field("base", &Built::base, "The template of the configuration below it.");
    d.field("build", &Built::build, "The build that made it.");
    d.field("digest", &Built::digest, "Of what that build was told to do.");
    d.field("start", &Built::start, "What runs in each of its sandboxes.");
    d.field("ready", &Built::ready, "Ends well once that is ready.");
    d.field("user", &Built::user, "As whom.");
    d.field("env", &Built::env, "Environment of every process.");
    d.field("cpus", &Built::cpus, "As it was asked for.");
    d.field("memory_mib", &Built::memory_mib, "As it was asked for.");
    d.field("created_us", &Built::created_us, "When it was built first.");
    d.field("updated_us", &Built::updated_us, "When it was built last.");
  }
};

class Builds {
 public:
  struct Surroundings {
    async::Loop& loop;
    sandbox::Sandboxes& sandboxes;
    const config::Config& config;
    Random& random;
    std::filesystem::path directory;  ///< made when missing
  };
  explicit Builds(Surroundings surroundings);
  Builds(const Builds&) = delete;
  Builds& operator=(const Builds&) = delete;
  ~Builds();

  /// Reads what earlier runs built. Blocking, small.
  Result<void> load();

  [[nodiscard]] const std::map<std::string, Built>& all() const { return built_; }
  /// Null when none was built under this name.
  [[nodiscard]] const Built* find(const std::string& name) const;

  /// A build of the template `name`, which waits to be told what to do. 400 for a name that cannot be one.
  Answered<BuildPtr> request(std::string name, std::int64_t cpus, std::int64_t memory_mib);
  /// Null when there is none.
  [[nodiscard]] BuildPtr build(const std::string& name, const std::string& id) const;
  /// Begins one that waits; another build of the same template is cancelled.
  Answered<bool> start(BuildPtr build, BuildPlan plan);
  /// 404 when there is none.
  Answered<bool> remove(const std::string& name);

  [[nodiscard]] bool has_files(const std::string& hash) const;
  /// Keeps the body of a request as the archive of that hash.
  async::Task<Answered<bool>> keep_files(http::Exchange& exchange, std::string hash);

  /// Puts what the build left into a new sandbox.
  async::Task<Result<void>> restore(std::shared_ptr<wire::Connection> agent, std::string name);

 private:
  struct Inside;
  async::Task<> run(BuildPtr build, BuildPlan plan);
  async::Task<Answered<bool>> run_in(BuildPtr build, BuildPlan plan, std::string sandbox, Built made);
  async::Task<Answered<bool>> step(Inside& inside, BuildStep step);
  async::Task<Answered<bool>> copy(Inside& inside, BuildStep step);
  async::Task<Answered<bool>> check_ready(Inside& inside, const BuildPlan& plan);
  Result<void> record(const Built& built);
  void say(Build& build, std::string level, std::string message, std::string step = "");
  void forget_old();
  async::Task<> end_sandbox(std::string sandbox);
  [[nodiscard]] std::filesystem::path files_path(const std::string& hash) const;
  [[nodiscard]] std::filesystem::path archive_path(const std::string& name) const;

  Surroundings with_;
  std::map<std::string, Built> built_;
  std::map<std::string, BuildPtr> builds_;                                         ///< by id
  std::map<std::string, std::pair<std::string, async::TaskSet::Ticket>> running_;  ///< by template: build and work
  async::TaskSet tasks_;
};

/// "a/Name:v1" -> "name".
std::string template_name_of(std::string_view asked);

}  // namespace swarm::e2b_endpoint
