"""Streams with credit, as docs/api.md describes them, for the client of conftest.py."""

import select
import socket

import msgpack

WINDOW = 262144
CHUNK = 65536


class Broken(Exception):
    """The other side ended a stream with an error, or broke the rules of credit."""


class Duplex:
    """Runs the streams of one connection until all that were opened have ended.

    `source` gives bytes until it gives b"" and is sent on stream `up`; what comes on stream `down` goes to `sink`. Either
    id may be None."""

    def __init__(self, rpc, up=None, source=None, down=None, sink=None):
        self.rpc = rpc
        self.up, self.source = up, source
        self.down, self.sink = down, sink
        self.may_send = WINDOW
        self.held = 0  # bytes taken since the last credit
        self.granted = WINDOW
        self.sending = up is not None
        self.receiving = down is not None
        self.out = memoryview(b"")
        self.rest = memoryview(b"")

    def notify(self, method, **members):
        return msgpack.packb([2, method, [members]], use_bin_type=True)

    def fill(self):
        """What is to be sent next; takes from the source no more than there is credit for."""
        if self.out or not self.sending or self.may_send == 0:
            return
        if not self.rest:
            self.rest = memoryview(self.source())
            if not self.rest:
                self.sending = False
                self.out = memoryview(self.notify("stream.end", stream=self.up))
                return
        part = self.rest[: min(CHUNK, self.may_send)]
        self.rest = self.rest[len(part):]
        self.may_send -= len(part)
        self.out = memoryview(self.notify("stream.data", stream=self.up, data=bytes(part)))

    def take(self, message):
        _, method, params = message
        stream = params[0]["stream"]
        if method == "stream.credit" and stream == self.up:
            self.may_send += params[0]["bytes"]
        elif method == "stream.data" and stream == self.down:
            data = params[0]["data"]
            self.granted -= len(data)
            if self.granted < 0:
                raise Broken(f"{-self.granted} bytes more than the credit came on stream {stream}")
            self.sink(data)
            self.held += len(data)
        elif method == "stream.end" and ((stream == self.up and self.sending) or (stream == self.down and self.receiving)):
            # Another end may follow for a direction that nobody uses; it is of no interest.
            if params[0].get("error"):
                raise Broken(params[0]["error"])
            if stream == self.down:
                self.receiving = False
                self.out = memoryview(bytes(self.out) + self.notify("stream.end", stream=self.down))
            elif stream == self.up:
                self.sending = False

    def run(self, timeout=60):
        connection = self.rpc.socket
        while self.sending or self.receiving or self.out:
            for message in self.rpc.notifications:
                self.take(message)
            self.rpc.notifications.clear()
            if self.held >= WINDOW // 2 and self.receiving:
                self.out = memoryview(bytes(self.out) + self.notify("stream.credit", stream=self.down, bytes=self.held))
                self.granted += self.held
                self.held = 0
            self.fill()
            if not (self.sending or self.receiving or self.out):
                return
            readable, writable, _ = select.select([connection], [connection] if self.out else [], [], timeout)
            if not readable and not writable:
                raise TimeoutError(f"no byte moved for {timeout} s")
            if readable and not self.rpc.read():
                raise EOFError("the daemon closed the connection")
            if writable:
                try:
                    self.out = self.out[connection.send(self.out, socket.MSG_DONTWAIT):]
                except BlockingIOError:
                    pass
