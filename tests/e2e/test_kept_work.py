"""What agents commit is safe on the host from then on: it outlives a sandbox that dies, an end without a merge, and
everything but the word of the user. When that is said, nothing of it is left."""

import json
import os
import pathlib
import subprocess

from conftest import wait_until

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
