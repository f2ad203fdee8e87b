"""An independent peer: Python's msgpack against our connection, no code of ours on this side.

usage: python_peer_test.py WIRE_SERVER
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack

SERVER = None
WINDOW = 262144


class Peer:
    """A MessagePack-RPC client as anybody would write it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(20)
        self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=True)
        self.last_id = 0

    def send(self, message):
        self.socket.sendall(msgpack.packb(message, use_bin_type=True))

    def request(self, method, *params):
        self.last_id += 1
        self.send([0, self.last_id, method, list(params)])
        return self.last_id

    def notify(self, method, *params):
        self.send([2, method, list(params)])

    def receive(self):
        while True:
            for message in self.unpacker:
                return message
            data = self.socket.recv(65536)
            if not data:
                return None
            self.unpacker.feed(data)

    def call(self, method, *params):
        """The result and the error of one call."""
        wanted = self.request(method, *params)
        message = self.receive()
        assert message[:2] == [1, wanted], message
        return message[3], message[2]

    def close(self):
        self.socket.close()


class WireTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.directory.name, "socket")
        cls.server = subprocess.Popen([SERVER, cls.path], stdout=subprocess.PIPE)
        assert cls.server.stdout.readline() == b"ready\n"

    @classmethod
    def tearDownClass(cls):
        alive = cls.server.poll() is None
        cls.server.kill()
        cls.server.wait()
        cls.server.stdout.close()
        cls.directory.cleanup()
        assert alive, "the server died"

    def setUp(self):
        self.peer = Peer(self.path)
        self.addCleanup(self.peer.close)

    def test_values_come_back_as_they_were(self):
        values = {
            "nil": None, "yes": True, "small": 7, "negative": -33, "large": 2**53, "huge": 2**64 - 1, "low": -(2**63),
            "float": 1.5, "whole": 1.0, "text": "h\u00e9 \U0001f41d", "bytes": b"\x00\xff" * 200, "list": [1, [2, [3]]],
            "map": {"": {"k": "v" * 70000}}, "ext": msgpack.ExtType(5, b"abc"),
        }
        result, error = self.peer.call("test.echo", values)
        self.assertIsNone(error)
        self.assertEqual(result, [values])
        self.assertIsInstance(result[0]["whole"], float)

    def test_requests_are_pipelined_and_answered_out_of_order(self):
        slow = self.peer.request("test.sleep", {"ms": 1000})  # longer than a busy machine takes for the rest
        fast = [self.peer.request("test.echo", i) for i in range(100)]
        answers = [self.peer.receive() for _ in range(101)]
        self.assertEqual([a[1] for a in answers], fast + [slow])
        self.assertEqual([a[3] for a in answers[:100]], [[i] for i in range(100)])

    def test_errors_are_pairs_or_maps(self):
        _, error = self.peer.call("rpc.pink")
        self.assertEqual(error, [0, "unimplemented: unknown method 'rpc.pink'; did you mean 'rpc.ping'?"])
        last, _ = self.peer.call("rpc.last_error")
        self.assertEqual(last["method"], "rpc.pink")
        self.assertEqual(last["error"]["code"], "unimplemented")
        hello, _ = self.peer.call("rpc.hello", {"client": "python", "errors": "map", "features": ["b", "c"]})
        self.assertEqual(hello["features"], ["b"])
        _, error = self.peer.call("rpc.ping", {"date": 1})
        self.assertEqual(error["code"], "invalid_argument")
        self.assertIn("'data'", error["message"])
        self.assertIs(error["retryable"], False)

    def test_discovery_describes_every_method(self):
        result, error = self.peer.call("rpc.discover")
        self.assertIsNone(error)
        names = [method["name"] for method in result["methods"]]
        self.assertEqual(names, ["rpc.discover", "rpc.hello", "rpc.last_error", "rpc.ping"])
        notifications = [n["name"] for n in result["notifications"]]
        for name in ("rpc.cancel", "rpc.error", "stream.data", "stream.credit", "stream.end"):
            self.assertIn(name, notifications)

    def test_a_call_is_cancelled(self):
        call = self.peer.request("test.sleep", {"ms": 60000})
        self.peer.notify("rpc.cancel", call)
        self.assertEqual(self.peer.receive(), [1, call, [0, "cancelled: test.sleep: cancelled by the caller"], None])

    def test_the_server_calls_us(self):
        call = self.peer.request("test.ask_back", "text")
        asked = self.peer.receive()
        self.assertEqual(asked[0], 0)
        self.assertEqual(asked[2:], ["client.upper", ["text"]])
        self.peer.send([1, asked[1], None, "TEXT"])
        self.assertEqual(self.peer.receive(), [1, call, None, "TEXT"])
        # Errors in the shapes that libraries use.
        for ours, theirs in [
            ("no such thing", "internal: no such thing"),
            ([1, "not_found: no file"], "not_found: no file"),
            ({"code": "out_of_range", "message": "too far"}, "out_of_range: too far"),
            (17, "internal: the peer's error is an integer in no known form"),
        ]:
            call = self.peer.request("test.ask_back", "text")
            asked = self.peer.receive()
            self.peer.send([1, asked[1], ours, None])
            self.assertEqual(self.peer.receive(), [1, call, [0, theirs], None])

    def test_notifications(self):
        self.peer.notify("test.unknown", {"x": 1})
        self.peer.notify("test.ping", 5)
        self.assertEqual(self.peer.receive(), [2, "test.pong", [5]])

    def test_bytes_pass_through_streams_with_credit(self):
        data = os.urandom(3_000_000)
        call = self.peer.request("test.pipe", {"in": 1, "out": 3})
        credit = WINDOW
        sent = 0
        got = bytearray()
        ungiven = 0
        ended = answered = False
        while not (ended and answered):
            while sent < len(data) and credit > 0:
                chunk = data[sent:sent + min(credit, 50_000)]
                self.peer.notify("stream.data", {"stream": 1, "data": chunk})
                sent += len(chunk)
                credit -= len(chunk)
                if sent == len(data):
                    self.peer.notify("stream.end", {"stream": 1})
            message = self.peer.receive()
            if message[0] == 1:
                self.assertEqual(message, [1, call, None, len(data)])
                answered = True
                continue
            fields = message[2][0]
            if message[1] == "stream.credit":
                self.assertEqual(fields["stream"], 1)
                credit += fields["bytes"]
            elif message[1] == "stream.data":
                self.assertEqual(fields["stream"], 3)
                self.assertLessEqual(len(fields["data"]), 65536)
                got += fields["data"]
                ungiven += len(fields["data"])
                self.assertLessEqual(ungiven, WINDOW)
                if ungiven > WINDOW // 2:
                    self.peer.notify("stream.credit", {"stream": 3, "bytes": ungiven})
                    ungiven = 0
            else:
                self.assertEqual(message[1], "stream.end")
                self.assertEqual(fields, {"stream": 3})
                ended = True
        self.assertEqual(bytes(got), data)

    def test_ids_may_be_used_again_for_the_next_call(self):
        for _ in range(20):
            call = self.peer.request("test.pipe", {"in": 1, "out": 3})
            self.peer.notify("stream.data", {"stream": 1, "data": b"abc"})
            self.peer.notify("stream.end", {"stream": 1})
            messages = [self.peer.receive() for _ in range(3)]
            self.assertIn([2, "stream.data", [{"stream": 3, "data": b"abc"}]], messages)
            self.assertIn([2, "stream.end", [{"stream": 3}]], messages)
            self.assertIn([1, call, None, 3], messages)

    def test_a_stream_that_nobody_opened_is_refused(self):
        self.peer.notify("stream.data", {"stream": 9, "data": b"x"})
        message = self.peer.receive()
        self.assertEqual(message[1], "stream.end")
        self.assertEqual(message[2][0]["error"]["code"], "cancelled")

    def test_what_is_no_message_pack_rpc_is_told_why(self):
        for wrong, reason in [
            (b"GET / HTTP/1.1\r\n\r\n", "a message must be an array"),
            (b"\x94\x00\x01\xdb\xff\xff\xff\xff", "a string of 4294967295 bytes"),
            (b"\x91" * 1000, "nested arrays and maps"),
        ]:
            with self.subTest(wrong=wrong[:20]):
                peer = Peer(self.path)
                peer.socket.sendall(wrong)
                message = peer.receive()
                self.assertEqual(message[:2], [2, "rpc.error"])
                self.assertIn(reason, message[2][0]["message"])
                self.assertIsNone(peer.receive())
                peer.close()
        self.assertEqual(self.peer.call("test.echo", 1), ([1], None))

    def test_a_thousand_connections_and_a_client_in_the_middle(self):
        """Truncated, oversized, deep, flooding, half-closed and silent peers beside one that measures its calls."""
        def worst(calls):
            times = []
            for _ in range(calls):
                start = time.monotonic()
                self.assertEqual(self.peer.call("test.echo", 1), ([1], None))
                times.append(time.monotonic() - start)
            return sorted(times)[calls * 99 // 100]

        self.assertLess(worst(200), 1)
        request = msgpack.packb([0, 1, "test.echo", ["x" * 100]])
        never = b"".join(msgpack.packb([0, i, "test.sleep", [{"ms": 600000}]]) for i in range(50))
        crowd = []
        for i in range(1000):
            other = socket.socket(socket.AF_UNIX)
            other.connect(self.path)
            other.setblocking(False)
            crowd.append(other)
            kind = i % 6
            try:
                if kind == 0:
                    other.send(request[:40])  # and never the rest
                elif kind == 1:
                    other.send(b"\xdb\xff\xff\xff\xff")
                elif kind == 2:
                    other.send(b"\x91" * 10000)
                elif kind == 3:
                    other.send(request * 1000)  # and never reads
                elif kind == 4:
                    other.send(never)
                else:
                    other.send(request)
                    other.shutdown(socket.SHUT_WR)
            except BlockingIOError:
                pass
        self.assertLess(worst(200), 1)
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as status:
            resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        if not os.environ.get("SWARM_SANITIZED"):
            self.assertLess(resident, 400_000, "kB resident with 1,000 bad connections")
        for other in crowd:
            other.close()
        self.assertLess(worst(200), 1)


if __name__ == "__main__":
    SERVER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
