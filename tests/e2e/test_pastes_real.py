"""Prompts of every nasty kind for the real Claude Code and Codex, full screen in a pane: they fold long pastes, so that
what arrived cannot be read on their screens. The composer was filled, then empty and the program busy, and the model was
asked once, with all of it."""

import json
import os
import random

import pytest

from conftest import RpcError
from model import Model, ResponsesModel
from panes import clean
from talk import CLAUDE, CODEX, Office, Script, config, missing, texts
from test_panes import NASTY

COUNT = int(os.environ.get("SWARM_PASTES") or (400 if os.environ.get("SWARM_SOAK") else 5))
SEED = int(os.environ.get("SWARM_SEED", "4"))
KINDS = {"claude": (CLAUDE, CLAUDE / "claude", "/opt/claude", Model, ""),
         "codex": (CODEX, CODEX / "codex", "/opt/codex", ResponsesModel, "gpt-5.5")}


def words(value):
    """What can be compared of a text: programs trim it, and draw tabs and blanks as they like."""
    return "".join("".join(c for c in value if c.isprintable()).split())


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nasty_prompts_are_one_turn_each_and_whole(new_daemon, kind):
    directory, program, place, wire, model = KINDS[kind]
    if why := missing(program):
        pytest.skip(why)
    script = Script(wire)
    office = Office(new_daemon(config=config(script, [(directory, place)])), script)
    try:
        office.open(kind, "Your brief", model=model)
        rng = random.Random(SEED)
        # Those that are hard for a terminal first; a sample of the rest.
        order = NASTY[2:6] + rng.sample(NASTY, len(NASTY)) if COUNT <= len(NASTY) else list(NASTY)
        for i in range(COUNT):
            body = order[i] if i < len(order) else "".join(rng.choice(NASTY) for _ in range(rng.randint(1, 3)))
            prompt = f"begin-{i} {body} end-{i}"
            before = len(script.turns())
            try:
                reply = office.prompt(prompt.encode())
            except RpcError as error:
                raise AssertionError(f"prompt {i}: {error}\n{prompt!r}\n{office.screen()}") from None
            assert reply["verified"], (i, reply)
            office.answered(before=before)
            turns = script.turns()
            # One turn, not several for the lines of it, and no dialog was answered by it.
            assert len(turns) == before + 1, (i, body[:200], [json.dumps(t)[-300:] for t in turns[before:]])
            got = [t for t in texts(turns[-1].get("messages") or turns[-1]["input"]) if f"begin-{i} " in t]
            assert len(got) == 1 and words(clean(prompt)) in words(got[0]), (i, body[:200], got)
        assert office.run("root", "ls /tmp/pwned")["status"]["exit_code"] != 0
    finally:
        office.rpc.close()
        script.model.close()
