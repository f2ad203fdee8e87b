#pragma once
// What people see of sandboxes.

#include <vector>

#include "client/context.hpp"
#include "client/output/table.hpp"
#include "protocol/api/sandbox.hpp"

namespace CLI {
class App;
}

namespace swarm::client {

/// The word of an enum on the wire.
template <class E>
std::string name_of(E value) {
  const api::TypeInfo& type = api::type_of<E>();
  for (const api::EnumValue& known : type.values) {
    if (known.value == static_cast<std::int64_t>(value)) return std::string(known.name);
  }
  return "unknown";
}
std::string state_name(api::SandboxState state);

Table sandbox_table(const std::vector<api::SandboxInfo>& sandboxes, WallTime now);
/// Its columns and rows, for lists that come in parts.
std::vector<Column> sandbox_columns(bool named);
std::vector<std::vector<Cell>> sandbox_rows(const std::vector<api::SandboxInfo>& sandboxes, WallTime now, bool named);
[[nodiscard]] bool any_named(const std::vector<api::SandboxInfo>& sandboxes);
Fields sandbox_fields(const api::SandboxInfo& sandbox, WallTime now);
Fields metrics_fields(const api::SandboxMetrics& metrics);
Table processes_table(const api::SandboxMetrics& metrics);

/// `sandbox create`, in a file of its own for its many options.
void add_sandbox_create(CLI::App& group, Selection& selection);

/// The options that a fresh sandbox is described by; `exec --rm` has them too.
struct CreateOptions {
  std::string name;
  std::string swarm;
  std::string template_name;
  std::vector<std::string> labels;
  std::vector<std::string> env;
  std::string lease;
  std::string lifetime;
  std::string idle_pause;
  std::string idle_kill;
  std::string memory;
  double cpus = 0;
  std::uint64_t processes = 0;
  std::string disk;
  std::vector<std::string> allow;
  std::string network;
  std::string queue;
  bool fresh = false;
  bool no_wait = false;
};
Result<api::SandboxCreateRequest> create_request(const CreateOptions& options, const std::string& provider);
void add_create_options(CLI::App& command, CreateOptions& options);

}  // namespace swarm::client
