"""The main job with the real Claude Code in every pane: a repository and a sentence go in, a branch comes back. The model
is scripted and sits on the host behind the daemon's gateway: it answers each role over several turns through the same
tools as a model would, and sees the key that no sandbox has."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import traceback

import pytest
from conftest import wait_until
from model import Model, text, tool

HERE = pathlib.Path(__file__).parent
CLAUDE = HERE / "node-agents/node_modules/@anthropic-ai/claude-code-linux-x64"
KEY = "sk-ant-the-real-one-0123456789abcdef"

if not (CLAUDE / "claude").exists():
    if os.environ.get("SWARM_REAL_AGENTS"):
        pytest.fail(f"{CLAUDE} is missing; 'npm ci' in {HERE / 'node-agents'} installs it", pytrace=False)
    pytest.skip("the coding agents are not installed; './dev test' does that", allow_module_level=True)

TASKS = ["one", "two", "three"]


def git(directory, *arguments):
    return subprocess.run(["git", "-c", "safe.directory=*", "-C", str(directory), *arguments], check=True,
                          capture_output=True, text=True).stdout.strip()


def make_project(directory):
    (directory / "tests").mkdir(parents=True)
    (directory / "numbers_").mkdir()
    (directory / "numbers_/__init__.py").write_text("")
    (directory / "tests/__init__.py").write_text("")
    (directory / "tests/test_there.py").write_text(
        "import unittest\n\n\nclass There(unittest.TestCase):\n    def test_there(self):\n        import numbers_\n")
    (directory / ".gitignore").write_text("__pycache__/\n")
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"],
                      ["-c", "user.name=A Person", "-c", "user.email=p@example.org", "commit", "-qm", "Begin"]):
        git(directory, *arguments)
    return directory


def blocks(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def result_text(block):
    content = block.get("content", "")
    return content if isinstance(content, str) else "".join(b.get("text", "") for b in content)


def last_result(request):
    """What the newest tool call gave, or nothing where the conversation waits for its first."""
    last = [b for b in blocks(request["messages"][-1]) if b["type"] == "tool_result"]
    return result_text(last[-1]) if last else None


def as_turn(said):
    """An answer of `swarm task next --json`."""
    try:
        turn = json.loads(said[said.index("{"):said.rindex("}") + 1])
    except ValueError:
        return None
    return turn if isinstance(turn, dict) and "next" in turn else None


def current(request):
    """The newest turn that was given in this conversation, and how many tool calls came after it."""
    after = 0
    for message in reversed(request["messages"]):
        for block in reversed(blocks(message)):
            if block["type"] != "tool_result":
                continue
            turn = as_turn(result_text(block))
            if turn is not None:
                return turn, after
            after += 1
    return None, after


class Mind:
    """What the model does. `patient`: it waits for work; else it ends its turn when there is none."""

    def __init__(self, patient):
        self.wait = "20s" if patient else "1s"
        self.patient = patient
        self.calls = 0
        self.mistakes = []  # of this script itself

    def bash(self, line):
        self.calls += 1
        return [text("Let me see."), tool(self.calls, "Bash", command=line, description="use the team's tools")]

    def use(self, name, **arguments):
        self.calls += 1
        return [tool(self.calls, name, **arguments)]

    def ask(self):
        return self.bash(f"swarm task next --wait {self.wait} --json")

    def __call__(self, request):
        try:
            return self.answer(request)
        except Exception:  # else only a broken connection would show
            self.mistakes.append(traceback.format_exc())
            return [text("I do not know what to do.")]

    def answer(self, request):
        if not request.get("tools"):
            return [text("ok")]
        said = last_result(request)
        if said is None:
            return self.ask()
        turn, after = current(request)
        if turn is None or turn["next"] == "nothing":
            return self.ask() if turn is None or self.patient else [text("There is nothing for me now.")]
        if turn["next"] == "ended":
            return [text("The run has ended.")]
        if turn["next"] == "review":
            return self.review(turn["review"], after, said)
        if turn["next"] == "vote":
            return self.ask() if after else self.bash(f"swarm vote cast {turn['proposal']} merge --reason 'it is fine'")
        return self.task(turn["task"], after, request)

    def review(self, review, after, said):
        if after == 0:
            return self.bash(f"swarm diff {review['commit']}")
        if after == 1:
            if "two" in review["title"] and '"""' not in said:
                return self.bash(f"swarm review submit {review['id']} --request-changes --summary 'it says nothing' "
                                 "--finding 'minor:numbers_/two.py:1:Say what it is for.'")
            return self.bash(f"swarm review submit {review['id']} --approve --summary 'I read it and ran it'")
        return self.ask()

    def task(self, task, after, request):
        number = task["id"]
        if task["kind"] == "answer":
            if after:
                return self.ask()
            if "lan" not in task["title"]:
                return self.bash(f"git log --oneline | head -3 && swarm task done {number} --answer 'unittest, a module a number'")
            adds = " && ".join(f"swarm task add 'Write {name}' --body '{name}' --file numbers_/{name}.py" for name in TASKS)
            return self.bash(f"{adds} && swarm task done {number} --answer 'a task for each number'")
        name = task["body"].strip()
        where = self.worktree(request)
        if task["attempt"] == 1:
            steps = [
                lambda: self.bash("swarm sync --json; pwd"),
                lambda: self.use("Write", file_path=f"{where}/numbers_/{name}.py", content=f"def value():\n    return None\n"),
                lambda: self.use("Edit", file_path=f"{where}/numbers_/{name}.py", old_string="return None",
                                 new_string=f"return {TASKS.index(name) + 1}"),
                lambda: self.use("Write", file_path=f"{where}/tests/test_{name}.py",
                                 content=f"import unittest\n\nfrom numbers_ import {name}\n\n\nclass It(unittest.TestCase):\n"
                                         f"    def test_value(self):\n        self.assertEqual({name}.value(), {TASKS.index(name) + 1})\n"),
                lambda: self.bash("python3 -B -m unittest discover -s tests -t ."),
            ]
        else:
            steps = [lambda: self.bash("swarm sync --json; pwd"),
                     lambda: self.use("Read", file_path=f"{where}/numbers_/{name}.py"),
                     lambda: self.use("Edit", file_path=f"{where}/numbers_/{name}.py", old_string="def value():\n",
                                      new_string=f'def value():\n    """The number {name}."""\n')]
        steps.append(lambda: self.bash(f"swarm commit -m {shlex.quote('Write ' + name)} --task {number} --run {task['run']} && "
                                       f"swarm task done {number} --summary 'made and tested'"))
        return steps[after]() if after < len(steps) else self.ask()

    @staticmethod
    def worktree(request):
        """As `pwd` said it in this conversation."""
        for message in request["messages"]:
            for block in blocks(message):
                if block["type"] == "tool_result":
                    for line in result_text(block).splitlines():
                        if line.startswith("/workspace/.worktrees/agent-"):
                            return line.strip()
        return "/nowhere"


@pytest.mark.parametrize("mode", ["full_screen", "one_shot"])
def test_claude_code_in_every_pane_brings_a_branch_back(new_daemon, tmp_path, mode):
    mind = Mind(patient=mode == "full_screen")
    model = Model(mind)
    daemon = new_daemon(config=f"""
[model.anthropic]
url = "http://127.0.0.1:{model.port}"
[secret.anthropic]
source = "command"
command = ["/bin/echo", "{KEY}"]
[template.default]
bind = ["{CLAUDE}:/opt/claude"]
[template.default.env]
PATH = "/opt/claude:/opt/swarm/bin:/usr/local/bin:/usr/bin:/bin"
""")
    project = make_project(tmp_path / "numbers")
    daemon.ctl("deploy", "--repo", str(project), "--agents", "4", "--agent", "claude", "--name", "team", "--feature",
               "Write the numbers", "--detach", *(["--one-shot"] if mode == "one_shot" else []))

    def info():
        return json.loads(daemon.ctl("--json", "swarm", "show", "team").stdout)

    def over():
        assert not mind.mistakes, mind.mistakes[0]
        found = info()
        return found if found["state"] in ("done", "failed", "ended") else None

    def screens():
        rpc = daemon.rpc()
        out = "\n".join(rpc.call("pane.screen", {"swarm": "team", "pane": f"agent-{i}"})["text"] for i in range(4))
        rpc.close()
        return out

    # No key is inside: not in a file, not in an environment.
    wait_until(lambda: len(model.turns()) > 4, timeout=120, what="the first words")
    rpc = daemon.rpc()
    box = info()["sandbox"]

    def inside(user, script, *words):
        return rpc.call("exec.start", {"sandbox": box, "user": user, "capture": True,
                                       "argv": ["python3", "-c", script, *words]})
    # Only an agent itself can read its environment.
    environ = ("import glob, os\nfor f in glob.glob('/proc/[0-9]*/environ'):\n"
               "  if os.stat(f).st_uid == os.getuid():\n    print(open(f, errors='replace').read().replace(chr(0), chr(10)))")
    environments = [inside(f"agent-{i}", environ)["stdout"] for i in range(4)]
    assert all("ANTHROPIC_BASE_URL=" in one and KEY[7:] not in one for one in environments)
    found = rpc.call("exec.start", {"sandbox": box, "user": "0", "capture": True,
                                    "command": f"grep -rls {KEY[7:]} /home /run /workspace /tmp /etc"})
    assert found["stdout"] == "", found["stdout"]
    # What agent-0 pays for, no other agent can use.
    url = re.search(r"^ANTHROPIC_BASE_URL=(.+)$", environments[0], re.M)[1]
    head = "import sys, urllib.request as u; print(u.urlopen(u.Request(sys.argv[1], method='HEAD')).status)"
    mine, theirs = inside("agent-0", head, url), inside("agent-1", head, url)
    assert mine["stdout"].strip() == "200", mine
    assert "ConnectionResetError" in theirs["stderr"], theirs
    rpc.close()
    try:
        end = wait_until(over, timeout=300, what="the end of the swarm")
    except TimeoutError:
        raise AssertionError(f"{info()}\n{screens()}\n{daemon.log.read_text()[-3000:]}") from None
    assert end["state"] == "done", end["reason"]

    where = tmp_path / "result"
    git(project, "worktree", "add", "--detach", str(where), "swarm/team")
    ran = subprocess.run(["/usr/bin/python3", "-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."], cwd=where,
                         capture_output=True, text=True)
    assert ran.returncode == 0 and "Ran 4 tests" in ran.stderr, ran.stderr
    assert '"""The number two."""' in (where / "numbers_/two.py").read_text()  # what the review asked for
    history = git(project, "log", "--format=%B", "main..swarm/team")
    assert history.count("Swarm-Attempt:") == 3 and "Reviewed-by: agent-" in history
    # Every call carried the host's key, and what was used is booked for the agents.
    assert set(model.keys) == {KEY}
    spent = json.loads(daemon.ctl("--json", "cost", "summary", "--by", "agent").stdout)
    assert "agent-0" in json.dumps(spent) and json.dumps(spent).count("agent-") >= 2, spent
    briefs = {b["text"] for request in model.turns() for b in blocks(request["messages"][0]) if b["type"] == "text"
              and "What the team shall make: Write the numbers" in b["text"]}
    for i in range(4):
        assert any(f"You are agent-{i} " in brief for brief in briefs)
    model.close()
