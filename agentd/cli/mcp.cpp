// `swarm mcp`: the verbs as tools of the Model Context Protocol, on standard input and output, one JSON-RPC message a
// line. A translation and nothing more: a tool call is a call of agentd, whose caller is who the kernel says, and what
// agentd answers is the result.
//
// A call may wait for a person or a lock, so each runs in a thread of its own and others are answered meanwhile.

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/mcp_tools.hpp"
#include "agentd/cli/print.hpp"
#include "protocol/api/json.hpp"
#include "protocol/core/nearest.hpp"

namespace swarm::cli {
namespace {

/// The stable version that we were written for, then older ones in which nothing that we use was different.
constexpr std::array<std::string_view, 3> kVersions = {"2025-11-25", "2025-06-18", "2025-03-26"};
constexpr std::size_t kMostLine = std::size_t{4} * 1024 * 1024;
constexpr int kMostCalls = 16;

constexpr int kParseError = -32700;
constexpr int kInvalidRequest = -32600;
constexpr int kUnknownMethod = -32601;
constexpr int kInvalidParams = -32602;
constexpr int kInternal = -32603;

constexpr std::string_view kInstructions =
    "Tools of the swarm that you are an agent of: who else there is, messages between agents, locks on files, shared "
    "notes, tasks, reviews and votes.";

class Server {
 public:
  explicit Server(const Invocation& call) : call_(call) {}

  void take(std::string_view line);
  void refuse(const Value& id, int code, const std::string& why) {
    write(id, "error", Value::Map{{"code", code}, {"message", why}});
  }

 private:
  void request(const Value& id, const std::string& method, const Value& params);
  Value initialize(const Value& params) const;
  void list_tools(const Value& id);
  void call_tool(const Value& id, const Value& params);
  void run_tool(const Value& id, const Tool& tool, Value::Map arguments);
  Result<Value> discovered();
  void write(const Value& id, std::string_view member, Value value);

  const Invocation& call_;
  std::mutex writing_;
  std::mutex discovering_;
  std::optional<Value> discovered_;
  std::atomic<int> calls_{0};
  std::mutex cancelling_;
  std::set<std::string> cancelled_;
};

void Server::write(const Value& id, std::string_view member, Value value) {
  const std::string line =
      api::to_json(Value(Value::Map{{"jsonrpc", "2.0"}, {"id", id}, {std::string(member), std::move(value)}}));
  const std::lock_guard held(writing_);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void Server::take(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  const Result<Value> message = api::value_from_json(line, {.max_bytes = kMostLine});
  if (!message) return refuse(nullptr, kParseError, message.error().message);
  if (message->as_array() != nullptr) return refuse(nullptr, kInvalidRequest, "send one message a line, not a batch");
  const Value* id = message->find("id");
  const Value* method = message->find("method");
  const bool named = id != nullptr && (id->as_string() != nullptr || id->as_int() != nullptr);
  if (method == nullptr || method->as_string() == nullptr) {
    // A response: we ask nothing.
    if (message->find("result") != nullptr || message->find("error") != nullptr) return;
    return refuse(named ? *id : Value(), kInvalidRequest, "a message needs a 'method'");
  }
  const Value* params = message->find("params");
  const Value none(Value::Map{});
  if (id == nullptr) {
    if (*method->as_string() == "notifications/cancelled" && params != nullptr) {
      const std::lock_guard held(cancelling_);
      if (const Value* which = params->find("requestId")) cancelled_.insert(api::to_json(*which));
    }
    return;
  }
  if (!named) return refuse(nullptr, kInvalidRequest, "an 'id' is a string or a whole number");
  request(*id, *method->as_string(), params == nullptr ? none : *params);
}

void Server::request(const Value& id, const std::string& method, const Value& params) {
  if (method == "initialize") return write(id, "result", initialize(params));
  if (method == "ping") return write(id, "result", Value::Map{});
  if (method == "tools/list") return list_tools(id);
  if (method == "tools/call") return call_tool(id, params);
  refuse(id, kUnknownMethod, "there is no method '" + method + "' here");
}

Value Server::initialize(const Value& params) const {
  const std::string asked = text_of(params, "protocolVersion");
  const bool known = std::ranges::find(kVersions, asked) != kVersions.end();
  return Value::Map{{"protocolVersion", known ? asked : std::string(kVersions.front())},
                    {"capabilities", Value::Map{{"tools", Value::Map{}}}},
                    {"serverInfo", Value::Map{{"name", "swarm"}, {"version", SWARM_VERSION}}},
                    {"instructions", kInstructions}};
}

Result<Value> Server::discovered() {
  const std::lock_guard held(discovering_);
  if (!discovered_) {
    Result<Value> got = ask(call_, {.method = "rpc.discover", .again = Again::safe});
    if (!got) return got;
    discovered_ = std::move(*got);
  }
  return *discovered_;
}

void Server::list_tools(const Value& id) {
  const Result<Value> all = discovered();
  if (!all) return refuse(id, kInternal, all.error().message);
  Value::Array tools;
  for (const Tool& tool : all_tools()) {
    Value info = tool_info(tool, *all);
    if (!info.is_nil()) tools.push_back(std::move(info));
  }
  write(id, "result", Value::Map{{"tools", std::move(tools)}});
}

void Server::call_tool(const Value& id, const Value& params) {
  const std::string name = text_of(params, "name");
  const auto tool = std::ranges::find(all_tools(), name, &Tool::name);
  if (tool == all_tools().end()) {
    std::vector<std::string> names;
    for (const Tool& one : all_tools()) names.emplace_back(one.name);
    return refuse(id, kInvalidParams, "there is no tool '" + name + "'" + did_you_mean(name, names));
  }
  const Value* given = params.find("arguments");
  if (given != nullptr && !given->is_nil() && given->as_map() == nullptr) {
    return refuse(id, kInvalidParams, "'arguments' is a JSON object");
  }
  if (calls_.fetch_add(1) >= kMostCalls) {
    --calls_;
    return refuse(id, kInternal, "there are " + std::to_string(kMostCalls) + " calls under way; wait for one to end");
  }
  Value::Map arguments = given == nullptr || given->is_nil() ? Value::Map() : *given->as_map();
  // Ends with its call, or with the program: what it asked for is agentd's by then.
  std::thread([this, id, tool = *tool, arguments = std::move(arguments)]() mutable {
    run_tool(id, tool, std::move(arguments));
    --calls_;
  }).detach();
}

void Server::run_tool(const Value& id, const Tool& tool, Value::Map arguments) {
  const Result<Value> all = discovered();
  if (!all) return refuse(id, kInternal, all.error().message);
  bool changes = false;
  for (const Value& method : list_of(*all, "methods")) {
    if (text_of(method, "name") == tool.method) changes = truth_of(method, "mutating");
  }
  const Value asked(arguments);
  const std::int64_t wait = std::clamp<std::int64_t>(number_of(asked, "wait_ms"), 0, 86'400'000);
  // What takes messages out of a queue must not do so twice; they come back by themselves.
  const Again again = tool.method == "message.inbox" ? Again::never : changes ? Again::keyed : Again::safe;
  const Result<Value> got = ask(call_, {.method = tool.method,
                                        .arguments = std::move(arguments),
                                        .again = again,
                                        .patience = std::chrono::milliseconds(wait + 120'000)});
  {
    const std::lock_guard held(cancelling_);
    if (cancelled_.erase(api::to_json(id)) > 0) return;
  }
  const std::string text = got ? api::to_json(*got) : got.error().to_string();
  Value::Map result{{"content", Value::Array{Value::Map{{"type", "text"}, {"text", text}}}}};
  if (got) result.emplace_back("structuredContent", *got);
  result.emplace_back("isError", !got);
  write(id, "result", std::move(result));
  if (!got || tool.method != "message.inbox" || truth_of(asked, "peek")) return;
  Value::Array ids;
  for (const Value& letter : list_of(*got, "letters")) {
    if (const Value* message = letter.find("message")) ids.emplace_back(text_of(*message, "id"));
  }
  if (ids.empty()) return;
  // Its model asked for them and has them now.
  const Result<Value> confirmed = ask(call_, {.method = "message.confirm",
                                              .arguments = {{"ids", std::move(ids)}, {"stage", "seen"}, {"by", "mcp"}},
                                              .again = Again::safe});
  if (!confirmed) std::fprintf(stderr, "swarm mcp: %s\n", confirmed.error().message.c_str());
}

int mcp(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {}, {.most = 0});
  if (!args) return misused(call, args.error());
  Server server(call);
  std::string input;
  bool too_long = false;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    input.append(buffer.data(), static_cast<std::size_t>(size));
    std::size_t from = 0;
    for (auto end = input.find('\n'); end != std::string::npos; end = input.find('\n', from)) {
      if (!too_long) server.take(std::string_view(input).substr(from, end - from));
      too_long = false;
      from = end + 1;
    }
    input.erase(0, from);
    if (input.size() > kMostLine) {
      if (!too_long) {
        server.refuse(nullptr, kParseError, "a message is longer than " + std::to_string(kMostLine) + " bytes");
      }
      too_long = true;
      input.clear();
    }
  }
  std::fflush(stdout);
  std::_Exit(kExitOk);  // calls that still wait have nobody to answer
}

constexpr std::array kMcpVerbs = {
    Verb{"mcp", "mcp", "serve the verbs as MCP tools on standard input and output",
         "For agents' programs: the Model Context Protocol, version 2025-11-25, with tools named as the verbs\n"
         "(`send`, `inbox`, `lock`, `task_next`, ...).",
         mcp},
};

}  // namespace

std::span<const Verb> mcp_verbs() { return kMcpVerbs; }

}  // namespace swarm::cli
