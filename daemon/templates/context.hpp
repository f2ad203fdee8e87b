#pragma once
// A template's directory: its definition, and the archives of what its steps copy. Blocking.

#include <filesystem>
#include <optional>

#include "daemon/templates/dockerfile.hpp"
#include "protocol/api/template.hpp"

namespace swarm::templates {

/// What a COPY sends.
struct Files {
  std::string hash;  ///< SHA-256 of the step and of every file's path, mode, size and content
  std::uint64_t size_bytes = 0;
  std::filesystem::path root;      ///< what the names are relative to
  std::vector<std::string> names;  ///< directories, files and links, each behind its directory
};

/// Everything that a build needs to know.
struct Plan {
  std::string name;
  std::string image;          ///< empty when it stands on a template
  std::string from_template;  ///< empty when it stands on an image
  std::string start;
  std::string ready;
  std::uint32_t cpus = 2;
  std::uint32_t memory_mib = 1024;
  struct PlannedStep {
    Step step;
    std::optional<Files> files;
  };
  std::vector<PlannedStep> steps;
};

/// Reads the definition, its Dockerfile and the files. A source `agentd` that the directory does not have is `bundle`.
/// `not_found` and `invalid_argument` say what and where.
Result<Plan> read_plan(const api::TemplateBuildRequest& request, const std::filesystem::path& bundle);

/// Writes the archive of a step to `path`, as tar.
Result<void> write_archive(const Files& files, const std::filesystem::path& path);

}  // namespace swarm::templates
