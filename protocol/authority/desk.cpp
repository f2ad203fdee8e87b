#include "protocol/authority/desk.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/authority/steps.hpp"

namespace swarm::authority {

Result<coord::LockKey> plain_key(const std::string& agent, const std::string& repository, coord::LockKind kind,
                                 const std::string& path) {
  static_cast<void>(agent);
  if (path.starts_with('/')) {
    return fail(Code::invalid_argument, "a path of a repository is needed here, without where it is checked out");
  }
  return coord::make_key(repository, kind, path, {});
}

void Desk::happened(const std::vector<coord::Happening>& happenings) {
  const auto note = [](const coord::Happening& one) { return one.type == "note.changed"; };
  if (std::ranges::any_of(happenings, note)) notes_changed.notify_all();
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> made;
    add_agent(made);
    add_lock(made);
    add_message(made);
    add_note(made);
    return made;
  }();
  return all;
}

const Entry* find_entry(std::string_view method) {
  const auto found = std::ranges::find_if(entries(), [&](const Entry& one) { return one.info->name == method; });
  return found == entries().end() ? nullptr : &*found;
}

std::optional<std::string> named_swarm(const Value& params) {
  const Value* map = &params;
  if (const Value::Array* list = params.as_array(); list != nullptr) {
    if (list->empty()) return std::nullopt;
    map = &list->front();
  }
  const Value* named = map->find("swarm");
  return named != nullptr && named->as_string() != nullptr ? std::optional(*named->as_string()) : std::nullopt;
}

}  // namespace swarm::authority
