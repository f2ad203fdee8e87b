"""Many calls, many bytes, many deaths: samples of the long runs. SWARM_SOAK=1 runs them in full, SWARM_SEED=N repeats one."""

import collections
import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

import pytest
from conftest import BUILD, RpcError, wait_until
from streams import Duplex

SOAK = os.environ.get("SWARM_SOAK") == "1"
SEED = int(os.environ.get("SWARM_SEED") or random.SystemRandom().randrange(2**32))
SEQUENTIAL, CONCURRENT = (10_000, 200) if SOAK else (200, 50)
STREAMED = 8 << 30 if SOAK else 64 << 20
ROUNDS = 500 if SOAK else 6
MEMORY = 64 << 20


def processes():
    """pid -> (parent, command line) of all that can be seen."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
                line = pathlib.Path("/proc", entry, "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            found[int(entry)] = (int(stat.rpartition(")")[2].split()[1]), line)
    return found


def agentd_of(sandbox):
    """Host pids of a sandbox's init and of its agentd (None while there is none)."""
    init = agentd = None
    for pid, (_, line) in processes().items():
        if sandbox in line and "--args" not in line:
            if line[0].endswith("agentd-init"):
                init = pid
            elif line[0].endswith("ld.so"):
                agentd = pid
    return init, agentd


def below(root):
    """Command lines of all descendants of a process."""
    everything, wanted, found = processes(), [root], []
    while wanted:
        parent = wanted.pop()
        children = [pid for pid, (above, _) in everything.items() if above == parent]
        wanted += children
        found += [" ".join(everything[pid][1]) for pid in children]
    return sorted(found)


def descriptors(pid):
    """What a process holds open, without the numbers that differ from one socket to the next."""
    found = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(re.sub(r"\[\d+\]", "", os.readlink(f"/proc/{pid}/fd/{entry}")))
        except FileNotFoundError:
            pass
    return sorted(found)


def tree(*directories):
    """All paths below; unlike rglob, os.walk bears that others remove what it walks through."""
    return sorted(os.path.join(at, name) for directory in directories
                  for at, inner, files in os.walk(directory) for name in inner + files)


def cgroups(sandbox):
    return sorted(at for at, _, _ in os.walk("/sys/fs/cgroup") if sandbox in at)


def what_is_there(daemon, sandbox):
    """Everything that a call could leave behind, on either side."""
    init, agentd = agentd_of(sandbox)
    root = pathlib.Path(f"/proc/{init}/root")
    return {
        "processes inside": below(init),
        "children of the daemon": below(daemon.process.pid),
        "descriptors of the daemon": descriptors(daemon.process.pid),
        "descriptors of agentd": descriptors(agentd),
        "descriptors of init": descriptors(init),
        "cgroups": cgroups(sandbox),
        "mounts outside": len(pathlib.Path(f"/proc/{daemon.process.pid}/mountinfo").read_text().splitlines()),
        "mounts inside": len(pathlib.Path(f"/proc/{agentd}/mountinfo").read_text().splitlines()),
        "files outside": tree(daemon.home / "state/swarmd/sandboxes", daemon.home / "run"),
        "files inside": tree(root / "run", root / "tmp", root / "workspace"),
    }


def more(before, now):
    """Whether there is something that was not there before."""
    if isinstance(before, list):
        return bool(collections.Counter(now) - collections.Counter(before))
    return now > before if isinstance(before, int) else now != before


def stays_clean(daemon, sandbox, before):
    """Waits until nothing is there but what was before; says what else there is."""
    difference = {}

    def same():
        nonlocal difference
        now = what_is_there(daemon, sandbox)
        # What was still ending when the first look was taken may be gone: only what is more is left behind.
        difference = {name: (value, now[name]) for name, value in before.items() if more(value, now[name])}
        return not difference

    try:
        wait_until(same, timeout=30, what="the end of what the calls used")
    except TimeoutError:
        pytest.fail(f"left behind (before, now): {str(difference)[:4000]}")


def gone_without_trace(daemon, sandbox, rpc):
    rpc.call("sandbox.kill", {"sandbox": sandbox})
    assert daemon.sandbox_directories() == []
    wait_until(lambda: agentd_of(sandbox) == (None, None), what="the end of its processes")
    wait_until(lambda: cgroups(sandbox) == [], what="the end of its cgroups")
    assert sandbox not in pathlib.Path("/proc/self/mountinfo").read_text()


def test_calls_in_turn_leave_nothing_behind(daemon, rpc):
    sandbox = rpc.call("sandbox.create")["id"]

    def run(count):
        for i in range(count):
            done = rpc.call("exec.start", {"sandbox": sandbox, "argv": ["echo", str(i)], "capture": True})
            assert done["status"]["exit_code"] == 0 and done["stdout"] in (f"{i}\n", f"{i}\n".encode())

    run(20)  # what is made once, by the first calls, is no leak
    before = what_is_there(daemon, sandbox)
    run(SEQUENTIAL)
    stays_clean(daemon, sandbox, before)
    gone_without_trace(daemon, sandbox, rpc)


def test_calls_at_once_leave_nothing_behind(daemon, rpc):
    sandbox = rpc.call("sandbox.create", {"limits": {"processes": 2048}})["id"]

    def run(count):
        calls = [rpc.request("exec.start", {"sandbox": sandbox, "command": f"sleep 0.2; echo {i}", "capture": True})
                 for i in range(count)]
        for i, call in enumerate(calls):
            done = rpc.wait(call)
            assert done["status"]["exit_code"] == 0 and done["stdout"] in (f"{i}\n", f"{i}\n".encode())

    run(5)
    before = what_is_there(daemon, sandbox)
    run(CONCURRENT)
    stays_clean(daemon, sandbox, before)
    gone_without_trace(daemon, sandbox, rpc)


def memory(pid, field):
    return int(re.search(field + r":\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) << 10


def test_a_stream_through_cat_arrives_unchanged_in_little_memory(daemon, rpc):
    print(f"repeat with SWARM_SEED={SEED}")
    sandbox = rpc.call("sandbox.create")["id"]
    block = bytearray(random.Random(SEED).randbytes((1 << 20) - 7))  # so that no border of ours meets one of its own
    sent, received = hashlib.blake2b(), hashlib.blake2b()
    left, came = STREAMED, 0

    def source():
        nonlocal left
        if left == 0:
            return b""
        block[:8] = left.to_bytes(8, "little")  # no two blocks are the same: lost and doubled ones show
        part = bytes(block[: min(left, len(block))])
        left -= len(part)
        sent.update(part)
        return part

    def sink(data):
        nonlocal came
        came += len(data)
        received.update(data)

    call = rpc.request("exec.start", {"sandbox": sandbox, "argv": ["cat"], "stdin": 1, "stdout": 3})
    Duplex(rpc, up=1, source=source, down=3, sink=sink).run()
    assert rpc.wait(call)["status"]["exit_code"] == 0
    assert came == STREAMED
    assert sent.digest() == received.digest()
    for pid in (daemon.process.pid, agentd_of(sandbox)[1]):
        # A sanitizer reserves terabytes of addresses, and keeps freed memory for a while.
        if memory(pid, "VmSize") < 1 << 40:
            assert memory(pid, "VmHWM") < MEMORY


def test_a_file_copied_in_and_out_arrives_unchanged_in_little_memory(daemon, rpc):
    print(f"repeat with SWARM_SEED={SEED}")
    sandbox = rpc.call("sandbox.create", {"limits": {"memory_bytes": 2 * STREAMED, "disk_bytes": 2 * STREAMED}})["id"]
    sent, received = hashlib.blake2b(), hashlib.blake2b()

    def swarmctl(*words, **streams):
        return subprocess.Popen([BUILD / "bin/swarmctl", "--no-start", "cp", *words], env=daemon.env, **streams)

    into = swarmctl("-", f"{sandbox}:/workspace/large", stdin=subprocess.PIPE)
    block, left = bytearray(random.Random(SEED).randbytes((1 << 20) - 7)), STREAMED
    while left > 0:
        block[:8] = left.to_bytes(8, "little")
        part = block[: min(left, len(block))]
        left -= len(part)
        sent.update(part)
        into.stdin.write(part)
    into.stdin.close()
    assert into.wait(600) == 0
    out = swarmctl(f"{sandbox}:/workspace/large", "-", stdout=subprocess.PIPE)
    while part := out.stdout.read(1 << 20):
        received.update(part)
    assert out.wait(600) == 0
    assert sent.digest() == received.digest()
    for pid in (daemon.process.pid, agentd_of(sandbox)[1]):
        if memory(pid, "VmSize") < 1 << 40:
            assert memory(pid, "VmHWM") < MEMORY


class Ticker:
    """A background program that counts, and all that it has printed, read across every death."""

    def __init__(self, rpc, sandbox):
        self.sandbox = sandbox
        self.exec = rpc.call("exec.start", {
            "sandbox": sandbox, "command": "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done",
            "background": True})["exec"]
        self.output = b""

    def read_on(self, daemon):
        """Reads from where it stopped; False when there is nothing new yet."""
        rpc = daemon.rpc()
        try:
            rpc.call("exec.attach", {"sandbox": self.sandbox, "exec": self.exec, "stdout_from": len(self.output),
                                     "follow": False, "stdout": 1})
            parts = []
            Duplex(rpc, down=1, sink=parts.append).run()
            self.output += b"".join(parts)
            return bool(parts)
        finally:
            rpc.close()

    def check(self):
        lines = self.output[: self.output.rfind(b"\n")].split(b"\n")
        assert lines == [str(i + 1).encode() for i in range(len(lines))]


def sandboxes_that_run(home):
    """Ids of sandboxes of this daemon that have an init, whoever remembers them."""
    found = set()
    for pid, (_, line) in processes().items():
        if line[0].endswith("agentd-init") and "--sandbox" in line:
            try:
                if home.name in pathlib.Path(f"/proc/{pid}/mountinfo").read_text():
                    found.add(line[line.index("--sandbox") + 1])
            except OSError:
                pass
    return found


def nothing_is_orphaned(daemon):
    """What is listed, what has a directory and what runs are the same sandboxes."""
    seen = ()

    def agree():
        nonlocal seen
        rpc = daemon.rpc()
        listed = {s["id"] for s in rpc.call("sandbox.list")["sandboxes"]}
        rpc.close()
        seen = (listed, set(daemon.sandbox_directories()), sandboxes_that_run(daemon.home))
        return seen[0] == seen[1] == seen[2]

    try:
        wait_until(agree, timeout=30, what="agreement")
    except TimeoutError:
        pytest.fail("listed, with a directory, running: {} {} {}".format(*seen))


def until_it_works(daemon, sandbox, timeout=30):
    """A call may be refused as `unavailable` while agentd comes back; nothing else, and not for long."""
    def works():
        rpc = daemon.rpc()
        try:
            return rpc.call("exec.start", {"sandbox": sandbox, "argv": ["true"]})["status"]["exit_code"] == 0
        except RpcError as e:
            assert e.error[0] == "unavailable" or "unavailable" in str(e), e
            return False
        finally:
            rpc.close()

    wait_until(works, timeout=timeout, what="a sandbox that answers")


def swarmctl_exec(daemon, sandbox):
    return subprocess.Popen([BUILD / "bin/swarmctl", "--no-start", "exec", sandbox, "--", "sleep", "1000"],
                            env=daemon.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def a_client_process(daemon, sandbox):
    """A client in a process of its own, with a call on its way."""
    script = ("import sys, conftest; rpc = conftest.Rpc(sys.argv[1]); "
              "call = rpc.request('exec.start', {'sandbox': sys.argv[2], 'argv': ['sleep', '1000']}); "
              "print('asked', flush=True); rpc.wait(call)")
    client = subprocess.Popen(["/usr/bin/python3", "-c", script, daemon.socket, sandbox], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent)})
    assert client.stdout.readline() == "asked\n"
    return client


def running(rpc, sandbox):
    return [e["status"]["exec"] for e in rpc.call("exec.list", {"sandbox": sandbox})["execs"]
            if e["status"]["state"] == "running"]


def test_a_killed_swarmctl_ends_its_program(daemon, rpc):
    sandbox = rpc.call("sandbox.create")["id"]
    client = swarmctl_exec(daemon, sandbox)
    wait_until(lambda: running(rpc, sandbox), what="the program")
    client.kill()
    client.communicate(timeout=30)
    wait_until(lambda: not running(rpc, sandbox), what="the end of the program")


def test_a_client_killed_while_its_program_starts_leaves_none(daemon, rpc):
    """As soon as the sandbox has the program: the daemon has not read yet that it runs, or not told its client."""
    sandbox = rpc.call("sandbox.create")["id"]
    for _ in range(20):
        client = swarmctl_exec(daemon, sandbox)
        wait_until(lambda: running(rpc, sandbox), what="the program")
        client.kill()
        client.communicate(timeout=30)
        wait_until(lambda: not running(rpc, sandbox), what="the end of the program")


def test_a_sandbox_half_made_is_not_forgotten(daemon):
    print(f"repeat with SWARM_SEED={SEED}")
    dice = random.Random(SEED)
    for _ in range(ROUNDS):
        rpc = daemon.rpc()
        rpc.request("sandbox.create")
        threading.Event().wait(dice.random() * 0.15)  # the random moment itself; nothing is awaited by it
        daemon.kill()
        rpc.close()
        daemon.start()
        nothing_is_orphaned(daemon)


def end_of(daemon, client, sandbox, tickers):
    """What swarmctl said at its end; None if it had not even asked when its daemon or agentd was killed, so that the
    next one runs its program (and it is ended here)."""
    try:
        return client.communicate(timeout=30)[1]
    except subprocess.TimeoutExpired:
        rpc = daemon.rpc()
        assert set(running(rpc, sandbox)) - {ticker.exec for ticker in tickers}, "swarmctl waits for nothing"
        rpc.close()
        client.kill()
        client.communicate(timeout=30)
        return None


def test_kills_at_random_moments(daemon):
    print(f"repeat with SWARM_SEED={SEED}")
    dice = random.Random(SEED)
    rpc = daemon.rpc()
    sandboxes = [rpc.call("sandbox.create")["id"] for _ in range(2)]
    tickers = [Ticker(rpc, sandbox) for sandbox in sandboxes]
    rpc.close()
    victims = ["daemon", "agentd", "client"] * (ROUNDS // 3 + 1)
    dice.shuffle(victims)
    for number, victim in enumerate(victims[:ROUNDS]):
        print(f"round {number}: {victim}")
        target = dice.choice(sandboxes)
        client = a_client_process(daemon, target) if victim == "client" else swarmctl_exec(daemon, target)
        rpc = daemon.rpc()
        call = rpc.request("exec.start", {"sandbox": target, "argv": ["sleep", "1000"]})
        threading.Event().wait(dice.random() * 0.15)  # the random moment itself; nothing is awaited by it
        if victim == "daemon":
            daemon.kill()
            with pytest.raises((EOFError, ConnectionError)):
                rpc.wait(call)
            daemon.start()
        elif victim == "agentd":
            agentd = agentd_of(target)[1]
            os.kill(agentd, signal.SIGKILL)
            with pytest.raises(RpcError, match="unavailable"):
                rpc.wait(call)
        else:
            client.kill()
        rpc.close()
        if victim == "client":
            client.communicate(timeout=30)
        elif (said := end_of(daemon, client, target, tickers)) is not None:
            assert client.returncode == 125 and said.strip(), f"swarmctl ended with {client.returncode}: {said!r}"
            print(said.strip())
        until_it_works(daemon, target)
        for ticker in tickers:
            until_it_works(daemon, ticker.sandbox)
            wait_until(lambda: ticker.read_on(daemon), what="output that goes on")
            ticker.check()
        nothing_is_orphaned(daemon)
        rpc = daemon.rpc()
        for sandbox in sandboxes:  # calls ended with their callers, the background went on
            mine = [t.exec for t in tickers if t.sandbox == sandbox]
            wait_until(lambda: running(rpc, sandbox) == mine, what="the end of foreground programs")
        rpc.close()
