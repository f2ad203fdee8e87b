#include "protocol/api/reference.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/api/discover.hpp"
#include "protocol/api/json.hpp"
#include "protocol/api/registry.hpp"
#include "protocol/api/stream.hpp"

namespace swarm::api {
namespace {

constexpr std::string_view kIntroduction = R"(# API

Everything that travels between clients, `swarmd` and `agentd`. The page is made from the tables that decode requests
(`protocol/api/`) by the program `api_reference`; a test fails when it is out of date. The same in a program's reach:
`rpc.discover`.

## Calls

The socket speaks MessagePack-RPC: request `[0, msgid, method, params]`, response `[1, msgid, error, result]`, notification
`[2, method, params]`, in both directions, answered in any order.

- `params` is an array of one map of named arguments. Absent, nil, `[]`, `[nil]` and `[[]]` mean an empty map.
- A parameter that is nil counts as absent. An unknown one is refused, and the answer names the nearest known one. Unknown
  members of results are to be ignored: a newer server may send more.
- Errors are `[0, "<code>: <message>"]`; a client that says `rpc.hello {errors: "map"}` gets an ErrorInfo instead, and
  `rpc.last_error` returns that to any.
- A method marked *mutating* takes `idempotency_key` (see [Calls that are made again](#calls-that-are-made-again)).
- Lists take `limit` and `cursor`.
- `rpc.cancel` gives up a call; closing the connection gives up all of them.

## Calls that are made again

A mutating method takes `idempotency_key`, chosen by the caller, 1 to 200 bytes. The daemon records the call before it is
made and its answer after; both survive a crash, for seven days. Keys belong to the user who calls (in a sandbox: to that
sandbox), so nobody meets another's.

- The same key with the same method and arguments gives the first answer again; nothing happens a second time. While the
  first call is being made, a second one waits for its answer.
- With another method or other arguments it is `invalid_argument`.
- A call that was refused (any error but `unavailable`, `deadline_exceeded`, `cancelled` and `internal`) changed nothing:
  its key is new again, and so it is where one of these four came before anything was done.
- A call whose outcome is not known, since one of these four was its answer or the daemon ended before it, is never made a
  second time: `failed_precondition`, with what is known. Look whether it was done, then take a new key.
  `sandbox.create` is never in doubt: the same key finds the same sandbox.
- A call with a key does not end with its caller: neither `rpc.cancel` nor the end of the connection stops it, and the same
  key fetches its answer.
- What passes through a stream cannot be given again: a call that opens one (`stdin`, `stdout`, `data`, ...) together with
  a key is `invalid_argument`. Without streams such methods take a key: `exec.start` with
  `capture` has its output in the answer.
- An answer above 1 MiB is not kept: the same key then gives `failed_precondition`, and the call is not made again.

## Values

| type | what travels |
|---|---|
| boolean, integer, number | as they are; no integer above 2^53; a whole number may come as a float |
| string | str, always valid UTF-8, without NUL |
| bytes | bin; a str is taken too |
| path | str where it is valid UTF-8, else bin, without NUL |
| text | output of programs: str where it is valid UTF-8, else bin |
| list&lt;T&gt;, map&lt;T&gt; | array, map with string keys; `[]` is taken as an empty map |
| any | anything |

Names say units: times are UTC in `..._us`, durations `..._ms`, sizes `..._bytes`. In JSON, bytes are `{"b64": "..."}`.

## Streams

Bytes that do not fit into one message travel as streams. The caller of a method picks ids (an integer from 1, unique on the
connection while open; odd for the side that dialled the connection, even for the side that accepted it) and passes them as
parameters, such as `stdin: 1, stdout: 3`. Then either side sends `stream.data [{stream, data}]` until its
`stream.end [{stream, error?}]`. Each side may send {window} bytes on a fresh stream, and more when the other side gives
credit with `stream.credit [{stream, bytes}]`; sending more than that breaks the stream. Bytes may follow right behind the
request, before its answer; they are kept until the method opens the stream. `stream.end` without `error` ends one
direction; with one it ends the stream, and a side that was still sending answers with its own `stream.end`. An id is free
again when both sides have sent theirs. A call that is refused opens no stream: bytes sent for it are answered with
`stream.end` and `cancelled`.
)";

// Text inside a table cell: `|` would end it, `<` begin a tag (except in code, where it is shown as it is).
std::string cell(std::string_view text) {
  std::string out;
  bool code = false;
  for (const char c : text) {
    if (c == '`') code = !code;
    if (c == '|') {
      out += "\\|";
    } else if (c == '<' && !code) {
      out += "&lt;";
    } else if (c == '>' && !code) {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

// A type, with a link where it is described below: names of ours begin with a capital.
std::string type_link(std::string_view type) {
  for (const std::string_view container : {"list<", "map<"}) {
    if (type.starts_with(container)) {
      const std::string_view inner = type.substr(container.size(), type.size() - container.size() - 1);
      return fmt::format("{}&lt;{}&gt;", container.substr(0, container.size() - 1), type_link(inner));
    }
  }
  if (type.empty() || type.front() < 'A' || type.front() > 'Z') return std::string(type);
  std::string anchor(type);
  for (char& c : anchor) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (type == "ErrorCode") anchor = "errors";
  return fmt::format("[{}](#{})", type, anchor);
}

std::string note(const DiscoverField& field) {
  std::string out;
  const auto add = [&out](std::string_view text) {
    out += out.empty() ? "" : ", ";
    out += text;
  };
  if (field.required) add("required");
  if (!field.default_value.is_nil()) add(fmt::format("default `{}`", to_json(field.default_value)));
  if (field.min) add(fmt::format("at least {}", *field.min));
  if (field.max) add(fmt::format("at most {}", *field.max));
  if (field.max_length)
    add(fmt::format("up to {} {}", *field.max_length, field.type.find('<') != std::string::npos ? "entries" : "bytes"));
  if (field.non_empty) add("not empty");
  if (field.secret) add("secret");
  if (field.stream == "from_caller") add("stream from the caller");
  if (field.stream == "to_caller") add("stream to the caller");
  if (field.stream == "both") add("stream both ways");
  return out;
}

void table(std::string& out, const std::vector<DiscoverField>& fields, std::string_view title) {
  if (fields.empty()) return;
  out += fmt::format("\n| {} | type | | |\n|---|---|---|---|\n", title);
  for (const DiscoverField& field : fields) {
    out +=
        fmt::format("| `{}` | {} | {} | {} |\n", field.name, type_link(field.type), cell(note(field)), cell(field.doc));
  }
}

std::string_view callers(std::string_view caller) {
  if (caller == "host") return "clients on the host";
  if (caller == "tunnel") return "sandboxes, through their tunnel";
  if (caller == "both") return "clients on the host, and the other end of a tunnel";
  return "the daemon, on agentd";
}

void method(std::string& out, const DiscoverMethod& described) {
  out += fmt::format("\n### {}\n\n{}\n\nCalled by {}{}. Result: {}.\n", described.name, described.doc,
                     callers(described.caller), described.mutating ? "; mutating" : "",
                     described.result == "Empty" ? "an empty map" : type_link(described.result));
  // `idempotency_key` is explained once, above.
  std::vector<DiscoverField> params = described.params;
  std::erase_if(params, [](const DiscoverField& field) { return field.name == "idempotency_key"; });
  table(out, params, "parameter");
  for (const DiscoverChoice& choice : described.choices) {
    std::string names;
    for (const std::string& name : choice.fields) names += fmt::format("{}`{}`", names.empty() ? "" : ", ", name);
    out += fmt::format("\n{} one of {}.\n", choice.required ? "Exactly" : "At most", names);
  }
  if (!described.errors.empty()) out += "\nErrors beyond the usual:\n\n";
  for (const DiscoverError& error : described.errors) out += fmt::format("- `{}`: {}\n", error.code, error.when);
}

}  // namespace

std::string reference_markdown() {
  std::string out(kIntroduction);
  const std::string_view mark = "{window}";
  out.replace(out.find(mark), mark.size(), fmt::format("{}", kStreamWindowBytes));

  const RpcDiscoverReply daemon = discover(all_methods(), all_events(), all_notifications());
  const RpcDiscoverReply agentd = discover(agentd_methods(), {}, {});

  out +=
      "\n## Errors\n\nAny call may give `invalid_argument`, `permission_denied`, `unavailable`, `unimplemented`, "
      "`deadline_exceeded`, `cancelled`, `resource_exhausted` and `internal`; what a method gives beyond these, or "
      "gives "
      "with a meaning of its own, stands with it.\n\n| code | |\n|---|---|\n";
  for (const DiscoverValue& error : daemon.errors) out += fmt::format("| `{}` | {} |\n", error.name, cell(error.doc));

  out += "\n## Methods of swarmd\n";
  for (const DiscoverMethod& described : daemon.methods) method(out, described);

  out +=
      "\n## Methods of agentd\n\nThe daemon calls these over a sandbox's tunnel. Those that have the name of a method "
      "above are the same without `sandbox`.\n";
  std::string same;
  for (const DiscoverMethod& described : agentd.methods) {
    const bool known = std::ranges::find(daemon.methods, described.name, &DiscoverMethod::name) != daemon.methods.end();
    if (known) {
      same += fmt::format("{}`{}`", same.empty() ? "" : ", ", described.name);
    } else {
      method(out, described);
    }
  }
  out += fmt::format("\nThe same as above: {}.\n", same);

  out +=
      "\n## Events\n\nRecorded in the daemon's log, read by `events.list` and `events.subscribe`; the members are "
      "those of "
      "`data`.\n";
  for (const DiscoverEvent& event : daemon.events) {
    out += fmt::format("\n### {}\n\n{}\n", event.name, event.doc);
    table(out, event.data, "member");
  }

  out += "\n## Notifications\n";
  for (const DiscoverNotification& notification : daemon.notifications) {
    out += fmt::format("\n### {}\n\n{}{}\n", notification.name, notification.doc,
                       notification.positional ? " Its parameters are an array of these values, in order." : "");
    table(out, notification.params, "parameter");
  }

  out += "\n## Types\n";
  std::map<std::string, const DiscoverType*> types;
  for (const RpcDiscoverReply* reply : {&daemon, &agentd}) {
    for (const DiscoverType& type : reply->types) types.emplace(type.name, &type);
  }
  for (const auto& [name, type] : types) {
    if (name == "Empty" || name == "ErrorCode") continue;
    out += fmt::format("\n### {}\n\n{}\n", name, type->doc);
    table(out, type->fields, "member");
    if (!type->values.empty()) out += "\n| value | |\n|---|---|\n";
    for (const DiscoverValue& value : type->values) out += fmt::format("| `{}` | {} |\n", value.name, cell(value.doc));
  }
  return out;
}

}  // namespace swarm::api
