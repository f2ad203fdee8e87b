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
        assert script.wait(timeout=60) == 0
    finally:
        script.kill()
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
