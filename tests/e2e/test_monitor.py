"""`swarmctl monitor` as a person and a script have it, while the demo agents work."""

import json
import shutil
import subprocess

import pytest
from conftest import BUILD, wait_until
from test_deploy import deploy, make_project, swarm

SEED = 1


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_monitor_shows_a_swarm_at_work(daemon, tmp_path):
    project = make_project(daemon, SEED)
    deploy(daemon, project, SEED)
    # A snapshot a line, to the end of the swarm.
    lines = open(tmp_path / "snapshots", "w+")
    script = subprocess.Popen([BUILD / "bin/swarmctl", "--json", "monitor", "team"], env=daemon.env, stdout=lines)

    # A line for each thing that happens.
    told = open(tmp_path / "lines", "w+")
    teller = subprocess.Popen([BUILD / "bin/swarmctl", "monitor", "team"], env=daemon.env, stdin=subprocess.DEVNULL,
                              stdout=told)

    def tmux(*words):
        return subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null", *words], env=daemon.env,
                              capture_output=True, text=True).stdout

    tmux("new-session", "-d", "-x", "80", "-y", "24", f"{BUILD}/bin/swarmctl monitor team; sleep 100")
    screens = []

    def screen():
        shown = tmux("capture-pane", "-p")
        if shown.strip() and (not screens or screens[-1] != shown):
            screens.append(shown)
        return shown

    try:
        wait_until(lambda: "agent-3" in screen() and "HEARD" in screen() and " merged" in screen(), timeout=120,
                   what="the agents on the screen")
        wait_until(lambda: screen() and swarm(daemon)["state"] in ("done", "failed"), timeout=240, what="the end")
        assert swarm(daemon)["state"] == "done"
        assert script.wait(timeout=60) == 0 and teller.wait(timeout=60) == 0
    finally:
        script.kill()
        teller.kill()
        tmux("kill-server")
    for shown in screens[:-1]:
        assert max(len(line) for line in shown.splitlines()) <= 80
    (tmp_path / "screens").write_text("\n----\n".join(screens))

    lines.seek(0)
    snapshots = [json.loads(line) for line in lines]
    assert len(snapshots) > 3 and snapshots[-1]["swarm"]["state"] == "done"
    busy = [snapshot for snapshot in snapshots if len(snapshot["agents"]) == 4]
    assert busy and all({"unread", "locks", "heartbeat_us"} <= set(agent) for agent in busy[0]["agents"])
    assert any(task["state"] == "claimed" for snapshot in snapshots for task in snapshot["tasks"])
    assert float(snapshots[-1]["cost"]["usd"]) >= 0

    told.seek(0)
    text = told.read()
    assert "\x1b" not in text
    plain = text.splitlines()
    assert plain[0].startswith("team ") and "done (over)" in plain[-1]
    for wanted in ("merged ", "task ", " locks ", " to ", "swarm is done"):
        assert any(wanted in line for line in plain), (wanted, text)


class Tmux:
    """A tmux server of the test's own: the terminals of two people."""

    def __init__(self, daemon, directory):
        self.daemon, self.socket = daemon, str(directory / "people")

    def __call__(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *words], env=self.daemon.env,
                              capture_output=True, text=True).stdout

    def person(self, name, command, cols, rows):
        """Runs a command under a shell that then shows what it left of the terminal."""
        script = f"stty -g > {self.socket}.{name}; {command}; echo ended $?; stty -g | diff - {self.socket}.{name} && echo restored; sleep 600"
        self("new-session", "-d", "-s", name, "-x", str(cols), "-y", str(rows), script)

    def type(self, name, *keys):
        self("send-keys", "-t", f"={name}:", *keys)

    def screen(self, name):
        return self("capture-pane", "-p", "-t", f"={name}:")

    def until(self, name, *wanted, without=(), timeout=90):
        def shown():
            screen = self.screen(name)
            return screen if all(w in screen for w in wanted) and not any(w in screen for w in without) else None

        try:
            return wait_until(shown, timeout=timeout, what=f"{wanted} on the screen of {name}")
        except TimeoutError as error:
            raise AssertionError(f"{error}:\n{self.screen(name)}") from None


@pytest.fixture
def people(daemon, tmp_path):
    tmux = Tmux(daemon, tmp_path)
    yield tmux
    tmux("kill-server")


def three_shells(daemon):
    project = make_project(daemon, SEED)
    daemon.ctl("deploy", "--repo", str(project), "--agents", "3", "--agent", "cmd:PS1='here> ' exec bash --norc -i",
               "--name", "team", "--feature", "Work by hand", "--detach")
    wait_until(lambda: len(sizes(daemon)) == 3, timeout=90, what="the terminals of the agents")


def sizes(daemon):
    listed = daemon.ctl("--json", "pane", "ls", "--swarm", "team", check=False)
    panes = json.loads(listed.stdout)["panes"] if listed.returncode == 0 else []
    return {pane["pane"]: (pane["cols"], pane["rows"], pane["viewers"]) for pane in panes}


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_one_works_in_a_terminal_and_the_other_watches(daemon, people):
    three_shells(daemon)
    people.person("watcher", f"{BUILD}/bin/swarmctl --no-start monitor team", 80, 24)
    people.until("watcher", "agent-2", "> agent-0", "here>")
    before = sizes(daemon)
    people.type("watcher", "1")  # by its number
    people.until("watcher", ">agent-1", "> agent-1")

    # The other has a smaller terminal, and works.
    people.person("worker", f"{BUILD}/bin/swarmctl attach agent-1 --swarm team", 60, 12)
    people.until("worker", "here>")
    people.type("worker", "echo seen-$((6 * 7))", "Enter")
    people.until("watcher", "seen-42", "1 attached")
    people.type("worker", "swarm lock /workspace/words/README.md --reason 'mine for now'; swarm send agent-2 'a word to you'", "Enter")
    screen = people.until("watcher", "1 lock", "README.md by agent-1: mine for now", "agent-1 to agent-2: a word to you")
    assert max(len(line) for line in screen.splitlines()) <= 80 and len(screen.splitlines()) <= 24
    # What is typed and not sent is seen too.
    people.type("worker", "half-typed")
    people.until("watcher", "here> half-typed")
    # Nobody's screen has changed for either of them.
    assert {name: size[:2] for name, size in sizes(daemon).items()} == {name: size[:2] for name, size in before.items()}
    assert sizes(daemon)["agent-1"][2] == 1 and sizes(daemon)["agent-0"][2] == 0

    # All screens, one alone, the work; another size of the terminal.
    people.type("watcher", "t")
    people.until("watcher", "─ agent-0", "> agent-1", "─ agent-2", "half-typed", without=["HEARD"])
    people.type("watcher", "Enter")
    people.until("watcher", "> agent-1", "seen-42", without=["agent-0", "agent-2"])
    people("resize-window", "-t", "=watcher:", "-x", "150", "-y", "45")
    people.until("watcher", "120x40")
    people.type("watcher", "Escape", "Escape", "w")
    people.until("watcher", "no tasks" if not tasks(daemon) else "TITLE")
    people.type("watcher", "w")
    people.until("watcher", "HEARD", "─ agent-0", "> agent-1", "─ agent-2", "half-typed")

    # The daemon dies and comes back: it says so, and goes on.
    daemon.kill()
    people.until("watcher", "swarmd")  # "no swarmd answers..."
    daemon.start()
    people.until("watcher", "Work by hand")
    people.until("worker", "ended", "restored")
    daemon.ctl("agent", "send", "--swarm", "team", "agent-1", "--keys", "C-c")
    daemon.ctl("agent", "send", "--swarm", "team", "agent-1", "--type", "echo again-$((6 * 8))", "--keys", "Enter")
    people.until("watcher", "again-48")
    daemon.kill()
    people.type("watcher", "q")
    people.until("watcher", "ended 0", "restored", without=["HEARD"])
    daemon.start()


def tasks(daemon):
    return json.loads(daemon.ctl("--json", "task", "ls", "--swarm", "team").stdout)["tasks"]
