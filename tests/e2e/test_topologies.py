"""The same job with the agents in one sandbox, in one each, and in one for each role: what comes of it is the same, and
who lives where shows nowhere but in where it lives."""

import json

import pytest
from conftest import wait_until
from test_deploy import checked_out, deploy, events, git, holds, make_project, swarm, until_over

SEED = 1


@pytest.mark.parametrize("topology", ["shared", "per-agent", "per-role", "per-exec"])
def test_the_same_job_in_every_topology(daemon, tmp_path, topology):
    project = make_project(daemon, SEED)
    roles = ["--roles", "implementer,reviewer"] if topology == "per-role" else []
    deploy(daemon, project, SEED, "--topology", topology, *roles)
    seen = wait_until(lambda: (s := swarm(daemon))["state"] not in ("preparing",) and s, timeout=120,
                      what="a swarm that works")
    sandboxes = {place["sandbox"] for place in seen.get("places", [])} or {seen["sandbox"]}
    homes = {agent["id"]: agent["sandbox"] for agent in seen["agents"]}
    if topology != "shared":
        assert seen["sandbox"] not in homes.values()  # where changes are merged lives nobody
    if topology == "per-exec":
        assert len(seen["places"]) == 5, seen  # each changes its sandbox with every turn
    else:
        assert len(sandboxes) == {"shared": 1, "per-agent": 5, "per-role": 3}[topology], seen
    if topology in ("per-agent", "per-role"):
        # Every sandbox of it is found by it, and it by every sandbox.
        listed = {s["id"] for s in daemon.rpc().call("sandbox.list")["sandboxes"]}
        assert sandboxes <= listed
        for sandbox in sandboxes:
            found = daemon.rpc().call("swarm.list", {"sandbox": sandbox})["swarms"]
            assert [one["name"] for one in found] == ["team"]
    end = until_over(daemon)
    assert end["state"] == "done", (end["reason"], daemon.log.read_text()[-3000:])

    # Each time that a program of an agent was started, where it was.
    starts = {(event["agent"], event["data"]["starts"]): event["sandbox"] for event in events(daemon, "swarm.agent")
              if event["data"]["state"] == "running" and event.get("sandbox")}
    if topology == "per-exec":
        # A program that fell may have been started again where it was; each turn is elsewhere.
        assert len(set(starts.values())) >= 10, starts
        assert {agent["mode"] for agent in end["agents"]} == {"one_shot"}
    else:
        assert len({(agent, sandbox) for (agent, _), sandbox in starts.items()}) == 4, starts

    good, why = holds(checked_out(project, tmp_path / "result"), project)
    assert good, why
    authors = set(git(project, "log", "--no-merges", "--format=%an", "main..swarm/team").splitlines())
    assert len(authors) == 4 or (topology in ("per-role", "per-exec") and len(authors) >= 2), authors
    assert "Reviewed-by: agent-" in git(project, "log", "--format=%B", "main..swarm/team")
    tasks = [line for line in git(project, "log", "--first-parent", "--format=%B", "main..swarm/team").splitlines()
             if line.startswith("Swarm-Task:")]
    assert tasks and len(tasks) == len(set(tasks)), tasks
    assert daemon.sandbox_directories() == []


def inside(daemon, sandbox, agent, command, check=True):
    done = daemon.ctl("exec", "--user", agent, sandbox, "sh", "-c", command, check=False)
    assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
    return done


def homes(daemon):
    return {agent["id"]: agent["sandbox"] for agent in swarm(daemon)["agents"]}


def test_agents_of_several_sandboxes_talk_and_lock_and_outlive_them(daemon):
    project = make_project(daemon, SEED)
    daemon.ctl("deploy", "--repo", str(project), "--agents", "2", "--agent", "cmd:sleep 600", "--name", "team", "--feature",
               "x", "--topology", "per-agent", "--detach")
    wait_until(lambda: [a.get("state") for a in swarm(daemon)["agents"]] == ["running"] * 2, timeout=120, what="agents")
    home = homes(daemon)
    assert len(set(home.values())) == 2

    # What one says and locks in its sandbox is said and locked in the other's.
    inside(daemon, home["agent-0"], "agent-0", "swarm send agent-1 'the first word'")
    heard = inside(daemon, home["agent-1"], "agent-1", "swarm inbox").stdout
    assert "the first word" in heard and "agent-0" in heard
    inside(daemon, home["agent-0"], "agent-0", "cd /workspace/.worktrees/agent-0/words && swarm lock words/core.py")
    refused = inside(daemon, home["agent-1"], "agent-1", "cd /workspace/.worktrees/agent-1/words && swarm lock words/core.py",
                     check=False)
    assert refused.returncode != 0 and "agent-0" in refused.stderr
    assert "words/core.py" in daemon.ctl("lock", "ls", "--swarm", "team").stdout
    daemon.ctl("msg", "send", "agent-1", "a word of a person", "--swarm", "team")
    assert "a word of a person" in inside(daemon, home["agent-1"], "agent-1", "swarm inbox").stdout
    inside(daemon, home["agent-1"], "agent-1", "swarm note put plan 'words first'")
    assert "words first" in inside(daemon, home["agent-0"], "agent-0", "swarm note get plan").stdout

    # Nobody speaks for an agent of another sandbox: neither as its user, which is none there, nor in its name.
    inside(daemon, home["agent-1"], "agent-1", "SWARM_AGENT=agent-0 swarm send agent-1 forged")
    letters = json.loads(inside(daemon, home["agent-1"], "agent-1", "swarm inbox --json").stdout)["letters"]
    assert [(one["message"]["sender"], one["message"]["body"]) for one in letters] == [("agent-1", "forged")]
    assert inside(daemon, home["agent-1"], "agent-0", "swarm send agent-1 forged", check=False).returncode != 0

    # They are found where they are.
    rpc = daemon.rpc()
    panes = {pane["pane"] for pane in rpc.call("pane.list", {"swarm": "team"})["panes"]}
    assert panes == {"agent-0", "agent-1"}
    assert rpc.call("pane.screen", {"swarm": "team", "pane": "agent-1"})["info"]["pane"] == "agent-1"
    assert {a["id"] for a in rpc.call("agent.list", {"swarm": "team"})["agents"]} == {"agent-0", "agent-1"}

    # A daemon that is killed forgets nothing of it.
    inside(daemon, home["agent-0"], "agent-0", "swarm send agent-1 'before the end'")
    rpc.close()
    daemon.kill()
    daemon.start()
    wait_until(lambda: "before the end" in
               inside(daemon, home["agent-1"], "agent-1", "swarm inbox --peek", check=False).stdout, timeout=60, what="mail")
    assert "words/core.py" in daemon.ctl("lock", "ls", "--swarm", "team").stdout

    # One sandbox of several dies: its agent goes on in another from what it had committed, and the other stays.
    inside(daemon, home["agent-1"], "agent-1",
           "cd /workspace/.worktrees/agent-1/words && echo mine > mine && swarm commit -m mine")
    keep = daemon.home / "state/swarmd/repos" / swarm(daemon)["id"]
    wait_until(lambda: "mine" in git(keep, "log", "--format=%s", "refs/heads/swarm/team/agent-1"), timeout=60,
               what="the commit on the host")
    rpc = daemon.rpc()
    rpc.call("sandbox.kill", {"sandbox": home["agent-1"], "grace_ms": 0})
    rpc.close()

    def moved():
        agent = swarm(daemon)["agents"][1]
        return agent["starts"] == 2 and agent["sandbox"] not in ("", home["agent-1"]) and agent["sandbox"]

    new = wait_until(moved, timeout=120, what="another sandbox")
    assert homes(daemon)["agent-0"] == home["agent-0"]
    assert inside(daemon, new, "agent-1", "cat /workspace/.worktrees/agent-1/words/mine").stdout == "mine\n"
    assert "before the end" in inside(daemon, new, "agent-1", "swarm inbox").stdout
    inside(daemon, home["agent-0"], "agent-0", "swarm whoami")

    # All of it stands still, goes on, and ends.
    daemon.ctl("swarm", "pause", "team")
    assert daemon.ctl("note", "ls", "--swarm", "team", check=False).returncode != 0
    daemon.ctl("swarm", "resume", "team")
    assert "words first" in inside(daemon, new, "agent-1", "swarm note get plan").stdout
    daemon.ctl("shutdown", "team")
    assert swarm(daemon)["state"] == "ended"
    assert daemon.sandbox_directories() == []


def test_what_is_no_topology_yet_is_refused(daemon):
    project = make_project(daemon, SEED)
    refused = daemon.ctl("deploy", "--repo", str(project), "--feature", "x", "--topology", "star", "--dry-run", check=False)
    assert refused.returncode != 0 and "per-agent" in refused.stderr
