"""A service like GitHub on loopback: repositories over git's own http-backend behind basic auth, and the REST shapes of
docs.github.com/rest (pulls, labels, errors, rate limits). It can be told to refuse, to limit, and to break off."""

import base64
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.parse


class Forge:
    def __init__(self, root, token, user="x-access-token"):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.token = token
        self.user = user
        self.pulls = {}  # repository -> list
        self.requests = []  # (method, path, status)
        self.faults = []  # (what it is for, what happens): the first that fits is used up
        self.lock = threading.Lock()
        forge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def any(self):
                forge.handle(self)

            do_GET = do_POST = do_PATCH = any

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def make(self, name, source=None):
        """A bare repository OWNER/NAME, with the branches of `source`. Gives its URL."""
        path = self.root / f"{name}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        subprocess.run(["git", "-C", str(path), "config", "http.receivepack", "true"], check=True)
        if source:
            subprocess.run(["git", "-c", "safe.directory=*", "-C", str(source), "push", "-q", str(path), "main"],
                           check=True)
        self.pulls[name] = []
        return f"http://{self.host}/{name}.git"

    def branch(self, name, branch):
        done = subprocess.run(["git", "-C", str(self.root / f"{name}.git"), "rev-parse", "-q", "--verify",
                               f"refs/heads/{branch}"], capture_output=True, text=True)
        return done.stdout.strip()

    def fault(self, on, what, times=1):
        with self.lock:
            self.faults += [(on, what)] * times

    def take_fault(self, on):
        with self.lock:
            for i, (where, what) in enumerate(self.faults):
                if where == on:
                    return self.faults.pop(i)[1]
        return None

    def count(self, method, pattern):
        with self.lock:
            return sum(1 for m, path, _ in self.requests if m == method and re.search(pattern, path))

    # What follows runs in the server's threads.

    def body(self, request):
        if request.headers.get("Transfer-Encoding", "") == "chunked":
            out = b""
            while True:
                size = int(request.rfile.readline().split(b";")[0], 16)
                out += request.rfile.read(size)
                request.rfile.readline()
                if size == 0:
                    return out
        return request.rfile.read(int(request.headers.get("Content-Length", 0)))

    def answer(self, request, status, content, headers=()):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        with self.lock:
            self.requests.append((request.command, request.path, status))
        request.send_response(status)
        for name, value in headers:
            request.send_header(name, value)
        if not any(name.lower() == "content-type" for name, _ in headers):
            request.send_header("Content-Type", "application/json; charset=utf-8")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def hang_up(self, request):
        with self.lock:
            self.requests.append((request.command, request.path, 0))
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)

    def handle(self, request):
        try:
            if request.path.startswith("/api/v3/"):
                self.rest(request, request.path[len("/api/v3"):])
            else:
                self.git(request)
        except (BrokenPipeError, ConnectionError):
            pass

    def git(self, request):
        path, _, query = request.path.partition("?")
        service = urllib.parse.parse_qs(query).get("service", [""])[0]
        on = "push" if path.endswith("/git-receive-pack") else "look"
        wanted = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            self.body(request)
            self.answer(request, 401, b"", [("WWW-Authenticate", 'Basic realm="GitHub"')])
            return
        fault = self.take_fault(on)
        if fault == "cut":  # in the middle of what is sent
            request.rfile.read(min(40, int(request.headers.get("Content-Length") or 40)))
            self.hang_up(request)
            return
        body = self.body(request)
        if isinstance(fault, int):
            self.answer(request, fault, b"", [("Content-Type", "text/plain")])
            return
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": request.command, "REMOTE_USER": self.user,
            "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if line]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        if fault == "lost":  # it was done, and the answer never comes
            self.hang_up(request)
            return
        self.answer(request, status, content, [(n, v) for n, v in headers if n != "Status"])

    def rest(self, request, target):
        body = self.body(request)
        given = json.loads(body) if body else {}
        path, _, query = target.partition("?")
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return self.answer(request, 401, {"message": "Bad credentials", "status": "401"})
        match = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
        if not match or match[1] not in self.pulls:
            return self.answer(request, 404, {"message": "Not Found", "status": "404"})
        name, rest = match[1], match[2] or ""
        on = {"/pulls": "find" if request.command == "GET" else "open"}.get(rest, "update")
        fault = self.take_fault(on) or self.take_fault(f"{on}:{name}")
        if fault == "primary":
            return self.answer(request, 403, {"message": "API rate limit exceeded for user ID 1."},
                               [("X-RateLimit-Limit", "5000"), ("X-RateLimit-Remaining", "0"),
                                ("X-RateLimit-Reset", str(int(time.time()) + 2))])
        if fault == "secondary":
            return self.answer(request, 403, {"message": "You have exceeded a secondary rate limit. Please wait a few "
                                                         "minutes before you try again."}, [("Retry-After", "2")])
        if isinstance(fault, int):
            return self.answer(request, fault, {"message": "refused by the test"})
        if fault == "cut":
            return self.hang_up(request)
        status, content = self.pull_request(name, rest, request.command, given, urllib.parse.parse_qs(query))
        if fault == "lost":
            return self.hang_up(request)
        return self.answer(request, status, content)

    def pull_request(self, name, rest, method, given, query):
        owner = name.split("/")[0]
        pulls = self.pulls[name]
        with self.lock:
            if rest == "":
                return 200, {"full_name": name, "default_branch": "main"}
            if rest == "/pulls" and method == "GET":
                found = [p for p in pulls if p["state"] == query.get("state", ["open"])[0]]
                if "head" in query:
                    found = [p for p in found if f"{owner}:{p['head']['ref']}" == query["head"][0]]
                if "base" in query:
                    found = [p for p in found if p["base"]["ref"] == query["base"][0]]
                return 200, found
            if rest == "/pulls":
                if not self.branch(name, given["head"]) or not self.branch(name, given["base"]):
                    return 422, {"message": "Validation Failed",
                                 "errors": [{"resource": "PullRequest", "field": "head", "code": "invalid"}]}
                if any(p["state"] == "open" and p["head"]["ref"] == given["head"] and p["base"]["ref"] == given["base"]
                       for p in pulls):
                    return 422, {"message": "Validation Failed", "errors": [
                        {"resource": "PullRequest", "code": "custom",
                         "message": f"A pull request already exists for {owner}:{given['head']}."}]}
                number = len(pulls) + 1
                pulls.append({"number": number, "state": "open", "title": given["title"], "body": given.get("body"),
                              "draft": given.get("draft", False), "labels": [],
                              "html_url": f"http://{self.host}/{name}/pull/{number}",
                              "head": {"ref": given["head"]}, "base": {"ref": given["base"]}})
                return 201, pulls[-1]
            match = re.fullmatch(r"/(pulls|issues)/(\d+)(/labels)?", rest)
            if not match or int(match[2]) > len(pulls):
                return 404, {"message": "Not Found"}
            pull = pulls[int(match[2]) - 1]
            if match[3]:
                pull["labels"] += [{"name": label} for label in given["labels"]
                                   if label not in [known["name"] for known in pull["labels"]]]
                return 200, pull["labels"]
            pull.update({key: value for key, value in given.items() if key in ("title", "body", "state")})
            return 200, pull
