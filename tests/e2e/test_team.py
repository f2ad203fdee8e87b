"""A team in a real sandbox: agents with uids of their own talk, lock and take notes; nobody speaks for another; nothing
that was accepted is lost with agentd, the daemon or the tunnel."""

import json
import pathlib
import re

import pytest

from conftest import RpcError, wait_until

API = (pathlib.Path(__file__).parents[2] / "docs/api.md").read_text()
AGENT_METHODS = ("agent.", "lock.", "message.", "note.", "task.", "review.", "proposal.", "human.", "inner.", "git.", "rpc.")


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
    status, _, err = team.run("agent-0", "/usr/bin/python3", "-c", r'''
import socket
client = socket.socket(socket.AF_UNIX); client.connect("/run/swarm/agentd.sock"); client.settimeout(20)
def text(s): b = s.encode(); return bytes([0xdb]) + len(b).to_bytes(4, "big") + b
client.sendall(bytes([0x94, 0x00, 0x01]) + text("task.next") + bytes([0x91, 0x81]) + text("agent") + text("agent-1"))
raise SystemExit(client.recv(65536).decode("utf-8", "replace"))
''')
    assert "nobody speaks for 'agent-1'" in err
