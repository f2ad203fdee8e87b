#include "daemon/log/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "daemon/log/line.hpp"
#include "protocol/core/unique_fd.hpp"

using namespace swarm;
using namespace swarm::log;
using config::LogFormat;

namespace {

std::string line(LogFormat format, std::string_view sentence, Fields fields, const secrets::Redactor& redactor,
                 Level level = Level::info, Colour colour = Colour::no) {
  const std::string packed = pack(sentence, fields);
  Message message{.time = {1'800'000'000'123'456}, .level = level, .component = "pool", .sentence = {}, .items = {}};
  unpack(packed, message);
  return format_line(message, format, colour, redactor);
}

struct Directory {
  std::filesystem::path path;
  Directory() {
    std::string pattern = "/tmp/swarm-log-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Directory() { std::filesystem::remove_all(path); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
};

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Sends stderr into a file for its lifetime.
struct StderrTo {
  UniqueFd saved{::dup(STDERR_FILENO)};
  explicit StderrTo(const std::filesystem::path& path) {
    const UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ::dup2(file.get(), STDERR_FILENO);
  }
  ~StderrTo() { ::dup2(saved.get(), STDERR_FILENO); }
  StderrTo(const StderrTo&) = delete;
  StderrTo& operator=(const StderrTo&) = delete;
};

}  // namespace

TEST_CASE("the three formats") {
  const secrets::Redactor redactor;
  const Fields fields = {{"sandbox", "s1"}, {"why", "no room"}, {"ms", 12}, {"warm", true}, {"load", 0.5}};
  CHECK(line(LogFormat::journald, "claimed", fields, redactor, Level::warn) ==
        "<4>pool: claimed sandbox=s1 why=\"no room\" ms=12 warm=true load=0.5");
  CHECK(line(LogFormat::json, "claimed", fields, redactor) ==
        R"({"time":"2027-01-15T08:00:00.123456Z","level":"info","component":"pool","message":"claimed","sandbox":"s1",)"
        R"("why":"no room","ms":12,"warm":true,"load":0.5})");
  const std::string human = line(LogFormat::human, "claimed", fields, redactor);
  CHECK(human.substr(8) == ".123 info  pool: claimed sandbox=s1 why=\"no room\" ms=12 warm=true load=0.5");
  CHECK(line(LogFormat::human, "x", {}, redactor, Level::error, Colour::yes).find("\x1b[31merror\x1b[0m pool: x") !=
        std::string::npos);
}

TEST_CASE("a message cannot forge lines, colours or fields") {
  const secrets::Redactor redactor;
  const std::string evil =
      "a\nb\r\x1b[31m\x1f"
      "k\x1e"
      "v\xff\xc2\x9b";
  for (const LogFormat format : {LogFormat::human, LogFormat::json, LogFormat::journald}) {
    const std::string out = line(format, evil, {{"key", evil}}, redactor);
    INFO(out);
    CHECK(std::ranges::none_of(out, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f' || c == '\xff'; }));
    if (format == LogFormat::json) CHECK(nlohmann::json::parse(out).size() == 5);
  }
}

TEST_CASE("planted secrets are in no format, field or encoding") {
  secrets::Redactor redactor;
  REQUIRE(redactor.add("k", secrets::SecretString("hunter\n22\"x")));
  const std::vector<std::string> planted = {"hunter\n22\"x", "hunter\\n22\\\"x", "68756e7465720a32322278",
                                            "aHVudGVyCjIyIng=", "hunter%0A22%22x"};
  for (const LogFormat format : {LogFormat::human, LogFormat::json, LogFormat::journald}) {
    for (const std::string& secret : planted) {
      const std::string out =
          line(format, "got " + secret + " here", {{"value", secret}, {"in", "<" + secret + ">"}}, redactor);
      INFO(out);
      CHECK(out.find("hunter") == std::string::npos);
      CHECK(out.find("6875") == std::string::npos);
      CHECK(out.find("aHVudGVy") == std::string::npos);
      if (format == LogFormat::json)
        CHECK(nlohmann::json::parse(out)["value"].get<std::string>().starts_with("[redacted:k]"));
    }
    const std::string header = line(format, "sent", {{"authorization", "Bearer abc"}, {"next", "kept"}}, redactor);
    INFO(header);
    CHECK(header.find("abc") == std::string::npos);
    const std::string pem = line(format, "-----BEGIN PRIVATE KEY-----\nMIIE", {{"n", 1}}, redactor);
    INFO(pem);
    CHECK(pem.find("MIIE") == std::string::npos);
    if (format == LogFormat::json) {
      CHECK(nlohmann::json::parse(header)["next"] == "kept");
      CHECK(nlohmann::json::parse(pem)["n"] == 1);
    }
  }
}

TEST_CASE("every sink gets redacted lines; files are rotated and private") {
  Directory directory;
  secrets::Redactor redactor;
  REQUIRE(redactor.add("k", secrets::SecretString("hunter22")));
  const auto path = directory.path / "swarmd.log";
  config::Log settings;
  settings.max_size = {4096};
  settings.keep = 2;
  const mode_t before = ::umask(0);
  {
    auto logging = Logging::start(settings, Target::file, path, redactor);
    REQUIRE(logging);
    const Logger logger("pool");
    for (int i = 0; i < 200; ++i) logger.info("round hunter22", {{"n", i}, {"secret", "hunter22"}});
    CHECK_FALSE(Logging::start(settings, Target::file, path, redactor));
  }
  ::umask(before);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path)) {
    ++files;
    const std::string text = content(entry.path());
    CHECK(text.size() <= 4096);
    CHECK(text.find("hunter22") == std::string::npos);
    CHECK(text.find("[redacted:k]") != std::string::npos);
    struct stat info = {};
    REQUIRE(::stat(entry.path().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
  }
  CHECK(files == 3);
  Logger("pool").error("after the end");
  CHECK(content(path).find("after the end") == std::string::npos);
}

TEST_CASE("levels by configuration and at run time, for all and for one") {
  Directory directory;
  const secrets::Redactor redactor;
  const auto path = directory.path / "err";
  const StderrTo redirected(path);
  config::Log settings;
  settings.level = Level::warn;
  settings.levels = {{"wire", Level::debug}};
  const Logger early("pool");
  auto logging = Logging::start(settings, Target::standard_error, {}, redactor);
  REQUIRE(logging);
  const Logger wire("wire");
  CHECK_FALSE(early.enabled(Level::info));
  CHECK(wire.enabled(Level::debug));
  early.info("not written");
  early.warn("pool warns");
  wire.debug("wire tells");
  (*logging)->set_level("pool", Level::trace);
  early.trace("pool traces");
  (*logging)->set_level("", Level::off);
  CHECK_FALSE(Logger("other").enabled(Level::error));
  (*logging)->flush();
  const std::string text = content(path);
  CHECK(text.find("not written") == std::string::npos);
  for (const char* said : {"pool warns", "wire tells", "pool traces"}) CHECK(text.find(said) != std::string::npos);
  CHECK(text.starts_with("{\"time\""));
}

TEST_CASE("a log file that cannot be written is an error that names it") {
  const secrets::Redactor redactor;
  const auto refused = Logging::start({}, Target::file, "/proc/nowhere/x.log", redactor);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.starts_with("log file '/proc/nowhere/x.log': "));
}

TEST_CASE("the journal is known by device and inode") {
  Directory directory;
  const auto path = directory.path / "journal";
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  struct stat info = {};
  REQUIRE(::fstat(fd.get(), &info) == 0);
  const std::string stream = fmt::format("{}:{}", info.st_dev, info.st_ino);
  CHECK(is_journal(fd.get(), stream.c_str()));
  CHECK_FALSE(is_journal(fd.get(), "1:2"));
  CHECK_FALSE(is_journal(fd.get(), nullptr));
  CHECK(resolve_format(LogFormat::automatic, fd.get(), stream.c_str()) == LogFormat::journald);
  CHECK(resolve_format(LogFormat::automatic, fd.get(), nullptr) == LogFormat::json);
  CHECK(resolve_format(LogFormat::human, fd.get(), stream.c_str()) == LogFormat::human);
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (terminal) CHECK(resolve_format(LogFormat::automatic, terminal.get(), nullptr) == LogFormat::human);
}
