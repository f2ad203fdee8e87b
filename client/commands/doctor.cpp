#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <ranges>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/daemon_program.hpp"
#include "client/output/sanitizer.hpp"
#include "client/output/width.hpp"
#include "client/start_daemon.hpp"
#include "protocol/api/daemon.hpp"
#include "protocol/core/version.hpp"

namespace swarm::client {
namespace {

namespace fs = std::filesystem;
using api::Check;
using api::CheckStatus;

class Findings {
 public:
  void add(std::string name, CheckStatus status, std::string summary, std::optional<std::string> fix = {}) {
    add({.name = std::move(name), .status = status, .summary = std::move(summary), .fix = std::move(fix)});
  }
  void add(Check check) {
    reply_.status = std::max(reply_.status, check.status);
    reply_.checks.push_back(std::move(check));
  }
  [[nodiscard]] const api::DaemonHealthReply& reply() const { return reply_; }

 private:
  api::DaemonHealthReply reply_;
};

void look_at_program(Context& context, Findings& findings) {
  const Result<std::string> program = find_daemon_program(context);
  if (program) {
    findings.add("daemon_program", CheckStatus::ok, fmt::format("The daemon's program is '{}'.", *program));
  } else {
    findings.add("daemon_program", CheckStatus::failed, "The daemon's program was not found.", program.error().message);
  }
}

void look_at_directories(Context& context, Findings& findings) {
  const Result<Places> places = Places::find(context.surroundings);
  if (!places) {
    findings.add("directories", CheckStatus::failed, "Where things should live cannot be told.",
                 places.error().message);
    return;
  }
  std::vector<std::string> wrong;
  for (const fs::path& directory : {places->runtime, places->state, places->data}) {
    struct stat info{};
    if (::lstat(directory.c_str(), &info) != 0) continue;  // the daemon makes what is missing
    if (!S_ISDIR(info.st_mode)) {
      wrong.push_back(fmt::format("'{}' is no directory", directory.native()));
    } else if (info.st_uid != ::geteuid()) {
      wrong.push_back(
          fmt::format("'{}' belongs to uid {}, not to you ({})", directory.native(), info.st_uid, ::geteuid()));
    } else if ((info.st_mode & 0022U) != 0) {
      wrong.push_back(
          fmt::format("'{}' can be written by others (mode {:04o})", directory.native(), info.st_mode & 07777U));
    }
  }
  if (wrong.empty()) {
    findings.add(
        "directories", CheckStatus::ok,
        fmt::format("State is kept in '{}', the socket in '{}'.", places->state.native(), places->runtime.native()));
  } else {
    findings.add("directories", CheckStatus::failed, fmt::format("{}.", fmt::join(wrong, "; ")),
                 "Correct owner and mode with chown and 'chmod go-w', or move them away; the daemon makes new ones.");
  }
}

async::Task<> look_at_config(Context& context, Findings& findings) {
  const Result<async::CommandOutput> checked =
      co_await run_daemon_program(context, {"config", "check"}, std::chrono::seconds(10));
  if (!checked) {
    findings.add("config", CheckStatus::skipped, "The configuration was not checked: " + checked.error().message);
    co_return;
  }
  std::string said = safe(checked->out + checked->err);
  said.erase(said.find_last_not_of("\n ") + 1);
  if (checked->status.code == 0 && checked->status.signal == 0) {
    findings.add("config", CheckStatus::ok, "The configuration has no mistakes.");
  } else {
    findings.add("config", CheckStatus::failed, said.empty() ? "The configuration could not be checked." : said,
                 "Correct the file; 'swarmctl config check' looks again.");
  }
}

void look_at_socket_file(const std::string& path, const Error& error, Findings& findings) {
  struct stat info{};
  const bool there = ::lstat(path.c_str(), &info) == 0;
  if (there && !S_ISSOCK(info.st_mode)) {
    findings.add("socket", CheckStatus::failed, fmt::format("'{}' is there and no socket.", path),
                 "Move it away, or choose another place with SWARMD_SOCKET.");
  } else if (error.code == Code::permission_denied) {
    findings.add("socket", CheckStatus::failed, error.message);
  } else if (there) {
    findings.add("socket", CheckStatus::warning, fmt::format("'{}' is left over from a daemon that has ended.", path),
                 "Nothing to do: the next daemon replaces it. 'swarmctl daemon start' starts one.");
  } else {
    findings.add("socket", CheckStatus::skipped, fmt::format("No daemon listens at '{}'.", path),
                 "'swarmctl daemon start' starts one; so does the first command that needs it.");
  }
}

async::Task<> look_at_daemon(Context& context, Findings& findings) {
  Result<Reached> reached = co_await reach(context);
  if (!reached) {
    const Result<std::vector<std::string>> paths = sockets_to_try(context);
    if (!paths) {
      findings.add("socket", CheckStatus::failed, paths.error().message);
    } else {
      look_at_socket_file(paths->front(), reached.error(), findings);
    }
    co_return;
  }
  const auto peer = reached->stream->peer();
  findings.add("socket", CheckStatus::ok,
               fmt::format("A daemon (pid {}) listens at '{}'.", peer ? peer->pid : 0, reached->path));
  Client client(context, std::move(*reached));
  constexpr auto kInfoPatience = std::chrono::seconds(10);
  auto asking = wire::call_with_timeout(client.connection(), api::kDaemonInfo, {}, kInfoPatience);
  const Result<api::DaemonInfoReply> info = co_await std::move(asking);
  if (!info) {
    findings.add("daemon", CheckStatus::failed, "It does not answer: " + info.error().message,
                 "'swarmctl daemon logs' shows what it does; 'swarmctl daemon stop' and 'start' begin again. Sandboxes "
                 "live on.");
    co_return;
  }
  if (info->version == kVersion) {
    findings.add("version", CheckStatus::ok, fmt::format("Daemon and client are both {}.", kVersion));
  } else {
    findings.add("version", CheckStatus::warning,
                 fmt::format("The daemon is {}, and this client {}.", one_line(info->version), kVersion),
                 "Restart the daemon: 'swarmctl daemon stop', then 'swarmctl daemon start'. Sandboxes live on.");
  }
  auto examining = wire::call_with_timeout(client.connection(), api::kDaemonDoctor, {}, std::chrono::seconds(60));
  const Result<api::DaemonHealthReply> health = co_await std::move(examining);
  if (!health) {
    findings.add("machine", CheckStatus::failed, "The daemon could not look at the machine: " + health.error().message,
                 "'swarmctl daemon logs' says more.");
    co_return;
  }
  for (const Check& check : health->checks) findings.add(check);
}

std::pair<std::string_view, Style> mark_of(CheckStatus status) {
  switch (status) {
    case CheckStatus::ok:
      return {"ok     ", Style::good};
    case CheckStatus::skipped:
      return {"-      ", Style::faint};
    case CheckStatus::warning:
      return {"warning", Style::warning};
    case CheckStatus::failed:
      return {"FAILED ", Style::bad};
  }
  return {"?", Style::plain};
}

void show(Context& context, const api::DaemonHealthReply& reply) {
  // Beside its mark or arrow: no line runs under it, and none breaks within a word.
  const auto beside = [columns = context.printer.out().columns](const std::string& text, std::string_view indent) {
    std::string all;
    for (const auto line : std::views::split(text, '\n')) {
      const std::size_t room = columns > indent.size() + 20 ? columns - indent.size() : 0;
      const std::string wrapped = wrap_to_width(std::string_view(line), room);
      for (const auto part : std::views::split(wrapped, '\n')) {
        if (!all.empty()) all.append("\n").append(indent);
        all.append(std::string_view(part));
      }
    }
    return all;
  };
  constexpr std::string_view kMark = "         ";
  constexpr std::string_view kArrow = "            ";
  for (const Check& check : reply.checks) {
    const auto [mark, style] = mark_of(check.status);
    const std::string text = fmt::format("{}: {}", one_line(check.name), sanitized(check.summary));
    context.printer.line(fmt::format("{}  {}", painted(mark, style, context.printer.paint()), beside(text, kMark)));
    if (check.fix && check.status != CheckStatus::ok) {
      context.printer.line(fmt::format("{}-> {}", kMark, beside(sanitized(*check.fix), kArrow)));
    }
  }
  context.printer.line("");
  switch (reply.status) {
    case CheckStatus::failed:
      context.printer.line("Something does not work; what to do stands behind the arrows.");
      break;
    case CheckStatus::warning:
      context.printer.line("It works, though weaker or slower than it could.");
      break;
    default:
      context.printer.line("All is well.");
  }
}

async::Task<Result<int>> doctor(Context& context) {
  Findings findings;
  look_at_program(context, findings);
  look_at_directories(context, findings);
  co_await look_at_config(context, findings);
  if (!context.globals.no_start) {
    // What keeps a daemon from starting is just what should be looked for; it shows below in any case.
    const Result<Started> started = co_await start_daemon(context, {});
    if (!started) {
      findings.add("start", CheckStatus::failed, started.error().message,
                   "Correct what the message names; 'swarmctl daemon logs' may say more.");
    }
  }
  co_await look_at_daemon(context, findings);
  if (context.printer.json()) {
    context.printer.document_of(findings.reply());
  } else {
    show(context, findings.reply());
  }
  co_return findings.reply().status == CheckStatus::failed ? kExitFailed : kExitOk;
}

}  // namespace

void add_doctor_command(CLI::App& root, Selection& selection) {
  CLI::App& command = add_command(root, selection, "doctor", "Look whether everything works here, and say what to do",
                                  "  swarmctl doctor\n"
                                  "  swarmctl --json doctor | jq '.checks[] | select(.status == \"failed\")'\n");
  command.callback([&selection] { selection.action = [](Context& context) { return doctor(context); }; });
}

}  // namespace swarm::client
