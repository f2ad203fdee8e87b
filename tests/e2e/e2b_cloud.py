"""A cloud of our own: a daemon whose E2B endpoint is open over TLS with an authority made for the occasion, and daemons
that take it for E2B."""

import http.client
import json
import socket
import ssl
import subprocess

from conftest import Daemon

ACCOUNT = """
[provider.e2b]
api_url = "{url}"
sandbox_url = "{url}"
ca_file = "{ca}"
create_rate = "{create_rate}"
sandboxes = {sandboxes}
[sandbox]
provider = ["e2b"]
create_timeout = "120s"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificates(where):
    """An authority of its own, and a certificate for the domain of these tests."""
    openssl = lambda *words: subprocess.run(["openssl", *words], cwd=where, check=True, capture_output=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl("req", "-x509", *curve, "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *curve, "-subj", "/CN=sbx.test", "-keyout", "server.key", "-out", "server.csr")
    (where / "names").write_text("subjectAltName=DNS:sbx.test,DNS:*.sbx.test,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", "names",
            "-out", "server.pem")


class Cloud:
    def __init__(self, config=""):
        self.port = free_port()
        self.daemon = Daemon(config)
        self.home = self.daemon.home
        make_certificates(self.home)
        self.ca = self.home / "ca.pem"
        self.url = f"https://127.0.0.1:{self.port}"
        self.accounts = []
        self.start()

    def start(self):
        self.daemon.start()
        self.daemon.ctl("e2b", "serve", "-d", "--listen", f"127.0.0.1:{self.port}", "--domain", f"sbx.test:{self.port}",
                        "--certificate", self.home / "server.pem", "--key", self.home / "server.key")
        self.key = self.rpc("e2b.status")["api_key"]

    def rpc(self, method, request=None):
        rpc = self.daemon.rpc()
        try:
            return rpc.call(method, request or {})
        finally:
            rpc.close()

    def faults(self, *rules, seed=1):
        self.rpc("e2b.faults", {"seed": seed, "faults": list(rules)})

    def account(self, config="", create_rate="100/s", sandboxes=100, start=True):
        """A daemon that takes this for E2B. Not started: its settings can still be changed."""
        text = ACCOUNT.format(url=self.url, ca=self.ca, create_rate=create_rate, sandboxes=sandboxes)
        daemon = Daemon(text + config)
        daemon.env["E2B_API_KEY"] = self.key
        self.accounts.append(daemon)
        return daemon.start() if start else daemon

    def request(self, method, path, body=None):
        """Status and JSON of one request with the key, by a client that is not ours."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                                 context=ssl.create_default_context(cafile=str(self.ca)))
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"X-API-Key": self.key, "content-type": "application/json"})
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        return answer.status, json.loads(raw) if raw else None

    def sandboxes(self):
        return self.request("GET", "/v2/sandboxes")[1]

    def close(self):
        for daemon in self.accounts:
            daemon.close()
        self.daemon.close()
