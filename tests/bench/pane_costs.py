"""What panes cost: a keystroke through `swarmctl attach`, messages into a program, and what the daemon and agentd need
for busy programs that are looked at. Each beside its rival in the same run.

Needs SWARM_BUILD, the build directory; `--json FILE` adds to one array."""

import argparse
import json
import os
import pathlib
import select
import string
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "e2e")]

from conftest import Daemon, wait_until  # noqa: E402
from end_to_end import Report, cpu_of, percentile, seconds  # noqa: E402
from panes import COMPOSER, PROGRAM, swarmctl  # noqa: E402
from test_endurance import agentd_of, processes  # noqa: E402
from test_team import Team  # noqa: E402

KEYS = string.ascii_uppercase
PAUSE = 0.015  # between keystrokes: a fast typist's burst; nothing of the one before is under way then

# From the keystroke to its echo on the terminal `fd`; both sides run this very code.
TYPE = r'''
import json, os, select, time
def type_keys(fd, keys, count, pause):
    spans = []
    for i in range(count):
        end = time.perf_counter() + pause
        while (left := end - time.perf_counter()) > 0:
            if select.select([fd], [], [], left)[0]: os.read(fd, 65536)
        key, seen = keys[i % len(keys)].encode(), b""
        begun = time.perf_counter()
        os.write(fd, key)
        while key not in seen:
            assert select.select([fd], [], [], 20)[0], "no echo"
            seen += os.read(fd, 65536)
        spans.append(time.perf_counter() - begun)
        if i % 60 == 59: os.write(fd, b"\r")
    return spans
'''

# The rival, as root of the sandbox: tmux's own client on a terminal there. A line of counts in, a line of spans out.
INSIDE = TYPE + r'''
import fcntl, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm-256color"
    os.execvp("tmux", ["tmux", "-u", "-S", "/run/swarm/panes/tmux", "attach", "-t", "=claude-swarm:" + sys.argv[1]])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
print(json.dumps(type_keys(fd, sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
'''

# Like an agent at work: a spinner that turns ten times a second, and a line of output now and then.
BUSY = r'''
import sys, time
n = 0
while True:
    n += 1
    sys.stdout.write(f"\r\x1b[2K* Working ({n // 10}s, {n * 37} tokens, esc to interrupt)")
    if n % 10 == 0: sys.stdout.write("\r\x1b[2K" + f"read src/file_{n}.cpp and changed what was asked for in it\n")
    sys.stdout.flush()
    time.sleep(0.1)
'''

# Writes down when it was given each prompt.
TIMED = COMPOSER.replace('record.write(json.dumps(typed.decode("utf-8").replace("\\r", "\\n")) + "\\n")',
                         'record.write(f"{time.monotonic_ns()}\\n")')


def attach_latency(report, team, rounds, keys):
    team.rpc.call("pane.open", {"sandbox": team.sandbox, "pane": "agent-0", "user": "agent-0", "cols": 100, "rows": 30,
                                "argv": ["/bin/cat"]})
    code = {}
    exec(TYPE, code)  # the text above, for this side
    terminal = swarmctl(team.daemon, "attach", "agent-0")
    ours, theirs = [], []
    try:
        terminal.type(b"~")
        terminal.until(b"~")
        for _ in range(rounds):
            ours += code["type_keys"](terminal.master, KEYS, keys, PAUSE)
            status, out, err = team.run("root", "/usr/bin/python3", "-c", INSIDE, "agent-0", KEYS, str(keys), str(PAUSE),
                                        capture_limit_bytes=8 << 20)
            assert status == 0, err
            theirs += json.loads(out)
    finally:
        terminal.close()
    report.add_latency("keystroke echo through swarmctl attach", ours, "tmux attach in the sandbox", theirs)
    report.add(f"added to a keystroke at p99 (n={len(ours)})",
               (percentile(ours, 0.99) - percentile(theirs, 0.99)) * 1000, "ms")
    team.rpc.call("pane.kill", {"sandbox": team.sandbox, "pane": "agent-0", "grace_ms": 0, "close": True})


def into_a_pane(report, team, count):
    """A message to a program without hooks, from being asked to accept it until its program has it; a paste alone."""
    team.rpc.call("files.write", {"sandbox": team.sandbox, "path": "/tmp/timed.py", "data": TIMED.encode()})
    team.rpc.call("pane.open", {
        "sandbox": team.sandbox, "pane": "agent-1", "user": "agent-1", "cwd": "/tmp",
        "program": {**PROGRAM, "delivery": "paste"},
        "argv": ["/usr/bin/python3", "/tmp/timed.py", "/tmp/timed.record"]})
    team.rpc.call("pane.wait", {"sandbox": team.sandbox, "pane": "agent-1", "states": ["ready"]})

    def taken():
        out = team.run("root", "cat", "/tmp/timed.record")[1]
        return [int(line) for line in out.splitlines()]
    spans = []
    for i in range(count):
        begun = time.monotonic_ns()
        team.rpc.call("message.send", {"swarm": "one", "to": ["agent-1"], "body": f"message {i}"})
        wait_until(lambda i=i: len(taken()) > i, timeout=60, what="the message in the program")
        spans.append((taken()[i] - begun) / 1e9)
        # The next one goes to a program that has been left alone for a moment, as most do.
        wait_until(lambda: team.rpc.call("agent.info", {"swarm": "one", "agent": "agent-1"})["unread"] == 0, timeout=60,
                   what="an empty queue")

    def paste():
        team.rpc.call("pane.send", {"sandbox": team.sandbox, "pane": "agent-1", "text": "hello", "submit": True})
    script = ("import json, subprocess, sys, time\nspans = []\n"
              "for _ in range(int(sys.argv[1])):\n"
              "    begun = time.perf_counter()\n"
              "    subprocess.run(['tmux', '-S', '/run/swarm/panes/tmux', 'send-keys', '-t', 'claude-swarm:agent-1', "
              "'hello', 'Enter'], check=True)\n"
              "    spans.append(time.perf_counter() - begun)\nprint(json.dumps(spans))")
    pastes, keys = [], []
    for _ in range(5):
        pastes += [seconds(paste) for _ in range(max(count // 5, 1))]
        status, out, err = team.run("root", "/usr/bin/python3", "-c", script, str(max(count // 5, 1)))
        assert status == 0, err
        keys += json.loads(out)
    report.add_latency("pane.send, from the host", pastes, "tmux send-keys", keys)
    report.add_latency("message until its program has it", spans, "tmux send-keys", keys)
    team.rpc.call("pane.kill", {"sandbox": team.sandbox, "pane": "agent-1", "grace_ms": 0, "close": True})


class Viewers:
    """People who look on, each with a terminal of its own that is read as it comes."""

    def __init__(self, team, count):
        self.terminals = [swarmctl(team.daemon, "attach", f"agent-{i}", "--watch") for i in range(count)]
        for terminal in self.terminals:
            terminal.until(b"Working")
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.drain)
        self.thread.start()

    def drain(self):
        while not self.over.is_set():
            for fd in select.select([t.master for t in self.terminals], [], [], 0.2)[0]:
                os.read(fd, 65536)

    def close(self):
        self.over.set()
        self.thread.join()
        for terminal in self.terminals:
            terminal.close()


def busy_panes(report, team, panes, viewers, span):
    pids = {"swarmd": [team.daemon.process.pid], "agentd": [], "tmux": []}
    for i in range(panes):
        team.rpc.call("pane.open", {"sandbox": team.sandbox, "pane": f"agent-{i}", "user": f"agent-{i}", "replace": True,
                                    "argv": ["/usr/bin/python3", "-c", BUSY]})
    for count in viewers:
        looking = Viewers(team, count)
        try:
            init, agentd = agentd_of(team.sandbox)
            pids["agentd"] = [agentd]
            inside = subtree(init)
            pids["tmux"] = [pid for pid, line in inside.items() if line and line[0].endswith("tmux")]
            before = {name: sum(map(cpu_of, all_of)) for name, all_of in pids.items()}
            begun = time.monotonic()
            time.sleep(span)
            took = time.monotonic() - begun
            used = {name: 100 * (sum(map(cpu_of, all_of)) - before[name]) / took for name, all_of in pids.items()}
        finally:
            looking.close()
        for name in ("swarmd", "agentd"):
            report.add(f"{name}, {panes} busy panes, {count} viewers", used[name], "% core", "tmux itself", used["tmux"])
    for i in range(panes):
        team.rpc.call("pane.kill", {"sandbox": team.sandbox, "pane": f"agent-{i}", "grace_ms": 0, "close": True})


def subtree(root):
    """Command lines of all descendants of a process, by pid."""
    everything, wanted, found = processes(), [root], {}
    while wanted:
        parent = wanted.pop()
        for pid, (above, line) in everything.items():
            if above == parent:
                found[pid] = line
                wanted.append(pid)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--few", action="store_true", help="a tenth of everything")
    options = parser.parse_args()
    few = 10 if options.few else 1
    report = Report()
    daemon = Daemon()
    try:
        team = Team(daemon.start(), agents=50, rate=10_000_000)
        attach_latency(report, team, rounds=max(10 // few, 2), keys=100 if few == 1 else 30)
        into_a_pane(report, team, 100 // few)
        for panes in (10, 50):
            busy_panes(report, team, panes, (3, 5), 10 / few)
    finally:
        daemon.close()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
