#include "daemon/model/usage.hpp"

#include <algorithm>

#include "protocol/api/json.hpp"

namespace swarm::model {
namespace {

/// A line or document above this is passed on and not looked at.
constexpr std::size_t kMost = std::size_t{8} << 20U;

/// No answer uses more tokens than this (contexts end at a few million); what claims to is taken for this many, so that
/// sums of counts, and their prices later, stay far from an overflow.
constexpr std::int64_t kMostTokens = 1'000'000'000'000;

std::int64_t number(const Value* map, std::string_view key) {
  const Value* value = map == nullptr ? nullptr : map->find(key);
  const std::int64_t* found = value == nullptr ? nullptr : value->as_int();
  return found == nullptr ? 0 : std::clamp<std::int64_t>(*found, 0, kMostTokens);
}

std::string text(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const std::string* found = value == nullptr ? nullptr : value->as_string();
  return found == nullptr ? std::string() : *found;
}

/// Counts only grow within an answer, and a later part may leave out what an earlier one said.
void raise(std::int64_t& count, std::int64_t said) { count = std::max(count, said); }

}  // namespace

void UsageReader::take(std::string_view bytes) {
  if (shape_ == Shape::document) {
    if (too_long_ || kept_.size() + bytes.size() > kMost) {
      too_long_ = true;
      kept_.clear();
    } else {
      kept_ += bytes;
    }
    return;
  }
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (!too_long_ && kept_.size() + std::min(end, bytes.size()) <= kMost) {
      kept_ += bytes.substr(0, end);
    } else {
      too_long_ = true;
      kept_.clear();
    }
    if (end == std::string_view::npos) return;
    if (!too_long_) line(kept_);
    kept_.clear();
    too_long_ = false;
    bytes.remove_prefix(end + 1);
  }
}

Used UsageReader::finish() {
  if (!kept_.empty() && !too_long_) {
    if (shape_ == Shape::events) {
      line(kept_);
    } else if (const Result<Value> value = api::value_from_json(kept_)) {
      document(*value);
    }
  }
  kept_.clear();
  return used_;
}

void UsageReader::line(std::string_view text_of) {
  if (!text_of.starts_with("data:")) return;
  text_of.remove_prefix(5);
  // Most events are pieces of text and say nothing of use.
  if (text_of.find("\"usage") == std::string_view::npos) return;
  const Result<Value> value = api::value_from_json(text_of);
  if (value) document(*value);
}

void UsageReader::document(const Value& value) {
  // Anthropic's `message_start` and OpenAI's `response.completed` have it one level down.
  for (const char* inner : {"message", "response"}) {
    if (const Value* nested = value.find(inner); nested != nullptr && nested->as_map() != nullptr) document(*nested);
  }
  for (const char* key : {"model", "modelVersion"}) {
    if (std::string model = text(value, key); !model.empty()) used_.model = std::move(model);
  }
  if (const Value* usage = value.find("usage"); usage != nullptr && usage->as_map() != nullptr) {
    const std::int64_t cached = number(usage->find("input_tokens_details"), "cached_tokens") +
                                number(usage->find("prompt_tokens_details"), "cached_tokens");
    raise(used_.input,
          std::max<std::int64_t>(number(usage, "input_tokens") + number(usage, "prompt_tokens") - cached, 0));
    raise(used_.output, number(usage, "output_tokens") + number(usage, "completion_tokens"));
    raise(used_.cache_read, number(usage, "cache_read_input_tokens") + cached);
    raise(used_.cache_write, number(usage, "cache_creation_input_tokens"));
  }
  if (const Value* usage = value.find("usageMetadata"); usage != nullptr && usage->as_map() != nullptr) {
    const std::int64_t cached = number(usage, "cachedContentTokenCount");
    raise(used_.input, std::max<std::int64_t>(number(usage, "promptTokenCount") - cached, 0));
    raise(used_.output, number(usage, "candidatesTokenCount") + number(usage, "thoughtsTokenCount"));
    raise(used_.cache_read, cached);
  }
}

}  // namespace swarm::model
