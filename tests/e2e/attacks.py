"""What a hostile program would try. Runs outside first, where it shows that each attack works, then inside a sandbox.

Read from standard input by python3, with `PARAMETERS` (a dictionary) set before it; prints one JSON object: for each attack
[whether it got what it wanted, evidence or reason]. Nothing here harms the machine: writes go to new files that are removed
at once, or put back what was read; dangerous calls are made with arguments that the kernel refuses after its permission check.
"""

import ctypes
import errno
import glob
import json
import mmap
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import time

P = PARAMETERS  # noqa: F821
LIBC = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
ATTACKS = {}
PATIENCE = 4  # seconds for one attack


class Refused(Exception):
    """The attack did not get what it wanted."""


def attack(function):
    ATTACKS[function.__name__] = function
    return function


def system(x86, arm, *arguments, also=()):
    """A system call. An errno in `also` comes after the permission check: the kernel would have done it."""
    result = LIBC.syscall(arm if ARM else x86, *arguments)
    error = ctypes.get_errno()
    if result < 0 and error not in also:
        raise OSError(error, os.strerror(error))
    return result if result >= 0 else errno.errorcode[error]


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in (os.getpid(), os.getppid())]


def first(tries, wanted="anything"):
    """The first of many tries that works; each is a function."""
    reasons = set()
    for one in tries:
        try:
            return one()
        except (OSError, Refused) as e:
            reasons.add(str(e)[:80])
    raise Refused(f"{wanted}: {'; '.join(sorted(reasons)[:3]) or 'nothing to try'}")


def read(path, wanted):
    if not os.path.isfile(path):  # a pipe of another program would keep us waiting
        raise Refused("no such file that can be read")
    with open(path, "rb") as file:
        if wanted.encode() not in file.read(1 << 20):
            raise Refused(f"{path} does not hold it")
    return path


# Seeing the host.

@attack
def see_host_processes():
    return first([lambda p=p: read(f"/proc/{p}/cmdline", P["process_mark"]) for p in pids()])


@attack
def read_host_home():
    return read(P["home_file"], P["secret"])


@attack
def read_shadow():
    return read("/etc/shadow", "root:")


@attack
def read_daemon_state():
    return os.listdir(P["state"])


@attack
def read_through_proc_root():
    return first([lambda p=p: read(f"/proc/{p}/root{P['home_file']}", P["secret"]) for p in [1, *pids()]])


@attack
def read_through_proc_cwd():
    up = "/.." * 20
    return first([lambda p=p: read(f"/proc/{p}/cwd{up}{P['home_file']}", P["secret"]) for p in [1, *pids()]])


@attack
def read_through_proc_fd():
    up = "/.." * 20
    return first([lambda f=f: read(f + tail, P["secret"])
                  for p in [P["victim"], 1, *pids(), "self"] for f in glob.glob(f"/proc/{p}/fd/*") for tail in ("", up + P["home_file"])])


@attack
def inherit_descriptors():
    return first([lambda f=f: read(f"/proc/self/fd/{f}", P["secret"]) for f in os.listdir("/proc/self/fd") if int(f) > 2])


@attack
def open_by_handle():
    handle = bytes.fromhex(P["handle"])
    buffer = ctypes.create_string_buffer(struct.pack("Ii", len(handle), P["handle_type"]) + handle)
    tries = [lambda d=d: system(304, 265, os.open(d, os.O_RDONLY), buffer, os.O_RDONLY) for d in ("/usr", "/etc", "/tmp", "/")]
    return read(f"/proc/self/fd/{first(tries)}", P["secret"])


@attack
def read_kernel_log():
    return system(103, 116, 3, ctypes.create_string_buffer(4096), 4096)


# Changing the host.

def write_new(directory):
    path = f"{directory}/.isolation-{os.getpid()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)
    return path


@attack
def write_usr():
    return write_new("/usr/lib")


@attack
def write_etc():
    return write_new("/etc")


@attack
def write_tools():
    return write_new(P["tools"])


@attack
def write_root_owned_file():
    return first([lambda f=f: os.open(f, os.O_WRONLY | os.O_APPEND) for f in ("/etc/passwd", "/etc/profile", "/usr/bin/env")])


@attack
def write_sysctl():
    def same(path):
        with open(path) as file:
            value = file.read()
        with open(path, "w") as file:
            file.write(value)
        return path
    return first([lambda f=f: same(f) for f in ("/proc/sys/vm/swappiness", "/proc/sys/kernel/panic", "/proc/sys/fs/file-max")])


@attack
def write_core_pattern():
    with open("/proc/sys/kernel/core_pattern") as file:
        value = file.read()
    with open("/proc/sys/kernel/core_pattern", "w") as file:
        file.write(value)
    return value


@attack
def raise_core_limit():
    import resource
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError as e:
        raise Refused(str(e)) from e
    return "unlimited"


@attack
def open_sysrq():
    return os.open("/proc/sysrq-trigger", os.O_WRONLY)


@attack
def write_sys():
    return first([lambda f=f: os.open(f, os.O_WRONLY) for f in ("/sys/kernel/uevent_seqnum", "/sys/kernel/mm/ksm/run",
                                                                "/sys/power/state", "/sys/kernel/profiling")])


@attack
def write_cgroup():
    return first([lambda f=f: os.open(f, os.O_WRONLY) for f in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:50]])


@attack
def make_device():
    path = f"/tmp/.isolation-device-{os.getpid()}"
    try:
        os.mknod(path, 0o600 | 0o060000, os.makedev(*P["disk"]))
        return os.open(path, os.O_RDONLY)
    finally:
        if os.path.lexists(path):
            os.unlink(path)


@attack
def signal_host_process():
    os.kill(P["victim"], signal.SIGUSR1)
    return P["victim"]


@attack
def ptrace_host_process():
    system(101, 117, 0x4206, P["victim"], 0, 0)  # PTRACE_SEIZE
    return P["victim"]


@attack
def read_host_memory():
    return os.open(f"/proc/{P['victim']}/mem", os.O_RDWR)


@attack
def pidfd_of_host_process():
    return system(434, 434, P["victim"], 0)


# Reaching out.

def ask(family, kind, protocol, address, data=b"ping"):
    with socket.socket(family, kind, protocol) as s:
        s.settimeout(0.7)
        s.connect(address)
        s.send(data)
        return s.recv(512).hex()[:40]


@attack
def reach_tcp():
    return first([lambda h=h: ask(socket.AF_INET, socket.SOCK_STREAM, 0, (h, P["tcp"])) for h in P["addresses"]])


@attack
def reach_udp():
    return first([lambda h=h: ask(socket.AF_INET, socket.SOCK_DGRAM, 0, (h, P["udp"])) for h in P["addresses"]])


@attack
def reach_dns():
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\0\0\2\0\1"  # NS of the root
    return first([lambda h=h: ask(socket.AF_INET, socket.SOCK_DGRAM, 0, (h, 53), query) for h in P["resolvers"]])


@attack
def reach_raw():
    body = b"\x08\0\0\0" + struct.pack("!HH", os.getpid() & 0xFFFF, 1)
    total = sum(struct.unpack("!4H", body))
    packet = body[:2] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + body[4:]
    # Not the loopback address: a sandbox has one of its own.
    return first([lambda h=h: ask(socket.AF_INET, socket.SOCK_RAW, 1, (h, 0), packet) for h in P["addresses"][1:]])


@attack
def capture_packets():
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)).fileno()


@attack
def reach_abstract_socket():
    return ask(socket.AF_UNIX, socket.SOCK_STREAM, 0, "\0" + P["abstract"])


@attack
def reach_daemon_socket():
    up = "/.." * 20
    def connect(path):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
        return path
    return first([lambda f=f: connect(f) for f in (P["socket"], f"/proc/1/root{P['socket']}", f"/proc/1/cwd{up}{P['socket']}")])


@attack
def list_daemon_socket():
    return read("/proc/net/unix", P["socket"])


@attack
def open_vsock():
    return socket.socket(40, socket.SOCK_STREAM).fileno()


@attack
def open_crypto_socket():
    return socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).fileno()


@attack
def open_netlink_audit():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).fileno()  # KOBJECT_UEVENT


# Kernel interfaces.

@attack
def mount_tmpfs():
    LIBC.unshare(0x00020000)  # a mount namespace of our own: outside nothing is seen of this
    LIBC.mount(b"none", b"/", None, 0x4000 | 0x40000, None)
    if LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "/tmp"


@attack
def remount_usr_writable():
    LIBC.unshare(0x00020000)
    LIBC.mount(b"none", b"/", None, 0x4000 | 0x40000, None)
    for target in (b"/usr", b"/"):
        if LIBC.mount(b"none", target, None, 0x20 | 0x1000 if target == b"/usr" else 0x1000, b"") == 0 or \
                LIBC.mount(target, target, None, 0x1000, None) == 0:
            return target.decode()
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@attack
def open_mount_tree():
    return system(428, 428, -100, b"/", 1)


@attack
def change_root():
    os.chroot("/usr")
    return "/usr"


@attack
def new_user_namespace():
    return system(272, 97, 0x10000000)


@attack
def new_user_namespace_by_clone():
    result = system(56, 220, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if result == 0:
        os._exit(0)
    return result


@attack
def new_user_namespace_by_clone3():
    arguments = ctypes.create_string_buffer(struct.pack("8Q", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
    result = system(435, 435, arguments, 64)
    if result == 0:
        os._exit(0)
    return result


@attack
def enter_namespaces():
    return first([lambda n=n: system(308, 268, os.open(f"/proc/{n}", os.O_RDONLY), 0)
                  for n in ("1/ns/mnt", "1/ns/net", "1/ns/user", "1/ns/uts", "self/ns/uts")])


@attack
def load_module():
    return system(175, 105, b"no module", 9, b"", also=(errno.ENOEXEC, errno.EINVAL))


@attack
def load_module_file():
    return system(313, 273, os.open("/usr/bin/env", os.O_RDONLY), b"", 0, also=(errno.ENOEXEC, errno.EINVAL))


@attack
def use_keyring():
    return system(250, 219, 0, -3, 1)  # KEYCTL_GET_KEYRING_ID of the session


@attack
def add_key():
    return system(248, 217, b"user", b"isolation", b"x", 1, -2)


@attack
def load_bpf():
    return system(321, 280, 0, ctypes.create_string_buffer(struct.pack("5I", 2, 4, 4, 1, 0) + b"\0" * 100), 72)


@attack
def use_io_uring():
    return system(425, 425, 4, ctypes.create_string_buffer(256))


@attack
def use_userfaultfd():
    return system(323, 282, 0)


@attack
def measure_kernel():
    event = struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, 1)
    return system(298, 241, ctypes.create_string_buffer(event + b"\0" * 100), 0, -1, -1, 0)


@attack
def reboot():
    return system(169, 142, 1, 2, 3, 0, also=(errno.EINVAL,))  # numbers that are not reboot's


@attack
def load_kernel():
    return system(246, 104, 0, 99, 0, 0, also=(errno.EINVAL,))


@attack
def stop_swap():
    return system(168, 225, b"/nonexistent", also=(errno.ENOENT,))


@attack
def set_clock():
    return system(227, 112, 0, ctypes.create_string_buffer(struct.pack("qq", 0, -1)), also=(errno.EINVAL,))


def on_terminal(request, argument):
    import fcntl
    primary, secondary = os.openpty()
    os.setsid()
    fcntl.ioctl(secondary, 0x540E, 0)  # TIOCSCTTY
    fcntl.ioctl(secondary, request, argument)
    return primary


@attack
def type_into_terminal():
    return on_terminal(0x5412, b"x")


@attack
def type_into_terminal_with_high_bits():
    primary, secondary = os.openpty()
    os.setsid()
    LIBC.ioctl(secondary, ctypes.c_ulong(0x540E), 0)
    return system(16, 29, secondary, ctypes.c_ulong((1 << 32) | 0x5412), b"x")


@attack
def call_as_i386():
    if platform.machine() != "x86_64":
        raise Refused("only an x86_64 has it")
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\x53\xb8\x14\0\0\0\xcd\x80\x5b\xc3")  # push rbx; mov eax, 20 (getpid); int 0x80; pop rbx; ret
    result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    if result != os.getpid():
        raise OSError(-result, os.strerror(-result))
    return result


@attack
def call_as_x32():
    return system(0x40000000 | 39, 0x40000000 | 39)


@attack
def gain_by_setuid_program():
    with open("/proc/self/status") as file:
        if "NoNewPrivs:\t1" in file.read():
            raise Refused("no program gains privileges by its file mode")
    return "setuid programs work"


def run(function):
    """In a process of its own, since some attacks change or end the one that makes them."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            answer = [True, str(function())]
        except (OSError, Refused) as e:
            answer = [False, str(e)]
        except BaseException as e:
            answer = [None, repr(e)]
        os.write(writer, json.dumps(answer).encode()[:4000])
        os._exit(0)
    os.close(writer)
    text = b""
    end = time.monotonic() + PATIENCE
    while select.select([reader], [], [], max(0, end - time.monotonic()))[0]:
        data = os.read(reader, 4096)
        if not data:
            break
        text += data
    os.close(reader)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else [False, f"no answer (status {status})"]


print(json.dumps({name: run(function) for name, function in ATTACKS.items()}))
