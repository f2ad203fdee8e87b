"""Messages and locks in the conversation of the real Claude Code, full screen in a pane, against a scripted model."""

import json
import os

import pytest

from conftest import wait_until
from model import text, tool
from talk import CLAUDE, Office, Script, config, missing, texts, times

if why := missing(CLAUDE / "claude"):
    pytest.skip(why, allow_module_level=True)


@pytest.fixture
def office(new_daemon):
    script = Script()
    made = Office(new_daemon(config=config(script, [(CLAUDE, "/opt/claude")])), script)
    # An agent that does not want to be reached.
    made.write("/home/agent-0/.claude/settings.json", '{"disableAllHooks": true}', "agent-0")
    yield made
    made.rpc.close()
    script.model.close()


def bash(number, command):
    return tool(number, "Bash", command=command, description="run it")


def write(number, path):
    return tool(number, "Write", file_path=path, content="text\n")


def all_ids_once(office, ids):
    for request in office.script.turns():
        for id in ids:
            assert times(request, id) <= 1, (id, times(request, id))
    for id in ids:
        assert times(office.script.turns()[-1], id) == 1, id


def test_a_wake_up_for_nothing_leaves_no_trace(office):
    """Claude Code gives a prompt that its hook stopped back into the composer."""
    office.open("claude", "Your brief")
    before = len(office.script.turns())
    office.prompt("[swarm] There are new messages for you.")
    wait_until(lambda: "have been read already" in office.screen(), what="the stopped prompt")
    office.ready()
    assert office.screen().rstrip().split("\n")[-3].strip() == "❯"
    assert len(office.script.turns()) == before and office.agent()["state"] == "idle"
    id = office.send("it can still be woken")
    office.said(id)
    office.ready()


def test_a_conversation(office):
    script = office.script
    ids = []

    # It starts with no dialog in the way, has its brief, and its edit takes the lock.
    script.will(write(1, "/workspace/app/src/a.c"), text("Written."))
    start = office.open("claude", "Your brief: write a.c")
    first = script.turns()[0]
    assert any("Your brief: write a.c" in t for t in texts(first)) and any("You are agent-0" in t for t in texts(first))
    wait_until(lambda: office.file("/workspace/app/src/a.c"), what="the file")
    office.ready()
    locks = office.rpc.call("lock.list", {"swarm": "talk"})["locks"]
    assert [(one["agent"], one["path"]) for one in locks] == [("agent-0", "src/a.c")]

    # What another has locked it cannot change, and its model is told by whom and why.
    assert office.run("agent-1", "swarm lock /workspace/app/src/b.c --reason 'rewriting it'")["status"]["exit_code"] == 0
    script.will(write(2, "/workspace/app/src/b.c"), text("I cannot."))
    before = len(script.turns())
    office.prompt("Now change b.c")
    refused = wait_until(lambda: script.turns()[before + 1:], what="the refusal")[0]
    assert any("agent-1" in t and "rewriting it" in t for t in texts(refused["messages"][-1])), refused["messages"][-1]
    assert office.file("/workspace/app/src/b.c") is None
    office.ready()

    # A message while a tool runs: the tool goes on, and the message is in the next request.
    script.will(bash(3, "touch /tmp/runs; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo went-to-its-end"),
                text("Done."))
    office.prompt("Run it")
    wait_until(lambda: office.file("/tmp/runs") is not None, what="the tool")
    ids.append(office.send("while you work", kind="QUESTION"))
    assert office.copy(ids[0])["state"] == "queued"
    office.run("agent-0", "touch /tmp/go")
    request = office.said(ids[0])
    assert any(t.strip() == "went-to-its-end" for t in texts(request["messages"]))
    assert office.copy(ids[0])["delivered_by"] == "hook:PostToolUse"
    office.ready()

    # One while it is idle wakes it; it acknowledges.
    def acknowledge(request):
        return [bash(4, f"swarm ack {ids[1][:20]} understood")]
    ids.append("")
    script.will(acknowledge, text("Acknowledged."))
    ids[1] = office.send("while you are idle", kind="QUESTION")
    office.said(ids[1])
    assert office.copy(ids[1])["delivered_by"] == "hook:UserPromptSubmit"
    # Its transcript, which is written a little later, has the first one by now.
    wait_until(lambda: office.copy(ids[0])["state"] == "seen", what="the proof")
    assert office.copy(ids[0])["seen_by"] == "transcript"
    wait_until(lambda: office.copy(ids[1])["state"] == "acknowledged", what="the acknowledgement")
    office.ready()

    # agentd ends; the program runs on, and is reached by the one that comes after.
    pid = office.rpc.call("pane.list", {"sandbox": office.box})["panes"][0]["pid"]
    office.kill_agentd()
    assert office.rpc.call("pane.list", {"sandbox": office.box})["panes"][0]["pid"] == pid
    ids.append(office.send("after agentd"))
    office.said(ids[2])
    office.ready()

    # Its program crashes. What comes meanwhile waits, visibly, and is there when it goes on with its conversation.
    office.run("root", "pkill -9 -u 2001 -x claude")
    office.rpc.call("pane.wait", {"sandbox": office.box, "pane": "agent-0", "states": ["crashed"]})
    ids.append(office.send("while you are away"))
    wait_until(lambda: (office.agent().get("delivery") or {}).get("problem"), what="the reason")
    assert "no program" in office.agent()["delivery"]["problem"] and office.copy(ids[3])["state"] == "queued"
    resume = [word if word != start["full_screen"][-1] else "Go on" for word in start["resume"]]
    office.rpc.call("pane.restart", {"sandbox": office.box, "pane": "agent-0", "argv": resume})
    office.said(ids[3])
    office.ready()
    assert any("Your brief: write a.c" in t for t in texts(script.turns()[-1]["messages"]))
    all_ids_once(office, ids)

    # Nobody is bothered with what was read already.
    before = len(script.turns())
    assert office.agent()["unread"] == 0
    wait_until(lambda: office.agent()["delivery"].get("problem", "") == "", what="no problem any more")
    with pytest.raises(TimeoutError):
        wait_until(lambda: len(script.turns()) > before, timeout=5)


def test_without_its_hooks_it_is_not_reached(office):
    """The proof that it is the hooks that deliver: nothing is said to have arrived, and everybody can see why."""
    start, pane = office.prepare("claude", "Say that you are there")
    office.write("/run/swarm/etc/claude-code/managed-settings.json", "{}")
    office.rpc.call("pane.open", {**pane, "argv": start["full_screen"]})
    office.ready()
    id = office.send("can you hear me?")
    wait_until(lambda: (office.agent().get("delivery") or {}).get("failures"), timeout=60, what="the failure")
    assert "hooks did not ask" in office.agent()["delivery"]["problem"]
    assert office.copy(id)["state"] == "queued"
    assert all(times(request, id) == 0 for request in office.script.turns())


def test_nothing_lands_in_what_somebody_types(office):
    office.open("claude", "Say that you are there")
    # Its swarm is there as MCP tools too, and they know who it is.
    office.script.will(tool(9, "mcp__swarm__whoami"), text("I am agent-0."))
    office.prompt("Who are you?")
    answer = wait_until(lambda: office.script.turns()[2:], what="the answer of the tool")[0]
    assert any('"agent":"agent-0"' in t for t in texts(answer["messages"])), answer["messages"][-2:]
    office.ready()
    turns = len(office.script.turns())
    office.rpc.call("pane.send", {"sandbox": office.box, "pane": "agent-0", "text": "half a sentence"})
    wait_until(lambda: office.rpc.call("pane.list", {"sandbox": office.box})["panes"][0]["state"] == "typing",
               what="the half sentence")
    id = office.send("not now")
    wait_until(lambda: "typed" in (office.agent().get("delivery") or {}).get("problem", ""), what="the reason")
    assert office.copy(id)["state"] == "queued" and len(office.script.turns()) == turns
    assert "half a sentence" in office.screen() and "[swarm]" not in office.screen()
    office.rpc.call("pane.send", {"sandbox": office.box, "pane": "agent-0", "text": "", "keys": ["C-u"]})
    request = office.said(id)
    assert not any("half a sentence" in t for t in texts(request["messages"][-1]))

    # A prompt of 64 KB and many lines is one turn.
    office.ready()
    turns = len(office.script.turns())
    long = "\n".join(f"line {i} " + "x" * 50 for i in range(1100))
    assert len(long) > 64 * 1024
    assert office.prompt(long)["verified"]
    wait_until(lambda: len(office.script.turns()) > turns, what="the turn")
    office.ready()
    assert len(office.script.turns()) == turns + 1
    assert any(long in t for t in texts(office.script.turns()[-1]["messages"][-1]))
    assert json.dumps(office.script.turns()[-1]["messages"][-1]).count("line 1099 ") == 1


def test_several_at_once(office):
    """Each in a pane of its own; a message to all, one to each, and none twice."""
    count = 8 if os.environ.get("SWARM_SOAK") else 3
    for i in range(2, count):
        office.rpc.call("team.join", {"swarm": "swm_talk", "agent": f"agent-{i}", "role": "implement"})
    for i in range(count):
        office.open("claude", f"You are number {i}", agent=i, settle=False)
    wait_until(lambda: len(office.script.turns()) >= count, timeout=180, what="their briefs")
    for i in range(count):
        office.ready(i)
    everybody = office.rpc.call("message.send", {"swarm": "talk", "all": True, "body": "to all"})["id"]
    own = [office.send(f"to {i}", to=f"agent-{i}") for i in range(count)]

    def states(id):
        return {d["state"] for d in office.rpc.call("message.show", {"swarm": "talk", "id": id})["deliveries"]}
    wait_until(lambda: "queued" not in states(everybody).union(*(states(id) for id in own)), timeout=180,
               what="their delivery")
    for i in range(count):
        office.ready(i)

    def last(i):
        return [r for r in office.script.turns() if any(f"You are number {i}" in t for t in texts(r["messages"]))][-1]
    for i, id in enumerate(own):
        wait_until(lambda: times(last(i), id) == 1 and times(last(i), everybody) == 1, timeout=60, what=f"agent-{i}")
        assert sum(times(last(i), other) for other in own) == 1
