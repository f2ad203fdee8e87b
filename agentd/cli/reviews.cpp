// Reviews and votes: what others think of a change, and what all of them decide.

#include <array>
#include <charconv>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/body.hpp"
#include "agentd/cli/print.hpp"
#include "protocol/api/json.hpp"

namespace swarm::cli {
namespace {

constexpr std::chrono::seconds kReviewMargin{30};

void print_review(const Value& review) {
  print_line(text_of(review, "id") + "  " + text_of(review, "state") + "  round " + text_of(review, "round") + "  " +
             text_of(review, "title"));
  print_line("  " + text_of(review, "commit") + " by " + text_of(review, "author"));
  print_text(text_of(review, "summary"), "  ");
  for (const Value& reviewer : list_of(review, "reviewers")) {
    const std::string verdict = text_of(reviewer, "verdict");
    print_line("  " + text_of(reviewer, "agent") + ": " + (verdict.empty() ? "asked" : verdict) + "  " +
               text_of(reviewer, "summary"));
    for (const Value& finding : list_of(reviewer, "findings")) {
      print_line("    " + text_of(finding, "number") + ". (" + text_of(finding, "severity") + ") " +
                 text_of(finding, "file") + ": " + text_of(finding, "text"));
      const std::string said = text_of(finding, "answer");
      if (!said.empty()) print_text(said, "       the author: ");
    }
  }
}

void print_next_review(const Value& answer) {
  if (const Value* review = answer.find("review"); review != nullptr && !review->is_nil()) return print_review(*review);
  print_line("Nothing waits for your review.");
}

void print_reviews(const Value& answer) {
  std::vector<std::vector<std::string>> rows{{"REVIEW", "STATE", "AUTHOR", "TITLE"}};
  for (const Value& review : list_of(answer, "reviews")) {
    rows.push_back(
        {text_of(review, "id"), text_of(review, "state"), text_of(review, "author"), text_of(review, "title")});
  }
  print_table(rows, "There are no reviews.");
}

/// "SEVERITY:FILE:LINE:TEXT"; FILE and LINE may be empty.
Result<Value> finding_of(std::string_view spec) {
  std::array<std::string_view, 3> parts;
  std::string_view rest = spec;
  for (std::string_view& part : parts) {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) {
      return fail(Code::invalid_argument, "--finding '" + std::string(spec) + "': write SEVERITY:FILE:LINE:TEXT");
    }
    part = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
  }
  Value finding;
  finding.set("severity", parts[0]);
  finding.set("file", parts[1]);
  std::int64_t line = 0;
  const auto [end, problem] = std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), line);
  if (!parts[2].empty() && (problem != std::errc{} || end != parts[2].data() + parts[2].size())) {
    return fail(Code::invalid_argument, "--finding: '" + std::string(parts[2]) + "' is no line");
  }
  finding.set("line", line);
  finding.set("text", rest);
  return finding;
}

/// All of `--finding`, whose texts may hold commas.
Result<Value::Array> findings_of(std::span<const std::string> words, const Arguments& args) {
  Value::Array findings;
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    std::string spec;
    if (words[i] == "--finding" && i + 1 < words.size()) spec = words[++i];
    if (words[i].starts_with("--finding=")) spec = words[i].substr(10);
    if (spec.empty()) continue;
    Result<Value> finding = finding_of(spec);
    if (!finding) return fail(finding.error());
    findings.push_back(std::move(*finding));
  }
  const auto file = args.value("--findings-file");
  if (!file) return findings;
  const std::array<std::string, 2> one{"--file", *file};
  const Result<Arguments> from = Arguments::read(one, {kFileOption}, {});
  if (!from) return fail(from.error());
  const Result<std::string> text = read_text(*from, 0, std::size_t{1024} * 1024);
  if (!text) return fail(text.error());
  Result<Value> list = api::value_from_json(*text);
  if (!list) return fail(list.error(), "--findings-file");
  Value::Array* more = list->as_array();
  if (more == nullptr) return fail(Code::invalid_argument, "--findings-file holds no JSON list of findings");
  for (Value& finding : *more) findings.push_back(std::move(finding));
  return findings;
}

int submit(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(words,
                                                 {{"--approve", Takes::nothing},
                                                  {"--request-changes", Takes::nothing},
                                                  {"--challenge", Takes::nothing},
                                                  {"--summary", Takes::value},
                                                  {"--finding", Takes::value},
                                                  {"--findings-file", Takes::value}},
                                                 {.least = 1, .most = 1});
  if (!args) return misused(call, args.error());
  std::string verdict;
  int verdicts = 0;
  for (const auto& [option, word] :
       {std::pair("--approve", "approve"), std::pair("--request-changes", "request_changes"),
        std::pair("--challenge", "challenge")}) {
    if (!args->has(option)) continue;
    verdict = word;
    ++verdicts;
  }
  if (verdicts != 1) {
    return misused(
        call, {.code = Code::invalid_argument, .message = "say one of --approve, --request-changes and --challenge"});
  }
  Result<Value::Array> findings = findings_of(words, *args);
  if (!findings) return misused(call, findings.error());
  Value::Map arguments{{"review", args->rest()[0]}, {"verdict", verdict}, {"findings", std::move(*findings)}};
  if (auto summary = args->value("--summary")) arguments.emplace_back("summary", std::move(*summary));
  return answer(call, *args, {.method = "review.submit", .arguments = std::move(arguments), .again = Again::keyed},
                print_review);
}

int answer_finding(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(
      words, {{"--finding", Takes::value}, {"--text", Takes::value}, {"--reviewer", Takes::value}}, {.least = 1});
  if (!args) return misused(call, args.error());
  const auto number = args->number("--finding");
  if (!number) return misused(call, number.error());
  Value::Map arguments{{"review", args->rest()[0]},
                       {"finding", number->value_or(0)},
                       {"text", args->value("--text").value_or(args->joined(1))}};
  if (auto reviewer = args->value("--reviewer")) arguments.emplace_back("reviewer", std::move(*reviewer));
  return answer(call, *args, {.method = "review.answer", .arguments = std::move(arguments), .again = Again::keyed},
                print_review);
}

int review(const Invocation& call) {
  if (call.words.empty()) return misused(call, {.code = Code::invalid_argument, .message = "say what to do"});
  const std::string& what = call.words[0];
  const std::span<const std::string> words = std::span(call.words).subspan(1);
  if (what == "submit") return submit(call, words);
  if (what == "answer") return answer_finding(call, words);
  if (what == "next") {
    const Result<Arguments> args = Arguments::read(words, {{"--wait", Takes::value}}, {.least = 0, .most = 0});
    if (!args) return misused(call, args.error());
    const auto wait = args->duration("--wait");
    if (!wait) return misused(call, wait.error());
    const auto patience = wait->value_or(std::chrono::milliseconds(0));
    return answer(call, *args,
                  {.method = "review.next",
                   .arguments = {{"wait_ms", std::int64_t{patience.count()}}},
                   .again = Again::safe,
                   .patience = patience + kReviewMargin},
                  print_next_review);
  }
  const bool listing = what == "list" || what == "ls";
  if (!listing && what != "show") {
    return misused(call,
                   {.code = Code::invalid_argument, .message = "'" + what + "' is nothing that is done with reviews"});
  }
  const std::size_t count = listing ? 0 : 1;
  const Result<Arguments> args = Arguments::read(words, {}, {.least = count, .most = count});
  if (!args) return misused(call, args.error());
  if (listing) return answer(call, *args, {.method = "review.list", .again = Again::safe}, print_reviews);
  return answer(call, *args,
                {.method = "review.show", .arguments = {{"review", args->rest()[0]}}, .again = Again::safe},
                print_review);
}

void print_proposal(const Value& proposal) {
  print_line(text_of(proposal, "id") + "  " + text_of(proposal, "state") + "  " + text_of(proposal, "title"));
  print_text(text_of(proposal, "body"), "  ");
  for (const Value& option : list_of(proposal, "options")) print_line("  option: " + text_of(&option));
  for (const Value& cast : list_of(proposal, "votes")) {
    std::string choice;
    for (const Value& one : list_of(cast, "choice")) choice += (choice.empty() ? "" : ", ") + text_of(&one);
    print_line("  " + text_of(cast, "voter") + ": " + (truth_of(cast, "abstain") ? "abstains" : choice) + "  " +
               text_of(cast, "reason"));
  }
  if (const Value* count = proposal.find("count"); count != nullptr && !count->is_nil())
    print_line("  " + text_of(*count, "why"));
}

void print_proposals(const Value& answer) {
  std::vector<std::vector<std::string>> rows{{"PROPOSAL", "STATE", "DECISION", "TITLE"}};
  for (const Value& proposal : list_of(answer, "proposals")) {
    rows.push_back({text_of(proposal, "id"), text_of(proposal, "state"), text_of(proposal, "decision"),
                    text_of(proposal, "title")});
  }
  print_table(rows, "There are no proposals.");
}

int cast(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args =
      Arguments::read(words, {{"--reason", Takes::value}, {"--evidence", Takes::value}, {"--abstain", Takes::nothing}},
                      {.least = 1, .most = 2});
  if (!args) return misused(call, args.error());
  Value::Map arguments{{"proposal", args->rest()[0]}};
  if (args->rest().size() > 1) {
    const std::vector<std::string> choice = split_commas(args->rest()[1]);
    arguments.emplace_back("choice", Value::Array(choice.begin(), choice.end()));
  }
  if (args->has("--abstain")) arguments.emplace_back("abstain", true);
  if (auto reason = args->value("--reason")) arguments.emplace_back("reason", std::move(*reason));
  const std::vector<std::string> evidence = args->values("--evidence");
  if (!evidence.empty()) arguments.emplace_back("evidence", Value::Array(evidence.begin(), evidence.end()));
  return answer(call, *args, {.method = "proposal.vote", .arguments = std::move(arguments), .again = Again::keyed},
                print_proposal);
}

int open(const Invocation& call, std::span<const std::string> words) {
  const Result<Arguments> args = Arguments::read(words,
                                                 {{"--option", Takes::value},
                                                  {"--body", Takes::value},
                                                  {"--method", Takes::value},
                                                  {"--voter", Takes::value},
                                                  {"--deadline", Takes::value}},
                                                 {.least = 1});
  if (!args) return misused(call, args.error());
  const auto deadline = args->duration("--deadline");
  if (!deadline) return misused(call, deadline.error());
  Value::Map arguments{{"title", args->joined(0)}};
  for (const auto& [option, field] : {std::pair("--option", "options"), std::pair("--voter", "voters")}) {
    const std::vector<std::string> values = args->values(option);
    if (!values.empty()) arguments.emplace_back(field, Value::Array(values.begin(), values.end()));
  }
  if (auto body = args->value("--body")) arguments.emplace_back("body", std::move(*body));
  if (auto method = args->value("--method")) arguments.emplace_back("method", std::move(*method));
  if (*deadline) arguments.emplace_back("deadline_ms", std::int64_t{(*deadline)->count()});
  return answer(call, *args, {.method = "proposal.open", .arguments = std::move(arguments), .again = Again::keyed},
                print_proposal);
}

int vote(const Invocation& call) {
  if (call.words.empty()) return misused(call, {.code = Code::invalid_argument, .message = "say what to do"});
  const std::string& what = call.words[0];
  const std::span<const std::string> words = std::span(call.words).subspan(1);
  if (what == "cast") return cast(call, words);
  if (what == "open") return open(call, words);
  const bool listing = what == "list" || what == "ls";
  if (!listing && what != "show" && what != "close") {
    return misused(call,
                   {.code = Code::invalid_argument, .message = "'" + what + "' is nothing that is done with votes"});
  }
  const std::size_t count = listing ? 0 : 1;
  const Result<Arguments> args = Arguments::read(words, {}, {.least = count, .most = count});
  if (!args) return misused(call, args.error());
  if (listing) return answer(call, *args, {.method = "proposal.list", .again = Again::safe}, print_proposals);
  return answer(call, *args,
                {.method = what == "show" ? "proposal.show" : "proposal.close",
                 .arguments = {{"proposal", args->rest()[0]}},
                 .again = what == "show" ? Again::safe : Again::keyed},
                print_proposal);
}

constexpr std::array kReviewVerbs = {
    Verb{"review",
         "review next [--wait TIME]\n"
         "review list\n"
         "review show REVIEW\n"
         "review submit REVIEW --approve|--request-changes|--challenge [--summary TEXT]\n"
         "              [--finding SEVERITY:FILE:LINE:TEXT]... [--findings-file PATH]\n"
         "review answer REVIEW --finding N [--reviewer AGENT] --text TEXT",
         "read the change of another, and say what is wrong with it",
         "Severities are note, minor, major and critical. A findings file is a JSON list of {severity, file, line, "
         "text,\n"
         "evidence}. --challenge lets all vote whether the change should be made in this way at all.",
         review},
    Verb{"vote",
         "vote list\n"
         "vote show PROPOSAL\n"
         "vote cast PROPOSAL CHOICE[,CHOICE...] [--reason TEXT] [--evidence WHAT]\n"
         "vote cast PROPOSAL --abstain\n"
         "vote open TITLE [--option NAME]... [--body TEXT] [--method METHOD] [--deadline TIME]\n"
         "vote close PROPOSAL",
         "decide together what members see differently",
         "One vote each, which can be changed until the close. With the method 'ranked' the best comes first.", vote},
};

}  // namespace

std::span<const Verb> review_verbs() { return kReviewVerbs; }

}  // namespace swarm::cli
