"""A team in a real sandbox: agents with uids of their own talk, lock and take notes; nobody speaks for another; nothing
that was accepted is lost with agentd, the daemon or the tunnel."""

import json
import pathlib
import re
import time

import pytest

from conftest import RpcError, wait_until

API = (pathlib.Path(__file__).parents[2] / "docs/api.md").read_text()
AGENT_METHODS = ("agent.", "artifact.", "lock.", "message.", "note.", "task.", "review.", "proposal.", "human.", "inner.", "git.", "rpc.")


class Team:
    """A swarm of some agents in a sandbox of its own."""

    def __init__(self, daemon, agents=2, swarm="swm_one", rate=1_000_000):
        self.daemon = daemon
        self.swarm = swarm
        self.rpc = daemon.rpc()
        self.sandbox = self.rpc.call("sandbox.create", {})["id"]
        self.rpc.call("team.open", {"sandbox": self.sandbox, "swarm": swarm, "name": swarm[4:],
                                    "messages_per_minute": rate})
        self.members = [self.rpc.call("team.join", {"swarm": swarm, "agent": f"agent-{i}"}) for i in range(agents)]

    def run(self, user, *argv, **more):
        """A program in the sandbox: its exit status, output and errors."""
        reply = self.rpc.call("exec.start", {"sandbox": self.sandbox, "argv": list(argv), "user": user,
                                             "capture": True, **more})
        return reply["status"].get("exit_code"), reply.get("stdout", ""), reply.get("stderr", "")

    def swarm_as(self, agent, *words, **more):
        return self.run(f"agent-{agent}", "swarm", *words, **more)

    def json_as(self, agent, *words):
        status, out, err = self.swarm_as(agent, *words, "--json")
        assert status == 0, err
        return json.loads(out)

    def kill_agentd(self):
        """As root of the sandbox; init starts it again. The call may end with it."""
        try:
            self.run("root", "sh", "-c",
                     "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q 'agentd run'"
                     " && [ ${p#/proc/} != 1 ] && kill -9 ${p#/proc/}; done; true", background=True, wait=False)
        except RpcError:
            pass


@pytest.fixture
def team(daemon):
    made = Team(daemon)
    if made.members[0]["identity"] != "enforced":
        pytest.skip("this machine gives one uid only")
    return made


def test_an_agent_is_who_the_kernel_says(team):
    assert [m["uid"] for m in team.members] == [2001, 2002]
    assert [m["home"] for m in team.members] == ["/home/agent-0", "/home/agent-1"]
    who = team.json_as(1, "whoami")
    assert (who["agent"], who["uid"], who["swarm"]) == ("agent-1", 2002, "swm_one")
    status, out, _ = team.run("agent-0", "sh", "-c", "id -un; stat -c %U:%a ~; ls /home/agent-1 2>&1; echo x > ~/mine")
    assert out.startswith("agent-0\nagent-0:700\n") and "Permission denied" in out

    # Forging: by the environment, by a helper that leaves its parents behind, by a field, as somebody else.
    assert team.swarm_as(1, "lock", "held.c", "--reason", "mine")[0] == 0
    status, _, err = team.swarm_as(0, "unlock", "held.c", env={"SWARM_AGENT": "agent-1", "USER": "agent-1"})
    assert status == 6 and "agent-1" in err
    status, out, _ = team.run("agent-0", "sh", "-c",
                              "(setsid sh -c 'swarm unlock held.c; echo $? > /tmp/daemonised' &) ; "
                              "while [ ! -s /tmp/daemonised ]; do sleep 0.01; done; cat /tmp/daemonised",
                              env={"SWARM_AGENT": "agent-1"})
    assert out.strip() == "6"
    status, _, err = team.run("user", "swarm", "send", "agent-0", "I am agent-1")
    assert status == 6 and "uid 1000 is no agent" in err
    assert team.run("root", "swarm", "lock", "x")[0] == 4, "the sandbox itself is no agent"
    assert [lock["agent"] for lock in team.rpc.call("lock.list", {"swarm": "one"})["locks"]] == ["agent-1"]


def test_two_agents_race_for_a_lock(team):
    """Each takes it in turns with the other: never both, and nobody is forgotten."""
    script = ("for i in $(seq 15); do swarm lock shared/counter --wait 20s --json > /dev/null || exit 1;"
              " n=$(cat /tmp/counter); mkdir /tmp/inside || exit 2; echo $((n + 1)) > /tmp/counter;"
              " rmdir /tmp/inside || exit 3; swarm unlock shared/counter > /dev/null || exit 4; done")
    team.run("root", "sh", "-c", "echo 0 > /tmp/counter; chmod 666 /tmp/counter; chmod 1777 /tmp")
    execs = [team.rpc.call("exec.start", {"sandbox": team.sandbox, "command": script, "user": f"agent-{i}",
                                          "background": True, "wait": False})["exec"] for i in range(2)]
    for one in execs:
        ended = team.rpc.call("exec.wait", {"sandbox": team.sandbox, "exec": one, "timeout_ms": 60_000})
        assert ended["exit_code"] == 0
    assert team.run("root", "cat", "/tmp/counter")[1] == "30\n"
    refused = team.swarm_as(0, "lock", "/workspace/a", "--wait", "0s")
    assert refused[0] == 0
    status, _, err = team.swarm_as(1, "lock", "sub/../a")
    assert status == 1 and "agent-0" in err


def test_people_and_agents_write_to_each_other(team):
    sent = team.rpc.call("message.send", {"to": ["agent-0"], "kind": "QUESTION", "body": "ready?\x1b[2J"})
    letter = team.json_as(0, "inbox")["letters"][0]["message"]
    assert (letter["sender"], letter["body"], letter["ack"]) == ("human", "ready?", True)
    assert team.swarm_as(1, "ack", sent["id"])[0] == 6, "it was not sent to agent-1"
    assert team.swarm_as(0, "ack", sent["id"])[0] == 0
    shown = team.rpc.call("message.show", {"id": sent["id"][:12]})
    assert shown["deliveries"][0]["state"] == "acknowledged"
    assert team.swarm_as(0, "note", "put", "plan", "first")[0] == 0
    assert team.rpc.call("note.get", {"key": "plan"})["value"] == "first"
    with pytest.raises(RpcError, match="unknown method"):
        team.rpc.call("lock.acquire", {"path": "x"})
    with pytest.raises(RpcError, match="no swarm 'two'"):
        team.rpc.call("agent.list", {"swarm": "two"})


def test_nothing_is_lost_with_agentd_or_the_daemon(team):
    """Each agent writes numbers to the other while agentd is killed under them: once each, in order."""
    count, kills = 40, 6
    script = ("for i in $(seq {n}); do swarm send {to} $i > /dev/null || echo failed $i; done")
    execs = []
    for me, other in ((0, 1), (1, 0)):
        execs.append(team.rpc.call("exec.start", {
            "sandbox": team.sandbox, "command": script.format(n=count, to=f"agent-{other}"), "user": f"agent-{me}",
            "background": True, "wait": False})["exec"])

    def ended():
        try:
            return [e for e in execs if team.rpc.call("exec.wait", {
                "sandbox": team.sandbox, "exec": e, "timeout_ms": 1})["state"] != "running"]
        except RpcError:
            return []

    for _ in range(kills):
        team.kill_agentd()
        wait_until(lambda: answers(team), what="agentd after its end")
    team.daemon.kill()
    team.daemon.start()
    team.rpc = team.daemon.rpc()
    wait_until(lambda: len(ended()) == 2, timeout=60, what="the senders' end")
    for me in (0, 1):
        bodies = []
        while len(bodies) < count:
            got = team.json_as(me, "inbox")
            assert got["letters"], f"{len(bodies)} of {count}"
            bodies += [letter["message"]["body"] for letter in got["letters"]]
        assert bodies == [str(i + 1) for i in range(count)]
        assert team.json_as(me, "inbox")["letters"] == []
    assert {a["id"] for a in team.rpc.call("agent.list", {"swarm": "swm_one"})["agents"]} == {"agent-0", "agent-1"}


def answers(team):
    try:
        return team.rpc.call("agent.list", {"swarm": team.swarm})
    except RpcError:
        return None


def test_no_method_from_inside_reaches_beyond_the_swarm(daemon, team):
    """Walks every method that the daemon has, from within: as an agent, on agentd's socket."""
    other = Team(daemon, swarm="swm_two")
    secret = other.rpc.call("note.put", {"swarm": "two", "key": "secret", "value": "of the other swarm"})
    assert secret["revision"] == 1
    walk = r'''
import json, socket, sys
names = json.loads(sys.argv[1])
client = socket.socket(socket.AF_UNIX); client.connect("/run/swarm/agentd.sock"); client.settimeout(20)
def text(s): b = s.encode(); return bytes([0xdb]) + len(b).to_bytes(4, "big") + b
answers = {}
for i, name in enumerate(names):
    # Named arguments for the other swarm; what a method does not know, it refuses by name.
    params = bytes([0x91, 0x81]) + text("swarm") + text("swm_two")
    client.sendall(bytes([0x94, 0x00, 0xcd]) + i.to_bytes(2, "big") + text(name) + params)
    answers[name] = client.recv(65536).decode("utf-8", "replace")
print(json.dumps(answers))
'''
    # Those of clients, of tunnels and of agentd.
    methods = sorted(set(re.findall(r"^#+ `?([a-z_]+\.[a-z_]+)`?", API, re.MULTILINE)))
    assert "sandbox.create" in methods and "task.next" in methods
    status, out, err = team.run("agent-0", "/usr/bin/python3", "-c", walk, json.dumps(methods))
    assert status == 0, err
    answered = json.loads(out)
    for name in methods:
        text = answered[name]
        assert "of the other swarm" not in text, name
        if name.startswith("rpc."):
            continue
        refusal = re.search(r"unimplemented|permission_denied|not_found|invalid_argument|does not live in this", text)
        assert refusal, (name, text)
        if not name.startswith(AGENT_METHODS):
            assert "unimplemented" in text or "permission_denied" in text, (name, text)
    # What is relayed to the daemon carries the caller's own agent, whatever it says.
    for name in ("task.next", "proposal.vote", "review.submit", "human.ask"):
        status, _, err = team.run("agent-0", "/usr/bin/python3", "-c", r'''
import socket, sys
client = socket.socket(socket.AF_UNIX); client.connect("/run/swarm/agentd.sock"); client.settimeout(20)
def text(s): b = s.encode(); return bytes([0xdb]) + len(b).to_bytes(4, "big") + b
client.sendall(bytes([0x94, 0x00, 0x01]) + text(sys.argv[1]) + bytes([0x91, 0x81]) + text("agent") + text("agent-1"))
raise SystemExit(client.recv(65536).decode("utf-8", "replace"))
''', name)
        assert "nobody speaks for 'agent-1'" in err, name


def test_what_happens_in_a_team_is_in_the_daemons_log_once(team):
    """Over kills of either side; what a person should see is a notice."""
    script = "for i in $(seq 30); do swarm send agent-1 $i > /dev/null || echo failed $i; done"
    sender = team.rpc.call("exec.start", {"sandbox": team.sandbox, "command": script, "user": "agent-0",
                                          "background": True, "wait": False})["exec"]
    for _ in range(3):
        team.kill_agentd()
        wait_until(lambda: answers(team), what="agentd after its end")
        team.daemon.kill()
        team.daemon.start()
        team.rpc = team.daemon.rpc()
    wait_until(lambda: answers(team), what="agentd at the end")
    assert team.rpc.call("exec.wait", {"sandbox": team.sandbox, "exec": sender, "timeout_ms": 60_000})["exit_code"] == 0
    short = team.rpc.call("message.send", {"to": ["agent-1"], "body": "nobody reads this", "expires_ms": 1000})["id"]

    def events(kind):
        return team.rpc.call("events.list", {"types": [kind], "from": 1, "limit": 1000})["events"]

    notice = wait_until(lambda: events("human.notice"), what="the notice")[0]
    assert (notice["data"]["kind"], notice["data"]["about"]) == ("undeliverable", short)
    assert f"swarmctl msg again {short}" in notice["data"]["text"]
    assert (notice["swarm"], notice["agent"]) == ("swm_one", "agent-1")
    queued = [event for event in events("message.queued") if event["data"]["sender"] == "agent-0"]
    assert [event["data"]["body"] for event in queued] == [str(i + 1) for i in range(30)]
    seqs = [event["origin"]["seq"] for event in queued]
    assert seqs == sorted(set(seqs)) and queued[0]["origin"]["store"].startswith(team.sandbox + "/")
    # What the daemon has is let go of inside.
    count = "import sqlite3; print(sqlite3.connect('/root/.swarm/team.db').execute('select count(*) from events').fetchone()[0])"
    wait_until(lambda: int(team.run("root", "/usr/bin/python3", "-c", count)[1] or 99) <= 1, what="an empty log")
    shown = team.daemon.ctl("events", "--types", "human.*").stdout
    assert "undeliverable" in shown


def test_views_in_the_workspace(team):
    assert team.swarm_as(0, "lock", "src/a.c", "--reason", "mine")[0] == 0
    for i in range(3):
        assert team.swarm_as(0, "send", "agent-1", f"number {i}")[0] == 0

    def view():
        try:
            return json.loads(team.run("agent-1", "cat", "/workspace/ACTIVE_AGENTS.json")[1])
        except ValueError:
            return None

    active = wait_until(lambda: (view() or {}).get("agents") and any(a["locks"] for a in view()["agents"]) and view(),
                        what="ACTIVE_AGENTS.json")
    assert {a["id"]: a["locks"] for a in active["agents"]} == {"agent-0": ["src/a.c"], "agent-1": []}
    log = wait_until(lambda: (out := team.run("agent-1", "cat", "/workspace/agent_messages.log")[1]).count("\n") == 3
                     and out, what="agent_messages.log")
    lines = [json.loads(line) for line in log.splitlines()]
    assert [(line["from"], line["to"], line["text"]) for line in lines] == [
        ("agent-0", ["agent-1"], f"number {i}") for i in range(3)]
    locks = team.run("agent-1", "sh", "-c", "cd /workspace/.agent_locks && ls && cat *.lock && echo x > mine.lock")
    assert locks[1].startswith("src%2Fa.c.lck_") and '"reason": "mine"' in locks[1] and locks[0] != 0
    assert team.swarm_as(0, "unlock", "src/a.c")[0] == 0
    wait_until(lambda: not team.run("root", "ls", "/workspace/.agent_locks")[1], what="no lock file")


def test_what_an_agent_can_do_is_found(team):
    assert team.swarm_as(0, "card", "--skill", "Rust=0.9,sql", "--tool", "gdb", "--about", "writes parsers")[0] == 0
    assert team.swarm_as(1, "card", "--skill", "rust=0.4")[0] == 0
    found = team.json_as(1, "find-agent", "RUST")["candidates"]
    assert [one["agent"] for one in found] == ["agent-0", "agent-1"] and found[0]["score"] == 0.9
    assert [one["agent"] for one in team.json_as(1, "find-agent", "rust", "--tool", "gdb")["candidates"]] == ["agent-0"]
    assert team.swarm_as(0, "card", "--availability", "0")[0] == 0
    assert [one["agent"] for one in team.json_as(1, "find-agent", "rust")["candidates"]] == ["agent-1"]
    assert team.json_as(0, "card")["card"]["about"] == "writes parsers"
    assert "agent-1" in team.daemon.ctl("agent", "find", "rust").stdout
    # What was said and decided is found again, by agents and by people.
    team.swarm_as(0, "send", "agent-1", "--kind", "question", "where is the parser?")
    assert "where is the parser" in team.swarm_as(1, "messages", "--kind", "question", "--text", "PARSER")[1]
    assert "where is the parser" in team.daemon.ctl("msg", "ls", "--kind", "QUESTION").stdout
    lock = team.json_as(0, "lock", "a.c")["lock"]["id"]
    broken = team.daemon.ctl("lock", "break", lock, "--reason", "it was left behind").stdout
    assert "agent-0" in broken
    ended = wait_until(lambda: [e for e in team.rpc.call("events.list", {"types": ["lock.ended"], "from": 1})["events"]
                                if e["data"]["end"] == "broken"], what="the record")[0]["data"]
    assert (ended["id"], ended["by"], ended["reason"]) == (lock, "human", "it was left behind")


def test_a_pause_moves_the_deadlines_of_a_team(team):
    lock = team.json_as(0, "lock", "a.c", "--ttl", "6s")["lock"]
    team.rpc.call("sandbox.pause", {"sandbox": team.sandbox})
    over = time.monotonic() + 14  # agentd waits to be told of a pause when it is five seconds late
    wait_until(lambda: time.monotonic() > over, what="the time that the lock would have had")
    team.rpc.call("sandbox.resume", {"sandbox": team.sandbox})
    [held] = team.rpc.call("lock.list", {"swarm": "one"})["locks"]
    assert held["id"] == lock["id"] and held["expires_us"] >= lock["expires_us"] + 8_000_000
    wait_until(lambda: not team.rpc.call("lock.list", {"swarm": "one"})["locks"], what="its end")


def test_an_agent_that_does_not_go_on_is_helped_and_told_of(daemon):
    """A program that shows how it is talked to, and stops: nudged, interrupted, started again, then a person is told."""
    team = Team(daemon, agents=0)
    team.rpc.call("team.open", {"sandbox": team.sandbox, "swarm": team.swarm, "name": "one",
                                "patience": {"silent_ms": 500, "rung_ms": 300}})
    if team.rpc.call("team.join", {"swarm": team.swarm, "agent": "agent-0"})["identity"] != "enforced":
        pytest.skip("this machine gives one uid only")
    stuck = "trap 'echo it was told to stop; echo and goes on' INT; echo works on it; while :; do sleep 1; done"
    team.rpc.call("pane.open", {"sandbox": team.sandbox, "pane": "agent-0", "user": "agent-0",
                                "argv": ["/bin/sh", "-c", stuck],
                                "program": {"kind": "stuck", "otherwise": "busy",
                                            "resume": ["/bin/sh", "-c", "echo goes on with it; " + stuck]}})

    def info():
        return team.rpc.call("agent.info", {"swarm": "one", "agent": "agent-0"})

    def rungs():
        return [step["rung"] for step in info().get("stalls", [])]

    wait_until(lambda: rungs()[-1:] == ["human"], timeout=60, what="the top of the ladder")
    assert rungs() == ["nudge", "interrupt", "restart", "replace", "human"], info()["stalls"]
    assert all(step["kind"] == "silent" and "nothing new" in step["seen"] for step in info()["stalls"])
    # Once with its conversation, and once anew: as it was opened.
    screen = team.rpc.call("pane.screen", {"sandbox": team.sandbox, "pane": "agent-0"})["text"]
    assert "works on it" in screen and "goes on with it" not in screen
    assert "goes on with it" in team.daemon.ctl("agent", "logs", "agent-0").stdout
    assert info()["program"]["restarts"] == 2 and info()["program"]["stall"] == "silent"
    assert "do not get on" in team.json_as(0, "inbox")["letters"][0]["message"]["body"]
    shown = team.daemon.ctl("agent", "show", "agent-0").stdout
    assert "nothing new on its screen" in shown and "interrupt" in shown
    notice = wait_until(lambda: team.rpc.call("events.list", {"types": ["human.notice"], "from": 1})["events"],
                        what="the notice")[0]
    assert (notice["data"]["kind"], notice["agent"]) == ("stalled", "agent-0")
    # Evidence outlives agentd.
    team.kill_agentd()
    wait_until(lambda: answers(team), what="agentd after its end")
    wait_until(lambda: rungs()[:5] == ["nudge", "interrupt", "restart", "replace", "human"], what="the evidence")
