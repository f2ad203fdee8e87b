#include <catch2/catch.hpp>

#include "protocol/api/codec.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/api/exec.hpp"
#include "protocol/api/registry.hpp"
#include "protocol/api/sandbox.hpp"

using namespace swarm;
using namespace swarm::api;

namespace {

enum class Color { red, green, other };

template <class D>
void describe_enum(D& d, Color*) {
  d.type("Color", "A colour.");
  d.value("red", Color::red, "Red.");
  d.value("green", Color::green, "Green.");
  d.value("other", Color::other, "Another.");
  d.unknown(Color::other);
}

struct Item {
  std::string name;
  std::optional<std::uint32_t> count;

  template <class D>
  static void describe(D& d) {
    d.type("Item", "A thing.");
    d.field("name", &Item::name, "Its name.").required().non_empty().max_length(8);
    d.field("count", &Item::count, "How many.").min(1).max(9);
  }
};

struct Everything {
  bool flag = false;
  int small = 0;
  std::int64_t wide = 0;
  std::uint64_t size = 0;
  double ratio = 0;
  Bytes data;
  Path path;
  Text text;
  Value any;
  std::vector<Item> items;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> env;
  std::optional<Color> color;
  std::chrono::milliseconds timeout_ms{250};
  std::optional<std::string> left;
  std::optional<std::string> right;

  template <class D>
  static void describe(D& d) {
    d.type("Everything", "Every kind of member.");
    d.field("flag", &Everything::flag, "A flag.");
    d.field("small", &Everything::small, "An int.");
    d.field("wide", &Everything::wide, "An int64.");
    d.field("size", &Everything::size, "A uint64.");
    d.field("ratio", &Everything::ratio, "A double.").min(0).max(1);
    d.field("data", &Everything::data, "Bytes.");
    d.field("path", &Everything::path, "A path.");
    d.field("text", &Everything::text, "Text.");
    d.field("any", &Everything::any, "Anything.");
    d.field("items", &Everything::items, "Things.").max_length(3);
    d.field("labels", &Everything::labels, "Labels.");
    d.field("env", &Everything::env, "Secrets.").secret();
    d.field("color", &Everything::color, "A colour.");
    d.field("timeout_ms", &Everything::timeout_ms, "How long.");
    d.field("left", &Everything::left, "One of two.");
    d.field("right", &Everything::right, "The other.");
    d.at_most_one({"left", "right"});
  }
};

Value map(Value::Map members) { return members; }

// The text of the error that a request with this one field gives.
std::string error_of(std::string_view field, Value value) {
  const auto read = decode_request<Everything>(map({{std::string(field), std::move(value)}}));
  return read ? "no error" : read.error().message;
}

std::string item_error(Value item) { return error_of("items", Value::Array{map({{"name", "a"}}), std::move(item)}); }

}  // namespace

TEST_CASE("an absent field keeps its default") {
  const auto read = decode_request<Everything>(map({}));
  REQUIRE(read);
  CHECK(read->timeout_ms == std::chrono::milliseconds(250));
  CHECK_FALSE(read->color);
}

TEST_CASE("nil counts as absent, an empty array as an empty map") {
  const auto read =
      decode_request<Everything>(map({{"flag", nullptr}, {"timeout_ms", nullptr}, {"labels", Value::Array{}}}));
  REQUIRE(read);
  CHECK(read->timeout_ms == std::chrono::milliseconds(250));
  CHECK(decode_request<Item>(map({{"name", nullptr}})).error().message == "missing required field 'name': Its name.");
  CHECK(decode_request<Everything>(Value::Array{}));
  CHECK(decode_request<Everything>(nullptr));
}

TEST_CASE("every kind of member is read") {
  const auto read = decode_request<Everything>(map({
      {"flag", true},
      {"small", -5},
      {"wide", 7.0},
      {"size", kMaxInteger},
      {"ratio", 1},
      {"data", "text"},
      {"path", Bytes{"\xFF"}},
      {"text", Bytes{"a"}},
      {"any", Value::Array{1, "x"}},
      {"items", Value::Array{map({{"name", "a"}, {"count", 2}})}},
      {"labels", map({{"k", "v"}})},
      {"color", "green"},
      {"timeout_ms", 10},
  }));
  REQUIRE(read);
  CHECK(read->flag);
  CHECK(read->small == -5);
  CHECK(read->wide == 7);
  CHECK(read->size == static_cast<std::uint64_t>(kMaxInteger));
  CHECK(read->ratio == 1.0);
  CHECK(read->data == Bytes{"text"});
  CHECK(read->path == Path("\xFF"));
  CHECK(read->items.at(0).count == 2U);
  CHECK(read->labels.at("k") == "v");
  CHECK(read->color == Color::green);
  CHECK(read->timeout_ms == std::chrono::milliseconds(10));
}

TEST_CASE("errors name the field, what was expected and what came") {
  CHECK(error_of("flag", 1) == "'flag': expected true or false, got the integer 1");
  CHECK(error_of("small", "x\n") == "'small': expected an integer, got 'x\\x0a'");
  CHECK(error_of("small", 1.5) == "'small': expected an integer, got the number 1.5");
  CHECK(error_of("small", std::int64_t{1} << 40) ==
        "'small': expected an integer from -2147483648 to 2147483647, got the integer 1099511627776");
  CHECK(error_of("size", -1) == "'size': expected an integer of at least 0, got the integer -1");
  CHECK(
      error_of("wide", UINT64_MAX) ==
      "'wide': expected an integer from -9007199254740992 to 9007199254740992 (no integer above 2^53 travels), got the "
      "integer 18446744073709551615");
  CHECK(error_of("ratio", 1.5) == "'ratio': expected a number of at most 1, got the number 1.5");
  CHECK(error_of("ratio", std::numeric_limits<double>::infinity()) ==
        "'ratio': expected a finite number, got the number inf");
  CHECK(error_of("data", Value::Array{1}) == "'data': expected bytes or a string, got an array of 1");
  CHECK(error_of("path", std::string("a\0b", 3)) == "'path': must not contain a NUL character");
  CHECK(error_of("color", "gren") ==
        "'color': expected one of 'red', 'green', 'other'; got 'gren'; did you mean 'green'?");
  CHECK(error_of("labels", Value::Array{1}) == "'labels': expected a map, got an array of 1");
  CHECK(error_of("labels", map({{"a", 1}})) == "'labels.a': expected a string, got the integer 1");
  CHECK(error_of("labels", map({{"a b\n", 1}})) == "'labels[\"a b\\x0a\"]': expected a string, got the integer 1");
  CHECK(error_of("labels", map({{"a", "1"}, {"a", "2"}})) == "'labels.a': occurs twice");
  CHECK(error_of("labels", map({{"a", "\xFF"}})) ==
        "'labels.a': expected a string in UTF-8, got one with malformed bytes");
  CHECK(error_of("any", Value::Array{map({{"a", 1}, {"a", 1}})}) == "'any[0].a': occurs twice");
  CHECK(error_of("items", Ext{.type = 3, .data = ""}) == "'items': expected an array, got an extension of type 3");
  CHECK(error_of("timeout_ms", -1) == "'timeout_ms': expected an integer of at least 0, got the integer -1");
  CHECK(item_error(1) == "'items[1]': expected a map, got the integer 1");
  CHECK(item_error(map({{"name", 2}})) == "'items[1].name': expected a string, got the integer 2");
  CHECK(item_error(map({{"name", ""}})) == "'items[1].name': must not be empty");
  CHECK(item_error(map({{"name", "123456789"}})) == "'items[1].name': must have at most 8 bytes, has 9");
  CHECK(item_error(map({{"name", "a"}, {"count", 10}})) ==
        "'items[1].count': expected an integer from 1 to 9, got the integer 10");
  CHECK(item_error(map({})) == "missing required field 'items[1].name': Its name.");
  CHECK(item_error(map({{"nam", "a"}})) == "unknown field 'items[1].nam'; did you mean 'name'?");
  CHECK(item_error(map({{"quite_other", "a"}})) ==
        "unknown field 'items[1].quite_other'; the fields are 'name', 'count'");
  CHECK(error_of("text", map({})) == "'text': expected a string or bytes, got a map of 0");
  CHECK(decode_request<Item>(map({{"name", "a"}, {"name", "b"}})).error().message == "'name': occurs twice");
  CHECK(decode_request<Item>(5).error().message == "parameters: expected a map, got the integer 5");
  CHECK(error_of("data", std::string(1000, 'x')).size() < 100);
  CHECK(decode_request<Item>(5).error().code == Code::invalid_argument);
}

TEST_CASE("a secret value is never quoted") {
  CHECK(error_of("env", map({{"TOKEN", 12345}})) == "'env.TOKEN': expected a string, got an integer");
  CHECK(error_of("env", "hunter2") == "'env': expected a map, got a string");
}

TEST_CASE("fields that exclude one another") {
  CHECK(decode_request<Everything>(map({{"left", "a"}})));
  CHECK(decode_request<Everything>(map({{"left", "a"}, {"right", nullptr}})));
  CHECK(decode_request<Everything>(map({{"left", "a"}, {"right", "b"}})).error().message ==
        "parameters: expected only one of 'left', 'right'; got 'left' and 'right'");
  CHECK(decode_request<ExecStartRequest>(map({})).error().message ==
        "parameters: expected one of 'argv', 'command'; got none");
  CHECK(decode_request<ExecStartRequest>(map({{"argv", Value::Array{}}})).error().message ==
        "parameters: expected one of 'argv', 'command'; got none");
  CHECK(decode_request<ExecStartRequest>(map({{"argv", Value::Array{}}, {"command", "ls"}})));
}

TEST_CASE("a reply from a newer peer is read") {
  const auto read =
      decode_reply<Everything>(map({{"color", "violet"}, {"new_field", 1}, {"left", "a"}, {"right", "b"}}));
  REQUIRE(read);
  CHECK(read->color == Color::other);
  CHECK(decode_reply<Everything>(map({{"flag", 1}})).error().message ==
        "'flag': expected true or false, got the integer 1");
  CHECK_FALSE(decode_reply<Item>(map({})));
}

TEST_CASE("parameters are an array of one map") {
  for (const Value& empty : {Value(), Value(Value::Array{}), Value(Value::Array{Value()}),
                             Value(Value::Array{Value(Value::Array{})}), Value(Value::Array{map({})}), map({})}) {
    const auto call = decode_call(kSandboxCreate, empty);
    REQUIRE(call);
    CHECK_FALSE(call->common.idempotency_key);
  }
  CHECK(decode_call(kSandboxCreate, Value::Array{map({}), 1}).error().message ==
        "parameters: expected an array of one map of named arguments, got an array of 2");
  CHECK(decode_call(kSandboxCreate, Value::Array{"secret"}).error().message ==
        "parameters: expected one map of named arguments, got a string");
  CHECK(decode_call(kSandboxCreate, Value::Array{map({{"tempalte", "x"}})}).error().message ==
        "unknown field 'tempalte'; did you mean 'template'?");
}

TEST_CASE("a mutating method takes an idempotency key that its request does not declare") {
  const auto call = decode_call(kSandboxCreate, Value::Array{map({{"idempotency_key", "k"}, {"name", "n"}})});
  REQUIRE(call);
  CHECK(call->common.idempotency_key == "k");
  CHECK(call->request.name == "n");
  CHECK(decode_call(kSandboxCreate, Value::Array{map({{"idempotency_key", ""}})}).error().message ==
        "'idempotency_key': must not be empty");
  CHECK(decode_call(kSandboxCreate, Value::Array{map({{"idempotency_key", "a"}, {"idempotency_key", "a"}})})
            .error()
            .message == "'idempotency_key': occurs twice");
  CHECK_FALSE(decode_call(kSandboxList, Value::Array{map({{"idempotency_key", "k"}})}));
  const Value sent = encode_call(kSandboxCreate, call->request, call->common);
  const auto back = decode_call(kSandboxCreate, sent);
  REQUIRE(back);
  CHECK(back->request == call->request);
  CHECK(back->common == call->common);
}

TEST_CASE("a request in a sandbox carries its fields beside `sandbox`") {
  const auto call = decode_call(
      kExecStart, Value::Array{map({{"sandbox", "sabc"}, {"argv", Value::Array{"ls", "-l"}}, {"stdout", 1}})});
  REQUIRE(call);
  CHECK(call->request.sandbox == "sabc");
  const ExecStartRequest& inner = call->request;
  CHECK(inner.argv == std::vector<std::string>{"ls", "-l"});
  CHECK(inner.stdout_stream == 1U);
  CHECK(encode(inner).find("sandbox") == nullptr);
  CHECK(decode_call(kExecStart, Value::Array{map({{"argv", Value::Array{"ls"}}})})
            .error()
            .message.starts_with("missing required field 'sandbox'"));
}

TEST_CASE("encoding never fails and never breaks the contract of values") {
  Everything all;
  all.size = UINT64_MAX;
  all.wide = INT64_MIN;
  all.ratio = std::numeric_limits<double>::quiet_NaN();
  all.path = Path("\xFF");
  all.text = Text{"fine"};
  all.labels["\xFF"] = "\xFF";
  all.color = Color::red;
  const Value value = encode(all);
  CHECK(*value.find("size") == Value(kMaxInteger));
  CHECK(*value.find("wide") == Value(-kMaxInteger));
  CHECK(value.find("ratio")->is_nil());
  CHECK(*value.find("path") == Value(Bytes{"\xFF"}));
  CHECK(*value.find("text") == Value("fine"));
  CHECK(*value.find("labels") == map({{"\xEF\xBF\xBD", "\xEF\xBF\xBD"}}));
  CHECK(*value.find("color") == Value("red"));
  CHECK(value.find("left") == nullptr);
  CHECK(value.find("any") == nullptr);
}

TEST_CASE("an unknown method gets the nearest name") {
  CHECK(unknown_method(all_methods(), "sandbox.craete").to_string() ==
        "unimplemented: unknown method 'sandbox.craete'; did you mean 'sandbox.create'?");
  CHECK(find_method(all_methods(), "exec.start") == &kExecStart);
}
