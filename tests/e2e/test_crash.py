"""Samples of the crash harness; `./dev soak crash` and `./dev soak crash-e2b` run it in full."""

import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path(os.environ["SWARM_BUILD"])
HARNESS = pathlib.Path(__file__).resolve().parent.parent / "harness"


def die(points, *options):
    out = subprocess.run([sys.executable, HARNESS / "crash.py", BUILD, "--points", str(points), "--seed", "20", "--jobs", "2",
                          "--least", "0", *options],
                         capture_output=True, text=True, timeout=280)
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-4000:]
    assert f"{points} deaths" in out.stdout


def test_forty_deaths_lose_and_double_nothing():
    die(40, "--round", "20")


def test_deaths_beside_a_cloud_that_misbehaves():
    """The same with sandboxes of provider e2b, at an endpoint of our own over TLS that loses, refuses and delays."""
    die(8, "--round", "4", "--provider", "e2b")
