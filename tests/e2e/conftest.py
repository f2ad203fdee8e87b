"""A private daemon for each test that asks for one, and a msgpack-rpc client of a dozen lines: no code of ours on this side."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import msgpack
import pytest

BUILD = pathlib.Path(os.environ["SWARM_BUILD"])


class RpcError(Exception):
    def __init__(self, error):
        super().__init__(error[1] if isinstance(error, list) else error)
        self.error = error


class Rpc:
    """The MessagePack-RPC specification: requests, responses, notifications."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        self.next_id = 0
        self.notifications = []
        self.answers = {}

    def send(self, message):
        self.socket.sendall(msgpack.packb(message, use_bin_type=True))

    def request(self, method, *params):
        self.next_id += 1
        self.send([0, self.next_id, method, list(params)])
        return self.next_id

    def read(self):
        """Takes what the daemon sends next; False at the end."""
        data = self.socket.recv(1 << 16)
        if not data:
            return False
        self.unpacker.feed(data)
        for message in self.unpacker:
            if message[0] == 1:
                self.answers[message[1]] = message
            else:
                self.notifications.append(message)
        return True

    def wait(self, msgid):
        while msgid not in self.answers:
            if not self.read():
                raise EOFError("the daemon closed the connection")
        _, _, error, result = self.answers.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def call(self, method, *params):
        return self.wait(self.request(method, *params))

    def notification(self, wanted, timeout=20):
        """The next notification for which `wanted` is true."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for i, message in enumerate(self.notifications):
                if wanted(message):
                    return self.notifications.pop(i)
            self.read()
        raise TimeoutError("no such notification")

    def close(self):
        self.socket.close()


def wait_until(condition, timeout=20, what="the condition"):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)  # polls a condition with a deadline; nothing depends on the pause
    raise TimeoutError(f"{what} did not come within {timeout} s")


class Daemon:
    """swarmd in directories of its own."""

    def __init__(self, config="", user=None, descriptors=()):
        """As `user`, where the test is root; `descriptors` are left open for it, as a careless parent does."""
        self.user = user
        self.descriptors = descriptors
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="swarmd-e2e-"))
        self.env = {
            "PATH": f"{BUILD / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "LANG": "C.UTF-8",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        for name in ("config/swarmd", "state", "data", "run"):
            (self.home / name).mkdir(parents=True)
        (self.home / "run").chmod(0o700)
        (self.home / "config/swarmd/config.toml").write_text(config)
        if user:
            for path in (self.home, *self.home.rglob("*")):
                shutil.chown(path, user, user)
        self.socket = self.home / "run/swarmd/swarmd.sock"
        self.log = self.home / "log"
        self.process = None
        self.wrap = []  # a profiler that swarmd runs under
        self.program = BUILD / "bin/swarmd"

    def start(self, *arguments):
        become = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", "--inh-caps=-all", "--"]
        self.process = subprocess.Popen(
            [*(become if self.user else []), *self.wrap, self.program, *arguments], env=self.env,
            pass_fds=self.descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.log, "ab"))
        wait_until(self.answers, what=f"the daemon ({self.log.read_text()[-500:]})")
        return self

    def answers(self):
        if self.process and self.process.poll() is not None:
            raise AssertionError(f"swarmd ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")
        try:
            rpc = self.rpc()
            rpc.call("rpc.ping")
            rpc.close()
            return True
        except OSError:
            return False

    def rpc(self):
        return Rpc(self.socket)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it in order; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def ctl(self, *arguments, check=True, **options):
        return subprocess.run([BUILD / "bin/swarmctl", *arguments], env=self.env, check=check, capture_output=True,
                              text=True, timeout=60, **options)

    def sandbox_directories(self):
        directory = self.home / "state/swarmd/sandboxes"
        return sorted(p.name for p in directory.iterdir()) if directory.exists() else []

    def close(self):
        """Ends its sandboxes and itself, and removes everything."""
        if self.process and self.process.poll() is None:
            try:
                rpc = self.rpc()
                for sandbox in rpc.call("sandbox.list")["sandboxes"]:
                    rpc.call("sandbox.kill", {"sandbox": sandbox["id"]})
                rpc.close()
            except (OSError, EOFError, RpcError):
                pass
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture
def new_daemon():
    """Makes daemons; all are gone after the test."""
    made = []

    def make(*arguments, config=""):
        made.append(Daemon(config))
        return made[-1].start(*arguments)

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def daemon(new_daemon):
    return new_daemon()


@pytest.fixture
def rpc(daemon):
    connection = daemon.rpc()
    yield connection
    connection.close()
