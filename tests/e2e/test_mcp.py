"""`swarm mcp` with the official client from npm, and with what no client would send."""

import json
import os
import pathlib
import subprocess

import pytest

from conftest import BUILD
from test_node import modules  # noqa: F401: a fixture
from test_team import Team

SOURCE = pathlib.Path(__file__).parent / "node"


@pytest.fixture
def team(daemon):
    made = Team(daemon)
    if made.members[0]["identity"] != "enforced":
        pytest.skip("this machine gives one uid only")
    return made


def server(team, agent=0):
    return [str(BUILD / "bin/swarmctl"), "exec", "--user", f"agent-{agent}", team.sandbox, "swarm", "mcp"]


def test_the_official_client_uses_the_tools(team, modules):  # noqa: F811
    hello = team.json_as(1, "send", "agent-0", "--kind", "QUESTION", "hello?")["id"]
    assert team.swarm_as(1, "lock", "held.c", "--reason", "mine")[0] == 0
    calls = [["whoami", {}], ["agents", {}], ["inbox", {}], ["inbox", {}], ["ack", {"id": hello, "body": "yes"}],
             ["send", {"to": ["agent-1"], "body": "from a tool", "kind": "INFO"}],
             ["send", {"to": ["nobody"], "body": "x"}], ["lock", {"path": "src/a.c", "reason": "tool"}], ["locks", {}],
             ["note_put", {"key": "plan", "value": "first"}], ["note_get", {"key": "plan"}],
             ["lock", {"pth": "x"}], ["no_such_tool", {}]]
    done = subprocess.run(["node", SOURCE / "mcp.js", *server(team)], input=json.dumps(calls), capture_output=True,
                          text=True, timeout=90, env={**os.environ, **team.daemon.env, "PATH": os.environ["PATH"],
                                                      "NODE_PATH": str(modules)})
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out["server"]["name"] == "swarm" and "tools" in out["capabilities"]
    assert out["protocol"] in (None, "2025-11-25")
    tools = {tool["name"]: tool for tool in out["tools"]}
    assert {"send", "inbox", "ack", "lock", "unlock", "locks", "task_next", "task_done", "review_submit", "vote",
            "ask_human", "commit"} <= set(tools)
    for tool in tools.values():
        assert tool["description"] and tool["inputSchema"]["type"] == "object"
        assert not {"swarm", "idempotency_key"} & set(tool["inputSchema"]["properties"])
    assert tools["lock"]["inputSchema"]["required"] == ["path"]
    assert "QUESTION" in tools["send"]["inputSchema"]["properties"]["kind"]["enum"]
    assert tools["locks"]["annotations"]["readOnlyHint"] and not tools["lock"]["annotations"]["readOnlyHint"]

    whoami, agents, inbox, empty, ack, sent, unknown, lock, locks, put, got, slip, missing = out["results"]
    assert whoami["structuredContent"]["agent"] == "agent-0"
    assert json.loads(whoami["content"][0]["text"]) == whoami["structuredContent"]
    assert [a["id"] for a in agents["structuredContent"]["agents"]] == ["agent-0", "agent-1"]
    assert [m["message"]["body"] for m in inbox["structuredContent"]["letters"]] == ["hello?"]
    assert empty["structuredContent"]["letters"] == [] and not ack["isError"]
    assert unknown["isError"] and "agent-1" in unknown["content"][0]["text"]
    assert not lock["isError"] and locks["structuredContent"]["locks"][1]["reason"] == "tool"
    assert not put["isError"] and got["structuredContent"]["value"] == "first"
    assert slip["isError"] and "path" in slip["content"][0]["text"]
    assert missing["thrown"] == -32602
    assert out["order"] == ["whoami", "lock"]
    copy = team.rpc.call("message.show", {"id": hello})["deliveries"][0]
    assert (copy["state"], copy["seen_by"], copy["delivered_by"]) == ("acknowledged", "mcp", "mcp")
    letters = [m["message"]["body"] for m in team.json_as(1, "inbox")["letters"]]
    assert sorted(letters) == ["from a tool", "yes"] and not sent["isError"]


def test_what_no_client_would_send(team):
    def line(**message):
        return json.dumps({"jsonrpc": "2.0", **message}).encode()
    lines = [b"nonsense", b"[]", b"{}", b'{"id": {}, "method": "ping"}', b"\xff\xfe", b"[" * 200, b"7", b"",
             line(id=1, method="nothing"), line(id=2, method="tools/call", params={"name": 7}),
             line(id=3, method="tools/call", params={"name": "whoami", "arguments": [1]}),
             line(method="notifications/cancelled", params={"requestId": 99}), line(id=9, result={}),
             b'{"id": 4, "method": "ping", "params": {"x": "' + b"y" * 5_000_000 + b'"}}',
             line(id="last", method="ping"),
             line(id=5, method="initialize", params={"protocolVersion": "1999-01-01"})]
    done = subprocess.run(server(team), input=b"\n".join(lines) + b"\n", capture_output=True, timeout=60,
                          env=team.daemon.env)
    answers = [json.loads(one) for one in done.stdout.splitlines()]
    codes = [(one["id"], one["error"]["code"]) for one in answers if "error" in one]
    assert done.returncode == 0
    assert codes == [(None, -32700), (None, -32600), (None, -32600), (None, -32600), (None, -32700), (None, -32700),
                     (None, -32600), (1, -32601), (2, -32602), (3, -32602), (None, -32700)]
    assert [one["id"] for one in answers if "result" in one] == ["last", 5]
    assert answers[-1]["result"]["protocolVersion"] == "2025-11-25"
