"""The main job: a repository and a sentence go in, a branch with reviewed, tested and merged commits comes back. The
agents are the demo agent, which makes real changes; what comes of them is judged by the tests as they were before, and
by every example of every wish."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import wait_until

SAMPLE = pathlib.Path(__file__).resolve().parents[1] / "demo/sample_project.py"
FEATURE = "Mend what is broken, and make all that is wished for in features/"
PATIENCE = 240


def git(directory, *arguments):
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", str(directory), *arguments], check=True,
                          capture_output=True, text=True).stdout.strip()


def make_project(daemon, seed):
    directory = daemon.home / "words"
    subprocess.run([sys.executable, SAMPLE, str(seed), directory], check=True, capture_output=True)
    return directory


def deploy(daemon, project, seed, *arguments):
    daemon.ctl("deploy", "--repo", str(project), "--agents", "4", "--name", "team", "--feature", FEATURE, "--env",
               f"SWARM_DEMO_SEED={seed}", "--detach", *arguments)


def swarm(daemon):
    return json.loads(daemon.ctl("--json", "swarm", "show", "team").stdout)


def until_over(daemon):
    def over():
        found = swarm(daemon)
        return found if found["state"] in ("done", "failed", "ended") else None

    return wait_until(over, timeout=PATIENCE, what="the end of the swarm")


def events(daemon, kind):
    rpc = daemon.rpc()
    found, cursor = [], {"from": 1}
    while True:
        page = rpc.call("events.list", {"types": [kind], "limit": 1000, **cursor})
        found += page["events"]
        if not page.get("next_cursor"):
            rpc.close()
            return found
        cursor = {"cursor": page["next_cursor"]}


def run_tests(directory):
    return subprocess.run([sys.executable, "-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."], cwd=directory,
                          capture_output=True, text=True)


def checked_out(project, where, branch="swarm/team"):
    git(project, "worktree", "add", "--detach", str(where), branch)
    return where


def holds(tree, project):
    """The result's own tests, the tests as they were, and every example of every wish."""
    own = run_tests(tree)
    assert own.returncode == 0, own.stderr
    shutil.rmtree(tree / "tests")
    subprocess.run(f"git -C '{project}' archive main tests | tar -x -C '{tree}'", shell=True, check=True)
    before = run_tests(tree)
    wishes = subprocess.run([sys.executable, "-B", SAMPLE, "--check", tree], capture_output=True, text=True)
    return before.returncode == 0 and "skipped" not in before.stderr and wishes.returncode == 0, before.stderr + wishes.stdout


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_repository_and_a_sentence_become_a_reviewed_branch(daemon, seed, tmp_path):
    project = make_project(daemon, seed)
    assert run_tests(project).returncode != 0  # the bug shows
    deploy(daemon, project, seed)
    end = until_over(daemon)
    assert end["state"] == "done", end["reason"]

    good, why = holds(checked_out(project, tmp_path / "result"), project)
    assert good, why
    authors = set(git(project, "log", "--no-merges", "--format=%an", "main..swarm/team").splitlines())
    assert len(authors) == 4, authors
    trailers = git(project, "log", "--format=%B", "main..swarm/team")
    assert "Reviewed-by: agent-" in trailers
    assert "Swarm-Task: tsk_" in trailers

    # What was planted was met, and dealt with.
    verdicts = [e["data"].get("verdict") for e in events(daemon, "review.changed")]
    assert "request_changes" in verdicts and "approve" in verdicts
    assert "conflict" in [e["data"]["outcome"] for e in events(daemon, "swarm.merge_refused")]
    decided = [e["data"] for e in events(daemon, "proposal.changed") if e["data"].get("decision")]
    assert decided and decided[0]["decision"] in ("merge", "change")

    assert git(project, "status", "--porcelain") == ""  # nothing but the branch was written
    assert git(project, "rev-parse", "main") == end["base_commit"]
    report = daemon.ctl("report", "team").stdout
    assert "## Reviews" in report and "## Votes" in report
    page = daemon.ctl("report", "team", "--format", "html").stdout
    assert page.startswith("<!doctype html>") and "<script" not in page
    assert daemon.sandbox_directories() == []


def test_without_reviews_the_bad_change_gets_through(daemon, tmp_path):
    project = make_project(daemon, 1)
    deploy(daemon, project, 1, "--reviewers", "0")
    end = until_over(daemon)
    assert end["state"] == "done", end["reason"]
    good, why = holds(checked_out(project, tmp_path / "result"), project)
    assert not good, why


def test_a_daemon_that_is_killed_goes_on_where_it_was(daemon, tmp_path):
    project = make_project(daemon, 2)
    deploy(daemon, project, 2)
    for merged in (1, 3):
        wait_until(lambda: len(events(daemon, "swarm.landed")) >= merged or swarm(daemon)["state"] != "working" and
                   swarm(daemon)["state"] != "preparing", timeout=PATIENCE, what=f"{merged} merges")
        daemon.kill()
        daemon.start()
    end = until_over(daemon)
    assert end["state"] == "done", end["reason"]
    good, why = holds(checked_out(project, tmp_path / "result"), project)
    assert good, why
    # Each task was merged once (an agent that resolves a conflict makes merges too, on its own side).
    tasks = [line for line in git(project, "log", "--first-parent", "--format=%B", "main..swarm/team").splitlines()
             if line.startswith("Swarm-Task:")]
    assert len(tasks) == len(set(tasks)), tasks


def agents(daemon):
    return {agent["id"]: agent for agent in swarm(daemon)["agents"]}


def inside(daemon, line, **options):
    rpc = daemon.rpc()
    done = rpc.call("exec.start", {"sandbox": swarm(daemon)["sandbox"], "command": line, "user": "0", **options})
    rpc.close()
    return done


def test_an_agent_that_is_killed_is_started_again_and_one_that_keeps_falling_is_given_up(daemon, tmp_path):
    project = make_project(daemon, 1)
    deploy(daemon, project, 1)
    wait_until(lambda: len(events(daemon, "swarm.landed")) >= 1, timeout=PATIENCE, what="a merge")
    inside(daemon, "pkill -9 -u 2003 -f swarm-demo-agent")
    wait_until(lambda: agents(daemon)["agent-2"]["starts"] == 2, timeout=30, what="a new start")
    # The fourth falls whenever it is started.
    inside(daemon, "while :; do pkill -9 -u 2004 -f swarm-demo-agent; sleep 0.02; done", background=True)
    wait_until(lambda: agents(daemon)["agent-3"]["state"] == "gone", timeout=60, what="giving it up")
    assert "signal 9" in agents(daemon)["agent-3"]["reason"]
    end = until_over(daemon)
    assert end["state"] == "done", end["reason"]
    good, why = holds(checked_out(project, tmp_path / "result"), project)
    assert good, why


def test_a_sandbox_that_vanishes_is_replaced(daemon, tmp_path):
    project = make_project(daemon, 2)
    deploy(daemon, project, 2)
    wait_until(lambda: len(events(daemon, "swarm.landed")) >= 2, timeout=PATIENCE, what="two merges")
    first = swarm(daemon)["sandbox"]
    rpc = daemon.rpc()
    rpc.call("sandbox.kill", {"sandbox": first, "grace_ms": 0})
    rpc.close()
    end = until_over(daemon)
    assert end["state"] == "done", end["reason"]
    assert end["sandbox"] != first
    good, why = holds(checked_out(project, tmp_path / "result"), project)
    assert good, why
    tasks = [line for line in git(project, "log", "--first-parent", "--format=%B", "main..swarm/team").splitlines()
             if line.startswith("Swarm-Task:")]
    assert len(tasks) == len(set(tasks)), tasks


def test_a_swarm_that_failed_leaves_no_sandbox_and_can_go_on(daemon):
    project = make_project(daemon, 1)
    # Nobody can start: the run fails for want of agents.
    daemon.ctl("deploy", "--repo", str(project), "--agents", "2", "--agent", "cmd:test -e /workspace/go && exec swarm-demo-agent", "--name",
               "team", "--feature", FEATURE, "--detach")
    end = until_over(daemon)
    assert end["state"] == "failed" and "no agent is left" in end["reason"], end
    assert daemon.sandbox_directories() == []
    daemon.ctl("swarm", "resume", "team")
    wait_until(lambda: swarm(daemon)["state"] == "working", timeout=60, what="work in a new sandbox")
    assert swarm(daemon)["sandbox"] != end["sandbox"]
    daemon.ctl("shutdown", "team")
    costs = json.loads(daemon.ctl("--json", "cost", "summary", "--by", "swarm").stdout)
    assert "swm_" in json.dumps(costs)


def test_what_is_missing_for_an_agent_is_said_with_what_brings_it(daemon):
    project = make_project(daemon, 1)
    words = ["deploy", "--repo", str(project), "--agents", "2", "--agent", "claude", "--feature", FEATURE]
    refused = daemon.ctl(*words, check=False)
    assert refused.returncode != 0 and "swarmctl secret set" in refused.stderr and "anthropic" in refused.stderr
    assert json.loads(daemon.ctl("--json", "swarm", "ls", "--all").stdout)["swarms"] == []
    daemon.ctl("secret", "set", "anthropic", input="sk-ant-no-real-one-0123456789")
    refused = daemon.ctl(*words, check=False)
    assert refused.returncode != 0 and "swarmctl template install claude@" in refused.stderr, refused.stderr


def test_three_teams_at_once_do_not_meet_and_get_on_alike(daemon, tmp_path):
    names = ["first", "second", "third"]
    projects = {}
    for seed, name in enumerate(names, 1):
        projects[name] = tmp_path / name
        subprocess.run([sys.executable, SAMPLE, str(seed), projects[name]], check=True, capture_output=True)
        daemon.ctl("deploy", "--repo", str(projects[name]), "--agents", "6", "--name", name, "--feature", FEATURE, "--env",
                   f"SWARM_DEMO_SEED={seed}", "--detach")

    def all_of_them():
        return {s["name"]: s for s in json.loads(daemon.ctl("--json", "swarm", "ls", "--all").stdout)["swarms"]}

    # When the first of them is over, none of the others has been left behind.
    wait_until(lambda: any(s["state"] in ("done", "failed") for s in all_of_them().values()), timeout=2 * PATIENCE,
               what="the end of one")
    assert all(s["tasks"]["merged"] >= 1 for s in all_of_them().values()), all_of_them()
    wait_until(lambda: all(s["state"] in ("done", "failed") for s in all_of_them().values()), timeout=PATIENCE,
               what="the end of all")
    found = all_of_them()
    assert len({s["sandbox"] for s in found.values()}) == 3
    for name in names:
        assert found[name]["state"] == "done", found[name]["reason"]
        good, why = holds(checked_out(projects[name], tmp_path / f"result-{name}", f"swarm/{name}"), projects[name])
        assert good, why
        assert git(projects[name], "for-each-ref", "--format=%(refname)", "refs/heads/swarm") == f"refs/heads/swarm/{name}"
        runs = {line for line in git(projects[name], "log", "--format=%B", f"main..swarm/{name}").splitlines()
                if line.startswith("Swarm-Run:")}
        assert len(runs) == 1, runs


def test_what_cannot_be_is_refused_with_a_sentence(daemon, tmp_path):
    project = make_project(daemon, 3)

    def refused(*arguments):
        done = daemon.ctl("deploy", "--repo", str(project), *arguments, check=False)
        assert done.returncode != 0
        return done.stderr

    assert "--feature" in refused()
    assert "reviewers" in refused("--feature", "x", "--agents", "1")
    assert "no kind of agent 'nonsense'" in refused("--feature", "x", "--agent", "nonsense")
    assert "no branch or tag 'nowhere'" in refused("--feature", "x", "--base", "nowhere")
    assert "--follow" in refused("--feature", "x", "--follow", "--detach")
    shown = daemon.ctl("deploy", "--repo", str(project), "--feature", "x", "--dry-run").stdout
    assert "unittest" in shown  # how it is tested was seen from its files
    assert json.loads(daemon.ctl("--json", "swarm", "ls", "--all").stdout)["swarms"] == []


def test_a_daemon_that_is_stopped_while_agents_wait_for_work_ends_in_order(daemon):
    project = make_project(daemon, 1)
    daemon.ctl("deploy", "--repo", str(project), "--agents", "2", "--agent", "cmd:swarm task next --wait 10m --kind review",
               "--name", "team", "--feature", "x", "--detach")

    def asleep():
        """How many of them wait for an answer."""
        waiting = 0
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # it has gone meanwhile
            waiting += words[:5] == [b"swarm", b"task", b"next", b"--wait", b"10m"] and state == "S"
        return waiting

    wait_until(lambda: asleep() >= 2, timeout=120, what="agents that wait")
    assert daemon.stop() == 0, daemon.log.read_text()[-2000:]
    daemon.start()
    started = [event["data"] for event in events(daemon, "daemon.started")]
    assert [one["clean"] for one in started] == [True, True]
    assert all(agent["starts"] <= 1 for agent in swarm(daemon)["agents"])  # nobody was begun anew for it


def test_a_swarm_is_shut_down_and_discarded(daemon):
    project = make_project(daemon, 1)
    # An agent that only waits.
    daemon.ctl("deploy", "--repo", str(project), "--agents", "2", "--agent", "cmd:sleep 600", "--name", "team", "--feature",
               "x", "--detach")
    wait_until(lambda: swarm(daemon)["state"] == "working", timeout=60, what="work")
    daemon.ctl("shutdown", "team")
    assert swarm(daemon)["state"] == "ended"
    assert daemon.sandbox_directories() == []
    daemon.ctl("swarm", "discard", "team")
    assert swarm(daemon)["state"] == "discarded"
    repos = daemon.home / "state/swarmd/repos"
    assert not repos.exists() or list(repos.iterdir()) == []
