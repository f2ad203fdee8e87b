"""Clients that misbehave on the daemon's socket: each gets a clear error or is borne, memory stays bounded, and a client
that behaves does not notice. Attackers are processes of their own, so that what is measured is the daemon."""

import contextlib
import multiprocessing
import os
import random
import resource
import select
import socket
import threading
import time

import msgpack
import pytest
from conftest import RpcError, wait_until

PING = msgpack.packb([0, 7, "rpc.ping", []])
# An answer to a client that behaves, at the 99th percentile: an attacker may cost it turns, never a wait. Beside what the
# machine makes of the same measurement in peace, since the suite shares it.
MOST_P99 = 0.25
MOST_MEMORY = 160 << 20

spawn = multiprocessing.get_context("fork")


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(str(path))
    return client


def read_all(client):
    data = b""
    with contextlib.suppress(ConnectionError):
        while chunk := client.recv(1 << 16):
            data += chunk
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
    unpacker.feed(data)
    return list(unpacker)


def resident(daemon):
    with open(f"/proc/{daemon.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


class Bystander:
    """Pings in turn for as long as something else goes on; remembers how long each took, and the daemon's memory."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.times = []
        self.memory = 0
        self.failure = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            rpc = self.daemon.rpc()
            while not self.over.is_set():
                begun = time.monotonic()
                rpc.call("rpc.ping")
                self.times.append(time.monotonic() - begun)
                self.memory = max(self.memory, resident(self.daemon))
                self.over.wait(0.002)  # a client that asks now and then
            rpc.close()
        except Exception as failure:  # told by the thread that waits
            self.failure = failure

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def p99(self):
        assert self.failure is None, self.failure
        assert len(self.times) >= 20
        return sorted(self.times)[int(len(self.times) * 0.99)]


@pytest.fixture
def unharmed(daemon):
    """During the test a client that behaves is served as in peace, and memory stays bounded."""
    with Bystander(daemon) as peace:
        time.sleep(0.5)  # what is measured is how things are in this time
    with Bystander(daemon) as during:
        yield
        wait_until(lambda: len(during.times) >= 100 or during.failure, what="a hundred answers")
    print(f"p99 {1000 * peace.p99():.1f} ms in peace, {1000 * during.p99():.1f} ms during; "
          f"{during.memory >> 20} MiB resident")
    assert during.p99() < max(MOST_P99, 10 * peace.p99())
    assert during.memory < MOST_MEMORY
    assert daemon.process.poll() is None


def in_process(target, *arguments):
    process = spawn.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def drip(path, count):
    clients = [connect(path) for _ in range(count)]
    for byte in PING:
        time.sleep(1)  # the attack itself: a byte a second
        for client in clients:
            client.sendall(bytes([byte]))
    for client in clients:
        answer = msgpack.unpackb(client.recv(4096))
        assert answer[:3] == [1, 7, None], answer


def test_a_byte_a_second_is_borne_and_answered(daemon, unharmed):
    attack = in_process(drip, daemon.socket, 50)
    attack.join(timeout=60)
    assert attack.exitcode == 0


def test_half_closed_clients_get_what_was_answered(daemon, unharmed):
    for _ in range(200):
        client = connect(daemon.socket)
        client.sendall(PING)
        client.shutdown(socket.SHUT_WR)
        messages = read_all(client)
        assert [m for m in messages if m[0] == 1][0][:3] == [1, 7, None]
        client.close()
        torn = connect(daemon.socket)
        torn.sendall(PING[:-1])
        torn.shutdown(socket.SHUT_WR)
        assert all(m[0] == 2 for m in read_all(torn))
        torn.close()
    rpc = daemon.rpc()
    wait_until(lambda: rpc.call("daemon.info")["connections"] <= 2, what="the end of what was half closed")


def flood(path, seconds):
    """Sends requests as fast as they are taken and reads no answer; then says how many bytes went."""
    client = connect(path)
    client.setblocking(False)
    burst = PING * 1000
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not select.select([], [client], [], 0.1)[1]:
            continue
        with contextlib.suppress(BlockingIOError):
            client.send(burst)


def test_a_flood_without_reading_meets_back_pressure(daemon, unharmed):
    attacks = [in_process(flood, daemon.socket, 3) for _ in range(4)]
    for attack in attacks:
        attack.join(timeout=30)
        assert attack.exitcode == 0


REFUSED = {
    "a gigabyte that is only claimed": (b"\x94\x00\x01\xa1x\xdb\x40\x00\x00\x00", "resource_exhausted"),
    "four billion elements": (b"\xdd\xff\xff\xff\xff", "resource_exhausted"),
    "nested without end": (b"\x91" * 100_000, "resource_exhausted"),
    "what is not MessagePack": (b"\xc1", "invalid_argument"),
    "no message": (msgpack.packb({"a": 1}), "invalid_argument"),
    "a message of an unknown type": (msgpack.packb([9, 1, "rpc.ping", []]), "invalid_argument"),
    "a web browser": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "invalid_argument"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_breaks_the_protocol_is_told_so_and_closed(daemon, unharmed, what):
    data, code = REFUSED[what]
    for _ in range(20):
        client = connect(daemon.socket)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        messages = read_all(client)
        client.close()
        assert messages and messages[-1][:2] == [2, "rpc.error"], messages
        error = messages[-1][2][0]
        assert error["code"] == code and error["message"], error


def test_wrong_requests_are_answered_and_the_connection_goes_on(rpc, unharmed):
    for params in ([1], [[1]], ["x"], [{"a": 1}], [{}, {}], [{"data": {"a": msgpack.ExtType(5, b"x")}, "b": 1}]):
        with pytest.raises(RpcError, match="invalid_argument"):
            rpc.call("rpc.ping", *params)
    with pytest.raises(RpcError, match="unimplemented"):
        rpc.call("no.such.method")
    sandbox = rpc.call("sandbox.create")["id"]
    rpc.send([0, 1000, "exec.start", [{"sandbox": sandbox, "argv": ["sleep", "1"]}]])
    rpc.send([0, 1000, "rpc.ping", []])
    with pytest.raises(RpcError, match="message id 1000 belongs to a request that has no answer yet"):
        rpc.wait(1000)
    assert rpc.wait(1000)["status"]["exit_code"] == 0


def rubbish(path, seed, rounds):
    """Messages that are nearly right: cut, changed in a few bytes, or nothing but chance."""
    chance = random.Random(seed)
    whole = [PING, msgpack.packb([0, 1, "sandbox.list", [{"limit": 3}]]), msgpack.packb([2, "rpc.cancel", [1]]),
             msgpack.packb([2, "stream.data", [{"stream": 1, "data": b"x" * 50}]]),
             msgpack.packb([0, 2, "events.subscribe", [{"types": ["*"]}]])]
    for _ in range(rounds):
        data = bytearray(b"".join(chance.choice(whole) for _ in range(chance.randint(1, 5))))
        for _ in range(chance.randint(0, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)):]
        client = connect(path)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
            if chance.random() < 0.5:
                client.shutdown(socket.SHUT_WR)
                read_all(client)
        client.close()


def test_rubbish_does_no_harm(daemon, unharmed):
    seed = int(os.environ.get("SWARM_SEED", random.randrange(1 << 30)))
    print(f"SWARM_SEED={seed}")
    attacks = [in_process(rubbish, daemon.socket, seed + i, 500) for i in range(2)]
    for attack in attacks:
        attack.join(timeout=60)
        assert attack.exitcode == 0


def crowd(path, count, ready, go, done):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + 100, hard), hard))
    clients = [connect(path) for _ in range(count)]
    ready.set()
    go.wait(60)
    for round_ in range(5):
        for client in clients:
            client.sendall(PING)
        for client in clients:
            assert msgpack.unpackb(client.recv(4096))[:3] == [1, 7, None]
    done.set()


def test_a_thousand_connections_at_once(daemon, unharmed):
    ready, go, done = spawn.Event(), spawn.Event(), spawn.Event()
    attack = in_process(crowd, daemon.socket, 1000, ready, go, done)
    assert ready.wait(60)
    rpc = daemon.rpc()
    assert rpc.call("daemon.info")["connections"] >= 1000
    go.set()
    assert done.wait(60)
    attack.join(timeout=30)
    assert attack.exitcode == 0
    wait_until(lambda: rpc.call("daemon.info")["connections"] <= 2, what="their end")


def test_more_connections_than_are_taken_wait_for_their_turn(new_daemon):
    daemon = new_daemon(config="[limits]\nconnections = 4\n")
    first = [connect(daemon.socket) for _ in range(4)]
    for client in first:
        client.sendall(PING)
        assert client.recv(4096)
    late = connect(daemon.socket)
    late.sendall(PING)
    assert not select.select([late], [], [], 0.2)[0]
    first[0].close()
    assert msgpack.unpackb(late.recv(4096))[:3] == [1, 7, None]
