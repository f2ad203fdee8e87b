#include "wire_types.hpp"

#include <set>
#include <stdexcept>

#include "protocol/api/inner.hpp"
#include "protocol/api/registry.hpp"

namespace swarm::api::tests {
namespace {

void collect(std::map<std::string, const TypeInfo*>& out, const TypeInfo& type) {
  if (type.element != nullptr) return collect(out, type.element());
  if (type.kind != TypeKind::structure) return;
  // `sandbox` alone, or the choice between `sandbox` and `swarm`, stands before the fields of the tunnel's own struct.
  const auto& fields = type.fields;
  const bool in_sandbox = !fields.empty() && fields.front().name == "sandbox" &&
                          (fields.front().is_required || (fields.size() > 1 && fields[1].name == "swarm"));
  // Likewise `swarm`, for what the daemon finds the sandbox of.
  const bool in_swarm = !fields.empty() && fields.front().name == "swarm" && !fields.front().is_required;
  const auto [place, added] = out.emplace(type.name + (in_sandbox ? " in a sandbox"
                                                       : in_swarm ? " in a swarm"
                                                                  : ""),
                                          &type);
  if (!added && place->second != &type) throw std::logic_error("two wire structs are called " + place->first);
  if (!added) return;
  for (const FieldInfo& field : type.fields) collect(out, field.type());
}

std::string text(const FieldInfo* field, const Choose& choose, std::string_view alphabet) {
  const std::size_t longest = field == nullptr ? 12 : std::min<std::size_t>(12, field->longest);
  const std::size_t shortest = field != nullptr && field->is_non_empty ? 1 : 0;
  std::string out;
  const std::size_t size = shortest + choose(longest - shortest + 1);
  for (std::size_t i = 0; i < size; ++i) out += alphabet[choose(alphabet.size())];
  return out;
}

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789./ -_";

std::size_t entries(const FieldInfo* field, Fill fill, const Choose& choose) {
  if (fill == Fill::all) return 1;
  const bool non_empty = field != nullptr && field->is_non_empty;
  return non_empty ? 1 : choose(3);
}

// Which of the fields that exclude one another are there: tried until every choice is content.
std::set<std::string_view> choose_fields(const TypeInfo& type, const Choose& choose) {
  for (;;) {
    std::set<std::string_view> chosen;
    for (const Choice& choice : type.choices) {
      for (const std::string_view name : choice.fields) {
        if (choose(2) == 0) chosen.insert(name);
      }
    }
    const bool content = std::ranges::all_of(type.choices, [&](const Choice& choice) {
      const auto count =
          std::ranges::count_if(choice.fields, [&](std::string_view name) { return chosen.contains(name); });
      return count == 1 || (count == 0 && !choice.one_needed);
    });
    if (content) return chosen;
  }
}

bool wanted(const TypeInfo& type, const FieldInfo& field, Fill fill, const Choose& choose,
            const std::set<std::string_view>& chosen) {
  if (field.is_required || chosen.contains(field.name)) return true;
  for (const Choice& choice : type.choices) {
    if (std::ranges::find(choice.fields, field.name) != choice.fields.end()) return false;
  }
  return fill == Fill::all || (fill == Fill::some && choose(2) == 0);
}

}  // namespace

const std::map<std::string, const TypeInfo*>& wire_structs() {
  static const auto all = [] {
    std::map<std::string, const TypeInfo*> out;
    for (const auto& methods : {all_methods(), agentd_methods(), inner_methods()}) {
      for (const MethodInfo* method : methods) {
        collect(out, method->request());
        collect(out, method->response());
      }
    }
    for (const EventInfo* event : all_events()) collect(out, event->data());
    for (const NotificationInfo* notification : all_notifications()) collect(out, notification->params());
    return out;
  }();
  return all;
}

Value sample(const TypeInfo& type, const FieldInfo* field, Fill fill, const Choose& choose) {
  switch (type.kind) {
    case TypeKind::boolean:
      return choose(2) == 1;
    case TypeKind::integer: {
      std::int64_t low = type.lowest;
      std::int64_t high = type.highest;
      if (field != nullptr && field->minimum) low = std::max(low, static_cast<std::int64_t>(*field->minimum));
      if (field != nullptr && field->maximum) high = std::min(high, static_cast<std::int64_t>(*field->maximum));
      return low + static_cast<std::int64_t>(choose(static_cast<std::uint64_t>(high - low) + 1));
    }
    case TypeKind::number: {
      const double low = field != nullptr && field->minimum ? *field->minimum : 0;
      const double high = field != nullptr && field->maximum ? *field->maximum : low + 1000;
      return low + (high - low) * static_cast<double>(choose(1025)) / 1024.0;
    }
    case TypeKind::string:
      return text(field, choose, kLetters);
    case TypeKind::bytes:
      return Bytes{text(field, choose, std::string_view("\0\x80\xFFz", 4))};
    case TypeKind::path:
    case TypeKind::text: {
      if (choose(4) != 0) return text(field, choose, kLetters);
      return Bytes{"\xFF" + text(nullptr, choose, kLetters)};
    }
    case TypeKind::any:
      return Value::Map{{"any", Value::Array{static_cast<std::int64_t>(choose(100)), text(field, choose, kLetters)}}};
    case TypeKind::optional:
      return sample(type.element(), field, fill, choose);
    case TypeKind::list: {
      Value::Array array(entries(field, fill, choose));
      for (Value& item : array) item = sample(type.element(), nullptr, fill, choose);
      return array;
    }
    case TypeKind::dict: {
      Value::Map map;
      const std::size_t size = entries(field, fill, choose);
      for (std::size_t i = 0; i < size; ++i) {
        map.emplace_back("key" + std::to_string(i), sample(type.element(), nullptr, fill, choose));
      }
      return map;
    }
    case TypeKind::enumeration:
      return type.values[choose(type.values.size())].name;
    case TypeKind::structure: {
      Value::Map map;
      const std::set<std::string_view> chosen = choose_fields(type, choose);
      for (const FieldInfo& member : type.fields) {
        if (!wanted(type, member, fill, choose, chosen)) continue;
        Value value = sample(member.type(), &member, fill, choose);
        // An empty list counts as no choice.
        if (chosen.contains(member.name) && value == Value(Value::Array{})) value = Value::Array{"one"};
        map.emplace_back(std::string(member.name), std::move(value));
      }
      return map;
    }
  }
  return {};
}

}  // namespace swarm::api::tests
