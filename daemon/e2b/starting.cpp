#include <fmt/format.h>

#include "daemon/e2b/boxes.hpp"
#include "protocol/api/agentd.hpp"
#include "protocol/api/exec.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::e2b_endpoint {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReadyWithin = 60s;  // what a start command may take on a machine that is busy
constexpr Duration kFirstPause = 20ms;
constexpr Duration kMostPause = 500ms;
constexpr std::size_t kToldMost = 300;  // of what a failed command said

Refusal failed(std::string sentence) {
  return {.status = 500, .message = std::move(sentence), .error_code = "sandbox_create_failed"};
}

std::string last_words(const std::optional<api::Text>& text) {
  if (!text) return "nothing was said";
  const std::string& bytes = text->bytes;
  const std::string said = bytes.substr(bytes.size() - std::min(bytes.size(), kToldMost));
  return said.empty() ? "nothing was said" : said;
}

}  // namespace

async::Task<Answered<bool>> Boxes::furnish(BoxPtr box) {
  const Built* found = with_.builds.find(box->record.template_id);
  if (found != nullptr) {
    const Built built = *found;
    {
      const Answered<sandbox::Sandboxes::Use> used = co_await use(box);
      if (!used) co_return std::unexpected(used.error());
      const Result<void> restored = co_await with_.builds.restore(used->connection(), built.name);
      if (!restored) co_return std::unexpected(failed(restored.error().message));
    }
    if (built.start.empty()) co_return true;
    Answered<bool> begun = co_await begin(box, built.start, built.ready, built.user);
    co_return begun;
  }
  const auto settings = with_.config.templates.find(box->record.template_id);
  if (settings == with_.config.templates.end() || settings->second.start.empty()) co_return true;
  const config::Template from = settings->second;
  Answered<bool> begun = co_await begin(box, from.start, from.ready, from.user);
  co_return begun;
}

async::Task<Answered<bool>> Boxes::begin(BoxPtr box, std::string command, std::string ready, std::string user) {
  Answered<sandbox::Sandboxes::Use> used = co_await use(box);
  if (!used) co_return std::unexpected(used.error());
  wire::Connection& agent = used->agent();
  api::ExecStartRequest start;
  start.command = command;
  start.user = user;
  start.env = box->record.env;
  start.env["E2B_SANDBOX"] = "true";
  start.env["E2B_SANDBOX_ID"] = box->record.id;
  start.env["E2B_TEMPLATE_ID"] = box->record.template_id;
  start.background = true;
  start.wait = false;
  start.labels["e2b"] = "1";
  start.labels["e2b.tag"] = "_system";  // as E2B marks what is its own
  const Result<api::ExecStartReply> started = co_await wire::call(agent, api::inside::kExecStart, start);
  if (!started) co_return std::unexpected(failed("the template's start command: " + started.error().message));
  box->note(now_us(), "info", "start command runs", {{"pid", std::to_string(started->pid)}, {"cmd", command}});
  if (ready.empty()) co_return true;

  api::ExecStartRequest check;
  check.command = ready;
  check.user = user;
  check.env = start.env;
  check.capture = true;
  check.timeout_ms = std::chrono::duration_cast<std::chrono::milliseconds>(kReadyWithin);
  const MonoTime end = with_.loop.clock().now() + kReadyWithin;
  for (Duration pause = kFirstPause;; pause = std::min(pause * 2, kMostPause)) {
    const Result<api::ExecStartReply> checked = co_await wire::call(agent, api::inside::kExecStart, check);
    if (!checked) co_return std::unexpected(failed("the template's ready command: " + checked.error().message));
    if (checked->status && checked->status->exit_code == 0) break;
    if (with_.loop.clock().now() >= end) {
      co_return std::unexpected(
          failed(fmt::format("the template is not ready after {} s; its ready command '{}' says: {}",
                             std::chrono::duration_cast<std::chrono::seconds>(kReadyWithin).count(), ready,
                             last_words(checked->stderr_text))));
    }
    co_await async::sleep_for(with_.loop, pause);
  }
  box->note(now_us(), "info", "the template is ready");
  co_return true;
}

}  // namespace swarm::e2b_endpoint
