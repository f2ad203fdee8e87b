#include "agentd/demo/tools.hpp"

#include <unistd.h>

#include <cstdio>

#include "agentd/demo/process.hpp"
#include "protocol/api/json.hpp"
#include "protocol/core/exit_status.hpp"

namespace swarm::demo {
namespace {

constexpr int kTries = 60;

}  // namespace

Result<Value> swarm_tool(std::vector<std::string> words, const std::string& input) {
  std::string shown = "swarm";
  for (std::size_t i = 0; i < words.size() && i < 4; ++i) shown += " " + words[i];
  words.insert(words.begin(), "swarm");
  words.emplace_back("--json");
  for (int tried = 0;; ++tried) {
    const Result<Ran> ran = run(words, {}, input);
    if (!ran) return fail(ran.error());
    if (ran->ok()) {
      if (ran->out.empty()) return Value();
      Result<Value> answer = api::value_from_json(ran->out);
      if (!answer) return fail(answer.error(), shown);
      return answer;
    }
    // The daemon may be away for a while; whatever is asked of it can be asked again.
    const bool away = ran->status == kExitUnavailable;
    if (!away || tried == kTries) {
      const Code code = away ? Code::unavailable : ran->status == kExitNotFound ? Code::not_found : Code::internal;
      return fail(code, shown + ": " + ran->err);
    }
    sleep(1);
  }
}

std::string text(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const std::string* found = value == nullptr ? nullptr : value->as_string();
  return found == nullptr ? std::string() : *found;
}

std::int64_t number(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const std::int64_t* found = value == nullptr ? nullptr : value->as_int();
  return found == nullptr ? 0 : *found;
}

const Value::Array& items(const Value& map, std::string_view key) {
  static const Value::Array kNone;
  const Value* value = map.find(key);
  const Value::Array* found = value == nullptr ? nullptr : value->as_array();
  return found == nullptr ? kNone : *found;
}

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace swarm::demo
