#include "client/commands/sandbox_views.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"

namespace swarm::client {
namespace {

Style style_of(api::SandboxState state) {
  switch (state) {
    case api::SandboxState::ready:
    case api::SandboxState::claimed:
      return Style::good;
    case api::SandboxState::lost:
    case api::SandboxState::failed:
      return Style::bad;
    case api::SandboxState::unknown:
    case api::SandboxState::paused:
      return Style::warning;
    case api::SandboxState::gone:
      return Style::faint;
    default:
      return Style::plain;
  }
}

std::string limit_text(const api::LimitStatus& limit) {
  std::string amount = "unlimited";
  if (limit.limit) {
    switch (limit.resource) {
      case api::Resource::memory:
      case api::Resource::disk:
        amount = human_size(*limit.limit);
        break;
      case api::Resource::cpu:
        amount = fmt::format("{:g} processors", static_cast<double>(*limit.limit) / 1000);
        break;
      default:
        amount = human_count(*limit.limit);
    }
  }
  std::string text = fmt::format("{}: {} ({})", name_of(limit.resource), amount,
                                 limit.mechanism == api::LimitMechanism::none ? "not held" : name_of(limit.mechanism));
  if (limit.note) text += " - " + one_line(*limit.note);
  return text;
}

std::string network_text(const api::NetworkPolicy& network) {
  if (network.mode != api::NetworkMode::allow) return name_of(network.mode);
  return fmt::format("only {}", fmt::join(network.allow, ", "));
}

std::string pairs_text(const std::map<std::string, std::string>& pairs) {
  std::vector<std::string> words;
  for (const auto& [key, value] : pairs) words.push_back(one_line(key + "=" + value));
  return fmt::format("{}", fmt::join(words, "\n"));
}

std::string lines(const std::vector<std::string>& all) {
  std::vector<std::string> clean;
  for (const std::string& one : all) clean.push_back(one_line(one));
  return fmt::format("{}", fmt::join(clean, "\n"));
}

std::string of_limit(std::uint64_t used, const std::optional<std::uint64_t>& limit, bool bytes) {
  const auto text = [bytes](std::uint64_t n) { return bytes ? human_size(n) : human_count(n); };
  return limit ? fmt::format("{} of {}", text(used), text(*limit)) : text(used);
}

}  // namespace

std::string state_name(api::SandboxState state) { return name_of(state); }

bool any_named(const std::vector<api::SandboxInfo>& sandboxes) {
  return std::ranges::any_of(sandboxes, [](const auto& s) { return s.name.has_value(); });
}

Table sandbox_table(const std::vector<api::SandboxInfo>& sandboxes, WallTime now) {
  const bool named = any_named(sandboxes);
  Table table(sandbox_columns(named));
  for (std::vector<Cell>& row : sandbox_rows(sandboxes, now, named)) table.add(std::move(row));
  return table;
}

std::vector<Column> sandbox_columns(bool named) {
  std::vector<Column> columns{{"ID"}};
  if (named) columns.push_back({"NAME", Align::left, Fit::shorten});
  columns.insert(columns.end(),
                 {{"STATE"}, {"TEMPLATE", Align::left, Fit::shorten}, {"PROVIDER"}, {"AGE", Align::right}, {"ENDS"}});
  return columns;
}

std::vector<std::vector<Cell>> sandbox_rows(const std::vector<api::SandboxInfo>& sandboxes, WallTime now, bool named) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(sandboxes.size());
  for (const api::SandboxInfo& sandbox : sandboxes) {
    std::string ends;
    // The lease of what is paused does not run out.
    const bool paused = sandbox.state == api::SandboxState::paused;
    const std::optional<std::int64_t> at = paused ? sandbox.lifetime_ends_us : sandbox.lease_expires_us;
    if (!sandbox.ended_us && at) ends = human_until(now, *at);
    std::vector<Cell> row{sandbox.id};
    if (named) row.emplace_back(one_line(sandbox.name.value_or("")));
    row.insert(row.end(), {{state_name(sandbox.state), style_of(sandbox.state)},
                           one_line(sandbox.template_name),
                           one_line(sandbox.provider),
                           human_age(now, sandbox.created_us),
                           ends});
    rows.push_back(std::move(row));
  }
  return rows;
}

Fields sandbox_fields(const api::SandboxInfo& sandbox, WallTime now) {
  Fields fields;
  const auto when = [&](std::int64_t us) {
    return us > now.us ? fmt::format("{} ({})", local_time(us), human_until(now, us))
                       : fmt::format("{} ({})", local_time(us), human_until(now, us));
  };
  fields.add("Id", sandbox.id, Style::strong);
  if (sandbox.name) fields.add("Name", one_line(*sandbox.name));
  fields.add("State", state_name(sandbox.state), style_of(sandbox.state));
  if (sandbox.reason) fields.add("Because", one_line(*sandbox.reason));
  fields.add("Template", one_line(sandbox.template_name));
  fields.add("Provider", one_line(sandbox.provider));
  if (sandbox.fallback) fields.add("Fallback", one_line(*sandbox.fallback), Style::warning);
  if (sandbox.swarm) fields.add("Swarm", one_line(*sandbox.swarm));
  fields.add("Labels", pairs_text(sandbox.labels));
  fields.add("Created", when(sandbox.created_us) + (sandbox.from_pool ? ", from the pool" : ""));
  if (sandbox.ended_us) {
    fields.add("Ended", when(*sandbox.ended_us));
  } else {
    // A pause may be long: its lease does not run out, and only what is said below ends it.
    const bool leased = sandbox.lease_expires_us && sandbox.state != api::SandboxState::paused;
    if (leased) fields.add("Ends unless used", when(*sandbox.lease_expires_us));
    if (sandbox.idle_pause_ms) fields.add("Paused if idle for", human_duration(*sandbox.idle_pause_ms));
    if (sandbox.idle_kill_ms) fields.add("Ends if idle for", human_duration(*sandbox.idle_kill_ms));
    if (sandbox.lifetime_ends_us) fields.add("Ends in any case", when(*sandbox.lifetime_ends_us));
  }
  fields.add("Tunnel", name_of(sandbox.tunnel));
  if (sandbox.agentd_version) fields.add("agentd", one_line(*sandbox.agentd_version));
  fields.add("Identity", name_of(sandbox.identity));
  fields.add("Isolation",
             fmt::format("{}{}{}, {} {}", name_of(sandbox.isolation.kind), sandbox.isolation.seccomp ? ", seccomp" : "",
                         sandbox.isolation.nested_user_namespaces ? ", nested namespaces" : "", sandbox.isolation.uids,
                         sandbox.isolation.uids == 1 ? "uid" : "uids"));
  fields.add("Network", network_text(sandbox.isolation.network));
  fields.add("Weaker", lines(sandbox.isolation.weaknesses), Style::warning);
  std::vector<std::string> limits;
  for (const api::LimitStatus& limit : sandbox.limits) limits.push_back(limit_text(limit));
  fields.add("Limits", lines(limits));
  fields.add("Pause by", name_of(sandbox.pause));
  if (sandbox.workspace) fields.add("Workspace", one_line(sandbox.workspace->bytes));
  if (sandbox.user) fields.add("User", one_line(*sandbox.user));
  if (sandbox.system) {
    fields.add("System", one_line(fmt::format("{}, Linux {}, {}, {:g} processors, {}", sandbox.system->os,
                                              sandbox.system->kernel, sandbox.system->arch, sandbox.system->cpus,
                                              human_size(sandbox.system->memory_bytes))));
  }
  return fields;
}

Fields metrics_fields(const api::SandboxMetrics& metrics) {
  Fields fields;
  fields.add("CPU time", human_duration(std::chrono::milliseconds(metrics.cpu_us / 1000)) +
                             (metrics.cpus_limit ? fmt::format(", at most {:g} processors", *metrics.cpus_limit) : ""));
  fields.add("Memory", of_limit(metrics.memory_bytes, metrics.memory_limit_bytes, true) +
                           (metrics.memory_peak_bytes ? ", peak " + human_size(*metrics.memory_peak_bytes) : ""));
  fields.add("Disk", of_limit(metrics.disk_bytes, metrics.disk_limit_bytes, true));
  fields.add("Processes", of_limit(metrics.processes, metrics.processes_limit, false));
  if (metrics.network_received_bytes || metrics.network_sent_bytes) {
    fields.add("Network", fmt::format("{} received, {} sent", human_size(metrics.network_received_bytes.value_or(0)),
                                      human_size(metrics.network_sent_bytes.value_or(0))));
  }
  if (metrics.oom_kills.value_or(0) > 0) {
    fields.add("Out of memory", human_count(*metrics.oom_kills) + " programs ended", Style::bad);
  }
  return fields;
}

Table processes_table(const api::SandboxMetrics& metrics) {
  Table table({{"PID", Align::right},
               {"UID", Align::right},
               {"MEMORY", Align::right},
               {"CPU TIME", Align::right},
               {"NAME", Align::left, Fit::shorten}});
  for (const api::ProcessMetrics& process : metrics.top) {
    table.add({std::to_string(process.pid), std::to_string(process.uid), human_size(process.memory_bytes),
               human_duration(std::chrono::milliseconds(process.cpu_us / 1000)), one_line(process.name.bytes)});
  }
  return table;
}

}  // namespace swarm::client
