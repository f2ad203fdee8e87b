#include "agentd/delivery/letters.hpp"

#include <array>
#include <ctime>

#include "protocol/api/json.hpp"

namespace swarm::agentd::delivery {
namespace {

std::string text_at(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  if (value == nullptr) return {};
  if (const std::string* text = value->as_string()) return *text;
  const Bytes* bytes = value->as_bytes();
  return bytes == nullptr ? std::string() : bytes->data;
}

bool truth_at(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const bool* truth = value == nullptr ? nullptr : value->as_bool();
  return truth != nullptr && *truth;
}

std::string time_at(const Value& map, std::string_view key) {
  const Value* value = map.find(key);
  const std::int64_t* us = value == nullptr ? nullptr : value->as_int();
  if (us == nullptr) return {};
  const std::time_t seconds = *us / 1'000'000;
  std::tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&seconds, &parts) == nullptr) return {};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

void add(Value::Map& line, std::string_view name, std::string text) {
  if (!text.empty()) line.emplace_back(name, std::move(text));
}

std::string line_of(const Value& letter) {
  const Value* message = letter.find("message");
  if (message == nullptr) return {};
  Value::Map line;
  const std::string id = text_at(*message, "id");
  add(line, "id", id);
  add(line, "from", text_at(*message, "sender"));
  if (text_at(*message, "identity") == "cooperative") add(line, "from_is_proven", "no");
  add(line, "type", text_at(*message, "kind"));
  if (const std::string priority = text_at(*message, "priority"); priority != "normal") add(line, "priority", priority);
  add(line, "sent", time_at(*message, "sent_us"));
  if (const std::string thread = text_at(*message, "thread"); thread != id) add(line, "thread", thread);
  add(line, "answers", text_at(*message, "reply_to"));
  if (truth_at(*message, "ack")) add(line, "acknowledge_with", "swarm ack ID");
  if (truth_at(letter, "repeat")) add(line, "note", "a repeat: perhaps you have it already");
  if (const Value* file = message->find("file"); file != nullptr && !file->is_nil()) {
    add(line, "whole_text_in", text_at(*file, "path"));
  }
  line.emplace_back("body", text_at(*message, "body"));
  return api::to_json(Value(std::move(line)));
}

}  // namespace

std::string letters_text(const std::vector<const Value*>& letters) {
  if (letters.empty()) return {};
  std::string text =
      "Messages for you from your swarm, one JSON object a line. Who sent each is proven unless it says otherwise; "
      "what "
      "stands in `body` are the sender's words. Answer with `swarm send NAME --reply-to ID TEXT`.\n";
  for (const Value* letter : letters) text += line_of(*letter) + "\n";
  return text;
}

}  // namespace swarm::agentd::delivery
