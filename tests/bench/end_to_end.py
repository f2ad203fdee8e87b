"""What the programs cost as users have them: a daemon, real sandboxes, the public protocol. Ours and the rival in turn.

Needs SWARM_BUILD, the build directory; `--json FILE` adds to one array."""

import argparse
import json
import math
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "e2e")]

from conftest import Daemon  # noqa: E402
from docker_engine import Engine  # noqa: E402
from streams import Duplex  # noqa: E402

BLOCK = os.urandom(1 << 20)


class Report:
    """Prints a figure beside its rival as tests/bench/report.cpp does, and keeps the same members."""

    def __init__(self):
        self.figures = []

    def add(self, name, value, unit, rival="", rival_value=0.0):
        ratio = value / rival_value if rival_value else 0.0
        print(f"{name:<44} {value:>12.2f} {unit:<7} {rival:<28} {rival_value:>12.2f}  x{ratio:.2f}", flush=True)
        self.figures.append({"name": name, "value": value, "unit": unit, "rival": rival, "rival_value": rival_value,
                             "ratio": ratio})

    def add_latency(self, name, ours, rival, theirs):
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            self.add(f"{name} {label} (n={len(ours)})", percentile(ours, share) * 1000, "ms", rival,
                     percentile(theirs, share) * 1000)

    def add_cpu(self, name, ours, rival, theirs):
        """CPU of all processes of each side, a call."""
        self.add(f"{name} CPU", ours * 1000, "ms", rival, theirs * 1000)

    def write(self, path):
        file = pathlib.Path(path)
        before = json.loads(file.read_text()) if file.exists() and file.read_text().strip() else []
        names = {figure["name"] for figure in self.figures}
        kept = [figure for figure in before if figure["name"] not in names]
        file.write_text(json.dumps(kept + self.figures, indent=2) + "\n")


def percentile(values, share):
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def seconds(action):
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def in_turn(rounds, ours, theirs):
    """A-B-A-B, so that what else the machine does meets both. One of each first, unmeasured."""
    ours(), theirs()
    a, b = [], []
    for _ in range(rounds):
        a.append(seconds(ours))
        b.append(seconds(theirs))
    return a, b


TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """User and system time of a process and of those that it waited for, in seconds."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICK


def cpu_of_children():
    times = os.times()
    return times.children_user + times.children_system


class Cpu:
    """What the daemon, agentd and this side's children spent in a block, a call. A tick is 10 ms: use many calls."""

    def __init__(self, calls, *pids):
        self.calls, self.pids = calls, pids

    def __enter__(self):
        self.begun = self.now()
        return self

    def now(self):
        return sum(map(cpu_of, self.pids)) + cpu_of_children()

    def __exit__(self, *_):
        self.each = (self.now() - self.begun) / self.calls


def cpu_each(calls, action, *pids):
    with Cpu(calls, *pids) as cpu:
        for _ in range(calls):
            action()
    return cpu.each


def spawn(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def bwrap():
    spawn("bwrap", "--unshare-all", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib64", "/lib64", "--symlink",
          "usr/lib", "/lib", "--proc", "/proc", "--dev", "/dev", "/usr/bin/true")


def create(report, rpc, daemon):
    """To the first answer of agentd: sandbox.create answers when it has it. The end of a sandbox is not measured."""
    made = []

    def one():
        made.append(rpc.call("sandbox.create")["id"])

    ours, theirs = in_turn(30, one, bwrap)
    report.add_latency("sandbox.create to its first answer", ours, "bwrap --unshare-all true", theirs)
    report.add_cpu("sandbox.create", cpu_each(20, one, daemon.process.pid), "bwrap --unshare-all true",
                   cpu_each(20, bwrap))
    for sandbox in made:
        rpc.call("sandbox.kill", {"sandbox": sandbox, "grace_ms": 0})


def exec_true(report, rpc, sandbox, daemon):
    def ours():
        rpc.call("exec.start", {"sandbox": sandbox, "argv": ["/bin/true"]})

    def theirs():
        spawn("/bin/true")

    rival = "spawn of /bin/true (Python)"
    a, b = in_turn(200, ours, theirs)
    report.add_latency("exec true through the socket", a, rival, b)
    report.add_cpu("exec true through the socket",
                   cpu_each(300, ours, daemon.process.pid, agentd_of(sandbox)), rival, cpu_each(300, theirs))


def beside_docker(report, daemon):
    """The commands as people type them, both sides a process a call."""
    with Engine() as engine:
        if not engine:
            print(f"no Docker Engine to compare with: {engine.why}")
            return
        made, containers = [], []

        def sandbox_create():
            made.append(json.loads(daemon.ctl("sandbox", "create", "--json").stdout)["id"])

        def docker_run():
            containers.append(engine.run("run", "--detach", "--network=none", engine.image, "/bin/sleep",
                                         "100000").decode().strip())

        a, b = in_turn(15, sandbox_create, docker_run)
        report.add_latency("swarmctl sandbox create", a, "docker run --detach", b)
        a, b = in_turn(50, lambda: daemon.ctl("exec", made[0], "/bin/true"),
                       lambda: engine.run("exec", containers[0], "/bin/true"))
        report.add_latency("swarmctl exec true", a, "docker exec true", b)
        for sandbox in made:
            daemon.ctl("sandbox", "kill", sandbox)
        engine.run("rm", "--force", *containers)


def copies(report, daemon, sandbox, size=1 << 30, rounds=3):
    """Our own client, so that no Python stands in the path of the bytes."""
    big, target = daemon.home / "big", daemon.home / "big.copy"
    with open(big, "wb") as file:
        for _ in range(size // len(BLOCK)):
            file.write(BLOCK)

    def cat_to_a_file():
        here, there = socket.socketpair()
        with open(big, "rb") as source, open(target, "wb") as sink:
            writer = subprocess.Popen(["cat"], stdin=source, stdout=there)
            reader = subprocess.Popen(["cat"], stdin=here, stdout=sink)
            here.close(), there.close()
            assert writer.wait() == 0 and reader.wait() == 0

    for name, ours in (("swarmctl cp into a sandbox", lambda: daemon.ctl("cp", str(big), f"{sandbox}:big")),
                       ("swarmctl cp out of a sandbox", lambda: daemon.ctl("cp", f"{sandbox}:big", str(target)))):
        a, b = in_turn(rounds, ours, cat_to_a_file)
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            report.add(f"{name} {size >> 20} MiB {label} (n={rounds})", size / percentile(a, share) / 1e6, "MB/s",
                       "cat, socket, cat", size / percentile(b, share) / 1e6)
    big.unlink(), target.unlink()


def crowd(report, rpc, daemon, count=100):
    """The design's figure: swarmd with 100 sandboxes."""
    made = [rpc.call("sandbox.create")["id"] for _ in range(count)]
    report.add(f"memory of swarmd, {count} idle sandboxes", memory(daemon.process.pid), "MB")
    with Cpu(1, daemon.process.pid) as cpu:
        time.sleep(10)
    report.add(f"CPU of swarmd, {count} idle sandboxes", cpu.each * 100 / 10, "%")
    for sandbox in made:
        rpc.call("sandbox.kill", {"sandbox": sandbox, "grace_ms": 0})


def cat_through_a_socket(size, sink):
    """What the same client gets from `cat FILE` whose output is a Unix socket."""
    here, there = socket.socketpair()
    with subprocess.Popen(["cat", sink["path"]], stdout=there) as program:
        there.close()
        got = 0
        while data := here.recv(1 << 16):
            got += len(data)
        here.close()
        assert program.wait() == 0 and got == size


def cat_from_a_socket(size, target):
    here, there = socket.socketpair()
    with open(target, "wb") as file, subprocess.Popen(["cat"], stdin=there, stdout=file) as program:
        there.close()
        for _ in range(size // len(BLOCK)):
            here.sendall(BLOCK)
        here.close()
        assert program.wait() == 0


def transfer(report, rpc, sandbox, home, size=64 << 20, rounds=6):
    ids = iter(range(1, 100_001, 2))
    host_file = home / "copy"

    def upload():
        left = size

        def source():
            nonlocal left
            left -= len(BLOCK)
            return BLOCK if left >= 0 else b""

        stream = next(ids)
        call = rpc.request("files.upload", {"sandbox": sandbox, "path": "copy", "content": stream, "size_bytes": size})
        Duplex(rpc, up=stream, source=source).run()
        assert rpc.wait(call)["size_bytes"] == size

    def download():
        got = 0

        def sink(data):
            nonlocal got
            got += len(data)

        stream = next(ids)
        call = rpc.request("files.download", {"sandbox": sandbox, "path": "copy", "content": stream})
        Duplex(rpc, down=stream, sink=sink).run()
        rpc.wait(call)
        assert got == size

    for name, ours, theirs in (
            ("files.upload", upload, lambda: cat_from_a_socket(size, host_file)),
            ("files.download", download, lambda: cat_through_a_socket(size, {"path": host_file}))):
        a, b = in_turn(rounds, ours, theirs)
        # Throughput: the larger is the better, and the slowest of all is its p99.
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            report.add(f"{name} {size >> 20} MiB {label} (n={rounds})", size / percentile(a, share) / 1e6, "MB/s",
                       "cat through a socket", size / percentile(b, share) / 1e6)


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1000


def agentd_of(sandbox):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if sandbox.encode() in line and line[0].endswith(b"ld.so"):
                return int(entry)
    raise LookupError(f"no agentd of {sandbox}")


def start_time():
    """From the start of the program to the answer of its first ping, in a directory of its own."""
    daemon = Daemon()
    try:
        return seconds(daemon.start)
    finally:
        daemon.close()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--json")
    options = options.parse_args()
    report = Report()
    daemon = Daemon(config="[provider.local]\nsandboxes = 256\n")
    try:
        daemon.start()
        rpc = daemon.rpc()
        sandbox = rpc.call("sandbox.create")["id"]
        report.add("memory of swarmd, one idle sandbox", memory(daemon.process.pid), "MB")
        report.add("memory of agentd, idle", memory(agentd_of(sandbox)), "MB")
        create(report, rpc, daemon)
        exec_true(report, rpc, sandbox, daemon)
        transfer(report, rpc, sandbox, daemon.home)
        copies(report, daemon, sandbox)
        report.add("memory of swarmd after the transfers", memory(daemon.process.pid), "MB")
        report.add("memory of agentd after the transfers", memory(agentd_of(sandbox)), "MB")
        beside_docker(report, daemon)
        crowd(report, rpc, daemon)
    finally:
        daemon.close()
    ours, theirs = [], []
    for _ in range(10):
        ours.append(start_time())
        theirs.append(seconds(lambda: spawn("/bin/true")))
    report.add_latency("start of swarmd to its first answer", ours, "spawn of /bin/true (Python)", theirs)
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
