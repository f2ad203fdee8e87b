#pragma once
// One function a command group, each in a file of its own; `cli.cpp` lists them. A group adds its subcommands to the
// tree, and what the command line asks for ends up in the selection.

#include "client/context.hpp"

namespace CLI {
class App;
}

namespace swarm::client {

void add_sandbox_commands(CLI::App& root, Selection& selection);
void add_exec_commands(CLI::App& root, Selection& selection);
void add_shell_command(CLI::App& root, Selection& selection);
void add_cp_command(CLI::App& root, Selection& selection);
void add_attach_command(CLI::App& root, Selection& selection);
/// After the commands of `agent`, to whose group it adds.
void add_pane_commands(CLI::App& root, Selection& selection);
void add_ps_commands(CLI::App& root, Selection& selection);
void add_logs_command(CLI::App& root, Selection& selection);
void add_forward_commands(CLI::App& root, Selection& selection);
void add_e2b_commands(CLI::App& root, Selection& selection);
void add_events_command(CLI::App& root, Selection& selection);
void add_deploy_command(CLI::App& root, Selection& selection);
void add_monitor_command(CLI::App& root, Selection& selection);
void add_report_command(CLI::App& root, Selection& selection);
void add_team_commands(CLI::App& root, Selection& selection);
void add_swarm_commands(CLI::App& root, Selection& selection);
/// In the group `swarm`.
void add_ship_commands(CLI::App& group, Selection& selection);
void add_work_commands(CLI::App& root, Selection& selection);
void add_decide_commands(CLI::App& root, Selection& selection);
void add_workflow_commands(CLI::App& root, Selection& selection);
void add_top_command(CLI::App& root, Selection& selection);
void add_db_commands(CLI::App& root, Selection& selection);
void add_pool_commands(CLI::App& root, Selection& selection);
void add_template_commands(CLI::App& root, Selection& selection);
void add_cost_commands(CLI::App& root, Selection& selection);
void add_budget_commands(CLI::App& root, Selection& selection);
void add_limits_commands(CLI::App& root, Selection& selection);
void add_secret_commands(CLI::App& root, Selection& selection);
void add_daemon_commands(CLI::App& root, Selection& selection);
void add_doctor_command(CLI::App& root, Selection& selection);
void add_config_commands(CLI::App& root, Selection& selection);
void add_rpc_command(CLI::App& root, Selection& selection);
void add_completion_commands(CLI::App& root, Selection& selection);
void add_help_commands(CLI::App& root, Selection& selection);

}  // namespace swarm::client
