#include <catch2/catch.hpp>

#include <set>

#include "protocol/api/agentd.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/discover.hpp"
#include "protocol/api/events.hpp"
#include "protocol/api/inner.hpp"
#include "protocol/api/registry.hpp"
#include "wire_types.hpp"

using namespace swarm;
using namespace swarm::api;
using namespace swarm::api::tests;

namespace {

bool sentence(std::string_view doc) {
  return doc.size() > 3 && (doc.ends_with('.') || doc.ends_with(".`") || doc.ends_with(".)"));
}

const TypeInfo& bare(const TypeInfo& type) { return type.kind == TypeKind::optional ? bare(type.element()) : type; }

}  // namespace

TEST_CASE("every field, enum value and type is documented, and names say units") {
  for (const auto& [name, type] : wire_structs()) {
    INFO(name);
    CHECK(sentence(type->doc));
    for (const FieldInfo& field : type->fields) {
      INFO(field.name);
      CHECK(sentence(field.doc));
      const TypeInfo& kind = bare(field.type());
      CHECK(kind.is_duration == field.name.ends_with("_ms"));
      if (field.name.ends_with("_us") || field.name.ends_with("_bytes")) CHECK(kind.kind == TypeKind::integer);
      if (field.stream != StreamUse::none) CHECK((kind.kind == TypeKind::integer && field.minimum == 1));
      if (field.is_required) CHECK(field.type().kind != TypeKind::optional);
      std::set<std::string_view> values;
      for (const EnumValue& value : kind.values) {
        INFO(value.name);
        CHECK(sentence(value.doc));
        CHECK(values.insert(value.name).second);
      }
    }
  }
}

TEST_CASE("every method has a name, documentation, a map for a result, and errors beyond the usual") {
  for (const auto& methods : {all_methods(), agentd_methods(), inner_methods()}) {
    std::set<std::string_view> names;
    for (const MethodInfo* method : methods) {
      INFO(method->name);
      CHECK(names.insert(method->name).second);
      CHECK(method->name.find('.') != std::string_view::npos);
      CHECK(sentence(method->doc));
      CHECK(method->request().kind == TypeKind::structure);
      CHECK(method->response().kind == TypeKind::structure);
      for (const ErrorDoc& error : method->errors) {
        CHECK_FALSE(error.when.empty());
        CHECK(error.code != Code::invalid_argument);
        CHECK(error.code != Code::internal);
      }
      // A request that declares a common field itself would never see it.
      CHECK(std::ranges::find(method->request().fields, "idempotency_key", &FieldInfo::name) ==
            method->request().fields.end());
    }
  }
  for (const EventInfo* event : all_events())
    CHECK((sentence(event->doc) && event->data().kind == TypeKind::structure));
  for (const NotificationInfo* note : all_notifications()) CHECK(sentence(note->doc));
}

TEST_CASE("nothing that a sandbox must not reach is open to tunnels") {
  for (const MethodInfo* method : all_methods()) {
    INFO(method->name);
    CHECK(method->caller != Caller::daemon);
    if (method->caller == Caller::host) continue;
    for (const char* domain : {"sandbox.", "exec.", "files.", "forward.", "config.", "daemon.", "template.", "events.",
                               "limits.", "cost.", "budget.", "secret.", "pane.", "pool.", "db.", "e2b.", "team."}) {
      CHECK_FALSE(method->name.starts_with(domain));
    }
  }
}

TEST_CASE("agentd serves the clients' own methods without the sandbox") {
  for (const MethodInfo* method : agentd_methods()) {
    INFO(method->name);
    CHECK((method->caller == Caller::daemon || method->caller == Caller::both));
    for (const FieldInfo& field : method->request().fields) CHECK(field.name != "sandbox");
    const MethodInfo* outer = find_method(all_methods(), method->name);
    if (outer == nullptr || !method->name.starts_with("exec.")) continue;
    CHECK(outer->effect == method->effect);
    CHECK(outer->request().fields.size() == method->request().fields.size() + 1);
  }
  for (const MethodInfo* method : all_methods()) {
    if (!method->name.starts_with("exec.") && !method->name.starts_with("files.") &&
        !method->name.starts_with("pane.")) {
      continue;
    }
    INFO(method->name);
    CHECK(find_method(agentd_methods(), method->name) != nullptr);
    CHECK(method->request().fields.front().name == "sandbox");
  }
}

TEST_CASE("discovery tells everything, by name, with types listed once") {
  const RpcDiscoverReply reply = discover(all_methods(), all_events(), all_notifications());
  CHECK(reply.methods.size() == all_methods().size());
  CHECK(std::ranges::is_sorted(reply.methods, {}, &DiscoverMethod::name));
  std::set<std::string> types;
  for (const DiscoverType& type : reply.types) CHECK(types.insert(type.name).second);
  for (const DiscoverMethod& method : reply.methods) {
    INFO(method.name);
    CHECK(types.contains(method.result));
  }
  const auto start = std::ranges::find(reply.methods, "exec.start", &DiscoverMethod::name);
  REQUIRE(start != reply.methods.end());
  const auto grace = std::ranges::find(start->params, "grace_ms", &DiscoverField::name);
  REQUIRE(grace != start->params.end());
  CHECK(grace->default_value == Value(5000));
  CHECK(std::ranges::find(start->params, "stdin", &DiscoverField::name)->stream == "from_caller");
  CHECK(std::ranges::find(start->params, "env", &DiscoverField::name)->type == "map<string>");
  CHECK(start->params.front().required);
  CHECK(start->params.back().name == "idempotency_key");
  // What is sent is read by the same tables.
  const auto back = decode_reply<RpcDiscoverReply>(encode(reply));
  REQUIRE(back);
  CHECK(*back == reply);
  CHECK(discover(all_methods(), {}, {}, "exec.").methods.size() == 7);
}

TEST_CASE("a subscription's notification carries the event where the client wants it") {
  const Value event = Value::Map{{"seq", 1}};
  CHECK(notify_params({}, event) == Value(Value::Array{event}));
  NotifyTarget vim;
  vim.args = std::vector<Value>{"lua", Value::Array{"$event", 7}};
  CHECK(notify_params(vim, event) == Value(Value::Array{"lua", Value::Array{event, 7}}));
}
