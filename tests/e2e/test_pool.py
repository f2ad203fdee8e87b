"""Pools, idle sandboxes and the database, as people use them."""

import json
import os
import re
import sqlite3
import subprocess

from conftest import BUILD, RpcError, wait_until

import pytest

POOL = """
[pool.web]
min_ready = 2
max_ready = 4
health_interval = "200ms"
"""


def pool_of(daemon, name="web"):
    return next(p for p in json.loads(daemon.ctl("--json", "pool", "status", name).stdout)["pools"])


def test_a_pool_from_full_to_drained_and_back(new_daemon):
    daemon = new_daemon(config=POOL)
    wait_until(lambda: pool_of(daemon)["ready"] == 2, what="a full pool")
    status = daemon.ctl("pool", "status").stdout
    assert re.search(r"web +local +2/2", status), status
    assert "claims a second" in status
    assert max(len(line) for line in status.splitlines() if "claims a second" not in line) <= 80
    assert "\x1b" not in status

    daemon.ctl("sandbox", "create", "--name", "mine")
    assert json.loads(daemon.ctl("--json", "sandbox", "info", "mine").stdout)["from_pool"]
    wait_until(lambda: pool_of(daemon)["ready"] >= 2, what="a refilled pool")
    claimed = json.loads(daemon.ctl("--json", "events", "--types", "pool.claimed").stdout.splitlines()[-1])
    assert claimed["data"]["warm"] is True

    assert "Ended" in daemon.ctl("pool", "drain", "web").stdout
    daemon.kill()
    daemon.start()
    assert pool_of(daemon)["draining"] and pool_of(daemon)["ready"] == 0
    assert daemon.ctl("exec", "mine", "--", "true").returncode == 0
    daemon.ctl("pool", "warm", "web", "3", "--wait")
    assert pool_of(daemon)["ready"] >= 3
    daemon.ctl("pool", "set", "web", "--min", "1")
    assert pool_of(daemon)["from"] == "set"
    wrong = daemon.ctl("pool", "set", "wep", "--min", "1", check=False)
    assert wrong.returncode != 0 and "'web'" in wrong.stderr
    daemon.ctl("pool", "set", "web", "--reset")
    assert pool_of(daemon)["min_ready"] == 2


def test_a_pooled_sandbox_whose_agentd_was_killed_is_not_handed_out(new_daemon):
    daemon = new_daemon(config=POOL.replace("200ms", "1h"))
    wait_until(lambda: pool_of(daemon)["ready"] == 2, what="a full pool")
    rpc = daemon.rpc()
    pooled = {s["id"] for s in rpc.call("sandbox.list", {"states": ["ready"]})["sandboxes"]}
    dead = sorted(pooled)[0]
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as line:
                if entry.isdigit() and dead.encode() in line.read():
                    os.kill(int(entry), 9)
        except OSError:
            pass
    for _ in range(2):
        assert rpc.call("sandbox.create")["id"] != dead
    with pytest.raises(RpcError):
        rpc.call("exec.start", {"sandbox": dead, "argv": ["true"]})


def test_a_used_sandbox_is_never_handed_out_again(new_daemon):
    daemon = new_daemon(config=POOL)
    rpc = daemon.rpc()
    seen = set()
    for i in range(6):
        sandbox = rpc.call("sandbox.create")["id"]
        assert sandbox not in seen
        seen.add(sandbox)
        found = daemon.ctl("exec", sandbox, "--", "sh", "-c", "cat /workspace/taint; echo x > /workspace/taint", check=False)
        assert found.stdout == "", found
        if i % 2:
            rpc.call("sandbox.kill", {"sandbox": sandbox})


def test_an_idle_sandbox_is_paused_and_the_next_use_lets_it_go_on(daemon):
    sandbox = daemon.ctl("sandbox", "create", "--idle-pause", "300ms", "--lease", "1h").stdout.strip()
    state = lambda: json.loads(daemon.ctl("--json", "sandbox", "info", sandbox).stdout)["state"]
    wait_until(lambda: state() == "paused", what="a pause")
    assert daemon.ctl("exec", sandbox, "--", "echo", "awake").stdout == "awake\n"


def test_an_idle_sandbox_ends(daemon):
    sandbox = daemon.ctl("sandbox", "create", "--idle-kill", "300ms", "--lease", "1h").stdout.strip()
    info = lambda: json.loads(daemon.ctl("--json", "sandbox", "info", sandbox).stdout)
    wait_until(lambda: info()["state"] == "gone", what="its end")
    assert "nobody used it" in info()["reason"]


def test_the_database_is_checked_copied_and_put_back(new_daemon):
    daemon = new_daemon()
    database = daemon.home / "state/swarmd/db/swarmd.db"
    daemon.ctl("sandbox", "create", "--name", "before")
    assert "is sound" in daemon.ctl("db", "check").stdout
    copy = daemon.home / "copy.db"
    daemon.ctl("db", "backup", str(copy))
    assert copy.stat().st_mode & 0o777 == 0o600
    again = daemon.ctl("db", "backup", str(copy), check=False)
    assert again.returncode != 0 and "exists" in again.stderr
    refused = daemon.ctl("db", "restore", str(copy), check=False)
    assert refused.returncode != 0 and "daemon stop" in refused.stderr
    daemon.ctl("sandbox", "kill", "before")
    daemon.stop()

    assert "is sound" in daemon.ctl("db", "check").stdout  # without a daemon, and none is started
    assert not daemon.socket.exists() or subprocess.run(
        [BUILD / "bin/swarmctl", "--no-start", "daemon", "status"], env=daemon.env, capture_output=True).returncode
    restored = json.loads(daemon.ctl("--json", "db", "restore", str(copy)).stdout)
    assert os.path.exists(restored["replaced"])
    daemon.start()
    # The copy says that it lives; its provider knows better.
    info = json.loads(daemon.ctl("--json", "sandbox", "ls", "--all").stdout)["sandboxes"]
    wait_until(lambda: json.loads(daemon.ctl("--json", "sandbox", "info", info[0]["id"]).stdout)["state"] == "gone",
               what="its end")


def test_a_damaged_and_a_newer_database_are_refused_with_a_sentence(new_daemon):
    daemon = new_daemon()
    database = daemon.home / "state/swarmd/db/swarmd.db"
    copy = daemon.home / "copy.db"
    daemon.ctl("db", "backup", str(copy))
    daemon.stop()

    newer = sqlite3.connect(database)
    newer.execute("UPDATE schema_migrations SET version = 900, name = 'from_the_future', program = 'swarmd 9.9.9' "
                  "WHERE domain = 'sandbox' AND version = 1")
    newer.commit()
    newer.close()
    out = subprocess.run([BUILD / "bin/swarmd"], env=daemon.env, capture_output=True, text=True, timeout=30)
    assert out.returncode != 0
    assert "swarmd 9.9.9 or newer" in out.stderr and "swarmctl db restore" in out.stderr

    daemon.ctl("db", "restore", str(copy))
    with open(database, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 8192)
    out = subprocess.run([BUILD / "bin/swarmd"], env=daemon.env, capture_output=True, text=True, timeout=30)
    assert out.returncode != 0
    assert "damaged" in out.stderr and "swarmctl db restore" in out.stderr
    checked = daemon.ctl("db", "check", check=False)
    assert checked.returncode != 0
    daemon.ctl("db", "restore", str(copy))
    daemon.start()
    assert "is sound" in daemon.ctl("db", "check").stdout
