#include "daemon/providers/e2b/connect.hpp"

#include <fmt/format.h>

#include "daemon/providers/e2b/json.hpp"
#include "protocol/core/base64.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::e2b {
namespace {

constexpr std::size_t kHeader = 5;

std::unexpected<Error> no_envd(std::string_view what) { return no_answer("envd", what); }

/// proto3's JSON leaves zeros out and may write numbers as strings.
std::int64_t proto_number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  if (found->is_number_integer()) return found->get<std::int64_t>();
  if (found->is_string()) return std::strtoll(found->get_ref<const std::string&>().c_str(), nullptr, 10);
  return 0;
}

Json selector(std::uint32_t pid) { return {{"pid", pid}}; }

}  // namespace

std::string seal(std::uint8_t flags, std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  std::string out;
  out.reserve(kHeader + payload.size());
  out += static_cast<char>(flags);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out += static_cast<char>((size >> shift) & 0xFFU);
  out += payload;
  return out;
}

Result<std::optional<Envelope>> EnvelopeReader::next() {
  if (rest() < kHeader) return std::optional<Envelope>();
  const auto byte = [this](std::size_t at) { return static_cast<std::uint8_t>(input_[taken_ + at]); };
  const std::uint8_t flags = byte(0);
  const std::size_t size = (std::size_t{byte(1)} << 24U) | (std::size_t{byte(2)} << 16U) |
                           (std::size_t{byte(3)} << 8U) | std::size_t{byte(4)};
  if ((flags & ~(kCompressed | kEndOfStream)) != 0) {
    return fail(Code::internal, fmt::format("envd's stream has a message with flags {:#04x}", flags));
  }
  if ((flags & kCompressed) != 0) return fail(Code::internal, "envd compresses a stream although nobody asked for it");
  if (size > most_) {
    return fail(Code::resource_exhausted,
                fmt::format("envd's stream has a message of {} bytes; {} are taken", size, most_));
  }
  if (rest() < kHeader + size) return std::optional<Envelope>();
  Envelope envelope{.flags = flags, .payload = input_.substr(taken_ + kHeader, size)};
  taken_ += kHeader + size;
  if (taken_ == input_.size() || taken_ > (std::size_t{64} << 10U)) input_.erase(0, std::exchange(taken_, 0));
  return std::optional(std::move(envelope));
}

Code connect_code(std::string_view name) {
  if (name == "canceled") return Code::cancelled;
  if (name == "aborted") return Code::failed_precondition;
  if (name == "unknown" || name == "data_loss") return Code::internal;
  return code_from_name(name);
}

std::optional<Error> decode_end(std::string_view text) {
  const Json json = parse_json(text);
  if (!json.is_object()) return Error{.code = Code::internal, .message = "envd ends a stream with what is no JSON"};
  const auto error = json.find("error");
  if (error == json.end() || error->is_null()) return std::nullopt;
  if (!error->is_object())
    return Error{.code = Code::internal, .message = "envd ends a stream with an unreadable error"};
  const std::string code = text_of(*error, "code");
  const std::string message = to_utf8(text_of(*error, "message").substr(0, kMessageMost));
  Error out{.code = connect_code(code), .message = message.empty() ? code : message};
  out.retryable = out.code == Code::unavailable || out.code == Code::deadline_exceeded;
  return out;
}

Result<ProcessEvent> decode_event(std::string_view text) {
  const Json json = parse_json(text);
  if (!json.is_object()) return no_envd("process event");
  const auto event = json.find("event");
  if (event == json.end() || !event->is_object()) return ProcessEvent{};
  ProcessEvent out;
  const auto part = [&](const char* key) -> const Json* {
    const auto found = event->find(key);
    return found != event->end() && found->is_object() ? &*found : nullptr;
  };
  if (const Json* start = part("start")) {
    out.kind = ProcessEvent::Kind::start;
    out.pid = static_cast<std::uint32_t>(proto_number(*start, "pid"));
  } else if (const Json* end = part("end")) {
    out.kind = ProcessEvent::Kind::end;
    out.exit_code = static_cast<int>(proto_number(*end, "exitCode"));
    const auto exited = end->find("exited");
    out.exited = exited != end->end() && exited->is_boolean() && exited->get<bool>();
    out.status = text_of(*end, "status");
  } else if (const Json* data = part("data")) {
    const std::pair<const char*, ProcessEvent::Kind> kinds[] = {
        {"stdout", ProcessEvent::Kind::out}, {"stderr", ProcessEvent::Kind::err}, {"pty", ProcessEvent::Kind::pty}};
    for (const auto& [key, kind] : kinds) {
      if (!data->contains(key)) continue;
      std::optional<std::string> bytes = base64_decode(text_of(*data, key));
      if (!bytes) return no_envd("base64");
      out.kind = kind;
      out.bytes = std::move(*bytes);
    }
  } else if (event->contains("keepalive")) {
    out.kind = ProcessEvent::Kind::keepalive;
  }
  return out;
}

Result<std::vector<ProcessInfo>> decode_processes(std::string_view text) {
  const Json json = parse_json(text);
  if (!json.is_object()) return no_envd("list of processes");
  std::vector<ProcessInfo> all;
  const auto list = json.find("processes");
  if (list == json.end()) return all;
  if (!list->is_array()) return no_envd("list of processes");
  for (const Json& each : *list) {
    if (!each.is_object()) return no_envd("list of processes");
    ProcessInfo info{.pid = static_cast<std::uint32_t>(proto_number(each, "pid")), .tag = text_of(each, "tag")};
    if (const auto config = each.find("config"); config != each.end() && config->is_object()) {
      info.cmd = text_of(*config, "cmd");
    }
    all.push_back(std::move(info));
  }
  return all;
}

std::string encode_start(const ProcessSpec& spec) {
  Json process{{"cmd", spec.cmd}, {"args", spec.args}};
  if (!spec.env.empty()) {
    Json env = Json::object();
    for (const auto& [name, value] : spec.env) env[name] = value;
    process["envs"] = std::move(env);
  }
  if (!spec.cwd.empty()) process["cwd"] = spec.cwd;
  Json request{{"process", std::move(process)}, {"stdin", spec.stdin_open}};
  if (!spec.tag.empty()) request["tag"] = spec.tag;
  return dump(request);
}

std::string encode_selector(std::uint32_t pid) { return dump({{"process", selector(pid)}}); }

std::string encode_input(std::uint32_t pid, std::string_view bytes) {
  return dump({{"process", selector(pid)}, {"input", {{"stdin", base64_encode(bytes)}}}});
}

std::string encode_signal(std::uint32_t pid, Signal signal) {
  return dump({{"process", selector(pid)}, {"signal", signal == Signal::kill ? "SIGNAL_SIGKILL" : "SIGNAL_SIGTERM"}});
}

std::string encode_path(std::string_view path) { return dump({{"path", path}}); }

std::string encode_move(std::string_view from, std::string_view to) {
  return dump({{"source", from}, {"destination", to}});
}

}  // namespace swarm::e2b
