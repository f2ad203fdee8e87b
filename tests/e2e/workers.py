"""Agents for tests that deploy, as one file each for `cmd:exec python3 -S agent.py`: they take their turns through `swarm`
as a real one does."""

import textwrap

LOOP = '''
import json, os, subprocess, sys, time

def swarm(*words):
    ran = subprocess.run(["swarm", *words, "--json"], capture_output=True, text=True)
    return json.loads(ran.stdout) if ran.returncode == 0 and ran.stdout.strip() else {}

while True:
    turn = swarm("task", "next", "--wait", "20s")
    if turn.get("next") == "ended":
        sys.exit(0)
    if turn.get("next") != "task":
        continue
    task = turn["task"]
    if task["kind"] == "answer":
        if "lan" in task["title"]:
            for wanted in WANTED:
                swarm("task", "add", "Write " + wanted, "--body", wanted)
        swarm("task", "done", task["id"], "--answer", "known")
        continue
'''


def worker(wanted, work):
    """`wanted`: an expression for the bodies of the tasks that it plans. `work`: what it does with each `task`."""
    return LOOP.replace("WANTED", wanted) + textwrap.indent(textwrap.dedent(work), "    ")
