#include "daemon/log/log.hpp"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "daemon/log/line.hpp"

namespace swarm::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::trace:
      return spdlog::level::trace;
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

Level from_spdlog(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
      return Level::trace;
    case spdlog::level::debug:
      return Level::debug;
    case spdlog::level::info:
      return Level::info;
    case spdlog::level::warn:
      return Level::warn;
    default:
      return Level::error;
  }
}

/// Writes the finished line as it is.
class AsItIs final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    out.append(message.payload.begin(), message.payload.end());
    out.push_back('\n');
  }
  [[nodiscard]] std::unique_ptr<formatter> clone() const override { return std::make_unique<AsItIs>(); }
};

/// Stands before every other sink: makes the line, takes the secrets out and passes on what is left. No other way leads
/// to a sink, so nothing is written that has not been through here.
class RedactingSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  RedactingSink(spdlog::sink_ptr inner, config::LogFormat format, Colour colour, const secrets::Redactor& redactor)
      : inner_(std::move(inner)), format_(format), colour_(colour), redactor_(redactor) {
    inner_->set_formatter(std::make_unique<AsItIs>());
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    using std::chrono::duration_cast;
    using std::chrono::microseconds;
    Message parts;
    parts.time.us = duration_cast<microseconds>(message.time.time_since_epoch()).count();
    parts.level = from_spdlog(message.level);
    parts.component = {message.logger_name.data(), message.logger_name.size()};
    unpack({message.payload.data(), message.payload.size()}, parts);
    const std::string line = format_line(parts, format_, colour_, redactor_);
    inner_->log(spdlog::details::log_msg(message.time, {}, message.logger_name, message.level, line));
  }
  void flush_() override { inner_->flush(); }

  spdlog::sink_ptr inner_;
  config::LogFormat format_;
  Colour colour_;
  const secrets::Redactor& redactor_;
};

/// What all loggers share: they are made before `Logging` starts (as members of things) and after it ended (in
/// destructors).
struct Registry {
  std::mutex mutex;
  std::shared_ptr<spdlog::sinks::dist_sink_mt> sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  std::map<std::string, std::shared_ptr<spdlog::logger>> loggers;
  Level level = Level::info;
  std::map<std::string, Level> levels;

  Level level_of(const std::string& component) const {
    const auto own = levels.find(component);
    return own == levels.end() ? level : own->second;
  }
  void apply() {
    for (const auto& [name, logger] : loggers) logger->set_level(to_spdlog(level_of(name)));
  }
};

/// Never destroyed, so that a logger in a static object's destructor still finds it.
Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

std::shared_ptr<spdlog::logger> logger_of(const std::string& component) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::shared_ptr<spdlog::logger>& logger = all.loggers[component];
  if (!logger) {
    logger = std::make_shared<spdlog::logger>(component, all.sinks);
    logger->set_level(to_spdlog(all.level_of(component)));
    logger->flush_on(spdlog::level::info);
  }
  return logger;
}

/// The path of the regular file that a descriptor writes to, if it does.
std::filesystem::path file_behind(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return {};
  std::error_code error;
  std::filesystem::path path = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), error);
  return !error && std::filesystem::exists(path, error) ? path : std::filesystem::path();
}

Result<spdlog::sink_ptr> file_sink(const config::Log& settings, const std::filesystem::path& fallback) {
  const std::filesystem::path& path = settings.file.empty() ? fallback : settings.file;
  spdlog::file_event_handlers handlers;
  handlers.after_open = [](const spdlog::filename_t&, std::FILE* file) { (void)::fchmod(::fileno(file), 0600); };
  try {
    return std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path.string(), settings.max_size.bytes, settings.keep,
                                                                  false, handlers);
  } catch (const spdlog::spdlog_ex& error) {
    return fail(Code::failed_precondition, fmt::format("log file '{}': {}", path.string(), error.what()));
  }
}

}  // namespace

Field::Field(std::string_view key, double value)
    // JSON has no words for the others.
    : key_(key), text_(fmt::to_string(value)), bare_(std::isfinite(value)) {}

Logger::Logger(const std::string& component) : logger_(logger_of(component)) {}

bool Logger::enabled(Level level) const { return logger_->should_log(to_spdlog(level)); }

void Logger::write(Level level, std::string_view sentence, Fields fields) const {
  if (!enabled(level)) return;
  logger_->log(to_spdlog(level), spdlog::string_view_t(pack(sentence, fields)));
}

Result<std::unique_ptr<Logging>> Logging::start(const config::Log& settings, Target target,
                                                const std::filesystem::path& file, const secrets::Redactor& redactor) {
  Registry& all = registry();
  if (!all.sinks->sinks().empty()) return fail(Code::failed_precondition, "logging runs already");
  spdlog::sink_ptr inner;
  config::LogFormat format = settings.format;
  Colour colour = Colour::no;
  if (target == Target::file) {
    auto made = file_sink(settings, file);
    if (!made) return fail(made.error());
    inner = std::move(*made);
    if (format == config::LogFormat::automatic) format = config::LogFormat::json;
  } else {
    inner = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    format = resolve_format(format, STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
    // https://no-color.org
    const char* no_colour = std::getenv("NO_COLOR");
    if (::isatty(STDERR_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0')) colour = Colour::yes;
  }
  all.sinks->add_sink(std::make_shared<RedactingSink>(std::move(inner), format, colour, redactor));
  std::unique_ptr<Logging> logging(new Logging);
  logging->file_ = target == Target::file ? (settings.file.empty() ? file : settings.file) : file_behind(STDERR_FILENO);
  logging->set_levels(settings);
  return logging;
}

Logging::~Logging() {
  flush();
  registry().sinks->set_sinks({});
}

void Logging::set_levels(const config::Log& settings) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.level = settings.level;
  all.levels = settings.levels;
  all.apply();
}

void Logging::set_level(const std::string& component, Level level) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  (component.empty() ? all.level : all.levels[component]) = level;
  all.apply();
}

void Logging::flush() { registry().sinks->flush(); }

bool is_journal(int fd, const char* journal_stream) {
  struct stat info = {};
  if (journal_stream == nullptr || ::fstat(fd, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == journal_stream;
}

config::LogFormat resolve_format(config::LogFormat format, int fd, const char* journal_stream) {
  if (format != config::LogFormat::automatic) return format;
  if (is_journal(fd, journal_stream)) return config::LogFormat::journald;
  return ::isatty(fd) == 1 ? config::LogFormat::human : config::LogFormat::json;
}

}  // namespace swarm::log
