#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "daemon/workflow/service.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::workflow::service {
namespace {

constexpr std::size_t kMostOpenQuestions = 5;

template <class R, class F>
Result<api::RunInfo> on_run(Turn& turn, const Actor& actor, const R& request, F change) {
  Result<Case> c = find_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  if (Result<void> done = change(*c); !done) return fail(done.error());
  settle(turn, *c);
  return shown(turn, *c);
}

template <class F>
Result<api::QuestionInfo> on_question(Turn& turn, const Actor& actor, const std::string& id, F change) {
  Result<Question> question = find_question(turn, actor.swarm, id);
  if (!question) return fail(question.error());
  auto c = load_run(turn, question->run);
  if (!c) return fail(Code::not_found, "the run of this question is gone");
  if (Result<void> done = change(*c, *question); !done) return fail(done.error());
  settle(turn, *c);
  return shown(turn, *question);
}

std::int64_t cursor_of(const std::optional<std::string>& cursor, std::int64_t otherwise) {
  if (!cursor) return otherwise;
  std::int64_t value = otherwise;
  std::from_chars(cursor->data(), cursor->data() + cursor->size(), value);
  return value;
}

}  // namespace

Result<std::string> workflow_text(std::string_view name) {
  std::vector<std::string> names;
  for (const BuiltIn& each : built_in_workflows()) {
    if (each.name == name) return std::string(each.toml);
    names.emplace_back(each.name);
  }
  return fail(Code::not_found, fmt::format("no workflow '{}'{}; there are: {}", swarm::shown(name),
                                           did_you_mean(name, names), fmt::join(names, ", ")));
}

Result<api::RunInfo> run_start(Turn& turn, const Actor& actor, const api::RunStartRequest& request) {
  RunSpec spec{.swarm = actor.swarm, .definition = request.definition, .request = request};
  if (spec.definition.empty()) {
    Result<std::string> text = workflow_text(request.workflow);
    if (!text) return fail(text.error());
    spec.definition = std::move(*text);
  }
  Result<Case> c = start_run(turn, spec);
  if (!c) return fail(c.error());
  return shown(turn, *c);
}

Result<api::RunListReply> run_list(Turn& turn, const Actor& actor, const api::RunListRequest& request) {
  api::RunListReply reply;
  for (const Run& run :
       list_runs(turn, actor.swarm, request.all, request.limit, cursor_of(request.cursor, INT64_MAX))) {
    const auto c = load_run(turn, run.id);
    if (c) reply.runs.push_back(shown(turn, *c));
  }
  return reply;
}

Result<api::RunInfo> run_show(Turn& turn, const Actor& actor, const api::RunRef& request) {
  const Result<Case> c = find_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  return shown(turn, *c);
}

Result<api::RunStepsReply> run_steps(Turn& turn, const Actor& actor, const api::RunStepsRequest& request) {
  const Result<Case> c = find_run(turn, actor.swarm, request.run);
  if (!c) return fail(c.error());
  api::RunStepsReply reply;
  for (Step& step : steps_of(turn, c->run.id, request.after, request.limit)) reply.steps.push_back(std::move(step));
  return reply;
}

Result<api::RunInfo> run_pause(Turn& turn, const Actor& actor, const api::RunReasonRequest& request) {
  return on_run(turn, actor, request, [&](Case& c) { return pause_run(turn, c, request.reason); });
}
Result<api::RunInfo> run_resume(Turn& turn, const Actor& actor, const api::RunRef& request) {
  return on_run(turn, actor, request, [&](Case& c) { return resume_run(turn, c); });
}
Result<api::RunInfo> run_cancel(Turn& turn, const Actor& actor, const api::RunReasonRequest& request) {
  return on_run(turn, actor, request, [&](Case& c) { return cancel_run(turn, c, request.reason); });
}
Result<api::RunInfo> run_retry(Turn& turn, const Actor& actor, const api::RunRef& request) {
  return on_run(turn, actor, request, [&](Case& c) { return retry_run(turn, c); });
}
Result<api::RunInfo> run_change(Turn& turn, const Actor& actor, const api::RunChangeRequest& request) {
  return on_run(turn, actor, request, [&](Case& c) { return change_feature(turn, c, request.feature); });
}

Result<api::QuestionInfo> human_ask(Turn& turn, const Actor& actor, const api::HumanAskRequest& request) {
  Result<Case> c = current_run(turn, actor.swarm, std::nullopt);
  if (!c) return fail(c.error());
  if (c->agent(actor.name) == nullptr) {
    return fail(Code::not_found, fmt::format("'{}' takes no part in the run {}", actor.name, c->run.id));
  }
  if (c->over()) return fail(Code::failed_precondition, "the run is over");
  std::size_t open = 0;
  for (const Question& each : questions_of(turn, c->run.id)) {
    if (each.asked_by != actor.name || each.state != api::QuestionState::open) continue;
    if (each.text == request.text) return shown(turn, each);  // asked already
    ++open;
  }
  if (open >= kMostOpenQuestions) {
    return fail(Code::resource_exhausted, fmt::format("{} of your questions wait already", open));
  }
  Question question{};
  question.kind = api::QuestionKind::question;
  question.asked_by = actor.name;
  question.text = request.text;
  question.options = request.options;
  question.fallback = request.fallback;
  ask(turn, *c, question, request.deadline_ms.value_or(c->definition.ask));
  settle(turn, *c);
  return shown(turn, question);
}

Result<api::QuestionInfo> human_show(Turn& turn, const Actor& actor, const api::QuestionRef& request) {
  const Result<Question> question = find_question(turn, actor.swarm, request.question);
  if (!question) return fail(question.error());
  return shown(turn, *question);
}

Result<api::HumanListReply> human_list(Turn& turn, const Actor& actor, const api::HumanListRequest& request) {
  std::vector<std::string> runs;
  if (request.run) {
    const Result<Case> c = find_run(turn, actor.swarm, *request.run);
    if (!c) return fail(c.error());
    runs.push_back(c->run.id);
  } else {
    for (const Run& run : list_runs(turn, actor.swarm, !request.open, 1000, INT64_MAX)) runs.push_back(run.id);
    std::ranges::reverse(runs);
  }
  api::HumanListReply reply;
  auto skip = cursor_of(request.cursor, 0);
  std::int64_t seen = 0;
  for (const std::string& run : runs) {
    for (const Question& question : questions_of(turn, run)) {
      if (request.open && question.state != api::QuestionState::open) continue;
      if (++seen <= skip) continue;
      if (reply.questions.size() == request.limit) {
        reply.next_cursor = std::to_string(seen - 1);
        return reply;
      }
      reply.questions.push_back(shown(turn, question));
    }
  }
  return reply;
}

Result<api::QuestionInfo> human_answer(Turn& turn, const Actor& actor, const api::HumanAnswerRequest& request) {
  return on_question(turn, actor, request.question, [&](Case& c, Question& question) {
    return answer(turn, c, question, api::QuestionState::answered, request.answer, actor.name);
  });
}
Result<api::QuestionInfo> human_approve(Turn& turn, const Actor& actor, const api::HumanDecideRequest& request) {
  return on_question(turn, actor, request.question, [&](Case& c, Question& question) {
    return answer(turn, c, question, api::QuestionState::approved, request.reason, actor.name);
  });
}
Result<api::QuestionInfo> human_reject(Turn& turn, const Actor& actor, const api::HumanDecideRequest& request) {
  return on_question(turn, actor, request.question, [&](Case& c, Question& question) {
    return answer(turn, c, question, api::QuestionState::rejected, request.reason, actor.name);
  });
}

}  // namespace swarm::workflow::service
