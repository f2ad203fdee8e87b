"""The daemon is killed; what it was trusted with goes on."""

import os

from conftest import RpcError, wait_until

import pytest


def test_a_killed_daemon_takes_its_sandboxes_up_again(daemon):
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create", {"name": "survivor"})["id"]
    ticks = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"
    started = rpc.call("exec.start", {"sandbox": sandbox, "command": ticks, "background": True})
    rpc.close()

    def printed():
        connection = daemon.rpc()
        try:
            for info in connection.call("exec.list", {"sandbox": sandbox})["execs"]:
                if info["status"]["exec"] == started["exec"] and info["status"]["state"] == "running":
                    return info["stdout_end"]
            return 0
        finally:
            connection.close()

    before = wait_until(printed, what="output")
    for _ in range(3):
        daemon.kill()
        daemon.start()
        before = wait_until(lambda: printed() > before and printed(), what="output that goes on")
    rpc = daemon.rpc()
    info = rpc.call("sandbox.info", {"sandbox": "survivor"})
    assert info["state"] == "claimed"
    assert rpc.call("sandbox.kill", {"sandbox": sandbox})["state"] == "gone"
    assert daemon.sandbox_directories() == []


def test_a_call_in_flight_fails_with_a_clear_error(daemon):
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    waiting = rpc.request("exec.start", {"sandbox": sandbox, "argv": ["sleep", "100"]})
    other = daemon.rpc()
    wait_until(lambda: other.call("exec.list", {"sandbox": sandbox})["execs"], what="the program")
    daemon.kill()
    with pytest.raises((EOFError, ConnectionError)):
        rpc.wait(waiting)
    daemon.start()
    rpc = daemon.rpc()
    # The foreground program ended with its caller; the sandbox did not.
    wait_until(lambda: not any(e["status"]["state"] == "running"
                               for e in rpc.call("exec.list", {"sandbox": sandbox})["execs"]), what="its end")
    assert rpc.call("exec.start", {"sandbox": sandbox, "argv": ["true"]})["status"]["exit_code"] == 0


def test_the_same_key_gives_the_same_sandbox_after_a_crash(daemon):
    rpc = daemon.rpc()
    first = rpc.call("sandbox.create", {"idempotency_key": "k1"})["id"]
    daemon.kill()
    daemon.start()
    rpc = daemon.rpc()
    assert rpc.call("sandbox.create", {"idempotency_key": "k1"})["id"] == first
    with pytest.raises(RpcError, match="invalid_argument"):
        rpc.call("sandbox.create", {"idempotency_key": "k1", "name": "other"})
    assert len(rpc.call("sandbox.list")["sandboxes"]) == 1


def test_a_lease_ends_a_sandbox_although_the_daemon_is_dead(daemon):
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create", {"lease_ms": 1000})
    pid = None
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    if sandbox["id"].encode() in f.read():
                        pid = int(entry)
            except OSError:
                pass
    assert pid
    rpc.close()
    # With a living daemon the lease acts at once; agentd's own timer has a minute of grace on top.
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), timeout=30, what="the end of its lease")


def test_one_daemon_a_socket(daemon):
    import subprocess

    from conftest import BUILD
    second = subprocess.run([BUILD / "bin/swarmd"], env=daemon.env, capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert str(daemon.process.pid) in second.stderr
    assert daemon.answers()


def starts(rpc):
    return [e["data"] for e in rpc.call("events.list", {"types": ["daemon.started"]})["events"]]


def test_a_start_tells_whether_the_daemon_before_it_stopped_in_order(daemon):
    rpc = daemon.rpc()
    assert [e["clean"] for e in starts(rpc)] == [True]
    assert daemon.stop() == 0
    daemon.start()
    assert [e["clean"] for e in starts(daemon.rpc())] == [True, True]
    daemon.kill()
    daemon.start()
    rpc = daemon.rpc()
    assert [e["clean"] for e in starts(rpc)] == [True, True, False]
    assert [e["data"]["reason"] for e in rpc.call("events.list", {"types": ["daemon.stopping"]})["events"]] == \
        ["signal TERM"]
    rpc.call("daemon.stop")
    assert daemon.process.wait(timeout=30) == 0
    daemon.start()
    rpc = daemon.rpc()
    assert [e["clean"] for e in starts(rpc)] == [True, True, False, True]
    reason = rpc.call("events.list", {"types": ["daemon.stopping"]})["events"][-1]["data"]["reason"]
    assert reason == f"daemon.stop by process {os.getpid()} of user {os.getuid()}"


def test_a_stop_waits_for_calls_and_a_second_signal_ends_that(daemon):
    import signal
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    short = rpc.request("exec.start", {"sandbox": sandbox, "command": "sleep 0.5; echo done", "capture": True})
    daemon.process.send_signal(signal.SIGTERM)
    assert rpc.wait(short)["stdout"] == "done\n"
    assert daemon.process.wait(timeout=30) == 0
    daemon.start()
    rpc = daemon.rpc()
    rpc.request("exec.start", {"sandbox": sandbox, "argv": ["sleep", "100"]})
    other = daemon.rpc()
    wait_until(lambda: any(e["status"]["state"] == "running"
                           for e in other.call("exec.list", {"sandbox": sandbox})["execs"]), what="the program")
    daemon.process.send_signal(signal.SIGTERM)
    with pytest.raises(OSError):  # nobody new is let in; the call in flight is waited for
        wait_until(lambda: daemon.rpc().close(), timeout=5)
    assert daemon.process.poll() is None
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=5) == 0


def exec_events(rpc, sandbox):
    return [(e["type"], e["data"].get("exec") or e["data"]["status"]["exec"])
            for e in rpc.call("events.list", {"types": ["exec.*"]})["events"] if e["sandbox"] == sandbox]


def test_programs_are_told_of_once_across_restarts(daemon):
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    first = rpc.call("exec.start", {"sandbox": sandbox, "argv": ["sh", "-c", "exit 3"]})["exec"]
    wait_until(lambda: len(exec_events(rpc, sandbox)) == 2, what="both events")
    assert exec_events(rpc, sandbox) == [("exec.started", first), ("exec.ended", first)]
    ended = rpc.call("events.list", {"types": ["exec.ended"]})["events"][-1]["data"]
    assert ended["status"]["exit_code"] == 3
    lasting = rpc.call("exec.start", {"sandbox": sandbox, "command": "while [ ! -e /tmp/go ]; do sleep 0.02; done",
                                      "background": True})["exec"]
    wait_until(lambda: ("exec.started", lasting) in exec_events(rpc, sandbox), what="its start")
    writing = daemon.rpc()
    writing.request("exec.start", {"sandbox": sandbox, "command": "sleep 0.3; touch /tmp/go", "background": True})
    wait_until(lambda: len(exec_events(rpc, sandbox)) == 4, what="the writer's start")
    daemon.kill()  # the programs end while nobody listens
    daemon.start()
    rpc = daemon.rpc()
    wait_until(lambda: ("exec.ended", lasting) in exec_events(rpc, sandbox), what="its end")
    wait_until(lambda: len(exec_events(rpc, sandbox)) == 6, what="everybody's end")
    assert len(set(exec_events(rpc, sandbox))) == 6


def inside(sandbox, program):
    """The host's pids of the sandbox's processes that run `program`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    arguments = f.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if sandbox in arguments and "--args" not in arguments and arguments[0].endswith(program):
                found.append(int(entry))
    return found


@pytest.mark.parametrize("victim", ["ld.so", "agentd-init"])
def test_a_call_in_flight_fails_when_agentd_or_the_sandbox_dies(daemon, victim):
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    waiting = rpc.request("exec.start", {"sandbox": sandbox, "argv": ["sleep", "100"]})
    other = daemon.rpc()
    wait_until(lambda: other.call("exec.list", {"sandbox": sandbox})["execs"], what="the program")
    (pid,) = inside(sandbox, victim)
    os.kill(pid, 9)
    with pytest.raises(RpcError, match="unavailable: "):
        rpc.wait(waiting)
    if victim == "agentd-init":
        wait_until(lambda: rpc.call("sandbox.info", {"sandbox": sandbox})["state"] == "gone", what="its end")
        return
    # Init starts another; the program that was in the foreground is gone.
    assert rpc.call("exec.start", {"sandbox": sandbox, "argv": ["true"]})["status"]["exit_code"] == 0
    wait_until(lambda: not rpc.call("exec.list", {"sandbox": sandbox})["execs"], what="its end")


def test_many_background_programs_do_not_fill_what_keeps_their_output(daemon):
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    calls = [rpc.request("exec.start", {"sandbox": sandbox, "background": True,
                                        "command": "head -c 2M /dev/zero; head -c 2M /dev/zero >&2; exec sleep 100"})
             for _ in range(60)]
    execs = [rpc.wait(call)["exec"] for call in calls]

    def written():
        infos = {e["status"]["exec"]: e for e in rpc.call("exec.list", {"sandbox": sandbox, "limit": 100})["execs"]}
        return all(infos[e]["stdout_end"] == 2 << 20 and infos[e]["stderr_end"] == 2 << 20 for e in execs)

    wait_until(written, timeout=60, what="all output")
    used = rpc.call("exec.start", {"sandbox": sandbox, "command": "df --output=pcent /run | tail -1", "capture": True})
    assert int(used["stdout"].strip().rstrip("%")) < 90
