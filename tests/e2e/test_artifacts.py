"""Files that agents attach to their tasks: kept on the host by content, found again by everybody, whatever their names are."""

import hashlib
import json
import os
import re
import subprocess

from conftest import BUILD, wait_until
from test_kept_work import PATIENCE, repository, swarm

# Waits; what it does is done here, in its name.
PROGRAM = "cmd:exec sleep 600"


def as_agent(daemon, number, line, check=True):
    """A line of shell in the sandbox, as an agent."""
    sandbox = swarm(daemon)["sandbox"]
    return daemon.ctl("exec", "--user", f"agent-{number}", sandbox, "--", "sh", "-c", line, check=check)


def test_files_of_agents_outlive_their_sandbox(daemon, tmp_path):
    project = repository(daemon)
    daemon.ctl("deploy", "--repo", str(project), "--name", "team", "--agents", "2", "--agent", PROGRAM,
               "--test-command", "true", "--feature", "Nothing", "--detach")
    wait_until(lambda: swarm(daemon)["state"] == "working", timeout=PATIENCE, what="work")
    task = wait_until(lambda: (json.loads(daemon.ctl("--json", "task", "ls").stdout)["tasks"] or [None])[0],
                      timeout=PATIENCE, what="a task")

    # Larger than what a stream may send at once.
    big = os.urandom(3_000_000)
    (tmp_path / "big").write_bytes(big)
    daemon.ctl("cp", "--user", "agent-0", str(tmp_path / "big"), f"{swarm(daemon)['sandbox']}:/home/agent-0/shot.png")
    added = json.loads(as_agent(daemon, 0, f"swarm artifact add ~/shot.png --task {task['id']} --note seen --json").stdout)
    kept = added["artifacts"][0]
    assert kept["sha256"] == hashlib.sha256(big).hexdigest() and kept["by"] == "agent-0" and kept["task"] == task["id"]
    odd = as_agent(daemon, 1, r"""printf text | swarm artifact add - --name "$(printf '../\033[2Jevil\nname')" """
                              f"--task {task['id']}").stdout
    assert "\x1b" not in odd and "bytes  sha256" in odd
    # The same again is the same; nothing that an agent may not read goes out, and nobody speaks for another.
    again = json.loads(as_agent(daemon, 0, f"swarm artifact add ~/shot.png --task {task['id']} --json").stdout)
    assert again["artifacts"][0]["id"] == kept["id"]
    assert as_agent(daemon, 1, "swarm artifact add /home/agent-0/shot.png", check=False).returncode != 0
    assert "is a directory" in as_agent(daemon, 0, "swarm artifact add /tmp", check=False).stderr
    assert "tsk_none" in as_agent(daemon, 0, "swarm artifact add ~/shot.png --task tsk_none", check=False).stderr
    # Another agent reads it.
    read = as_agent(daemon, 1, f"swarm artifact get {kept['id']} ~/copy && sha256sum ~/copy && ls ~").stdout
    assert kept["sha256"] in read and read.rstrip().endswith("copy"), "a draft was left"

    # On the host: by content, for nobody else, and whatever it is called.
    shelf = next(path.parent for path in daemon.home.rglob(kept["sha256"]))
    assert {path.stat().st_mode & 0o777 for path in shelf.iterdir()} == {0o600}
    assert all(re.fullmatch("[0-9a-f]{64}", path.name) for path in shelf.iterdir())
    listed = daemon.ctl("artifact", "ls").stdout
    assert "shot.png" in listed and "\x1b" not in listed and "evil" in listed
    shown = daemon.ctl("task", "show", task["id"]).stdout
    assert "shot.png" in shown and "seen" in shown
    assert [a["id"] for a in json.loads(daemon.ctl("--json", "task", "show", task["id"]).stdout)["artifacts"]][0] == kept["id"]
    assert kept["sha256"] in daemon.ctl("report", "team").stdout

    daemon.ctl("shutdown", "team")
    daemon.ctl("artifact", "get", "--swarm", "team", kept["id"], str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == big
    # Who reads only the beginning hears no complaint.
    get = subprocess.Popen([BUILD / "bin/swarmctl", "artifact", "get", "--swarm", "team", kept["id"], "-"], env=daemon.env,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert get.stdout.read(1) == big[:1]
    get.stdout.close()
    assert get.stderr.read() == b"" and get.wait(PATIENCE) != 0
    (shelf / kept["sha256"]).write_bytes(b"damaged")
    broken = daemon.ctl("artifact", "get", "--swarm", "team", kept["id"], str(tmp_path / "broken"), check=False)
    assert broken.returncode != 0 and "damaged" in broken.stderr
    assert not (tmp_path / "broken").exists() and len(list(tmp_path.iterdir())) == 2
    daemon.ctl("swarm", "discard", "team")
    wait_until(lambda: not list(shelf.iterdir()), timeout=PATIENCE, what="an empty shelf")
