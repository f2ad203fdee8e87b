"""Messages in the conversation of the real GitHub Copilot CLI, full screen in a pane, against a scripted model. It has no
hooks of ours: what waits for it is pasted, and seen to be taken."""

import pytest

from conftest import wait_until
from model import ChatModel, text, tool
from talk import COPILOT, Office, Script, config, missing, texts

if why := missing(COPILOT / "copilot"):
    pytest.skip(why, allow_module_level=True)


@pytest.fixture
def office(new_daemon):
    script = Script(ChatModel)
    made = Office(new_daemon(config=config(script, [(COPILOT, "/opt/copilot")])), script)
    yield made
    made.rpc.close()
    script.model.close()


def said(office, words):
    return any(words in t for request in office.script.turns() for t in texts(request["messages"]))


def test_a_conversation(office):
    script = office.script
    script.will(tool(1, "bash", command="touch /tmp/first", description="make a file"), text("Done."))
    office.open("copilot", "Your brief: make the file", model="gpt-5")
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
    assert sum(t.count(f'"id":"{id}"') for t in texts(last["messages"])) == 1
    assert any("a word to you" in t for t in texts(last["messages"]))
