#include "daemon/secrets/vault.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "daemon/secrets/sources.hpp"
#include "tests/fixtures/loop_fixture.hpp"

using namespace swarm;
using namespace swarm::secrets;
using config::SecretSource;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct Fixture : tests::LoopFixture {
  fs::path root;
  Redactor redactor;

  Fixture() {
    std::string pattern = "/tmp/swarm-vault-XXXXXX";
    root = ::mkdtemp(pattern.data());
    fs::create_directory(root / "credentials");
  }
  ~Fixture() { fs::remove_all(root); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  Vault vault(std::map<std::string, config::Secret> declared, std::map<std::string, SecretString> environment = {}) {
    return {loop, redactor, {root / "secrets", root / "credentials"}, std::move(declared), std::move(environment)};
  }
  [[nodiscard]] fs::path file(const std::string& name, const std::string& content, mode_t mode = 0600) const {
    std::ofstream(root / name) << content;
    ::chmod((root / name).c_str(), mode);
    return root / name;
  }
  Result<SecretString> get(Vault& vault, const std::string& name) { return loop.block_on(vault.get(name)); }
};

config::Secret from_file(const fs::path& path) {
  config::Secret secret;
  secret.source = SecretSource::file;
  secret.file = path;
  return secret;
}

config::Secret from_command(std::vector<std::string> argv, Duration timeout = 10s) {
  config::Secret secret;
  secret.source = SecretSource::command;
  secret.command = std::move(argv);
  secret.timeout = timeout;
  return secret;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a file's value is read without its newline and redacted from then on") {
  Vault vault = this->vault({{"k", from_file(file("f", "file-secret\n"))}});
  CHECK(get(vault, "k").value().reveal() == "file-secret");
  CHECK(redactor.redact("a file-secret") == "a [redacted:k]");
}

TEST_CASE_METHOD(Fixture, "a file that others can read is refused, and its content is not told") {
  Vault vault = this->vault({{"k", from_file(file("f", "file-secret", 0640))},
                             {"pipe", from_file(root / "fifo")},
                             {"none", from_file(root / "none")},
                             {"empty", from_file(file("e", "\n"))},
                             {"large", from_file(file("l", std::string(70'000, 'x')))},
                             {"short", from_file(file("s", "abc"))}});
  REQUIRE(::mkfifo((root / "fifo").c_str(), 0600) == 0);
  const auto open = get(vault, "k");
  CHECK(open.error().code == Code::permission_denied);
  CHECK(open.error().message ==
        "secret 'k': '" + (root / "f").string() +
            "' can be read by others (mode 0640); run 'chmod 600' on it and consider the secret known");
  CHECK(get(vault, "pipe").error().message.ends_with("is not a regular file"));
  CHECK(get(vault, "none").error().code == Code::not_found);
  CHECK(get(vault, "empty").error().message.ends_with("gave an empty value"));
  CHECK(get(vault, "large").error().message.ends_with("is larger than 65536 bytes"));
  CHECK(get(vault, "short").error().message.find("has 3 bytes; under 6") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "variables are taken once and are gone, also from what the kernel shows") {
  config::Secret secret;
  secret.source = SecretSource::environment;
  secret.variable = "SWARM_TEST_SECRET";
  config::Secret unset = secret;
  unset.variable = "SWARM_TEST_UNSET";
  const std::map<std::string, config::Secret> declared = {{"k", secret}, {"same", secret}, {"unset", unset}};
  ::setenv("SWARM_TEST_SECRET", "environment-secret", 1);
  const char* memory = ::getenv("SWARM_TEST_SECRET");
  auto taken = take_from_environment(declared);
  CHECK(::getenv("SWARM_TEST_SECRET") == nullptr);
  CHECK(std::string_view(memory, 18) == std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18));
  Vault vault = this->vault(declared, std::move(taken));
  CHECK(redactor.redact("environment-secret").starts_with("[redacted:"));
  CHECK(get(vault, "k").value().reveal() == "environment-secret");
  CHECK(get(vault, "same").value().reveal() == "environment-secret");
  CHECK(get(vault, "unset").error().message ==
        "secret 'unset': the environment variable SWARM_TEST_UNSET was not set when the daemon started");
}

TEST_CASE_METHOD(Fixture, "systemd's credentials") {
  config::Secret secret;
  secret.source = SecretSource::credential;
  secret.credential = "github";
  std::ofstream(root / "credentials/github") << "credential-secret";
  Vault vault = this->vault({{"k", secret}});
  CHECK(get(vault, "k").value().reveal() == "credential-secret");
  Vault without(loop, redactor, {root / "secrets", {}}, {{"k", secret}}, {});
  CHECK(get(without, "k").error().message.find("LoadCredential=github:") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "a command runs without a shell; its output is the value and in no error") {
  Vault vault =
      this->vault({{"k", from_command({"printf", "%s\n", "$HOME;command-secret"})},
                   {"fails", from_command({"sh", "-c", "echo printed-secret; echo 'not\x1b unlocked' >&2; exit 3"})},
                   {"loud", from_command({"head", "-c", "100000", "/dev/zero"})},
                   {"missing", from_command({"/no/such/program"})},
                   {"slow", from_command({"sleep", "1000"}, 20ms)}});
  CHECK(get(vault, "k").value().reveal() == "$HOME;command-secret");
  CHECK(get(vault, "fails").error().message == "secret 'fails': command 'sh' ended with status 3: not  unlocked ");
  CHECK(get(vault, "loud").error().code == Code::resource_exhausted);
  CHECK_FALSE(get(vault, "missing"));
  CHECK(get(vault, "slow").error().code == Code::deadline_exceeded);
}

TEST_CASE_METHOD(Fixture, "what is set is stored privately and found by the next daemon") {
  Vault vault = this->vault({{"declared", from_file("/x")}});
  REQUIRE(loop.block_on(vault.set("k", SecretString("stored-secret"))));
  REQUIRE(loop.block_on(vault.set("k", SecretString("newer-secret"))));
  struct stat info = {};
  REQUIRE(::stat((root / "secrets/k").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600);
  REQUIRE(::stat((root / "secrets").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0700);
  CHECK(std::distance(fs::directory_iterator(root / "secrets"), {}) == 1);
  Vault next = this->vault({});
  CHECK(get(next, "k").value().reveal() == "newer-secret");
  CHECK(redactor.redact("stored-secret newer-secret") == "[redacted:k] [redacted:k]");

  CHECK(loop.block_on(vault.set("pin", SecretString("12345"))).error().code == Code::invalid_argument);
  CHECK_FALSE(fs::exists(root / "secrets/pin"));
  CHECK(loop.block_on(vault.set("../k", SecretString("stored-secret"))).error().code == Code::invalid_argument);
  CHECK(loop.block_on(vault.set("declared", SecretString("stored-secret"))).error().message ==
        "secret 'declared' comes from file /x; change it there, or set secret.declared.source = \"stored\"");

  REQUIRE(vault.remove("k"));
  CHECK(vault.remove("k").error().code == Code::not_found);
  CHECK(vault.remove("../k").error().code == Code::invalid_argument);
  CHECK(get(vault, "k").error().code == Code::not_found);
}

TEST_CASE_METHOD(Fixture, "names and origins are listed, values and arguments are not") {
  config::Secret granted = from_command({"pass", "show", "private-path"});
  granted.swarms = {"web"};
  Vault vault = this->vault({{"github", granted}, {"a", from_file("/x")}});
  REQUIRE(loop.block_on(vault.set("z", SecretString("stored-secret"))));
  const auto listed = vault.list();
  REQUIRE(listed.size() == 3);
  CHECK(listed[0].origin == "file /x");
  CHECK(listed[1].origin == "command pass");
  CHECK(listed[1].swarms == std::vector<std::string>{"web"});
  CHECK(listed[2].origin == "stored");
  CHECK_FALSE(listed[2].declared);
  CHECK(get(vault, "gihtub").error().message.starts_with("there is no secret 'gihtub'; did you mean 'github'?"));
  CHECK(loop.block_on(vault.check("z")));
}

TEST_CASE_METHOD(Fixture, "changed declarations are read again") {
  Vault vault = this->vault({{"k", from_file(file("one", "first-value"))}});
  CHECK(get(vault, "k").value().reveal() == "first-value");
  vault.redeclare({{"k", from_file(file("two", "second-value"))}});
  CHECK(get(vault, "k").value().reveal() == "second-value");
}

TEST_CASE_METHOD(Fixture, "a swarm gets what is granted to it and nothing else") {
  config::Secret secret = from_file(file("f", "granted-secret"));
  secret.swarms = {"web-*"};
  secret.roles = {"builder", "review?"};
  secret.hosts = {"api.github.com", "*.example.org:8443"};
  Vault vault = this->vault({{"k", secret}, {"own", from_file(file("g", "daemon-secret"))}});
  const auto denied = [&](const std::string& name, const Use& use) {
    const auto result = loop.block_on(vault.get_for(name, use));
    return result ? std::string("granted") : result.error().message;
  };
  CHECK(denied("k", {"web-1", "builder", "api.github.com"}) == "granted");
  CHECK(denied("k", {"web-1", "reviewX", "API.GitHub.com.:443"}) == "granted");
  CHECK(denied("k", {"web-1", "builder", "a.b.example.org:8443"}) == "granted");
  CHECK(denied("k", {"infra", "builder", "api.github.com"}) ==
        "secret 'k' is not granted to swarm 'infra'; secret.k.swarms in the configuration lists what is");
  CHECK(denied("k", {"web-1", "tester", "api.github.com"}).find("role 'tester'") != std::string::npos);
  for (const char* host : {"evil.org", "api.github.com.evil.org", "xapi.github.com", "api.github.com:80",
                           "example.org:8443", "a.example.org", "", "."}) {
    INFO(host);
    CHECK(denied("k", {"web-1", "builder", host}).find("not granted to host") != std::string::npos);
  }
  // Without grants it is the daemon's own.
  CHECK(denied("own", {"web-1", "builder", ""}).find("not granted to swarm") != std::string::npos);
  CHECK(get(vault, "own"));
}

TEST_CASE("globs") {
  for (const auto& [pattern, text] : std::vector<std::pair<std::string, std::string>>{
           {"*", ""}, {"*", "x"}, {"a*c", "abbc"}, {"a*b*c", "axbxbc"}, {"a?c", "abc"}, {"", ""}, {"**a", "ba"}}) {
    INFO(pattern << " " << text);
    CHECK(glob_matches(pattern, text));
  }
  for (const auto& [pattern, text] : std::vector<std::pair<std::string, std::string>>{
           {"", "x"}, {"a", "ab"}, {"a*c", "abcd"}, {"?", ""}, {"a?", "a"}, {"*a", "b"}}) {
    INFO(pattern << " " << text);
    CHECK_FALSE(glob_matches(pattern, text));
  }
}
