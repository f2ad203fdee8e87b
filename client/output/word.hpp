#pragma once
// The words of the interface, for people.

#include <string>

#include "protocol/api/codec.hpp"

namespace swarm::client {

/// The name that a type's table gives to a value: "waiting_for_review".
template <class E>
std::string word(E value) {
  const Value text = api::encode(value);
  return text.as_string() == nullptr ? std::string("?") : *text.as_string();
}

}  // namespace swarm::client
