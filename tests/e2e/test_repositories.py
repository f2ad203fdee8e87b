"""One task over two repositories: what it changes lands in both or in neither, whatever fails in the second, and also
when the daemon dies after the first branch is set."""

import json
import os
import pathlib
import signal
import subprocess

from conftest import BUILD, wait_until
from test_ship import branches, deploy_two, git, make_project, pair_over
from workers import worker

PATIENCE = 120

# Two of these meet before either hands in: both build on the same base, and both write web/same.txt.
MEETING = worker('("left", "right")', '''
    name = task["body"].strip().split()[0]
    open("/tmp/met-" + name, "w").close()
    while not (os.path.exists("/tmp/met-left") and os.path.exists("/tmp/met-right")):
        time.sleep(0.05)
    for path in ("api/" + name + ".txt", "web/same.txt"):
        open(path, "w").write(name + "\\n")
    swarm("commit", "-m", "Write " + name, "--task", task["id"], "--run", task["run"])
    swarm("task", "done", task["id"], "--summary", "written")
    while os.path.exists("/tmp/met-left"):
        time.sleep(0.05)  # one change each, and nothing more
    ''')


def pair(daemon):
    return json.loads(daemon.ctl("--json", "swarm", "show", "pair").stdout)


def other_commit(project):
    return git(project, "-c", "user.name=B", "-c", "user.email=b@example.org", "commit-tree", "-m", "other", "main^{tree}")


def kill_writers_of(project):
    """A git that outlived the daemon and waits for the lock in this repository."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"update-ref" in words and any(str(project).encode() in word for word in
                                              [*words, (process / "environ").read_bytes()]):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            pass


def test_branches_are_set_in_all_or_in_none_also_when_the_daemon_dies_in_between(daemon, tmp_path):
    projects = {"api": make_project(tmp_path / "api", ["api/one.txt+web/one.txt", "web/two.txt"]),
                "web": make_project(tmp_path / "web", [])}
    api, web = projects.values()
    lock = web / ".git/refs/heads/swarm/pair.lock"
    lock.parent.mkdir(parents=True)

    # The second can be asked, and then refuses: somebody holds its branch.
    lock.touch()
    deploy_two(daemon, projects)
    found = pair_over(daemon)
    assert found["state"] == "failed" and str(web) in found["reason"], found
    assert branches(projects) == ["", ""]

    # It is not there at all.
    web.rename(tmp_path / "away")
    refused = daemon.ctl("swarm", "fetch", "pair", check=False)
    assert refused.returncode != 0 and str(web) in refused.stderr, refused
    (tmp_path / "away").rename(web)
    assert branches(projects) == ["", ""]

    def die_in_between():
        """The daemon is killed when the first branch is set and the second is not."""
        lock.parent.mkdir(exist_ok=True)
        lock.touch()
        git(web, "config", "core.filesRefLockTimeout", str(PATIENCE * 1000))
        with subprocess.Popen([BUILD / "bin/swarmctl", "swarm", "fetch", "pair"], env=daemon.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as fetching:
            wait_until(lambda: branches({"api": api}) != [""], timeout=PATIENCE, what="the first branch")
            daemon.kill()
            fetching.wait(timeout=PATIENCE)
        kill_writers_of(web)
        assert branches({"web": web}) == [""]
        lock.unlink()

    # What is meant cannot be any more: the first is put back, with nobody asking for it.
    die_in_between()
    other = other_commit(web)
    git(web, "branch", "swarm/pair", other)
    daemon.start()
    wait_until(lambda: branches({"api": api}) == [""], timeout=PATIENCE, what="the first branch to be put back")
    assert git(web, "rev-parse", "swarm/pair") == other
    assert all(not repo.get("published") for repo in pair(daemon)["repos"])
    git(web, "branch", "-D", "swarm/pair")

    # It can be: the second is set.
    die_in_between()
    daemon.start()
    wait_until(lambda: "" not in branches(projects), timeout=PATIENCE, what="both branches")
    wait_until(lambda: pair(daemon)["published"], timeout=PATIENCE, what="the record of it")
    assert {repo["name"]: repo["published"] for repo in pair(daemon)["repos"]} == {
        name: git(project, "rev-parse", "swarm/pair") for name, project in projects.items()}
    assert git(api, "diff", "--name-only", "main", "swarm/pair") == "one.txt"
    assert git(web, "diff", "--name-only", "main", "swarm/pair") == "one.txt\ntwo.txt"
    for project in projects.values():
        assert git(project, "fsck", "--strict", "--no-dangling") == ""

    # Each is shown by its name.
    fetched = json.loads(daemon.ctl("--json", "swarm", "fetch", "pair").stdout)
    assert [repo["name"] for repo in fetched["repos"]] == ["api", "web"]
    assert {repo["commit"] for repo in fetched["repos"]} == {git(p, "rev-parse", "swarm/pair") for p in (api, web)}
    stat = daemon.ctl("swarm", "diff", "pair", "--stat", "--repo", "web").stdout
    assert "two.txt" in stat and "web/" not in stat and "2 files" in stat, stat
    assert "+++ b/one.txt" in daemon.ctl("swarm", "diff", "pair", "--repo", "api", "--agent", "agent-0").stdout
    log = json.loads(daemon.ctl("--json", "swarm", "log", "pair", "--repo", "web").stdout)["commits"]
    assert [commit["commit"] for commit in log] == git(web, "rev-list", "main..swarm/pair").splitlines()
    log = json.loads(daemon.ctl("--json", "swarm", "log", "pair").stdout)["commits"]
    assert {"Write api/one.txt+web/one.txt": ["api", "web"], "Write web/two.txt": ["web"]} == {
        commit["subject"]: commit["repos"] for commit in log if commit["author"] == "agent-0"
        and len(commit["parents"]) == 1}
    assert "api, web" in daemon.ctl("swarm", "log", "pair").stdout
    nobody = daemon.ctl("swarm", "diff", "pair", "--repo", "docs", check=False)
    assert nobody.returncode != 0 and "api, web" in nobody.stderr
    report = daemon.ctl("report", "pair").stdout.replace("\\", "")
    for project in projects.values():
        assert str(project) in report and git(project, "rev-parse", "swarm/pair") in report

    # They go together, too: one that somebody has moved keeps the other.
    ours = git(web, "rev-parse", "swarm/pair")
    git(web, "update-ref", "refs/heads/swarm/pair", other)
    refused = daemon.ctl("swarm", "discard", "pair", "--branch", check=False)
    assert refused.returncode != 0 and str(web) in refused.stderr
    assert "" not in branches(projects)
    git(web, "update-ref", "refs/heads/swarm/pair", ours)
    daemon.ctl("swarm", "discard", "pair", "--branch")
    assert branches(projects) == ["", ""]


def test_a_change_in_conflict_in_the_second_is_in_neither(daemon, tmp_path):
    projects = {"api": make_project(tmp_path / "api", []), "web": make_project(tmp_path / "web", [])}
    (projects["api"] / "agent.py").write_text(MEETING)
    git(projects["api"], "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qam", "Meet")
    deploy_two(daemon, projects, agents=2)
    rpc = daemon.rpc()

    def refused():
        found = rpc.call("events.list", {"types": ["swarm.merge_refused"], "from": 1, "limit": 10})["events"]
        return [event["data"] for event in found]

    [conflict] = wait_until(refused, timeout=PATIENCE, what="a conflict")
    rpc.close()
    assert conflict["outcome"] == "conflict" and conflict["paths"] == ["web/same.txt"], conflict
    lost = conflict["title"].split()[-1]
    won = {"left": "right", "right": "left"}[lost]
    daemon.ctl("shutdown", "pair")  # what was merged becomes its branches
    api, web = projects.values()
    assert git(api, "diff", "--name-only", "main", "swarm/pair") == f"{won}.txt"
    assert git(web, "show", "swarm/pair:same.txt") == won
