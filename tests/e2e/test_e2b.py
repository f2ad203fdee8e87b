"""Sandboxes at a service that speaks E2B's protocol and misbehaves: what it loses, refuses, cuts or ends must cost
nobody a second sandbox, nor their work."""

import datetime
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import BUILD, Daemon, wait_until
from e2b_standin import KEY, Sandbox, StandIn

CONFIG = """
[provider.e2b]
api_url = "{url}"
sandbox_url = "{url}"
create_rate = "100/s"
[sandbox]
provider = ["e2b"]
create_timeout = "60s"
"""


@pytest.fixture
def service():
    standin = StandIn()
    yield standin
    standin.close()


@pytest.fixture
def daemon(service):
    daemon = Daemon(CONFIG.format(url=service.url))
    daemon.env["E2B_API_KEY"] = KEY
    yield daemon.start()
    daemon.close()
    assert not service.sandboxes, "what was made was ended"


def create(daemon, *arguments):
    made = daemon.ctl("--json", "sandbox", "create", "--provider", "e2b", *arguments)
    return json.loads(made.stdout)


def run(daemon, sandbox, *words):
    return daemon.ctl("exec", sandbox["id"], "--", *words).stdout


def test_a_sandbox_is_made_used_and_ended(daemon, service):
    sandbox = create(daemon, "--env", "GREETING=hello")
    assert sandbox["provider"] == "e2b" and sandbox["state"] == "claimed"
    assert sandbox["isolation"]["kind"] == "microvm"
    assert run(daemon, sandbox, "sh", "-c", "echo $GREETING; id -u").split()[0] == "hello"
    source = daemon.home / "file"
    source.write_bytes(os.urandom(3_000_000))
    daemon.ctl("cp", str(source), f"{sandbox['id']}:/workspace/file")
    daemon.ctl("cp", f"{sandbox['id']}:/workspace/file", str(daemon.home / "back"))
    assert (daemon.home / "back").read_bytes() == source.read_bytes()
    daemon.ctl("sandbox", "kill", sandbox["id"])
    assert not service.sandboxes
    assert service.count("POST /sandboxes$") == 1


def test_the_service_is_told_what_was_asked(daemon, service):
    create(daemon)
    (made,) = service.sandboxes.values()
    assert made.body["templateID"] == "base" and made.body["secure"] is True and made.body["autoPause"] is True
    assert made.body["allow_internet_access"] is False
    assert made.body["network"] == {"allowPublicTraffic": False}
    assert made.metadata["swarmd"] == "1"


def test_a_lost_answer_makes_no_second_sandbox(daemon, service):
    service.fault("POST /sandboxes$", after=True)
    sandbox = create(daemon)
    assert run(daemon, sandbox, "echo", "found") == "found\n"
    assert len(service.sandboxes) == 1 and service.count("POST /sandboxes$") == 1


def test_what_was_never_made_is_not_waited_for_forever(daemon, service):
    service.fault("POST /sandboxes$")  # breaks off before it does anything
    failed = daemon.ctl("sandbox", "create", "--provider", "e2b", check=False)
    assert failed.returncode != 0 and service.count("POST /sandboxes$") == 1
    assert not service.sandboxes


def test_too_many_requests_are_waited_out(daemon, service):
    service.fault("POST /sandboxes$", status=429, body={"code": 429, "message": "Rate limit exceeded"},
                  headers={"Retry-After": "1"})
    begun = time.monotonic()
    create(daemon)
    assert time.monotonic() - begun >= 1 and service.count("POST /sandboxes$") == 2


@pytest.mark.parametrize("status,message,says", [
    (403, "Your team is blocked", "permission_denied"),
    (429, "you have reached the maximum number of concurrent E2B sandboxes (20)", "resource_exhausted"),
    (400, "Timeout cannot be greater than 1 hours", "invalid_argument"),
])
def test_refusals_are_passed_on(daemon, service, status, message, says):
    service.fault("POST /sandboxes$", status=status, body={"code": status, "message": message})
    failed = daemon.ctl("sandbox", "create", "--provider", "e2b", check=False)
    assert failed.returncode != 0 and message in failed.stderr


def test_a_wrong_key_is_said_and_shown_nowhere(service):
    daemon = Daemon(CONFIG.format(url=service.url))
    wrong = "e2b_feedfacefeedfacefeedfacefeedfacefeedface"
    daemon.env["E2B_API_KEY"] = wrong
    try:
        daemon.start()
        failed = daemon.ctl("sandbox", "create", "--provider", "e2b", check=False)
        assert failed.returncode != 0 and "check the key" in failed.stderr
        doctor = daemon.ctl("--json", "doctor", check=False)
        (check,) = [c for c in json.loads(doctor.stdout)["checks"] if c["name"] == "provider.e2b"]
        assert "Invalid API key" in check["summary"]
        assert wrong not in failed.stderr + doctor.stdout + daemon.log.read_text()
        assert wrong.encode() not in open(f"/proc/{daemon.process.pid}/environ", "rb").read()
    finally:
        daemon.close()


def test_pause_and_resume(daemon, service):
    sandbox = create(daemon)
    run(daemon, sandbox, "sh", "-c", "echo kept >/workspace/note")
    daemon.ctl("sandbox", "pause", sandbox["id"])
    (made,) = service.sandboxes.values()
    assert made.state == "paused"
    service.fault("POST /sandboxes/.*/connect", status=500, body={"code": 500, "message": "no"})
    daemon.ctl("sandbox", "resume", sandbox["id"])
    assert made.state == "running"
    assert run(daemon, sandbox, "cat", "/workspace/note") == "kept\n"


def test_a_cut_tunnel_loses_nothing(daemon, service):
    sandbox = create(daemon)
    (made,) = service.sandboxes.values()
    go = made.root / "tmp/go"
    program = subprocess.Popen(
        [BUILD / "bin/swarmctl", "exec", sandbox["id"], "--", "sh", "-c",
         "echo a; while ! [ -e /tmp/go ]; do sleep 0.01; done; echo b; exit 3"],
        env=daemon.env, stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "a\n"
    for _ in range(3):
        wait_until(lambda: made.connections, what="the tunnel")
        made.cut()
        wait_until(lambda: not made.connections, what="the cut")
    go.touch()
    assert program.communicate(timeout=30)[0] == "b\n" and program.returncode == 3


def test_a_killed_daemon_takes_up_what_it_left(daemon, service):
    sandbox = create(daemon)
    run(daemon, sandbox, "sh", "-c", "echo kept >/workspace/note")
    started = service.count("POST /process.Process/Start")
    daemon.kill()
    daemon.start()
    assert run(daemon, sandbox, "cat", "/workspace/note") == "kept\n"
    assert service.count("POST /process.Process/Start") == started + 1, "it was looked at, and not started again"
    assert service.count("POST /sandboxes$") == 1


def test_an_agentd_that_died_is_started_again(daemon, service):
    sandbox = create(daemon)
    (made,) = service.sandboxes.values()
    pid = int((made.root / "root/.swarm-tunnel/pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: int((made.root / "root/.swarm-tunnel/pid").read_text() or 0) not in (0, pid), timeout=40,
               what="another agentd")
    wait_until(lambda: daemon.ctl("exec", sandbox["id"], "--", "true", check=False).returncode == 0, timeout=40)


def test_another_version_is_replaced(daemon, service):
    sandbox = create(daemon)
    (made,) = service.sandboxes.values()
    daemon.kill()
    (made.root / "opt/swarm/id").write_text("0" * 64 + "\n")
    daemon.start()
    assert run(daemon, sandbox, "echo", "again") == "again\n"
    assert (made.root / "opt/swarm/id").read_text() == (BUILD / "bundle/id").read_text()


def test_the_secret_is_roots_alone(daemon, service):
    create(daemon)
    (made,) = service.sandboxes.values()
    private = made.root / "root/.swarm-tunnel"
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "secret").stat().st_mode & 0o777 == 0o600
    secret = (private / "secret").read_bytes()
    assert len(secret) == 32
    for pid in made.processes():
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as words:
                assert secret not in words.read()


def test_the_sandboxes_of_others_are_left_alone(daemon, service):
    other = Sandbox(service, {"templateID": "base", "timeout": 600,
                              "metadata": {"swarmd": "1", "swarmd_id": "s" + "a" * 20, "swarmd_owner": "another"}})
    stranger = Sandbox(service, {"templateID": "base", "timeout": 600})
    service.sandboxes |= {other.id: other, stranger.id: stranger}
    create(daemon)
    daemon.kill()
    daemon.start()  # takes up what is its own
    assert {other.id, stranger.id} <= set(service.sandboxes)
    for sandbox in (other, stranger):
        del service.sandboxes[sandbox.id]
        sandbox.end()


def test_one_that_vanishes_is_noticed(daemon, service):
    sandbox = create(daemon)
    with service.lock:
        ((_, made),) = service.sandboxes.items()
        service.sandboxes.clear()
    made.end()
    rpc = daemon.rpc()
    wait_until(lambda: rpc.call("sandbox.info", {"sandbox": sandbox["id"]})["state"] in ("gone", "lost"), timeout=60)
    rpc.close()


def test_an_old_envd_and_a_skewed_clock(daemon, service):
    service.envd_version = "0.4.0"
    service.skew = datetime.timedelta(seconds=-90)
    sandbox = create(daemon)
    assert run(daemon, sandbox, "echo", "old") == "old\n"


def test_another_provider_is_used_when_this_one_is_down(service):
    daemon = Daemon(CONFIG.format(url=service.url).replace('provider = ["e2b"]', 'provider = ["e2b", "local"]'))
    daemon.env["E2B_API_KEY"] = KEY
    try:
        daemon.start()
        service.fault("POST /sandboxes$", status=503, body={"code": 503, "message": "no node",
                                                            "error_code": "sandbox_no_compatible_node"})
        made = daemon.ctl("--json", "sandbox", "create", "--backend", "auto")
        sandbox = json.loads(made.stdout)
        assert sandbox["provider"] == "local" and "e2b: " in sandbox["fallback"] and "no node" in sandbox["fallback"]
        assert run(daemon, sandbox, "echo", "here") == "here\n"
    finally:
        daemon.close()


def test_over_tls_with_a_local_authority(service, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "1", "-subj", "/CN=stand-in", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", tmp_path / "key", "-out", tmp_path / "cert"], check=True, capture_output=True)
    service.use_tls(tmp_path / "cert", tmp_path / "key")
    for ca_file in ("", f'ca_file = "{tmp_path / "cert"}"'):
        daemon = Daemon(CONFIG.format(url=service.url).replace("create_rate", ca_file + "\ncreate_rate"))
        daemon.env["E2B_API_KEY"] = KEY
        try:
            daemon.start()
            if not ca_file:  # a stranger's certificate: the key is not even sent
                failed = daemon.ctl("sandbox", "create", "--provider", "e2b", check=False)
                assert failed.returncode != 0 and "certificate" in failed.stderr
                assert not service.requests
                continue
            sandbox = create(daemon)
            source = daemon.home / "file"
            source.write_bytes(os.urandom(3_000_000))
            daemon.ctl("cp", str(source), f"{sandbox['id']}:/workspace/file")
            daemon.ctl("cp", f"{sandbox['id']}:/workspace/file", str(daemon.home / "back"))
            assert (daemon.home / "back").read_bytes() == source.read_bytes()
        finally:
            daemon.close()
