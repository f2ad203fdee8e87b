"""Messages for programs without hooks: pasted while they wait for input, looked at until they were taken, once each."""

import json
import os
import random

import pytest

from conftest import RpcError, wait_until
from panes import COMPOSER, PROGRAM
from test_panes import NASTY
from test_team import Team

SOAK = bool(os.environ.get("SWARM_SOAK"))
# Takes no notice of the first Enter behind each paste, as programs do that are busy drawing it.
DEAF = COMPOSER.replace('typed += data[6:end]', 'typed += data[6:end]; deaf = True').replace(
    'if key == b"\\r":', 'if key == b"\\r" and deaf:\n            deaf = False\n        elif key == b"\\r":').replace(
    'typed = b""\n', 'typed = b""\ndeaf = False\n', 1)


# Loses the first paste: whoever pasted it stands at the composer and waits for it to show.
LOSES = COMPOSER.replace('typed += data[6:end]', 'typed += data[6:end] if lost else b""; lost = True').replace(
    'typed = b""\n', 'typed = b""\nlost = False\n', 1)


@pytest.fixture
def team(daemon):
    made = Team(daemon)
    if made.members[0]["identity"] != "enforced":
        pytest.skip("this machine gives one uid only")
    return made


def composer(team, source=COMPOSER, pace="0.02", delivery="paste"):
    team.rpc.call("files.write", {"sandbox": team.sandbox, "path": "/tmp/composer.py", "data": source.encode()})
    team.rpc.call("pane.open", {
        "sandbox": team.sandbox, "pane": "agent-0", "user": "agent-0", "cwd": "/tmp",
        "program": {**PROGRAM, "delivery": delivery},
        "argv": ["/usr/bin/python3", "/tmp/composer.py", "/tmp/agent-0.record", pace]})
    team.rpc.call("pane.wait", {"sandbox": team.sandbox, "pane": "agent-0", "states": ["ready"]})


def prompts(team):
    status, out, _ = team.run("root", "cat", "/tmp/agent-0.record", capture_limit_bytes=16 << 20)
    return [json.loads(line) for line in out.splitlines()] if status == 0 else []


def letters(team):
    return [json.loads(line) for prompt in prompts(team) for line in prompt.splitlines() if line.startswith('{"id"')]


def send(team, body, **more):
    return team.rpc.call("message.send", {"swarm": "one", "to": ["agent-0"], "body": body, **more})["id"]


def info(team):
    return team.rpc.call("agent.info", {"swarm": "one", "agent": "agent-0"})


def problem(team):
    return (info(team).get("delivery") or {}).get("problem", "")


def test_nasty_messages_arrive_as_they_were_accepted(team):
    """Under the end of agentd, again and again: each at least once, a second time only as a repeat, in order."""
    composer(team)
    rng = random.Random(int(os.environ.get("SWARM_SEED", "4")))
    count, kills = (5000, 20) if SOAK else (60, 2)
    bodies = {}
    for i in range(count):
        body = f"{i}: " + "".join(rng.choice(NASTY)[:9000] for _ in range(1 if i < len(NASTY) else rng.randint(1, 3)))
        if i < len(NASTY):
            body = f"{i}: " + NASTY[i]
        body = body.replace("\0", "").encode()[:10_000].decode("utf-8", "ignore")
        id = send(team, body)
        bodies[id] = team.rpc.call("message.show", {"swarm": "one", "id": id})["message"]["body"]
        if rng.random() < kills / count:
            team.kill_agentd()
            wait_until(lambda: answers(team), what="agentd after its end")
    wait_until(lambda: info(team)["unread"] == 0, timeout=3600 if SOAK else 120, what="an empty queue")
    got = letters(team)
    assert {letter["id"]: letter["body"] for letter in got} == bodies
    first = []
    for letter in got:
        assert letter["id"] not in first or "repeat" in letter["note"]
        if letter["id"] not in first:
            first.append(letter["id"])
    assert first == list(bodies)
    copy = team.rpc.call("message.show", {"swarm": "one", "id": first[0]})["deliveries"][0]
    assert copy["state"] == "delivered" and copy["delivered_by"].startswith("paste")


def answers(team):
    try:
        return team.rpc.call("agent.list", {"swarm": team.swarm})
    except RpcError:
        return None


def test_an_enter_that_is_swallowed_is_given_again(team):
    composer(team, DEAF)
    id = send(team, "can you hear me?")
    wait_until(lambda: [one["id"] for one in letters(team)] == [id], what="the message")
    wait_until(lambda: info(team)["unread"] == 0, what="its delivery")
    assert len(prompts(team)) == 1


def test_it_is_not_woken_for_mail_that_it_has_read(team):
    """What wakes an idle agent, and what nudges one that sleeps over its mail, stand in line for the same composer."""
    team.rpc.call("team.open", {"sandbox": team.sandbox, "swarm": team.swarm, "name": "one",
                                "messages_per_minute": 1_000_000, "patience": {"asleep_ms": 50, "rung_ms": 600_000}})
    composer(team, LOSES, delivery="hooks")
    pane = {"sandbox": team.sandbox, "pane": "agent-0"}
    other = team.daemon.rpc()
    holds = other.request("pane.prompt", {**pane, "text": "lost", "confirm_ms": 6000})
    read = send(team, "read before anybody got to type")
    # The keeper looks every 50 ms: it and the delivery are in line long before this is over. What is checked does not
    # depend on it.
    for _ in range(20):
        team.rpc.call("pane.wait", {**pane, "states": ["ready"]})
        team.run("root", "sleep", "0.1")
    assert [m["message"]["id"] for m in team.json_as(0, "inbox")["letters"]] == [read]
    with pytest.raises(RpcError, match="did not show"):
        other.wait(holds)
    team.rpc.call("pane.prompt", {**pane, "text": "behind them"})
    wait_until(lambda: "behind them" in prompts(team), timeout=60, what="the last in line")
    assert prompts(team) == ["behind them"]


def test_what_is_in_the_way_is_told_and_what_was_read_is_not_pasted(team):
    composer(team)
    team.rpc.call("pane.send", {"sandbox": team.sandbox, "pane": "agent-0", "text": "half a line", "paste": False})
    team.rpc.call("pane.wait", {"sandbox": team.sandbox, "pane": "agent-0", "states": ["typing"]})
    read = send(team, "read with swarm inbox")
    wait_until(lambda: "typed something" in problem(team), what="the reason")
    shown = team.daemon.ctl("agent", "show", "--swarm", "one", "agent-0").stdout
    assert "typed something" in shown and "paste" in shown
    assert [m["message"]["id"] for m in team.json_as(0, "inbox")["letters"]] == [read]
    team.rpc.call("pane.send", {"sandbox": team.sandbox, "pane": "agent-0", "text": "", "keys": ["Enter"]})
    later = send(team, "later")
    wait_until(lambda: [one["id"] for one in letters(team)] == [later], what="the later one")
    assert prompts(team)[0] == "half a line"
    wait_until(lambda: problem(team) == "", what="nothing in the way")

    # Its program ends, and then it shows a dialog: nothing is typed into that.
    team.rpc.call("pane.kill", {"sandbox": team.sandbox, "pane": "agent-0", "grace_ms": 0})
    waits = send(team, "while nobody is there")
    wait_until(lambda: "no program" in problem(team), what="the reason")
    team.rpc.call("pane.open", {"sandbox": team.sandbox, "pane": "agent-0", "user": "agent-0", "replace": True,
                                "program": {**PROGRAM, "delivery": "paste"}, "argv": [
                                    "/bin/sh", "-c", "printf '> \\n----\\nAllow?'; stty raw -echo; exec od -c"]})
    wait_until(lambda: "dialog" in problem(team), timeout=30, what="the reason")
    assert team.rpc.call("pane.screen", {"sandbox": team.sandbox, "pane": "agent-0"})["text"].strip().endswith("Allow?")
    assert team.rpc.call("message.show", {"swarm": "one", "id": waits})["deliveries"][0]["state"] == "queued"
