#pragma once
// Logging for the daemon. One named logger per component; a sentence and fields, never a formatted blob:
//
//   log::logger<"pool">().info("sandbox claimed", {{"sandbox", id}, {"waited_ms", 12}});
//
// Levels: error, a person must look; warn, odd but handled; info, the life of things; debug, the flow. What is written
// passes the redactor twice: the sentence and each value before they are escaped, and the finished line.
//
//   human     12:30:01.250 info  pool: sandbox claimed sandbox=s... waited_ms=12        (coloured on a terminal)
//   json      {"time":"...Z","level":"info","component":"pool","message":"sandbox
//   claimed","sandbox":"s...","waited_ms":12} journald  <6>pool: sandbox claimed sandbox=s... waited_ms=12 (the journal
//   keeps the time)

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/config/config.hpp"
#include "daemon/secrets/redactor.hpp"
#include "protocol/core/error.hpp"

namespace spdlog {
class logger;
}

namespace swarm::log {

using Level = config::LogLevel;

/// One `key=value`. Numbers and booleans stay such in JSON.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), text_(value) {}  // NOLINT: terse at the call
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}  // NOLINT
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}         // NOLINT
  Field(std::string_view key, bool value) : key_(key), text_(value ? "true" : "false"), bare_(true) {}
  Field(std::string_view key, std::integral auto value) : key_(key), text_(std::to_string(value)), bare_(true) {}
  Field(std::string_view key, double value);
  /// The error's code and message under one key.
  Field(std::string_view key, const Error& error) : key_(key), text_(error.to_string()) {}

  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] bool bare() const { return bare_; }

 private:
  std::string_view key_;
  std::string text_;
  bool bare_ = false;
};

using Fields = std::initializer_list<Field>;

/// The logger of one component. Cheap to make and to copy; two of the same name are the same logger. Safe from every
/// thread. Without a running `Logging` it writes nothing.
class Logger {
 public:
  explicit Logger(const std::string& component);

  void trace(std::string_view sentence, Fields fields = {}) const { write(Level::trace, sentence, fields); }
  void debug(std::string_view sentence, Fields fields = {}) const { write(Level::debug, sentence, fields); }
  void info(std::string_view sentence, Fields fields = {}) const { write(Level::info, sentence, fields); }
  void warn(std::string_view sentence, Fields fields = {}) const { write(Level::warn, sentence, fields); }
  void error(std::string_view sentence, Fields fields = {}) const { write(Level::error, sentence, fields); }

  /// True if a message of that level would be written: to skip the work of making one.
  [[nodiscard]] bool enabled(Level level) const;

 private:
  void write(Level level, std::string_view sentence, Fields fields) const;

  std::shared_ptr<spdlog::logger> logger_;  // shared with the registry and other Loggers of the name
};

/// What a component is called, as the argument of a template: up to 15 letters.
struct Component {
  char text[16] = {};
  template <std::size_t kSize>
  consteval Component(const char (&name)[kSize]) {  // NOLINT(google-explicit-constructor): a literal is one
    static_assert(kSize <= sizeof(text));
    for (std::size_t i = 0; i < kSize; ++i) text[i] = name[i];
  }
};

/// The logger of a component, made when it is first asked for: `logger<"pool">().info(...)`.
template <Component kComponent>
const Logger& logger() {
  static const Logger made{std::string(kComponent.text)};
  return made;
}

/// Where lines go.
enum class Target {
  standard_error,
  file,  ///< for a daemon in the background: rotated, mode 0600
};

/// Logging while it lives. One at a time.
class Logging {
 public:
  /// `file` is used for `Target::file` when the configuration names none. The redactor must outlive this object.
  [[nodiscard]] static Result<std::unique_ptr<Logging>> start(const config::Log& settings, Target target,
                                                              const std::filesystem::path& file,
                                                              const secrets::Redactor& redactor);
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;
  /// Flushes; later messages go nowhere.
  ~Logging();

  /// Takes the levels of changed settings over, at run time.
  void set_levels(const config::Log& settings);

  /// The level of one component, or of all without one of their own (empty name).
  void set_level(const std::string& component, Level level);

  void flush();

  /// The file that lines go to, also where standard error is one; empty when they go to the journal or a terminal.
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  Logging() = default;

  std::filesystem::path file_;
};

/// True if descriptor `fd` is the stream that $JOURNAL_STREAM ("device:inode") names: then the journal reads it.
[[nodiscard]] bool is_journal(int fd, const char* journal_stream);

/// The format that `automatic` means for `fd`.
[[nodiscard]] config::LogFormat resolve_format(config::LogFormat format, int fd, const char* journal_stream);

}  // namespace swarm::log
