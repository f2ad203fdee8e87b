"""The official E2B SDK, as it was published, against `swarmctl e2b serve`: two versions, plain HTTP and TLS with HTTP/2."""

import base64
import gzip
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time

import pytest

from conftest import Daemon, wait_until
from e2b_cloud import free_port, make_certificates

HERE = pathlib.Path(__file__).parent / "node-e2b"
SUITE = HERE / "suite.mjs"


def node():
    """Node as npm has it, in the version of the lock file: Debian 12's is too old for the SDK. Else the machine's own."""
    for arch in ("x64", "arm64"):
        own = HERE / f"node_modules/node-linux-{arch}/bin/node"
        if own.exists() and subprocess.run([own, "--version"], capture_output=True).returncode == 0:
            return own
    found = shutil.which("node")
    if not found:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.lstrip("v")
    return found if int(version.split(".")[0]) >= 20 else None


NODE = node()
fits = NODE and (HERE / "node_modules/e2b").exists()
pytestmark = pytest.mark.skipif(not fits, reason="needs `npm ci --ignore-scripts` in tests/e2e/node-e2b")


def cases():
    if not fits:
        return ["lifecycle"]
    run = subprocess.run([NODE, SUITE, "e2b", "--list"], capture_output=True, text=True, cwd=HERE, check=True)
    return json.loads(run.stdout)


class Endpoint:
    """A daemon whose endpoint is open, and the environment that leads an SDK there."""

    def __init__(self, secure):
        self.port = free_port()
        self.daemon = Daemon()
        self.called = self.daemon.home / "called"
        self.ran = set()
        certificates = []
        if secure:
            make_certificates(self.daemon.home)
            certificates = ["--certificate", self.daemon.home / "server.pem", "--key", self.daemon.home / "server.key"]
        self.daemon.start()
        self.daemon.ctl("e2b", "serve", "-d", "--listen", f"127.0.0.1:{self.port}", "--domain",
                        f"sbx.test:{self.port}", *certificates)
        printed = self.daemon.ctl("e2b", "env").stdout
        lines = [line.removeprefix("export ").split("=", 1) for line in printed.splitlines() if line.startswith("export")]
        self.env = dict(lines)
        assert "address=/sbx.test/127.0.0.1" in printed
        if secure:
            self.env["NODE_EXTRA_CA_CERTS"] = str(self.daemon.home / "ca.pem")

    def run(self, package, case, timeout=120):
        env = {**os.environ, **self.env, "E2B_CALLED": str(self.called)}
        return subprocess.run([NODE, "--import", HERE / "lookup.mjs", SUITE, package, case], env=env, cwd=HERE,
                              capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module", params=[("e2b", True), ("e2b-v1", False)], ids=["newest-tls-h2", "v1-plain"])
def endpoint(request):
    package, secure = request.param
    made = Endpoint(secure)
    made.package = package
    yield made
    made.daemon.close()


@pytest.mark.parametrize("case", cases())
def test_sdk(endpoint, case):
    run = endpoint.run(endpoint.package, case)
    assert run.returncode == 0, run.stdout + run.stderr
    endpoint.ran.add(case)


# What the SDK's type definitions have and the suite does not call.
UNCALLED = {
    r"(Volume)?ConnectionConfig\..*": "settings that the SDK makes for itself; what they say is tried through Sandbox",
    r"Volume\.(connect|exists|makeDir|readFile|remove|updateMetadata|writeFile)": "of a volume, which is refused",
    r"Secret\.(exists|fill|iamToken|list|update)|SecretPaginator\..*": "of a secret, which is refused",
    r"Sandbox\.deleteSnapshot": "of a snapshot, which is refused",
    r"Template\.(addMcpServer|beta.*|from(AWS|GCP)Registry|getTags)":
        "of images and tags, which are refused; the rest of a template's description is tried",
    r"ReadyCmd\.getCmd|LogEntry\.toString": "of objects that the SDK makes for itself; they are used in a build",
}


def declared():
    """Every public method of the classes that a program gets from the SDK, by its type definitions."""
    kind, found = None, set()
    names = {"SandboxApi": "Sandbox", "TemplateBase": "Template", "Paginator": "SandboxPaginator"}
    for line in (HERE / "node_modules/e2b/dist/index.d.ts").read_text().splitlines():
        if begun := re.match(r"declare (?:abstract )?class (\w+)", line):
            kind = names.get(begun[1], begun[1])
        elif line.startswith("}"):
            kind = None
        elif kind and (method := re.match(r"  (?:static )?(?:abstract |async )?(\w+)(?:<.*?>)?\(", line)):
            if method[1] != "constructor":
                found.add(f"{kind}.{method[1]}")
    return found


def test_every_public_method_is_called_or_it_is_said_why_not(endpoint):
    if endpoint.package != "e2b" or endpoint.ran != set(cases()):
        pytest.skip("of the newest version, after all of its cases")
    called = set(endpoint.called.read_text().split())
    every = declared()
    assert len(every) > 100, "the type definitions look different"
    excused = lambda method: any(re.fullmatch(pattern, method) for pattern in UNCALLED)
    assert not [m for m in sorted(every - called) if not excused(m)], "neither called nor excused"


def test_the_command_line_tool(endpoint):
    """`@e2b/cli` for what it can do without the cloud: everything about sandboxes."""
    if endpoint.package != "e2b":
        pytest.skip("it speaks with the newest API alone")
    home = endpoint.daemon.home / "cli"
    home.mkdir(exist_ok=True)

    def e2b(*words, status=0):
        run = subprocess.run([NODE, "--import", HERE / "lookup.mjs", HERE / "node_modules/@e2b/cli/dist/index.js", *words],
                             env={**os.environ, **endpoint.env, "HOME": str(home), "NO_COLOR": "1", "CI": "1"}, cwd=home,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert run.returncode == status, run.stdout + run.stderr
        return run.stdout

    assert re.match(r"\d+\.\d+\.\d+", e2b("--version"))
    rpc = endpoint.daemon.rpc()
    made = subprocess.run([NODE, "--import", HERE / "lookup.mjs", "--input-type=module", "-e",
                           "import { Sandbox } from 'e2b'; console.log((await Sandbox.create({ timeoutMs: 120000 })).sandboxId)"],
                          env={**os.environ, **endpoint.env}, cwd=HERE, capture_output=True, text=True, timeout=60)
    sandbox = made.stdout.strip()
    assert sandbox, made.stderr
    try:
        assert sandbox in e2b("sandbox", "list")
        assert sandbox in e2b("sandbox", "info", sandbox)
        assert "from inside" in e2b("sandbox", "exec", sandbox, "echo", "from inside")
        e2b("sandbox", "metrics", sandbox)
        e2b("sandbox", "logs", sandbox)
        e2b("sandbox", "pause", sandbox)
        assert sandbox in e2b("sandbox", "list", "--state", "paused")
        e2b("sandbox", "resume", sandbox)
    finally:
        e2b("sandbox", "kill", sandbox)
    wait_until(lambda: sandbox not in e2b("sandbox", "list"), what="its end")
    rpc.close()


def test_nothing_is_left(endpoint):
    """Every sandbox that a case made has ended."""
    left = lambda: json.loads(endpoint.daemon.ctl("--json", "sandbox", "ls").stdout)["sandboxes"]
    wait_until(lambda: not left(), what="the end of every sandbox")


# What the SDK does not show: the wire itself, spoken with http.client.


@pytest.fixture(scope="module")
def plain():
    made = Endpoint(secure=False)
    yield made
    made.daemon.close()


def call(endpoint, method, path, body=None, headers=None, key=True):
    """Status, fields and JSON body (or text) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=30)
    fields = {"X-API-Key": endpoint.env["E2B_API_KEY"]} if key else {}
    fields.update(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        fields.setdefault("content-type", "application/json")
    connection.request(method, path, body, fields)
    answer = connection.getresponse()
    raw = answer.read()
    connection.close()
    try:
        return answer.status, answer.headers, json.loads(raw) if raw else None
    except ValueError:
        return answer.status, answer.headers, raw


def faults(endpoint, *rules, seed=1):
    rpc = endpoint.daemon.rpc()
    rpc.call("e2b.faults", {"seed": seed, "faults": list(rules)})
    rpc.close()


@pytest.fixture
def box(plain):
    status, _, made = call(plain, "POST", "/sandboxes", {"templateID": "base", "timeout": 60, "secure": True})
    assert status == 201
    yield made
    call(plain, "DELETE", f"/sandboxes/{made['sandboxID']}")


def test_errors_have_the_shape_of_the_api(plain, box):
    sandbox = box["sandboxID"]
    for method, path, body, status in [
        ("GET", "/sandboxes/snosuchsandbox0000000", None, 404),
        ("POST", "/sandboxes", {}, 400),
        ("POST", "/sandboxes", {"templateID": 5}, 400),
        ("POST", "/sandboxes", {"templateID": "base", "timeout": 0}, 400),
        ("POST", "/sandboxes", {"templateID": "base", "metadata": {"a": 1}}, 400),
        ("POST", "/sandboxes", {"templateID": "base", "network": {"allowPublicTraffic": False}}, 400),
        ("POST", "/sandboxes", {"templateID": "nothing"}, 404),
        ("POST", f"/sandboxes/{sandbox}/connect", {}, 400),
        ("POST", f"/sandboxes/{sandbox}/resume", {}, 409),
        ("POST", f"/sandboxes/{sandbox}/timeout", {}, 400),
        ("POST", f"/sandboxes/{sandbox}/refreshes", {"duration": 3601}, 400),
        ("GET", "/v2/sandboxes?limit=0", None, 400),
        ("GET", "/v2/sandboxes?nextToken=asc.1.s", None, 400),
        ("POST", f"/sandboxes/{sandbox}/snapshots", {}, 501),
        ("POST", "/v3/templates", {"name": "no name"}, 400),
        ("POST", "/v3/templates", {"name": "base"}, 403),
        ("DELETE", "/templates/base", None, 403),
        ("DELETE", "/templates/none", None, 404),
        ("GET", "/templates/none/builds/none/status", None, 400),
        ("POST", "/v2/templates/none/builds/none", {}, 404),
        ("POST", "/templates/tags", {"target": "base", "tags": []}, 501),
        ("GET", "/nowhere", None, 404),
    ]:
        got, _, answer = call(plain, method, path, body)
        assert got == status, (method, path, answer)
        assert answer["code"] == status and answer["message"], answer
    assert call(plain, "GET", "/v2/sandboxes", key=False)[0] == 401
    assert call(plain, "GET", "/v2/sandboxes", headers={"X-API-Key": "e2b_" + "0" * 40})[0] == 401
    assert call(plain, "POST", "/sandboxes", b"{not json")[0] == 400
    assert call(plain, "GET", "/health", key=False)[0] == 204


def test_timeouts_move_as_the_api_says(plain, box):
    path = f"/sandboxes/{box['sandboxID']}"
    end = lambda: call(plain, "GET", path)[2]["endAt"]
    before = end()
    assert call(plain, "POST", f"{path}/connect", {"timeout": 1})[0] == 200
    assert end() == before  # only ever later
    assert call(plain, "POST", f"{path}/refreshes", {"duration": 600})[0] == 204
    assert end() > before
    assert call(plain, "POST", f"{path}/timeout", {"timeout": 30})[0] == 204
    assert end() < before
    assert call(plain, "POST", f"{path}/pause")[0] == 204
    assert call(plain, "POST", f"{path}/pause")[0] == 409
    assert call(plain, "POST", f"{path}/timeout", {"timeout": 30})[0] == 404
    assert call(plain, "POST", f"{path}/resume")[0] == 201
    assert call(plain, "GET", path)[2]["state"] == "running"


def test_requests_find_their_sandbox_by_host_or_by_fields(plain, box):
    sandbox, token = box["sandboxID"], box["envdAccessToken"]
    by_fields = {"E2b-Sandbox-Id": sandbox, "E2b-Sandbox-Port": "49983"}
    by_host = {"Host": f"49983-{sandbox}.sbx.test"}
    for route in (by_fields, by_host):
        assert call(plain, "GET", "/health", headers=route, key=False)[0] == 204
        assert call(plain, "GET", "/envs", headers=route, key=False)[0] == 401
        status, _, env = call(plain, "GET", "/envs", headers={**route, "X-Access-Token": token}, key=False)
        assert status == 200 and env["E2B_SANDBOX_ID"] == sandbox
        assert call(plain, "GET", "/metrics", headers={**route, "X-Access-Token": token}, key=False)[2]["mem_total"] > 0
        status, _, answer = call(plain, "POST", "/init", {}, route, key=False)
        assert (status, answer["path"]) == (404, "/init")
    assert call(plain, "GET", "/health", headers={"E2b-Sandbox-Id": sandbox}, key=False)[0] == 400
    assert call(plain, "GET", "/", headers={"Host": "49983-sgone.sbx.test"}, key=False)[0] == 502
    status, _, answer = call(plain, "GET", "/", headers={"Host": f"8000-{sandbox}.sbx.test"}, key=False)
    assert (status, answer["port"], answer["sandboxId"]) == (502, 8000, sandbox)
    mine = {**by_host, "X-Access-Token": token, "Authorization": "Basic " + base64.b64encode(b"ghost:").decode()}
    status, _, answer = call(plain, "POST", "/filesystem.Filesystem/Stat", {"path": "/"}, mine, key=False)
    assert (status, answer["code"]) == (401, "unauthenticated")


def envelopes(raw):
    out = []
    while raw:
        flags, size = raw[0], int.from_bytes(raw[1:5], "big")
        out.append((flags, json.loads(raw[5:5 + size])))
        raw = raw[5 + size:]
    return out


def test_streams_are_framed_as_connect_says(plain, box):
    route = {"Host": f"49983-{box['sandboxID']}.sbx.test", "X-Access-Token": box["envdAccessToken"]}
    stream = {**route, "content-type": "application/connect+json", "connect-protocol-version": "1"}

    def start(message, **more):
        payload = json.dumps(message).encode()
        body = bytes([0]) + len(payload).to_bytes(4, "big") + payload
        return call(plain, "POST", "/process.Process/Start", body, {**stream, **more}, key=False)

    status, fields, raw = start({"process": {"cmd": "/bin/echo", "args": ["hi"]}, "stdin": False})
    assert status == 200 and fields["content-type"] == "application/connect+json"
    messages = envelopes(raw)
    assert "pid" in messages[0][1]["event"]["start"]
    assert messages[1] == (0, {"event": {"data": {"stdout": base64.b64encode(b"hi\n").decode()}}})
    assert messages[2] == (0, {"event": {"end": {"exited": True, "status": "exit status 0"}}})
    assert messages[3] == (2, {})
    killed = envelopes(start({"process": {"cmd": "/bin/sh", "args": ["-c", "kill -9 $$"]}, "stdin": False})[2])
    assert killed[-2][1]["event"]["end"]["exitCode"] == -1
    assert killed[-2][1]["event"]["end"]["status"] == "signal: killed"
    late = envelopes(start({"process": {"cmd": "/bin/sleep", "args": ["100"]}}, **{"connect-timeout-ms": "300"})[2])
    assert late[-1][0] == 2 and late[-1][1]["error"]["code"] == "deadline_exceeded"
    wrong = envelopes(start({"process": {"cmd": "/bin/true", "cwd": "/nonexistent"}})[2])
    assert wrong[-1][1]["error"]["code"] == "invalid_argument"
    assert start({}, **{"content-type": "application/connect+proto"})[0] == 415
    assert call(plain, "GET", "/process.Process/Start", headers=stream, key=False)[0] == 405
    compressed = gzip.compress(b'{"path": "/tmp"}')
    status, _, answer = call(plain, "POST", "/filesystem.Filesystem/Stat", compressed,
                             {**route, "content-type": "application/json", "content-encoding": "gzip"}, key=False)
    assert status == 200 and answer["entry"]["type"] == "FILE_TYPE_DIRECTORY"


def test_a_template_that_was_built_is_there_until_it_is_deleted(plain):
    """Files through their address, a build, its log in pages, over a restart of the daemon, and the end."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        info = tarfile.TarInfo("a.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    hash = "ab" * 32
    status, _, asked = call(plain, "POST", "/v3/templates", {"name": "Kept:v1", "cpuCount": 2, "memoryMB": 512})
    assert (status, asked["templateID"]) == (202, "kept")
    build = f"/templates/kept/builds/{asked['buildID']}"
    start = {"fromTemplate": "base", "steps": [{"type": "COPY", "args": ["a.txt", "/home/user/b.txt", "", "0600"], "filesHash": hash},
                                               {"type": "RUN", "args": ["for i in $(seq 150); do echo line $i; done"]}]}
    assert call(plain, "POST", "/v2" + build, start)[0] == 400  # nothing uploaded yet
    status, _, files = call(plain, "GET", f"/templates/kept/files/{hash}")
    assert (status, files["present"]) == (201, False)
    to = files["url"].split("/", 3)[3]
    assert call(plain, "PUT", "/" + to.replace("signature=", "signature=0"), archive.getvalue(), key=False)[0] == 403
    assert call(plain, "PUT", "/" + to, archive.getvalue(), key=False)[0] == 200
    assert call(plain, "GET", f"/templates/kept/files/{hash}")[2]["present"] is True
    assert call(plain, "POST", "/v2" + build, start)[0] == 202
    assert call(plain, "POST", "/v2" + build, start)[0] == 400  # it does not wait any more
    seen = []

    def ended():
        answer = call(plain, "GET", f"{build}/status?logsOffset={len(seen)}&limit=100")[2]
        seen.extend(entry["message"] for entry in answer["logEntries"])
        return answer["status"] in ("ready", "error") and not answer["logEntries"] and answer

    assert wait_until(ended, timeout=120, what="the end of the build")["status"] == "ready", seen
    assert [line for line in seen if line.startswith("line ")] == [f"line {i}" for i in range(1, 151)]
    newest = call(plain, "GET", f"{build}/logs?direction=backward&limit=1")[2]["logs"]
    assert [entry["message"] for entry in newest] == [seen[-1]]
    assert "kept" in [one["templateID"] for one in call(plain, "GET", "/v2/templates")[2]]

    plain.daemon.kill()
    plain.daemon.start()
    plain.daemon.ctl("e2b", "serve", "-d", "--listen", f"127.0.0.1:{plain.port}", "--domain", f"sbx.test:{plain.port}")
    status, _, made = call(plain, "POST", "/sandboxes", {"templateID": "kept", "timeout": 60})
    assert status == 201, made
    inside = {"Host": f"49983-{made['sandboxID']}.sbx.test"}
    assert call(plain, "GET", "/files?path=/home/user/b.txt", headers=inside, key=False)[2] == b"abc"
    assert call(plain, "DELETE", f"/sandboxes/{made['sandboxID']}")[0] == 204
    assert call(plain, "DELETE", "/templates/kept")[0] == 204
    assert call(plain, "POST", "/sandboxes", {"templateID": "kept", "timeout": 60})[0] == 404


def test_a_create_whose_answer_is_lost_made_one_sandbox(plain):
    mark = {"run": "lost"}
    faults(plain, {"kind": "lost_answer", "match": "POST */sandboxes", "times": 1})
    with pytest.raises((http.client.HTTPException, OSError)):
        call(plain, "POST", "/sandboxes", {"templateID": "base", "timeout": 60, "metadata": mark})
    faults(plain)
    _, _, found = call(plain, "GET", "/v2/sandboxes?metadata=run%3Dlost")
    assert [one["metadata"] for one in found] == [mark]
    assert call(plain, "DELETE", f"/sandboxes/{found[0]['sandboxID']}")[0] == 204


def test_faults_of_every_kind(plain, box):
    path = f"/sandboxes/{box['sandboxID']}"
    faults(plain, {"kind": "status", "status": 429, "retry_after_s": 3, "times": 1})
    status, fields, answer = call(plain, "GET", path)
    assert (status, fields["retry-after"], answer["code"]) == (429, "3", 429)
    assert call(plain, "GET", path)[0] == 200
    faults(plain, {"kind": "edge", "status": 502, "times": 1})
    status, fields, answer = call(plain, "GET", path)
    assert (status, fields["content-type"]) == (502, "text/html") and isinstance(answer, bytes)
    for kind in ("reset", "cut"):
        faults(plain, {"kind": kind, "after_bytes": 10, "times": 1})
        with pytest.raises((http.client.HTTPException, OSError)):
            call(plain, "GET", path)
    for kind in ("delay", "late_answer", "stall"):
        faults(plain, {"kind": kind, "delay_ms": 300, "times": 1})
        began = time.monotonic()
        assert call(plain, "GET", path)[0] == 200
        assert time.monotonic() - began >= 0.3

    def hits(seed):
        faults(plain, {"kind": "status", "status": 500, "probability": 0.5}, seed=seed)
        return [call(plain, "GET", path)[0] for _ in range(20)]

    first = hits(7)
    assert hits(7) == first and 500 in first and 200 in first
    faults(plain)


def test_the_sdk_obeys_retry_after(plain):
    faults(plain, {"kind": "status", "match": "POST */sandboxes", "status": 429, "retry_after_s": 1, "times": 2})
    run = plain.run("e2b", "commands: foreground")
    faults(plain)
    assert run.returncode == 0, run.stdout + run.stderr


def test_timeouts_and_metadata_outlive_the_daemon(plain):
    wish = {"templateID": "base", "timeout": 60, "metadata": {"run": "restart"}, "secure": True}
    _, _, made = call(plain, "POST", "/sandboxes", wish)
    plain.daemon.kill()
    plain.daemon.start()
    plain.daemon.ctl("e2b", "serve", "-d", "--listen", f"127.0.0.1:{plain.port}", "--domain", f"sbx.test:{plain.port}")
    status, _, detail = call(plain, "GET", f"/sandboxes/{made['sandboxID']}")
    assert status == 200 and detail["metadata"] == {"run": "restart"}
    assert detail["envdAccessToken"] == made["envdAccessToken"]
    assert call(plain, "POST", f"/sandboxes/{made['sandboxID']}/timeout", {"timeout": 0})[0] == 204
    gone = lambda: call(plain, "GET", f"/sandboxes/{made['sandboxID']}")[0] == 404
    wait_until(gone, what="its end")
