#pragma once
// The daemon about itself: what it is, how it is, how to stop it, what it was told.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class DaemonMode : std::uint8_t { user, system };

template <class D>
void describe_enum(D& d, DaemonMode*) {
  d.type("DaemonMode", "For whom a daemon works.");
  d.value("user", DaemonMode::user, "For the user who started it, from that user's directories.");
  d.value("system", DaemonMode::system, "For the machine, from /etc, /var/lib and /run.");
  d.unknown(DaemonMode::user);
}

enum class Breaker : std::uint8_t { closed, half_open, open };

template <class D>
void describe_enum(D& d, Breaker*) {
  d.type("Breaker", "Whether a provider is asked at all.");
  d.value("closed", Breaker::closed, "It works and is asked.");
  d.value("half_open", Breaker::half_open, "It failed; one request tries it.");
  d.value("open", Breaker::open, "It failed repeatedly and is left alone for a while.");
  d.unknown(Breaker::open);
}

struct ProviderStatus {
  std::string name;
  std::string kind;
  bool available = false;
  std::optional<std::string> reason;
  Breaker breaker = Breaker::closed;
  std::uint64_t sandboxes = 0;
  std::optional<std::uint64_t> capacity;
  bool operator==(const ProviderStatus&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ProviderStatus", "One that makes sandboxes.");
    d.field("name", &ProviderStatus::name, "Its name in the configuration.").required();
    d.field("kind", &ProviderStatus::kind, "local, e2b or docker.").required();
    d.field("available", &ProviderStatus::available, "It can make sandboxes now.").required();
    d.field("reason", &ProviderStatus::reason, "Why it cannot.");
    d.field("breaker", &ProviderStatus::breaker, "Whether it is asked.");
    d.field("sandboxes", &ProviderStatus::sandboxes, "How many it holds for us.");
    d.field("capacity", &ProviderStatus::capacity, "How many it may hold.");
  }
};

struct DaemonInfoReply {
  std::string version;
  std::uint32_t pid = 0;
  DaemonMode mode = DaemonMode::user;
  std::uint32_t uid = 0;
  std::int64_t started_us = 0;
  std::chrono::milliseconds uptime_ms{0};
  Path socket;
  Path state_dir;
  std::optional<Path> log_file;
  std::vector<Path> config_files;
  std::vector<ProviderStatus> providers;
  std::map<std::string, std::uint64_t> sandboxes;
  std::uint64_t connections = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<std::string> features;
  bool operator==(const DaemonInfoReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DaemonInfoReply", "The daemon.");
    d.field("version", &DaemonInfoReply::version, "Its version.").required();
    d.field("pid", &DaemonInfoReply::pid, "Its process id.").required();
    d.field("mode", &DaemonInfoReply::mode, "For whom it works.").required();
    d.field("uid", &DaemonInfoReply::uid, "As whom it runs.").required();
    d.field("started_us", &DaemonInfoReply::started_us, "When it started, UTC.").required();
    d.field("uptime_ms", &DaemonInfoReply::uptime_ms, "How long ago that is.").required();
    d.field("socket", &DaemonInfoReply::socket, "Where it listens.").required();
    d.field("state_dir", &DaemonInfoReply::state_dir, "Where it keeps its state.").required();
    d.field("log_file", &DaemonInfoReply::log_file, "Where it logs to, unless that is the journal or a terminal.");
    d.field("config_files", &DaemonInfoReply::config_files, "What its configuration was read from.");
    d.field("providers", &DaemonInfoReply::providers, "Who makes sandboxes, in the order in which they are asked.");
    d.field("sandboxes", &DaemonInfoReply::sandboxes, "How many sandboxes there are in each state.");
    d.field("connections", &DaemonInfoReply::connections, "Clients that are connected.");
    d.field("memory_bytes", &DaemonInfoReply::memory_bytes, "Memory that it holds (RSS).");
    d.field("features", &DaemonInfoReply::features, "Named features that it knows.");
  }
};

struct DaemonStopRequest {
  std::chrono::milliseconds drain_ms{10'000};
  bool kill_sandboxes = false;
  bool operator==(const DaemonStopRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DaemonStopRequest", "How to stop.");
    d.field("drain_ms", &DaemonStopRequest::drain_ms,
            "Time for calls in flight to end; new ones are refused meanwhile.")
        .max(3'600'000);
    d.field("kill_sandboxes", &DaemonStopRequest::kill_sandboxes,
            "End all sandboxes first. Otherwise they live on to the end of their leases and are taken up again.");
  }
};

struct DaemonReloadReply {
  std::vector<std::string> changed;
  std::vector<std::string> for_new;
  std::vector<std::string> needs_restart;
  bool operator==(const DaemonReloadReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DaemonReloadReply", "What reading the configuration again changed.");
    d.field("changed", &DaemonReloadReply::changed, "Settings that hold from now on.").required();
    d.field("for_new", &DaemonReloadReply::for_new, "Settings that hold for what is made from now on.").required();
    d.field("needs_restart", &DaemonReloadReply::needs_restart, "Settings that differ but wait for a restart.")
        .required();
  }
};

enum class CheckStatus : std::uint8_t { ok, skipped, warning, failed };

template <class D>
void describe_enum(D& d, CheckStatus*) {
  d.type("CheckStatus", "How a check went.");
  d.value("ok", CheckStatus::ok, "As it should be.");
  d.value("skipped", CheckStatus::skipped, "Not looked at, for the reason given.");
  d.value("warning", CheckStatus::warning, "It works, but weaker or slower than it could.");
  d.value("failed", CheckStatus::failed, "Something does not work.");
  d.unknown(CheckStatus::warning);
}

struct Check {
  std::string name;
  CheckStatus status = CheckStatus::ok;
  std::string summary;
  std::optional<std::string> fix;
  std::map<std::string, std::string> facts;
  bool operator==(const Check&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("Check", "One thing that was looked at.");
    d.field("name", &Check::name, "Its name: `user_namespaces`.").required();
    d.field("status", &Check::status, "How it went.").required();
    d.field("summary", &Check::summary, "What was found, in a sentence.").required();
    d.field("fix", &Check::fix, "What to do about it.");
    d.field("facts", &Check::facts, "What it was concluded from.");
  }
};

struct DaemonHealthReply {
  CheckStatus status = CheckStatus::ok;
  std::vector<Check> checks;
  bool operator==(const DaemonHealthReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DaemonHealthReply", "How the daemon or its machine is.");
    d.field("status", &DaemonHealthReply::status, "The worst of the checks.").required();
    d.field("checks", &DaemonHealthReply::checks, "Each of them.").required();
  }
};

struct DaemonDoctorRequest {
  std::vector<std::string> checks;
  bool operator==(const DaemonDoctorRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DaemonDoctorRequest", "What to look at.");
    d.field("checks", &DaemonDoctorRequest::checks, "Only these checks; else all.").max_length(100);
  }
};

enum class SettingSource : std::uint8_t { built_in, file, environment, flag };

template <class D>
void describe_enum(D& d, SettingSource*) {
  d.type("SettingSource", "Where the value of a setting comes from.");
  d.value("default", SettingSource::built_in, "It was not set.");
  d.value("file", SettingSource::file, "A configuration file.");
  d.value("environment", SettingSource::environment, "An environment variable.");
  d.value("flag", SettingSource::flag, "The command line.");
  d.unknown(SettingSource::built_in);
}

struct ConfigSetting {
  std::string name;
  std::string value;
  SettingSource source = SettingSource::built_in;
  std::optional<std::string> origin;
  std::string doc;
  std::string reload;
  bool operator==(const ConfigSetting&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ConfigSetting", "A setting and its value.");
    d.field("name", &ConfigSetting::name, "Its name: `log.level`.").required();
    d.field("value", &ConfigSetting::value, "Its value as TOML; secrets are left out.").required();
    d.field("source", &ConfigSetting::source, "Where the value comes from.").required();
    d.field("origin", &ConfigSetting::origin, "The file and line, variable or flag.");
    d.field("doc", &ConfigSetting::doc, "What it is for.");
    d.field("reload", &ConfigSetting::reload, "When a change acts: at once, for new ones, restart.");
  }
};

struct ConfigShowRequest {
  std::string prefix;
  bool changed_only = false;
  bool operator==(const ConfigShowRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ConfigShowRequest", "Which settings.");
    d.field("prefix", &ConfigShowRequest::prefix, "Only settings whose name begins so.").max_length(200);
    d.field("changed_only", &ConfigShowRequest::changed_only, "Only those that are not at their default.");
  }
};

struct ConfigShowReply {
  std::vector<ConfigSetting> settings;
  std::vector<Path> files;
  bool operator==(const ConfigShowReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ConfigShowReply", "The configuration that holds.");
    d.field("settings", &ConfigShowReply::settings, "Settings, by name.").required();
    d.field("files", &ConfigShowReply::files, "What was read, in order.").required();
  }
};

/// Data of `daemon.started`.
struct DaemonStarted {
  std::string version;
  std::uint32_t pid = 0;
  bool clean = true;
  bool operator==(const DaemonStarted&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DaemonStarted", "The daemon started.");
    d.field("version", &DaemonStarted::version, "Its version.").required();
    d.field("pid", &DaemonStarted::pid, "Its process id.").required();
    d.field("clean", &DaemonStarted::clean, "The one before stopped in order.").required();
  }
};

/// Data of `daemon.stopping`.
struct DaemonStopping {
  std::string reason;
  bool operator==(const DaemonStopping&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("DaemonStopping", "The daemon is about to stop.");
    d.field("reason", &DaemonStopping::reason, "Why: a signal, or who asked.").required();
  }
};

inline constexpr Method<Empty, DaemonInfoReply> kDaemonInfo{{
    .name = "daemon.info",
    .doc = "Says which daemon this is, where it keeps things and what it holds.",
}};
inline constexpr Method<DaemonStopRequest, Empty> kDaemonStop{{
    .name = "daemon.stop",
    .doc = "Stops the daemon. Answers when that has begun.",
    .effect = Effect::changes,
}};
inline constexpr Method<Empty, DaemonReloadReply> kDaemonReload{{
    .name = "daemon.reload",
    .doc = "Reads the configuration again, as SIGHUP does. A mistake in it leaves the old one in force.",
    .effect = Effect::changes,
}};
inline constexpr Method<Empty, DaemonHealthReply> kDaemonHealth{{
    .name = "daemon.health",
    .doc = "Says whether the daemon works: store, providers, event loop. Quick enough to be asked every second.",
}};
inline constexpr Method<DaemonDoctorRequest, DaemonHealthReply> kDaemonDoctor{{
    .name = "daemon.doctor",
    .doc =
        "Looks at the machine: namespaces, uids, cgroups, tools, disk, network; says what is missing and what to do.",
    .errors = {{Code::not_found, "no such check"}},
}};
inline constexpr Method<ConfigShowRequest, ConfigShowReply> kConfigShow{{
    .name = "config.show",
    .doc = "Shows every setting with its value and where that comes from.",
}};

inline constexpr EventType<DaemonStarted> kDaemonStarted{{.name = "daemon.started", .doc = "The daemon started."}};
inline constexpr EventType<DaemonStopping> kDaemonStopping{{.name = "daemon.stopping", .doc = "The daemon stops."}};

std::span<const MethodInfo* const> daemon_methods();
std::span<const EventInfo* const> daemon_events();

}  // namespace swarm::api
