"""`swarmctl attach` as a person has it: full-screen programs work through it, and the terminal is given back as it was,
however it ends."""

import os
import shutil
import signal

import pytest

from conftest import RpcError, wait_until
from panes import swarmctl
from test_endurance import agentd_of


@pytest.fixture
def box(rpc):
    return rpc.call("sandbox.create", {"name": "attach"})["id"]


def open_shell(rpc, box, pane="agent-0"):
    rpc.call("pane.open", {"sandbox": box, "pane": pane, "user": "2001", "cols": 100, "rows": 30,
                           "argv": ["/bin/bash", "--norc"], "env": {"PS1": "ready$ "}})


@pytest.mark.parametrize("end", ["detach", "the pane is closed", "TERM", "HUP", "agentd", "daemon"])
def test_the_terminal_is_given_back(daemon, rpc, box, end):
    open_shell(rpc, box)
    terminal = swarmctl(daemon, "attach", "agent-0")
    try:
        before = terminal.mode()
        terminal.until(b"ready$", timeout=60)
        assert terminal.mode() != before, "raw, while it is attached"
        if end == "detach":
            terminal.type(b"\x10\x11")
        elif end == "the pane is closed":
            rpc.call("pane.kill", {"sandbox": box, "pane": "agent-0", "grace_ms": 0, "close": True})
        elif end in ("TERM", "HUP"):
            terminal.process.send_signal(getattr(signal, "SIG" + end))
        elif end == "agentd":
            os.kill(agentd_of(box)[1], signal.SIGKILL)
        else:
            daemon.kill()
        # Its last words come before it ends, and nobody reads them but this.
        wait_until(lambda: terminal.read() or terminal.process.poll() is not None, timeout=60, what="the client's end")
        terminal.read()
        assert (terminal.process.returncode == 0) == (end in ("detach", "the pane is closed")), terminal.seen[-500:]
        assert terminal.mode() == before
        # What tmux had switched on is off: the other screen, the mouse, pasting in brackets, a hidden cursor.
        for mode, on, off in ((b"1049", b"h", b"l"), (b"1000", b"h", b"l"), (b"2004", b"h", b"l"), (b"25", b"l", b"h")):
            switched = terminal.seen.rfind(b"\x1b[?" + mode + on)
            assert switched < 0 or terminal.seen.rfind(b"\x1b[?" + mode + off) > switched, (mode, terminal.seen[-300:])
    finally:
        terminal.close()
    if end == "daemon":
        daemon.start()
        rpc = daemon.rpc()
    if end != "the pane is closed":
        # The agent's program went on, and nobody looks any more.
        def alone():
            [pane] = rpc.call("pane.list", {"sandbox": box})["panes"]
            return pane["running"] and pane["viewers"] == 0
        wait_until(lambda: answers(alone), timeout=60, what="the pane without a viewer")


def answers(question):
    try:
        return question()
    except RpcError:
        return None


@pytest.mark.parametrize("editor", ["nvim", "vim.tiny"])
def test_an_editor_works_through_it(daemon, rpc, box, editor):
    if not shutil.which(editor):
        pytest.skip(f"{editor} is not installed")
    open_shell(rpc, box)

    def shown():
        return rpc.call("pane.screen", {"sandbox": box, "pane": "agent-0"})["text"]
    terminal = swarmctl(daemon, "attach", "agent-0")
    try:
        terminal.until(b"ready$", timeout=60)
        terminal.type(f"cd /tmp && {editor} -N -n -u NONE -i NONE --cmd 'set showmode ruler' text\r".encode())
        terminal.until(b"All", timeout=60)  # its ruler
        terminal.type(b"iA word with \xc3\xa4 and \xe2\x82\xac\rand a second line")
        terminal.until(b"second line", timeout=60)
        # Alone: with a key right behind it, it would be Alt and that key.
        wait_until(lambda: "-- INSERT --" in shown(), timeout=60, what="its insert mode")
        terminal.type(b"\x1b")
        wait_until(lambda: "-- INSERT --" not in shown(), timeout=60, what="its normal mode")
        terminal.resize(90, 20)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.type(b"gg0~")  # the first letter becomes a small one
        terminal.type(b":wq\r")
        def text():
            return rpc.call("exec.start", {"sandbox": box, "command": "cat /tmp/text", "user": "2001",
                                           "capture": True}).get("stdout")
        wait_until(lambda: text() == "a word with ä and €\nand a second line\n", timeout=60, what="the file")
        terminal.seen = b""
        terminal.type(b"echo back in the $((1))st screen\r")
        terminal.until(b"back in the 1st screen")
        terminal.type(b"\x10\x11")
        assert wait_until(lambda: terminal.read() or terminal.process.poll() is not None, timeout=60, what="its end")
    finally:
        terminal.close()


@pytest.mark.parametrize("program", ["top", "htop"])
def test_a_screen_that_paints_itself_works_through_it(daemon, rpc, box, program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    open_shell(rpc, box)
    terminal = swarmctl(daemon, "attach", "agent-0")
    try:
        terminal.until(b"ready$", timeout=60)
        terminal.type(f"{program}; echo back with $((40 + 2))\r".encode())
        terminal.until(b"PID", timeout=60)
        terminal.until(b"bash", timeout=60)
        # Another size while it paints; then its own key ends it.
        terminal.resize(80, 20)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        terminal.type(b"q")
        terminal.until(b"back with 42", timeout=60)
        terminal.type(b"\x10\x11")
        wait_until(lambda: terminal.read() or terminal.process.poll() is not None, timeout=60, what="its end")
        assert terminal.process.returncode == 0
    finally:
        terminal.close()
