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

inline constexpr Notification<TemplateProgress> kTemplateProgress{{
    .name = "template.progress",
    .doc = "How far an installation that this client asked for is; at most ten a second.",
}};

std::span<const MethodInfo* const> template_methods();
std::span<const NotificationInfo* const> template_notifications();

}  // namespace swarm::api
