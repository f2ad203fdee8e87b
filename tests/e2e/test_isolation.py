"""Hostile programs in a sandbox: each attack works outside, and is refused or contained inside, whoever runs the daemon."""

import ctypes
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest

from conftest import BUILD, Daemon, RpcError, wait_until

PYTHON = "/usr/bin/python3"
ATTACKS = pathlib.Path(__file__).with_name("attacks.py").read_text()
NAMES = re.findall(r"^@attack\ndef (\w+)", ATTACKS, re.MULTILINE)
LIMITS = {"memory_bytes": 256 << 20, "processes": 120, "descriptors": 128, "disk_bytes": 32 << 20, "cpus": 0.2}


def serve(family, kind, address):
    """Answers whatever it is sent, until the test process ends; gives its address."""
    server = socket.socket(family, kind)
    server.bind(address)

    def answer_datagrams():
        while True:
            data, peer = server.recvfrom(512)
            server.sendto(data, peer)

    def answer_connections():
        while True:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(2)
                connection.sendall(connection.recv(512))

    if kind == socket.SOCK_STREAM:
        server.listen(20)
    threading.Thread(target=answer_connections if kind == socket.SOCK_STREAM else answer_datagrams, daemon=True).start()
    return server.getsockname()


def own_addresses():
    addresses = ["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing: asks which address would be used
            addresses.append(s.getsockname()[0])
        except OSError:
            pass
    return addresses


def handle_of(path):
    buffer = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + b"\0" * 128)
    mount = ctypes.c_int()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.name_to_handle_at(-100, str(path).encode(), buffer, ctypes.byref(mount), 0) != 0:
        return "00" * 8, 1
    size, kind = struct.unpack_from("Ii", buffer.raw)
    return buffer.raw[8:8 + size].hex(), kind


class Arena:
    """A daemon with one sandbox, and things on the host that a sandbox must not reach."""

    def __init__(self, user):
        self.secret = secrets.token_hex(16)
        home = pathlib.Path(f"~{user or ''}").expanduser()
        self.home_file = home / f".isolation-{os.getpid()}"
        self.home_file.write_text(self.secret)
        if user:
            shutil.chown(self.home_file, user, user)
        self.descriptor = os.open(self.home_file, os.O_RDONLY)
        mark = "host-process-" + secrets.token_hex(8)
        self.victim = subprocess.Popen([mark, "600"], executable="/usr/bin/sleep", pass_fds=[self.descriptor],
                                       preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN))
        self.daemon = Daemon('[template.memory]\nstorage = "memory"\n', user=user, descriptors=[self.descriptor])
        self.daemon.start()
        self.rpc = self.daemon.rpc()
        self.id = self.rpc.call("sandbox.create", {"limits": LIMITS})["id"]
        self.info = self.rpc.call("sandbox.info", {"sandbox": self.id})
        device = os.stat("/").st_dev
        handle, handle_type = handle_of(self.home_file)
        resolvers = re.findall(r"^nameserver (\S+\.\S+)", pathlib.Path("/etc/resolv.conf").read_text(), re.MULTILINE)
        self.parameters = {
            "process_mark": mark, "home_file": str(self.home_file), "secret": self.secret, "victim": self.victim.pid,
            "state": self.daemon.env["XDG_STATE_HOME"], "socket": str(self.daemon.socket), "handle": handle,
            "handle_type": handle_type, "disk": [os.major(device), os.minor(device)], "addresses": own_addresses(),
            "tcp": serve(socket.AF_INET, socket.SOCK_STREAM, ("", 0))[1], "resolvers": resolvers,
            "udp": serve(socket.AF_INET, socket.SOCK_DGRAM, ("", 0))[1], "abstract": mark}
        serve(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + mark)
        self.results = {}

    @property
    def enforced(self):
        return self.info["identity"] == "enforced"

    def python(self, source, user=None, **options):
        """Runs it inside; gives the whole answer of `exec.start`."""
        request = {"sandbox": self.id, "argv": [PYTHON, "-"], "input": source, "capture": True, "timeout_ms": 30000, **options}
        if user and self.enforced:
            request["user"] = user
        return self.rpc.call("exec.start", request)

    def outside(self, source):
        return subprocess.run([PYTHON, "-"], input=source, text=True, capture_output=True, timeout=60, pass_fds=[self.descriptor])

    def attacks(self, who):
        """All attacks by one user, once: a process for each would take the time ten times over."""
        if who not in self.results:
            # Outside, the tools are where the sandbox's were bound from.
            tools = str(BUILD / "bundle") if who == "outside" else "/opt/swarm"
            source = f"PARAMETERS = {self.parameters | {'tools': tools}!r}\n{ATTACKS}"
            if who == "outside":
                text = self.outside(source).stdout
            else:
                reply = self.python(source, who)
                text = reply["stdout"]
                assert reply["status"].get("exit_code") == 0, reply
            self.results[who] = json.loads(text)
        return self.results[who]

    def limit(self, resource):
        return next(limit for limit in self.info["limits"] if limit["resource"] == resource)

    def close(self):
        self.daemon.close()
        self.victim.kill()
        self.victim.wait()
        os.close(self.descriptor)
        self.home_file.unlink(missing_ok=True)


def add_user():
    """An ordinary user for a while, with subordinate uids where the machine gives those."""
    name = f"swarmtest{os.getpid()}"
    made = subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", name], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no user can be added here: {made.stderr.strip()}")
    return name


def remove_user(name):
    # By force: its subordinate uids may be those of somebody else's sandboxes, which userdel takes for its processes.
    subprocess.run(["userdel", "--force", "--remove", name], capture_output=True, check=True)


@pytest.fixture(scope="module", params=["root", "user"])
def arena(request):
    user = None
    if os.getuid() == 0 and request.param == "user":
        if not shutil.which("setpriv") or not shutil.which("useradd"):
            pytest.skip("setpriv and useradd are needed to run the daemon as an ordinary user")
        user = add_user()
        request.addfinalizer(lambda: remove_user(user))
        reach = subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "test", "-x",
                                BUILD / "bin/swarmd"])
        if reach.returncode != 0:
            pytest.skip(f"an ordinary user cannot reach {BUILD}")
    elif os.getuid() != 0 and request.param == "root":
        pytest.skip("only root can run the daemon as root")
    arena = Arena(user)
    request.addfinalizer(arena.close)
    return arena


def test_what_it_says_of_itself(arena):
    isolation = arena.info["isolation"]
    assert isolation["seccomp"] and isolation["network"]["mode"] == "off"
    assert not isolation["host_uid_is_root"] and not isolation["nested_user_namespaces"]
    # As the host sees it: inside, the numbers are those of the namespace around, which may be the sandbox's own too.
    maps = [pathlib.Path(f"/proc/{pid}/uid_map").read_text().split() for n in namespaces(arena) for pid in namespace_members(n)]
    assert maps and all(int(outside) != 0 for each in maps for outside in each[1::3]), "the root of the host is mapped"
    assert arena.enforced == (isolation["uids"] > 1)


@pytest.mark.parametrize("name", NAMES)
def test_attack(arena, name):
    worked, evidence = arena.attacks("outside")[name]
    for who in ("root", "agent-0") if arena.enforced else ("user",):
        inside, reason = arena.attacks(who)[name]
        assert inside is False, f"{who} inside: {reason} (outside: {evidence})"
    assert arena.victim.poll() is None
    if worked is not True:
        pytest.skip(f"{name}: refused inside; this machine refuses it outside too: {evidence}")


FORK = """
import os, signal
made = []
try:
    for _ in range({most}):
        pid = os.fork()
        if pid == 0:
            signal.pause()
        made.append(pid)
except OSError as e:
    pass
for pid in made:
    os.kill(pid, signal.SIGKILL)
print(len(made))
"""
FILL_MEMORY = "print(len(bytearray(b'x') * {most}))"
OPEN = """
import os
count = 3
try:
    while count < {most}:
        os.dup(0)
        count += 1
except OSError:
    pass
print(count)
"""
FILL_DISK = """
import os, tempfile
size = 0
with tempfile.TemporaryFile(dir='/tmp', buffering=0) as file:
    try:
        while size < {most}:
            size += file.write(bytes(1 << 20))
    except OSError:
        pass
print(size)
"""
# Two programs that never rest: thousandths of a processor that they got in a second and a half.
BURN = """
import os, time
pids = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            pass
        os._exit(0)
    pids.append(pid)
used = sum(u.ru_utime + u.ru_stime for _, _, u in [os.wait4(pid, 0) for pid in pids])
print(int(used / 1.5 * 1000))
"""
FILLERS = {"processes": FORK, "memory": FILL_MEMORY, "descriptors": OPEN, "disk": FILL_DISK, "cpu": BURN}

# Writes on and on, into files of which the last has no name any more; says how far it came, and what stopped it.
FLOOD = """
import os, tempfile, time
directory = tempfile.mkdtemp(dir='/tmp')
held = tempfile.TemporaryFile(dir=directory, buffering=0)
written = n = 0
reason = 'nothing'
try:
    while written < {most}:
        for file in (held, open(os.path.join(directory, str(n)), 'wb', buffering=0)):
            written += file.write(os.urandom(1 << 18))
        n += 1
        print(written, flush=True)
        time.sleep(0.01)
except OSError as e:
    reason = str(e)
print(reason, flush=True)
held.close()
for name in os.listdir(directory):
    os.unlink(os.path.join(directory, name))
os.rmdir(directory)
"""


@pytest.mark.parametrize("resource", FILLERS)
def test_limit(arena, resource):
    limit = arena.limit(resource)
    if limit["mechanism"] == "none":
        assert limit["note"] and limit["note"] in arena.info["isolation"]["weaknesses"], "a limit that nothing holds"
        pytest.skip(f"{resource}: held by nothing, and said so: {limit['note']}")
    if limit["mechanism"] == "watched":
        pytest.skip(f"{resource}: watched; see test_what_is_watched_is_stopped")
    source = FILLERS[resource].format(most=2 * limit["limit"])
    outside = arena.outside(source)
    if int(outside.stdout or 0) <= limit["limit"]:
        pytest.skip(f"{resource}: this machine gives no more outside either: {outside.stdout} {outside.stderr[-200:]}")
    inside = arena.python(source, "agent-0")
    used = int(inside["stdout"] or 0)
    slack = 1.5 if resource == "cpu" else 1  # a period of the scheduler more or less
    assert used <= limit["limit"] * slack, f"{limit}: {used} inside"
    assert inside["status"].get("exit_code") != 0 or used > 0, inside
    # Others in the sandbox work on, and so does the daemon.
    assert arena.python("print(1)", "root")["stdout"] == "1\n"
    assert arena.daemon.answers()


def test_what_is_watched_is_stopped(arena):
    """The host's disk: no kernel holds a directory to a size, so a flood is stopped, and a person decides."""
    limit = arena.limit("disk")
    if limit["mechanism"] != "watched":
        pytest.skip(f"the kernel holds it: {limit}")
    assert limit["note"] in arena.info["isolation"]["weaknesses"], "that it may come late is said"
    most = 1 << 30  # far above the limit, and what a hostile program costs the host if the watch fails
    outside = arena.outside(FLOOD.format(most=4 * limit["limit"])).stdout.split()
    assert int(outside[-2]) >= 4 * limit["limit"] and outside[-1] == "nothing", outside[-3:]

    # A sandbox of its own: what follows stops everything in it.
    sandbox = arena.rpc.call("sandbox.create", {"limits": LIMITS})["id"]
    daemon = arena.daemon
    flood = {"sandbox": sandbox, "argv": [PYTHON, "-c", FLOOD.format(most=most)], "background": True}
    if arena.enforced:
        flood["user"] = "agent-0"
    arena.rpc.call("exec.start", flood)

    def info():
        return arena.rpc.call("sandbox.info", {"sandbox": sandbox})

    stopped = wait_until(lambda: info()["state"] == "paused" and info(), timeout=90, what="the end of the flood")
    assert f"swarmctl sandbox resize {sandbox}" in stopped["reason"], stopped["reason"]
    files = pathlib.Path(daemon.env["XDG_STATE_HOME"]) / "swarmd/sandboxes" / sandbox / "files"

    def written():
        return int(subprocess.run(["du", "-s", "-B1", files], capture_output=True, text=True).stdout.split()[0])

    held = written()  # half of it: the other half has no name
    assert held * 2 < most, "it went on to its end"
    # It stands still, others work on, and so does the daemon.
    assert arena.python("print(1)", "root")["stdout"] == "1\n"
    assert daemon.answers() and written() == held
    hits = [e for e in arena.rpc.call("events.list", {"types": ["sandbox.limit"]})["events"] if e["sandbox"] == sandbox]
    assert len(hits) == 1 and "'swarmctl sandbox resume" in hits[0]["data"]["message"], hits

    def run(*argv):
        user = {"user": "root"} if arena.enforced else {}
        request = {"sandbox": sandbox, "argv": argv, "capture": True, "timeout_ms": 60000, **user}
        return arena.rpc.call("exec.start", request)["status"].get("exit_code")

    with pytest.raises(RpcError, match="sandbox resize"):
        run("true")

    # With a higher limit it goes on, and comes no further than that.
    arena.rpc.call("sandbox.resize", {"sandbox": sandbox, "disk_bytes": 96 << 20})
    wait_until(lambda: info()["state"] == "paused" and "96 MiB" in info()["reason"], timeout=90, what="the second end")
    assert written() > held
    # A person lets it go on for as long as it takes to make room.
    clean = ("import glob, os, shutil, signal\n"
             "for p in os.listdir('/proc'):\n"
             "  if p.isdigit() and int(p) != os.getpid() and b'mkdtemp' in open(f'/proc/{p}/cmdline', 'rb').read():\n"
             "    os.kill(int(p), signal.SIGKILL)\n"
             "for directory in glob.glob('/tmp/tmp*'):\n"
             "  shutil.rmtree(directory)\n")

    def make_room():
        try:
            arena.rpc.call("sandbox.resume", {"sandbox": sandbox})
            return run(PYTHON, "-c", clean) == 0
        except RpcError:  # the flood was faster, and was stopped again
            return False

    wait_until(make_room, timeout=90, what="room in the sandbox")
    assert run("/bin/sh", "-c", "head -c 16M /dev/zero > /tmp/after") == 0
    assert info()["state"] == "claimed"
    assert arena.rpc.call("sandbox.kill", {"sandbox": sandbox})["state"] == "gone"
    assert daemon.answers()


def test_storage_in_memory_is_held_by_the_kernel(arena):
    made = arena.rpc.call("sandbox.create", {"template": "memory", "limits": LIMITS})
    limit = next(limit for limit in made["limits"] if limit["resource"] == "disk")
    assert limit == {"resource": "disk", "limit": LIMITS["disk_bytes"], "mechanism": "tmpfs"}
    source = FILL_DISK.format(most=2 * limit["limit"])
    assert int(arena.outside(source).stdout) > limit["limit"]
    request = {"sandbox": made["id"], "argv": [PYTHON, "-"], "input": source, "capture": True, "timeout_ms": 30000}
    inside = arena.rpc.call("exec.start", request)
    assert 0 < int(inside["stdout"]) <= limit["limit"], inside
    assert arena.rpc.call("sandbox.info", {"sandbox": made["id"]})["state"] == "claimed"
    assert arena.rpc.call("sandbox.kill", {"sandbox": made["id"]})["state"] == "gone"
    assert arena.daemon.answers()


VICTIM = """
import os, time
secret = bytearray(os.environ['SECRET'].encode())
os.close(os.open('/tmp/of-agent-1', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
time.sleep(600)
"""
FORGE = """
import ctypes, glob, json, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def tried(function):
    try:
        return [True, str(function())]
    except OSError as e:
        return [False, str(e)]
def ptrace():
    if libc.ptrace(0x4206, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'ptrace')
def process_vm():
    buffer = ctypes.create_string_buffer(8)
    class Iovec(ctypes.Structure):
        _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]
    start = int(open(f'/proc/{{pid}}/maps').readline().split('-')[0], 16)
    if libc.process_vm_readv(pid, ctypes.byref(Iovec(ctypes.addressof(buffer), 8)), 1, ctypes.byref(Iovec(start, 8)), 1, 0) < 0:
        raise OSError(ctypes.get_errno(), 'process_vm_readv')
pid = {pid}
print(json.dumps({{
    'kill': tried(lambda: os.kill(pid, 0)),
    'ptrace': tried(ptrace),
    'process_vm': tried(process_vm),
    'memory': tried(lambda: os.close(os.open(f'/proc/{{pid}}/mem', os.O_RDWR))),
    'environment': tried(lambda: open(f'/proc/{{pid}}/environ').read()),
    'descriptors': tried(lambda: os.listdir(f'/proc/{{pid}}/fd')),
    'file': tried(lambda: open('/tmp/of-agent-1').read()),
    'open up': tried(lambda: os.chmod('/tmp/of-agent-1', 0o600)),
    'move': tried(lambda: (os.rename('/tmp/of-agent-1', '/tmp/moved'), os.rename('/tmp/moved', '/tmp/of-agent-1'))),
    'become': tried(lambda: os.setresuid(2002, 2002, 2002)),
}}))
"""


def test_no_agent_is_another(arena):
    if not arena.enforced:
        assert arena.info["identity"] == "cooperative"
        pytest.skip("the sandbox has one uid only, and says that identity is cooperative")
    victim = arena.rpc.call("exec.start", {
        "sandbox": arena.id, "argv": [PYTHON, "-c", VICTIM], "user": "agent-1", "env": {"SECRET": arena.secret},
        "background": True})
    wait_until(lambda: arena.python("import os; print(os.path.exists('/tmp/of-agent-1'))", "root")["stdout"] == "True\n")
    friend = json.loads(arena.python(FORGE.format(pid=victim["pid"]), "agent-1")["stdout"])
    foe = json.loads(arena.python(FORGE.format(pid=victim["pid"]), "agent-0")["stdout"])
    for name, (worked, evidence) in foe.items():
        assert not worked, f"{name}: agent-0 against agent-1: {evidence}"
        # Where Yama is on, not even a process of the same agent may; elsewhere the attack is shown to work.
        yama = os.path.exists("/proc/sys/kernel/yama") and name in ("ptrace", "process_vm", "memory")
        assert friend[name][0] or yama, f"{name}: {friend[name]}"
    # Not even agentd's own: whoever controls it speaks for all.
    for pid in (1, 2):
        against = json.loads(arena.python(FORGE.format(pid=pid), "agent-0")["stdout"])
        assert not any(against[name][0] for name in ("kill", "ptrace", "process_vm", "memory", "environment", "descriptors"))
    arena.rpc.call("exec.kill", {"sandbox": arena.id, "exec": victim["exec"]})


INNER = """
import json, msgpack, os, socket, struct, sys
def ask(method, *params, claim=None):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect('/run/swarm/agentd.sock')
        message = msgpack.packb([0, 1, method, list(params)])
        if claim:
            s.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack('3i', os.getpid(), claim, claim))])
        else:
            s.sendall(message)
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
        while True:
            data = s.recv(65536)
            if not data:
                return ['closed', None]
            unpacker.feed(data)
            for answer in unpacker:
                if answer[0] == 1:
                    return answer[2:]
"""
DAEMONISED = INNER + """
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent:
            os.sched_yield()
        os.write(writer, json.dumps([ask('inner.whoami'), os.getpid()]).encode())
    os._exit(0)
os.wait()
os.close(writer)
helper, helper_pid = json.loads(os.read(reader, 65536))
try:
    claimed = ask('inner.whoami', claim=2001 if os.getuid() == 2002 else 2002)
except OSError as e:
    claimed = str(e)
print(json.dumps({'self': ask('inner.whoami'), 'helper': helper, 'helper_pid': helper_pid, 'claimed': claimed}))
"""


def test_the_inner_socket_knows_who_calls(arena):
    for user, uid in (("agent-0", 2001), ("agent-1", 2002), ("root", 0)) if arena.enforced else ((None, None),):
        reply = arena.python(DAEMONISED, user)
        answers = json.loads(reply["stdout"] or "{}")
        assert answers, reply
        assert answers["self"][0] is None and answers["helper"][0] is None, answers
        if uid is None:
            uid = answers["self"][1]["uid"]
        assert answers["self"][1]["uid"] == uid
        assert answers["self"][1]["identity"] == arena.info["identity"]
        assert answers["helper"][1]["uid"] == uid and answers["helper"][1]["pid"] == answers["helper_pid"]
        # The kernel refuses the claim; root of a sandbox may make it, and still is who it is.
        claimed = answers["claimed"]
        assert isinstance(claimed, str) if uid != 0 else (claimed[0] is None and claimed[1]["uid"] == 0), answers


WALK = INNER + "print(json.dumps({{name: ask(name, {{}}) for name in {names!r}}}, default=str))"


def test_inside_only_harmless_methods_answer(arena):
    methods = arena.rpc.call("rpc.discover", {})["methods"]
    names = sorted(method["name"] for method in methods)
    assert "sandbox.create" in names and "daemon.stop" in names
    # A team's own methods are there for its agents, and none of them answers where no team lives.
    teams = {method["name"] for method in methods if method["caller"] in ("tunnel", "both")}
    assert not [name for name in teams if name.split(".")[0] in ("sandbox", "exec", "daemon", "secret", "budget", "swarm")]
    for user in ("agent-0", "root"):
        reply = arena.python(WALK.format(names=[*names, "agentd.configure", "agentd.shutdown"]), user)
        answers = json.loads(reply["stdout"] or "{}")
        assert answers, reply
        for name, (error, result) in answers.items():
            if not name.startswith(("rpc.", "inner.")):
                assert error, f"{name} answers {user} inside: {result}"
                refused = any(why in str(error) for why in ("no such", "unknown", "permission"))
                assert refused or name in teams, f"{name}: {error}"
    assert arena.rpc.call("sandbox.info", {"sandbox": arena.id})["state"] == "claimed"


def namespace_members(namespace):
    members = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                members.append(int(pid))
        except OSError:
            pass
    return members


def traces(arena):
    """Processes, cgroups and mounts that name the sandbox."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if arena.id.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
        except OSError:
            pass
    cgroups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if arena.id in path]
    mounts = [line for line in open("/proc/self/mounts") if arena.id in line or str(arena.daemon.home) in line]
    return found, cgroups, mounts


def namespaces(arena):
    """Those of the sandbox's process ids."""
    processes, _, _ = traces(arena)
    return {os.readlink(f"/proc/{pid}/ns/pid") for pid in processes} - {os.readlink("/proc/self/ns/pid")}


def test_nothing_is_left(arena):
    """The last of this file, for each daemon."""
    # A helper that has left its session, its parent and its terminal does not outlive its sandbox either.
    arena.python("import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n"
                 "  for n in range(3): os.close(n)\n  time.sleep(600)\n os._exit(0)\n", "agent-0")
    alive = namespaces(arena)
    assert alive and all(namespace_members(n) for n in alive)
    assert arena.daemon.answers()
    assert arena.rpc.call("sandbox.kill", {"sandbox": arena.id})["state"] == "gone"
    wait_until(lambda: traces(arena) == ([], [], []), what="the end of all processes, cgroups and mounts")
    assert not any(namespace_members(n) for n in alive)
    assert arena.daemon.sandbox_directories() == []
    with pytest.raises(RpcError):
        arena.rpc.call("exec.start", {"sandbox": arena.id, "argv": ["true"]})
    assert arena.daemon.answers()
    assert arena.daemon.stop() == 0
