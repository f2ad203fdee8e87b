// What waits for a person: questions of agents, gates of a workflow, the last word on a vote.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/sandbox_views.hpp"
#include "client/commands/ship_options.hpp"
#include "client/commands/swarm_target.hpp"
#include "client/output/human.hpp"
#include "client/output/sanitizer.hpp"
#include "protocol/api/human.hpp"

namespace swarm::client {
namespace {

void show_questions(Context& context, const api::HumanListReply& reply) {
  if (reply.questions.empty()) return context.printer.note("Nothing waits for a person");
  for (const api::QuestionInfo& each : reply.questions) {
    Fields fields;
    fields.add("Question", each.id);
    fields.add("Kind", name_of(each.kind));
    fields.add("Asked by", one_line(each.asked_by));
    fields.add("State", name_of(each.state));
    fields.add("Until", each.deadline_us ? human_until(context.now(), *each.deadline_us) : "");
    fields.add("Otherwise", one_line(each.fallback));
    fields.add("Options", one_line(fmt::format("{}", fmt::join(each.options, ", "))));
    fields.add("Answer", sanitized(each.answer));
    fields.add("Text", sanitized(each.text));
    context.printer.fields(fields);
    context.printer.line("");
  }
}

void show_question(Context& context, const api::QuestionInfo& question) {
  context.printer.note(fmt::format("{} is {}", question.id, name_of(question.state)));
}

struct Word {
  std::string swarm;
  std::string question;
  std::string text;
};

void add_swarm_option(CLI::App& command, std::string& swarm) {
  command.add_option("--swarm", swarm, "The swarm, where there are several")->type_name("SWARM");
}

/// Shipments wait for a person, too: those that change protected paths.
bool is_shipment(const std::string& id) { return id.starts_with("shp_"); }

void show_decided(Context& context, const api::ShipmentInfo& shipment) {
  const bool goes = shipment.state != api::ShipmentState::rejected;
  context.printer.note(fmt::format("{} is {}", shipment.id, goes ? "approved, and goes on" : "rejected"));
}

/// What waits for a person: questions first, then shipments.
async::Task<Result<int>> list(Context& context, std::string swarm, bool all) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const Result<api::HumanListReply> questions =
      co_await (*client)->call(api::kHumanList, in_swarm<api::HumanListRequest>(swarm, {.open = !all, .limit = 1000}));
  if (!questions) co_return fail(questions.error());
  Result<api::SwarmShipmentsReply> shipments = co_await (*client)->call(
      api::kSwarmShipments, in_swarm<api::SwarmShipmentsRequest>(swarm, {.shipment = {}, .open = true, .limit = 1000}));
  if (!shipments) co_return fail(shipments.error());
  std::erase_if(shipments->shipments, [](const auto& each) { return each.state != api::ShipmentState::approval; });
  if (context.printer.json()) {
    Value document = api::encode(*questions);
    document.set("shipments", *api::encode(*shipments).find("shipments"));
    context.printer.document(std::move(document));
    co_return kExitOk;
  }
  const bool waits = !shipments->shipments.empty();
  for (const api::ShipmentInfo& shipment : shipments->shipments) {
    context.printer.fields(shipment_fields(shipment, context.now()));
    context.printer.line("");
  }
  if (!waits || !questions->questions.empty()) show_questions(context, *questions);
  co_return kExitOk;
}

void add_decision(CLI::App& root, Selection& selection, const std::string& name, const std::string& help, bool yes,
                  const api::Method<api::InSwarm<api::HumanDecideRequest>, api::QuestionInfo>& method) {
  CLI::App& command = add_command(root, selection, name, help);
  const auto word = std::make_shared<Word>();
  add_swarm_option(command, word->swarm);
  command
      .add_option("QUESTION", word->question,
                  "The id of a question or of a shipment, or a unique prefix of it; 'swarmctl questions' lists them")
      ->required();
  command.add_option("--reason", word->text, "Why; agents read it")->type_name("TEXT");
  command.callback([&selection, &method, word, yes] {
    selection.action = [&method, word, yes](Context& context) {
      if (is_shipment(word->question)) {
        return call_and_show(context, api::kSwarmDecide,
                             {.shipment = word->question, .approve = yes, .reason = word->text}, show_decided);
      }
      return call_and_show(
          context, method,
          in_swarm<api::HumanDecideRequest>(word->swarm, {.question = word->question, .reason = word->text}),
          show_question);
    };
  });
}

}  // namespace

void add_decide_commands(CLI::App& root, Selection& selection) {
  CLI::App& ls = add_command(root, selection, "questions", "List what waits for a person", "  swarmctl questions\n");
  const auto listed = std::make_shared<Word>();
  const auto all = std::make_shared<bool>(false);
  add_swarm_option(ls, listed->swarm);
  ls.add_flag("-a,--all", *all, "Also those that are over");
  ls.callback([&selection, listed, all] {
    selection.action = [listed, all](Context& context) { return list(context, listed->swarm, *all); };
  });

  add_decision(root, selection, "approve", "Say yes to what waits for a person", true, api::kHumanApprove);
  add_decision(root, selection, "reject", "Say no to what waits for a person", false, api::kHumanReject);

  CLI::App& answer = add_command(root, selection, "answer", "Answer a question of an agent",
                                 "  swarmctl answer qst_01k \"use the second one\"\n");
  const auto word = std::make_shared<Word>();
  add_swarm_option(answer, word->swarm);
  answer.add_option("QUESTION", word->question, "Its id, or a unique prefix of it")->required();
  answer.add_option("ANSWER", word->text, "The answer")->required();
  answer.callback([&selection, word] {
    selection.action = [word](Context& context) {
      return call_and_show(
          context, api::kHumanAnswer,
          in_swarm<api::HumanAnswerRequest>(word->swarm, {.question = word->question, .answer = word->text}),
          show_question);
    };
  });
}

}  // namespace swarm::client
