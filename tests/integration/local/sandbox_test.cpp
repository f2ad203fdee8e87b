// What a real sandbox holds. The whole file runs once for each identity that this machine can give: as root, and,
// started again by identities_test.cpp, as an ordinary user with and without a range of uids.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "daemon/providers/local/measuring.hpp"
#include "tests/integration/local/rig.hpp"

using namespace swarm;
using namespace swarm::local;
using swarm::test::Rig;

TEST_CASE("the identity is the one that this user can have", "[sandbox]") {
  Rig rig;
  // Set by identities_test.cpp, so that a test as an ordinary user cannot pass with the wrong kind of sandbox.
  if (const char* expected = std::getenv("SWARM_EXPECT_IDENTITY"))
    CHECK(rig.identity().label() == expected);
  else if (geteuid() == 0)
    CHECK(rig.identity().isolated());
  for (const auto& line : rig.identity().uids) CHECK(line.outside != 0);
}

TEST_CASE("a sandbox starts, runs commands and leaves nothing behind", "[sandbox]") {
  Rig rig;
  const auto id = rig.run("id -u");
  CHECK(id.status == 0);
  CHECK(id.text == "1000\n");
  CHECK(rig.run("exit 7").status == 7);
  const auto files = rig.files();
  const auto cgroups = rig.cgroups().directories;
  const auto pid = rig.launched().init.pid;
  CHECK(rig.end() == "");
  CHECK_FALSE(std::filesystem::exists(files));
  for (const auto& directory : cgroups) CHECK_FALSE(std::filesystem::exists(directory));
  CHECK(kill(pid, 0) == -1);
}

TEST_CASE("the system of a sandbox is made, read-only and alone", "[sandbox]") {
  Rig rig;
  CHECK(rig.run("cat /etc/shadow").status != 0);
  CHECK(rig.run("grep -c '^user:x:1000:' /etc/passwd").text == "1\n");
  CHECK(rig.run("touch /usr/x").status != 0);
  CHECK(rig.run("touch /x").status != 0);
  CHECK(rig.run("touch /etc/x").status != 0);
  CHECK(rig.run("touch /dev/x").status != 0);
  CHECK(rig.run("ls /sys /boot /srv /mnt /media 2>/dev/null | grep .").status != 0);
  CHECK(rig.run("echo 1 > /proc/sys/kernel/core_pattern").status != 0);
  CHECK(rig.run("echo 1 > /proc/sys/user/max_user_namespaces", 0).status != 0);
  CHECK(rig.run("unshare -U true").status != 0);
  CHECK(rig.run("mount -t tmpfs none /tmp", 0).status != 0);
  CHECK(rig.run("ls /sys/class/net; ip -o link 2>/dev/null | wc -l").text.find('2') == std::string::npos);
  CHECK(rig.run("ls /opt/swarm/bin").status == 0);
  CHECK(rig.run("touch /var/tmp/x").status == 0);
  // Nothing but the sandbox's own few processes.
  const auto processes = rig.run("ls /proc | grep -c '^[0-9]'");
  CHECK(std::atoi(processes.text.c_str()) < 10);
  CHECK(rig.run("echo hi > /workspace/a && echo hi > /tmp/b && echo hi > ~/c 2>/dev/null || echo hi > /home/user/c")
            .status == 0);
  CHECK(rig.run("cat /proc/1/environ").status != 0);
  CHECK(rig.run("cat /proc/self/status | grep NoNewPrivs").text.find('1') != std::string::npos);
}

TEST_CASE("a program inside inherits no descriptor of ours", "[sandbox]") {
  Rig rig;
  // 0, 1, 2 and the directory that ls itself has open.
  CHECK(rig.run("ls /proc/self/fd | tr '\\n' ' '").text == "0 1 2 3 ");
}

TEST_CASE("agentd gets the secret on a descriptor", "[sandbox]") {
  test::RigOptions options;
  options.secret = "0123456789abcdef0123456789abcdef";
  Rig rig(options);
  CHECK(rig.tell("!secret") == options.secret);
  CHECK(rig.run("cat /proc/*/environ /proc/*/cmdline 2>/dev/null | grep -c 0123456789[a]bcdef", 0).text == "0\n");
}

TEST_CASE("agents have uids of their own where a range exists", "[sandbox]") {
  Rig rig;
  if (!rig.identity().isolated()) {
    CHECK(rig.run("id -u", 2001).text == "1000\n");
    return;
  }
  CHECK(rig.run("id -un", 2001).text == "agent-0\n");
  CHECK(rig.run("id -u", 0).text == "0\n");
  REQUIRE(rig.run("(umask 077; echo secret > /tmp/own); sleep 60 >/dev/null 2>&1 &", 2001).status == 0);
  CHECK(rig.run("cat /tmp/own", 2002).status != 0);
  CHECK(rig.run("cat /tmp/own", 0).text == "secret\n");
  // Root of the sandbox is nobody on the host, whoever runs the daemon.
  CHECK(rig.run("awk '{print $2}' /proc/self/uid_map").text != "0\n");
}

TEST_CASE("init starts agentd again and ends when told", "[sandbox]") {
  Rig rig;
  const std::string first = rig.tell("!pid");
  rig.tell("!die 1");
  const std::string second = rig.tell("!pid");
  CHECK(first != second);
  CHECK(rig.run("echo alive").text == "alive\n");
  rig.tell("!end");
  CHECK(rig.wait_gone());
}

TEST_CASE("a sandbox whose lease nobody extends ends by itself", "[sandbox]") {
  test::RigOptions options;
  options.lease_ms = "300";
  Rig rig(options);
  CHECK(rig.wait_gone());
}

TEST_CASE("a sandbox is found again by pid, start time and boot", "[sandbox]") {
  Rig rig;
  ProcessRef ref = rig.launched().init;
  REQUIRE(open_process(ref));
  ++ref.start_ticks;
  CHECK(open_process(ref).error().code == Code::not_found);
  ref = rig.launched().init;
  ref.boot_id = "another";
  CHECK(open_process(ref).error().code == Code::not_found);
}

TEST_CASE("storage in memory is limited by its size", "[sandbox]") {
  test::RigOptions options;
  options.storage = Storage::memory;
  options.storage_bytes = 16U << 20;
  Rig rig(options);
  CHECK(rig.run("head -c 4M /dev/zero > /workspace/a").status == 0);
  CHECK(rig.run("head -c 32M /dev/zero > /workspace/b").status != 0);
}

TEST_CASE("trees that are hard to remove are removed", "[sandbox]") {
  Rig rig;
  CHECK(rig.run("cd /workspace && mkdir -p a/b && touch a/b/c && chmod 000 a/b && chmod 000 a").status == 0);
  CHECK(rig.run("cd /workspace && i=0; while [ $i -lt 400 ]; do mkdir d && cd d || exit 1; i=$((i+1)); done", 2001)
            .status == 0);
  CHECK(rig.run("ln -s /etc /workspace/link; mkfifo /tmp/fifo").status == 0);
  const auto files = rig.files();
  CHECK(rig.end() == "");
  CHECK_FALSE(std::filesystem::exists(files));
}

TEST_CASE("agentd is started once", "[sandbox]") {
  Rig rig;
  CHECK(rig.run("id -u").status == 0);
  // What init has to say about agentd goes to its log.
  CHECK(rig.run("cat /run/swarm/agentd.log", rig.identity().isolated() ? 0 : 1000).text == "");
}

TEST_CASE("what a sandbox holds of the disk is counted, wherever it hides", "[sandbox]") {
  Rig rig;
  const auto count = [&] {
    auto counting = Measuring::begin(SWARM_BIN_DIR "/swarm-launch", rig.files(), rig.launched().init.pid);
    REQUIRE(counting);
    const auto found = counting->finish();
    if (!found) FAIL(found.error().to_string());
    CHECK(found->whole);
    return found->bytes >> 20U;
  };
  CHECK(count() == 0);
  SECTION("in files, private ones too, and each once") {
    CHECK(rig.run("cd /workspace && mkdir -p a/b && head -c 8M /dev/zero > a/b/c && ln a/b/c a/d && chmod 000 a/b a")
              .status == 0);
    CHECK(count() == 8);
  }
  SECTION("but not in sizes without blocks, nor behind links") {
    CHECK(rig.run("cd /workspace && truncate -s 1G hole && ln -s /usr link").status == 0);
    CHECK(count() == 0);
  }
  SECTION("below more levels than a name can tell") {
    CHECK(rig.run("cd /workspace && i=0; while [ $i -lt 500 ]; do mkdir d && cd -P d || exit 1; i=$((i+1)); done; "
                  "head -c 8M /dev/zero > deep")
              .status == 0);
    CHECK(count() >= 8);
  }
  SECTION("in a file that has no name any more, as long as somebody has it open") {
    CHECK(rig.run("cd /tmp; (exec 7> gone; head -c 8M /dev/zero >&7; rm gone; : > ready; exec sleep 300) > /dev/null "
                  "2>&1 & "
                  "echo $! > pid; while [ ! -e ready ]; do sleep 0.01; done")
              .status == 0);
    CHECK(count() == 8);
    rig.run("kill $(cat /tmp/pid); while kill -0 $(cat /tmp/pid); do sleep 0.01; done 2> /dev/null");
    CHECK(count() == 0);
  }
}
