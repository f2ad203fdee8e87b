"""What sandboxes cost, what budgets and limits do about it, and that secrets stay secret."""

import csv
import io
import json
import os
import signal
import sqlite3
import stat
import threading
import time
from fractions import Fraction

import pytest
from conftest import RpcError, wait_until

VCPU, GIB, EACH = Fraction("0.000014"), Fraction("0.0000045"), Fraction("0.25")
PRICES = f"""
[price.test]
applies_to = "local/*"
vcpu_second = "0.000014"
gib_second = "0.0000045"
sandbox_second = "0.25"
"""


def ledger(daemon, *filters):
    """All entries, as `cost export` writes them."""
    rows = list(csv.DictReader(io.StringIO(daemon.ctl("cost", "export", *filters).stdout)))
    for row in rows:
        for name in ("ns", "millicpus", "mib", "uncertain_ns"):
            row[name] = int(row[name])
    return rows


def worth(rows):
    """Quantity times price, exactly, in USD."""
    return sum(
        Fraction(row["ns"], 10**9) * (VCPU * row["millicpus"] / 1000 + GIB * row["mib"] / 1024 + EACH) for row in rows)


def rounded(usd):
    """To nano-USD, half to even, as decimals without trailing zeros."""
    nano = round(usd * 10**9)
    whole, part = divmod(nano, 10**9)
    return f"{whole}.{part:09}".rstrip("0").rstrip(".")


def total(daemon):
    return json.loads(daemon.ctl("--json", "cost", "summary").stdout)["total"]


def pid_of(daemon, sandbox):
    """PID 1 of a sandbox, as the host sees it."""
    record = daemon.home / "state/swarmd/sandboxes" / sandbox / "record.json"
    return json.loads(record.read_text())["init"]["pid"]


class Stopwatch:
    """What a sandbox ran, seen from outside: at least `least`, at most `most` seconds."""

    def __init__(self):
        self.least = self.most = 0.0

    def began(self, asked, answered):
        self.asked, self.answered = asked, answered

    def ended(self, asked, answered):
        self.least += asked - self.answered
        self.most += answered - self.asked


def timed(call, *arguments):
    asked = time.monotonic()
    result = call(*arguments)
    return asked, time.monotonic(), result


def test_a_life_costs_its_time_once(new_daemon):
    daemon = new_daemon(config=PRICES)
    rpc = daemon.rpc()
    watch = Stopwatch()
    asked, answered, info = timed(rpc.call, "sandbox.create", {"swarm": "swm_a", "labels": {"cost": "nightly"}})
    watch.began(asked, answered)
    sandbox = info["id"]
    rpc.call("exec.start", {"sandbox": sandbox, "argv": ["sleep", "0.3"]})
    watch.ended(*timed(rpc.call, "sandbox.pause", {"sandbox": sandbox})[:2])
    before = total(daemon)["usd"]
    rpc.call("daemon.info")
    assert total(daemon)["usd"] == before  # paused time is free here
    watch.began(*timed(rpc.call, "sandbox.resume", {"sandbox": sandbox})[:2])

    # The daemon dies; the sandbox does not, and costs.
    for _ in range(2):
        daemon.kill()
        down = time.monotonic()
        wait_until(lambda: time.monotonic() - down > 0.5, what="a while without a daemon")
        daemon.start()
    rpc = daemon.rpc()
    running = json.loads(daemon.ctl("--json", "cost", "summary").stdout)
    assert Fraction(running["running_usd"]) > EACH
    watch.ended(*timed(rpc.call, "sandbox.kill", {"sandbox": sandbox})[:2])

    rows = ledger(daemon)
    assert {(row["swarm"], row["label"], row["sandbox"]) for row in rows} == {("swm_a", "nightly", sandbox)}
    summed = json.loads(daemon.ctl("--json", "cost", "summary").stdout)
    assert summed["total"]["usd"] == rounded(worth(rows))
    assert summed["running_usd"] == "0"
    ran = sum(row["ns"] for row in rows) / 1e9
    bound = sum(row["uncertain_ns"] for row in rows) / 1e9
    assert watch.least <= ran <= watch.most
    # What is called uncertain is the time between question and answer, and nothing else.
    assert ran - bound <= watch.most and ran + bound >= watch.least
    assert bound <= watch.most - watch.least
    for row in rows:
        assert row["usd"] == rounded(worth([row]))
    # The entries of the list are those of the export.
    listed = json.loads(daemon.ctl("--json", "cost", "ledger").stdout)["entries"]
    assert [e["ns"] for e in reversed(listed)] == [row["ns"] for row in rows]


def test_an_end_that_nobody_saw_is_estimated_and_marked(new_daemon):
    daemon = new_daemon(config=PRICES)
    rpc = daemon.rpc()
    began = time.monotonic()
    sandbox = rpc.call("sandbox.create")["id"]
    answered = time.monotonic()
    pid = pid_of(daemon, sandbox)
    daemon.kill()
    down = time.monotonic()
    wait_until(lambda: time.monotonic() - down > 0.4, what="a while without a daemon")
    os.kill(pid, signal.SIGKILL)
    died = time.monotonic()
    wait_until(lambda: time.monotonic() - died > 0.4, what="a while without a daemon")
    daemon.start()
    rpc = daemon.rpc()
    wait_until(lambda: rpc.call("sandbox.info", {"sandbox": sandbox})["state"] == "gone", what="its end")
    rows = ledger(daemon)
    ran = sum(row["ns"] for row in rows) / 1e9
    bound = sum(row["uncertain_ns"] for row in rows) / 1e9
    assert bound > 0.3
    assert ran - bound <= died - answered and died - began <= ran + bound
    assert total(daemon)["usd"] == rounded(worth(rows))
    assert "estimated" in daemon.ctl("cost", "summary").stderr


def test_a_budget_that_stops_new_work(new_daemon):
    daemon = new_daemon(config=PRICES + '[costs]\ntick = "100ms"\n')
    rpc = daemon.rpc()
    rpc.call("sandbox.create", {"swarm": "swm_a", "name": "first"})
    daemon.ctl("budget", "set", "small", "0.1", "--swarm", "swm_a", "--warn", "50%")

    def refused():
        try:
            made = rpc.call("sandbox.create", {"swarm": "swm_a"})
            rpc.call("sandbox.kill", {"sandbox": made["id"]})
        except RpcError as error:
            return str(error)
        return None

    message = wait_until(refused, what="the refusal")
    assert message.startswith("resource_exhausted")
    assert "'small'" in message and "swarmctl budget set small" in message
    # What runs goes on, and so do others.
    assert rpc.call("sandbox.info", {"sandbox": "first"})["state"] == "claimed"
    rpc.call("sandbox.create", {"swarm": "swm_b"})
    asked = daemon.ctl("sandbox", "create", "--swarm", "swm_a", check=False)
    assert asked.returncode == 1 and "budget" in asked.stderr
    levels = [e["data"]["level"] for e in rpc.call("events.list", {"types": ["budget.reached"]})["events"]]
    assert levels == ["warn", "stop"]
    daemon.kill()
    daemon.start()  # and it stays so
    rpc = daemon.rpc()
    assert refused()
    daemon.ctl("budget", "set", "small", "100", "--swarm", "swm_a")
    assert not refused()


def test_a_budget_that_pauses_and_lets_go(new_daemon):
    daemon = new_daemon(config=PRICES + '[costs]\ntick = "100ms"\n')
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create", {"swarm": "swm_a"})["id"]
    by_hand = rpc.call("sandbox.create", {"swarm": "swm_a"})["id"]
    other = rpc.call("sandbox.create", {"swarm": "swm_b"})["id"]
    rpc.call("sandbox.pause", {"sandbox": by_hand})

    def state(which):
        return rpc.call("sandbox.info", {"sandbox": which})["state"]

    daemon.ctl("budget", "set", "small", "0.05", "--swarm", "swm_a", "--pause", "100%")
    wait_until(lambda: state(sandbox) == "paused", what="the pause")
    assert "small" in rpc.call("sandbox.info", {"sandbox": sandbox})["reason"]
    with pytest.raises(RpcError, match="resource_exhausted.*small"):
        rpc.call("sandbox.resume", {"sandbox": sandbox})
    spent = total(daemon)
    daemon.kill()
    daemon.start()
    rpc = daemon.rpc()
    assert state(sandbox) == "paused" and state(other) == "claimed"
    rpc.call("sandbox.kill", {"sandbox": other})
    daemon.ctl("budget", "rm", "small")
    wait_until(lambda: state(sandbox) == "claimed", what="its going on")
    assert state(by_hand) == "paused"  # a person paused that one
    assert Fraction(total(daemon)["usd"]) > Fraction(spent["usd"])


def test_a_budget_that_kills(new_daemon):
    tick = 0.2
    daemon = new_daemon(config=PRICES + f'[costs]\ntick = "{int(tick * 1000)}ms"\n')
    rpc = daemon.rpc()
    events = daemon.rpc()
    events.call("events.subscribe", {"types": ["budget.*"]})
    sandboxes = [rpc.call("sandbox.create", {"swarm": "swm_a"})["id"] for _ in range(3)]
    kept = rpc.call("sandbox.create", {"swarm": "swm_b"})["id"]
    spent = Fraction(total(daemon)["usd"])
    limit = spent + Fraction("0.6")
    rpc.call("budget.set", {"name": "all-in", "swarm": "swm_a", "amount_usd": rounded(limit), "kill_percent": 100})
    told = events.notification(lambda m: m[2][0]["data"]["level"] == "kill")
    assert told[2][0]["swarm"] == "swm_a"
    for sandbox in sandboxes:
        wait_until(lambda: rpc.call("sandbox.info", {"sandbox": sandbox})["state"] == "gone", what="the end")
        assert "all-in" in rpc.call("sandbox.info", {"sandbox": sandbox})["reason"]
    assert rpc.call("sandbox.info", {"sandbox": kept})["state"] == "claimed"
    # It acted within one tick: what was spent when it did is at most that much above the amount. Three run at $0.25 a
    # second, and a busy machine may come late to its tick.
    at_kill = Fraction(told[2][0]["data"]["spent_usd"])
    assert limit <= at_kill <= limit + 3 * Fraction("0.2502") * Fraction(tick + 1)
    assert [d for d in daemon.sandbox_directories() if d != kept] == []


def test_creation_waits_for_its_rate(new_daemon):
    daemon = new_daemon()
    daemon.ctl("limits", "set", "provider/local/create", "--rate", "2/s", "--burst", "1")
    begun = time.monotonic()
    answers = []

    def create():
        rpc = daemon.rpc()
        rpc.call("sandbox.create")
        answers.append(time.monotonic() - begun)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, answered in enumerate(sorted(answers)):
        assert answered >= 0.5 * i  # the first at once, then one each half second
    info = json.loads(daemon.ctl("--json", "limits", "ls", "provider/local/create").stdout)["limits"][0]
    assert (info["admitted"], info["waited"], info["from"]) == (4, 3, "set")
    # Those who wait can be ended, and then the provider is never asked.
    rpc = daemon.rpc()
    daemon.ctl("limits", "set", "provider/local/create", "--rate", "1/h")
    rpc.call("sandbox.create", {"wait": False})
    waiting = rpc.call("sandbox.create", {"wait": False})["id"]
    assert rpc.call("sandbox.info", {"sandbox": waiting})["state"] == "requested"
    assert rpc.call("sandbox.kill", {"sandbox": waiting})["state"] == "gone"
    daemon.ctl("limits", "reset", "provider/local/create")
    assert daemon.ctl("limits", "reset", "provider/local/create", check=False).returncode == 4


SECRET = "correct-horse-battery-staple-4711-Zq"


def everything_in(directory, without):
    for path in directory.rglob("*"):
        if path.is_file() and path not in without:
            yield path, path.read_bytes()


def test_secrets_are_in_no_log_argument_or_database(new_daemon):
    daemon = new_daemon(config='[log]\nlevel = "trace"\n')
    daemon.ctl("secret", "set", "api-key", input=SECRET + "\n")
    stored = [p for p in (daemon.home / "state").rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert len(stored) == 1
    assert stat.S_IMODE(stored[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(stored[0].parent.stat().st_mode) == 0o700

    token = daemon.home / "token"
    token.write_text(SECRET + "-from-a-file")
    token.chmod(0o644)
    said = daemon.ctl("secret", "set", "other", "--file", str(token))
    assert "others can read" in said.stderr
    token.unlink()
    stored.append(next(p for p in stored[0].parent.iterdir() if p != stored[0]))

    shown = []
    for words in (["secret", "ls"], ["--json", "secret", "ls"], ["secret", "check"], ["events", "--limit", "1000"],
                  ["config", "show"], ["limits", "ls"], ["doctor"]):
        answer = daemon.ctl(*words, check=False)
        shown.append(answer.stdout + answer.stderr)
    assert "api-key" in shown[0] and "can be read" in shown[2]
    # It was said in a call that fails, too: the name is wrong, not the value.
    wrong = daemon.ctl("secret", "set", "no/such name", input=SECRET, check=False)
    assert wrong.returncode != 0
    shown.append(wrong.stdout + wrong.stderr)
    # As an argument it is not taken at all.
    as_argument = daemon.ctl("secret", "set", "api-key", "hunter2hunter2", check=False)
    assert as_argument.returncode == 2

    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    assert SECRET not in rpc.call("exec.start", {"sandbox": sandbox, "command": "env; cat /proc/*/environ"}).get(
        "stdout", "")
    for text in shown:
        assert SECRET not in text
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            for name in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{entry}/{name}", "rb") as f:
                        assert SECRET.encode() not in f.read() or int(entry) == os.getpid()
                except OSError:
                    pass
    daemon.stop()
    for path, content in everything_in(daemon.home, stored):
        assert SECRET.encode() not in content, path
    for path in (daemon.home / "state").rglob("*.db"):
        for line in sqlite3.connect(path).iterdump():
            assert SECRET not in line
    daemon.start()
    assert "can be read" in daemon.ctl("secret", "check", "api-key").stdout
    daemon.ctl("secret", "rm", "api-key")
    daemon.ctl("secret", "rm", "other")
    assert daemon.ctl("secret", "check", "api-key", check=False).returncode == 4
    assert not any(p.exists() for p in stored)


def test_the_commands_say_what_is_wrong(new_daemon):
    daemon = new_daemon(config=PRICES)

    def fails(status, said, *words):
        answer = daemon.ctl(*words, check=False)
        assert answer.returncode == status, answer
        assert said in answer.stderr, answer

    fails(2, "--by", "cost", "summary", "--by", "colour")
    fails(2, "no time", "cost", "summary", "--since", "yesterday-ish")
    fails(2, "no share", "budget", "set", "b", "5", "--warn", "lots")
    fails(2, "amount", "budget", "set", "b", "five")
    fails(4, "budget ls", "budget", "rm", "nothing")
    fails(2, "--rate", "limits", "set", "mcp/github")
    fails(2, "swarmctl limits", "limits", "rest")
    fails(4, "", "secret", "rm", "nothing")
    fails(4, "", "secret", "check", "nothing")
    assert daemon.ctl("budget", "ls").stdout == ""
    prices = daemon.ctl("cost", "prices").stdout
    assert "built in" in prices and "0.0504  vCPU h" in prices
    assert "= $0.828" in daemon.ctl("cost", "estimate", "1h", "--count", "5", "--memory", "4GiB", "--provider",
                                    "e2b").stdout
    words = daemon.ctl("__complete", "--", "cost", "summary", "--by", "").stdout
    assert "agent" in words and "day" in words
    out = daemon.home / "costs.csv"
    daemon.ctl("cost", "export", "-o", str(out))
    assert out.read_text().startswith("id,start_us,") and stat.S_IMODE(out.stat().st_mode) == 0o600
