#pragma once
// What a model's answer says that it used: read along while the answer passes, from the event streams and the JSON
// documents of Anthropic's, OpenAI's and Google's interfaces.

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/core/value.hpp"

namespace swarm::model {

struct Used {
  std::string model;
  std::int64_t input = 0;  ///< without what came from a cache or went into one
  std::int64_t output = 0;
  std::int64_t cache_read = 0;
  std::int64_t cache_write = 0;
  [[nodiscard]] bool any() const { return input + output + cache_read + cache_write > 0; }
};

class UsageReader {
 public:
  enum class Shape { events, document };
  explicit UsageReader(Shape shape) : shape_(shape) {}

  /// The next bytes of the answer.
  void take(std::string_view bytes);
  /// What all of it said.
  [[nodiscard]] Used finish();

 private:
  void line(std::string_view text);
  void document(const Value& value);

  Shape shape_;
  std::string kept_;
  bool too_long_ = false;
  Used used_;
};

}  // namespace swarm::model
