"""Two worlds for the crash harness: the provider program of the tests, whose sandboxes exist in memory, and a cloud, which
is a daemon of its own whose E2B endpoint is open over TLS, with real sandboxes. Both do what a script says and keep their
own account of what ran, the cloud by the events that it recorded."""

import collections
import os
import sqlite3
import subprocess
import time

import msgpack

SCRIPTED = """
[log]
level = "warn"
[sandbox]
lease = "10m"
create_timeout = "3s"
[provider.local]
enabled = false
[pool.p]
template = "default"
min_ready = 2
max_ready = 3
health_interval = "200ms"
[price.scripted]
applies_to = "scripted/*"
vcpu_second = "0.000014"
gib_second = "0.0000045"
"""

E2B = """
[log]
level = "warn"
[sandbox]
lease = "10m"
create_timeout = "6s"
[provider.local]
enabled = false
[provider.e2b]
api_url = "{url}"
sandbox_url = "{url}"
ca_file = "{ca}"
create_rate = "100/s"
sandboxes = {capacity}
[pool.p]
template = "default"
min_ready = 2
max_ready = 3
health_interval = "200ms"
"""

CAPACITY = 12


class Scripted:
    name = "scripted"
    # Within which time the provider says that it lists a new one. It does not always keep that; one that has ended
    # before it was ever listed, and whose create was not answered, nobody can know of.
    promise_ns = 400_000_000
    slowness = 1  # how much longer than the scripted one things take
    long_lives = 0  # how often, beside 100 deaths, the daemon lives through many troubles while bounds are looked at
    config = SCRIPTED

    def __init__(self, conftest):
        self.conftest = conftest

    def begin(self, daemon):
        socket = daemon.home / "provider.sock"
        self.program = subprocess.Popen([self.conftest.BUILD / "bin/scripted-provider", socket], stdout=subprocess.PIPE)
        assert self.program.stdout.readline() == b"ready\n"
        self.tell = self.conftest.Rpc(socket)
        daemon.env.update(SWARM_PROVIDER=str(socket), SWARM_PROVIDER_CAPACITY=str(CAPACITY))

    def script(self, **params):
        self.tell.call("test.script", params)

    def accounts(self):
        return self.tell.call("test.accounts")

    def living(self):
        return [a["id"] for a in self.accounts()["accounts"] if "ended_ns" not in a]

    def die(self, sandbox):
        self.tell.call("test.die", {"ref": sandbox})

    def close(self):
        self.program.terminate()
        self.program.wait()


FOREVER = 3_600_000  # ms
CREATE = "POST */sandboxes"


def create_rule(how):
    """How one create goes, as a rule of the endpoint's faults."""
    once = {"match": CREATE, "times": 1}
    return {
        "works": {"kind": "delay", "delay_ms": 0, **once},
        "refused": {"kind": "status", "status": 403, "message": "no more today", **once},
        "limited": {"kind": "status", "status": 429, "message": "Rate limit exceeded", "retry_after_s": 1, **once},
        "broken": {"kind": "status", "status": 500, "message": "it is broken", **once},
        "lost_made": {"kind": "lost_answer", **once},
        "lost_not_made": {"kind": "reset", **once},
        "hangs": {"kind": "late_answer", "delay_ms": FOREVER, **once},
        "hangs_not_made": {"kind": "delay", "delay_ms": FOREVER, **once},
        "garbage": {"kind": "edge", "status": 502, "message": "?", **once},
        # Made, and what would bring its agentd up goes nowhere.
        "mute": {"kind": "status", "status": 502, "message": "not now", "match": "*process.Process/Start"},
    }[how]


def trouble_rule(how, match, times):
    # What may be asked again is, three times: a trouble is one for whoever asked, so it comes as often.
    where = {"match": match, "times": 3 * times}
    return {
        "fails": {"kind": "status", "status": 500, "message": "try again", **where},
        "lost": {"kind": "lost_answer", **where},
        "hangs": {"kind": "delay", "delay_ms": FOREVER, **where},
        "garbage": {"kind": "edge", "status": 502, "message": "?", **where},
    }[how]


class Cloud:
    name = "e2b"
    promise_ns = 1_000_000_000  # as the daemon under test believes, see swarmd_main.cpp
    slowness = 5
    long_lives = 15

    def __init__(self, conftest):
        import e2b_cloud
        self.conftest = conftest
        self.cloud = e2b_cloud.Cloud()
        self.config = E2B.format(url=self.cloud.url, ca=self.cloud.ca, capacity=CAPACITY)
        self.rpc = self.cloud.daemon.rpc()
        self.settings = {}
        self.lags = []  # from when on the list was how late
        self.refused = 0

    def begin(self, daemon):
        daemon.env.update(SWARM_PROVIDER="e2b", E2B_API_KEY=self.cloud.key)

    def script(self, create=(), **changes):
        """What goes wrong from now on. Creates that an earlier script spoke of are forgotten."""
        self.settings |= changes
        now = self.settings
        lag = now.get("list_lag_ms", 0)
        self.lags.append((time.time_ns(), lag))
        rules = [create_rule(how) for how in create]
        if now.get("create_ms"):
            rules.append({"kind": "delay", "match": CREATE, "delay_ms": now["create_ms"]})
        if lag:
            rules.append({"kind": "late_list", "delay_ms": lag})
        how = now.get("trouble", "fails")
        for name, matches in (("list_trouble", ["GET /v2/sandboxes"]), ("kill_trouble", ["DELETE *"]),
                              ("pause_trouble", ["POST */pause", "POST */connect"])):
            if now.get(name):
                rules += [trouble_rule(how, match, now[name]) for match in matches]
        self.refused += self.rpc.call("e2b.status").get("refused_too_many", 0)
        self.rpc.call("e2b.faults", {"seed": 1, "faults": rules, "sandboxes": CAPACITY})

    def listed(self, **more):
        found, cursor = [], {}
        while True:
            page = self.rpc.call("sandbox.list", {"limit": 1000, **more, **cursor})
            found += page["sandboxes"]
            if "next_cursor" not in page:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def living(self):
        return [s["labels"]["swarmd_id"] for s in self.listed() if s["state"] in ("claimed", "paused")]

    def die(self, sandbox):
        for theirs in self.listed():
            if theirs["labels"]["swarmd_id"] == sandbox:
                try:
                    self.rpc.call("sandbox.kill", {"sandbox": theirs["id"], "grace_ms": 0})
                except self.conftest.RpcError:
                    pass  # it ended first

    def accounts(self):
        store = sqlite3.connect(self.cloud.home / "state/swarmd/db/swarmd.db")
        told = collections.defaultdict(list)
        for sandbox, at, data in store.execute("SELECT sandbox, time_us, data FROM events WHERE type = 'sandbox.state' "
                                               "ORDER BY seq"):
            change = msgpack.unpackb(data)
            told[sandbox].append((at, change["from"], change["to"]))
        store.close()
        accounts, changes = [], []
        for theirs in self.listed(all=True):
            account = {"id": theirs["labels"]["swarmd_id"], "owner": theirs["labels"]["swarmd_owner"], "paused_ns": [],
                       "resumed_ns": []}
            ns = lambda at: f"{at}000"
            for at, before, after in told[theirs["id"]]:
                if after == "claimed" and before != "paused":
                    account["started_ns"] = ns(at)
                    account["listed_ns"] = str(int(ns(at)) + 1_000_000 * self.lag_at(int(ns(at))))
                    changes.append((at, 1))
                elif "started_ns" not in account or "ended_ns" in account:
                    continue
                elif after == "paused":
                    account["paused_ns"].append(ns(at))
                elif before == "paused" and after == "claimed":
                    account["resumed_ns"].append(ns(at))
                elif after in ("stopping", "gone", "lost", "failed"):
                    account["ended_ns"] = ns(at)
                    changes.append((at, -1))
            if "started_ns" in account:
                accounts.append(account)
        ids = collections.Counter(a["id"] for a in accounts)
        self.script(**self.settings)
        at_once = most = 0
        for _, change in sorted(changes):
            at_once += change
            most = max(most, at_once)
        return {"accounts": accounts, "twice": sum(n - 1 for n in ids.values()), "over_capacity": self.refused,
                "most_at_once": most}

    def lag_at(self, ns):
        """The worst that was in force within two seconds of that time."""
        worst = 0
        for i, (since, lag) in enumerate(self.lags):
            until = self.lags[i + 1][0] if i + 1 < len(self.lags) else 1 << 62
            if since < ns + 2_000_000_000 and until > ns:
                worst = max(worst, lag)
        return worst

    def close(self):
        self.rpc.close()
        self.cloud.close()


WORLDS = {"scripted": Scripted, "e2b": Cloud}
