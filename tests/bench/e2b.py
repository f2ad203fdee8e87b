"""What provider e2b and the E2B endpoint cost: a daemon that takes a second one for E2B, both on this machine, over TLS.

    e2b.py [--json FILE]

The official SDK's `commands.run('true')` stands beside `swarmctl exec` of the same sandbox, as whole calls of one process
that keeps its connection and as programs; a create through all of it beside one of the same kind of sandbox without; bytes
through envd's way beside the same through the tunnel. They take turns.
"""

import argparse
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile

import msgpack

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import e2b_cloud  # noqa: E402
import test_e2b_sdk  # noqa: E402
from end_to_end import Report, seconds  # noqa: E402

CALLS = int(os.environ.get("E2B_BENCH_CALLS", "60"))
CREATES = int(os.environ.get("E2B_BENCH_CREATES", "20"))
MEGABYTES = int(os.environ.get("E2B_BENCH_MB", "64"))

SDK = """
import { Sandbox } from 'e2b'
const box = await Sandbox.connect(process.argv[2])
const bytes = new Uint8Array(Number(process.argv[3]) * 1048576).fill(7)
const lines = (await import('node:readline')).createInterface({ input: process.stdin })
for await (const line of lines) {
  const begun = performance.now()
  if (line === 'run') await box.commands.run('true')
  if (line === 'up') await box.files.write('/tmp/sdk', bytes.buffer)
  if (line === 'down') await box.files.read('/tmp/sdk', { format: 'bytes' })
  console.log((performance.now() - begun) / 1000)
}
"""


class Sdk:
    """One process of the SDK that stays, and says how long each call took."""

    def __init__(self, cloud, sandbox):
        self.program = tempfile.NamedTemporaryFile("w", suffix=".mjs", dir=test_e2b_sdk.HERE)
        self.program.write(SDK)
        self.program.flush()
        env = {**os.environ, "E2B_API_KEY": cloud.key, "E2B_API_URL": cloud.url, "E2B_SANDBOX_URL": cloud.url,
               "NODE_EXTRA_CA_CERTS": str(cloud.ca)}
        self.process = subprocess.Popen([test_e2b_sdk.NODE, self.program.name, sandbox, str(MEGABYTES)], env=env, text=True,
                                        cwd=test_e2b_sdk.HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def do(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.program.close()


def states_of(daemon, sandbox):
    """When it came into each state, in microseconds."""
    store = sqlite3.connect(daemon.home / "state/swarmd/db/swarmd.db")
    rows = store.execute("SELECT time_us, data FROM events WHERE sandbox = ? AND type = 'sandbox.state' ORDER BY seq",
                         (sandbox,)).fetchall()
    store.close()
    found = {}
    for at, data in rows:
        found.setdefault(msgpack.unpackb(data)["to"], at)
    return found


def calls(report, cloud, account, rpc, made):
    sdk = Sdk(cloud, made["provider_id"])
    try:
        whole, ours, program = [], [], []
        for _ in range(CALLS):
            whole.append(sdk.do("run"))
            ours.append(seconds(lambda: rpc.call("exec.start", {"sandbox": made["id"], "argv": ["true"], "wait": True})))
            program.append(seconds(lambda: account.ctl("exec", made["id"], "--", "true")))
        report.add_latency("exec.start true through e2b", ours, "SDK commands.run('true')", whole)
        report.add_latency("swarmctl exec true through e2b", program, "SDK commands.run('true')", whole)
        up, down, tunnel_up, tunnel_down = [], [], [], []
        with tempfile.TemporaryDirectory() as place:
            source = pathlib.Path(place) / "source"
            source.write_bytes(b"\7" * (MEGABYTES << 20))
            for _ in range(5):
                up.append(sdk.do("up"))
                down.append(sdk.do("down"))
                tunnel_up.append(seconds(lambda: account.ctl("cp", str(source), f"{made['id']}:/tmp/ours")))
                tunnel_down.append(seconds(lambda: account.ctl("cp", f"{made['id']}:/tmp/ours", str(source) + ".back")))
        rate = lambda seconds: MEGABYTES / statistics.median(seconds)
        report.add("upload through the tunnel (cp)", rate(tunnel_up), "MB/s", "envd's /files by the SDK", rate(up))
        report.add("download through the tunnel (cp)", rate(tunnel_down), "MB/s", "envd's /files by the SDK", rate(down))
    finally:
        sdk.close()


def creates(report, cloud, account, rpc):
    """From nothing to a sandbox that answers, and its parts as the daemon recorded them."""
    own = cloud.daemon.rpc()
    ours, local, create, up, answer = [], [], [], [], []
    for _ in range(CREATES):
        made = {}
        ours.append(seconds(lambda: made.update(rpc.call("sandbox.create", {"pooled": False}))))
        at = states_of(account, made["id"])
        create.append((at["starting"] - at["creating"]) / 1e6)
        up.append((at["ready"] - at["starting"]) / 1e6)
        rpc.call("sandbox.kill", {"sandbox": made["id"], "grace_ms": 0})
        other = {}
        local.append(seconds(lambda: other.update(own.call("sandbox.create", {"pooled": False}))))
        own.call("sandbox.kill", {"sandbox": other["id"], "grace_ms": 0})
    own.close()
    report.add_latency("create to ready through e2b", ours, "the same sandbox, local", local)
    report.add_latency("of it the service's create", create, "all of it", ours)
    report.add_latency("of it agentd up and reached", up, "all of it", ours)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    options = parser.parse_args()
    report = Report()
    cloud = e2b_cloud.Cloud()
    account = cloud.account()
    rpc = account.rpc()
    try:
        creates(report, cloud, account, rpc)
        if test_e2b_sdk.fits:
            calls(report, cloud, account, rpc, rpc.call("sandbox.create"))
        else:
            print("left out, the SDK is not there: npm ci in tests/e2e/node-e2b")
    finally:
        rpc.close()
        cloud.close()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
