"""Messages and locks in the conversation of the real Codex, full screen in a pane, against a scripted model."""

import pytest

from conftest import wait_until
from model import ResponsesModel, text, tool
from talk import CODEX, Office, Script, config, missing, texts, times

if why := missing(CODEX / "codex"):
    pytest.skip(why, allow_module_level=True)

MODEL = "gpt-5.5"  # one that the program knows to be given its tool for patches


@pytest.fixture
def office(new_daemon):
    script = Script(ResponsesModel)
    made = Office(new_daemon(config=config(script, [(CODEX, "/opt/codex")])), script)
    yield made
    made.rpc.close()
    script.model.close()


def run(number, command):
    return tool(number, "exec_command", cmd=command)


def add_file(number, path):
    return tool(number, "apply_patch", patch=f"*** Begin Patch\n*** Add File: {path}\n+text\n*** End Patch\n")


def test_a_conversation(office):
    script, ids = office.script, []
    script.will(add_file(1, "src/a.c"), text("Written."))
    start = office.open("codex", "Your brief: write a.c", model=MODEL)
    first = script.turns()[0]
    assert any("Your brief: write a.c" in t for t in texts(first)) and any("You are agent-0" in t for t in texts(first))
    wait_until(lambda: office.file("/workspace/app/src/a.c"), what="the file")
    office.ready()
    locks = office.rpc.call("lock.list", {"swarm": "talk"})["locks"]
    assert [(one["agent"], one["path"]) for one in locks] == [("agent-0", "src/a.c")]

    # What another has locked it cannot change.
    assert office.run("agent-1", "swarm lock /workspace/app/src/b.c --reason 'rewriting it'")["status"]["exit_code"] == 0
    script.will(add_file(2, "src/b.c"), text("I cannot."))
    before = len(script.turns())
    office.prompt("Now change b.c")
    refused = wait_until(lambda: script.turns()[before + 1:], what="the refusal")[0]
    assert any("agent-1" in t and "rewriting it" in t for t in texts(refused["input"][-2:])), refused["input"][-2:]
    assert office.file("/workspace/app/src/b.c") is None
    office.ready()

    # A message while a tool runs, and one while it is idle.
    script.will(run(3, "touch /tmp/runs; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo went-to-its-end"),
                text("Done."))
    office.prompt("Run it")
    wait_until(lambda: office.file("/tmp/runs") is not None, what="the tool")
    ids.append(office.send("while you work"))
    assert office.copy(ids[0])["state"] == "queued"
    office.run("agent-0", "touch /tmp/go")
    office.said(ids[0])
    office.ready()
    assert any("went-to-its-end" in t for t in texts(script.turns()[-1]["input"]))
    assert office.copy(ids[0])["delivered_by"].startswith("hook:")
    ids.append(office.send("while you are idle"))
    office.said(ids[1])
    assert office.copy(ids[1])["delivered_by"] == "hook:UserPromptSubmit"
    office.ready()

    office.kill_agentd()
    ids.append(office.send("after agentd"))
    office.said(ids[2])
    office.ready()

    office.run("root", "pkill -9 -u 2001 -x codex")
    office.rpc.call("pane.wait", {"sandbox": office.box, "pane": "agent-0", "states": ["crashed"]})
    ids.append(office.send("while you are away"))
    resume = [word if word != start["full_screen"][-1] else "Go on" for word in start["resume"]]
    office.rpc.call("pane.restart", {"sandbox": office.box, "pane": "agent-0", "argv": resume})
    office.said(ids[3])
    office.ready()
    assert any("Your brief: write a.c" in t for t in texts(script.turns()[-1]["input"]))
    for id in ids:
        assert all(times(request, id) <= 1 for request in script.turns()), id
        assert times(script.turns()[-1], id) == 1, id
