"""Memory does not grow with the number of requests. SWARM_SOAK=1: 100,000 of them under valgrind's heap profiler."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import BUILD, Daemon, RpcError

SOAK = os.environ.get("SWARM_SOAK") == "1"
REQUESTS = 100_000 if SOAK else 24_000
BATCH = 200

# Answers of every size, and refusals: what an error holds on to is forgotten most easily.
MIX = (
    ("rpc.ping",),
    ("daemon.info",),
    ("sandbox.list", {"limit": 10}),
    ("no.such.method", {}),
    ("sandbox.info", {"sandbox": "nothing"}),
    ("sandbox.list", {"limit": "many"}),
    ("limits.list",),
    ("events.list", {"limit": 5}),
)


def ask(rpc, count):
    """`count` requests, pipelined in batches."""
    for begun in range(0, count, BATCH):
        ids = [rpc.request(*MIX[i % len(MIX)]) for i in range(begun, begun + BATCH)]
        for msgid in ids:
            try:
                rpc.wait(msgid)
            except RpcError:
                pass


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10


def profile(path):
    """(instructions, heap bytes) of each of massif's snapshots."""
    text = path.read_text()
    times = [int(n) for n in re.findall(r"^time=(\d+)", text, re.M)]
    heap = [int(n) for n in re.findall(r"^mem_heap_B=(\d+)", text, re.M)]
    return list(zip(times, heap))


def test_requests_leave_nothing_in_memory(tmp_path):
    daemon = Daemon()
    out = tmp_path / "massif.out"
    if SOAK:
        assert shutil.which("valgrind"), "valgrind is not installed: apt-get install valgrind"
        # valgrind 3.19 cannot read the debug information of clang 19, and gives up over it.
        daemon.program = BUILD / "bin/swarmd.stripped"  # beside what it starts
        subprocess.run(["objcopy", "--strip-debug", BUILD / "bin/swarmd", daemon.program], check=True)
        daemon.wrap = ["valgrind", "--tool=massif", f"--massif-out-file={out}", "--detailed-freq=1000000", "-q"]
    try:
        daemon.start()
        rpc = daemon.rpc()
        rpc.socket.settimeout(600)
        ask(rpc, REQUESTS // 4)
        settled = resident(daemon.process.pid)
        ask(rpc, REQUESTS * 3 // 4)
        grown = resident(daemon.process.pid) - settled
        rpc.close()
        if not SOAK:
            # A leak of the smallest allocation on each request would be over half a MiB.
            assert grown < 512 << 10, f"{grown} bytes more after {REQUESTS * 3 // 4} further requests"
            return
        assert daemon.stop() == 0
        snapshots = profile(out)
        end = snapshots[-1][0]
        quarter = max(heap for time, heap in snapshots if end * 0.25 < time < end * 0.5)
        last = max(heap for time, heap in snapshots if end * 0.75 < time)
        print(f"\n{REQUESTS} requests: heap {quarter} bytes in the second quarter, {last} in the last; RSS grew {grown}")
        assert last < quarter * 1.02 + (64 << 10)
    finally:
        daemon.close()
