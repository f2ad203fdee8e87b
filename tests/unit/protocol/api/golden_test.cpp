// The wire form of every struct, as it was when it was last looked at. A difference is a change of the protocol: when
// it is meant, SWARM_UPDATE_GOLDEN=1 writes the file anew, and the diff belongs into the commit.

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "protocol/api/codec.hpp"
#include "protocol/api/json.hpp"
#include "protocol/api/reference.hpp"
#include "wire_types.hpp"

using namespace swarm;
using namespace swarm::api;
using namespace swarm::api::tests;

namespace {

const std::string kSource = SWARM_SOURCE_DIR;

std::string read_file(const std::string& path) {
  const std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool updating() {
  const char* update = std::getenv("SWARM_UPDATE_GOLDEN");
  return update != nullptr && *update != '\0' && std::string_view(update) != "0";
}

// The same choices for the same type, on every machine: a linear congruential generator seeded by the name.
Choose choices_for(std::string_view name) {
  std::uint64_t state = 14'695'981'039'346'656'037U;
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  return [state](std::uint64_t below) mutable {
    state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    return below == 0 ? state >> 11U : (state >> 33U) % below;
  };
}

// The encoded form of what `value` is read as.
Value through(const TypeInfo& type, const Value& value) {
  const std::shared_ptr<void> object = type.make();
  const Result<void> read = decode_into(type, value, object.get(), Unknown::refuse);
  INFO((read ? std::string() : read.error().message));
  REQUIRE(read);
  return encode_from(type, object.get());
}

Value current() {
  Value::Map all;
  for (const auto& [name, type] : wire_structs()) {
    const Value full = through(*type, sample(*type, nullptr, Fill::all, choices_for(name)));
    const Value least = through(*type, sample(*type, nullptr, Fill::required, choices_for(name)));
    all.emplace_back(name, Value::Map{{"full", full}, {"least", least}});
  }
  return all;
}

}  // namespace

TEST_CASE("every wire struct looks as it did, both ways") {
  const std::string path = kSource + "/tests/fixtures/api/golden.json";
  if (updating()) std::ofstream(path, std::ios::binary) << to_json(current(), JsonStyle::indented) << '\n';
  const Result<Value> golden = value_from_json(read_file(path));
  INFO("SWARM_UPDATE_GOLDEN=1 writes " << path);
  REQUIRE(golden);
  const Value now = current();
  REQUIRE(golden->as_map() != nullptr);
  for (const auto& [name, forms] : *golden->as_map()) {
    INFO(name);
    const auto type = wire_structs().find(name);
    REQUIRE(type != wire_structs().end());
    CHECK(to_json(*now.find(name)) == to_json(forms));
    for (const char* form : {"full", "least"}) {
      REQUIRE(forms.find(form) != nullptr);
      CHECK(to_json(through(*type->second, *forms.find(form))) == to_json(*forms.find(form)));
    }
  }
  CHECK(golden->as_map()->size() == wire_structs().size());
}

TEST_CASE("docs/api.md is what the tables say") {
  const std::string path = kSource + "/docs/api.md";
  if (updating()) std::ofstream(path, std::ios::binary) << reference_markdown();
  INFO("SWARM_UPDATE_GOLDEN=1, or `api_reference > docs/api.md`, writes it");
  CHECK((read_file(path) == reference_markdown()));
}
