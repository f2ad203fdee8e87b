#include "agentd/exec/users.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "agentd/exec/exec.hpp"
#include "tests/fixtures/temporary_directory.hpp"

namespace swarm::tests {
namespace {

using agentd::Users;

TEST_CASE("users: names, numbers, groups and the default") {
  const test::TemporaryDirectory etc;
  std::ofstream(etc / "passwd") << "root:x:0:0:root:/root:/bin/bash\nbroken\nuser:x:1000:1000::/home/user:\n"
                                   "alice:x:2001:2001:,,,:/home/alice:/bin/zsh\n";
  std::ofstream(etc / "group") << "root:x:0:\nteam:x:3000:bob,alice\nother:x:3001:alicex\n";
  const Users users(etc.path());

  const auto alice = users.find("alice");
  REQUIRE(alice);
  CHECK(alice->uid == 2001);
  CHECK(alice->home == "/home/alice");
  CHECK(alice->shell == "/bin/zsh");
  CHECK(alice->groups == std::vector<gid_t>{2001, 3000});
  CHECK(users.find("2001")->name == "alice");
  CHECK(users.find("user")->shell == "/bin/sh");
  const auto nobody = users.find("4242");
  REQUIRE(nobody);
  CHECK(nobody->gid == 4242);
  CHECK(users.find("mallory").error().to_string() == "not_found: no user 'mallory' in the sandbox");
  CHECK(users.name_of(2001) == "alice");
  CHECK(users.name_of(7) == "7");
  CHECK(users.fallback()->uid == (geteuid() == 0 ? 1000 : geteuid()));
}

TEST_CASE("environment: the user's over ours, the caller's over both") {
  const std::vector<std::string> base = {"HOME=/root", "LANG=C", "PWD=/x", "broken"};
  const agentd::ExecUser user{.name = "alice", .uid = 1, .gid = 1, .home = "/home/alice"};
  const auto env = agentd::make_environment(&base, user, "xterm", {{"LANG", "de"}, {"EMPTY", ""}});
  CHECK(env == std::vector<std::string>{"EMPTY=", "HOME=/home/alice", "LANG=de", "LOGNAME=alice",
                                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                        "SHELL=/bin/sh", "TERM=xterm", "USER=alice"});
  CHECK(agentd::make_environment(nullptr, user, "", {{"A", "b"}}) == std::vector<std::string>{"A=b"});
}

TEST_CASE("summary: comes back as it was written, and never from broken bytes") {
  agentd::ExecSpec spec;
  spec.argv = {"/bin/x", "", std::string("\xff\0z", 3)};
  spec.command = "line";
  spec.cwd = "/w";
  spec.user.name = "u";
  spec.caller = "daemon";
  spec.lifetime = agentd::Lifetime::background;
  spec.timeout = std::chrono::milliseconds(5);
  spec.limits = {{.resource = 7, .soft = 1, .hard = ~std::uint64_t{0}}};
  spec.labels = {{"a", "b"}, {"c", ""}};
  const std::string bytes = encode_summary(agentd::summarise("prc_1", spec));
  const auto back = agentd::decode_summary(bytes);
  REQUIRE(back);
  CHECK(encode_summary(*back) == bytes);
  CHECK(back->argv == spec.argv);
  CHECK(back->labels == spec.labels);
  CHECK(back->limits.at(0).hard == ~std::uint64_t{0});
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK(!agentd::decode_summary(bytes.substr(0, size)));
}

}  // namespace
}  // namespace swarm::tests
