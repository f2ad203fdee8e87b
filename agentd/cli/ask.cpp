#include "agentd/cli/ask.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <thread>

#include "agentd/cli/call.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

constexpr std::chrono::milliseconds kBetween{20};

}  // namespace

std::string unique_key() {
  unsigned char bytes[16] = {};
  std::size_t got = 0;
  while (got < sizeof bytes) {
    const ssize_t size = getrandom(bytes + got, sizeof bytes - got, 0);
    if (size > 0) got += static_cast<std::size_t>(size);
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xfU];
  }
  return text;
}

Result<Value> ask(const Invocation& call_from, Question question) {
  if (question.again == Again::keyed) question.arguments.emplace_back("idempotency_key", unique_key());
  const Value arguments(std::move(question.arguments));
  std::optional<std::chrono::steady_clock::time_point> give_up;  // from the first loss on: a call may have waited long
  for (;;) {
    Sent sent = Sent::no;
    Result<Value> answer = call(call_from.socket, std::string(question.method), arguments, question.patience, &sent);
    const bool lost = !answer && answer.error().code == Code::unavailable && sent != Sent::answered;
    const bool may_repeat = sent == Sent::no || question.again != Again::never;
    // Outside of a sandbox there is nothing to wait for.
    if (!lost || !may_repeat || !exists(call_from.socket)) return answer;
    const auto now = std::chrono::steady_clock::now();
    if (!give_up) give_up = now + question.restart;
    if (now > *give_up) return answer;
    std::this_thread::sleep_for(kBetween);  // a restart cannot be waited for in another way
  }
}

int answer(const Invocation& call_from, const Arguments& arguments, Question question,
           void (*show)(const Value& answer)) {
  const Result<Value> got = ask(call_from, std::move(question));
  if (!got) return failed(got.error());
  if (arguments.json()) {
    print_json(*got);
  } else {
    show(*got);
  }
  return flushed();
}

}  // namespace swarm::cli
