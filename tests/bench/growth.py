"""10,000 sandboxes and 1,000,000 rows of the ledger beside a tenth of that: what a first page, a summary and a screen
take, how long all rows take, memory, and the time to start. What takes over 50 ms fails.

Needs SWARM_BUILD, the build directory with the harness. `--json FILE` adds to one array."""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "e2e")]

from conftest import BUILD, wait_until  # noqa: E402

from claims import Rig  # noqa: E402
from end_to_end import Report  # noqa: E402

MOST_MS = 50


def make(rig, count):
    waiting, made = set(), 0
    rpc = rig.rpc()
    while made < count or waiting:
        while made < count and len(waiting) < 200:
            waiting.add(rpc.request("sandbox.create", {"pooled": False}))
            made += 1
        rpc.read()
        for msgid in list(rpc.answers):
            error = rpc.answers.pop(msgid)[2]
            assert error is None, error
            waiting.discard(msgid)


def median_ms(action, times=9):
    """Of how long it takes, or of what it says that it took."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        said = action()
        took.append(said if isinstance(said, float) else (time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def program(rig, *arguments):
    def run():
        done = subprocess.run([BUILD / "bin/swarmctl", *arguments], env=rig.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return run


def first_line(rig, *arguments):
    """Until there is something to read; the rest is read, and not timed."""
    begun = time.perf_counter()
    child = subprocess.Popen([BUILD / "bin/swarmctl", *arguments], env=rig.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE)
    assert child.stdout.readline()
    took = time.perf_counter() - begun
    child.stdout.read()
    assert child.wait() == 0
    return took * 1000


def measure(sandboxes, rows):
    """Milliseconds, MiB and seconds by name."""
    rig = Rig(0)
    try:
        begun = time.monotonic()
        make(rig, sandboxes)
        print(f"{sandboxes} sandboxes made in {time.monotonic() - begun:.1f} s", flush=True)
        rig.process.kill()
        rig.process.wait()
        begun = time.monotonic()
        subprocess.run([BUILD / "bin/costs_bench", "--fill", rig.home / "state/swarmd/db/swarmd.db", str(rows)],
                       check=True)
        print(f"{rows} rows written in {time.monotonic() - begun:.1f} s", flush=True)
        begun = time.monotonic()
        rig.process = subprocess.Popen([BUILD / "bin/swarmd-under-test"], env=rig.env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=open(rig.log, "ab"))
        wait_until(rig.answers, timeout=120, what="the daemon")
        figures = {"start, s": time.monotonic() - begun}
        rpc = rig.rpc()
        wait_until(lambda: rpc.call("sandbox.list", {"limit": 1})["sandboxes"], what="the first sandbox")

        def all_rows(want=lambda sandbox: True):
            cursor, found = {}, 0
            while True:
                page = rpc.call("sandbox.list", {"limit": 1000, **cursor})
                found += sum(map(want, page["sandboxes"]))
                if "next_cursor" not in page:
                    return found
                cursor = {"cursor": page["next_cursor"]}

        # What follows is asked of a daemon at rest, and not of one that still dials its sandboxes.
        wait_until(lambda: all_rows(lambda sandbox: sandbox["tunnel"] == "up") == sandboxes, timeout=120,
                   what="all tunnels")
        figures["start until all are reached, s"] = time.monotonic() - begun
        figures["sandbox.list, first page, ms"] = median_ms(lambda: rpc.call("sandbox.list", {}))
        figures["sandbox.list, all rows, ms"] = median_ms(all_rows, 3)
        for by in ("swarm", "agent", "task"):
            figures[f"cost.summary by {by}, ms"] = median_ms(lambda: rpc.call("cost.summary", {"by": by}))
        figures["swarmctl sandbox ls, first page, ms"] = median_ms(lambda: first_line(rig, "sandbox", "ls"))
        figures["swarmctl sandbox ls, all rows, ms"] = median_ms(program(rig, "sandbox", "ls"), 3)
        figures["swarmctl cost summary, ms"] = median_ms(program(rig, "cost", "summary"))
        figures["swarmctl top, ms"] = median_ms(program(rig, "top", "--once"))
        figures["memory, MiB"] = rpc.call("daemon.info")["memory_bytes"] / 2**20
        return figures
    finally:
        rig.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--sandboxes", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    print(f"load {' '.join(open('/proc/loadavg').read().split()[:3])}")
    small = measure(options.sandboxes // 10, options.rows // 10)
    large = measure(options.sandboxes, options.rows)
    report, slow = Report(), []
    for name, value in large.items():
        what, unit = name.rsplit(", ", 1)
        report.add(f"{options.sandboxes} sandboxes, {options.rows} rows: {what}", value, unit, "a tenth of that", small[name])
        if unit == "ms" and "all rows" not in what and value > MOST_MS:
            slow.append(name)
    if options.json:
        report.write(options.json)
    if slow:
        print(f"over {MOST_MS} ms: {', '.join(slow)}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
