"""Kills the daemon, agentd or an agent while a team works on a small project, and compares what comes of it with an
undisturbed run.

    deploy.py BUILD [--points N] [--seed S] [--victims daemon,agentd,agent] [--state FILE] [--least PERCENT]

Each point is one run with one death: the daemon at a recorded boundary of a step (before it is begun, or after its
outcome is recorded), the others when that boundary is seen; one in four at a random time. Every run must end with the
same tree as an undisturbed one, exactly one merge a task, and every vote that was answered. With a state file a run that
was cut off goes on with the points that it has not done.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

PATIENCE = 90
TASKS = ["alpha", "beta", "gamma"]

# The agent: does the same thing whoever it is, and can do it again.
AGENT = '''
import json, os, subprocess, sys

def swarm(*words):
    ran = subprocess.run(["swarm", *words, "--json"], capture_output=True, text=True)
    return json.loads(ran.stdout) if ran.returncode == 0 and ran.stdout.strip() else {}

while True:
    turn = swarm("task", "next", "--wait", "20s")
    kind = turn.get("next", "again")
    if kind == "ended":
        sys.exit(0)
    if kind == "review":
        review = turn["review"]
        odd = "beta" in review["title"]
        swarm("review", "submit", review["id"], "--challenge" if odd else "--approve", "--summary", "as I see it")
    if kind == "vote":
        swarm("vote", "cast", turn["proposal"], "merge", "--reason", "it is fine")
    if kind != "task":
        continue
    task = turn["task"]
    if task["kind"] == "answer":
        if "lan" in task["title"]:
            for name in %r:
                swarm("task", "add", "Write " + name, "--body", name)
        swarm("task", "done", task["id"], "--answer", "known")
        continue
    name = task["body"].strip()
    with open(name + ".txt", "w") as file:
        file.write(name + "\\n")
    swarm("commit", "-m", "Write " + name, "--task", task["id"], "--run", task["run"])
    swarm("task", "done", task["id"], "--summary", "written")
''' % (TASKS,)


def git(directory, *arguments):
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", str(directory), *arguments], check=True,
                          capture_output=True, text=True).stdout.strip()


def make_project(directory):
    directory.mkdir()
    (directory / "agent.py").write_text(AGENT)
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "-A")
    git(directory, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "Begin")
    return directory


def normal(point):
    """"before merge:tsk_01..:1" -> "before merge": steps of a kind are one."""
    when, _, step = point.partition(" ")
    return f"{when} {step.split(':')[0]}"


class Run:
    """One team, from deploy to its end, in a daemon of its own."""

    def __init__(self, where, die_at=0):
        import conftest
        self.daemon = conftest.Daemon()
        self.points = self.daemon.home / "points"
        self.points.write_text("")
        self.daemon.env |= {"SWARM_POINTS": str(self.points), "SWARM_DIE_AT": str(die_at)}
        self.start()
        self.project = make_project(pathlib.Path(where) / self.daemon.home.name)
        self.begun = time.monotonic()
        self.daemon.ctl("deploy", "--repo", str(self.project), "--agents", "4", "--agent", "cmd:exec python3 -S agent.py",
                        "--name", "team", "--feature", "x", "--test-command", "test -f agent.py", "--detach", check=False)

    def start(self):
        import conftest
        self.daemon.process = subprocess.Popen(
            [conftest.BUILD / "bin/swarmd-points"], env=self.daemon.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.daemon.log, "ab"))
        conftest.wait_until(self.up, what="the daemon")

    def up(self):
        try:
            rpc = self.daemon.rpc()
            rpc.call("rpc.ping")
            rpc.close()
            return True
        except OSError:
            return self.daemon.process.poll() is not None  # dead again: whoever waits sees it

    def seen(self):
        return self.points.read_text().splitlines()

    def watch(self, on_point=None, on_time=None):
        """Until the swarm is over; starts a daemon that died again. Gives the swarm, and the last point before a death."""
        import conftest
        died_at = None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.daemon.process.poll() is not None:
                points = self.seen()
                died_at = points[-1] if points else "before anything"
                self.daemon.env["SWARM_DIE_AT"] = "0"
                self.start()
                continue
            if on_point and len(self.seen()) >= on_point[0]:
                died_at = self.seen()[on_point[0] - 1]
                on_point[1](self)
                on_point = None
            if on_time and time.monotonic() - self.begun >= on_time[0]:
                points = self.seen()
                died_at = points[-1] if points else "before anything"
                on_time[1](self)
                on_time = None
            try:
                rpc = self.daemon.rpc()
                found = rpc.call("swarm.list", {"all": True})["swarms"]
                rpc.close()
            except (OSError, EOFError, conftest.RpcError):
                continue
            if not found:  # the daemon died before it said yes
                self.daemon.ctl("deploy", "--repo", str(self.project), "--agents", "4", "--agent",
                                "cmd:exec python3 -S agent.py", "--name", "team", "--feature", "x", "--test-command",
                                "test -f agent.py", "--detach", check=False)
                continue
            if found[0]["state"] in ("done", "failed", "ended"):
                return found[0], died_at
            time.sleep(0.02)  # polls for the end; nothing depends on the pause
        raise AssertionError(f"not over after {PATIENCE} s: {json.dumps(found)[:1500]}\n{self.tasks()}\n{self.daemon.log.read_text()[-3000:]}")

    def tasks(self):
        rpc = self.daemon.rpc()
        found = rpc.call("task.list", {"swarm": "team"})["tasks"]
        rpc.close()
        return [(t["title"], t["state"], t["attempt"], t.get("reason", "")[:200]) for t in found]

    def check(self, end, expected):
        assert end["state"] == "done", end.get("reason")
        tree = git(self.project, "rev-parse", "swarm/team^{tree}")
        assert expected in (None, tree), f"another tree: {git(self.project, 'ls-tree', 'swarm/team')}"
        log = git(self.project, "log", "--first-parent", "--format=%B", "main..swarm/team").splitlines()
        merged = [line for line in log if line.startswith("Swarm-Task:")]
        assert len(merged) == len(set(merged)) == len(TASKS), merged
        rpc = self.daemon.rpc()
        proposals = rpc.call("proposal.list", {"swarm": "team"})["proposals"]
        cast = collections.defaultdict(set)
        for event in rpc.call("events.list", {"types": ["proposal.changed"], "from": 1, "limit": 1000})["events"]:
            if event.get("agent") and event["data"].get("state") == "open":
                cast[event["data"].get("proposal")].add(event["agent"])
        rpc.close()
        assert proposals and all(p["decision"] == "merge" for p in proposals), proposals
        for proposal in proposals:
            lost = cast[proposal["id"]] - {vote["voter"] for vote in proposal["votes"]}
            assert not lost, f"votes of {lost} are lost"
        return tree

    def inside(self, line):
        import conftest
        try:
            rpc = self.daemon.rpc()
            box = rpc.call("swarm.list", {"all": True})["swarms"][0].get("sandbox")
            if box:
                rpc.call("exec.start", {"sandbox": box, "command": line, "user": "0"})
            rpc.close()
        except (OSError, EOFError, conftest.RpcError, IndexError):
            pass  # the way there went with what was killed

    def close(self):
        self.daemon.close()


def kill_agent(rng):
    agent = rng.randrange(4)
    return lambda run: run.inside(f"pkill -9 -u {2001 + agent}")


def kill_agentd(run):
    run.inside("pkill -9 -x agentd -P 1 || pkill -9 -o -x agentd -P 1")


def kill_daemon(run):
    run.daemon.kill()


def one(victim, rng, count, length, where, expected):
    """One run with one death; gives the point that was hit."""
    at_random = rng.random() < 0.25
    nth = rng.randint(1, count)
    kill = {"daemon": kill_daemon, "agentd": kill_agentd, "agent": kill_agent(rng)}[victim]
    run = Run(where, die_at=nth if victim == "daemon" and not at_random else 0)
    try:
        on_time = (rng.uniform(0, length), kill) if at_random else None
        on_point = None if at_random or victim == "daemon" else (nth, kill)
        end, hit = run.watch(on_point, on_time)
        run.check(end, expected)
        return hit
    finally:
        run.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(31))
    parser.add_argument("--victims", default="daemon,agentd,agent")
    parser.add_argument("--state")
    parser.add_argument("--least", type=float, default=95)
    options = parser.parse_args()
    os.environ["SWARM_BUILD"] = str(pathlib.Path(options.build).resolve())
    state_file = pathlib.Path(options.state) if options.state else None
    done = json.loads(state_file.read_text()) if state_file and state_file.exists() else {}
    with tempfile.TemporaryDirectory(prefix="swarm-kills-") as where:
        run = Run(where)
        end, _ = run.watch()
        length = time.monotonic() - run.begun
        expected = run.check(end, None)
        points = run.seen()
        run.close()
        all_points = {normal(p) for p in points}
        print(f"seed {options.seed}: undisturbed in {length:.1f} s, {len(points)} boundaries of {len(all_points)} kinds",
              flush=True)
        for victim in options.victims.split(","):
            for number in range(options.points):
                name = f"{options.seed}/{victim}/{number}"
                if name in done:
                    continue
                rng = random.Random(name)
                try:
                    hit = one(victim, rng, len(points), length, where, expected)
                except Exception as failure:
                    print(f"FAILED at {name} (repeat it with --seed {options.seed}): {failure}", flush=True)
                    return 1
                done[name] = normal(hit) if hit else ""
                if state_file:
                    state_file.write_text(json.dumps(done))
            hits = collections.Counter(h for n, h in done.items() if n.startswith(f"{options.seed}/{victim}/") and h)
            known = {h for h in hits if h in all_points}
            share = 100 * len(known) / max(1, len(all_points))
            print(f"{victim}: {options.points} deaths; hit {len(known)} of {len(all_points)} kinds of boundaries "
                  f"({share:.0f} %): " + ", ".join(f"{k} {v}" for k, v in sorted(hits.items())), flush=True)
            if victim == "daemon" and share < options.least:
                print(f"too few: {sorted(all_points - known)} were not hit")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
