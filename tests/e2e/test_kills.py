"""A sample of the kills of a working team; `./dev soak deploy` does all of them."""

import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(os.environ["SWARM_BUILD"])
HARNESS = pathlib.Path(__file__).resolve().parent.parent / "harness"


def test_a_team_ends_the_same_whoever_is_killed():
    out = subprocess.run([sys.executable, HARNESS / "deploy.py", BUILD, "--points", "7", "--seed", "20", "--least", "0"],
                         capture_output=True, text=True, timeout=800)
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-4000:]
    assert out.stdout.count("7 deaths") == 3
