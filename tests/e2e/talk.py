"""A team with real coding agents: what the tests of their conversations share."""

import collections
import json
import os
import pathlib
import tomllib

from conftest import RpcError, wait_until
from model import Model, text

HERE = pathlib.Path(__file__).parent
MODULES = HERE / "node-agents/node_modules"
CLAUDE = MODULES / "@anthropic-ai/claude-code-linux-x64"
CODEX = MODULES / "@openai/codex/vendor/x86_64-unknown-linux-musl/bin"
COPILOT = MODULES / "@github/copilot-linux-x64"
GEMINI = MODULES / "@google/gemini-cli"
KINDS = HERE.parents[1] / "daemon/swarm/kinds/data"
KEY = "sk-swarm-placeholder"


def missing(program):
    """Why a test that needs the program cannot run; None when it can."""
    if program.exists():
        return None
    assert not os.environ.get("SWARM_REAL_AGENTS"), f"{program} is missing; 'npm ci' in {HERE / 'node-agents'}"
    return "the coding agents are not installed; './dev test' does that"


def kind(name, **values):
    """A kind's data file with its placeholders filled in, as the daemon does it."""
    data = tomllib.loads((KINDS / f"{name}.toml").read_text())

    def fill(words, escape=False):
        for key, value in values.items():
            words = words.replace("{" + key + "}", json.dumps(value)[1:-1] if escape else value)
        return words
    without = () if values.get("model") else ("--model", "{model}")
    start = {mode: [fill(word) for word in words if word not in without]
             for mode, words in data["start"].items()}
    env = {key: fill(value) for key, value in data["env"].items()}
    files = [{**f, "path": fill(f["path"]), "content": fill(f["content"], f.get("format") != "raw")}
             for f in data["files"]]
    return start, env, files, {**data["screen"], "kind": name, "delivery": data["delivery"]}


def in_conversation(request):
    """Not one for a title or the like, which offers no tools, or one."""
    return len(request.get("tools") or []) > 1


class Script:
    """A model that gives the answers of a list, one for each request of the conversation; then it has nothing to say."""

    def __init__(self, model=Model):
        self.answers = collections.deque()
        self.model = model(self.answer)

    def answer(self, request):
        if not in_conversation(request) or not self.answers:
            return [text("Done.")]
        next_one = self.answers.popleft()
        return next_one(request) if callable(next_one) else next_one

    def will(self, *answers):
        """Each a list of blocks, or a function of the request."""
        self.answers.extend([a] if isinstance(a, dict) else a for a in answers)

    def turns(self):
        return [request for request in self.model.turns() if in_conversation(request)]


def texts(value):
    """Every string in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def times(request, id):
    """How often a message is in the conversation."""
    return sum(t.count(f'"id":"{id}"') for t in texts(request.get("messages") or request.get("input")))


class Office:
    """A sandbox with a team, a repository, a model behind a forwarded port, and real programs."""

    def __init__(self, daemon, script, agents=2):
        self.daemon, self.script = daemon, script
        self.rpc = daemon.rpc()
        self.box = self.rpc.call("sandbox.create")["id"]
        self.rpc.call("team.open", {"sandbox": self.box, "swarm": "swm_talk", "name": "talk",
                                    "messages_per_minute": 100_000})
        for i in range(agents):
            self.rpc.call("team.join", {"swarm": "swm_talk", "agent": f"agent-{i}", "role": "implement"})
        forward = self.rpc.call("forward.open", {"sandbox": self.box, "direction": "to_host", "service": "model"})
        self.url = f"http://127.0.0.1:{forward['listen_port']}"
        self.run("root", "mkdir -p /workspace/app/.git /workspace/app/src && chmod -R 777 /workspace/app")

    def run(self, user, command):
        return self.rpc.call("exec.start", {"sandbox": self.box, "command": command, "user": user, "capture": True})

    def file(self, path):
        reply = self.run("root", f"cat {path}")
        return reply["stdout"] if reply["status"]["exit_code"] == 0 else None

    def write(self, path, content, user="0", mode=0o644):
        self.rpc.call("files.write", {"sandbox": self.box, "path": path, "data": content.encode(), "parents": True,
                                      "mode": mode, "user": user})

    def prepare(self, name, brief, agent=0, model=""):
        """The kind's files are there; what to start."""
        user, home = f"agent-{agent}", f"/home/agent-{agent}"
        start, env, files, program = kind(name, brief=brief, home=home, worktree="/workspace/app",
                                          model_url=self.url, model_key=KEY, model_key_tail=KEY[-20:],
                                          swarm="/opt/swarm/bin/swarm", model=model)
        for file in files:
            self.write(file["path"], file["content"], "0" if file.get("root") else user, file.get("mode", 0o644))
        return start, {"pane": user, "user": user, "cwd": "/workspace/app", "env": env, "program": program,
                       "sandbox": self.box, "cols": 110, "rows": 40}

    def open(self, name, brief, agent=0, settle=True, model=""):
        start, pane = self.prepare(name, brief, agent, model)
        self.rpc.call("pane.open", {**pane, "argv": start["full_screen"]})
        if settle:
            self.answered(agent)
        return start

    def ready(self, agent=0, timeout=120_000):
        try:
            self.rpc.call("pane.wait", {"sandbox": self.box, "pane": f"agent-{agent}", "states": ["ready"],
                                        "timeout_ms": timeout})
        except (RpcError, TimeoutError) as error:
            rpc = self.daemon.rpc()
            pane = {"sandbox": self.box, "pane": f"agent-{agent}"}
            raise AssertionError(f"{error}\n{rpc.call('pane.list', {'sandbox': self.box})}\n"
                                 f"{rpc.call('pane.screen', pane)['text']}") from None
        wait_until(lambda: not (self.agent(agent).get("delivery") or {}).get("in_turn"), timeout=90,
                   what="the end of its turn")

    def answered(self, agent=0, before=0):
        """Its model was asked more than `before` times, and its turn is over."""
        try:
            wait_until(lambda: len(self.script.turns()) > before, timeout=90, what="a turn")
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.screen(agent)}") from None
        return self.ready(agent)

    def screen(self, agent=0):
        return self.rpc.call("pane.screen", {"sandbox": self.box, "pane": f"agent-{agent}"})["text"]

    def prompt(self, words, agent=0):
        return self.rpc.call("pane.prompt", {"sandbox": self.box, "pane": f"agent-{agent}", "text": words})

    def send(self, body, to="agent-0", **more):
        return self.rpc.call("message.send", {"swarm": "talk", "to": [to], "body": body, **more})["id"]

    def copy(self, id):
        return self.rpc.call("message.show", {"swarm": "talk", "id": id})["deliveries"][0]

    def agent(self, agent=0):
        return self.rpc.call("agent.info", {"swarm": "talk", "agent": f"agent-{agent}"})

    def said(self, id, timeout=60):
        """Waits until the message is in the conversation."""
        try:
            return wait_until(lambda: next((r for r in self.script.turns() if times(r, id)), None), timeout,
                              f"message {id}")
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.copy(id)}\n{self.agent()}\n{self.screen()}") from None

    def kill_agentd(self):
        before = self.agentd()
        assert before
        try:
            self.run("root", f"kill -9 {before}")
        except RpcError:
            pass
        wait_until(lambda: self.agentd() not in ("", before), what="agentd after its end")

    def agentd(self):
        """Its process; empty while it does not answer."""
        look = ("for p in /proc/[0-9]*; do if tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q 'agentd ru[n]'"
                " && [ ${p#/proc/} != 1 ]; then echo ${p#/proc/}; fi; done")
        try:
            return self.run("root", look)["stdout"].split("\n")[0]
        except RpcError:
            return ""


def config(script, binds):
    lines = [f"[service.model]\nport = {script.model.port}", "[template.default]",
             "bind = [" + ", ".join(f'"{source}:{target}"' for source, target in binds) + "]",
             "[template.default.env]",
             'PATH = "' + ":".join(target for _, target in binds) + ':/opt/swarm/bin:/usr/local/bin:/usr/bin:/bin"']
    return "\n".join(lines)
