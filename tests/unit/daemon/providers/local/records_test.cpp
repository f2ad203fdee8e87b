// What is written down and read again: the launcher's specification and a sandbox's record.

#include <catch2/catch.hpp>

#include "daemon/providers/local/launcher/spec.hpp"
#include "daemon/providers/local/record.hpp"

using namespace swarm;
using namespace swarm::local;

TEST_CASE("a launch specification is read as it was written") {
  LaunchSpec spec;
  spec.cgroup_procs = {"/sys/fs/cgroup/a/cgroup.procs"};
  spec.rlimits = {{7, 10, 18446744073709551615U}};
  spec.oom_score_adj = -5;
  spec.mapper = Mapper::newuidmap;
  spec.newuidmap = "/usr/bin/newuidmap";
  spec.newgidmap = "/usr/bin/newgidmap";
  spec.uids = {{0, 100'000, 65'536}};
  spec.gids = {{0, 200'000, 1}, {1, 5, 6}};
  spec.forbid_userns = true;
  spec.stages = {"", "/a b"};
  spec.memory_bytes = 4096;
  spec.make_dirs = {{"home", 0, 1, 02775}};
  spec.keep_fds = {3, 9};
  spec.argv = {"/usr/bin/bwrap", "", "exec", "clean"};
  LaunchSpec read;
  REQUIRE(decode(encode(spec), read));
  CHECK(read == spec);

  LaunchSpec count;
  count.action = LaunchAction::measure;
  count.stages = {"/a b"};
  count.init = 4711;
  REQUIRE(decode(encode(count), read));
  CHECK(read == count);
}

TEST_CASE("a damaged specification is refused") {
  LaunchSpec spec;
  spec.uids = {{0, 100'000, 65'536}};
  spec.argv = {"/bin/true"};
  const std::string good = encode(spec);
  LaunchSpec read;
  CHECK_FALSE(decode("", read));
  CHECK_FALSE(decode(good.substr(0, good.size() - 1), read));
  CHECK_FALSE(decode(std::string("uid\0"
                                 "0\0x\0"
                                 "1\0",
                                 10),
                     read));
  CHECK_FALSE(decode(std::string("what\0", 5), read));
  CHECK_FALSE(decode(std::string("clean\0exec\0a\0", 13), read));
  CHECK_FALSE(decode(std::string("measure\0"
                                 "0\0",
                                 10),
                     read));
  CHECK_FALSE(decode(std::string("measure\0"
                                 "7\0"
                                 "exec\0"
                                 "a\0",
                                 17),
                     read));
}

TEST_CASE("a record is read as it was written") {
  Record record;
  record.id = "sabc";
  record.owner = "store";
  record.template_name = "default";
  record.created.us = 1'800'000'000'000'000;
  record.begun_ticks = 99;
  record.init = {12, 34, "boot"};
  record.identity.mapper = Mapper::direct;
  record.identity.uids = {{0, 100'000, 65'536}};
  record.cgroups.directories = {"/sys/fs/cgroup/x"};
  record.cgroups.freeze_by = Mechanism::cgroup1;
  record.paused = true;
  record.over = "too much";
  record.limits = {
      {.resource = api::Resource::disk, .limit = 5, .mechanism = api::LimitMechanism::watched, .note = "n"}};
  record.weaknesses = {"w"};
  record.network.allow = {"example.org"};
  const auto read = decode_record(encode(record));
  REQUIRE(read);
  CHECK(encode(*read) == encode(record));
  CHECK(read->over == "too much");
  CHECK(read->init == record.init);
  CHECK(read->cgroups == record.cgroups);
  CHECK(read->limits == record.limits);
}

TEST_CASE("a record that is none says so") {
  for (const char* text : {"", "{}", "[1]", "{\"format\": 99}", "{\"format\": 1, \"id\": 3}"})
    CHECK(decode_record(text).error().code == Code::internal);
}
