"""A sample of the crash harness; `./dev soak crash` runs it in full."""

import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(os.environ["SWARM_BUILD"])
HARNESS = pathlib.Path(__file__).resolve().parent.parent / "harness"


def test_forty_deaths_lose_and_double_nothing():
    out = subprocess.run([sys.executable, HARNESS / "crash.py", BUILD, "--points", "40", "--seed", "20", "--round", "20",
                          "--jobs", "2", "--least", "0"],
                         capture_output=True, text=True, timeout=280)
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-4000:]
    assert "40 deaths" in out.stdout
