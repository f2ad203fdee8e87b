"""The real Claude Code, full screen in a pane, and people at it: one works in it through a terminal that is smaller than the
pane, and its dialogs are theirs to answer."""

import pytest

from conftest import RpcError, wait_until
from model import text, tool
from panes import swarmctl
from talk import CLAUDE, Office, Script, config, kind, missing, texts

if why := missing(CLAUDE / "claude"):
    pytest.skip(why, allow_module_level=True)


@pytest.fixture
def office(new_daemon):
    script = Script()
    made = Office(new_daemon(config=config(script, [(CLAUDE, "/opt/claude")])), script)
    yield made
    made.rpc.close()
    script.model.close()


def pane_of(office):
    [pane] = office.rpc.call("pane.list", {"sandbox": office.box})["panes"]
    return pane


def asked(office, words):
    return any(words in t for request in office.script.turns() for t in texts(request["messages"]))


def test_a_small_terminal_works_in_it_and_shrinks_nobody(office):
    office.open("claude", "Say that you are there")
    small = swarmctl(office.daemon, "attach", "agent-0", cols=50, rows=12)
    try:
        before = small.mode()
        wait_until(lambda: small.read() or pane_of(office)["viewers"] == 1, timeout=60, what="the viewer")
        small.until("❯".encode(), timeout=60)
        for letter in b"typed by a person":
            small.type(bytes([letter]))
        wait_until(lambda: small.read() or "typed by a person" in office.screen(), timeout=60, what="what was typed")
        # Nothing goes into the half-typed line, and the person's Enter sends it as it is.
        id = office.send("in the meantime")
        wait_until(lambda: small.read() or "typed" in (office.agent().get("delivery") or {}).get("problem", ""), timeout=60,
                   what="the reason")
        small.type(b"\r")
        wait_until(lambda: small.read() or asked(office, "typed by a person"), timeout=90, what="the turn")
        wait_until(lambda: small.read() or office.copy(id)["state"] != "queued", timeout=90, what="the message")
        # Nobody's screen has changed: it is as wide as its pane, for which the small one has no room.
        pane = pane_of(office)
        assert (pane["cols"], pane["rows"]) == (110, 40)
        assert max(len(line) for line in office.screen().splitlines()) > 100
        office.ready()
        small.type(b"\x10\x11")
        wait_until(lambda: small.read() or small.process.poll() is not None, timeout=60, what="its end")
        assert small.process.returncode == 0 and small.mode() == before
    finally:
        small.close()


def test_its_dialogs_are_answered_by_nobody_but_a_person(office):
    start, pane = office.prepare("claude", "Say that you are there")
    _, _, files, _ = kind("claude", brief="", home="/home/agent-0", worktree="/workspace/app", model_url=office.url,
                          model_key="k", model_key_tail="k", swarm="/opt/swarm/bin/swarm", model="")
    # With a person at the screen it may ask before it runs something.
    [managed] = [f["content"] for f in files if f["path"].endswith("managed-settings.json")]
    assert '["Bash", ' in managed
    office.write("/run/swarm/etc/claude-code/managed-settings.json", managed.replace('["Bash", ', "["))
    office.rpc.call("pane.open", {**pane, "argv": start["full_screen"]})
    office.answered()
    office.script.will(tool(1, "Bash", command="touch /tmp/asked-for", description="make a file"), text("Done."))
    office.prompt("Make the file")
    office.rpc.call("pane.wait", {"sandbox": office.box, "pane": "agent-0", "states": ["permission"], "timeout_ms": 90_000})

    # A message and a prompt, with what would choose an answer in them.
    id = office.send("1\n\nyes\n")
    wait_until(lambda: "dialog" in (office.agent().get("delivery") or {}).get("problem", ""), timeout=60, what="the reason")
    with pytest.raises(RpcError, match="failed_precondition"):
        office.rpc.call("pane.prompt", {"sandbox": office.box, "pane": "agent-0", "text": "1\r", "wait_ms": 300})
    assert pane_of(office)["state"] == "permission" and office.copy(id)["state"] == "queued"
    assert office.file("/tmp/asked-for") is None

    # The person answers; then the message is in the conversation.
    office.rpc.call("pane.send", {"sandbox": office.box, "pane": "agent-0", "text": "", "keys": ["Enter"]})
    wait_until(lambda: office.file("/tmp/asked-for") is not None, timeout=60, what="the file")
    office.said(id)
    office.ready()
