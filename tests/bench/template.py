"""From a container's start to agentd's first answer in it, beside how long the engine itself takes for a container that
does nothing. The image is the one of the suite (test_template.py): a base by debootstrap, with few packages.

    template.py [--json FILE]          TEMPLATE_BENCH_RUNS=20
"""

import argparse
import datetime
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import test_template  # noqa: E402
from docker_engine import Engine  # noqa: E402
from end_to_end import Report, seconds  # noqa: E402

RUNS = int(os.environ.get("TEMPLATE_BENCH_RUNS", "20"))


class Watched(test_template.Container):
    """One that is asked from before it is there."""

    def __init__(self, engine, image, home):
        self.engine, self.home = engine, home
        run = subprocess.Popen(engine.command(*self.words(image)), stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 60
        while not self.ping() and time.monotonic() < end:
            time.sleep(0.0005)  # a poll; what it costs is in the figure
        self.answered = time.time()
        self.id = run.communicate()[0].strip()


def started_at(engine, container):
    """When the engine started its first process, as it says itself; on this machine's clock."""
    text = engine.run("inspect", "--format", "{{.State.StartedAt}}", container, text=True).strip().rstrip("Z")
    whole, _, part = text.partition(".")
    at = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() + float("0." + (part or "0"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    report = Report()
    with Engine() as engine:
        if not engine:
            print(f"template: {engine.why}")
            return
        image = test_template.build_image(engine)
        answers, idle = [], []
        for _ in range(RUNS):
            with tempfile.TemporaryDirectory() as place:
                os.chmod(place, 0o755)
                made = Watched(engine, image, pathlib.Path(place))
                answers.append(made.answered - started_at(engine, made.id))
                made.close()
            idle.append(seconds(lambda: engine.run("run", "--rm", "--network=none", engine.image, "true")))
        report.add_latency("container: its start to agentd's answer", answers, "`docker run --rm` of true", idle)
    if arguments.json:
        report.write(arguments.json)


if __name__ == "__main__":
    main()
