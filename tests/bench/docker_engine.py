"""A Docker Engine as the rival: the one that runs, else one of our own in a directory of its own, else none."""

import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import time

START_SECONDS = 60  # what dockerd may take to answer on a machine that is busy


class Engine:
    """`with Engine() as engine`: false where no engine can be had; `why` says so. `run(...)` calls docker(1)."""

    def __init__(self):
        self.home = self.process = None
        self.host = []
        self.why = ""
        self.image = "swarmd-bench-rival"

    def __enter__(self):
        if not shutil.which("docker"):
            self.why = "docker(1) is not installed"
        elif not self.answers() and not self.start():
            self.why = self.why or "no Docker Engine answers, and none could be started"
        else:
            self.import_image()
        return self

    def __bool__(self):
        return not self.why

    def command(self, *arguments):
        return ["docker", *self.host, *arguments]

    def run(self, *arguments, **options):
        return subprocess.run(self.command(*arguments), check=True, capture_output=True, **options).stdout

    def answers(self):
        return subprocess.run(self.command("info"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def start(self):
        """With no network of its own to set up: neither the bridge nor the packet filter of this machine is touched."""
        if os.geteuid() != 0 or not shutil.which("dockerd"):
            return False
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="swarmd-bench-docker-"))
        self.host = ["--host", f"unix://{self.home}/docker.sock"]
        self.process = subprocess.Popen(
            ["dockerd", *self.host, "--bridge=none", "--iptables=false", "--data-root", self.home / "data",
             "--exec-root", self.home / "exec", "--pidfile", self.home / "pid"],
            stdout=subprocess.DEVNULL, stderr=open(self.home / "log", "wb"))
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if self.answers():
                return True
            time.sleep(0.1)  # a poll with a deadline
        last = (self.home / "log").read_text(errors="replace").strip().splitlines()[-1:]
        self.why = f"dockerd did not answer: {''.join(last)}"
        return False

    def import_image(self):
        """A root file system that holds a static busybox only."""
        layer = io.BytesIO()
        busybox = shutil.which("busybox")
        with tarfile.open(fileobj=layer, mode="w") as tar:
            tar.add(os.path.realpath(busybox), "bin/busybox")
            for name in ("sh", "true", "sleep", "cat"):
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        self.run("import", "-", self.image, input=layer.getvalue())

    def __exit__(self, *_):
        if not self.why:
            subprocess.run(self.command("image", "rm", "--force", self.image), capture_output=True)
        if self.process:
            self.process.terminate()
            self.process.wait()
            # What it mounted goes with it; a directory that is still busy is left to the machine's next start.
            shutil.rmtree(self.home, ignore_errors=True)
