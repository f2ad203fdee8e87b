"""Our client and our endpoint, held to E2B's own descriptions of its API by a judge that stands between them, and envd's
streams held to the Connect protocol (connectrpc.com/docs/protocol)."""

import base64
import concurrent.futures
import gzip
import http.client
import json
import pathlib
import socket
import struct
import subprocess

import pytest

from conftest import Daemon
from e2b_cloud import ACCOUNT, free_port
from test_e2b_sdk import HERE, NODE

SPEC = pathlib.Path(__file__).resolve().parents[1] / "fixtures/e2b-spec"


class Plain:
    """An endpoint without TLS, and a request to it by a client that is not ours."""

    def __init__(self):
        self.port = free_port()
        self.daemon = Daemon().start()
        self.daemon.ctl("e2b", "serve", "-d", "--listen", f"127.0.0.1:{self.port}", "--domain", f"sbx.test:{self.port}")
        rpc = self.daemon.rpc()
        self.key = rpc.call("e2b.status")["api_key"]
        rpc.close()

    def call(self, method, path, body=None, headers=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        fields = {"X-API-Key": self.key, **(headers or {})}
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


@pytest.fixture(scope="module")
def plain():
    made = Plain()
    yield made
    made.daemon.close()


class Judge:
    def __init__(self, endpoint):
        self.process = subprocess.Popen(
            [NODE, HERE / "judge.mjs", f"http://127.0.0.1:{endpoint.port}", SPEC / "openapi.yml", SPEC / "envd.yaml"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE)
        self.port = int(self.process.stdout.readline())

    def verdict(self):
        said = json.loads(self.process.communicate(timeout=60)[0])
        return said["seen"], said["problems"]


judged = pytest.mark.skipif(not (NODE and (HERE / "node_modules/ajv").exists()),
                            reason="needs `npm ci --ignore-scripts` in tests/e2e/node-e2b")


@judged
def test_our_client_and_our_server_speak_as_the_descriptions_say(plain):
    judge = Judge(plain)
    url = f"http://127.0.0.1:{judge.port}"
    account = Daemon(ACCOUNT.format(url=url, ca="", create_rate="100/s", sandboxes=20).replace('ca_file = ""\n', ""))
    account.env["E2B_API_KEY"] = plain.key
    try:
        account.start()
        made = json.loads(account.ctl("--json", "sandbox", "create", "--provider", "e2b", "--env", "A=b").stdout)
        assert account.ctl("exec", made["id"], "--", "echo", "through").stdout == "through\n"
        account.ctl("sandbox", "pause", made["id"])
        account.ctl("sandbox", "resume", made["id"])
        account.ctl("sandbox", "extend", made["id"], "2h", check=False)
        account.ctl("doctor", check=False)
        account.ctl("sandbox", "kill", made["id"])
    finally:
        account.close()
    seen, problems = judge.verdict()
    assert problems == []
    for line in ("POST /sandboxes", "GET /v2/sandboxes", "GET /sandboxes/{sandboxID}", "POST /sandboxes/{sandboxID}/pause",
                 "POST /sandboxes/{sandboxID}/connect", "DELETE /sandboxes/{sandboxID}"):
        assert f"api {line}" in seen, seen
    assert "envd POST /files" in seen, seen


@judged
def test_our_server_answers_as_the_descriptions_say(plain):
    judge = Judge(plain)
    call = lambda method, path, body=None, headers=None: plain.call(method, path, body, headers, port=judge.port)
    status, _, box = call("POST", "/sandboxes", {"templateID": "base", "timeout": 60, "secure": True, "metadata": {"a": "b"},
                                                 "network": {"allowPublicTraffic": False}})
    assert status == 201, box
    path = f"/sandboxes/{box['sandboxID']}"
    for method, where, body in [
        ("GET", "/v2/sandboxes?state=running,paused&limit=10", None), ("GET", "/v2/sandboxes?metadata=a%3Db", None),
        ("GET", "/sandboxes", None), ("GET", path, None), ("GET", f"{path}/metrics", None),
        ("GET", f"/sandboxes/metrics?sandbox_ids={box['sandboxID']}", None), ("GET", f"{path}/logs", None),
        ("GET", f"/v2{path}/logs?limit=5&direction=forward", None), ("POST", f"{path}/timeout", {"timeout": 120}),
        ("POST", f"{path}/refreshes", {"duration": 200}), ("PUT", f"{path}/network", {"allow_internet_access": False}),
        ("POST", f"{path}/connect", {"timeout": 60}), ("POST", f"{path}/pause", {}), ("POST", f"{path}/pause", {}),
        ("POST", f"{path}/timeout", {"timeout": 120}), ("POST", f"{path}/connect", {"timeout": 60}),
        ("POST", f"{path}/resume", {"timeout": 60}),
        ("GET", "/v2/templates", None), ("GET", "/templates", None), ("GET", "/templates/base", None),
        ("GET", "/templates/aliases/base", None), ("GET", "/templates/base/tags", None),
        ("GET", "/templates/aliases/no-such", None), ("GET", "/snapshots", None),
        ("POST", "/sandboxes", {}), ("POST", "/sandboxes", {"templateID": "base", "timeout": 10**9}),
        ("GET", "/sandboxes/inosuchsandbox000000", None), ("DELETE", "/sandboxes/inosuchsandbox000000", None),
    ]:
        call(method, where, body)
    inside = {"E2b-Sandbox-Id": box["sandboxID"], "E2b-Sandbox-Port": "49983", "X-Access-Token": box["envdAccessToken"]}
    raw = {**inside, "content-type": "application/octet-stream"}
    assert call("POST", "/files?path=/tmp/a&username=user", b"bytes", raw)[0] == 200
    for method, where in [("GET", "/health"), ("GET", "/metrics"), ("GET", "/envs"), ("GET", "/files?path=/tmp/a"),
                          ("GET", "/files?path=/tmp/nothing"), ("GET", "/files?path=/tmp")]:
        call(method, where, headers=inside)
    call("GET", "/envs", headers={**inside, "X-Access-Token": "wrong"})
    assert call("DELETE", path)[0] == 204
    seen, problems = judge.verdict()
    assert problems == []
    assert len(seen) >= 20, seen


def test_whoever_has_a_place_is_never_refused_for_the_plan(plain):
    """As many callers as the plan has places, each with one sandbox at a time: one that is being made, or recorded, counts
    once."""
    callers = 6
    rpc = plain.daemon.rpc()
    rpc.call("e2b.faults", {"seed": 1, "faults": [], "sandboxes": callers})

    def come_and_go(_):
        for _ in range(10):
            status, _, box = plain.call("POST", "/sandboxes", {"templateID": "base", "timeout": 60})
            assert status == 201, box
            assert plain.call("DELETE", f"/sandboxes/{box['sandboxID']}")[0] == 204

    try:
        with concurrent.futures.ThreadPoolExecutor(callers) as all_of_them:
            list(all_of_them.map(come_and_go, range(callers)))
        assert rpc.call("e2b.status").get("refused_too_many", 0) == 0
    finally:
        rpc.call("e2b.faults", {"seed": 1, "faults": []})
        rpc.close()


# -- Connect -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def inside(plain):
    """Fields that lead into a sandbox's envd."""
    status, _, box = plain.call("POST", "/sandboxes", {"templateID": "base", "timeout": 120, "secure": True})
    assert status == 201, box
    yield {"Host": f"49983-{box['sandboxID']}.sbx.test", "X-Access-Token": box["envdAccessToken"]}
    plain.call("DELETE", f"/sandboxes/{box['sandboxID']}")


def sealed(message, flags=0):
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack(">BI", flags, len(payload)) + payload


def opened(raw):
    out = []
    while raw:
        flags, size = struct.unpack(">BI", raw[:5])
        out.append((flags, json.loads(raw[5:5 + size])))
        raw = raw[5 + size:]
    return out


STREAM = {"content-type": "application/connect+json", "connect-protocol-version": "1"}
UNARY = {"content-type": "application/json", "connect-protocol-version": "1"}
ECHO = {"process": {"cmd": "/bin/echo", "args": ["hi"]}, "stdin": False}


def stream(plain, inside, body, method="process.Process/Start", **more):
    status, fields, raw = plain.call("POST", f"/{method}", body, {**inside, **STREAM, **more})
    assert status == 200, (status, raw)
    assert fields["content-type"] == "application/connect+json"
    return opened(raw if isinstance(raw, bytes) else json.dumps(raw).encode())


def test_a_stream_ends_with_one_message_that_says_so(plain, inside):
    messages = stream(plain, inside, sealed(ECHO))
    assert [flags for flags, _ in messages[:-1]] == [0] * (len(messages) - 1)
    assert messages[-1] == (2, {})
    assert "start" in messages[0][1]["event"] and "end" in messages[-2][1]["event"]


@pytest.mark.parametrize("body,code", [
    (b"", "unimplemented"),                                          # no message
    (sealed(ECHO) * 2, "unimplemented"),                             # two of them
    (sealed(ECHO)[:-3], "invalid_argument"),                         # cut
    (sealed(b"{no json"), "invalid_argument"),
    (sealed(gzip.compress(json.dumps(ECHO).encode()), flags=1), None),  # compressed and not announced
    (struct.pack(">BI", 0, 1 << 31) + b"x", None),                   # longer than anybody takes
])
def test_a_malformed_stream_is_an_error_of_connect(plain, inside, body, code):
    messages = stream(plain, inside, body)
    assert len(messages) == 1 and messages[0][0] == 2, messages
    said = messages[0][1]["error"]
    assert said["message"] and said["code"] in ({code} if code else {"invalid_argument", "internal", "resource_exhausted",
                                                                     "unimplemented"}), said


def test_errors_have_the_status_of_their_code(plain, inside):
    rpc = lambda method, message, **more: plain.call("POST", f"/{method}", message, {**inside, **UNARY, **more})
    for method, message, status, code in [
        ("filesystem.Filesystem/Stat", {"path": "/nowhere"}, 404, "not_found"),
        ("filesystem.Filesystem/MakeDir", {"path": "/tmp"}, 409, "already_exists"),
        ("filesystem.Filesystem/ListDir", {"path": "/etc/passwd"}, 400, "invalid_argument"),
        ("process.Process/SendSignal", {"process": {"pid": 999999}, "signal": "SIGNAL_SIGKILL"}, 404, "not_found"),
        ("process.Process/SendSignal", {"process": {"pid": 1}, "signal": 5}, 400, "invalid_argument"),
        ("filesystem.Filesystem/Stat", b"{no json", 400, "invalid_argument"),
    ]:
        got, fields, answer = rpc(method, message)
        assert (got, answer.get("code")) == (status, code), (method, answer)
        assert answer["message"] and fields["content-type"] == "application/json"
    assert rpc("filesystem.Filesystem/NoSuch", {})[0] in (404, 501)
    assert rpc("filesystem.Filesystem/Stat", {"path": "/"}, **{"content-type": "text/plain"})[0] == 415
    assert rpc("filesystem.Filesystem/Stat", {"path": "/"}, **{"connect-protocol-version": "2"})[0] == 400
    late = rpc("filesystem.Filesystem/Stat", {"path": "/"}, **{"connect-timeout-ms": "12345678901"})
    assert late[0] == 400 and late[2]["code"] == "invalid_argument", late
    squeezed = plain.call("POST", "/filesystem.Filesystem/Stat", gzip.compress(b'{"path": "/tmp"}'),
                          {**inside, **UNARY, "content-encoding": "gzip"})
    assert squeezed[0] == 200
    assert rpc("filesystem.Filesystem/Stat", {"path": "/tmp"}, **{"content-encoding": "br"})[2]["code"] == "unimplemented"


def test_streams_are_compressed_for_those_who_ask(plain, inside):
    told = {"process": {"cmd": "/bin/sh", "args": ["-c", "yes hello | head -c 200000"]}, "stdin": False}
    status, fields, raw = plain.call("POST", "/process.Process/Start", sealed(gzip.compress(json.dumps(told).encode()), 1),
                                     {**inside, **STREAM, "connect-content-encoding": "gzip",
                                      "connect-accept-encoding": "gzip"})
    assert status == 200 and fields["connect-content-encoding"] == "gzip"
    shown, flags_seen, size = b"", set(), len(raw)
    while raw:
        flags, length = struct.unpack(">BI", raw[:5])
        payload, raw = raw[5:5 + length], raw[5 + length:]
        flags_seen.add(flags)
        event = json.loads(gzip.decompress(payload) if flags & 1 else payload).get("event", {})
        shown += base64.b64decode(event.get("data", {}).get("stdout", ""))
    assert shown == b"hello\n" * 33333 + b"he" and size < 20_000
    assert {1, 2} <= flags_seen
    assert stream(plain, inside, sealed(ECHO), **{"connect-content-encoding": "zstd"})[-1][1]["error"]["code"] == \
        "unimplemented"


def test_a_deadline_ends_the_stream_with_its_code(plain, inside):
    messages = stream(plain, inside, sealed({"process": {"cmd": "/bin/sleep", "args": ["100"]}, "stdin": False}),
                      **{"connect-timeout-ms": "500"})
    assert messages[-1][0] == 2 and messages[-1][1]["error"]["code"] == "deadline_exceeded"


def test_a_client_that_has_said_all_is_still_answered(plain, inside):
    """Half-closed: the client ends its direction of the connection, and reads on."""
    body = sealed({"process": {"cmd": "/bin/sh", "args": ["-c", "sleep 0.3; echo late"]}, "stdin": False})
    head = "".join(f"{name}: {value}\r\n" for name, value in {**inside, **STREAM}.items())
    with socket.create_connection(("127.0.0.1", plain.port), timeout=60) as raw:
        raw.sendall(f"POST /process.Process/Start HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        first = raw.recv(1)  # it has begun to answer
        answer = http.client.HTTPResponse(raw)
        answer.fp = _Again(first, raw.makefile("rb"))
        answer.begin()
        messages = opened(answer.read())
    shown = [base64.b64decode(m["event"]["data"]["stdout"]) for _, m in messages if "data" in m.get("event", {})]
    assert shown == [b"late\n"] and messages[-1] == (2, {})


class _Again:
    """A file whose first bytes were read already."""

    def __init__(self, first, rest):
        self.first, self.rest = first, rest

    def readline(self, *limit):
        line, self.first = self.first + self.rest.readline(*limit), b""
        return line

    def __getattr__(self, name):
        return getattr(self.rest, name)


def test_a_client_stream_for_nobody_is_an_error(plain, inside):
    messages = (sealed({"start": {"process": {"pid": 999999}}}) + sealed({"keepalive": {}}) +
                sealed({"data": {"input": {"stdin": base64.b64encode(b"x").decode()}}}))
    end = stream(plain, inside, messages, method="process.Process/StreamInput")
    assert end[-1][0] == 2 and end[-1][1]["error"]["code"] == "not_found", end
    # Known as soon as it is named: nobody needs to have said anything to it.
    begun = stream(plain, inside, sealed({"start": {"process": {"pid": 999999}}}), method="process.Process/StreamInput")
    assert begun[-1][0] == 2 and begun[-1][1]["error"]["code"] == "not_found", begun
    early = stream(plain, inside, sealed({"data": {"input": {"stdin": ""}}}), method="process.Process/StreamInput")
    assert early[-1][1]["error"]["code"] == "invalid_argument", early
