#include "daemon/e2b/boxes.hpp"
#include "daemon/e2b/programs.hpp"

namespace swarm::e2b_endpoint {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kReadyWithin = 60s;  // what a start command may take on a machine that is busy

Refusal failed(std::string sentence) {
  return {.status = 500, .message = std::move(sentence), .error_code = "sandbox_create_failed"};
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
  std::map<std::string, std::string> env = box->record.env;
  env["E2B_SANDBOX"] = "true";
  env["E2B_SANDBOX_ID"] = box->record.id;
  env["E2B_TEMPLATE_ID"] = box->record.template_id;
  const Result<std::uint32_t> begun =
      co_await begin_template(used->connection(), {.command = command,
                                                   .ready = std::move(ready),
                                                   .user = std::move(user),
                                                   .env = std::move(env),
                                                   // As E2B marks what is its own.
                                                   .labels = {{"e2b", "1"}, {"e2b.tag", "_system"}},
                                                   .within = kReadyWithin});
  if (!begun) co_return std::unexpected(failed(begun.error().message));
  box->note(now_us(), "info", "start command runs", {{"pid", std::to_string(*begun)}, {"cmd", command}});
  co_return true;
}

}  // namespace swarm::e2b_endpoint
