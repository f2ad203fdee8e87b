"""The templates: as images of a real Docker Engine, and the data template behind the official code interpreter SDK."""

import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

import msgpack
import pytest

from conftest import BUILD, Daemon, wait_until
from e2b_cloud import free_port
from test_e2b_sdk import NODE

HERE = pathlib.Path(__file__).parent
TEMPLATE = HERE.parent.parent / "template"
SDK = HERE / "node-e2b"
sys.path.insert(0, str(HERE.parent / "bench"))
from docker_engine import Engine  # noqa: E402

# What the suite leaves out of the images is only packages: SWARM_WHOLE_TEMPLATES=1 builds them as users do.
WHOLE = os.environ.get("SWARM_WHOLE_TEMPLATES") == "1"
SMALL = ["--build-arg", "PACKAGES=git jq procps sudo tmux"]


def interpreter_packages():
    """Those of the data template, which the sandboxes of this machine have from this machine."""
    probe = "import ipykernel, jupyter_client, tornado, matplotlib, numpy, pandas"
    return subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True).returncode == 0


@pytest.mark.skipif(not (NODE and (SDK / "node_modules/@e2b/code-interpreter").exists()),
                    reason="needs `npm ci --ignore-scripts` in tests/e2e/node-e2b")
@pytest.mark.skipif(not interpreter_packages(), reason="needs python3-ipykernel, python3-matplotlib and python3-pandas")
def test_the_code_interpreter_sdk_runs_code(new_daemon):
    port = free_port()
    daemon = new_daemon(config=f'''
        [template.code-interpreter-v1]
        bind = ["{TEMPLATE}/files:/opt/swarm-template"]
        start = "/opt/swarm-template/start-data"
        ready = "/opt/swarm-template/ready-data"
        ''')
    daemon.ctl("e2b", "serve", "-d", "--listen", f"127.0.0.1:{port}", "--domain", f"sbx.test:{port}")
    printed = daemon.ctl("e2b", "env").stdout.splitlines()
    env = dict(line.removeprefix("export ").split("=", 1) for line in printed if line.startswith("export"))
    run = subprocess.run([NODE, "--import", SDK / "lookup.mjs", SDK / "interpreter.mjs"], env={**os.environ, **env},
                         cwd=SDK, capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_start_command_that_fails_is_told(new_daemon):
    port = free_port()
    daemon = new_daemon(config='''
        [template.broken]
        start = "no-such-program"
        ready = "true"
        user = "nobody-of-this-name"
        ''')
    daemon.ctl("e2b", "serve", "-d", "--listen", f"127.0.0.1:{port}")
    key = json.loads(daemon.ctl("--json", "e2b", "env").stdout)["api_key"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/sandboxes", json.dumps({"templateID": "broken", "timeout": 60}),
                       {"X-API-Key": key, "content-type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert (answer["code"], answer["error_code"]) == (500, "sandbox_create_failed")
    assert "start command" in answer["message"] and "nobody-of-this-name" in answer["message"]
    wait_until(lambda: not json.loads(daemon.ctl("--json", "sandbox", "ls").stdout)["sandboxes"], what="its end")


def base_image(engine):
    """Debian 12 by debootstrap, made once for a build tree: a registry is out of reach."""
    kept = BUILD / "test-cache/debian12.tar"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        root = pathlib.Path(tempfile.mkdtemp(prefix="swarmd-debootstrap-", dir="/var/tmp"))
        try:
            made = subprocess.run(["timeout", "900", "debootstrap", "--variant=minbase", "bookworm", root / "root"],
                                  capture_output=True, text=True)
            if made.returncode != 0:
                pytest.skip(f"debootstrap can make no base here: {made.stdout.strip().splitlines()[-1:]}")
            part = kept.with_suffix(".part")
            subprocess.run(["tar", "--create", "--file", part, "--directory", root / "root", "."], check=True)
            part.rename(kept)
        finally:
            shutil.rmtree(root, ignore_errors=True)
    engine.run("import", kept, "swarmd-test-base:12")
    return "swarmd-test-base:12"


@pytest.fixture(scope="module")
def engine():
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("a base image needs debootstrap, and that needs root")
    with Engine() as running:
        if not running:
            pytest.skip(running.why)
        tried = subprocess.run(running.command("run", "--rm", "--network=none", running.image, "true"), capture_output=True, text=True)
        if tried.returncode != 0:
            pytest.skip(f"the engine runs no containers here: {tried.stderr.strip()[-200:]}")
        yield running


@pytest.fixture(scope="module")
def image(engine):
    daemon = Daemon()
    try:
        context = daemon.home / "context"
        shutil.copytree(TEMPLATE, context)
        shutil.copytree(BUILD / "bundle", context / "agentd")
        engine.run("build", "--network=host", "--build-arg", f"BASE={base_image(engine)}", *([] if WHOLE else SMALL),
                   "--target=base", "--tag=swarmd-test-template", context,
                   env={**os.environ, "DOCKER_BUILDKIT": "0"})
    finally:
        daemon.close()
    yield "swarmd-test-template"
    if engine.process:
        return  # it goes with all that it has
    for name in ("swarmd-test-template", "swarmd-test-base:12"):
        subprocess.run(engine.command("image", "rm", "--force", name), capture_output=True)


class Container:
    """One that runs the image's start command, with agentd's directory on the host."""

    def __init__(self, engine, image, home):
        self.engine, self.home = engine, home
        self.id = engine.run("run", "--detach", "--network=none", "--volume", f"{home}:/run/swarm-tunnel", image, text=True).strip()

    def ping(self):
        """Whether agentd answers on its inner socket, asked in plain msgpack-rpc."""
        try:
            with socket.socket(socket.AF_UNIX) as to:
                to.settimeout(30)
                to.connect(str(self.home / "agentd.sock"))
                to.sendall(msgpack.packb([0, 1, "rpc.ping", [{}]]))
                unpacker = msgpack.Unpacker()
                while not (answers := list(unpacker)):
                    data = to.recv(4096)
                    if not data:
                        return False
                    unpacker.feed(data)
                return answers[0][2] is None
        except OSError:
            return False

    def sh(self, line, user="user"):
        return self.engine.run("exec", "--user", user, self.id, "sh", "-c", line, text=True)

    def close(self):
        subprocess.run(self.engine.command("rm", "--force", self.id), capture_output=True)


@pytest.fixture(scope="module")
def container(engine, image, tmp_path_factory):
    made = Container(engine, image, tmp_path_factory.mktemp("agentd"))
    yield made
    made.close()


def test_agentd_answers_in_a_container_of_the_image(container):
    wait_until(container.ping, timeout=60, what="agentd in the container")
    container.sh("/opt/swarm-template/ready")
    assert "sandbox" in container.sh("swarm status")
    assert container.sh("git --version; jq --version; tmux -V").count("\n") == 3
    assert container.sh("id -un; pwd").split() == ["user", "/home/user"]
    # Nobody but root reads what it was started with, and nobody knows it.
    assert container.sh("stat -c %a:%U /root/.swarm-tunnel /root/.swarm-tunnel/secret", "root").split() == ["700:root", "600:root"]


def test_the_container_ends_when_it_is_told_to(engine, image, tmp_path):
    made = Container(engine, image, tmp_path)
    try:
        wait_until(made.ping, timeout=60, what="agentd in the container")
        engine.run("stop", "--time", "60", made.id)
        assert engine.run("inspect", "--format", "{{.State.ExitCode}}", made.id, text=True).strip() == "0"
    finally:
        made.close()
