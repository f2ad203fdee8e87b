#include "daemon/providers/e2b/json.hpp"

#include <fmt/format.h>

namespace swarm::e2b {
namespace {

// The answers of the service: none of them is nested deeper.
constexpr int kDepthMost = 32;

}  // namespace

Json parse_json(std::string_view text) {
  bool too_deep = false;
  auto json = Json::parse(
      text,
      [&too_deep](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > kDepthMost;
        return depth <= kDepthMost;
      },
      false);
  return too_deep ? Json(Json::value_t::discarded) : json;
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::unexpected<Error> no_answer(std::string_view who, std::string_view what) {
  return fail(Code::internal, fmt::format("{}'s answer is no {}", who, what));
}

}  // namespace swarm::e2b
