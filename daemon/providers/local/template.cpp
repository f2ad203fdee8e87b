#include "daemon/providers/local/template.hpp"

#include <fmt/format.h>

#include <cstring>

namespace swarm::local {
namespace {

namespace fs = std::filesystem;

Result<Bind> parse_bind(const std::string& text) {
  const auto colon = text.find(':');
  Bind bind{.source = text.substr(0, colon), .target = colon == std::string::npos ? text : text.substr(colon + 1)};
  std::error_code error;
  if (!fs::exists(bind.source, error))
    return fail(Code::not_found, fmt::format("bind '{}': there is no '{}' on this host", text, bind.source));
  return bind;
}

}  // namespace

Result<fs::path> find_tool(const fs::path& tools, const std::string& name) {
  std::error_code error;
  if (name.find('@') != std::string::npos) {
    if (fs::is_directory(tools / name, error)) return tools / name;
  } else {
    std::optional<fs::path> newest;
    for (fs::directory_iterator it(tools, error), end; !error && it != end; it.increment(error)) {
      const std::string file = it->path().filename().string();
      if (!file.starts_with(name + "@")) continue;
      // Versions compare as people read them: 2.10 is newer than 2.9.
      if (!newest || strverscmp(newest->filename().c_str(), file.c_str()) < 0) newest = it->path();
    }
    if (newest) return *newest;
  }
  return fail(Code::not_found, fmt::format("tool '{0}' is not installed: swarmctl template install {0}{1}", name,
                                           name.find('@') == std::string::npos ? "@VERSION" : ""));
}

Result<ResolvedTemplate> resolve_template(const Template& definition, const fs::path& tools) {
  ResolvedTemplate resolved;
  std::error_code error;
  if (!definition.root.empty() && !fs::is_directory(definition.root, error))
    return fail(Code::not_found, fmt::format("template root '{}' is not a directory", definition.root));
  auto root = definition.root.empty() ? host_root() : template_root(definition.root);
  if (!root) return fail(root.error());
  resolved.root = std::move(*root);
  if (!definition.root.empty()) {
    resolved.etc_base = definition.root + "/etc";
    resolved.own_etc = true;
  }
  for (const auto& text : definition.binds) {
    auto bind = parse_bind(text);
    if (!bind) return fail(bind.error());
    resolved.binds.push_back(std::move(*bind));
  }
  for (const auto& tool : definition.tools) {
    const auto directory = find_tool(tools, tool);
    if (!directory) return fail(directory.error());
    const std::string inside = "/opt/tools/" + tool.substr(0, tool.find('@'));
    resolved.binds.push_back({.source = directory->string(), .target = inside});
    resolved.path.push_back(inside + "/bin");
  }
  resolved.env.assign(definition.env.begin(), definition.env.end());
  return resolved;
}

}  // namespace swarm::local
