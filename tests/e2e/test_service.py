"""Under a service manager: socket activation, readiness, watchdog, reload, an orderly stop."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import BUILD, Daemon, Rpc, wait_until

SYSTEMD = pathlib.Path(__file__).parents[2] / "systemd"


@pytest.fixture
def bare():
    daemon = Daemon()
    yield daemon
    daemon.close()


def test_ready_watchdog_reload_stop(bare):
    notify = bare.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        manager.settimeout(20)
        bare.env |= {"NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "400000"}
        bare.start()
        assert manager.recv(4096).decode().startswith("READY=1")
        assert manager.recv(4096) == b"WATCHDOG=1"
        assert manager.recv(4096) == b"WATCHDOG=1"

        config = bare.home / "config/swarmd/config.toml"
        config.write_text('[log]\nlevel = "debug"\n')
        bare.process.send_signal(signal.SIGHUP)
        wait_until(lambda: bare.rpc().call("config.show", {"prefix": "log.level"})["settings"][0]["value"] == '"debug"',
                   what="the new level")
        config.write_text("[log]\nlevle = 1\n")  # a mistake changes nothing and stops nothing
        rpc = bare.rpc()
        with pytest.raises(Exception, match="level"):
            rpc.call("daemon.reload")
        assert bare.stop() == 0
        assert b"STOPPING=1" in iter(lambda: manager.recv(4096), b"")


def test_socket_activation(bare):
    path = bare.home / "run/activated.sock"
    activated = subprocess.Popen(
        ["systemd-socket-activate", "-l", str(path), *[f"--setenv={k}={v}" for k, v in bare.env.items()],
         str(BUILD / "bin/swarmd")],
        stdout=subprocess.DEVNULL, stderr=open(bare.log, "ab"))
    try:
        wait_until(path.exists, what="the socket")
        rpc = Rpc(path)
        assert rpc.call("daemon.info")["pid"] > 0
    finally:
        activated.terminate()
        activated.wait(timeout=20)


def test_a_stop_lets_calls_end_and_keeps_sandboxes(bare):
    bare.start()
    rpc = bare.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    running = rpc.request("exec.start", {"sandbox": sandbox, "command": "sleep 0.3; echo done", "capture": True})
    other = bare.rpc()
    wait_until(lambda: other.call("exec.list", {"sandbox": sandbox})["execs"], what="the program")
    bare.process.send_signal(signal.SIGTERM)
    assert rpc.wait(running)["stdout"] == "done\n"
    assert bare.process.wait(timeout=20) == 0
    assert not bare.socket.exists()
    bare.start()
    rpc = bare.rpc()
    assert rpc.call("exec.start", {"sandbox": sandbox, "argv": ["true"]})["status"]["exit_code"] == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", ["swarmd.service", "swarmd.socket", "user/swarmd.service", "user/swarmd.socket"])
def test_units_are_well_formed(unit, tmp_path):
    # `verify` wants the program to exist where the unit says.
    directory = tmp_path / "units"
    directory.mkdir()
    for name in ("swarmd.service", "swarmd.socket"):
        text = (SYSTEMD / pathlib.Path(unit).parent / name).read_text()
        (directory / name).write_text(text.replace("/usr/bin/swarmd", str(BUILD / "bin/swarmd")))
    mode = ["--user"] if unit.startswith("user/") else []
    checked = subprocess.run(["systemd-analyze", *mode, "verify", "--man=no", str(directory / pathlib.Path(unit).name)],
                             capture_output=True, text=True, timeout=60,
                             env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert "swarmd" not in checked.stderr, checked.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_system_unit_is_hardened():
    checked = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=75",
                              str(SYSTEMD / "swarmd.service")], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout[-600:] + checked.stderr


def test_the_daemon_says_where_its_log_is(new_daemon):
    daemon = new_daemon()
    info = daemon.rpc().call("daemon.info")
    assert info["log_file"] == str(daemon.log)
    assert "ready" in daemon.ctl("daemon", "logs").stdout
    background = new_daemon("--background")
    log = background.rpc().call("daemon.info")["log_file"]
    assert log == str(background.home / "state/swarmd/log/swarmd.log")
    assert "ready" in background.ctl("daemon", "logs").stdout


def test_metrics_count_what_the_sandbox_wrote_and_nothing_of_the_host(daemon):
    kind = subprocess.run(["stat", "-f", "-c", "%T", daemon.home], capture_output=True, text=True, check=True).stdout
    if kind.strip() == "tmpfs":
        pytest.skip("the state lies on a tmpfs, which is counted whole: it holds what other tests left there")
    rpc = daemon.rpc()
    sandbox = rpc.call("sandbox.create")["id"]
    before = rpc.call("sandbox.metrics", {"sandbox": sandbox})["disk_bytes"]
    assert before < 1 << 20
    for path in ("/workspace/one", "/tmp/two", "/home/user/three"):
        rpc.call("exec.start", {"sandbox": sandbox, "command": f"head -c 10M /dev/urandom > {path}"})
    wait_until(lambda: 30 << 20 <= rpc.call("sandbox.metrics", {"sandbox": sandbox})["disk_bytes"] < 32 << 20,
               what="30 MiB")
