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

from conftest import BUILD, wait_until
from e2b_cloud import Cloud, free_port
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


def build_image(engine):
    """The template `base` as an image of this engine."""
    with tempfile.TemporaryDirectory(prefix="swarmd-context-") as place:
        context = pathlib.Path(place) / "context"
        shutil.copytree(TEMPLATE, context)
        shutil.copytree(BUILD / "bundle", context / "agentd")
        base = base_image(engine)
        proxies = [word for name in ("http_proxy", "https_proxy", "no_proxy") if os.environ.get(name)
                   for word in ("--build-arg", name)]
        try:
            engine.run("build", "--network=host", *proxies, "--build-arg", f"BASE={base}", *([] if WHOLE else SMALL),
                       "--target=base", "--tag=swarmd-test-template", context,
                       env={**os.environ, "DOCKER_BUILDKIT": "0"})
        except subprocess.CalledProcessError as error:
            said = (error.stdout + error.stderr).decode(errors="replace")
            if any(word in said for word in ("Failed to fetch", "Temporary failure resolving", "Unable to locate package")):
                pytest.skip(f"Debian's archive cannot be reached from a container here: {said.strip().splitlines()[-1]}")
            raise AssertionError(f"docker build: {said[-3000:]}") from None
    return "swarmd-test-template"


@pytest.fixture(scope="module")
def image(engine):
    yield build_image(engine)
    if engine.process:
        return  # it goes with all that it has
    for name in ("swarmd-test-template", "swarmd-test-base:12"):
        subprocess.run(engine.command("image", "rm", "--force", name), capture_output=True)


class Container:
    """One that runs the image's start command, with agentd's directory on the host."""

    def __init__(self, engine, image, home):
        self.engine, self.home = engine, home
        self.id = engine.run(*self.words(image), text=True).strip()

    def words(self, image):
        return ["run", "--detach", "--network=none", "--volume", f"{self.home}:/run/swarm-tunnel", image]

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


@pytest.fixture(scope="module")
def cloud():
    made = Cloud()
    yield made
    made.close()


DOCKERFILE = """
FROM debian:12 AS low
ARG WORD=given
ENV KEPT=${WORD}
COPY --chown=user:user --chmod=0750 bin /home/user/bin
RUN echo "as $(id -un)" > /home/user/low.txt; echo a line of the build
FROM low AS high
COPY *.txt /workspace/texts/
USER user
CMD ["python3", "-m", "http.server", "8200"]
"""


def test_a_template_is_built_and_used_through_the_command(cloud, tmp_path):
    """`swarmctl template` from a directory, over TLS, at an E2B that is our endpoint."""
    account = cloud.account()
    (tmp_path / "bin/deep").mkdir(parents=True)
    (tmp_path / "bin/tool").write_text("#!/bin/sh\necho tool\n")
    (tmp_path / "bin/deep" / ("long" * 40)).write_text("name")
    (tmp_path / "bin/link").symlink_to("tool")
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "two.txt").write_text("2")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "e2b.toml").write_text('template_name = "mine"\ndockerfile = "Dockerfile"\nfrom_template = "base"\n'
                                       'team_id = "unused"\nready_cmd = "true"\ncpu_count = 4\nmemory_mb = 512\n')

    told = json.loads(account.ctl("--json", "template", "check", tmp_path, "--build-arg", "WORD=w").stdout)
    assert (told["name"], told["from"], told["start"]) == ("mine", "base", "python3 -m http.server 8200")
    copies = [step for step in told["steps"] if step["type"] == "COPY"]
    assert [step["args"][:2] for step in copies] == [["bin", "/home/user/bin"], ["*.txt", "/workspace/texts/"]]
    assert copies[1]["size_bytes"] == 2 and len(copies[1]["hash"]) == 64

    ran = "] a line of the build\n"  # what the step says, not the step
    first = account.ctl("template", "build", tmp_path, "--build-arg", "WORD=w").stdout
    assert ran in first and "template mine is built" in first
    again = account.ctl("template", "build", tmp_path, "--build-arg", "WORD=w").stdout
    assert "CACHED" in again and "already there: 'bin'" in again and ran not in again
    (tmp_path / "two.txt").write_text("3")
    changed = account.ctl("template", "build", tmp_path, "--build-arg", "WORD=w").stdout
    assert "sent '*.txt'" in changed and "already there: 'bin'" in changed and ran in changed
    assert ran in account.ctl("template", "logs", "mine").stdout
    assert "mine" in account.ctl("template", "ls", "--e2b").stdout

    _, made = cloud.request("POST", "/sandboxes", {"templateID": "mine", "timeout": 120})
    inside = lambda line: cloud.daemon.ctl("exec", "--user", "user", made["sandboxID"], "sh", "-c", line).stdout
    assert inside("cat /home/user/low.txt /workspace/texts/two.txt").split() == ["as", "root", "3"]
    assert inside("/home/user/bin/link; stat -c %a:%U /home/user/bin/tool; cat /home/user/bin/deep/long*") == "tool\n750:user\nname"
    assert cloud.request("DELETE", f"/sandboxes/{made['sandboxID']}")[0] == 204

    (tmp_path / "Dockerfile").write_text(DOCKERFILE + "RUN echo it breaks >&2; exit 9\n")
    failed = account.ctl("template", "build", tmp_path, check=False)
    assert failed.returncode != 0 and "exit status 9" in failed.stderr and "it breaks" in failed.stdout
    (tmp_path / "Dockerfile").write_text(DOCKERFILE + "COPY --from=other /a /b\n")
    assert "Dockerfile line" in account.ctl("template", "check", tmp_path, check=False).stderr
    (tmp_path / "e2b.toml").write_text('template_name = "mine"\nstart_comand = "x"\n')
    assert "start_cmd" in account.ctl("template", "check", tmp_path, check=False).stderr
    account.ctl("template", "rm", "mine")
    assert "mine" not in account.ctl("template", "ls", "--e2b").stdout
    assert account.ctl("template", "rm", "mine", check=False).returncode != 0


def test_our_own_templates_are_told_as_builds(daemon):
    """What E2B would be told for each; without an account nothing is built, and it is said why."""
    for name, variant in [("swarm-base", "base"), ("code-interpreter-v1", "data"), ("desktop", "desktop")]:
        told = json.loads(daemon.ctl("--json", "template", "check", variant).stdout)
        assert (told["name"], told["from"], told["from_image"]) == (name, "debian:12", True)
        assert told["start"] and told["ready"]
        agentd = next(step for step in told["steps"] if step["type"] == "COPY" and step["args"][1] == "/opt/swarm")
        assert agentd["size_bytes"] > 1_000_000
    refused = daemon.ctl("template", "build", "base", check=False)
    assert refused.returncode != 0 and "E2B_API_KEY" in refused.stderr
