"""Kills the daemon while sandboxes are created, claimed, paused, resumed and ended, and compares what is left with what
the provider says really ran.

    crash.py BUILD [--provider scripted|e2b] [--points N] [--seed S] [--least PERCENT] [--jobs N] [--state FILE] [--keep]

Each point is one death: at a chosen step of a sandbox's life (before its record is written, or right after), at a write
of the store, or at any moment. Between deaths the daemon recovers what it finds. Every so often all is brought to an end
and counted: the provider must have nothing left, the daemon must know of everything that ever ran, no place may be taken,
nothing may have been created twice, and the ledger must say what the provider's own account says: to the nanosecond,
or within the bound that it states.

The points come in rounds, each with a provider, a store and a seed of its own, several at once. With a state file a run
that was cut off goes on with the rounds that it has not finished.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import msgpack

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
os.environ.setdefault("SWARM_BUILD", "build/dev")

# What the table knows and a run cannot reach, with the reason. Everything else must have been killed.
UNREACHABLE = {
    ("unknown", "created"): "an answer that was lost does not come",
    ("unknown", "refused"): "the same",
    ("stopping", "vanished"): "one that is being ended and is not listed has ended",
    ("lost", "absent"): "one that has a handle is not looked up",
}

TROUBLES = ["works"] * 6 + ["refused", "limited", "broken", "lost_made", "lost_not_made", "hangs", "hangs_not_made",
                            "garbage"]


class Harness:
    def __init__(self, build, seed, keep, provider):
        os.environ["SWARM_BUILD"] = str(pathlib.Path(build).resolve())
        import conftest
        import cloud
        self.conftest = conftest
        self.most = cloud.CAPACITY
        self.build = conftest.BUILD
        self.random = random.Random(seed)
        self.world = cloud.WORLDS[provider](conftest)
        self.daemon = conftest.Daemon(self.world.config)
        self.keep = keep
        self.steps_file = self.daemon.home / "steps"
        self.world.begin(self.daemon)
        listed = subprocess.run([self.build / "bin/swarmd-under-test", "steps"], check=True, capture_output=True,
                                text=True).stdout
        self.pairs = {}
        for line in listed.splitlines():
            state, event, number = line.split()
            self.pairs[int(number)] = (state, event)
        self.events = 13
        self.killed = collections.Counter()
        self.by_moment = collections.Counter()
        self.seen = set()
        self.known = set()
        self.calls = collections.Counter()
        self.rpc = None
        self.started = 0
        self.plan = ""
        self.deaths = []
        self.elsewhere = set()
        self.never_shown = 0
        self.ledger_errors = []

    # -- the daemon ------------------------------------------------------------------------------------------------

    def start(self, plan="", fault=""):
        self.daemon.env["SWARM_STEPS"] = str(self.steps_file)
        for name, value in (("SWARM_CRASH_AT", plan), ("SWARM_STORE_FAULT", fault)):
            self.daemon.env.pop(name, None)
            if value:
                self.daemon.env[name] = value
        self.daemon.process = subprocess.Popen(
            [self.build / "bin/swarmd-under-test"], env=self.daemon.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.daemon.log, "ab"))
        self.started += 1
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if self.daemon.process.poll() is not None:
                return False
            try:
                self.rpc = self.daemon.rpc()
                self.rpc.socket.settimeout(0.02)
                return True
            except OSError:
                time.sleep(0.003)  # a condition with a deadline
        raise AssertionError(f"the daemon does not listen: {self.daemon.log.read_text()[-1000:]}")

    def bury(self, how):
        """The daemon is dead: which steps was it in?"""
        code = self.daemon.process.wait()
        if code not in (-signal.SIGKILL, 0) and not (how == "fault" and code == 1):
            raise AssertionError(f"swarmd ended with {code} at {how}: {self.daemon.log.read_text()[-3000:]}")
        data = self.steps_file.read_bytes()
        half = len(data) // 2
        dead = set()
        for number, pair in self.pairs.items():
            if data[number]:
                self.killed[pair] += 1
                dead.add(pair)
            if data[half + number]:
                self.seen.add(pair)
        self.by_moment[how] += 1
        self.deaths.append((time.time_ns() // 1000, f"swarmd died ({self.plan})"))
        if self.rpc:
            self.rpc.close()
            self.rpc = None
        return dead

    # -- what the driver does --------------------------------------------------------------------------------------

    def ask(self, method, params):
        self.calls[method] += 1
        return self.rpc.request(method, params)

    def poll(self, seconds):
        """Takes answers for so long, longer where things take longer; False when the daemon is gone."""
        end = time.monotonic() + seconds * self.world.slowness
        while time.monotonic() < end:
            try:
                if not self.rpc.read():
                    return False
            except TimeoutError:
                if self.daemon.process.poll() is not None:
                    return False
            except OSError:
                return False
            for msgid in list(self.rpc.answers):
                _, _, error, result = self.rpc.answers.pop(msgid)
                if error is None and isinstance(result, dict) and "id" in result:
                    self.known.add(result["id"])
        return True

    def living(self):
        return self.world.living()

    def accounts(self):
        return self.world.accounts()

    def script(self, **params):
        self.world.script(**params)

    def mischief(self, number):
        """A few calls at once, and a provider that may behave badly meanwhile."""
        r = self.random
        self.script(create=[r.choice(TROUBLES) for _ in range(r.randrange(3))], create_ms=r.choice([0, 0, 5, 30]),
                    list_lag_ms=r.choice([0, 0, 0, 300]), list_trouble=r.choice([0, 0, 0, 1]),
                    kill_trouble=r.choice([0, 0, 1]), pause_trouble=r.choice([0, 0, 1]),
                    trouble=r.choice(["fails", "fails", "lost", "hangs", "garbage"]))
        living = self.living()
        try:
            for _ in range(r.randrange(1, 5)):
                what = r.random()
                if what < 0.45 or not living:
                    self.ask("sandbox.create", {"wait": r.random() < 0.5, "pooled": r.random() < 0.5,
                                                "queue_ms": r.choice([0, 500]), "idempotency_key": f"k{number}-{r.random()}"})
                elif what < 0.62:
                    self.ask("sandbox.kill", {"sandbox": r.choice(living), "wait": r.random() < 0.5})
                elif what < 0.75:
                    self.ask("sandbox.pause", {"sandbox": r.choice(living)})
                elif what < 0.88:
                    self.ask("sandbox.resume", {"sandbox": r.choice(living)})
                else:
                    self.world.die(r.choice(living))
                if r.random() < 0.3 and not self.poll(0.005):
                    return False
            return self.poll(r.choice([0.005, 0.02, 0.06, 0.15]))
        except OSError:
            return False

    def prepare(self, goal):
        """What must have happened in the life before, where a pair comes about at a start alone."""
        hang = {("creating", "found"): "hangs", ("creating", "absent"): "hangs_not_made"}.get(goal)
        if not hang or not self.start():
            return
        self.script(create=[hang] * 6, create_ms=0, list_lag_ms=0, list_trouble=0)
        try:
            self.ask("sandbox.create", {"wait": False, "pooled": False})
            self.poll(0.06)
        except OSError:
            pass
        self.daemon.process.kill()
        self.bury("before a start")

    def states(self):
        """Living sandboxes by id, as the daemon sees them."""
        page = self.rpc.request("sandbox.list", {"limit": 200})
        self.rpc.socket.settimeout(5)
        try:
            return {s["id"]: s["state"] for s in self.rpc.wait(page)["sandboxes"]}
        finally:
            self.rpc.socket.settimeout(0.02)

    def kill_those(self, *states):
        for ref, state in self.states().items():
            if state in states:
                self.ask("sandbox.kill", {"sandbox": ref, "wait": False})

    def target(self, goal):
        """What makes a pair of state and event likely: chance would wait long for the rare ones."""
        state, event = goal
        r = self.random
        fresh = {"wait": False, "pooled": False}
        self.script(list_lag_ms=0, list_trouble=0, kill_trouble=0, pause_trouble=0, create_ms=0)
        try:
            if state == "requested":
                for _ in range(15 if event in ("refused", "stop") else 1):  # more than there are places
                    self.ask("sandbox.create", {**fresh, "queue_ms": 200})
                self.poll(0.05)
                if event == "stop":
                    self.kill_those("requested")
                return self.poll(0.4)
            if state in ("creating", "unknown", "stopping"):
                how = {"unanswered": "lost_made", "refused": "refused", "found": "lost_made", "absent": "lost_not_made"}
                script = how.get(event, "lost_made" if state == "unknown" else "works")
                self.script(create=[script] * 3, create_ms=80 if state == "stopping" or event == "stop" else 0,
                            list_lag_ms=350 if state == "unknown" and event == "stop" else 0)
                self.ask("sandbox.create", fresh)
                self.poll(0.04 if state != "unknown" else 0.15)
                if state == "stopping" or event == "stop":
                    self.kill_those("creating", "unknown", "starting")
                return self.poll(0.9 if event in ("absent", "found") else 0.3)
            if state == "starting":
                self.script(create=["mute"] * 3, list_lag_ms=1500 if event == "vanished" else 0)
                before = set(self.living())
                self.ask("sandbox.create", fresh)
                self.poll(0.08)
                if event == "stop":
                    self.kill_those("starting")
                if event == "ended":
                    for ref in set(self.living()) - before:
                        self.world.die(ref)
                return self.poll(1.1 if event == "vanished" else 0.2)
            if event in ("vanished", "found"):  # a list that is later than it should be
                self.script(list_lag_ms=1500)
            self.script(create=["works"] * 6)
            self.ask("sandbox.create", {"wait": False, "pooled": True})
            self.ask("sandbox.create", fresh)
            self.poll(0.1)
            wanted = "ready" if state == "ready" else "claimed"
            chosen = [ref for ref, now in self.states().items() if now == wanted]
            r.shuffle(chosen)
            if state == "paused" or event == "pause":
                for ref in chosen[:4]:
                    self.ask("sandbox.pause", {"sandbox": ref})
                self.poll(0.05)
            if state == "lost":
                self.script(kill_trouble=200 if event in ("stop", "found") else 0, trouble="fails")
            if event == "vanished":
                return self.poll(1.2)
            for ref in chosen[:6]:
                if event == "resume":
                    self.ask("sandbox.resume", {"sandbox": ref})
                elif event == "stop" and state != "lost":
                    self.ask("sandbox.kill", {"sandbox": ref, "wait": False})
                elif event == "ended" or (state == "lost" and event == "stop"):
                    self.world.die(ref)
            if state == "lost" and event == "stop":
                self.poll(0.05)
                self.kill_those("lost")
            return self.poll(2.2 if event == "found" else 0.25)
        except (OSError, EOFError, self.conftest.RpcError):
            return False

    def point(self, number):
        """One life and one death."""
        r = self.random
        missing = [p for p in self.pairs.values()
                   if p not in self.killed and p not in self.elsewhere and p not in UNREACHABLE]
        kinds = {"step": 25, "pair": 35, "store": 20, "moment": 15, "trouble": 5, "long": self.world.long_lives}
        kind = r.choices(list(kinds), list(kinds.values()))[0]
        goal = None
        plan = fault = ""
        if kind == "step":
            plan = f"::{r.choice(['intended', 'recorded'])}:{r.randrange(1, 20)}"
        elif kind == "pair":
            goal = r.choice(missing) if missing and r.random() < 0.8 else r.choice(list(self.pairs.values()))
            plan = f"{goal[0]}:{goal[1]}:{r.choice(['intended', 'recorded'])}:1"
        elif kind == "store":
            fault = f"{r.choice(['kill', 'torn_kill'])}@{r.choice(['write', 'sync', 'any'])}:{r.randrange(5, 160)}"
        elif kind == "trouble":
            fault = f"{r.choice(['no_space', 'io_error', 'torn'])}@any:{r.randrange(20, 160)}{r.choice(['', '+'])}"
        self.plan = f"{kind} {goal or ''} {plan}{fault}"
        if goal:
            self.prepare(goal)
        if not self.start(plan, fault):
            return self.bury("fault" if fault else kind)
        alive = self.target(goal) if goal else True
        for _ in range(8 if kind == "long" else 3):
            alive = alive and self.mischief(number)
            if alive and kind == "long":
                alive = self.within_bounds()
        if self.daemon.process.poll() is None:
            self.daemon.process.kill()
        return self.bury("fault" if fault else kind)

    def within_bounds(self):
        """What holds at any moment, whatever goes wrong: nobody has more than there is, nor a pool more than it shall."""
        try:
            self.rpc.socket.settimeout(30)
            status = self.rpc.call("pool.status")
            self.rpc.socket.settimeout(0.02)
        except (OSError, EOFError, self.conftest.RpcError):
            return False
        for place in status["capacity"]:
            assert "limit" not in place or place["used"] <= place["limit"], status["capacity"]
        for pool in status["pools"]:
            assert pool.get("ready", 0) <= pool["max_ready"], status["pools"]
        account = self.accounts()
        assert account["most_at_once"] <= self.most, (account["most_at_once"], status)
        return True

    # -- the count ---------------------------------------------------------------------------------------------------

    def count(self):
        """Brings everything to an end with a provider that behaves, and compares."""
        self.script(create_ms=0, list_lag_ms=0, list_trouble=0, kill_trouble=0, pause_trouble=0, trouble="fails")
        assert self.start(), f"it does not start any more: {self.daemon.log.read_text()[-3000:]}"
        self.rpc.socket.settimeout(60)
        rpc = self.rpc
        rpc.call("pool.drain", {"pool": "p"})

        def listed(**more):
            found, cursor = [], {}
            while True:
                page = rpc.call("sandbox.list", {"limit": 1000, **more, **cursor})
                found += page["sandboxes"]
                if "next_cursor" not in page:
                    return found
                cursor = {"cursor": page["next_cursor"]}

        end = time.monotonic() + 90
        while True:
            left = listed()
            for sandbox in left:
                rpc.call("sandbox.kill", {"sandbox": sandbox["id"], "wait": False})
            running = self.living()
            if not left and not running:
                break
            if time.monotonic() > end:
                raise AssertionError(f"after a minute and a half the daemon has {[(s['id'], s['state']) for s in left]}, "
                                     f"the provider {running}")
            time.sleep(0.02)  # a condition with a deadline
        status = rpc.call("pool.status")
        for place in status["capacity"]:
            assert place["used"] == 0, f"places are taken by nobody: {status['capacity']}"
            assert place.get("waiting", 0) == 0, status["capacity"]
        account = self.accounts()
        ended = {s["id"]: s for s in listed(all=True)}
        ran = {a["id"] for a in account["accounts"]}
        assert ran <= set(ended), f"nobody recorded {sorted(ran - set(ended))}"
        assert self.known <= set(ended), f"acknowledged and forgotten: {sorted(self.known - set(ended))}"
        assert account.get("twice", 0) == 0, f"{account['twice']} were created twice"
        assert account.get("over_capacity", 0) == 0, f"{account['over_capacity']} creations above the provider's plan"
        problems = rpc.call("db.check").get("problems", [])
        assert not problems, problems
        rpc.call("pool.set", {"pool": "p", "min_ready": 2, "max_ready": 3})
        self.daemon.process.kill()
        self.bury("count")
        return len(ran), *self.compare_ledger(account["accounts"])

    def compare_ledger(self, accounts):
        """The time that ran, by the provider, beside the time that was booked. Where the daemon could not know better it
        says by how much it may be off; beyond that is a mistake."""
        store = sqlite3.connect(self.daemon.home / "state/swarmd/db/swarmd.db")
        booked = {sandbox: (ns, bound) for sandbox, ns, bound in store.execute(
            "SELECT o.sandbox, sum(l.ns), sum(l.bound_ns) FROM cost_ledger l JOIN cost_owners o ON o.id = l.owner "
            "WHERE l.kind = 0 AND o.provider = ? GROUP BY o.sandbox", (self.world.name,))}
        store.close()
        # Those that it found in a list though it had given them up: its log names them. It names others as well, of which
        # it only says that it still looks for them.
        found_late = [line for line in self.daemon.log.read_text().splitlines() if '"ending a sandbox that' in line]
        exact = within = self.never_shown = 0
        outside = []
        for account in accounts:
            end = int(account["ended_ns"])
            ran = end - int(account["started_ns"])
            resumed = [int(t) for t in account.get("resumed_ns", [])]
            for i, paused in enumerate(account.get("paused_ns", [])):
                ran -= (resumed[i] if i < len(resumed) else end) - int(paused)
            late = int(account["listed_ns"]) - int(account["started_ns"])
            ns, bound = booked.pop(account["id"], (0, 0))
            if ns == ran:
                exact += 1
            elif abs(ns - ran) <= bound:
                within += 1
            elif late > self.world.promise_ns and not any(account["id"] in line for line in found_late):
                self.never_shown += 1  # its create was never answered, and it ended before the daemon saw it in a list
            else:
                outside.append((account, ns - ran, bound))
        phantoms = {sandbox: ns for sandbox, (ns, bound) in booked.items() if abs(ns) > bound}
        self.ledger_errors = [f"{a['id']}: booked {d / 1e6:+.3f} ms, said to be off by at most {b / 1e6:.3f} ms\n"
                              + self.life(a) for a, d, b in outside]
        self.ledger_errors += [f"{i}: {ns / 1e6:.3f} ms booked for what never ran" for i, ns in phantoms.items()]
        return exact, within

    def life(self, account):
        """What the provider did with a sandbox, what the daemon recorded of it, and what was booked, in order of time."""
        happened = [(int(account[f"{what}_ns"]) // 1000, f"provider: {what}") for what in ("started", "ended")]
        for what in ("paused", "resumed"):
            happened += [(int(t) // 1000, f"provider: {what}") for t in account.get(f"{what}_ns", [])]
        store = sqlite3.connect(self.daemon.home / "state/swarmd/db/swarmd.db")
        for at, data in store.execute("SELECT time_us, data FROM events WHERE sandbox = ? AND type = 'sandbox.state'",
                                      (account["id"],)):
            told = msgpack.unpackb(data)
            happened.append((at, f"recorded: {told['from']} -> {told['to']} {told.get('reason') or ''}"))
        for at, ns, bound in store.execute(
                "SELECT l.start_us, l.ns, l.bound_ns FROM cost_ledger l JOIN cost_owners o ON o.id = l.owner "
                "WHERE l.kind = 0 AND o.sandbox = ?", (account["id"],)):
            happened.append((at, f"booked from here: {ns / 1e6:.3f} ms, off by at most {bound / 1e6:.3f} ms"))
        store.close()
        first = min(at for at, _ in happened)
        last = max(at for at, _ in happened)
        happened += [(at, what) for at, what in self.deaths if first <= at <= last]
        return "\n".join(f"      {(at - first) / 1e3:10.3f} ms  {what}" for at, what in sorted(happened))

    def close(self):
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.process.kill()
            self.daemon.process.wait()
        self.world.close()
        if self.keep:
            print("kept:", self.daemon.home)
        else:
            shutil.rmtree(self.daemon.home, ignore_errors=True)


def run_round(build, seed, number, points, every, known, keep, provider):
    """One round; gives what it counted, for JSON. `known` are the pairs that others have reached: chance looks for the
    rest."""
    harness = Harness(build, f"{seed}.{number}", keep, provider)
    harness.elsewhere = {tuple(pair) for pair in known}
    done = 0
    try:
        while done < points:
            harness.point(done)
            done += 1
            if done % every == 0 and done < points:
                harness.count()
        ran, exact, within = harness.count()
    except BaseException as error:
        harness.keep = True
        raise AssertionError(f"round {number} of seed {seed}, point {done}, {harness.plan}; kept in "
                             f"{harness.daemon.home}: {error}") from error
    finally:
        harness.close()
    return {"points": done, "ran": ran, "exact": exact, "within": within, "errors": harness.ledger_errors, "never_shown": harness.never_shown,
            "killed": [[*pair, times] for pair, times in harness.killed.items()],
            "seen": [list(pair) for pair in harness.seen], "moments": harness.by_moment, "calls": harness.calls}


def pairs_of(build):
    listed = subprocess.run([pathlib.Path(build) / "bin/swarmd-under-test", "steps"], check=True, capture_output=True,
                            text=True).stdout
    return [tuple(line.split()[:2]) for line in listed.splitlines()]


def run_rounds(options, seed, rounds):
    """Those that are not in `rounds` yet; each is added as it ends."""
    sizes = [options.round] * (options.points // options.round)
    if options.points % options.round:
        sizes.append(options.points % options.round)
    begun = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        waiting = [n for n in range(len(sizes)) if str(n) not in rounds]
        running = {}
        while waiting or running:
            while waiting and len(running) < options.jobs:
                n = waiting.pop(0)
                known = {(state, event) for r in rounds.values() for state, event, _ in r["killed"]}
                running[pool.submit(run_round, options.build, seed, n, sizes[n], options.every, sorted(known),
                                    options.keep, options.provider)] = n
            ended, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in ended:
                n = running.pop(future)
                rounds[str(n)] = future.result()
                if options.state:
                    whole = options.state.with_suffix(".new")
                    whole.write_text(json.dumps({"seed": seed, "round": options.round, "rounds": rounds}))
                    whole.replace(options.state)
                r = rounds[str(n)]
                print(f"round {n}: {r['points']} deaths, {r['ran']} sandboxes, provider and store agree; ledger: "
                      f"{r['exact']} to the nanosecond, {r['within']} within the bound that it states, "
                      f"{len(r['errors'])} outside of it; {len(rounds)} of {len(sizes)} rounds after "
                      f"{time.monotonic() - begun:.0f} s", flush=True)


def report(options, seed, rounds):
    """What all rounds come to; the exit status."""
    killed, moments, calls = collections.Counter(), collections.Counter(), collections.Counter()
    seen, errors = set(), []
    for r in rounds.values():
        for state, event, times in r["killed"]:
            killed[(state, event)] += times
        seen |= {tuple(pair) for pair in r["seen"]}
        moments.update(r["moments"])
        calls.update(r["calls"])
        errors += r["errors"]
    points, ran, exact, within = (sum(r[what] for r in rounds.values()) for what in ("points", "ran", "exact", "within"))
    pairs = pairs_of(options.build)
    wanted = [pair for pair in pairs if pair not in UNREACHABLE]
    missed = [pair for pair in wanted if pair not in killed]
    coverage = 100 * (len(wanted) - len(missed)) / len(wanted)
    print(f"\n{points} deaths, {ran} sandboxes; by kind: {dict(moments)}")
    print(f"calls: {dict(calls)}")
    print("killed in (state, step), times:")
    for pair in wanted:
        print(f"  {pair[0]:>10} {pair[1]:<11} {killed.get(pair, 0):5}" + ("" if pair in seen else "   never came about"))
    for pair, why in UNREACHABLE.items():
        print(f"  {pair[0]:>10} {pair[1]:<11}     -   cannot: {why}" + ("; BUT WAS" if pair in killed else ""))
    print(f"coverage {coverage:.1f}% of {len(wanted)} pairs")
    hidden = sum(r["never_shown"] for r in rounds.values())
    print(f"ledger: {exact} to the nanosecond, {within} within the bound that it states, {len(errors)} outside of it; "
          f"{hidden} that the provider broke its promise about and never showed to anybody")
    for line in errors[:20]:
        print("  " + line)
    if coverage < options.least:
        print(f"FAILED: under {options.least}%: {missed}; repeat with --seed {seed}")
        return 1
    if errors:
        print(f"FAILED: the ledger is not what ran; repeat with --seed {seed}")
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--provider", choices=["scripted", "e2b"], default="scripted",
                        help="whose sandboxes: those of a test program, or of E2B at an endpoint of our own")
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--least", type=float, default=95.0, help="percentage of pairs that must have been killed")
    parser.add_argument("--round", type=int, default=100, help="points of one round")
    parser.add_argument("--every", type=int, default=50, help="points between two counts")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1),
                        help="rounds at once; most of the time they wait")
    parser.add_argument("--state", type=pathlib.Path, help="file that keeps finished rounds; a later run goes on from it")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    rounds = {}
    seed = options.seed
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
        if seed not in (None, state["seed"]) or state["round"] != options.round:
            sys.exit(f"{options.state} is of seed {state['seed']} with rounds of {state['round']}; remove it to begin anew")
        seed, rounds = state["seed"], state["rounds"]
        print(f"{len(rounds)} rounds were done before")
    seed = seed or str(random.SystemRandom().randrange(1 << 31))
    print(f"seed {seed}", flush=True)
    run_rounds(options, seed, rounds)
    status = report(options, seed, rounds)
    if options.state and status == 0:
        options.state.unlink(missing_ok=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
