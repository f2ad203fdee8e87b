// Files that belong to a task or a review, kept on the host.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/print.hpp"
#include "agentd/cli/stream_call.hpp"

namespace swarm::cli {
namespace {

constexpr std::chrono::minutes kContentPatience{2};  // without anything moving

std::string bytes_of(const Value& from, std::string_view field) {
  const Value* found = from.find(field);
  const Bytes* bytes = found != nullptr ? found->as_bytes() : nullptr;
  return bytes != nullptr ? bytes->data : text_of(from, field);
}

void print_artifact(const Value& artifact) {
  print_line(text_of(artifact, "id") + "  " + bytes_of(artifact, "name") + "  " + text_of(artifact, "size_bytes") +
             " bytes  sha256 " + text_of(artifact, "sha256"));
}

void print_artifacts(const Value& answer) {
  std::vector<std::vector<std::string>> rows = {{"ARTIFACT", "BYTES", "BY", "TASK", "REVIEW", "NAME"}};
  for (const Value& one : list_of(answer, "artifacts")) {
    rows.push_back({text_of(one, "id"), text_of(one, "size_bytes"), text_of(one, "by"), text_of(one, "task"),
                    text_of(one, "review"), bytes_of(one, "name")});
  }
  print_table(rows, "no artifacts");
}

/// `swarm artifact add FILE...`: the exit status of the first that fails.
int add_artifacts(const Invocation& call, const Arguments& args) {
  const auto name = args.value("--name");
  if (name && args.rest().size() != 2) {
    return misused(call, {.code = Code::invalid_argument, .message = "'--name' is for one file"});
  }
  Value::Array added;
  for (std::size_t i = 1; i < args.rest().size(); ++i) {
    const std::string& path = args.rest()[i];
    Value::Map arguments;
    UniqueFd opened;
    int file = STDIN_FILENO;
    if (path == "-") {
      arguments.emplace_back("name", name.value_or("stdin"));
    } else {
      opened = UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!opened) return failed(fail_errno("open", path).error());
      struct stat info{};
      if (fstat(opened.get(), &info) != 0) return failed(fail_errno("stat", path).error());
      if (S_ISDIR(info.st_mode)) {
        return failed({.code = Code::invalid_argument,
                       .message = "'" + path + "' is a directory; pack it first: tar cz " + path +
                                  " | swarm artifact add - --name NAME.tar.gz"});
      }
      if (S_ISREG(info.st_mode)) arguments.emplace_back("size_bytes", static_cast<std::int64_t>(info.st_size));
      const std::string last = path.substr(path.find_last_of('/') + 1);
      arguments.emplace_back("name", Bytes{name.value_or(last.empty() ? path : last)});
      file = opened.get();
    }
    for (const char* field : {"task", "review", "note"}) {
      if (auto value = args.value(std::string("--") + field)) arguments.emplace_back(field, std::move(*value));
    }
    Result<Value> kept = call_sending(call.socket, "artifact.put", Value(std::move(arguments)), file, kContentPatience);
    if (!kept) return failed(kept.error());
    if (args.json()) {
      added.push_back(std::move(*kept));
    } else {
      print_artifact(*kept);
    }
  }
  if (args.json()) print_json(Value(Value::Map{{"artifacts", std::move(added)}}));
  return flushed();
}

int get_artifact(const Invocation& call, const Arguments& args) {
  const std::string& target = args.rest()[2];
  Value arguments(Value::Map{{"artifact", args.rest()[1]}});
  if (target == "-") {
    const Result<Value> got =
        call_receiving(call.socket, "artifact.get", std::move(arguments), STDOUT_FILENO, kContentPatience);
    return got ? kExitOk : failed(got.error());
  }
  // Beside it, and renamed when all of it is there.
  std::string draft = target + ".XXXXXX";
  const UniqueFd file(mkostemp(draft.data(), O_CLOEXEC));
  if (!file) return failed(fail_errno("create a file beside", target).error());
  const Result<Value> got =
      call_receiving(call.socket, "artifact.get", std::move(arguments), file.get(), kContentPatience);
  if (!got) {
    unlink(draft.c_str());
    return failed(got.error());
  }
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(file.get(), 0666U & ~mask) != 0 || rename(draft.c_str(), target.c_str()) != 0) {
    const Error why = fail_errno("rename to", target).error();
    unlink(draft.c_str());
    return failed(why);
  }
  if (args.json()) {
    print_json(*got);
  } else {
    print_artifact(*got);
  }
  return flushed();
}

int artifact(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(
      call.words,
      {{"--task", Takes::value}, {"--review", Takes::value}, {"--note", Takes::value}, {"--name", Takes::value}},
      {.least = 1});
  if (!args) return misused(call, args.error());
  const std::string& what = args->rest().front();
  const std::size_t words = args->rest().size();
  if (what == "add" && words >= 2) return add_artifacts(call, *args);
  if (what == "get" && words == 3) return get_artifact(call, *args);
  if (what == "ls" && words == 1) {
    Value::Map arguments{{"limit", 1000}};
    for (const char* field : {"task", "review"}) {
      if (auto value = args->value(std::string("--") + field)) arguments.emplace_back(field, std::move(*value));
    }
    return answer(call, *args, {.method = "artifact.list", .arguments = std::move(arguments), .again = Again::safe},
                  print_artifacts);
  }
  return misused(call, {.code = Code::invalid_argument, .message = "it is 'add FILE...', 'ls' or 'get ARTIFACT FILE'"});
}

constexpr std::array kArtifactVerbs = {
    Verb{"artifact",
         "artifact add FILE... [--task ID] [--review ID] [--note TEXT] [--name NAME]\n"
         "artifact ls [--task ID] [--review ID]\nartifact get ARTIFACT FILE",
         "keep files that are no part of a commit: screenshots, logs, measurements",
         "They are kept on the host, outlive the sandbox, and stand in the report. FILE is '-' for standard input or\n"
         "output. The same content is kept once.",
         artifact},
};

}  // namespace

std::span<const Verb> artifact_verbs() { return kArtifactVerbs; }

}  // namespace swarm::cli
