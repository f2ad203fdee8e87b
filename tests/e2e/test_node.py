"""A msgpack-rpc client of npm: Neovim's transport for Node, unchanged, at a version that the lock file pins."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import BUILD

SOURCE = pathlib.Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def modules():
    """What package-lock.json names, installed once into the build tree from whichever registry npm is set to."""
    place = BUILD / "node"
    lock = (SOURCE / "package-lock.json").read_bytes()
    stamp = place / "installed"
    if not stamp.exists() or stamp.read_bytes() != lock:
        place.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, place / name)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place,
                              capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-2000:]
        stamp.write_bytes(lock)
    return place / "node_modules"


def test_the_lock_file_names_no_registry():
    packages = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in package for package in packages.values())
    assert all("integrity" in package for name, package in packages.items() if name)


def test_a_client_of_npm_calls_hears_events_and_sees_errors(daemon, modules):
    done = subprocess.run(["node", SOURCE / "client.js", daemon.socket], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "NODE_PATH": str(modules)})
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out["info"]["pid"] == daemon.process.pid
    assert out["stdout"] == "héllo"
    assert out["exit_code"] == 3
    assert out["bytes"] == [0, 255, 128, 10]
    assert out["order"] == ["fast", "slow"]
    assert out["error"] == [0, "not_found: there is no sandbox 'nope'; 'swarmctl sandbox ls --all' lists them"]
    assert out["last_error"]["error"]["code"] == "not_found"
    assert out["ended"] == "gone"
    states = [event["to"] for event in out["events"]]
    assert states[:4] == ["creating", "starting", "ready", "claimed"]
    assert states[-1] == "gone"
    assert {event["method"] for event in out["events"]} == {"event"}
