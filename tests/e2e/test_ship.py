"""Push and pull request from the host: against git's own http-backend and a service that speaks GitHub's REST shapes,
both on loopback, with what goes wrong there. The credential is looked for wherever it must not be."""

import json
import pathlib
import subprocess
import sys
import threading

import pytest
from conftest import BUILD, Daemon, wait_until
from workers import worker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))
from forge import Forge  # noqa: E402

TOKEN = "ghp_0123456789abcdefTESTONLY0123456789ab"
PATIENCE = 120

# One that writes a file of the name that its task says.
AGENT = worker('open(os.path.join(os.path.dirname(sys.argv[0]), "wanted")).read().split()', '''
    for path in task["body"].strip().split("+"):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        open(path, "w").write("made\\n")
    swarm("commit", "-m", "Write " + task["body"].strip(), "--task", task["id"], "--run", task["run"])
    swarm("task", "done", task["id"], "--summary", "written")
    ''')


def git(directory, *arguments):
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", str(directory), *arguments], check=True,
                          capture_output=True, text=True).stdout.strip()


def make_project(directory, wanted):
    directory.mkdir()
    (directory / "agent.py").write_text(AGENT)
    (directory / "wanted").write_text("\n".join(wanted))
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "-A")
    git(directory, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "Begin")
    return directory


class Leaks(threading.Thread):
    """Looks at the command lines and environments of all processes for as long as it runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.found = set()
        self.over = threading.Event()
        self.looks = 0

    def run(self):
        while not self.over.is_set():
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        if TOKEN.encode() in (process / name).read_bytes():
                            self.found.add(f"{name} of {(process / 'comm').read_text().strip()}")
                    except OSError:
                        pass
            self.looks += 1


@pytest.fixture
def world(tmp_path):
    forge = Forge(tmp_path / "forge", TOKEN)
    daemon = Daemon(f'''
[forge.here]
host = "{forge.host}"
api_url = "http://{forge.host}/api/v3"
''')
    leaks = Leaks()
    leaks.start()
    daemon.start()
    daemon.ctl("secret", "set", "github", input=TOKEN)
    yield daemon, forge, tmp_path
    looks = leaks.looks
    wait_until(lambda: leaks.looks > looks, what="a last look")
    leaks.over.set()
    leaks.join()
    daemon.close()
    forge.close()
    assert leaks.found == set()


def deployed(world, wanted=("one.txt",), name="team", *arguments):
    daemon, forge, where = world
    project = make_project(where / name, wanted)
    url = forge.make(f"owner/{name}", project)
    git(project, "remote", "add", "origin", url)
    daemon.ctl("deploy", "--repo", str(project), "--agents", "1", "--reviewers", "0", "--agent",
               "cmd:exec python3 -S agent.py", "--name", name, "--feature", "Write what is wanted", "--test-command",
               "test -f agent.py", "--detach", *arguments)

    def over():
        found = json.loads(daemon.ctl("--json", "swarm", "show", name).stdout)
        return found if found["state"] in ("done", "failed", "ended") else None

    found = wait_until(over, timeout=PATIENCE, what="the end of the swarm")
    assert found["state"] == "done", found["reason"]
    return project, found


def ship(daemon, what, *arguments, check=True):
    done = subprocess.run([BUILD / "bin/swarmctl", "--json", "swarm", what, *arguments], env=daemon.env,
                          capture_output=True, text=True, timeout=PATIENCE)
    shipment = json.loads(done.stdout)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return shipment


def nothing_has_it(daemon, where, *also):
    """No file of the daemon, no log, no database has the token, but the one that keeps it."""
    assert TOKEN not in daemon.log.read_text()
    kept = {daemon.home / "state/swarmd/secrets/github", *also}
    for path in daemon.home.rglob("*"):
        if path.is_file() and path not in kept:
            assert TOKEN.encode() not in path.read_bytes(), path


def test_a_result_is_pushed_and_its_pull_request_opened_then_updated(world):
    daemon, forge, where = world
    project, found = deployed(world, ("one.txt",), "team", "--keep-sandbox")
    pushed = ship(daemon, "push", "team")
    assert pushed["state"] == "done" and pushed["parts"][0]["pushed"]
    assert forge.branch("owner/team", "swarm/team") == found["head"]
    again = ship(daemon, "push", "team")  # nothing to do is no error
    assert again["state"] == "done"

    opened = ship(daemon, "pr", "team", "--draft", "--pr-label", "agents", "--pr-label", "team")
    part = opened["parts"][0]
    assert (part["number"], part["into"], part["created"]) == (1, "main", True)
    [pull] = forge.pulls["owner/team"]
    assert pull["title"] == "Write what is wanted" and "Write one.txt" in pull["body"] and pull["draft"]
    assert [label["name"] for label in pull["labels"]] == ["agents", "team"]

    updated = ship(daemon, "pr", "team", "--title", "Another title")
    assert updated["parts"][0]["number"] == 1 and not updated["parts"][0]["created"]
    [pull] = forge.pulls["owner/team"]
    assert pull["title"] == "Another title"
    # The pattern is made inside and read from a pipe, so that looking for it is not what is found.
    looked = daemon.ctl("exec", found["sandbox"], "--", "sh", "-c",
                        f"echo begun; printf %s%s {TOKEN[:9]} {TOKEN[9:]} | grep -rlsFf - /workspace /home /tmp /etc "
                        "/run /proc/[0-9]*/environ", check=False)
    assert looked.stdout.splitlines() == ["begun"], looked.stdout
    shown = daemon.ctl("swarm", "shipments", "team").stdout
    assert pull["html_url"] in shown
    assert git(project, "for-each-ref", "--format=%(refname)", "refs/remotes") == ""  # nothing of theirs was written
    nothing_has_it(daemon, where)


def test_limits_cuts_and_lost_answers_make_no_second_pull_request(world):
    daemon, forge, where = world
    deployed(world)
    forge.fault("push", "cut")
    forge.fault("push", "lost")  # it was pushed, and nobody heard of it
    forge.fault("look", 500)
    forge.fault("find", "primary")
    forge.fault("open", "secondary")
    forge.fault("open", "cut")
    forge.fault("open", "lost")  # it was opened, and nobody heard of it
    forge.fault("update", 503)
    opened = ship(daemon, "pr", "team", "--pr-label", "agents")
    assert opened["state"] == "done", opened
    assert forge.faults == []
    [pull] = forge.pulls["owner/team"]
    assert [label["name"] for label in pull["labels"]] == ["agents"]
    rpc = daemon.rpc()
    told = [e["data"] for e in rpc.call("events.list", {"types": ["swarm.shipment"], "from": 1, "limit": 100})["events"]]
    rpc.close()
    assert any("hourly limit" in e["reason"] for e in told) and any("secondary" in e["reason"] for e in told)
    limited = json.loads(daemon.ctl("--json", "limits", "ls").stdout)
    assert "github/write/" in json.dumps(limited)
    nothing_has_it(daemon, where)


@pytest.mark.parametrize("at", ["push", "open"])
def test_a_daemon_that_is_killed_in_between_makes_nothing_twice(world, at):
    daemon, forge, where = world
    deployed(world)
    forge.fault(at, "lost")
    shipment = daemon.ctl("swarm", "pr", "team", "--detach").stdout.strip()
    # The service has done it, nobody has heard of it, and the daemon dies.
    wait_until(lambda: not forge.faults, timeout=PATIENCE, what="the lost answer")
    daemon.kill()
    daemon.start()

    def over():
        [found] = json.loads(daemon.ctl("--json", "swarm", "shipments", "team").stdout)["shipments"]
        return found if found["state"] in ("done", "failed") else None

    found = wait_until(over, timeout=PATIENCE, what="the end of the shipment")
    assert found["id"] == shipment and found["state"] == "done", found
    assert len(forge.pulls["owner/team"]) == 1
    nothing_has_it(daemon, where)


def test_what_is_refused_says_why_and_makes_nothing(world):
    daemon, forge, where = world
    project, found = deployed(world)
    forge.fault("open", 422)
    refused = ship(daemon, "pr", "team", check=False)
    assert refused["state"] == "failed" and "refused by the test" in refused["reason"]
    forge.token = "another"
    denied = ship(daemon, "push", "team", "--remote", f"http://{forge.host}/owner/team.git", check=False)
    assert denied["state"] == "done" or "does not accept secret 'github'" in denied["reason"], denied
    assert denied["state"] == "failed"
    forge.token = TOKEN

    def said(*arguments):
        done = daemon.ctl("swarm", "push", "team", *arguments, check=False)
        assert done.returncode != 0
        return done.stderr

    assert "no remote 'nowhere'" in said("--remote", "nowhere")
    assert "OWNER/NAME" in said("--remote", f"http://{forge.host}/x")
    assert "in the clear" in said("--remote", "http://git.example.org/owner/team.git")
    assert "is neither http(s)" in said("--remote", "ftp://git.example.org/owner/team.git")
    # The branch holds somebody else's commits there.
    bare = forge.root / "owner/team.git"
    other = git(bare, "-c", "user.name=B", "-c", "user.email=b@example.org", "commit-tree", "-p", "main", "-m", "other",
                git(bare, "rev-parse", "main^{tree}"))
    git(bare, "update-ref", "refs/heads/swarm/team", other)
    theirs = ship(daemon, "push", "team", check=False)
    assert theirs["state"] == "failed" and "holds other commits" in theirs["reason"]
    assert forge.branch("owner/team", "swarm/team") == other
    assert forge.pulls["owner/team"] == []
    nothing_has_it(daemon, where)


def test_gits_credential_helper_is_asked_where_there_is_no_secret(world):
    daemon, forge, where = world
    daemon.ctl("secret", "rm", "github")
    store = daemon.home / "credentials"
    deployed(world)
    refused = ship(daemon, "push", "team", check=False)
    assert "swarmctl secret set github" in refused["reason"]
    store.write_text(f"http://x-access-token:{TOKEN}@{forge.host}\n")
    (daemon.home / ".gitconfig").write_text(f"[credential]\n\thelper = store --file {store}\n")
    opened = ship(daemon, "pr", "team")
    assert opened["parts"][0]["number"] == 1
    nothing_has_it(daemon, where, store)


def test_a_protected_path_waits_for_a_person_over_a_restart(world):
    daemon, forge, where = world
    deployed(world, (".github/workflows/ci.yml", "one.txt"), "team", "--pr")

    def shipment():
        return json.loads(daemon.ctl("--json", "swarm", "shipments", "team").stdout)["shipments"][0]

    waiting = wait_until(lambda: shipment() if shipment()["state"] == "approval" else None, timeout=PATIENCE,
                         what="the question")
    assert waiting["protected_paths"] == [".github/workflows/ci.yml"]
    assert forge.requests == []
    assert waiting["id"] in daemon.ctl("questions", "--swarm", "team").stdout
    daemon.kill()
    daemon.start()
    assert shipment()["state"] == "approval"
    rejected = daemon.ctl("reject", waiting["id"], "--reason", "not this one")
    assert "rejected" in rejected.stderr
    assert shipment()["state"] == "rejected" and "not this one" in shipment()["reason"]
    assert daemon.ctl("approve", waiting["id"], check=False).returncode != 0  # it was decided
    assert forge.requests == []

    asked = ship(daemon, "pr", "team", check=False)
    assert asked["state"] == "approval" and asked["id"] != waiting["id"]
    daemon.ctl("approve", asked["id"])
    wait_until(lambda: shipment()["state"] == "done", timeout=PATIENCE, what="the pull request")
    [pull] = forge.pulls["owner/team"]
    assert "Changes protected paths" in pull["body"] and ".github/workflows/ci.yml" in pull["body"]
    again = ship(daemon, "push", "team")  # the same commits: nobody is asked again
    assert again["state"] == "done"
    # A person let it go into one branch, not into every one.
    elsewhere = ship(daemon, "pr", "team", "--into", "release", check=False)
    assert elsewhere["state"] == "approval"
    listed = json.loads(daemon.ctl("--json", "questions").stdout)
    assert [each["id"] for each in listed["shipments"]] == [elsewhere["id"]] and listed["questions"] == []
    daemon.ctl("reject", elsewhere["id"])
    assert json.loads(daemon.ctl("--json", "questions").stdout)["shipments"] == []
    assert "protected path" in daemon.ctl("report", "team").stdout
    nothing_has_it(daemon, where)


def test_a_gate_of_a_workflow_file_waits_for_a_person_over_a_restart(world):
    daemon, forge, where = world
    project = make_project(where / "team", ["one.txt"])
    text = json.loads(daemon.ctl("--json", "workflow", "show", "autonomous-dev").stdout)["definition"]
    gate = '[[phase]]\nname = "release"\nkind = "approve"\nprompt = "May {{feature}} be delivered?"\n\n'
    delivery = text.index('[[phase]]\nname = "deliver"')
    (where / "gated.toml").write_text(text[:delivery].replace("autonomous-dev", "gated", 1) + gate + text[delivery:])
    daemon.ctl("deploy", "--repo", str(project), "--agents", "1", "--reviewers", "0", "--agent",
               "cmd:exec python3 -S agent.py", "--name", "team", "--feature", "Write it", "--test-command",
               "test -f agent.py", "--workflow", str(where / "gated.toml"), "--detach")

    def waiting():
        asked = daemon.ctl("--json", "questions", "--swarm", "team", check=False)  # refused until it has a sandbox
        return json.loads(asked.stdout)["questions"] if asked.returncode == 0 else []

    [question] = wait_until(waiting, timeout=PATIENCE, what="the question")
    assert question["kind"] == "gate" and question["text"].strip() == "May Write it be delivered?"
    assert git(project, "for-each-ref", "refs/heads/swarm") == ""
    daemon.kill()
    daemon.start()
    daemon.ctl("approve", question["id"], "--swarm", "team")

    def over():
        found = json.loads(daemon.ctl("--json", "swarm", "show", "team").stdout)
        return found if found["state"] in ("done", "failed", "ended") else None

    found = wait_until(over, timeout=PATIENCE, what="the end of the swarm")
    assert found["state"] == "done" and found["workflow"] == "gated", found
    assert git(project, "rev-parse", "swarm/team") == found["published"]


def two(world, wanted):
    """Two repositories with remotes, and a task over both."""
    daemon, forge, where = world
    projects = {"api": make_project(where / "api", wanted), "web": make_project(where / "web", [])}
    for name, project in projects.items():
        git(project, "remote", "add", "origin", forge.make(f"owner/{name}", project))
    return projects


def deploy_two(daemon, projects, agents=1):
    daemon.ctl("deploy", *[word for project in projects.values() for word in ("--repo", str(project))], "--agents",
               str(agents), "--reviewers", "0", "--agent", "cmd:exec python3 -S api/agent.py", "--name", "pair", "--feature",
               "Write what is wanted", "--test-command", "test -f web/agent.py && ! test -e web/bad", "--detach")


def pair_over(daemon):
    def over():
        found = json.loads(daemon.ctl("--json", "swarm", "show", "pair").stdout)
        return found if found["state"] in ("done", "failed", "ended") else None

    return wait_until(over, timeout=PATIENCE, what="the end of the swarm")


def branches(projects):
    return [git(project, "for-each-ref", "--format=%(refname)", "refs/heads/swarm") for project in projects.values()]


def test_one_task_over_two_repositories_lands_in_both_with_linked_pull_requests(world):
    daemon, forge, where = world
    projects = two(world, ["api/one.txt+web/one.txt", "web/two.txt"])
    deploy_two(daemon, projects)
    found = pair_over(daemon)
    assert found["state"] == "done", found["reason"]
    assert {repo["name"]: repo["published"] for repo in found["repos"]} == {
        name: git(project, "rev-parse", "swarm/pair") for name, project in projects.items()}
    assert git(projects["api"], "diff", "--name-only", "main", "swarm/pair") == "one.txt"
    assert git(projects["web"], "diff", "--name-only", "main", "swarm/pair") == "one.txt\ntwo.txt"
    for project in projects.values():
        assert git(project, "merge-base", "main", "swarm/pair") == git(project, "rev-parse", "main")
        assert "Swarm-Task: tsk_" in git(project, "log", "--format=%B", "main..swarm/pair")
        assert git(project, "fsck", "--strict", "--no-dangling") == ""
    assert "api/one.txt" in daemon.ctl("swarm", "diff", "pair", "--stat").stdout

    # The second is refused: the first is taken back.
    forge.fault("open:owner/web", 422)
    refused = ship(daemon, "pr", "pair", check=False)
    assert refused["state"] == "failed" and "refused by the test" in refused["reason"], refused
    assert [pull["state"] for pull in forge.pulls["owner/api"]] == ["closed"] and forge.pulls["owner/web"] == []
    assert forge.branch("owner/api", "swarm/pair") == forge.branch("owner/web", "swarm/pair") == ""

    # The second refuses what is pushed, which nobody could know before: the first is taken back.
    hook = forge.root / "owner/web.git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    refused = ship(daemon, "push", "pair", check=False)
    assert refused["state"] == "failed" and "owner/web" in refused["reason"], refused
    assert forge.branch("owner/api", "swarm/pair") == forge.branch("owner/web", "swarm/pair") == ""
    hook.unlink()

    # The first is opened and the daemon dies before it hears so: it is known to be ours, and taken back like the rest.
    forge.fault("open:owner/api", "lost")
    forge.fault("open:owner/web", 422)
    shipment = daemon.ctl("swarm", "pr", "pair", "--detach").stdout.strip()
    wait_until(lambda: len(forge.faults) == 1, timeout=PATIENCE, what="the lost answer")
    daemon.kill()
    daemon.start()

    def failed():
        [found] = [each for each in json.loads(daemon.ctl("--json", "swarm", "shipments", "pair").stdout)["shipments"]
                   if each["id"] == shipment]
        return found if found["state"] == "failed" else None

    wait_until(failed, timeout=PATIENCE, what="the end of the shipment")
    assert [pull["state"] for pull in forge.pulls["owner/api"]] == ["closed"] * 2 and forge.pulls["owner/web"] == []
    assert forge.branch("owner/api", "swarm/pair") == forge.branch("owner/web", "swarm/pair") == ""

    opened = ship(daemon, "pr", "pair")
    assert [part["repo"] for part in opened["parts"]] == ["api", "web"]
    [api] = [pull for pull in forge.pulls["owner/api"] if pull["state"] == "open"]
    [web] = forge.pulls["owner/web"]
    assert web["html_url"] in api["body"] and api["html_url"] in web["body"]
    nothing_has_it(daemon, where)


def test_what_fails_in_the_second_repository_moves_neither_branch(world):
    daemon, forge, where = world
    projects = two(world, ["api/one.txt+web/bad"])
    deploy_two(daemon, projects)
    rpc = daemon.rpc()

    def red():
        refused = rpc.call("events.list", {"types": ["swarm.merge_refused"], "from": 1, "limit": 10})["events"]
        return any(event["data"]["outcome"] == "red" for event in refused)

    wait_until(red, timeout=PATIENCE, what="a red test")
    rpc.close()
    daemon.ctl("shutdown", "pair")
    assert branches(projects) == ["", ""]
    daemon.ctl("swarm", "discard", "pair")

    # One repository refuses its branch: the other does not get it either.
    (projects["api"] / "wanted").write_text("api/one.txt+web/one.txt")
    git(projects["api"], "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qam", "wanted")
    other = git(projects["web"], "-c", "user.name=B", "-c", "user.email=b@example.org", "commit-tree", "-m", "other",
                "main^{tree}")
    git(projects["web"], "branch", "swarm/pair", other)
    deploy_two(daemon, projects)
    found = pair_over(daemon)
    assert found["state"] == "failed" and "holds commits" in found["reason"], found
    assert branches(projects) == ["", "refs/heads/swarm/pair"]
    assert git(projects["web"], "rev-parse", "swarm/pair") == other
    git(projects["web"], "branch", "-D", "swarm/pair")
    daemon.ctl("swarm", "fetch", "pair")  # what was merged is kept
    assert branches(projects) == ["refs/heads/swarm/pair"] * 2
