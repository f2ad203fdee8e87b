#pragma once
// Takes secrets out of text before it reaches a log, a terminal, an event or an error. Two kinds are known: the values
// that were registered, in every usual encoding (forms.hpp), and text that looks like a key whoever it belongs to
// (protocol/core/known_keys.hpp). Each is replaced by "[redacted:NAME]".
//
// Where matches overlap, all of what they cover goes. A `RedactingStream` finds what is split over several writes: it
// holds back only the end of a write that may be the beginning of a secret.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/secrets/secret_string.hpp"
#include "protocol/core/error.hpp"

namespace swarm::secrets {

namespace detail {
class Table;
}

/// What is looked for. Safe to use from every thread; the registered values change rarely and are read without waiting.
class Redactor {
 public:
  Redactor();
  Redactor(const Redactor&) = delete;
  Redactor& operator=(const Redactor&) = delete;
  ~Redactor();

  /// Registers a value under a name; an earlier value of that name stays redacted too (it may still turn up in output).
  /// `invalid_argument` for values shorter than 6 bytes, which occur by chance, or longer than 64 KiB.
  Result<void> add(std::string name, const SecretString& value);

  /// `text` without secrets. `text` is taken as whole: a secret cut off at its end is found only as far as a key's own
  /// pattern tells it.
  [[nodiscard]] std::string redact(std::string_view text) const;

 private:
  friend class RedactingStream;
  [[nodiscard]] std::shared_ptr<const detail::Table> table() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const detail::Table> table_;  // guarded by mutex_; shared with the calls that read it
};

/// Redacts a stream that arrives in pieces. One thread at a time; the redactor must outlive it.
class RedactingStream {
 public:
  explicit RedactingStream(const Redactor& redactor) : redactor_(redactor) {}
  RedactingStream(const RedactingStream&) = delete;
  RedactingStream& operator=(const RedactingStream&) = delete;
  ~RedactingStream() { wipe(held_); }

  /// Takes the next piece and returns what may be shown by now.
  [[nodiscard]] std::string feed(std::string_view piece);

  /// The rest, at the end of the stream.
  [[nodiscard]] std::string finish();

  /// Bytes held back: at most as long as the longest form of a secret.
  [[nodiscard]] std::size_t held() const { return held_.size(); }

  /// What is being swallowed after a match, to the end of its token, line or block.
  enum class Mode { text, token, line, block };

 private:
  const Redactor& redactor_;
  std::string held_;
  Mode mode_ = Mode::text;
  std::size_t rule_ = 0;
  char before_ = '\n';
};

}  // namespace swarm::secrets
