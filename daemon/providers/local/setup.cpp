#include "daemon/providers/local/setup.hpp"

#include <fmt/format.h>

namespace swarm::local {
namespace {

CgroupChoice choice_of(config::Cgroups cgroups) {
  switch (cgroups) {
    case config::Cgroups::v2:
      return CgroupChoice::v2;
    case config::Cgroups::v1:
      return CgroupChoice::v1;
    case config::Cgroups::off:
      return CgroupChoice::off;
    case config::Cgroups::automatic:
      break;
  }
  return CgroupChoice::automatic;
}

/// "100000:65536", as the configuration's schema has checked it.
std::optional<IdRange> range_of(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return std::nullopt;
  return IdRange{.base = static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 10)),
                 .count = static_cast<std::uint32_t>(std::strtoul(text.c_str() + colon + 1, nullptr, 10))};
}

/// An absolute path for a program that the configuration names with or without a directory.
std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::filesystem::path candidate = std::filesystem::path(rest.substr(0, colon)) / name;
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored)) return candidate.native();
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return "/usr/bin/" + name;  // `problems()` says that it is missing
}

Template template_of(const config::Template& from) {
  return {.root = from.root.native(),
          .binds = from.bind,
          .tools = from.tools,
          .env = from.env,
          .userns = from.user_namespaces ? Userns::allowed : Userns::forbidden,
          .storage = from.storage == config::Storage::memory ? Storage::memory : Storage::disk};
}

}  // namespace

Result<Installation> find_installation(const std::filesystem::path& program) {
  const std::filesystem::path beside = program.parent_path();
  const std::filesystem::path prefix = beside.parent_path();
  for (const auto& [launcher, bundle] : {std::pair(prefix / "lib/swarmd/swarm-launch", prefix / "lib/swarmd/bundle"),
                                         std::pair(beside / "swarm-launch", prefix / "bundle")}) {
    std::error_code ignored;
    if (std::filesystem::exists(launcher, ignored) && std::filesystem::is_directory(bundle, ignored)) {
      return Installation{.launcher = launcher, .bundle = bundle};
    }
  }
  return fail(Code::failed_precondition,
              fmt::format("swarm-launch and agentd's bundle are neither in '{}' nor beside '{}'; build the target "
                          "'programs', or install swarmd again",
                          (prefix / "lib/swarmd").native(), program.native()));
}

Result<Settings> settings_from(const config::Config& config, const Places& places) {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(Code::failed_precondition, "/proc/self/exe cannot be read; is /proc mounted?");
  Result<Installation> installed = find_installation(program);
  if (!installed) return fail(installed.error());

  Settings settings;
  settings.sandboxes = config.local.directory.empty() ? places.sandboxes : config.local.directory;
  settings.cache = places.state / "cache";
  settings.tools = places.tools;
  settings.bundle = installed->bundle;
  settings.programs = {.launcher = installed->launcher.native(), .bwrap = find_program(config.local.bwrap)};
  settings.id_range = range_of(config.local.id_range);
  settings.cgroups = choice_of(config.local.cgroups);
  settings.most = config.local.sandboxes;
  for (const auto& [name, definition] : config.templates) settings.templates[name] = template_of(definition);
  return settings;
}

}  // namespace swarm::local
