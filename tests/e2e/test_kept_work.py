"""What agents commit is safe on the host from then on: it outlives a sandbox that dies, an end without a merge, and
everything but the word of the user. When that is said, nothing of it is left."""

import json
import os
import pathlib
import subprocess

from conftest import wait_until
from workers import worker

PATIENCE = 180
AGENTS = int(os.environ.get("SWARM_COMMITTERS", "4"))
# Commits at once, hands nothing in, and waits.
PROGRAM = "cmd:date +%s%N > mine-$(id -u); swarm commit -m work && exec sleep 600"


def git(directory, *arguments, check=True):
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", str(directory), *arguments], check=check,
                          capture_output=True, text=True).stdout.strip()


def swarm(daemon):
    return json.loads(daemon.ctl("--json", "swarm", "show", "team").stdout)


def repository(daemon):
    directory = daemon.home / "project"
    directory.mkdir()
    git(directory, "init", "-q", "-b", "main")
    (directory / "README").write_text("hello\n")
    git(directory, "add", "-A")
    git(directory, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "first")
    return directory


def branches(keep):
    """Where the agents' branches stand in our bare repository; it is read past the daemon."""
    if not (keep / "HEAD").exists():
        return {}
    listed = git(keep, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/swarm/team/", check=False)
    return {name: commit for name, commit in (line.split() for line in listed.splitlines())
            if not name.endswith("/integration")}


def has_committed(keep, base, how_many):
    """Every agent's branch when each has so many commits that are its own."""
    found = branches(keep)
    if len(found) < AGENTS:
        return None
    own = [git(keep, "rev-list", "--count", f"{base}..{commit}") for commit in found.values()]
    return found if all(count == str(how_many) for count in own) else None


def size_below(directory):
    return sum(path.lstat().st_size for path in pathlib.Path(directory).rglob("*")) if directory.exists() else 0


def test_no_commit_is_lost_until_the_user_says_so(daemon):
    project = repository(daemon)
    before = git(project, "for-each-ref")
    base = git(project, "rev-parse", "HEAD")
    repos = daemon.home / "state/swarmd/repos"
    clean = size_below(repos)
    daemon.ctl("deploy", "--repo", str(project), "--agents", str(AGENTS), "--agent", PROGRAM, "--name", "team",
               "--feature", "x", "--test-command", "true", "--detach")
    keep = repos / swarm(daemon)["id"]
    first = wait_until(lambda: has_committed(keep, base, 1), timeout=PATIENCE, what="a commit of each agent on the host")

    # The sandbox dies. In the next one everybody goes on from what was committed.
    wait_until(lambda: swarm(daemon)["state"] == "working", timeout=PATIENCE, what="work")
    rpc = daemon.rpc()
    rpc.call("sandbox.kill", {"sandbox": swarm(daemon)["sandbox"], "grace_ms": 0})
    rpc.close()
    second = wait_until(lambda: has_committed(keep, base, 2), timeout=PATIENCE, what="a second commit of each")
    for name, commit in second.items():
        assert git(keep, "rev-parse", f"{commit}^") == first[name]

    # It ends, with nothing merged: the commits stay, under names, in a repository that is whole.
    daemon.ctl("shutdown", "team")
    assert swarm(daemon)["state"] == "ended"
    assert daemon.sandbox_directories() == []
    assert branches(keep) == second
    assert git(keep, "fsck", "--full", "--strict", "--unreachable") == ""
    assert git(project, "for-each-ref") == before
    for name, commit in second.items():
        shown = daemon.ctl("swarm", "diff", "team", "--agent", name.rsplit("/", 1)[1]).stdout
        assert "+++ b/mine-" in shown, shown

    # The user says so.
    daemon.ctl("swarm", "discard", "team")
    assert not keep.exists()
    assert size_below(repos) == clean
    refused = daemon.ctl("swarm", "diff", "team", "--agent", "agent-0", check=False)
    assert refused.returncode != 0 and "discard" in refused.stderr
    assert not keep.exists(), "looking at what was discarded has made it anew"
    assert git(project, "for-each-ref") == before


# Hands in what turns the test red, and when that comes back does nothing more.
CARELESS = worker('["it"]', '''
    if task["attempt"] > 1:
        time.sleep(3600)
    open("bad", "w").write("made\\n")
    swarm("commit", "-m", "bad", "--task", task["id"], "--run", task["run"])
    swarm("task", "done", task["id"], "--summary", "bad")
    ''')


def test_what_a_failed_merge_refused_is_kept_and_nothing_else_of_it(daemon):
    project = repository(daemon)
    (project / "agent.py").write_text(CARELESS)
    git(project, "add", "-A")
    git(project, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "an agent")
    before = git(project, "for-each-ref")
    base = git(project, "rev-parse", "HEAD")
    repos = daemon.home / "state/swarmd/repos"
    clean = size_below(repos)
    daemon.ctl("deploy", "--repo", str(project), "--agents", "1", "--reviewers", "0", "--agent",
               "cmd:exec python3 -S agent.py", "--name", "team", "--feature", "x", "--test-command", "! test -e bad", "--detach")
    keep = repos / swarm(daemon)["id"]
    rpc = daemon.rpc()

    def refused():
        events = rpc.call("events.list", {"types": ["swarm.merge_refused"], "from": 1, "limit": 10})["events"]
        return [event["data"]["outcome"] for event in events]

    assert wait_until(refused, timeout=PATIENCE, what="a refused merge") == ["red"]
    rpc.close()

    # Nothing of the try is left where it was tried: no tree of its own, and no name.
    box = swarm(daemon)["sandbox"]

    def inside(command):
        return daemon.ctl("exec", "--user", "0", box, "sh", "-c", command).stdout.strip()

    assert inside("ls /workspace/.worktrees") == "agent-0\nintegrator"
    assert inside("git -c safe.directory='*' -C /workspace/project for-each-ref --format='%(refname)' refs/heads/swarm") == (
        "refs/heads/swarm/team/agent-0\nrefs/heads/swarm/team/integration")
    assert inside("git -c safe.directory='*' -C /workspace/project rev-parse swarm/team/integration") == base

    # It ends: what was refused is in the user's repository nowhere, and in ours by its name.
    daemon.ctl("shutdown", "team")
    assert swarm(daemon)["state"] == "ended" and daemon.sandbox_directories() == []
    assert git(project, "for-each-ref") == before
    [bad] = branches(keep).values()
    assert git(keep, "log", "-1", "--format=%an %s", bad) == "agent-0 bad"
    assert git(project, "cat-file", "-t", bad, check=False) == ""
    assert git(keep, "fsck", "--full", "--strict", "--unreachable") == ""
    assert "+++ b/bad" in daemon.ctl("swarm", "diff", "team", "--agent", "agent-0").stdout

    daemon.ctl("swarm", "discard", "team")
    assert not keep.exists() and size_below(repos) == clean
    assert git(project, "for-each-ref") == before
