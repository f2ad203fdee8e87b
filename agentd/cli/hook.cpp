// `swarm hook EVENT`: what an agent's program runs at the turns of its conversation. It brings new messages in, takes
// the lock of a file before it is changed, and tells agentd what the program does.
//
// The program comes first. Whatever is wrong here, its work goes on: the exit status is never 2, which would stop it,
// and where agentd cannot be reached messages stay in the queue and come with a later event. A lock that could not be
// asked for is said to be missing; commits are checked again.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/call.hpp"
#include "agentd/cli/hook_input.hpp"
#include "agentd/cli/hook_output.hpp"
#include "agentd/cli/print.hpp"
#include "agentd/delivery/letters.hpp"
#include "agentd/delivery/wake_line.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::cli {
namespace {

/// Claude Code puts longer texts into a file and shows their beginning alone.
constexpr std::int64_t kMostText = 8000;
/// Of a transcript, from its end: where the last turns are.
constexpr std::int64_t kMostTranscript = std::int64_t{4} * 1024 * 1024;
/// What the program waits for must not keep it for long.
constexpr std::chrono::milliseconds kHookPatience{8000};
/// Messages can wait for the next event; a file is not to be changed without its lock because agentd was just starting.
constexpr std::chrono::milliseconds kRestartForMessages{300};
constexpr std::chrono::milliseconds kRestartForLocks{5000};
/// How long the transcript is looked at once the program has its answer.
constexpr int kProofLooks = 100;
constexpr timespec kProofPause{.tv_sec = 0, .tv_nsec = 300'000'000};

/// The end of the transcript; empty where it cannot be read.
std::string transcript_end(const std::string& path) {
  const UniqueFd fd(path.empty() ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat info{};
  if (!fd || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  const std::int64_t size = std::min<std::int64_t>(info.st_size, kMostTranscript);
  std::string text(static_cast<std::size_t>(size), '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const ssize_t more =
        pread(fd.get(), text.data() + got, text.size() - got, info.st_size - size + static_cast<std::int64_t>(got));
    if (more <= 0) break;
    got += static_cast<std::size_t>(more);
  }
  text.resize(got);
  return text;
}

std::string id_of(const Value& letter) {
  const Value* message = letter.find("message");
  return message == nullptr ? std::string() : text_of(*message, "id");
}

/// Failures stay without consequence: what was not confirmed comes again, marked as a repeat.
void confirm(const Invocation& call, Value::Array ids, std::string_view stage, std::string by) {
  if (ids.empty()) return;
  const Result<Value> done = ask(call, {.method = "message.confirm",
                                        .arguments = {{"ids", std::move(ids)}, {"stage", stage}, {"by", std::move(by)}},
                                        .again = Again::safe,
                                        .patience = kHookPatience});
  if (!done) std::fprintf(stderr, "swarm hook: %s\n", done.error().message.c_str());
}

/// Where the file is in truth: a link to it has no lock of its own.
std::string real_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  return error ? path : real.string();
}

int print_answer(const std::string& answer) {
  if (!answer.empty()) std::printf("%s\n", answer.c_str());
  return flushed();
}

/// All of standard input, also what is too much: its writer is not to fail.
Result<std::string> read_input() {
  std::string text;
  bool too_much = false;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("read", "standard input");
    if (size == 0) break;
    too_much = too_much || text.size() + static_cast<std::size_t>(size) > kMostHookBytes;
    if (!too_much) text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  if (!too_much) return text;
  return fail(Code::resource_exhausted,
              "the hook's input is longer than " + std::to_string(kMostHookBytes) + " bytes; it is left unread");
}

/// The input, and as which event it counts.
Result<HookInput> input_of(const Arguments& args) {
  Result<std::string> json = args.rest().size() > 1 ? Result<std::string>(args.rest()[1]) : read_input();
  if (!json) return fail(json.error());
  Result<HookInput> input = read_hook(*json);
  if (input && !args.rest().empty()) input->event = args.rest().front();
  if (input && input->event.empty())
    return fail(Code::invalid_argument, "no event: neither as a word nor in the input");
  return input;
}

/// What is to be said in the conversation; `repeats` collects what is said a second time.
std::string context_of(const HookInput& input, const Value& reply, Value::Array& given, Value::Array& seen,
                       Value::Array& unseen) {
  std::vector<const Value*> letters;
  const bool begins = input.event == "SessionStart";
  const std::string transcript = list_of(reply, "unproven").empty() ? std::string() : transcript_end(input.transcript);
  for (const Value& letter : list_of(reply, "unproven")) {
    const std::string id = id_of(letter);
    if (!id.empty() && transcript.find(id) != std::string::npos) {
      seen.emplace_back(id);
      continue;
    }
    unseen.emplace_back(id);
    if (begins) {
      // It went to a conversation that ended before it was in there.
      letters.push_back(&letter);
    }
  }
  for (const Value& letter : list_of(reply, "letters")) {
    letters.push_back(&letter);
    given.emplace_back(id_of(letter));
    unseen.emplace_back(id_of(letter));
  }
  return (begins ? welcome_text(reply) : std::string()) + agentd::delivery::letters_text(letters);
}

/// What is given now stands in the transcript only after the program has our answer, and the next event may be hours
/// away: a process of its own looks for it a while. The program is not kept waiting, and nothing counts because that
/// time is over.
void prove_later(const Invocation& call, const std::string& transcript, Value::Array unseen) {
  if (transcript.empty() || unseen.empty()) return;
  std::fflush(nullptr);
  if (fork() != 0) return;  // or there is none: then the next event looks
  setsid();
  const int none = open("/dev/null", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(none, fd);
  std::int64_t looked_at = -1;
  for (int look = 0; look < kProofLooks && !unseen.empty(); ++look) {
    struct stat info{};
    if (stat(transcript.c_str(), &info) == 0 && info.st_size != looked_at) {
      looked_at = info.st_size;
      const std::string text = transcript_end(transcript);
      Value::Array seen;
      std::erase_if(unseen, [&](const Value& id) {
        const bool there = text.find(*id.as_string()) != std::string::npos;
        if (there) seen.push_back(id);
        return there;
      });
      confirm(call, std::move(seen), "seen", "transcript");
    }
    if (!unseen.empty()) nanosleep(&kProofPause, nullptr);
  }
  _exit(0);
}

/// What went wrong between us and agentd.
int unanswered(const HookInput& input, const Error& error) {
  const bool away = error.code == Code::unavailable || error.code == Code::deadline_exceeded;
  // Not in a team, or not an agent of it: nothing is there that could be missed.
  if (!away) return kExitOk;
  if (input.event != "PreToolUse" || input.paths.empty()) return kExitOk;
  return print_answer(answer_notice("swarm: agentd does not answer, so '" + input.paths.front() +
                                    "' is not locked; whether somebody else changes it is checked when it is "
                                    "committed"));
}

int hook(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {}, {.most = 2});
  if (!args) {
    misused(call, args.error());
    return kExitFailed;
  }
  const Result<HookInput> input = input_of(*args);
  if (!input) {
    failed(input.error());
    return kExitFailed;
  }
  if (!exists(call.socket)) return kExitOk;

  const bool asks_lock = input->event == "PreToolUse" && !input->paths.empty();
  const bool takes = takes_context(input->event);
  const bool wake = input->event == "UserPromptSubmit" && input->prompt == agentd::kWakeLine;
  Value::Map event{{"event", input->event}, {"session", input->session},
                   {"tool", input->tool},   {"detail", input->detail},
                   {"take", takes},         {"wake", wake},
                   {"max_bytes", kMostText}};
  if (asks_lock) {
    Value::Array paths;
    for (const std::string& path : input->paths) paths.emplace_back(real_path(path));
    event.emplace_back("paths", std::move(paths));
  }
  // Taken letters come back by themselves, and who has the lock keeps it: asking twice does no harm.
  const Result<Value> reply = ask(call, {.method = "hook.event",
                                         .arguments = std::move(event),
                                         .again = Again::safe,
                                         .patience = kHookPatience,
                                         .restart = asks_lock ? kRestartForLocks : kRestartForMessages});
  if (!reply) return unanswered(*input, reply.error());

  if (const std::string refused = text_of(*reply, "refused"); asks_lock && !refused.empty()) {
    return print_answer(answer_denied(refused + ". `swarm locks` says who changes what, `swarm lock PATH --wait 5m` "
                                                "waits for it, `swarm send` asks its holder."));
  }
  Value::Array given;
  Value::Array seen;
  Value::Array unseen;
  const std::string context = context_of(*input, *reply, given, seen, unseen);
  // Somebody was faster than the wake-up: the model is not to be bothered with nothing.
  if (wake && context.empty()) {
    return print_answer(answer_stopped("The messages have been read already."));
  }
  const int written = print_answer(answer_with_context(input->event, context));
  if (written != kExitOk) return kExitFailed;
  const bool look_again = !given.empty() || input->event == "Stop";
  if (takes) confirm(call, std::move(given), "delivered", "hook:" + input->event);
  confirm(call, std::move(seen), "seen", "transcript");
  if (look_again) prove_later(call, input->transcript, std::move(unseen));
  return kExitOk;
}

constexpr std::array kHookVerbs = {
    Verb{"hook", "hook EVENT [JSON]", "answer a hook of an agent's program",
         "Reads what Claude Code or Codex give their hooks (standard input, or the JSON as a word), and prints the\n"
         "answer that they understand. SessionStart, UserPromptSubmit, PostToolUse and Stop bring new messages into\n"
         "the conversation; PreToolUse locks the file that is about to be changed, or refuses the change; any other\n"
         "event is told to agentd. It never stops the program because of a failure of its own.",
         hook},
};

}  // namespace

std::span<const Verb> hook_verbs() { return kHookVerbs; }

}  // namespace swarm::cli
