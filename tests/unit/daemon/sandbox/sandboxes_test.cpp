#include "daemon/sandbox/sandboxes.hpp"

#include <catch2/catch.hpp>

#include "protocol/wire/msgpack.hpp"
#include "world.hpp"

using namespace swarm;
using namespace swarm::sandbox;
using namespace std::chrono_literals;
using sandbox::tests::Create;
using sandbox::tests::World;

TEST_CASE_METHOD(World, "a sandbox is created, used and ended, and every step is an event") {
  const auto made = create({.name = "mine"});
  REQUIRE(made);
  CHECK(made->state == State::claimed);
  CHECK(made->provider_id == "p-" + made->id);
  CHECK(wait(sandboxes->info("mine"))->id == made->id);
  {
    auto use = wait(sandboxes->use(made->id.substr(0, 8)));
    REQUIRE(use);
    CHECK(use->id() == made->id);
  }
  const auto ended = wait(sandboxes->kill(made->id, {}));
  REQUIRE(ended);
  CHECK(ended->state == State::gone);
  CHECK(provider.running() == 0);
  CHECK(wait(sandboxes->kill(made->id, {}))->state == State::gone);  // again is no error

  std::string steps;
  for (const store::Event& event : *wait(store->events(std::nullopt, 100))) {
    auto data = wire::decode(std::as_bytes(std::span(event.data)), {});
    if (event.type == "sandbox.state") steps += *data->find("to")->as_string() + " ";
  }
  CHECK(steps == "creating starting ready claimed stopping gone ");
}

TEST_CASE_METHOD(World, "the same key gives the same sandbox, also after a crash") {
  const auto first = create({}, "k1");
  const auto second = create({}, "k1");
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->id == second->id);
  restart();
  CHECK(create({}, "k1")->id == first->id);
  CHECK(provider.creates == 1);
  CHECK(create({}, "k2")->id != first->id);
}

TEST_CASE_METHOD(World, "a name is taken while its sandbox lives") {
  const auto first = create({.name = "a"});
  REQUIRE(first);
  CHECK(create({.name = "a"}).error().code == Code::already_exists);
  CHECK(wait(sandboxes->kill("a", {})).has_value());
  CHECK(create({.name = "a"}).has_value());
}

TEST_CASE_METHOD(World, "a refusal is told with its reason, and nothing is left") {
  provider.script = {Create::refused};
  const auto made = create();
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("no more today") != std::string::npos);
  CHECK(provider.running() == 0);
  CHECK(sandboxes->count("scripted") == 0);
}

TEST_CASE_METHOD(World, "the next provider is asked when one is down, refuses or is full, and that is said") {
  config.sandbox.provider = {"nobody", "scripted", "second"};
  SECTION("it refuses") { provider.script = {Create::refused}; }
  SECTION("it is broken") { provider.script = {Create::refused_hard}; }
  SECTION("it is full") {
    provider.caps.max_sandboxes = 1;
    restart();
    REQUIRE(create({.provider = "scripted"}));
  }
  const auto made = create({.provider = "auto"}, "k");
  REQUIRE(made);
  CHECK(made->provider == "second");
  REQUIRE(made->fallback);
  CHECK(made->fallback->starts_with("scripted: "));
  CHECK(second.running() == 1);
  // The same call again goes the same way.
  provider.script = {Create::refused};
  const auto again = create({.provider = "auto"}, "k");
  REQUIRE(again);
  CHECK(again->id == made->id);
  CHECK(second.creates == 1);
}

TEST_CASE_METHOD(World, "a provider that is named is not replaced, nor one whose answer was lost") {
  config.sandbox.provider = {"scripted", "second"};
  SECTION("named") {
    provider.script = {Create::refused};
    CHECK_FALSE(create({.provider = "scripted"}));
  }
  SECTION("lost, and made") {
    provider.script = {Create::lost_made};
    const auto made = create();
    REQUIRE(made);
    CHECK(made->provider == "scripted");
  }
  CHECK(second.creates == 0);
}

TEST_CASE_METHOD(World, "a lost answer is looked up, never created again") {
  SECTION("it had been made") {
    provider.script = {Create::lost_made};
    const auto made = create();
    REQUIRE(made);
    CHECK(made->state == State::claimed);
    CHECK(provider.creates == 1);
  }
  SECTION("it had not been made") {
    provider.script = {Create::lost_not_made};
    CHECK_FALSE(create());
    CHECK(provider.creates == 1);
    CHECK(provider.running() == 0);
  }
  SECTION("the list cannot be had at first") {
    provider.script = {Create::lost_made};
    provider.list_failures = 1;
    const auto made = create();
    REQUIRE(made);
    CHECK(made->state == State::claimed);
    CHECK(provider.creates == 1);
  }
}

TEST_CASE_METHOD(World, "one that is ended while it is made does not stay") {
  provider.create_time = 10s;
  const auto recorded = create({.wait = false});
  REQUIRE(recorded);
  const auto killing = wait(sandboxes->kill(recorded->id, {.wait = false}));
  REQUIRE(killing);
  CHECK(killing->state == State::stopping);
  advance(20s);
  CHECK(state_of(recorded->id) == State::gone);
  CHECK(provider.running() == 0);
}

TEST_CASE_METHOD(World, "one that never answers is ended") {
  provider.script = {Create::mute};
  const auto made = create();
  REQUIRE_FALSE(made);
  CHECK(provider.running() == 0);
}

TEST_CASE_METHOD(World, "a sandbox that dies by itself is told and cleaned up") {
  const auto made = create();
  REQUIRE(made);
  provider.die(made->id);
  loop.run_until_idle();
  const auto info = wait(sandboxes->info(made->id));
  REQUIRE(info);
  CHECK(info->state == State::gone);
  CHECK(info->reason == "it ended by itself");
  const auto use = wait(sandboxes->use(made->id));
  REQUIRE_FALSE(use);
  CHECK(use.error().code == Code::failed_precondition);
}

TEST_CASE_METHOD(World, "a lease ends what nobody uses, and nothing else") {
  const auto unused = create();
  const auto used = create();
  const auto extended = create();
  REQUIRE(unused);
  REQUIRE(used);
  REQUIRE(extended);
  auto use = std::make_unique<Result<Sandboxes::Use>>(wait(sandboxes->use(used->id)));
  REQUIRE(use->has_value());
  advance(4min);
  REQUIRE(wait(sandboxes->extend(extended->id, 10min)).has_value());
  advance(2min);
  CHECK(state_of(unused->id) == State::gone);
  CHECK(state_of(used->id) == State::claimed);
  CHECK(state_of(extended->id) == State::claimed);
  use.reset();
  advance(6min);
  CHECK(state_of(used->id) == State::gone);
  advance(6min);
  CHECK(state_of(extended->id) == State::gone);
  CHECK(provider.running() == 0);
}

TEST_CASE_METHOD(World, "a lifetime ends what is used, too") {
  const auto made = create({.max_lifetime_ms = 60s});
  REQUIRE(made);
  const auto use = wait(sandboxes->use(made->id));
  REQUIRE(use);
  advance(61s);
  CHECK(state_of(made->id) == State::gone);
  CHECK(wait(sandboxes->info(made->id))->reason == "its lifetime is over");
}

TEST_CASE_METHOD(World, "pause and resume") {
  const auto made = create();
  REQUIRE(made);
  REQUIRE(wait(sandboxes->pause(made->id)).has_value());
  CHECK(provider.accounts().at(made->id).paused);
  CHECK(wait(sandboxes->use(made->id)).error().message.find("resume") != std::string::npos);
  CHECK(wait(sandboxes->pause(made->id)).error().code == Code::failed_precondition);
  REQUIRE(wait(sandboxes->resume(made->id)).has_value());
  CHECK(state_of(made->id) == State::claimed);
}

TEST_CASE_METHOD(World, "one that passed a limit stands still, and says what helps") {
  const auto made = create();
  REQUIRE(made.has_value());
  provider.stop_at_limit(made->id, "its files hold 12 GiB");
  settle();
  const auto stopped = wait(sandboxes->info(made->id));
  REQUIRE(stopped->state == State::paused);
  REQUIRE(stopped->reason.has_value());
  CHECK(stopped->reason->find("its files hold 12 GiB. 'swarmctl sandbox resize") == 0);
  const auto used = wait(sandboxes->use(made->id));
  REQUIRE_FALSE(used.has_value());
  CHECK(used.error().message.find("12 GiB") != std::string::npos);
  const auto events = wait(store->events(std::nullopt, 100));
  REQUIRE(events.has_value());
  CHECK(std::ranges::count(*events, std::string(api::kSandboxLimit.name), &store::Event::type) == 1);

  SECTION("it goes on when a person says so, and is told again") {
    REQUIRE(wait(sandboxes->resume(made->id)).has_value());
    CHECK(state_of(made->id) == State::claimed);
    provider.stop_at_limit(made->id, "again");
    settle();
    CHECK(state_of(made->id) == State::paused);
  }
  SECTION("it goes on with a higher limit") {
    const auto resized = wait(sandboxes->resize(made->id, {.disk_bytes = 20U << 20}));
    REQUIRE(resized.has_value());
    CHECK(resized->state == State::claimed);
    CHECK(resized->limits.front().limit == 20U << 20);
    CHECK_FALSE(provider.accounts().at(made->id).paused);
    restart();
    CHECK(wait(sandboxes->info(made->id))->limits.front().limit == 20U << 20);
  }
  SECTION("a list does not let it go on") {
    advance(3min);
    CHECK(provider.accounts().at(made->id).paused);
  }
}

TEST_CASE_METHOD(World, "one that was stopped at a limit behind a dead daemon's back stays so") {
  const auto made = create();
  REQUIRE(made.has_value());
  sandboxes.reset();
  provider.stop_at_limit(made->id, "full");
  restart();
  CHECK(provider.accounts().at(made->id).paused);
  CHECK(state_of(made->id) == State::paused);
}

TEST_CASE_METHOD(World, "what a person paused stays so when its limit is changed") {
  const auto made = create();
  REQUIRE(wait(sandboxes->pause(made->id)).has_value());
  REQUIRE(wait(sandboxes->resize(made->id, {.disk_bytes = 20U << 20})).has_value());
  CHECK(state_of(made->id) == State::paused);
}

TEST_CASE_METHOD(World, "one that nobody uses is paused, goes on with the next use, and ends at last") {
  const auto made = create({.lease_ms = 1h, .idle_pause_ms = 60s, .idle_kill_ms = 10min});
  REQUIRE(made);
  CHECK(made->idle_pause_ms == 60s);
  advance(50s);
  {
    const auto use = wait(sandboxes->use(made->id));
    REQUIRE(use);
    advance(5min);
    CHECK(state_of(made->id) == State::claimed);
  }
  advance(50s);
  CHECK(state_of(made->id) == State::claimed);
  REQUIRE(wait(sandboxes->extend(made->id, 1h)));  // a heartbeat is no use
  advance(11s);
  CHECK(state_of(made->id) == State::paused);
  CHECK(provider.accounts().at(made->id).paused);
  CHECK(wait(sandboxes->info(made->id))->reason == "nobody used it for " + async::format_duration(60s));
  CHECK(wait(sandboxes->use(made->id)).has_value());
  CHECK(state_of(made->id) == State::claimed);
  CHECK_FALSE(provider.accounts().at(made->id).paused);
  advance(61s);
  CHECK(state_of(made->id) == State::paused);
  SECTION("it ends when that goes on, also after a restart") {
    advance(5min);
    restart();
    CHECK(state_of(made->id) == State::paused);
    advance(11min);
    CHECK(state_of(made->id) == State::gone);
    CHECK(sandboxes->pool_status(std::nullopt)->claims.idle_killed == 1);
  }
  SECTION("what a person paused stays") {
    REQUIRE(wait(sandboxes->resume(made->id)));
    REQUIRE(wait(sandboxes->pause(made->id)));
    advance(1h);
    CHECK(state_of(made->id) == State::paused);
    CHECK_FALSE(wait(sandboxes->use(made->id)).has_value());
  }
}

TEST_CASE_METHOD(World, "one that was to be ended while it was made does not hold its place for ever") {
  provider.script = {Create::hangs_not_made};
  const auto recorded = create({.wait = false});
  REQUIRE(recorded);
  settle();
  REQUIRE(wait(sandboxes->kill(recorded->id, {.wait = false})));
  CHECK(state_of(recorded->id) == State::stopping);
  restart();
  advance(1s);
  CHECK(state_of(recorded->id) == State::gone);
  CHECK(sandboxes->count("scripted") == 0);
}

TEST_CASE_METHOD(World, "a provider that never answers a create does not hold what it was asked for") {
  provider.script = {Create::hangs_not_made, Create::hangs};
  const auto never = create({.wait = false});
  const auto made = create({.wait = false});
  REQUIRE(never);
  REQUIRE(made);
  settle();
  REQUIRE(wait(sandboxes->kill(never->id, {.wait = false})));
  CHECK(state_of(never->id) == State::stopping);
  advance(config.sandbox.create_timeout + 91s);
  CHECK(state_of(never->id) == State::gone);
  CHECK(state_of(made->id) == State::ready);  // it was looked up
  CHECK(provider.creates == 2);
}

TEST_CASE_METHOD(World, "a provider that lists late is given the time") {
  provider.caps.lists_within = 5s;
  provider.list_lag = 3s;
  restart();
  provider.script = {Create::lost_made};
  const auto made = create();
  REQUIRE(made);
  CHECK(made->state == State::claimed);
  CHECK(provider.creates == 1);
}

TEST_CASE_METHOD(World, "a pause that was given up and came about after all is taken back") {
  const auto made = create();
  REQUIRE(made);
  REQUIRE(wait(provider.pause(made->id)));  // behind the daemon's back
  advance(61s);
  CHECK_FALSE(provider.accounts().at(made->id).paused);
  CHECK(state_of(made->id) == State::claimed);
}

TEST_CASE_METHOD(World, "one that is paused is not knocked at, and answers once it goes on") {
  const auto made = create({.name = "still"});
  REQUIRE(made);
  REQUIRE(wait(sandboxes->pause(made->id)));
  sandboxes.reset();
  provider.dials = 0;
  restart();
  advance(150s);
  CHECK(provider.dials == 0);
  CHECK(provider.accounts().at(made->id).paused);
  REQUIRE(wait(sandboxes->resume(made->id)));
  CHECK(wait(sandboxes->use("still")).has_value());
  CHECK(provider.dials == 1);
}

TEST_CASE_METHOD(World, "one that goes on though it is to be paused is paused again") {
  const auto made = create();
  REQUIRE(made);
  REQUIRE(wait(sandboxes->pause(made->id)));
  advance(100s);
  provider.wake(made->id);
  SECTION("while the daemon looks") { advance(61s); }
  SECTION("while it is away") {
    restart();
    advance(1s);
  }
  CHECK(provider.accounts().at(made->id).paused);
  CHECK(state_of(made->id) == State::paused);
}

TEST_CASE_METHOD(World, "a restart takes up what lives and ends what nobody recorded") {
  const auto living = create({.name = "living"});
  const auto dying = create();
  REQUIRE(living);
  REQUIRE(dying);
  sandboxes.reset();  // the daemon is gone; time passes
  provider.die(dying->id);
  provider.plant("sorphan2222222222222a", store->identity().store_id);
  provider.plant("sforeign222222222222a", "another daemon");
  restart();
  CHECK(wait(sandboxes->use("living")).has_value());
  CHECK(state_of(dying->id) == State::gone);
  CHECK(provider.accounts().at("sorphan2222222222222a").ended.has_value());
  CHECK_FALSE(provider.accounts().at("sforeign222222222222a").ended.has_value());
}

TEST_CASE_METHOD(World, "what a restart takes up is given more time at once, since the next restart may come soon") {
  REQUIRE(create({.name = "living"}));
  sandboxes.reset();
  provider.keepalives = 0;
  restart();
  REQUIRE(wait(sandboxes->use("living")).has_value());
  loop.run_until_idle();
  CHECK(provider.keepalives > 0);
}

TEST_CASE_METHOD(World, "a restart in the middle of a create finds what was made") {
  provider.script = {Create::hangs};
  const auto recorded = create({.wait = false}, "key");
  REQUIRE(recorded);
  loop.run_until_idle();
  CHECK(state_of(recorded->id) == State::creating);
  restart();
  advance(1s);
  const auto again = create({}, "key");
  REQUIRE(again);
  CHECK(again->id == recorded->id);
  CHECK(again->state == State::claimed);
  CHECK(provider.creates == 1);
}

TEST_CASE_METHOD(World, "one whose provider is not configured any more is kept, says so, and is ended by it later") {
  const auto made = create({.provider = "second"});
  REQUIRE(made);
  configured = {&provider};
  restart();
  CHECK(state_of(made->id) == State::claimed);
  const auto seen = wait(sandboxes->info(made->id));
  REQUIRE(seen->reason);
  CHECK(seen->reason->find("provider 'second' is not configured any more") != std::string::npos);
  CHECK(wait(sandboxes->pause(made->id)).error().code == Code::failed_precondition);
  CHECK(wait(sandboxes->metrics(made->id)).error().code == Code::failed_precondition);
  CHECK(wait(sandboxes->hold(made->id, "b", "too dear")).error().code == Code::failed_precondition);
  CHECK(wait(sandboxes->kill(made->id, {})).error().message.find("may still run") != std::string::npos);
  advance(10min);
  CHECK(state_of(made->id) == State::stopping);
  CHECK(sandboxes->count("second") == 1);
  restart();
  CHECK(state_of(made->id) == State::stopping);
  CHECK_FALSE(second.accounts().at(made->id).ended.has_value());
  configured = {&provider, &second};
  restart();
  advance(1s);
  CHECK(state_of(made->id) == State::gone);
  CHECK(second.accounts().at(made->id).ended.has_value());
  CHECK(sandboxes->count("second") == 0);
}

TEST_CASE_METHOD(World, "a kill that fails is tried again") {
  const auto made = create();
  REQUIRE(made);
  provider.kill_failures = 1;
  REQUIRE(wait(sandboxes->kill(made->id, {.wait = false})).has_value());
  loop.run_until_idle();
  CHECK(state_of(made->id) == State::stopping);
  CHECK(sandboxes->count("scripted") == 1);  // capacity is held until it is certain
  advance(61s);
  CHECK(state_of(made->id) == State::gone);
}

TEST_CASE_METHOD(World, "lists are filtered and come in pages") {
  for (int i = 0; i < 5; ++i) {
    api::SandboxCreateRequest request;
    request.labels["n"] = i % 2 == 0 ? "even" : "odd";
    REQUIRE(create(request).has_value());
    advance(1ms);
  }
  api::SandboxListRequest even;
  even.labels["n"] = "even";
  CHECK(wait(sandboxes->list(even))->sandboxes.size() == 3);
  api::SandboxListRequest paged;
  paged.limit = 2;
  std::set<std::string> seen;
  for (int page = 0; page < 3; ++page) {
    const auto reply = wait(sandboxes->list(paged));
    REQUIRE(reply);
    for (const auto& info : reply->sandboxes) seen.insert(info.id);
    paged.cursor = reply->next_cursor;
  }
  CHECK(seen.size() == 5);
  CHECK_FALSE(paged.cursor);
}

TEST_CASE_METHOD(World, "a filter finds what ended long ago, among many others") {
  api::SandboxCreateRequest odd;
  odd.labels["n"] = "odd";
  const auto first = create(odd);
  REQUIRE(first);
  REQUIRE(wait(sandboxes->kill(first->id, {})));
  for (int i = 0; i < 5; ++i) {
    advance(1ms);
    REQUIRE(wait(sandboxes->kill(create()->id, {})));
  }
  api::SandboxListRequest request{.all = true, .limit = 2};
  request.labels["n"] = "odd";
  const auto found = wait(sandboxes->list(request));
  REQUIRE(found);
  REQUIRE(found->sandboxes.size() == 1);
  CHECK(found->sandboxes.front().id == first->id);
  CHECK_FALSE(found->next_cursor);
}

TEST_CASE_METHOD(World, "one that is ended while its agentd is waited for lets nobody wait on what is gone") {
  provider.script = {Create::mute};
  const auto recorded = create({.wait = false});
  REQUIRE(recorded);
  settle();
  REQUIRE(state_of(recorded->id) == State::starting);
  REQUIRE(wait(sandboxes->kill(recorded->id, {})));
  advance(2min);
  CHECK(state_of(recorded->id) == State::gone);
  CHECK(sandboxes->count("scripted") == 0);
}
