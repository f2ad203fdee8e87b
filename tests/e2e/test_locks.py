"""Locks under a real race of processes, and agents that try to act as another. A sample; SWARM_SOAK=1 runs it in full."""

import json
import os

import pytest

from conftest import RpcError, wait_until
from test_team import Team

SOAK = os.environ.get("SWARM_SOAK") == "1"
RACERS = 8
FRESH, STALE = (5_000, 5_000) if SOAK else (150, 150)

# Meets the others at a barrier in shared memory before each round, then asks once, with the program that agents have;
# what it won stands in its file.
RACER = r'''
import json, mmap, os, subprocess, sys, time
me, racers, names, first, last = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
shared = mmap.mmap(os.open("/tmp/barrier", os.O_RDWR), racers * 8)
def meet(round):
    shared[me * 8:me * 8 + 8] = round.to_bytes(8, "little")
    looks = 0
    while any(int.from_bytes(shared[i * 8:i * 8 + 8], "little") < round for i in range(racers)):
        looks += 1
        # Where it has no processor of its own, one that keeps looking keeps those away that it waits for.
        os.sched_yield() if looks < 50 else time.sleep(0.0002)
with open(os.path.expanduser("~/won"), "a") as won:
    for number in range(first, last):
        meet(number + 1)
        while True:
            asked = subprocess.run(["swarm", "lock", f"/workspace/{names}/{number}", "--ttl", "1h", "--json"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            # On a machine with much else to do an answer can take too long: who has the lock is told so once more.
            if asked.returncode != 5: break
        if asked.returncode == 0:
            lock = json.loads(asked.stdout)["lock"]
            won.write(f"{names}/{number} {lock['epoch']} {lock['counter']}\n")
        else:
            assert asked.returncode == 1 and "is locked by agent-" in asked.stderr, (asked.returncode, asked.stderr)
'''

HOLDER = r'''
import socket, sys, time
import msgpack
client = socket.socket(socket.AF_UNIX); client.connect("/run/swarm/agentd.sock")
unpacker = msgpack.Unpacker(raw=False)
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    client.sendall(msgpack.packb([0, 1, "lock.acquire", [{"path": f"stale/{number}", "ttl_ms": 1000}]]))
    answer = None
    while answer is None:
        unpacker.feed(client.recv(65536))
        answer = next(iter(unpacker), None)
    assert answer[2] is None, answer
time.sleep(1.1)  # what is raced for are leases that have run out
'''


@pytest.fixture
def crowd(daemon):
    made = Team(daemon, agents=RACERS + 1)
    if made.members[0]["identity"] != "enforced":
        pytest.skip("this machine gives one uid only")
    return made


def test_a_race_has_one_winner(crowd):
    status, _, err = crowd.run("root", "sh", "-c", f"head -c {RACERS * 8} /dev/zero > /tmp/barrier; chmod 666 /tmp/barrier")
    assert status == 0, err

    def race(names, first, last):
        execs = [crowd.rpc.call("exec.start", {
            "sandbox": crowd.sandbox, "user": f"agent-{i}", "background": True, "wait": False,
            "argv": ["sh", "-c", 'exec /usr/bin/python3 -c "$0" "$@" 2>> ~/said', RACER,
                     str(i), str(RACERS), names, str(first), str(last)]})["exec"]
            for i in range(RACERS)]
        for i, one in enumerate(execs):
            ended = wait_until(lambda: over(crowd, one), timeout=3600 if SOAK else 600, what="a racer")
            # One that gives up leaves the others at the barrier: what it said is looked for first.
            said = [crowd.run(f"agent-{j}", "cat", f"/home/agent-{j}/said")[1] for j in range(RACERS)]
            assert ended["exit_code"] == 0 and not any(said), (i, ended, said)

    race("fresh", 0, FRESH)
    crowd.run("root", "sh", "-c", f"head -c {RACERS * 8} /dev/zero > /tmp/barrier")
    for first in range(0, STALE, 1000):
        last = min(first + 1000, STALE)
        status, _, err = crowd.run(f"agent-{RACERS}", "/usr/bin/python3", "-c", HOLDER, str(first), str(last))
        assert status == 0, err
        race("stale", first, last)

    winners, tokens, by_agent = {}, [], {}
    for i in range(RACERS):
        for line in crowd.run(f"agent-{i}", "cat", f"/home/agent-{i}/won")[1].splitlines():
            path, epoch, counter = line.split()
            assert path not in winners, f"{path} was won by {winners.get(path)} and agent-{i}"
            winners[path] = f"agent-{i}"
            tokens.append((int(epoch), int(counter)))
            by_agent[i] = by_agent.get(i, 0) + 1
    assert len(winners) == FRESH + STALE
    assert len(set(tokens)) == len(tokens)
    print(f"{FRESH} fresh and {STALE} stale races of {RACERS}, one winner each; won by {sorted(by_agent.values())}")


def over(team, one):
    try:
        return team.rpc.call("exec.wait", {"sandbox": team.sandbox, "exec": one, "timeout_ms": 500})
    except RpcError as error:
        assert "still runs" in str(error)
        return None


def test_nobody_acts_as_another(crowd):
    """By tmux, by ptrace, by its memory, by its uid, by the environment, by a helper without parents."""
    assert crowd.swarm_as(1, "lock", "held.c", "--reason", "mine")[0] == 0
    pane = crowd.rpc.call("pane.open", {"sandbox": crowd.sandbox, "pane": "agent-1", "user": "agent-1",
                                        "argv": ["/bin/sh", "-c", "while read line; do $line; done"]})
    attempt = r'''
import ctypes, glob, json, os, subprocess, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def errno_of(result): return os.strerror(ctypes.get_errno()) if result else "done"
def trying(f):
    try: return f()
    except Exception as error: return type(error).__name__
tried = {}
sockets = [path for pattern in ("/run/swarm/**/*", "/tmp/tmux*/*", "/tmp/**/tmux*") for path in glob.glob(pattern, recursive=True)]
tried["tmux sockets"] = [path for path in sockets if os.path.basename(path) not in ("agentd.sock",) and
                         subprocess.run(["tmux", "-S", path, "send-keys", "-t", "agent-1", "swarm unlock held.c", "Enter"],
                                        capture_output=True).returncode == 0]
tried["ptrace"] = errno_of(libc.ptrace(16, pid, 0, 0))
tried["seize"] = errno_of(libc.ptrace(0x4206, pid, 0, 0))
tried["memory"] = trying(lambda: open(f"/proc/{pid}/mem", "r+b").write(b"x"))
tried["terminal"] = trying(lambda: open(f"/proc/{pid}/fd/0", "w").write("swarm unlock held.c\n"))
tried["signal"] = trying(lambda: os.kill(pid, 9))
tried["setuid"] = trying(lambda: os.setuid(2002))
tried["su"] = subprocess.run(["su", "agent-1", "-c", "swarm unlock held.c"], capture_output=True, stdin=subprocess.DEVNULL).returncode
for name, environment in (("agent", {"SWARM_AGENT": "agent-1"}), ("user", {"USER": "agent-1", "LOGNAME": "agent-1", "HOME": "/home/agent-1"})):
    tried["as " + name] = subprocess.run(["swarm", "unlock", "held.c"], env=dict(os.environ, **environment), capture_output=True).returncode
print(json.dumps(tried))
'''
    status, out, err = crowd.run("agent-0", "/usr/bin/python3", "-c", attempt, str(pane["pid"]))
    assert status == 0, err
    tried = json.loads(out)
    assert tried["tmux sockets"] == []
    assert "not permitted" in tried["ptrace"] and "not permitted" in tried["seize"]
    assert tried["memory"] == tried["setuid"] == tried["signal"] == "PermissionError"
    assert tried["terminal"] == "PermissionError"
    assert tried["su"] != 0 and tried["as agent"] == 6 and tried["as user"] == 6
    # A helper that has no parents any more has its uid still.
    status, out, _ = crowd.run("agent-0", "sh", "-c",
                               "(setsid sh -c 'exec env SWARM_AGENT=agent-1 swarm send agent-2 \"I am agent-1\" > /dev/null' &) ;"
                               " while ! swarm messages --from agent-0 | grep -q 'I am'; do sleep 0.01; done; echo seen")
    assert out.strip() == "seen"
    assert crowd.json_as(2, "inbox")["letters"][0]["message"]["sender"] == "agent-0"
    assert [lock["agent"] for lock in crowd.rpc.call("lock.list", {"swarm": "one"})["locks"]] == ["agent-1"]
