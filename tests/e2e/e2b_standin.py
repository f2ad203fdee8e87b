"""E2B as its users see it from outside, small and wrong on purpose: control plane, envd and the ports of its sandboxes on
one origin. Written from the service's description and sharing nothing with the client that it judges. A sandbox is a
directory and its processes; faults are lined up by a test and happen once each."""

import base64
import datetime
import http.server
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

KEY = "e2b_0123456789abcdef0123456789abcdef01234567"
WRITABLE = ("root", "opt", "run", "etc", "workspace", "home", "tmp", "var")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Sandbox:
    def __init__(self, standin, body):
        self.standin = standin
        self.id = "i" + secrets.token_hex(10)
        self.body = body
        self.metadata = body.get("metadata", {})
        self.state = "running"
        self.started = now()
        self.ends = time.time() + body["timeout"]
        self.token = secrets.token_hex(16)
        self.traffic = secrets.token_hex(16)
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="e2b-standin-"))
        for name in WRITABLE:
            (self.root / name).mkdir()
        (self.root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
        (self.root / "etc/group").write_text("root:x:0:\nuser:x:1000:\n")
        (self.root / "home/user").mkdir()
        with socket.socket() as free:  # the port of agentd, as nobody else in this test has it
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.connections = set()

    def record(self, tokens=False):
        record = {"templateID": "tpl" + self.body["templateID"], "sandboxID": self.id, "clientID": "6532622b",
                  "envdVersion": self.standin.envd_version, "state": self.state, "metadata": self.metadata,
                  "startedAt": (self.started + self.standin.skew).isoformat().replace("+00:00", "Z"),
                  "endAt": datetime.datetime.fromtimestamp(self.ends, datetime.timezone.utc).isoformat(),
                  "cpuCount": 2, "memoryMB": 512, "diskSizeMB": 1024}
        if tokens:
            record["envdAccessToken"] = self.token
            record["trafficAccessToken"] = self.traffic
        return record

    def command(self, process):
        words = ["bwrap", "--ro-bind", "/usr", "/usr", "--dev-bind", "/dev", "/dev", "--bind", "/proc", "/proc"]
        for name in ("bin", "sbin", "lib", "lib64"):
            words += ["--symlink", "usr/" + name, "/" + name]
        for name in WRITABLE:
            words += ["--bind", str(self.root / name), "/" + name]
        words += ["--chdir", process.get("cwd", "/root"), "--", process["cmd"]]
        agent = str(self.standin.agent_port)
        return words + [str(self.port) if word == agent else word for word in process.get("args", [])]

    def environment(self, process):
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "USER": "root", "E2B_SANDBOX_ID": self.id,
                **self.body.get("envVars", {}), **process.get("envs", {})}

    def processes(self):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and f"E2B_SANDBOX_ID={self.id}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def signal(self, number):
        for pid in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def cut(self):
        """Resets every connection into it."""
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def end(self):
        """Everything in it at once, without a word to anybody."""
        self.signal(signal.SIGCONT)
        for _ in range(100):
            self.signal(signal.SIGKILL)
            if not self.processes():
                break
            time.sleep(0.01)
        self.cut()
        shutil.rmtree(self.root, ignore_errors=True)


class Fault:
    """What happens instead of, or after, a request whose method and path fit."""

    def __init__(self, pattern, status=None, body=None, headers=None, after=False, action=None):
        self.pattern = re.compile(pattern)
        self.status = status
        self.body = body
        self.headers = headers or {}
        self.after = after  # does what was asked, then breaks off instead of answering
        self.action = action


class StandIn(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, agent_port=49900):
        super().__init__(("127.0.0.1", 0), Handler)
        self.agent_port = agent_port
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.envd_version = "0.6.13"
        self.skew = datetime.timedelta(0)
        self.sandboxes = {}
        self.hidden = []  # killed ones that the list still shows
        self.faults = []
        self.requests = []
        self.lock = threading.RLock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def use_tls(self, certificate, key):
        """Before the first request."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = self.url.replace("http:", "https:")

    def fault(self, *arguments, **options):
        self.faults.append(Fault(*arguments, **options))

    def count(self, pattern):
        return sum(1 for request in self.requests if re.match(pattern, request))

    def handle_error(self, request, client_address):
        pass  # clients that go away are what this is for

    def close(self):
        self.shutdown()
        for sandbox in list(self.sandboxes.values()):
            sandbox.end()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=None, headers=None, kind="application/json"):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if data:
            self.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message, headers=None, **more):
        self.answer(status, {"code": status, "message": message, **more}, headers)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b""
            while True:
                size = int(self.rfile.readline(), 16)
                data += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_any(self):
        line = f"{self.command} {self.path}"
        standin = self.server
        port = int(self.headers.get("E2b-Sandbox-Port", 0))
        standin.requests.append(f"{line} port={port}" if port else line)
        with standin.lock:
            fault = next((f for f in standin.faults if f.pattern.match(line)), None)
            if fault:
                standin.faults.remove(fault)
        self.breaks = bool(fault and fault.after)
        if fault and not fault.after:
            if fault.action:
                fault.action(self)
            if fault.status is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.body()
            self.answer(fault.status, fault.body, fault.headers)
            return
        if self.breaks:
            self.wfile = open(os.devnull, "wb")
        if port:
            self.serve_port(port)
        elif self.headers.get("X-API-Key") != KEY:
            self.body()
            self.refuse(401, "Invalid API key, please visit https://e2b.dev/docs")
        else:
            self.serve_control()
        if self.breaks:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_DELETE = do_PUT = do_any

    # --- control plane

    def expire(self):
        for sandbox in list(self.server.sandboxes.values()):
            if sandbox.state == "running" and time.time() > sandbox.ends:
                if sandbox.body.get("autoPause"):
                    self.pause(sandbox)
                else:
                    del self.server.sandboxes[sandbox.id]
                    sandbox.end()

    def pause(self, sandbox):
        sandbox.signal(signal.SIGSTOP)
        sandbox.state = "paused"
        sandbox.cut()

    def serve_control(self):
        standin = self.server
        data = self.body()
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        with standin.lock:
            self.expire()
            if (self.command, url.path) == ("POST", "/sandboxes"):
                body = json.loads(data)
                if body["templateID"] == "nope":
                    return self.refuse(404, "template 'nope' not found")
                sandbox = Sandbox(standin, body)
                standin.sandboxes[sandbox.id] = sandbox
                return self.answer(201, sandbox.record(tokens=True))
            if (self.command, url.path) == ("GET", "/v2/sandboxes"):
                return self.list(query)
            match = re.fullmatch(r"/sandboxes/([a-z0-9]+)(/\w+)?", url.path)
            sandbox = standin.sandboxes.get(match[1]) if match else None
            if sandbox is None:
                return self.refuse(404, "Sandbox doesn't exist or you don't have access to it")
            what = (self.command, match[2])
            if what == ("GET", None):
                record = sandbox.record(tokens=True)
                del record["trafficAccessToken"]
                return self.answer(200, record)
            if what == ("DELETE", None):
                standin.hidden.append((time.time() + 3, sandbox.record()))
                del standin.sandboxes[sandbox.id]
                sandbox.end()
                return self.answer(204)
            if what == ("POST", "/pause"):
                if sandbox.state == "paused":
                    return self.refuse(409, "Sandbox is already paused")
                self.pause(sandbox)
                return self.answer(204)
            if what == ("POST", "/connect"):
                was = sandbox.state
                if was == "paused":
                    sandbox.signal(signal.SIGCONT)
                    sandbox.state = "running"
                sandbox.ends = max(sandbox.ends, time.time() + json.loads(data)["timeout"])
                return self.answer(201 if was == "paused" else 200, sandbox.record(tokens=True))
            if what == ("POST", "/timeout"):
                if sandbox.state == "paused":
                    return self.refuse(404, "no running sandbox")
                sandbox.ends = time.time() + json.loads(data)["timeout"]
                return self.answer(204)
        self.refuse(404, "no such route")

    def list(self, query):
        wanted = {}
        for pair in filter(None, urllib.parse.unquote(query.get("metadata", "")).split("&")):
            key, value = pair.split("=")
            wanted[urllib.parse.unquote(key)] = urllib.parse.unquote(value)
        self.server.hidden = [(until, record) for until, record in self.server.hidden if until > time.time()]
        records = [s.record() for s in self.server.sandboxes.values()] + [record for _, record in self.server.hidden]
        records = [r for r in records if all(r["metadata"].get(k) == v for k, v in wanted.items())]
        at = int(query.get("nextToken", 0))
        page = int(query["limit"]) if int(query["limit"]) < 2 else 2  # small pages: every list has several
        headers = {"X-Next-Token": str(at + page)} if at + page < len(records) else {}
        self.answer(200, records[at:at + page], headers)

    # --- ports

    def serve_port(self, port):
        sandbox = self.server.sandboxes.get(self.headers["E2b-Sandbox-Id"])
        if sandbox is None or sandbox.state != "running":
            self.body()
            return self.answer(502, {"sandboxId": self.headers["E2b-Sandbox-Id"], "message": "The sandbox was not found",
                                     "code": 502})
        if port == 49983:
            return self.serve_envd(sandbox)
        if self.headers.get("e2b-traffic-access-token") != sandbox.traffic:
            return self.refuse(403, "Sandbox is secured with traffic access token.")
        inside = socket.socket()
        try:
            inside.connect(("127.0.0.1", sandbox.port))
        except OSError:
            return self.answer(502, {"sandboxId": sandbox.id, "message": "The sandbox is running but port is not open",
                                     "port": port, "code": 502})
        head = f"{self.command} {self.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self.headers.items())
        inside.sendall(head.encode() + b"\r\n")
        sandbox.connections |= {inside, self.connection}
        self.close_connection = True
        back = threading.Thread(target=self.pump, args=(inside, self.connection), daemon=True)
        back.start()
        self.pump(self.connection, inside)
        back.join()
        sandbox.connections -= {inside, self.connection}
        inside.close()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # --- envd

    def serve_envd(self, sandbox):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if self.headers.get("X-Access-Token") != sandbox.token and url.path != "/health":
            self.body()
            return self.refuse(401, "unauthorized access, please provide a valid access token")
        if url.path == "/health":
            return self.answer(204)
        if url.path == "/files":
            return self.files(sandbox, query)
        data = self.body()
        if url.path == "/process.Process/Start":
            size = int.from_bytes(data[1:5], "big")
            assert data[0] == 0 and len(data) == 5 + size
            return self.start(sandbox, json.loads(data[5:]))
        self.answer(501, {"code": "unimplemented", "message": url.path})

    def files(self, sandbox, query):
        def place(path):
            assert path.split("/")[1] in WRITABLE, path
            return sandbox.root / path.lstrip("/")

        data = self.body()
        if self.command == "GET":
            if not place(query["path"]).exists():
                return self.refuse(404, f"path '{query['path']}' does not exist")
            return self.answer(200, place(query["path"]).read_bytes(), kind="application/octet-stream")
        written = {}
        kind = self.headers["Content-Type"]
        if kind == "application/octet-stream":
            written[query["path"]] = data
        else:
            boundary = re.fullmatch(r"multipart/form-data; boundary=(.*)", kind)[1].encode()
            parts = data.split(b"--" + boundary)
            assert parts[-1] == b"--\r\n" and parts[0] == b""
            for part in parts[1:-1]:
                head, content = part.split(b"\r\n\r\n", 1)
                name = re.search(rb'name="file"; filename="([^"]*)"', head)[1].decode()
                written[query.get("path", name)] = content[:-2]
        for path, content in written.items():
            place(path).parent.mkdir(parents=True, exist_ok=True)
            place(path).write_bytes(content)
            place(path).chmod(0o644)
        self.answer(200, json.dumps([{"path": p, "name": p.split("/")[-1], "type": "file"} for p in written]).encode(),
                    kind="text/plain; charset=utf-8")

    def start(self, sandbox, request):
        program = subprocess.Popen(sandbox.command(request["process"]), env=sandbox.environment(request["process"]),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        self.send_response(200)
        self.send_header("Content-Type", "application/connect+json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        writing = threading.Lock()

        def message(payload, flags=0):
            data = json.dumps(payload).encode()
            data = bytes([flags]) + len(data).to_bytes(4, "big") + data
            with writing:
                try:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                except OSError:
                    pass  # the client has gone; the program goes on

        message({"event": {"start": {"pid": program.pid}}})

        def copy(pipe, name):
            while data := pipe.read1(32768):
                message({"event": {"data": {name: base64.b64encode(data).decode()}}})

        readers = [threading.Thread(target=copy, args=pair, daemon=True)
                   for pair in ((program.stdout, "stdout"), (program.stderr, "stderr"))]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        status = program.wait()
        end = {"status": f"exit status {status}", "exited": True} if status >= 0 else {"exitCode": -1, "status": "signal"}
        if status > 0:
            end["exitCode"] = status
        message({"event": {"end": end}})
        message({}, flags=2)
        try:
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True
