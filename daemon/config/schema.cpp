#include "daemon/config/schema.hpp"

#include "daemon/config/sections.hpp"

namespace swarm::config {

template <>
struct Names<LogLevel> {
  static constexpr std::array<std::pair<std::string_view, LogLevel>, 6> kAll = {{{"trace", LogLevel::trace},
                                                                                 {"debug", LogLevel::debug},
                                                                                 {"info", LogLevel::info},
                                                                                 {"warn", LogLevel::warn},
                                                                                 {"error", LogLevel::error},
                                                                                 {"off", LogLevel::off}}};
};
template <>
struct Names<LogFormat> {
  static constexpr std::array<std::pair<std::string_view, LogFormat>, 4> kAll = {{{"auto", LogFormat::automatic},
                                                                                  {"human", LogFormat::human},
                                                                                  {"json", LogFormat::json},
                                                                                  {"journald", LogFormat::journald}}};
};
template <>
struct Names<Network> {
  static constexpr std::array<std::pair<std::string_view, Network>, 3> kAll = {
      {{"off", Network::off}, {"allow", Network::allow}, {"on", Network::on}}};
};
template <>
struct Names<Storage> {
  static constexpr std::array<std::pair<std::string_view, Storage>, 2> kAll = {
      {{"disk", Storage::disk}, {"memory", Storage::memory}}};
};
template <>
struct Names<Cgroups> {
  static constexpr std::array<std::pair<std::string_view, Cgroups>, 4> kAll = {
      {{"auto", Cgroups::automatic}, {"v2", Cgroups::v2}, {"v1", Cgroups::v1}, {"off", Cgroups::off}}};
};
template <>
struct Names<SecretSource> {
  static constexpr std::array<std::pair<std::string_view, SecretSource>, 5> kAll = {
      {{"stored", SecretSource::stored},
       {"environment", SecretSource::environment},
       {"file", SecretSource::file},
       {"credential", SecretSource::credential},
       {"command", SecretSource::command}}};
};

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  return bare ? std::string(key) : toml_string(key);
}

namespace {

using Strings = std::vector<std::string>;

Rule<Strings> each(std::string expected, bool (*holds)(const std::string&)) {
  return {std::move(expected), [holds](const Strings& all) { return std::ranges::all_of(all, holds); },
          [holds](const Strings& all) {
            return static_cast<std::size_t>(std::ranges::find_if_not(all, holds) - all.begin());
          }};
}

bool is_provider(const std::string& name) { return name == "local" || name == "e2b"; }

/// A host name, "*.name", or either with ":port".
bool is_host(const std::string& text) {
  std::string_view host = text;
  if (const auto colon = host.rfind(':'); colon != std::string_view::npos) {
    const std::string_view port = host.substr(colon + 1);
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
    host = host.substr(0, colon);
  }
  if (host.starts_with("*.")) host.remove_prefix(2);
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.back() == '.' || host.contains(".."))
    return false;
  return std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

/// "/host/path" or "/host/path:/inside".
bool is_bind(const std::string& text) {
  const auto colon = text.find(':');
  return text.starts_with('/') && (colon == std::string::npos || text.substr(colon + 1).starts_with('/'));
}

bool is_tool(const std::string& text) {
  const auto at = text.find('@');
  return is_instance_name(text.substr(0, at)) && (at == std::string::npos || at + 1 < text.size());
}

bool is_id_range(const std::string& text) {
  if (text.empty()) return true;
  const auto colon = text.find(':');
  const auto number = [](std::string_view digits) {
    return !digits.empty() && digits.size() <= 10 && digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (colon == std::string::npos || !number(text.substr(0, colon)) || !number(text.substr(colon + 1))) return false;
  const std::uint64_t start = std::stoull(text.substr(0, colon));
  const std::uint64_t count = std::stoull(text.substr(colon + 1));
  // Host uid 0 is never mapped into a sandbox.
  return start >= 1000 && count >= 1 && start + count <= (1ULL << 32U) - 1;
}

Rule<Strings> providers() { return each("a list of providers; known: \"local\", \"e2b\"", is_provider); }
Rule<Strings> hosts() {
  return each(R"(a list of host names such as "github.com", "*.npmjs.org" or "example.com:8443")", is_host);
}
Rule<std::string> instance_name() {
  return {"a name of a-z, 0-9, _ and -", [](const std::string& name) { return is_instance_name(name); }, {}};
}

Rule<double> cpu_rule() { return between(0.05, 1024.0); }
Rule<ByteSize> memory_rule() { return between(mib(16), gib(65536)); }
Rule<ByteSize> disk_rule() { return between(mib(16), gib(1U << 20U)); }
Rule<std::uint32_t> process_rule() { return between<std::uint32_t>(8, 1'000'000); }
Rule<std::uint32_t> descriptor_rule() { return between<std::uint32_t>(64, 1'000'000); }
Rule<Duration> lease_rule() { return between(sec(10), hours(24 * 7)); }
Rule<Duration> max_duration_rule() { return off_or(sec(10), hours(24 * 365)); }

Section concealed(Section section) {
  section.conceal = true;
  return section;
}

Setting with_alias(std::string alias, Setting setting) {
  setting.alias = std::move(alias);
  return setting;
}

std::vector<Section> build_host_sections() {
  using enum Reload;
  return {
      fixed("daemon", &Config::daemon, "The daemon itself.",
            {with_alias("SWARMD_SOCKET",
                        setting("socket", &Daemon::socket, restart,
                                "Unix socket that clients connect to. Empty: `swarmd.sock` in the runtime directory.")),
             setting("drain_timeout", &Daemon::drain_timeout, now,
                     "How long a graceful stop waits for calls in flight before it cancels them.",
                     between(ms(0), hours(1))),
             setting("idle_exit", &Daemon::idle_exit, now,
                     "A daemon that a client started ends after so long without clients and sandboxes. 0: never.",
                     off_or(sec(1), hours(24 * 30))),
             setting("threads", &Daemon::threads, restart,
                     "Worker threads for files, DNS, git and other blocking work.", between<std::uint32_t>(1, 128))}),
      fixed("log", &Config::log, "What is logged, how and where to. Secrets are redacted in every form.",
            {with_alias("SWARM_LOG", setting("level", &Log::level, now, "The least severe messages that are written.")),
             setting("format", &Log::format, restart,
                     "`auto` is `human` on a terminal, `journald` where stderr is the journal, and `json` otherwise."),
             setting("levels", &Log::levels, now, "Levels of single components, for example `{ wire = \"debug\" }`."),
             setting("file", &Log::file, restart,
                     "Log file of a daemon in the background. Empty: `swarmd.log` in the log directory."),
             setting("max_size", &Log::max_size, restart, "The log file is rotated at this size.",
                     between(ByteSize{64U << 10U}, gib(4))),
             setting("keep", &Log::keep, restart, "Rotated log files that are kept.", between<std::uint32_t>(0, 100))}),
      fixed("store", &Config::store, "The database with everything that must survive a restart.",
            {setting("path", &Store::path, restart, "Database file. Empty: `db/swarmd.db` in the state directory."),
             setting("event_retention", &Store::event_retention, now, "Events older than this are removed.",
                     between(hours(1), hours(24 * 3650))),
             setting("event_limit", &Store::event_limit, now, "At most so many events are kept, whatever their age.",
                     between<std::uint64_t>(1'000, 1'000'000'000)),
             setting("checkpoint_interval", &Store::checkpoint_interval, now,
                     "How often the write-ahead log is folded into the database.", between(sec(1), hours(1)))}),
      fixed("limits", &Config::limits, "What one daemon, one connection and one message may take.",
            {setting("connections", &Limits::connections, now, "Clients connected at once.",
                     between<std::uint32_t>(1, 1'000'000)),
             setting("requests_per_connection", &Limits::requests_per_connection, now,
                     "Calls in flight on one connection; more wait in the socket.", between<std::uint32_t>(1, 100'000)),
             setting("frame", &Limits::frame, restart, "Largest single message on the wire.",
                     between(ByteSize{64U << 10U}, gib(1))),
             setting("nesting", &Limits::nesting, restart, "Deepest nesting of a message.",
                     between<std::uint32_t>(8, 256)),
             setting("session_buffer", &Limits::session_buffer, restart,
                     "What one tunnel keeps of what its other side has not acknowledged.",
                     between(ByteSize{64U << 10U}, gib(1))),
             setting("session_buffers", &Limits::session_buffers, restart, "The same for all tunnels together.",
                     between(mib(1), gib(64))),
             setting("sandboxes", &Limits::sandboxes, now, "Sandboxes at once, over all providers.",
                     between<std::uint32_t>(1, 100'000))}),
  };
}

std::vector<Section> build_sandbox_sections() {
  using enum Reload;
  return {
      fixed(
          "sandbox", &Config::sandbox, "What holds for a sandbox whose template and caller say nothing else.",
          {setting("provider", &Sandbox::provider, next,
                   "Who creates sandboxes, in order: the next is asked when one is down or at its limit.", providers()),
           setting("template", &Sandbox::template_name, next, "The template that is used when none is named.",
                   instance_name()),
           setting("cpus", &Sandbox::cpus, next, "CPUs, also in parts.", cpu_rule()),
           setting("memory", &Sandbox::memory, next, "Memory.", memory_rule()),
           setting("disk", &Sandbox::disk, next, "What may be written in all.", disk_rule()),
           setting("processes", &Sandbox::processes, next, "Processes and threads.", process_rule()),
           setting("descriptors", &Sandbox::descriptors, next, "Open descriptors per process.", descriptor_rule()),
           setting(
               "network", &Sandbox::network, next,
               "`off`: none. `allow`: only the names in `allow`, through the daemon. `on`: whatever the host reaches."),
           setting("allow", &Sandbox::allow, next, "Names that may be reached with `network = \"allow\"`.", hosts()),
           setting("lease", &Sandbox::lease, next, "A sandbox ends when nobody renewed it for so long.", lease_rule()),
           setting("max_duration", &Sandbox::max_duration, next, "A sandbox ends at this age in any case. 0: never.",
                   max_duration_rule()),
           setting("idle_pause", &Sandbox::idle_pause, next, "Paused after so long without use. 0: never.",
                   off_or(sec(1), hours(24 * 30))),
           setting("idle_kill", &Sandbox::idle_kill, next, "Killed after so long without use. 0: never.",
                   off_or(sec(1), hours(24 * 30))),
           setting("exec_timeout", &Sandbox::exec_timeout, next, "Longest run of one command. 0: no limit.",
                   off_or(ms(1), hours(24 * 30))),
           setting("stop_grace", &Sandbox::stop_grace, now, "Time between TERM and KILL when something is stopped.",
                   between(ms(0), sec(600))),
           setting("create_timeout", &Sandbox::create_timeout, next,
                   "Longest time from the request to a sandbox that answers.", between(sec(1), hours(1)))}),
      named(
          "template", &Config::templates,
          "What a sandbox is made from. What a template does not set comes from `[sandbox]`. A template `default` "
          "exists "
          "without being written.",
          {setting("description", &Template::description, next, "One line for people."),
           setting("provider", &Template::provider, next, "Who may create it, in order. Empty: as in `[sandbox]`.",
                   providers()),
           setting("root", &Template::root, next, "Root file system, bound read-only. Empty: the host's `/usr`."),
           setting("bind", &Template::bind, next, "More read-only paths, `/host/path` or `/host/path:/inside`.",
                   each("a list of \"/host/path\" or \"/host/path:/inside\"", is_bind)),
           setting("tools", &Template::tools, next, "Installed tools to bind, for example `claude@2.1.0`.",
                   each("a list of tools such as \"claude\" or \"claude@2.1.0\"", is_tool)),
           setting("env", &Template::env, next,
                   "Environment variables. Not for secrets: every process inside sees them."),
           setting("user", &Template::user, next, "The user that commands run as."),
           setting("directory", &Template::directory, next, "The directory that commands start in.",
                   {"an absolute path", [](const std::string& path) { return path.starts_with('/'); }, {}}),
           setting("cpus", &Template::cpus, next, "CPUs, also in parts.", cpu_rule()),
           setting("memory", &Template::memory, next, "Memory.", memory_rule()),
           setting("disk", &Template::disk, next, "What may be written in all.", disk_rule()),
           setting("storage", &Template::storage, next,
                   "Where local sandboxes keep their files. `disk`: a directory of the host, watched and frozen above "
                   "`disk`. `memory`: a file system of that size in memory, which the kernel holds to it."),
           setting("processes", &Template::processes, next, "Processes and threads.", process_rule()),
           setting("descriptors", &Template::descriptors, next, "Open descriptors per process.", descriptor_rule()),
           setting("network", &Template::network, next, "As in `[sandbox]`."),
           setting("allow", &Template::allow, next, "As in `[sandbox]`; replaces that list.", hosts()),
           setting("lease", &Template::lease, next, "As in `[sandbox]`.", lease_rule()),
           setting("max_duration", &Template::max_duration, next, "As in `[sandbox]`.", max_duration_rule()),
           setting(
               "user_namespaces", &Template::user_namespaces, next,
               "Lets programs inside make user namespaces of their own (containers in the sandbox). Widens what the "
               "kernel exposes."),
           setting("e2b", &Template::e2b, next, "The template at E2B, by id or name. Empty: `provider.e2b.template`."),
           setting("start", &Template::start, next,
                   "A command that runs in each of its sandboxes that are made through E2B's API."),
           setting("ready", &Template::ready, next,
                   "A command that ends well once `start` is ready; a sandbox is handed out then.")}),
      fixed("provider.local", &Config::local, "Sandboxes on this machine, made with bubblewrap.",
            {setting("enabled", &LocalProvider::enabled, now, "Whether local sandboxes may be created."),
             setting("bwrap", &LocalProvider::bwrap, next, "The bubblewrap program, a name in PATH or a path."),
             setting("directory", &LocalProvider::directory, restart,
                     "Where sandboxes keep their files. Empty: `sandboxes` in the state directory."),
             setting("id_range", &LocalProvider::id_range, restart,
                     "Host ids that sandboxes map, as `start:count`. Empty: the user's range in /etc/subuid, for root "
                     "`2000000000:65536`, which belongs to nobody.",
                     {"a range start:count of ids from 1000, such as \"2000000000:65536\"", is_id_range, {}}),
             setting("cgroups", &LocalProvider::cgroups, restart,
                     "Which cgroups enforce limits. `auto` takes v2, else v1, else per-process limits."),
             setting("sandboxes", &LocalProvider::sandboxes, now, "Local sandboxes at once.",
                     between<std::uint32_t>(1, 10'000)),
             setting("create_rate", &LocalProvider::create_rate, now, "How fast local sandboxes are created.",
                     {"a rate above zero such as \"60/min\" or \"5/s\"",
                      [](const Rate& rate) { return rate.count > 0; },
                      {}}),
             setting("max_offline", &LocalProvider::max_offline, next,
                     "A sandbox that heard nothing from the daemon for so long after its lease ends by itself.",
                     between(sec(10), hours(24 * 7)))}),
      fixed("provider.e2b", &Config::e2b, "Sandboxes at E2B, or at a service that speaks its protocol.",
            {setting("enabled", &E2bProvider::enabled, restart,
                     "Whether sandboxes may be created there. On by itself when E2B_API_KEY is in the environment."),
             setting("secret", &E2bProvider::secret, restart,
                     "The secret with the API key. Where nothing else is said of it, E2B_API_KEY is taken.",
                     instance_name()),
             with_alias("E2B_DOMAIN", setting("domain", &E2bProvider::domain, restart,
                                              "Domain of the service and of its sandboxes.")),
             with_alias("E2B_API_URL", setting("api_url", &E2bProvider::api_url, restart,
                                               "Where the service's API is. Empty: `https://api.` and the domain.")),
             with_alias("E2B_SANDBOX_URL",
                        setting("sandbox_url", &E2bProvider::sandbox_url, restart,
                                "One URL for all sandboxes, told apart by headers. Empty: by host names.")),
             setting("ca_file", &E2bProvider::ca_file, restart,
                     "Certificates that its TLS is checked against (PEM). Empty: the system's."),
             setting("template", &E2bProvider::template_id, restart,
                     "The template there for those of ours that name none (`template.NAME.e2b`). agentd is uploaded "
                     "where it is missing."),
             setting("port", &E2bProvider::port, restart, "The port of a sandbox on which its agentd listens.",
                     between<std::uint32_t>(1024, 65'535)),
             setting("sandboxes", &E2bProvider::sandboxes, restart,
                     "Sandboxes at once, as the plan allows (Hobby 20, Pro 100).", between<std::uint32_t>(1, 100'000)),
             setting("create_rate", &E2bProvider::create_rate, restart,
                     "How fast sandboxes may be created, as the plan allows (Hobby 1/s, Pro 5/s).",
                     {"a rate above zero such as \"60/min\" or \"5/s\"",
                      [](const Rate& rate) { return rate.count > 0; },
                      {}}),
             setting("max_lifetime", &E2bProvider::max_lifetime, restart,
                     "How long one may run without a pause, as the plan allows (Hobby 1h, Pro 24h).",
                     between(sec(60), hours(24 * 30))),
             setting("auto_pause", &E2bProvider::auto_pause, restart,
                     "At the end of its time the service pauses a sandbox, which costs nothing, instead of killing "
                     "it.")}),
      named(
          "pool", &Config::pools, "Sandboxes kept ready, so that one is handed out at once.",
          {setting("template", &Pool::template_name, now, "The template that is kept ready.", instance_name()),
           setting("provider", &Pool::provider, now, "Who creates them, in order. Empty: as the template says.",
                   providers()),
           setting("min_ready", &Pool::min_ready, now, "At least so many are ready, whatever the demand.",
                   between<std::uint32_t>(0, 10'000)),
           setting("max_ready", &Pool::max_ready, now, "At most so many are kept ready when demand is high.",
                   between<std::uint32_t>(0, 10'000)),
           setting("max_idle", &Pool::max_idle, now, "More than `min_ready` are given up after so long without demand.",
                   between(sec(1), hours(24 * 7))),
           setting("max_age", &Pool::max_age, now, "A sandbox that waited so long is replaced by a fresh one.",
                   between(sec(10), hours(24 * 7))),
           setting("health_interval", &Pool::health_interval, now, "How often each is asked whether it still lives.",
                   between(ms(100), hours(1)))}),
      fixed("e2b_endpoint", &Config::e2b_endpoint,
            "E2B's API on the sandboxes of this daemon, for programs that use the E2B SDKs (`swarmctl e2b`).",
            {setting("enabled", &E2bEndpoint::enabled, restart, "Whether it is open from the start."),
             setting("listen", &E2bEndpoint::listen, next, "Address and port."),
             setting("beyond_loopback", &E2bEndpoint::beyond_loopback, next,
                     "Whether `listen` may be an address that other machines reach. Whoever has the API key runs "
                     "programs here."),
             setting("domain", &E2bEndpoint::domain, next,
                     "Ports of sandboxes are reached at `<port>-<sandbox>.<domain>`; with a port where it is not the "
                     "usual one. Empty: clients use their own E2B_DOMAIN."),
             setting("certificate", &E2bEndpoint::certificate, next,
                     "PEM file of the certificate chain for the domain and `*.<domain>`; empty: plain HTTP."),
             setting("key", &E2bEndpoint::key, next, "PEM file of its key.")}),
      named("service", &Config::services,
            "A service of the host that a port inside a sandbox may lead to (`swarmctl forward --service`).",
            {setting("host", &Service::host, now, "Where it listens, as seen from the host."),
             setting("port", &Service::port, now, "Its TCP port.", between<std::uint32_t>(1, 65'535))}),
      named(
          "model", &Config::models,
          "Where agents' calls to the models of `anthropic`, `openai` or `google` go. They leave from the host, which "
          "adds the key: no key is in a sandbox.",
          {setting("url", &Model::url, now, "Base URL, without a slash at its end. Empty: the provider's own.",
                   {"an http or https URL that does not end with a slash",
                    [](const std::string& url) {
                      return url.empty() ||
                             ((url.starts_with("https://") || url.starts_with("http://")) && !url.ends_with('/'));
                    },
                    {}}),
           setting("secret", &Model::secret, now,
                   "The secret that is the key. Empty: the one that is called as the provider. One that names "
                   "`swarms` is for those alone; else every agent's calls use it.")}),
      fixed("git", &Config::git, "What agents' commits may bring about on the host and beyond it.",
            {setting("protected_paths", &Git::protected_paths, now,
                     "A change of one of these is pushed only when a person has approved it. Patterns as in "
                     "`.gitignore`: with a slash before its end from the root, else at any depth; `*`, `**`, `?`. "
                     "Letters match in either case.")}),
      fixed(
          "artifacts", &Config::artifacts, "Files that agents attach to tasks and reviews (`swarm artifact add`).",
          {setting("max_size", &Artifacts::max_size, now, "The largest single file.", between(ByteSize{1}, gib(1024))),
           setting("max_per_swarm", &Artifacts::max_per_swarm, now, "So many of one swarm, and no more.",
                   between<std::uint32_t>(1, 1'000'000)),
           setting("max_swarm_size", &Artifacts::max_swarm_size, now,
                   "What those of one swarm may take, so that it leaves room for others.",
                   between(mib(1), gib(1 << 20))),
           setting("max_total", &Artifacts::max_total, now,
                   "What all of them together may take on the disk; the same content counts once.",
                   between(mib(1), gib(1 << 20))),
           setting("keep", &Artifacts::keep, now,
                   "So long after the end of a swarm its artifacts are kept; before, all are. 0: until it is "
                   "discarded.",
                   off_or(hours(1), hours(24 * 3650)))}),
      named("forge", &Config::forges,
            "Services that hold repositories and speak GitHub's API. github.com needs no entry: its token is the "
            "secret `github`, by itself GITHUB_TOKEN of the daemon's environment, else what git's credential helper "
            "has.",
            {setting("host", &Forge::host, now, "Its host as in the URLs of remotes. Empty: the name of this section."),
             setting("api_url", &Forge::api_url, now,
                     "Base URL of its API, without a slash at its end. Empty: `https://api.github.com`, or "
                     "`https://HOST/api/v3`.",
                     {"an http or https URL that does not end with a slash",
                      [](const std::string& url) {
                        return url.empty() ||
                               ((url.starts_with("https://") || url.starts_with("http://")) && !url.ends_with('/'));
                      },
                      {}}),
             setting("secret", &Forge::secret, now,
                     "The secret with its token. Where there is none, git's credential helper is asked."),
             setting("user", &Forge::user, now, "The user name that pushes go with, beside the token."),
             setting("ca_file", &Forge::ca_file, now,
                     "Certificates that its TLS is checked against (PEM). Empty: the system's.")}),
      concealed(named(
          "secret", &Config::secrets,
          "Where a secret comes from and who may use it. The value itself never stands in this file.",
          {setting("source", &Secret::source, now,
                   "`stored`: by `swarmctl secret set`. `environment`, `file`, `credential` (systemd), `command`: from "
                   "there."),
           setting("variable", &Secret::variable, restart,
                   "For `environment`: the variable. Read once at the start and removed from the environment."),
           setting("file", &Secret::file, now,
                   "For `file`: its path. Must be the daemon's own, with mode 0600 or less."),
           setting("credential", &Secret::credential, restart, "For `credential`: its name in $CREDENTIALS_DIRECTORY."),
           setting("command", &Secret::command, now,
                   "For `command`: program and arguments, run without a shell; what it prints is the value."),
           setting("timeout", &Secret::timeout, now, "For `command`: how long it may take.",
                   between(ms(100), sec(300))),
           setting("swarms", &Secret::swarms, now,
                   "Swarms whose calls may use it, by name or glob; `*` is every one. Empty: only the daemon itself, "
                   "as for a "
                   "provider's key."),
           setting("roles", &Secret::roles, now, "Roles in those swarms that may use it, by name or glob."),
           setting("hosts", &Secret::hosts, now,
                   "Hosts that it may be sent to. Empty: as its user in the daemon decides.", hosts())})),
  };
}

}  // namespace

std::string_view reload_name(Reload reload) {
  switch (reload) {
    case Reload::now:
      return "at once";
    case Reload::next:
      return "for new ones";
    case Reload::restart:
      return "restart";
  }
  return "restart";
}

const Setting* Section::setting(std::string_view setting_name) const {
  const auto found = std::ranges::find(settings, setting_name, &Setting::name);
  return found == settings.end() ? nullptr : &*found;
}

std::string Section::key(std::string_view instance, std::string_view setting_name) const {
  return named ? fmt::format("{}.{}.{}", name, instance, setting_name) : fmt::format("{}.{}", name, setting_name);
}

const std::vector<Section>& schema() {
  static const std::vector<Section> sections = [] {
    std::vector<Section> all = build_host_sections();
    std::ranges::move(build_sandbox_sections(), std::back_inserter(all));
    std::ranges::move(build_money_sections(), std::back_inserter(all));
    return all;
  }();
  return sections;
}

std::optional<Located> locate(std::string_view key) {
  for (const Section& section : schema()) {
    if (!key.starts_with(section.name) || key.size() <= section.name.size() || key[section.name.size()] != '.')
      continue;
    std::string_view rest = key.substr(section.name.size() + 1);
    std::string instance;
    if (section.named) {
      const auto dot = rest.find('.');
      if (dot == std::string_view::npos || !is_instance_name(rest.substr(0, dot))) continue;
      instance = rest.substr(0, dot);
      rest.remove_prefix(dot + 1);
    }
    if (const Setting* setting = section.setting(rest)) return Located{&section, std::move(instance), setting};
  }
  return std::nullopt;
}

const std::vector<std::string>& all_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all;
    for (const Section& section : schema()) {
      for (const Setting& setting : section.settings) all.push_back(section.key("NAME", setting.name));
    }
    return all;
  }();
  return keys;
}

bool is_instance_name(std::string_view name) {
  const auto word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && word(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return word(c) || c == '_' || c == '-'; });
}

}  // namespace swarm::config
