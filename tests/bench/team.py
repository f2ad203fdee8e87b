"""What a team costs: locks, messages and the registry as agents use them, each beside its rival in the same run.

Needs SWARM_BUILD, the build directory; `--json FILE` adds to one array."""

import argparse
import json
import os
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "e2e")]

from conftest import Daemon  # noqa: E402
from end_to_end import Report, percentile  # noqa: E402
from test_team import Team  # noqa: E402

# Runs inside, as an agent; what it measured is one line of JSON.
INSIDE = r'''
import json, os, selectors, socket, subprocess, sys, time
import msgpack
what, count = sys.argv[1], int(sys.argv[2])

class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX); self.socket.connect("/run/swarm/agentd.sock")
        self.unpacker = msgpack.Unpacker(raw=False)
    def send(self, method, **params):
        self.begun = time.perf_counter()
        self.socket.sendall(msgpack.packb([0, 1, method, [params]]))
    def read(self):
        self.unpacker.feed(self.socket.recv(65536))
        return next(iter(self.unpacker), None)
    def call(self, method, **params):
        self.send(method, **params)
        while True:
            message = self.read()
            if message is not None:
                assert message[2] is None, message
                return message[3]

def times(*actions):
    """Each in turn, so that both meet the same load."""
    out = [[] for _ in actions]
    for _ in range(count):
        for action, spans in zip(actions, out):
            begun = time.perf_counter(); action(); spans.append(time.perf_counter() - begun)
    return out

def process(*argv): return lambda: subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)

one = Client()
def over_rpc():
    lock = one.call("lock.acquire", path="rpc/file")["lock"]["id"]
    one.call("lock.release", id=lock)

if what == "processes":
    os.chdir(os.path.expanduser("~"))
    def pair():
        process("swarm", "lock", "cli/file")(); process("swarm", "unlock", "cli/file")()
    result = times(pair, process("flock", "held", "true"), process("swarm", "version"), process("/bin/true"))
elif what == "rpc":
    result = times(over_rpc)
elif what == "hold":
    held = len(one.call("agent.info", agent=one.call("inner.whoami")["agent"])["locks"])
    for number in range(held, count):
        one.call("lock.acquire", path=f"held/{number}", ttl_ms=3600000)
    result = []
elif what == "look":
    result = times(lambda: one.call("agent.list", limit=1000))
elif what == "send":
    process("tmux", "-L", "bench", "-f", "/dev/null", "new-session", "-d", "cat")()
    result = times(lambda: one.call("message.send", to=["agent-1"], body="hello"),
                   process("swarm", "send", "agent-1", "hello"),
                   process("tmux", "-L", "bench", "send-keys", "hello", "Enter"))
    process("tmux", "-L", "bench", "kill-server")()
elif what == "crowd":
    clients = [Client() for _ in range(64)]
    selector = selectors.DefaultSelector()
    for client in clients: selector.register(client.socket, selectors.EVENT_READ, client)
    spans, begun, sent = [], time.perf_counter(), 0
    for client in clients: client.send("message.send", to=["agent-1"], body="x" * 200); sent += 1
    while len(spans) < count:
        for key, _ in selector.select():
            client = key.data
            message = client.read()
            if message is None: continue
            assert message[2] is None, message
            spans.append(time.perf_counter() - client.begun)
            if sent < count: client.send("message.send", to=["agent-1"], body="x" * 200); sent += 1
    result = [spans, [time.perf_counter() - begun]]
print(json.dumps(result))
'''

# As root of the sandbox: what the disk below the team's store takes, and what agentd holds.
DISK = r'''
import json, os, time
fd = os.open("/root/.swarm/probe", os.O_CREAT | os.O_WRONLY)
spans = []
for i in range(200):
    os.pwrite(fd, b"x" * 8192, i * 8192); begun = time.perf_counter(); os.fdatasync(fd); spans.append(time.perf_counter() - begun)
os.unlink("/root/.swarm/probe")
print(json.dumps(spans))
'''
MEMORY = r'''
import glob, json
for path in glob.glob("/proc/[0-9]*/cmdline"):
    words = open(path, "rb").read().split(b"\0")
    if b"run" in words and b"--sandbox" in words:
        status = open(path.replace("cmdline", "status")).read()
        print(json.dumps({line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM"))}))
'''


def measure(team, what, count, agent="agent-0"):
    status, out, err = team.run(agent, "/usr/bin/python3", "-c", INSIDE, what, str(count),
                                capture_limit_bytes=8 << 20)
    assert status == 0, err
    return json.loads(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--few", action="store_true", help="a tenth of everything")
    options = parser.parse_args()
    few = 10 if options.few else 1
    report = Report()
    daemon = Daemon()
    try:
        team = Team(daemon.start(), agents=2, rate=10_000_000)
        ours, flock, version, true = measure(team, "processes", 200 // few)
        report.add_latency("swarm lock + swarm unlock", ours, "flock FILE true", flock)
        report.add_latency("swarm version", version, "/bin/true", true)
        [rpc] = measure(team, "rpc", 2000 // few)
        report.add_latency("lock + unlock over RPC", rpc, "flock FILE true", flock)
        for held in (100 // few, 1_000 // few, 10_000 // few):
            measure(team, "hold", held, "agent-1")
            [beside] = measure(team, "rpc", 1000 // few)
            report.add_latency(f"lock + unlock over RPC, {held} others held", beside, "the same, none held", rpc)
        sends, commands, keys = measure(team, "send", 300 // few)
        report.add_latency("message accepted over RPC", sends, "tmux send-keys", keys)
        report.add_latency("swarm send", commands, "tmux send-keys", keys)
        # A queue of one recipient holds 5,000.
        spans, [took] = measure(team, "crowd", 4000 // few)
        status, out, err = team.run("root", "/usr/bin/python3", "-c", DISK)
        assert status == 0, err
        disk = json.loads(out)
        report.add_latency("message accepted, 64 at once", spans, "fdatasync of 8 KiB there", disk)
        report.add("durable messages accepted", len(spans) / took, "1/s", "fdatasync of 8 KiB there", len(disk) / sum(disk))
        for i in range(2, 200):
            team.rpc.call("team.join", {"swarm": team.swarm, "agent": f"agent-{i}", "skills": [{"name": "cpp"}]})
        [looks] = measure(team, "look", 200 // few)
        report.add(f"agent.list of 200 p50 (n={len(looks)})", percentile(looks, 0.5) * 1000, "ms")
        for i in range(50 // few):
            team.rpc.call("pane.open", {"sandbox": team.sandbox, "pane": f"agent-{i}", "user": f"agent-{i}",
                                        "argv": ["/bin/cat"]})
        # init has agentd's words on its own command line, too.
        found = [json.loads(line)["VmRSS"] for line in team.run("root", "/usr/bin/python3", "-c", MEMORY)[1].splitlines()]
        report.add(f"agentd with {50 // few} panes and 200 agents", max(found) / 1024, "MiB")
    finally:
        daemon.close()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
