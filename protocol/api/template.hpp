#pragma once
// Templates: what sandboxes are made from, and the agent programs that are installed for them.

#include "protocol/api/sandbox_types.hpp"

namespace swarm::api {

struct ToolInfo {
  std::string name;
  std::string version;
  Path path;
  std::uint64_t size_bytes = 0;
  std::int64_t installed_us = 0;
  bool operator==(const ToolInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ToolInfo", "A program that is installed on the host for sandboxes, read-only inside.");
    d.field("name", &ToolInfo::name, "Its name: claude, codex, gemini, copilot, opencode.").required();
    d.field("version", &ToolInfo::version, "Its version.").required();
    d.field("path", &ToolInfo::path, "Where it is on the host.").required();
    d.field("size_bytes", &ToolInfo::size_bytes, "How large it is.");
    d.field("installed_us", &ToolInfo::installed_us, "When it was installed, UTC.");
  }
};

struct TemplateInfo {
  std::string name;
  std::string description;
  bool is_default = false;
  std::vector<std::string> providers;
  std::vector<std::string> tools;
  std::vector<std::string> missing_tools;
  SandboxLimits limits;
  NetworkPolicy network;
  std::vector<std::string> env;
  std::uint32_t min_ready = 0;
  std::uint32_t max_ready = 0;
  std::optional<std::string> origin;
  bool operator==(const TemplateInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateInfo", "What sandboxes are made from.");
    d.field("name", &TemplateInfo::name, "Its name.").required();
    d.field("description", &TemplateInfo::description, "What it is for.");
    d.field("default", &TemplateInfo::is_default, "It is taken when none is named.");
    d.field("providers", &TemplateInfo::providers, "Who can make sandboxes from it.");
    d.field("tools", &TemplateInfo::tools, "Programs in it, as `name@version`.");
    d.field("missing_tools", &TemplateInfo::missing_tools,
            "Those that have to be installed first (`template.install`).");
    d.field("limits", &TemplateInfo::limits, "What its sandboxes may use.");
    d.field("network", &TemplateInfo::network, "What they may reach.");
    d.field("env", &TemplateInfo::env, "Names of the environment variables that it sets.");
    d.field("min_ready", &TemplateInfo::min_ready, "How many the pool keeps ready.");
    d.field("max_ready", &TemplateInfo::max_ready, "How many it keeps at most.");
    d.field("origin", &TemplateInfo::origin, "Where it is defined: a file and line; absent when built in.");
  }
};

struct TemplateListReply {
  std::vector<TemplateInfo> templates;
  std::vector<ToolInfo> tools;
  bool operator==(const TemplateListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateListReply", "Templates, and what is installed for them.");
    d.field("templates", &TemplateListReply::templates, "Templates, by name.").required();
    d.field("tools", &TemplateListReply::tools, "Installed programs, by name and version.").required();
  }
};

struct TemplateInstallRequest {
  std::string tool;
  std::optional<Path> archive;
  bool operator==(const TemplateInstallRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateInstallRequest", "What to install.");
    d.field("tool", &TemplateInstallRequest::tool, "`name@version`; without a version, the newest.")
        .required()
        .non_empty()
        .max_length(200);
    d.field("archive", &TemplateInstallRequest::archive,
            "An archive on the host to take it from instead of the registry.")
        .non_empty()
        .max_length(4096);
  }
};

struct TemplateInstallReply {
  ToolInfo tool;
  bool already_installed = false;
  bool operator==(const TemplateInstallReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateInstallReply", "What was installed.");
    d.field("tool", &TemplateInstallReply::tool, "The program.").required();
    d.field("already_installed", &TemplateInstallReply::already_installed, "It was there before.").required();
  }
};

/// Data of `template.progress`.
struct TemplateProgress {
  std::string tool;
  std::string step;
  std::optional<std::uint64_t> done_bytes;
  std::optional<std::uint64_t> total_bytes;
  bool operator==(const TemplateProgress&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateProgress", "How far an installation is.");
    d.field("tool", &TemplateProgress::tool, "What is installed.").required();
    d.field("step", &TemplateProgress::step, "What is being done: download, verify, unpack.").required();
    d.field("done_bytes", &TemplateProgress::done_bytes, "How much of it is done.");
    d.field("total_bytes", &TemplateProgress::total_bytes, "Of how much, when known.");
  }
};

/// Which template to build, and how; `template.check` reads the same.
struct TemplateBuildRequest {
  Path directory;
  std::string definition = "e2b.toml";
  std::optional<std::string> name;
  std::optional<std::string> from_template;
  std::map<std::string, std::string> args;
  bool force = false;
  bool operator==(const TemplateBuildRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateBuildRequest", "Which template to build, and how.");
    d.field("directory", &TemplateBuildRequest::directory,
            "A directory of the host with the definition and everything that it copies.")
        .required()
        .non_empty()
        .max_length(4096);
    d.field("definition", &TemplateBuildRequest::definition, "The definition in it, in the form of E2B's `e2b.toml`.")
        .non_empty()
        .max_length(255);
    d.field("name", &TemplateBuildRequest::name, "Its name at E2B, instead of the definition's.")
        .non_empty()
        .max_length(100);
    d.field("from_template", &TemplateBuildRequest::from_template,
            "Stand on this template instead of the image that the Dockerfile begins with.")
        .non_empty()
        .max_length(200);
    d.field("args", &TemplateBuildRequest::args, "Build arguments (`ARG`).").max_length(100);
    d.field("force", &TemplateBuildRequest::force, "Build every step anew.");
  }
};

struct TemplateStep {
  std::string type;
  std::vector<std::string> args;
  std::optional<std::string> hash;
  std::optional<std::uint64_t> size_bytes;
  bool operator==(const TemplateStep&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateStep", "One step of a build.");
    d.field("type", &TemplateStep::type, "RUN, COPY, ENV, WORKDIR, USER.").required();
    d.field("args", &TemplateStep::args, "Its arguments, as E2B takes them.").required();
    d.field("hash", &TemplateStep::hash, "Of what it copies: the key of E2B's cache.");
    d.field("size_bytes", &TemplateStep::size_bytes, "How much it copies.");
  }
};

struct TemplateCheckReply {
  std::string name;
  std::string from;
  bool from_image = false;
  std::string start;
  std::string ready;
  std::uint32_t cpus = 0;
  std::uint32_t memory_mib = 0;
  std::vector<TemplateStep> steps;
  bool operator==(const TemplateCheckReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateCheckReply", "What a build would do.");
    d.field("name", &TemplateCheckReply::name, "Its name at E2B.").required();
    d.field("from", &TemplateCheckReply::from, "The image or template below.").required();
    d.field("from_image", &TemplateCheckReply::from_image, "It is an image.");
    d.field("start", &TemplateCheckReply::start, "The start command.");
    d.field("ready", &TemplateCheckReply::ready, "The ready command.");
    d.field("cpus", &TemplateCheckReply::cpus, "CPUs of its sandboxes.");
    d.field("memory_mib", &TemplateCheckReply::memory_mib, "Their memory.");
    d.field("steps", &TemplateCheckReply::steps, "The steps, in their order.").required();
  }
};

struct TemplateBuildReply {
  std::string template_id;
  std::string build;
  std::uint64_t uploaded_bytes = 0;
  std::uint64_t cached_bytes = 0;
  bool operator==(const TemplateBuildReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateBuildReply", "A template that was built.");
    d.field("template", &TemplateBuildReply::template_id, "Its id at E2B.").required();
    d.field("build", &TemplateBuildReply::build, "The id of its build.").required();
    d.field("uploaded_bytes", &TemplateBuildReply::uploaded_bytes, "What was sent of the files.");
    d.field("cached_bytes", &TemplateBuildReply::cached_bytes, "What E2B had of them.");
  }
};

struct TemplateBuildLine {
  std::string template_id;
  std::string build;
  std::int64_t time_us = 0;
  std::string level;
  std::string message;
  std::optional<std::string> step;
  bool operator==(const TemplateBuildLine&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateBuildLine", "A line of a build's log.");
    d.field("template", &TemplateBuildLine::template_id, "The template.");
    d.field("build", &TemplateBuildLine::build, "The build.");
    d.field("time_us", &TemplateBuildLine::time_us, "When, UTC.");
    d.field("level", &TemplateBuildLine::level, "debug, info, warn or error.");
    d.field("message", &TemplateBuildLine::message, "What was said.").required();
    d.field("step", &TemplateBuildLine::step, "By which step.");
  }
};

struct TemplateLogsRequest {
  std::string template_id;
  std::optional<std::string> build;
  bool operator==(const TemplateLogsRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateLogsRequest", "Whose log is wanted.");
    d.field("template", &TemplateLogsRequest::template_id, "The template at E2B, by id or name.")
        .required()
        .non_empty()
        .max_length(200);
    d.field("build", &TemplateLogsRequest::build, "The build; else the newest.").non_empty().max_length(100);
  }
};

struct TemplateLogsReply {
  std::string build;
  std::string status;
  std::vector<TemplateBuildLine> lines;
  bool operator==(const TemplateLogsReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateLogsReply", "What a build said.");
    d.field("build", &TemplateLogsReply::build, "The build.").required();
    d.field("status", &TemplateLogsReply::status, "waiting, building, ready or error.").required();
    d.field("lines", &TemplateLogsReply::lines, "Its log, oldest first.").required();
  }
};

struct TemplateRemoveRequest {
  std::string template_id;
  bool operator==(const TemplateRemoveRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateRemoveRequest", "What to delete.");
    d.field("template", &TemplateRemoveRequest::template_id, "The template at E2B, by id or name.")
        .required()
        .non_empty()
        .max_length(200);
  }
};

struct RemoteTemplate {
  std::string template_id;
  std::vector<std::string> names;
  std::string status;
  std::uint32_t cpus = 0;
  std::uint32_t memory_mib = 0;
  bool operator==(const RemoteTemplate&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("RemoteTemplate", "A template of the account at E2B.");
    d.field("template", &RemoteTemplate::template_id, "Its id.").required();
    d.field("names", &RemoteTemplate::names, "Its names.").required();
    d.field("status", &RemoteTemplate::status, "How its newest build ended.");
    d.field("cpus", &RemoteTemplate::cpus, "CPUs of its sandboxes.");
    d.field("memory_mib", &RemoteTemplate::memory_mib, "Their memory.");
  }
};

struct TemplateRemoteReply {
  std::vector<RemoteTemplate> templates;
  bool operator==(const TemplateRemoteReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("TemplateRemoteReply", "Templates of the account at E2B.");
    d.field("templates", &TemplateRemoteReply::templates, "All of them.").required();
  }
};

inline constexpr Method<Empty, TemplateListReply> kTemplateList{{
    .name = "template.list",
    .doc = "Lists templates and the programs that are installed for them.",
}};
inline constexpr Method<TemplateInstallRequest, TemplateInstallReply> kTemplateInstall{{
    .name = "template.install",
    .doc = "Installs an agent's program on the host, once for all sandboxes. While it runs the caller receives "
           "`template.progress`.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such program or version"},
               {Code::failed_precondition, "the archive is damaged, or for another architecture"},
               {Code::resource_exhausted, "the disk is full"}},
}};

inline constexpr Method<TemplateBuildRequest, TemplateCheckReply> kTemplateCheck{{
    .name = "template.check",
    .doc = "Reads a template's definition and its files, and says what `template.build` would do.",
    .errors = {{Code::not_found, "no such directory, definition, stage or file"}},
}};
inline constexpr Method<TemplateBuildRequest, TemplateBuildReply> kTemplateBuild{{
    .name = "template.build",
    .doc =
        "Builds a template at E2B: sends the files that it does not have, and follows the build to its end. While it "
        "runs the caller receives `template.build_line`.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "as for `template.check`"},
               {Code::failed_precondition, "the build failed, or provider e2b is not enabled"},
               {Code::unavailable, "E2B cannot be reached"}},
}};
inline constexpr Method<TemplateLogsRequest, TemplateLogsReply> kTemplateLogs{{
    .name = "template.logs",
    .doc = "What a build at E2B said.",
    .errors = {{Code::not_found, "no such template or build"},
               {Code::failed_precondition, "provider e2b is not enabled"}},
}};
inline constexpr Method<TemplateRemoveRequest, Empty> kTemplateRemove{{
    .name = "template.remove",
    .doc = "Deletes a template at E2B with its builds. Sandboxes that were made from it live on.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such template"}, {Code::failed_precondition, "provider e2b is not enabled"}},
}};
inline constexpr Method<Empty, TemplateRemoteReply> kTemplateRemote{{
    .name = "template.remote",
    .doc = "Lists the templates of the account at E2B.",
    .errors = {{Code::failed_precondition, "provider e2b is not enabled"}},
}};

inline constexpr Notification<TemplateBuildLine> kTemplateBuildLine{{
    .name = "template.build_line",
    .doc = "A line of the log of a build that this client asked for.",
}};
inline constexpr Notification<TemplateProgress> kTemplateProgress{{
    .name = "template.progress",
    .doc = "How far an installation that this client asked for is; at most ten a second.",
}};

std::span<const MethodInfo* const> template_methods();
std::span<const NotificationInfo* const> template_notifications();

}  // namespace swarm::api
