"""Real coding agents from npm in panes of a local sandbox, against a scripted model that they reach through a forwarded
port: no account, no network, no key."""

import json
import os
import pathlib
import tomllib

import pytest

from conftest import wait_until
from model import Model, text, tool

HERE = pathlib.Path(__file__).parent
CLAUDE = HERE / "node-agents/node_modules/@anthropic-ai/claude-code-linux-x64"
KINDS = HERE.parents[1] / "daemon/swarm/kinds/data"
KEY = "sk-swarm-placeholder"

if not (CLAUDE / "claude").exists():
    if os.environ.get("SWARM_REAL_AGENTS"):
        pytest.fail(f"{CLAUDE} is missing; 'npm ci' in {HERE / 'node-agents'} installs it", pytrace=False)
    pytest.skip("the coding agents are not installed; './dev test' does that", allow_module_level=True)


def last_user_text(request):
    """What the person, or whoever speaks for one, said last."""
    said = ""
    for message in request["messages"]:
        if message["role"] != "user":
            continue
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if block["type"] == "text" and not block["text"].startswith("<system-reminder>"):
                said = block["text"]
    return said


def answers_a_tool(request):
    content = request["messages"][-1]["content"]
    return isinstance(content, list) and any(block["type"] == "tool_result" for block in content)


def script(request):
    """Writes the file that the prompt names, then says so."""
    if not request.get("tools") or answers_a_tool(request):
        return [text("Done.")]
    said = last_user_text(request)
    for word in said.split():
        if word.startswith("write:"):
            return [tool(len(request["messages"]), "Write", file_path=word[6:], content=f"{said}\n")]
        if word.startswith("run:"):
            return [tool(len(request["messages"]), "Bash", command=f"touch {word[4:]}", description="make a file")]
    return [text("Understood.")]


@pytest.fixture
def model():
    made = Model(script)
    yield made
    made.close()


@pytest.fixture
def place(new_daemon, model):
    """A daemon whose sandboxes have Claude Code and reach the model: its connection, a sandbox, the model's URL inside."""
    daemon = new_daemon(config=f"""
[service.model]
port = {model.port}
[template.default]
bind = ["{CLAUDE}:/opt/claude"]
[template.default.env]
PATH = "/opt/claude:/opt/swarm/bin:/usr/local/bin:/usr/bin:/bin"
""")
    rpc = daemon.rpc()
    box = rpc.call("sandbox.create")["id"]
    forward = rpc.call("forward.open", {"sandbox": box, "direction": "to_host", "service": "model"})
    yield rpc, box, f"http://127.0.0.1:{forward['listen_port']}"
    rpc.close()


def kind(name, **values):
    """A kind's data file with its placeholders filled in, as the daemon does it."""
    data = tomllib.loads((KINDS / f"{name}.toml").read_text())

    def fill(words, escape=False):
        for key, value in values.items():
            words = words.replace("{" + key + "}", json.dumps(value)[1:-1] if escape else value)
        return words
    start = {mode: [fill(word) for word in words if word not in ("--model", "{model}")]
             for mode, words in data["start"].items()}
    env = {key: fill(value) for key, value in data["env"].items()}
    files = [{**f, "path": fill(f["path"]), "content": fill(f["content"], f.get("format") != "raw")}
             for f in data["files"]]
    return start, env, files, {**data["screen"], "kind": name}


def prepare(rpc, box, url, brief, agent=0):
    user, home, work = f"agent-{agent}", f"/home/agent-{agent}", f"/workspace/agent-{agent}"
    start, env, files, program = kind("claude", brief=brief, home=home, worktree=work, model_url=url, model_key=KEY,
                                      model_key_tail=KEY[-20:], swarm="/opt/swarm/bin/swarm")
    for directory, owner in ((home, user), (work, user)):
        line = f"mkdir -p {directory} && chown {owner}: {directory}"
        assert rpc.call("exec.start", {"sandbox": box, "command": line, "user": "0"})["status"]["exit_code"] == 0
    for file in files:
        rpc.call("files.write", {"sandbox": box, "path": file["path"], "data": file["content"].encode(), "parents": True,
                                 "mode": file.get("mode", 0o644), "user": "0" if file.get("root") else user})
    return start, env, program, user, work


def shown(rpc, box, pane="agent-0"):
    return rpc.call("pane.screen", {"sandbox": box, "pane": pane})["text"]


def has_file(rpc, box, path):
    reply = rpc.call("exec.start", {"sandbox": box, "command": f"cat {path}", "user": "0", "capture": True})
    return reply["stdout"] if reply["status"]["exit_code"] == 0 else None


def test_claude_code_works_in_a_pane(place, model):
    rpc, box, url = place
    start, env, program, user, work = prepare(rpc, box, url, "Your brief: write:/workspace/agent-0/first.txt")
    rpc.call("pane.open", {"sandbox": box, "pane": "agent-0", "user": user, "cwd": work, "env": env, "program": program,
                           "argv": start["full_screen"], "cols": 110, "rows": 32})

    # No dialog is in the way: the brief is its first turn, and the file is there.
    def first():
        state = rpc.call("pane.list", {"sandbox": box})["panes"][0]["state"]
        assert state not in ("permission", "logged_out", "crashed", "exited"), shown(rpc, box)
        return has_file(rpc, box, f"{work}/first.txt")
    assert "Your brief" in wait_until(first, timeout=90)
    rpc.call("pane.wait", {"sandbox": box, "pane": "agent-0", "states": ["ready"]})
    assert "Your brief" in last_user_text(model.turns()[0])

    # A prompt of many lines is one turn, verbatim, and seen to be taken.
    before = len(model.turns())
    prompt = "Now this:\n" + "\n".join(f"line {i} of a longer text" for i in range(40)) + f"\nrun:{work}/second.txt"
    reply = rpc.call("pane.prompt", {"sandbox": box, "pane": "agent-0", "text": prompt})
    assert reply["verified"]
    wait_until(lambda: has_file(rpc, box, f"{work}/second.txt") is not None, timeout=60)
    assert prompt in last_user_text(model.turns()[before])  # around it Claude Code says that it was pasted
    rpc.call("pane.wait", {"sandbox": box, "pane": "agent-0", "states": ["ready"]})

    # It crashes and goes on with its conversation.
    rpc.call("exec.start", {"sandbox": box, "command": "pkill -9 -u 2001 -x claude", "user": "0"})
    assert rpc.call("pane.wait", {"sandbox": box, "pane": "agent-0", "states": ["crashed"]})["signal"] == 9
    resume = [word if word != start["full_screen"][-1] else f"Go on: run:{work}/third.txt" for word in start["resume"]]
    before = len(model.turns())
    rpc.call("pane.restart", {"sandbox": box, "pane": "agent-0", "argv": resume})
    wait_until(lambda: has_file(rpc, box, f"{work}/third.txt") is not None, timeout=90)
    assert "Your brief" in json.dumps(model.turns()[before]["messages"])


def test_claude_code_does_one_thing_and_ends(place, model):
    rpc, box, url = place
    start, env, program, user, work = prepare(rpc, box, url, "Once: write:/workspace/agent-0/once.txt")
    reply = rpc.call("exec.start", {"sandbox": box, "argv": start["one_shot"], "env": env, "user": user, "cwd": work,
                                    "capture": True, "timeout_ms": 120000})
    assert reply["status"]["exit_code"] == 0, reply
    assert json.loads(reply["stdout"])["result"] == "Done."
    assert "Once" in has_file(rpc, box, f"{work}/once.txt")
    assert program["kind"] == "claude"
