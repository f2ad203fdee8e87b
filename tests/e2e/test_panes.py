"""Panes: agents' programs in tmux inside a real sandbox."""

import json
import os
import random
import statistics
import time

import pytest

from conftest import RpcError, wait_until
from panes import COMPOSER, PROGRAM, clean, swarmctl


@pytest.fixture
def box(rpc):
    return rpc.call("sandbox.create", {"name": "panes"})["id"]


def run(rpc, box, line, user="0"):
    """A shell line inside; its output."""
    reply = rpc.call("exec.start", {"sandbox": box, "command": line, "user": user, "capture": True,
                                    "capture_limit_bytes": 16 << 20})
    assert not reply.get("stdout_dropped_bytes")
    return reply["stdout"]


def open_composer(rpc, box, pane="agent-0", user="2001", pace="0"):
    rpc.call("files.write", {"sandbox": box, "path": "/tmp/composer.py", "data": COMPOSER.encode(), "mode": 0o644})
    info = rpc.call("pane.open", {
        "sandbox": box, "pane": pane, "user": user, "cwd": "/tmp", "program": PROGRAM,
        "argv": ["/usr/bin/python3", "/tmp/composer.py", f"/tmp/{pane}.record", pace]})
    assert rpc.call("pane.wait", {"sandbox": box, "pane": pane, "states": ["ready"]})["state"] == "ready"
    return info


def record(rpc, box, pane="agent-0"):
    return [json.loads(line) for line in run(rpc, box, f"cat /tmp/{pane}.record").splitlines()]


def agentd_pid(rpc, box):
    return run(rpc, box, "pgrep -f '^/opt/swarm/lib/ld.so.*[a]gentd run'").strip()


def test_each_agent_has_a_window_of_its_own_size_and_runs_as_itself(rpc, box):
    for i in range(3):
        info = rpc.call("pane.open", {"sandbox": box, "pane": f"agent-{i}", "user": str(2001 + i), "cols": 90 + i,
                                      "rows": 20 + i, "argv": ["/bin/sh", "-c", "id -u; tty; stty size; exec sleep 1000"]})
        assert info["running"] and info["uid"] == 2001 + i
    for i in range(3):
        def text(i=i):
            shown = rpc.call("pane.screen", {"sandbox": box, "pane": f"agent-{i}"})["text"]
            return shown if f"{20 + i} {90 + i}" in shown else None
        assert wait_until(text).split()[0] == str(2001 + i)
    tmux = run(rpc, box, "tmux -S /run/swarm/panes/tmux list-panes -a -F '#{session_name} #{window_name} #{pane_dead}'")
    assert tmux.splitlines() == [f"claude-swarm agent-{i} 0" for i in range(3)]
    assert [p["pane"] for p in rpc.call("pane.list", {"sandbox": box})["panes"]] == ["agent-0", "agent-1", "agent-2"]


def test_a_screen_is_waited_for_until_it_shows_something_else(daemon, rpc, box):
    rpc.call("pane.open", {"sandbox": box, "pane": "a", "argv": ["/bin/cat"]})
    here = {"sandbox": box, "pane": "a"}
    seen = rpc.call("pane.screen", here)
    same = rpc.call("pane.screen", {**here, "unlike": seen["mark"], "wait_ms": 50})
    assert same["unchanged"] and not same["text"] and same["mark"] == seen["mark"]
    other = daemon.rpc()
    asked = rpc.request("pane.screen", {**here, "unlike": seen["mark"], "wait_ms": 60_000})
    other.call("pane.send", {**here, "text": "something else"})
    changed = rpc.wait(asked)
    while "something else" not in changed["text"]:  # the terminal shows it in parts, if it likes
        changed = rpc.call("pane.screen", {**here, "unlike": changed["mark"], "wait_ms": 60_000})
        assert not changed["unchanged"]
    # The end of a program is news, also of one that says nothing.
    asked = rpc.request("pane.screen", {**here, "unlike": rpc.call("pane.screen", here)["mark"], "wait_ms": 60_000})
    other.call("pane.kill", {**here, "grace_ms": 0})
    ended = rpc.wait(asked)
    while ended["info"]["running"]:
        ended = rpc.call("pane.screen", {**here, "unlike": ended["mark"], "wait_ms": 60_000})
        assert not ended["unchanged"]


def test_what_ends_is_told_with_its_last_screen_and_starts_again(rpc, box):
    rpc.call("pane.open", {"sandbox": box, "pane": "a", "argv": ["/bin/sh", "-c", "echo last words; exit 3"]})
    ended = rpc.call("pane.wait", {"sandbox": box, "pane": "a", "states": ["crashed"]})
    assert (ended["running"], ended["exit_code"]) == (False, 3)
    assert "last words" in rpc.call("pane.screen", {"sandbox": box, "pane": "a"})["text"]
    again = rpc.call("pane.restart", {"sandbox": box, "pane": "a", "argv": ["/bin/sh", "-c", "sleep 1000 & exec sleep 1000"]})
    assert again["running"] and again["restarts"] == 1
    # A child in a session of its own ends with it.
    rpc.call("pane.restart", {"sandbox": box, "pane": "a", "argv": ["/bin/sh", "-c", "setsid sleep 4711 & exec cat"]})
    wait_until(lambda: "sleep 4711" in run(rpc, box, "ps axo args"))
    killed = rpc.call("pane.kill", {"sandbox": box, "pane": "a", "grace_ms": 500})
    assert killed["state"] == "exited" and not killed["running"]
    assert "sleep 4711" not in run(rpc, box, "ps axo args")
    with pytest.raises(RpcError, match="not_found.*no-such-program"):
        rpc.call("pane.open", {"sandbox": box, "pane": "b", "argv": ["no-such-program"]})
    with pytest.raises(RpcError, match="not_found.*no pane 'b'"):
        rpc.call("pane.screen", {"sandbox": box, "pane": "b"})


def test_an_agent_reaches_neither_tmux_nor_another_pane(rpc, box):
    for i in range(2):
        rpc.call("pane.open", {"sandbox": box, "pane": f"agent-{i}", "user": str(2001 + i), "argv": ["/bin/cat"]})
    tty = run(rpc, box, "tmux -S /run/swarm/panes/tmux list-panes -a -F '#{window_name} #{pane_tty}'")
    victim = dict(line.split() for line in tty.splitlines())["agent-1"]
    attack = f"""
      tmux -S /run/swarm/panes/tmux send-keys -t claude-swarm:agent-1 pwned Enter; echo tmux $?
      ls /run/swarm/panes; echo ls $?
      cat /run/swarm/panes/agent-1/record; echo record $?
      echo pwned > {victim}; echo tty $?
      env | grep -c TMUX; kill -9 $(pgrep -x tmux) $(pgrep -f '[s]warm-shim pane'); echo kill $?
      python3 -c 'import fcntl, termios, os; fcntl.ioctl(os.open("{victim}", os.O_RDWR), termios.TIOCSTI, b"x")'; echo sti $?
    """
    said = run(rpc, box, attack, user="2001")
    for word in ("tmux 1", "ls 2", "record 1", "kill 1", "sti 1"):
        assert word in said, said
    assert "tty 0" not in said
    assert "pwned" not in rpc.call("pane.screen", {"sandbox": box, "pane": "agent-1"})["text"]
    assert all(p["running"] for p in rpc.call("pane.list", {"sandbox": box})["panes"])


def test_panes_outlive_agentd_and_lose_no_output(rpc, box):
    info = rpc.call("pane.open", {"sandbox": box, "pane": "agent-0", "user": "2001", "argv": [
        "/bin/sh", "-c", "i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); [ $((i % 20)) = 0 ] && sleep 0.01; done; exec cat"]})
    old = agentd_pid(rpc, box)
    for _ in range(3):
        before = agentd_pid(rpc, box)
        try:
            rpc.call("exec.start", {"sandbox": box, "command": f"kill -9 {before}", "user": "0"})
        except RpcError as gone:
            assert "unavailable" in str(gone)

        def back(before=before):
            try:
                return agentd_pid(rpc, box) not in ("", before)
            except RpcError:
                return False
        wait_until(back, what="another agentd")
    assert agentd_pid(rpc, box) != old
    again = rpc.call("pane.list", {"sandbox": box})["panes"]
    assert [(p["pane"], p["pid"], p["running"]) for p in again] == [("agent-0", info["pid"], True)]

    def whole():
        end = rpc.call("pane.list", {"sandbox": box, "states": False})["panes"][0]["log_end"]
        return end if end >= sum(len(f"line {i}\r\n") for i in range(4000)) else None
    wait_until(whole, timeout=60)
    ctl_log = log_of(rpc, box, "agent-0")
    assert ctl_log == b"".join(b"line %d\r\n" % i for i in range(4000))
    rpc.call("pane.send", {"sandbox": box, "pane": "agent-0", "text": "still here", "submit": True})
    wait_until(lambda: b"still here" in log_of(rpc, box, "agent-0"))


def log_of(rpc, box, pane, **more):
    stream = 2 * rpc.next_id + 1
    reply = rpc.call("pane.log", {"sandbox": box, "pane": pane, "stream": stream, **more})
    data = b""
    while True:
        message = rpc.notification(lambda m: m[1] in ("stream.data", "stream.end") and m[2][0]["stream"] == stream)
        if message[1] == "stream.end":
            assert "error" not in message[2][0], message
            return data
        data += message[2][0]["data"]
        assert reply["from"] >= 0


NASTY = [
    "plain", "two\nlines", "x" * 65536, "tabs\tand\ttabs", "\x1b[201~\rrm -rf ~\r", "\x1b]52;c;ZXZpbA==\x07", "\x03\x04\x1a\x1c",
    "emoji 👩‍👩‍👧‍👦 🏳️‍🌈 é", "שלום עולם مرحبا", "nul\x00inside", "$(touch /tmp/pwned) `id` ; | & > <", "'\"\\ #{pane_id} %H ~",
    "\x9b31m c1", "line\r\nline\rline", "-n --help", "#!/bin/sh", ";", "end;", "‮rtl override‬", "a" * 500 + "\n" + "b" * 500,
    "\n\nleading and trailing\n\n", "{\"json\": [1, 2]}", "%begin 1 1 1\n%end 1 1 1", "﻿bom", "​zero width",
]


def test_a_thousand_nasty_prompts_arrive_as_they_are(rpc, box):
    open_composer(rpc, box)
    rng = random.Random(4)
    sent = []
    for i in range(int(os.environ.get("SWARM_PASTES", "1000"))):
        text = f"{i}:" + "".join(rng.choice(NASTY) for _ in range(1 if i < len(NASTY) else rng.randint(1, 3)))
        if i < len(NASTY):
            text = f"{i}:" + NASTY[i]
        rpc.call("pane.send", {"sandbox": box, "pane": "agent-0", "text": text.encode(), "submit": True})
        sent.append(clean(text))
    wait_until(lambda: len(record(rpc, box)) == len(sent), timeout=60)
    got = record(rpc, box)
    assert got == sent
    assert run(rpc, box, "ls /tmp/pwned 2>&1; ls /run/swarm/panes").split()[-4:] == ["directory", "agent-0", "tmux", "tmux.conf"]


def test_a_prompt_is_seen_to_be_taken(rpc, box):
    open_composer(rpc, box, pace="0.3")
    texts = ["hello", "several\nlines\nof\na\nprompt\n", "y" * 65000, "last"]
    for text in texts:
        reply = rpc.call("pane.prompt", {"sandbox": box, "pane": "agent-0", "text": text})
        assert reply["verified"] and reply["submits"] == 1, reply
    assert record(rpc, box) == texts


def test_a_program_that_computes_is_waited_for(rpc, box):
    # Longer than a step may take otherwise, with what was pasted and then with what was submitted; a second key would
    # stand behind the first.
    compute = "end = time.monotonic() + 1.8\n{0}while time.monotonic() < end: pass\n{0}"
    thinks = COMPOSER.replace("typed += data[6:end]", compute.format(" " * 12) + "typed += data[6:end]", 1)
    drawn = 'out.write(b"\\x1b[H")\n' + " " * 12
    thinks = thinks.replace('record.write(json', drawn + compute.format(" " * 12) + 'record.write(json', 1)
    thinks = thinks.replace("end = time", "until = time").replace("< end:", "< until:")
    assert thinks.count("until") == 4
    rpc.call("pane.open", {"sandbox": box, "pane": "agent-0", "user": "2001", "program": PROGRAM,
                           "argv": ["/usr/bin/python3", "-c", thinks, "/tmp/agent-0.record"]})
    texts = ["short", "z" * 20000]
    for text in texts:
        reply = rpc.call("pane.prompt", {"sandbox": box, "pane": "agent-0", "text": text, "confirm_ms": 1000})
        assert reply["verified"] and reply["submits"] == 1, reply
    assert record(rpc, box) == texts


def test_a_screen_that_is_drawn_anew_is_no_sign_that_a_prompt_was_taken(rpc, box):
    # It wipes its screen at the first Enter after a paste, takes it for a part of that, and shows all again.
    swallows = COMPOSER.replace('if key == b"\\r":', '''if key == b"\\r" and not swallowed:
            swallowed = True
            out.write(b"\\x1b[2J")
            time.sleep(0.06)
        elif key == b"\\r":
            swallowed = False''').replace('status = b"idle"\n', 'status = b"idle"\nswallowed = False\n', 1)
    assert swallows.count("swallowed") == 4
    rpc.call("pane.open", {"sandbox": box, "pane": "agent-0", "user": "2001", "program": PROGRAM,
                           "argv": ["/usr/bin/python3", "-c", swallows, "/tmp/agent-0.record"]})
    texts = [f"prompt {i}" for i in range(4)]
    for text in texts:
        reply = rpc.call("pane.prompt", {"sandbox": box, "pane": "agent-0", "text": text})
        assert reply["verified"] and reply["submits"] == 2, reply
    assert record(rpc, box) == texts


def test_a_prompt_goes_neither_into_a_half_typed_line_nor_into_a_dialog(rpc, box):
    open_composer(rpc, box)
    rpc.call("pane.send", {"sandbox": box, "pane": "agent-0", "text": "a person types", "paste": False})
    rpc.call("pane.wait", {"sandbox": box, "pane": "agent-0", "states": ["typing"]})
    with pytest.raises(RpcError, match="failed_precondition.*a person types"):
        rpc.call("pane.prompt", {"sandbox": box, "pane": "agent-0", "text": "no", "wait_ms": 300})
    rpc.call("pane.open", {"sandbox": box, "pane": "dialog", "program": PROGRAM, "argv": [
        "/bin/sh", "-c", "printf '> \\n----\\nAllow?'; stty raw -echo; exec od -c"]})
    rpc.call("pane.wait", {"sandbox": box, "pane": "dialog", "states": ["permission"]})
    with pytest.raises(RpcError, match="failed_precondition.*dialog"):
        rpc.call("pane.prompt", {"sandbox": box, "pane": "dialog", "text": "yes", "wait_ms": 300})
    assert rpc.call("pane.screen", {"sandbox": box, "pane": "dialog"})["text"].strip().endswith("Allow?")
    with pytest.raises(RpcError, match="failed_precondition.*has ended"):
        rpc.call("pane.kill", {"sandbox": box, "pane": "dialog", "grace_ms": 0})
        rpc.call("pane.prompt", {"sandbox": box, "pane": "dialog", "text": "no", "wait_ms": 300})


def test_attach_is_a_terminal_that_gives_itself_back(daemon, rpc, box):
    rpc.call("pane.open", {"sandbox": box, "pane": "agent-0", "user": "2001", "cols": 100, "rows": 30,
                           "argv": ["/bin/bash", "--norc"], "env": {"PS1": "ready$ "}})
    one = swarmctl(daemon, "attach", "agent-0")
    before = one.mode()
    one.until(b"ready$")
    one.type(b"echo $((6*7))\r")
    one.until(b"42")
    # A second, smaller viewer shrinks nobody.
    two = swarmctl(daemon, "attach", "agent-0", "--watch", cols=40, rows=10)
    two.until(b"42")
    assert rpc.call("pane.list", {"sandbox": box})["panes"][0]["viewers"] == 2
    two.type(b"echo typed by a watcher\r")
    one.type(b"stty size\r")
    one.until(b"30 100")
    one.resize(120, 20)
    os.kill(one.process.pid, 28)
    one.type(b"stty size; echo again-$((6*8))\r")
    one.until(b"again-48")  # as a line, or as part of the screen that is drawn anew
    assert b"typed by a watcher" not in one.seen
    one.type(b"\x10\x11")
    assert one.process.wait(timeout=20) == 0
    one.read()
    assert one.mode() == before
    assert b"Detached" in one.seen
    # Also after the daemon's death.
    two.type(b"x")
    before = two.mode()
    daemon.kill()
    assert two.process.wait(timeout=20) != 0
    assert two.mode()[3] & 0o10  # ECHO is on again
    one.close()
    two.close()
    daemon.start()
    assert rpc is not None
    back = daemon.rpc()
    wait_until(lambda: back.call("pane.list", {"sandbox": box})["panes"][0]["running"])
    back.close()


def test_swarmctl_shows_and_steers_agents(daemon, rpc, box):
    open_composer(rpc, box)
    assert "agent-0" in daemon.ctl("pane", "ls").stdout
    assert json.loads(daemon.ctl("pane", "ls", "--json").stdout)["panes"][0]["state"] == "ready"
    assert "took the prompt" in daemon.ctl("agent", "send", "agent-0", "do", "this").stderr
    assert record(rpc, box) == ["do this"]
    assert "agent\n----" in daemon.ctl("agent", "screen", "agent-0").stdout
    assert "\x1b" not in daemon.ctl("agent", "logs", "agent-0").stdout
    assert "runs again" in daemon.ctl("agent", "restart", "agent-0").stderr
    rpc.call("pane.wait", {"sandbox": box, "pane": "agent-0", "states": ["ready"]})
    daemon.ctl("agent", "stop", "agent-0", "--grace", "500ms", "--close")
    assert rpc.call("pane.list", {"sandbox": box})["panes"] == []
    missing = daemon.ctl("agent", "screen", "agent-7", check=False)
    assert missing.returncode != 0 and "agent-7" in missing.stderr
