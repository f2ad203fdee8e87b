"""An agent that only talks, for the message harness: runs inside a sandbox, as its own user, on agentd's socket.

    talker.py SEED COUNT PEERS RECORD QUIET      PEERS: the others, with commas; ends after QUIET seconds without mail

Sends COUNT messages, each again under its own key until it is answered, and reads its queue all the while. What it sent
and what it got stands in RECORD, a line each, written before it is confirmed:

    sent ID TO,TO WANTS_ACK      got ID SENDER NUMBER REPEAT      acked ID      ignored ID      done
"""

import os
import random
import select
import socket
import sys
import time

import msgpack

SOCKET = "/run/swarm/agentd.sock"
AGAIN = ("unavailable", "resource_exhausted", "deadline_exceeded")


class Talker:
    def __init__(self, seed, count, peers, record):
        self.random = random.Random(seed)
        self.seed, self.count, self.peers = seed, count, peers
        self.record = open(record, "a", buffering=1)
        self.number = 0
        self.open = 0
        self.inbox_open = False
        self.calls = {}
        self.next_id = 0
        self.socket = None
        self.nothing_since = None
        self.pause_until = 0.0

    def connect(self):
        while True:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(SOCKET)
                self.unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
                return
            except OSError:
                time.sleep(0.01)  # agentd is being started again

    def call(self, method, params, then, key=None):
        """`then(error, result)`; made again with the same arguments when the connection breaks before its answer."""
        self.next_id += 1
        arguments = dict(params, idempotency_key=key) if key else params
        self.calls[self.next_id] = (method, params, then, key)
        try:
            self.socket.sendall(msgpack.packb([0, self.next_id, method, [arguments]], use_bin_type=True))
        except OSError:
            pass  # seen by the reader too

    def broken(self):
        self.connect()
        calls, self.calls = self.calls, {}
        for _, (method, params, then, key) in sorted(calls.items()):
            self.call(method, params, then, key)

    def note(self, *words):
        self.record.write(" ".join(str(word) for word in words) + "\n")

    # Sending: one after the other, so that the order of this sender is the order of its numbers.
    def send_next(self):
        if self.open or self.number == self.count or time.monotonic() < self.pause_until:
            return
        wants = self.random.random() < 0.05
        everybody = self.random.random() < 0.005
        to = self.peers if everybody else self.random.sample(self.peers, self.random.choice((1, 1, 1, 1, 2)))
        self.number += 1
        self.message = (self.number, to, wants)
        self.attempt()

    def attempt(self):
        number, to, wants = self.message
        self.open = 1
        params = {"to": to, "kind": "QUESTION" if wants else "INFO", "body": f"{self.seed} {number}"}
        self.call("message.send", params, self.sent, key=f"{self.seed}-{number}")

    def sent(self, error, result):
        if error is not None:
            text = error if isinstance(error, str) else error[1]
            if not text.startswith(AGAIN):
                raise SystemExit(f"send: {text}")
            self.pause_until = time.monotonic() + 0.2
            self.open = 2  # the same again
            return
        number, to, wants = self.message
        queued = [one["agent"] for one in result["recipients"] if one["queued"]]
        assert queued == to or sorted(queued) == sorted(to), (queued, to)
        self.note("sent", result["id"], ",".join(to), int(wants))
        self.open = 0

    # Reading.
    def read_next(self):
        if not self.inbox_open and time.monotonic() >= self.pause_until:
            self.inbox_open = True
            self.call("message.inbox", {"limit": 50, "max_bytes": 65536}, self.got)

    def got(self, error, result):
        if error is not None:
            self.inbox_open = False
            self.pause_until = time.monotonic() + 0.05
            return
        letters = result["letters"]
        if not letters:
            self.inbox_open = False
            self.pause_until = time.monotonic() + 0.05
            idle = self.number == self.count and not self.open and not result.get("waiting")
            self.nothing_since = (self.nothing_since or time.monotonic()) if idle else None
            return
        self.nothing_since = None
        ids = []
        for letter in letters:
            message = letter["message"]
            self.note("got", message["id"], message["sender"], message["body"].split()[1], int(letter["repeat"]))
            ids.append(message["id"])
            if message["ack"]:
                # One of ten is never acknowledged: that has to reach a person.
                if int(message["body"].split()[1]) % 10:
                    self.call("message.ack", {"id": message["id"]}, self.acked(message["id"]))
                else:
                    self.note("ignored", message["id"])
        self.call("message.confirm", {"ids": ids, "by": "harness"}, self.confirmed)

    def confirmed(self, error, _):
        assert error is None or "unavailable" in str(error), error
        self.inbox_open = False

    def acked(self, message):
        def then(error, _):
            # The second time is a refusal: the answer of the first was lost.
            if error is None or "already" in str(error) or "failed_precondition" in str(error):
                self.note("acked", message)
            else:
                self.call("message.ack", {"id": message}, self.acked(message))
        return then

    def run(self, quiet):
        self.connect()
        while True:
            if self.open == 2 and time.monotonic() >= self.pause_until:
                self.attempt()
            self.send_next()
            self.read_next()
            if self.nothing_since and time.monotonic() - self.nothing_since > quiet and not self.calls:
                self.note("done")
                return
            ready, _, _ = select.select([self.socket], [], [], 0.05)
            if not ready:
                continue
            try:
                data = self.socket.recv(1 << 18)
            except OSError:
                data = b""
            if not data:
                self.broken()
                continue
            self.unpacker.feed(data)
            for message in self.unpacker:
                if message[0] == 1 and message[1] in self.calls:
                    _, _, then, _ = self.calls.pop(message[1])
                    then(message[2], message[3])


if __name__ == "__main__":
    Talker(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(","), sys.argv[4]).run(float(sys.argv[5]))
    sys.stdout.flush()
    os._exit(0)
