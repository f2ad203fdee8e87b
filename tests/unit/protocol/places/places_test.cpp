#include "protocol/places/places.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>

using namespace swarm;
namespace fs = std::filesystem;

namespace {

mode_t mode_of(const fs::path& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777U : 0;
}

/// A directory with roots of its own, and the variables of a test.
struct Machine {
  fs::path root;
  std::map<std::string, std::string, std::less<>> variables;

  Machine() {
    std::string pattern = "/tmp/swarm-places-XXXXXX";
    root = ::mkdtemp(pattern.data());
    for (const char* name : {"home", "etc", "run", "tmp", "var"}) fs::create_directory(root / name);
  }
  ~Machine() { fs::remove_all(root); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] Surroundings surroundings(Surroundings::Mode mode = Surroundings::Mode::user) const {
    Surroundings result;
    result.mode = mode;
    result.uid = ::geteuid();
    result.home = root / "home";
    result.environment = [this](std::string_view name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end() || found->second.empty()) return std::nullopt;
      return found->second;
    };
    result.etc = root / "etc";
    result.run = root / "run";
    result.tmp = root / "tmp";
    result.var = root / "var";
    return result;
  }
};

}  // namespace

TEST_CASE("user mode follows XDG, with the specification's defaults") {
  Machine machine;
  Places places = Places::find(machine.surroundings()).value();
  CHECK(places.config_file == machine.root / "home/.config/swarmd/config.toml");
  CHECK(places.database == machine.root / "home/.local/state/swarmd/db");
  CHECK(places.log == machine.root / "home/.local/state/swarmd/log");
  CHECK(places.artifacts == machine.root / "home/.local/share/swarmd/artifacts");
  machine.variables = {
      {"XDG_CONFIG_HOME", "/c"}, {"XDG_STATE_HOME", "/s"}, {"XDG_DATA_HOME", "relative/ignored"}, {"HOME", "/h"}};
  places = Places::find(machine.surroundings()).value();
  CHECK(places.config_file == "/c/swarmd/config.toml");
  CHECK(places.sandboxes == "/s/swarmd/sandboxes");
  CHECK(places.tools == "/h/.local/share/swarmd/tools");
}

TEST_CASE("system mode is where the distribution expects it") {
  Machine machine;
  machine.variables = {{"XDG_RUNTIME_DIR", machine.root / "home"}, {"XDG_STATE_HOME", "/s"}};
  Surroundings surroundings = machine.surroundings(Surroundings::Mode::system);
  const Places places = Places::find(surroundings).value();
  CHECK(places.config_file == machine.root / "etc/swarmd/config.toml");
  CHECK(places.repos == machine.root / "var/lib/swarmd/repos");
  CHECK(places.log == machine.root / "var/log/swarmd");
  CHECK(places.socket == machine.root / "run/swarmd/swarmd.sock");
  const Surroundings real = Surroundings::current(Surroundings::Mode::system);
  CHECK(real.etc == "/etc");
}

TEST_CASE("the runtime directory is the session's, else root's, else one in /tmp") {
  Machine machine;
  Surroundings surroundings = machine.surroundings();
  machine.variables["XDG_RUNTIME_DIR"] = machine.root / "run";
  CHECK(Places::find(surroundings)->socket == machine.root / "run/swarmd/swarmd.sock");
  // What `su` leaves behind: the directory of somebody else, or none.
  surroundings.uid = 4242;
  CHECK(Places::find(surroundings)->runtime == machine.root / "tmp/swarmd-4242");
  machine.variables["XDG_RUNTIME_DIR"] = "/nowhere/at/all";
  surroundings.uid = 0;
  CHECK(Places::find(surroundings)->runtime == machine.root / "run/swarmd");
}

TEST_CASE("clients look at the named socket only, or at the user's and the system's") {
  Machine machine;
  machine.variables["XDG_RUNTIME_DIR"] = machine.root / "home";
  CHECK(client_sockets(machine.surroundings()).value() ==
        std::vector<fs::path>{machine.root / "home/swarmd/swarmd.sock", machine.root / "run/swarmd/swarmd.sock"});
  machine.variables["SWARMD_SOCKET"] = "/x/y.sock";
  CHECK(client_sockets(machine.surroundings()).value() == std::vector<fs::path>{"/x/y.sock"});
}

TEST_CASE("a socket path must be absolute and fit") {
  Machine machine;
  machine.variables["SWARMD_SOCKET"] = "/" + std::string(106, 'x');
  CHECK(Places::find(machine.surroundings()));
  machine.variables["SWARMD_SOCKET"] = "/" + std::string(107, 'x');
  CHECK(Places::find(machine.surroundings()).error().message ==
        "the socket path '/" + std::string(107, 'x') +
            "' has 108 bytes, and a Unix socket's may have 107; set SWARMD_SOCKET to a shorter one");
  machine.variables["SWARMD_SOCKET"] = "x.sock";
  CHECK(Places::find(machine.surroundings()).error().code == Code::invalid_argument);
}

TEST_CASE("without a home there is an error that says so") {
  Machine machine;
  Surroundings surroundings = machine.surroundings();
  surroundings.home.clear();
  CHECK(Places::find(surroundings).error().message.find("no home directory; set HOME") != std::string::npos);
}

TEST_CASE("directories are made with their modes, whatever the umask") {
  Machine machine;
  const mode_t before = ::umask(0);
  const Places places = Places::find(machine.surroundings()).value();
  const auto made = places.create();
  ::umask(before);
  REQUIRE(made);
  for (const fs::path& path : {places.state, places.database, places.log, places.artifacts, places.runtime}) {
    INFO(path);
    CHECK(mode_of(path) == 0700);
  }
  CHECK(mode_of(machine.root / "home/.local") == 0700);
  CHECK(places.create());

  const Places system = Places::find(machine.surroundings(Surroundings::Mode::system)).value();
  const mode_t strict = ::umask(0077);
  const auto made_strict = system.create();
  ::umask(strict);
  REQUIRE(made_strict);
  CHECK(mode_of(system.runtime) == 0755);
  CHECK(mode_of(system.log) == 0750);
}

TEST_CASE("a directory that is readable for others is closed") {
  Machine machine;
  const fs::path path = machine.root / "d";
  fs::create_directory(path);
  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  CHECK(ensure_directory(path, 0700, ::geteuid()));
  CHECK(mode_of(path) == 0700);
}

TEST_CASE("a directory that others prepared is refused with the reason") {
  Machine machine;
  const fs::path path = machine.root / "d";
  fs::create_directory(path);
  CHECK(ensure_directory(path, 0700, ::geteuid() + 1).error().message.find("belongs to user") != std::string::npos);
  REQUIRE(::chmod(path.c_str(), 0777) == 0);
  const auto writable = ensure_directory(path, 0700, ::geteuid());
  CHECK(writable.error().code == Code::permission_denied);
  CHECK(writable.error().message.find("can be written by others (mode 0777)") != std::string::npos);
  CHECK(mode_of(path) == 0777);
  CHECK(ensure_directory(path / "below", 0700, ::geteuid()).error().message.find("can be written by everybody") !=
        std::string::npos);
  // With the sticky bit nobody can exchange what is another's, as in /tmp.
  REQUIRE(::chmod(path.c_str(), 01777) == 0);
  CHECK(ensure_directory(path / "below", 0700, ::geteuid()));
}

TEST_CASE("a symlink or a file in the place of a directory is refused") {
  Machine machine;
  fs::create_directory(machine.root / "real");
  fs::create_directory_symlink(machine.root / "real", machine.root / "link");
  CHECK(ensure_directory(machine.root / "link", 0700, ::geteuid()).error().message.find("is not a directory itself") !=
        std::string::npos);
  std::ofstream(machine.root / "file") << "x";
  CHECK(ensure_directory(machine.root / "file", 0700, ::geteuid()).error().code == Code::permission_denied);
  CHECK_FALSE(ensure_directory(machine.root / "file/below", 0700, ::geteuid()));
}
