"""Many at once, and a provider that behaves badly: with sandboxes that exist in the provider program alone."""

import pathlib
import shutil
import subprocess
import time

import conftest
from conftest import BUILD, RpcError, wait_until

import pytest

# A twentieth of real time: five creations a second are a hundred here, and 200 ms of jitter 10.
SCALE = 20

CONFIG = """
[log]
level = "warn"
[limits]
sandboxes = 20000
requests_per_connection = 2000
[provider.local]
enabled = false
[sandbox]
create_timeout = "60s"
[pool.p]
min_ready = {ready}
max_ready = 50
health_interval = "1h"
[rate.create]
key = "provider/scripted/create"
rate = "{rate}/s"
guard = "{guard}ms"
queue = 5000
"""


class Scripted(conftest.Daemon):
    """The daemon under test with the provider program beside it."""

    def __init__(self, config, capacity=None):
        super().__init__(config)
        self.provider_socket = self.home / "provider.sock"
        self.provider = subprocess.Popen([BUILD / "bin/scripted-provider", self.provider_socket],
                                         stdout=subprocess.PIPE)
        assert self.provider.stdout.readline() == b"ready\n"
        self.tell = conftest.Rpc(self.provider_socket)
        self.env["SWARM_PROVIDER"] = str(self.provider_socket)
        if capacity:
            self.env["SWARM_PROVIDER_CAPACITY"] = str(capacity)

    def start(self, *arguments):
        self.process = subprocess.Popen([BUILD / "bin/swarmd-under-test", *arguments], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"))
        wait_until(self.answers, what="the daemon")
        return self

    def script(self, **params):
        self.tell.call("test.script", params)

    def account(self):
        return self.tell.call("test.accounts")

    def running(self):
        return {a["id"] for a in self.account()["accounts"] if "ended_ns" not in a}

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.provider.kill()
        self.provider.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture
def scripted():
    made = []

    def make(capacity=None, **config):
        made.append(Scripted(CONFIG.format(**{"ready": 0, "rate": 5 * SCALE, "guard": 200 // SCALE, **config}), capacity))
        return made[-1].start()

    yield make
    for daemon in made:
        daemon.close()


def test_a_burst_on_a_small_pool_waits_in_order_and_oversteps_no_limit(scripted, capsys):
    # An answer ends the guard, so that it costs nothing here and may be as long as a busy machine needs.
    daemon = scripted(ready=50, guard=2000)
    rpc = daemon.rpc()
    wait_until(lambda: rpc.call("pool.status")["pools"][0]["ready"] == 50, what="a full pool")
    daemon.script(rate=5 * SCALE, create_ms=5)
    rpc.call("pool.set", {"pool": "p", "min_ready": 0, "max_ready": 50})  # no refill takes part
    burst = 500
    begun = time.monotonic()
    asked = [rpc.request("sandbox.create", {}) for _ in range(burst)]
    order, arrived = [], {}
    while len(arrived) < burst:
        assert rpc.read()
        for msgid in list(rpc.answers):
            answer = rpc.answers.pop(msgid)
            assert answer[2] is None, answer
            arrived[msgid] = answer[3]
            order.append(msgid)
    took = time.monotonic() - begun
    best = (burst - 50) / (5 * SCALE)
    with capsys.disabled():
        print(f"\n{burst} claims on a pool of 50 at {5 * SCALE} creations a second: {took:.2f} s, at best {best:.2f} s "
              f"({100 * took / best:.0f} %)")
    account = daemon.account()
    assert account.get("over_rate", 0) == 0
    assert account.get("over_capacity", 0) == 0
    assert len({info["id"] for info in arrived.values()}) == burst
    assert sum(info.get("from_pool", False) for info in arrived.values()) == 50
    cold = [m for m in order if not arrived[m].get("from_pool", False)]
    late = sum(1 for a, b in zip(cold, cold[1:]) if a > b)
    assert late <= len(cold) // 50, f"{late} of {len(cold)} were overtaken"


def test_whoever_finds_no_place_waits_in_line_and_none_is_lost(scripted):
    daemon = scripted(capacity=20, rate=10000)
    daemon.script(capacity=20, create_ms=2)
    rpc = daemon.rpc()
    killer = daemon.rpc()
    asked = [rpc.request("sandbox.create", {"queue_ms": 60000, "pooled": False}) for _ in range(300)]
    got = []
    while len(got) < len(asked):
        assert rpc.read()
        for msgid in list(rpc.answers):
            answer = rpc.answers.pop(msgid)
            assert answer[2] is None, answer
            got.append(msgid)
            killer.request("sandbox.kill", {"sandbox": answer[3]["id"], "wait": False})
    account = daemon.account()
    assert account["most_at_once"] <= 20
    assert account.get("over_capacity", 0) == 0
    overtaken = sum(1 for a, b in zip(got, got[1:]) if a - b > 20)
    assert overtaken == 0, f"{overtaken} came more than a whole capacity too late"
    late = rpc.request("sandbox.create", {"queue_ms": 1, "pooled": False})
    rpc.wait(late)
    wait_until(lambda: len(daemon.running()) <= 1, what="their end")


TROUBLES = ["refused", "limited", "broken", "lost_made", "lost_not_made", "hangs", "hangs_not_made", "garbage"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_creation_that_goes_wrong_costs_nobody_else(scripted, trouble):
    daemon = scripted(rate=10000)
    rpc = daemon.rpc()
    daemon.script(create=[trouble])
    first = rpc.request("sandbox.create", {"pooled": False})
    wait_until(lambda: daemon.account().get("creates", 0) >= 1, what="the creation that goes wrong")

    def outcome():
        try:
            assert rpc.wait(first)["state"] == "claimed"  # made after all, and found
            assert trouble in ("lost_made", "hangs", "garbage", "limited")
        except RpcError as error:
            assert trouble in ("refused", "broken", "lost_not_made", "hangs_not_made"), error

    # A connection that is cut takes along what else is on its way.
    if trouble.startswith("lost"):
        outcome()
    others = [rpc.request("sandbox.create", {"pooled": False}) for _ in range(5)]
    for other in others:
        assert rpc.wait(other)["state"] == "claimed"
    if not trouble.startswith("lost"):
        outcome()
    living = {s["id"] for s in rpc.call("sandbox.list")["sandboxes"]}
    assert daemon.running() == living
    assert daemon.account().get("twice", 0) <= (1 if trouble == "limited" else 0)


def test_a_provider_that_fails_opens_the_breaker_for_all_to_see(scripted):
    daemon = scripted(ready=2, rate=10000)
    rpc = daemon.rpc()
    pool = lambda: rpc.call("pool.status")["pools"][0]
    wait_until(lambda: pool()["ready"] == 2, what="a full pool")
    daemon.script(create_trouble_percent=0, create=["broken"] * 20)
    rpc.call("sandbox.create")
    rpc.call("sandbox.create")
    seen = wait_until(lambda: pool()["breaker"] == "open" and pool(), what="an open breaker")
    assert "in a row" in seen["why"] and "500" in seen["last_failure"]
    events = rpc.call("events.list", {"types": ["pool.breaker"]})["events"]
    assert events[-1]["data"]["state"] == "open"


@pytest.mark.parametrize("trouble", ["fails", "hangs", "garbage", "lost"])
def test_kills_pauses_and_lists_that_go_wrong_are_made_good(scripted, trouble):
    daemon = scripted(rate=10000)
    rpc = daemon.rpc()
    sandboxes = [rpc.call("sandbox.create", {"pooled": False})["id"] for _ in range(4)]
    daemon.script(trouble=trouble, kill_trouble=1, pause_trouble=1, list_trouble=2)
    for sandbox in sandboxes[:2]:
        rpc.call("sandbox.kill", {"sandbox": sandbox, "wait": False})
    try:
        rpc.call("sandbox.pause", {"sandbox": sandboxes[2]})
    except RpcError:
        pass
    wait_until(lambda: daemon.running() == set(sandboxes[2:]), what="two ends")
    assert rpc.call("rpc.ping") is not None
    states = lambda: {s["id"]: s["state"] for s in rpc.call("sandbox.list")["sandboxes"]}
    assert set(states()) >= set(sandboxes[2:])

    def agree():
        paused = {a["id"] for a in daemon.account()["accounts"] if "ended_ns" not in a and
                  len(a.get("paused_ns", [])) > len(a.get("resumed_ns", []))}
        return paused == {i for i, s in states().items() if s == "paused"}
    wait_until(agree, what="agreement on who is paused")


def test_ten_thousand_sandboxes_are_listed_at_once(scripted, capsys):
    """As many as SWARM_CROWD says; a tenth of the full number where it says nothing."""
    import os
    count = int(os.environ.get("SWARM_CROWD", "1000"))
    daemon = scripted(rate=100000)
    rpc = daemon.rpc()
    begun = time.monotonic()
    waiting = set()
    made = 0
    while made < count or waiting:
        while made < count and len(waiting) < 200:
            waiting.add(rpc.request("sandbox.create", {"pooled": False}))
            made += 1
        rpc.read()
        for msgid in list(rpc.answers):
            assert rpc.answers.pop(msgid)[2] is None
            waiting.discard(msgid)
    took = time.monotonic() - begun

    def timed(what, *params):
        times = []
        for _ in range(7):
            at = time.monotonic()
            answer = rpc.call(what, *params)
            times.append(time.monotonic() - at)
        return sorted(times)[3] * 1000, answer

    page, answer = timed("sandbox.list")
    assert len(answer["sandboxes"]) == 100 and "next_cursor" in answer
    status, _ = timed("pool.status")
    info, _ = timed("daemon.info")
    at = time.monotonic()
    cursor, rows = {}, 0
    while True:
        answer = rpc.call("sandbox.list", {"limit": 1000, **cursor})
        rows += len(answer["sandboxes"])
        if "next_cursor" not in answer:
            break
        cursor = {"cursor": answer["next_cursor"]}
    whole = time.monotonic() - at
    assert rows == count
    memory = rpc.call("daemon.info")["memory_bytes"] / 2**20
    daemon.kill()
    at = time.monotonic()
    daemon.start()
    again = time.monotonic() - at
    with capsys.disabled():
        print(f"\n{count} sandboxes made in {took:.1f} s; first page {page:.1f} ms, pool status {status:.1f} ms, daemon "
              f"info {info:.1f} ms, all rows {whole * 1000:.0f} ms; {memory:.0f} MiB; taken up after a kill in {again:.2f} s")
    assert page < 50 and status < 50 and info < 50
