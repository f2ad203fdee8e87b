// What leaves for a remote: swarm push, swarm pr, swarm shipments.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/sandbox_views.hpp"
#include "client/commands/ship_options.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/output/human.hpp"
#include "client/output/progress.hpp"
#include "client/output/sanitizer.hpp"

namespace swarm::client {
namespace {

Style style_of(api::ShipmentState state) {
  switch (state) {
    case api::ShipmentState::done:
      return Style::good;
    case api::ShipmentState::failed:
    case api::ShipmentState::rejected:
      return Style::bad;
    case api::ShipmentState::approval:
      return Style::warning;
    default:
      return Style::plain;
  }
}

async::Task<Result<int>> send(Context& context, SwarmTarget target, api::ShipmentWish wish, bool detach) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
  if (!swarm) co_return fail(swarm.error());
  const bool pull_request = wish.pull_request;
  api::SwarmShipRequest request{.wish = std::move(wish)};
  if (detach) request.wait_ms = std::chrono::milliseconds(0);
  Progress progress(
      context, fmt::format("{} {}", pull_request ? "Opening a pull request of" : "Pushing", one_line(swarm->name)));
  const Result<api::ShipmentInfo> sent =
      co_await (*client)->call(api::kSwarmShip, in_swarm<api::SwarmShipRequest>(swarm->id, std::move(request)));
  progress.finish();
  if (!sent) co_return fail(sent.error());
  if (detach) {
    if (context.printer.json()) {
      context.printer.document_of(*sent);
    } else {
      context.printer.line(sent->id);
    }
    co_return kExitOk;
  }
  co_return show_shipment(context, *sent);
}

async::Task<Result<int>> list(Context& context, SwarmTarget target, bool open) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  std::string id;
  if (!target.swarm.empty() || !target.sandbox.empty()) {
    const Result<api::SwarmInfo> swarm = co_await find_swarm(**client, std::move(target));
    if (!swarm) co_return fail(swarm.error());
    id = swarm->id;
  }
  const Result<api::SwarmShipmentsReply> reply = co_await (*client)->call(
      api::kSwarmShipments, in_swarm<api::SwarmShipmentsRequest>(id, {.shipment = {}, .open = open, .limit = 1000}));
  if (!reply) co_return fail(reply.error());
  if (context.printer.json()) {
    context.printer.document_of(*reply);
  } else if (reply->shipments.empty()) {
    context.printer.note("Nothing was sent out; 'swarmctl swarm push' and 'swarmctl swarm pr' do that");
  }
  if (context.printer.json()) co_return kExitOk;
  for (const api::ShipmentInfo& shipment : reply->shipments) {
    context.printer.fields(shipment_fields(shipment, context.now()));
    context.printer.line("");
  }
  co_return kExitOk;
}

void add_sending(CLI::App& group, Selection& selection, const std::string& name, bool pull_request,
                 const std::string& help, const std::string& examples) {
  CLI::App& command = add_command(group, selection, name, help, examples);
  const auto target = std::make_shared<SwarmTarget>();
  const auto wish = std::make_shared<api::ShipmentWish>();
  const auto detach = std::make_shared<bool>(false);
  wish->pull_request = pull_request;
  add_swarm_target(command, *target);
  command.add_option("--remote", wish->remote, "A remote of the repository, or its URL (origin)")->type_name("REMOTE");
  if (pull_request) add_pull_request_options(command, *wish);
  command.add_flag("-d,--detach", *detach, "Print its id and return; it goes on");
  command.callback([&selection, target, wish, detach] {
    selection.action = [=](Context& context) { return send(context, *target, *wish, *detach); };
  });
}

}  // namespace

void add_pull_request_options(CLI::App& command, api::ShipmentWish& wish) {
  command.add_option("--into", wish.into, "The branch that it is for; else the one that the swarm began from")
      ->type_name("BRANCH");
  command.add_option("--title", wish.title, "Its title; else from what the swarm was to do")->type_name("TEXT");
  command.add_option("--body", wish.body, "Its text; else from the run's record")->type_name("TEXT");
  command.add_option("--pr-label", wish.labels, "A label of the pull request; may be repeated")
      ->type_name("LABEL")
      ->allow_extra_args(false);
  command.add_flag("--draft", wish.draft, "Open it as a draft");
}

Fields shipment_fields(const api::ShipmentInfo& shipment, WallTime now) {
  Fields fields;
  fields.add("Shipment", shipment.id);
  fields.add("Swarm", one_line(shipment.swarm_name));
  fields.add("State", name_of(shipment.state), style_of(shipment.state));
  fields.add("Why", one_line(shipment.reason));
  if (shipment.waits_until_us) fields.add("Tried again", human_until(now, *shipment.waits_until_us));
  fields.add("Title", one_line(shipment.title));
  for (const api::ShipmentPart& part : shipment.parts) {
    fields.add("Repository", fmt::format("{} {}", one_line(part.repo), one_line(part.remote)));
    fields.add("  Branch",
               fmt::format("{} {}{}", one_line(part.branch), part.commit.substr(0, 10), part.pushed ? ", pushed" : ""));
    if (part.number) {
      fields.add("  Pull request", fmt::format("#{} into {}: {}{}", *part.number, one_line(part.into),
                                               one_line(part.url), part.created ? "" : " (was there, updated)"));
    }
  }
  if (!shipment.protected_paths.empty()) {
    fields.add("Protected paths", one_line(fmt::format("{}", fmt::join(shipment.protected_paths, ", "))),
               Style::warning);
  }
  if (!shipment.decided_by.empty()) {
    fields.add("Decided by", fmt::format("{}{}{}", one_line(shipment.decided_by), shipment.decision.empty() ? "" : ": ",
                                         one_line(shipment.decision)));
  }
  return fields;
}

Result<int> show_shipment(Context& context, const api::ShipmentInfo& shipment) {
  if (context.printer.json()) {
    context.printer.document_of(shipment);
  } else {
    context.printer.fields(shipment_fields(shipment, context.now()));
  }
  switch (shipment.state) {
    case api::ShipmentState::done:
      return kExitOk;
    case api::ShipmentState::approval:
      if (!context.printer.json()) {
        context.printer.warning(
            fmt::format("It waits for a person: look at it with 'swarmctl swarm diff {0}', then "
                        "'swarmctl approve {1}' or 'swarmctl reject {1}'",
                        one_line(shipment.swarm_name), shipment.id));
      }
      return kExitFailed;
    case api::ShipmentState::failed:
    case api::ShipmentState::rejected:
      if (context.printer.json()) return kExitFailed;
      return fail(Code::failed_precondition, one_line(shipment.reason));
    default:
      if (!context.printer.json()) {
        context.printer.note(
            fmt::format("It goes on; 'swarmctl swarm shipments {}' looks again", one_line(shipment.swarm_name)));
      }
      return kExitFailed;
  }
}

void add_ship_commands(CLI::App& group, Selection& selection) {
  add_sending(group, selection, "push", false, "Push what a swarm has merged to a remote, with this host's credentials",
              "  swarmctl swarm push login\n"
              "  swarmctl swarm push login --remote https://github.example.com/team/project.git\n");
  add_sending(group, selection, "pr", true, "Push it, and open a pull request or update the one that is there",
              "  swarmctl swarm pr login --draft --pr-label agents\n"
              "  swarmctl swarm pr login --into develop --title \"Log in with a token\"\n");
  CLI::App& ls = add_command(group, selection, "shipments", "List what was pushed, or waits to be");
  const auto target = std::make_shared<SwarmTarget>();
  const auto open = std::make_shared<bool>(false);
  add_swarm_target(ls, *target);
  ls.add_flag("--open", *open, "Only those that are not over");
  ls.callback([&selection, target, open] {
    selection.action = [target, open](Context& context) { return list(context, *target, *open); };
  });
}

}  // namespace swarm::client
