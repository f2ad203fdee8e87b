#pragma once
// Every setting of the daemon as one plain struct. Parts are passed by const reference to who needs them; nothing else
// in the daemon reads a file or the environment for its behaviour. What each setting means, how it is checked and
// whether it can change while the daemon runs stands in one place, schema.cpp; the defaults are the initialisers here.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/core/units.hpp"

namespace swarm::config {

enum class LogLevel { trace, debug, info, warn, error, off };
enum class LogFormat { automatic, human, json, journald };
enum class Network { off, allow, on };
/// Where a local sandbox keeps its files.
enum class Storage { disk, memory };

enum class Cgroups { automatic, v2, v1, off };
enum class SecretSource { stored, environment, file, credential, command };

/// [daemon]
struct Daemon {
  std::filesystem::path socket;  ///< empty: as protocol/places decides
  Duration drain_timeout = std::chrono::seconds(10);
  Duration idle_exit{0};
  std::uint32_t threads = 8;
};

/// [log]
struct Log {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::automatic;
  std::map<std::string, LogLevel> levels;
  std::filesystem::path file;  ///< empty: the log directory, when daemonised
  ByteSize max_size{10ULL << 20U};
  std::uint32_t keep = 5;
};

/// [store]
struct Store {
  std::filesystem::path path;  ///< empty: the state directory
  Duration event_retention = std::chrono::hours(24 * 30);
  std::uint64_t event_limit = 1'000'000;
  Duration checkpoint_interval = std::chrono::seconds(30);
};

/// [limits]: what one daemon, one connection and one message may take.
struct Limits {
  std::uint32_t connections = 1024;
  std::uint32_t requests_per_connection = 256;
  ByteSize frame{16ULL << 20U};
  std::uint32_t nesting = 64;
  ByteSize session_buffer{4ULL << 20U};
  ByteSize session_buffers{256ULL << 20U};
  std::uint32_t sandboxes = 256;
};

/// [sandbox]: what holds for a sandbox whose template and caller say nothing else.
struct Sandbox {
  std::vector<std::string> provider = {"local"};
  std::string template_name = "default";
  double cpus = 2;
  ByteSize memory{2ULL << 30U};
  ByteSize disk{10ULL << 30U};
  std::uint32_t processes = 512;
  std::uint32_t descriptors = 4096;
  Network network = Network::off;
  std::vector<std::string> allow;
  Duration lease = std::chrono::minutes(5);
  Duration max_duration = std::chrono::hours(24);
  Duration idle_pause{0};
  Duration idle_kill{0};
  Duration exec_timeout{0};
  Duration stop_grace = std::chrono::seconds(5);
  Duration create_timeout = std::chrono::minutes(2);
};

/// [template.NAME]: what is not set comes from [sandbox].
struct Template {
  std::string description;
  std::vector<std::string> provider;
  std::filesystem::path root;
  std::vector<std::string> bind;
  std::vector<std::string> tools;
  std::map<std::string, std::string> env;
  std::string user = "user";
  std::string directory = "/workspace";
  std::optional<double> cpus;
  std::optional<ByteSize> memory;
  std::optional<ByteSize> disk;
  std::optional<std::uint32_t> processes;
  std::optional<std::uint32_t> descriptors;
  std::optional<Network> network;
  std::optional<std::vector<std::string>> allow;
  std::optional<Duration> lease;
  std::optional<Duration> max_duration;
  Storage storage = Storage::disk;
  bool user_namespaces = false;
  std::string e2b;    ///< the template at E2B; empty: as [provider.e2b] says
  std::string start;  ///< what runs in each of its sandboxes that the E2B endpoint makes
  std::string ready;  ///< ends well once `start` is ready
};

/// [provider.local]
struct LocalProvider {
  bool enabled = true;
  std::string bwrap = "bwrap";
  std::filesystem::path directory;  ///< empty: sandboxes/ in the state directory
  std::string id_range;             ///< empty: /etc/subuid, or 2000000000:65536 for root
  Cgroups cgroups = Cgroups::automatic;
  std::uint32_t sandboxes = 64;
  Rate create_rate{100, std::chrono::seconds(1)};
  Duration max_offline = std::chrono::minutes(10);
};

/// [provider.e2b]
struct E2bProvider {
  bool enabled = false;  ///< and with E2B_API_KEY in the environment
  std::string secret = "e2b";
  std::string domain = "e2b.app";
  std::string api_url;      ///< empty: https://api.<domain>
  std::string sandbox_url;  ///< empty: https://<port>-<sandbox>.<domain>
  std::filesystem::path ca_file;
  std::string template_id = "base";
  std::uint32_t port = 49900;
  std::uint32_t sandboxes = 20;
  Rate create_rate{1, std::chrono::seconds(1)};
  Duration max_lifetime = std::chrono::hours(1);
  bool auto_pause = true;
};

/// [pool.NAME]
struct Pool {
  std::string template_name = "default";
  std::vector<std::string> provider;
  std::uint32_t min_ready = 0;
  std::uint32_t max_ready = 4;
  Duration max_idle = std::chrono::minutes(10);
  Duration max_age = std::chrono::hours(1);
  Duration health_interval = std::chrono::seconds(15);
};

/// [service.NAME]: something on the host that sandboxes may be led to, by name.
struct Service {
  std::string host = "127.0.0.1";
  std::uint32_t port = 0;
};

/// [model.NAME]: where the models of `anthropic`, `openai` or `google` are asked, and with which key.
struct Model {
  std::string url;     ///< empty: the provider's own
  std::string secret;  ///< empty: the secret called as the provider
};

/// [artifacts]
struct Artifacts {
  ByteSize max_size{std::uint64_t{256} << 20U};
  std::uint32_t max_per_swarm = 1000;
  ByteSize max_swarm_size{std::uint64_t{2} << 30U};
  ByteSize max_total{std::uint64_t{10} << 30U};
  Duration keep = std::chrono::hours(24 * 30);
};

/// [git]
struct Git {
  /// A push of a change to one of these could act with more rights than its author: it waits for a person.
  std::vector<std::string> protected_paths = {
      // What services run by themselves when it is pushed.
      "/.github/workflows/", "/.github/actions/", "/.gitea/", "/.forgejo/", "/.gitlab-ci.yml", "/.gitlab/",
      "/.circleci/", "/.travis.yml", "/azure-pipelines.yml", "/.azure-pipelines/", "Jenkinsfile", "/.drone.yml",
      "/.woodpecker/", "/.woodpecker.yml", "/.buildkite/", "/.teamcity/", "/appveyor.yml", "/.appveyor.yml",
      "/bitbucket-pipelines.yml", "/.cirrus.yml", "/.pre-commit-config.yaml",
      // What git and its hooks obey.
      ".gitmodules", ".gitattributes", "/.husky/", "/.githooks/", "/lefthook.yml",
      // Who has to look at what.
      "/CODEOWNERS", "/.github/CODEOWNERS", "/docs/CODEOWNERS",
      // What shells and editors run when they are opened there.
      ".envrc", ".vscode/", ".idea/", ".devcontainer/", ".devcontainer.json", ".exrc", ".nvim.lua",
      // What agents obey.
      "CLAUDE.md", "AGENTS.md", "GEMINI.md", ".claude/", ".codex/", ".gemini/", ".opencode/", ".cursor/",
      ".cursorrules", ".mcp.json", "/.github/copilot-instructions.md"};
};

/// [forge.NAME]: a service that holds repositories and speaks GitHub's API.
struct Forge {
  std::string host;     ///< as in the remote's URL, with its port; empty: `NAME`
  std::string api_url;  ///< empty: https://api.github.com, or https://HOST/api/v3
  std::string secret = "github";
  std::string user = "x-access-token";
  std::filesystem::path ca_file;
};

/// [e2b_endpoint]: E2B's API on the sandboxes of this daemon.
struct E2bEndpoint {
  bool enabled = false;
  std::string listen = "127.0.0.1:3999";
  bool beyond_loopback = false;
  std::string domain;
  std::filesystem::path certificate;
  std::filesystem::path key;
};

/// [secret.NAME]: where a secret comes from and who may use it. Never the value.
struct Secret {
  SecretSource source = SecretSource::stored;
  std::string variable;
  std::filesystem::path file;
  std::string credential;
  std::vector<std::string> command;
  Duration timeout = std::chrono::seconds(10);
  std::vector<std::string> swarms;
  std::vector<std::string> roles = {"*"};
  std::vector<std::string> hosts;
};

/// [price.NAME]: what something costs from a time on. Amounts are USD as decimal strings; empty costs nothing.
struct Price {
  std::string applies_to;
  std::string valid_from;  ///< UTC; empty: always
  std::string vcpu_second;
  std::string gib_second;
  std::string sandbox_second;
  std::string input_million;
  std::string output_million;
  std::string cache_read_million;
  std::string cache_write_million;
  std::string call;
  bool bills_paused = false;
};

/// [rate.NAME]: how fast something may be done.
struct RateLimit {
  std::string key;
  std::optional<Rate> rate;
  std::uint32_t burst = 1;
  Duration guard{0};
  std::uint32_t queue = 1000;
};

/// [costs]
struct Costs {
  Duration tick = std::chrono::seconds(1);
  std::string label = "cost";
};

/// The whole configuration. A default-constructed one is what runs without a file.
struct Config {
  Daemon daemon;
  Log log;
  Store store;
  Limits limits;
  Sandbox sandbox;
  LocalProvider local;
  E2bProvider e2b;
  E2bEndpoint e2b_endpoint;
  std::map<std::string, Template> templates;
  std::map<std::string, Pool> pools;
  std::map<std::string, Service> services;
  std::map<std::string, Model> models;
  Git git;
  Artifacts artifacts;
  std::map<std::string, Forge> forges;
  std::map<std::string, Secret> secrets;
  Costs costs;
  std::map<std::string, Price> prices;
  std::map<std::string, RateLimit> rates;
};

}  // namespace swarm::config
