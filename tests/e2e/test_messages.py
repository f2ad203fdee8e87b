"""Twenty agents write to each other while agentd and the daemon are killed under them and the tunnel is cut: every message is once in each of
its recipients' queues, in the order of its sender, acknowledged or escalated, and once in the daemon's log. A sample;
SWARM_SOAK=1 runs it in full (with SWARM_MESSAGES=N so many of the 100,000, and as large a part of the kills), SWARM_SEED=N
repeats one."""

import ctypes
import os
import pathlib
import random
import signal
import socket
import stat
import time

import pytest

from conftest import RpcError, wait_until
from test_endurance import agentd_of
from test_team import Team

SOAK = os.environ.get("SWARM_SOAK") == "1"
SEED = int(os.environ.get("SWARM_SEED") or random.SystemRandom().randrange(2**32))
AGENTS, MESSAGES, AGENTD_KILLS, DAEMON_KILLS = (20, 100_000, 200, 20) if SOAK else (5, 1_500, 4, 1)
if SOAK and "SWARM_MESSAGES" in os.environ:
    MESSAGES = int(os.environ["SWARM_MESSAGES"])
    AGENTD_KILLS, DAEMON_KILLS = max(1, MESSAGES // 500), max(1, MESSAGES // 5_000)
CUTS_A_KILL = 2
TALKER = (pathlib.Path(__file__).parents[1] / "harness/talker.py").read_text()
PATIENCE = {"reminders": [2000, 4000], "lead_ms": 2000, "human_ms": 2000}


def answered(team, method, params):
    """The answer, however often the daemon or agentd is away meanwhile."""
    def ask():
        try:
            return team.rpc.call(method, params)
        except (RpcError, OSError, EOFError) as error:
            if isinstance(error, RpcError) and "unavailable" not in str(error) and "cancelled" not in str(error):
                raise
            try:
                team.rpc = team.daemon.rpc()
            except OSError:
                pass
            return None
    return wait_until(ask, timeout=120, what=method)


def evidence(daemon, sandbox):
    """What daemon and agentd said last, and where agentd's threads wait."""
    init, agentd = agentd_of(sandbox)
    said = [daemon.log.read_text()[-2000:]]
    if init is not None:
        said.append(pathlib.Path(f"/proc/{init}/root/run/swarm/agentd.log").read_text()[-2000:])
    if agentd is not None:
        said += [f"{thread.name}: {(thread / 'wchan').read_text()} {(thread / 'syscall').read_text()}"
                 for thread in pathlib.Path(f"/proc/{agentd}/task").iterdir()]
    return "\n".join(said)


def sent_so_far(team, record):
    status, out, _ = team.run("root", "sh", "-c", f"cat {record} 2>/dev/null | grep -c ^sent; true")
    return int(out or 0)


def test_every_message_arrives_once_and_in_order(daemon):
    random.seed(SEED)
    print(f"SWARM_SEED={SEED}")
    team = Team(daemon, agents=0)
    team.rpc.call("team.open", {"sandbox": team.sandbox, "swarm": team.swarm, "name": "one",
                                "messages_per_minute": 10_000_000, "patience": PATIENCE})
    names = [f"agent-{i}" for i in range(AGENTS)]
    members = [team.rpc.call("team.join", {"swarm": team.swarm, "agent": name}) for name in names]
    if members[0]["identity"] != "enforced":
        pytest.skip("this machine gives one uid only")
    each = MESSAGES // AGENTS
    execs = [team.rpc.call("exec.start", {
        "sandbox": team.sandbox, "user": name, "background": True, "wait": False,
        "argv": ["/usr/bin/python3", "-c", TALKER, str(i), str(each), ",".join(n for n in names if n != name),
                 f"/home/{name}/record", "35"]})["exec"] for i, name in enumerate(names)]

    # The first agent's progress says when to kill: spread over the whole exchange.
    begun = time.monotonic()
    kills = daemon_kills = cuts = 0
    record = f"/home/{names[0]}/record"
    moved = time.monotonic()
    while kills < AGENTD_KILLS:
        # A call that is not answered in time is an OSError too, and not a reason to try for ever. Sooner than the sandbox
        # ends because nobody extends its lease, and with it what could say why.
        assert time.monotonic() - moved < 240, f"no kill since {kills}: {evidence(daemon, team.sandbox)}"
        due = each * kills // (AGENTD_KILLS + 1)
        try:
            wait_until(lambda: sent_so_far(team, record) >= due, timeout=120, what=f"message {due} of {names[0]}")
        except (RpcError, OSError, EOFError):
            team.rpc = wait_until(lambda: reconnected(daemon), what="the daemon")
            continue
        _, agentd = agentd_of(team.sandbox)
        if agentd is None:
            continue
        # In the midst of what is under way: both sides take the session up where it was.
        for _ in range(CUTS_A_KILL):
            cuts += cut_tunnels(daemon.process.pid)
            try:
                wait_until(lambda: sent_so_far(team, record), timeout=120, what="the tunnel after its cut")
            except (RpcError, OSError, EOFError):
                team.rpc = wait_until(lambda: reconnected(daemon), what="the daemon")
        os.kill(agentd, signal.SIGKILL)
        kills += 1
        moved = time.monotonic()
        if kills * DAEMON_KILLS // AGENTD_KILLS > daemon_kills:
            daemon_kills += 1
            daemon.kill()
            daemon.start()
            team.rpc = daemon.rpc()
    exchanged = time.monotonic() - begun

    for one in execs:
        ended = wait_until(lambda: over(team, one), timeout=1200, what="the end of a talker")
        assert ended["exit_code"] == 0, answered(team, "exec.attach", {"sandbox": team.sandbox, "exec": one})
    took = time.monotonic() - begun

    sent, got, acked, ignored = {}, {}, set(), set()
    for name in names:
        out = daemon.ctl("exec", "--user", name, team.sandbox, "cat", f"/home/{name}/record").stdout
        lines = [line.split() for line in out.splitlines()]
        assert lines[-1] == ["done"], name
        for kind, *words in lines[:-1]:
            if kind == "sent":
                assert words[0] not in sent, "one message, one answer"
                sent[words[0]] = (name, words[1].split(","), words[2] == "1")
            elif kind == "got":
                got.setdefault(name, []).append(words)
            elif kind == "acked":
                acked.add((words[0], name))
            else:
                ignored.add((words[0], name))
    assert len(sent) == each * AGENTS
    assert cuts >= kills

    # Once in each queue: what came again is marked, and what came first is in the order of its sender.
    wanted = {(message, to) for message, (_, all_to, _) in sent.items() for to in all_to}
    arrived, repeats = set(), 0
    for name, letters in got.items():
        last = {}
        for message, sender, number, repeat in letters:
            if sender == "swarm":
                continue
            if (message, name) in arrived:
                assert repeat == "1", (message, name)
                repeats += 1
                continue
            arrived.add((message, name))
            assert int(number) > last.get(sender, 0), (name, sender, number, last.get(sender))
            last[sender] = int(number)
    assert arrived == wanted

    # Acknowledged, or a person knows.
    open_ones = {(message, to) for message, (_, all_to, wants) in sent.items() if wants for to in all_to} - acked
    assert open_ones == {pair for pair in ignored if pair[0] in sent}
    escalated = wait_until(lambda: all_escalated(team, open_ones), timeout=180, what="the escalations")
    events = read_events(team)
    queued = [event["data"]["id"] for event in events if event["type"] == "message.queued"]
    assert len(queued) == len(set(queued)), "an event came twice"
    assert set(sent) <= set(queued)
    origins = [event["origin"]["seq"] for event in events if event["origin"]["store"].startswith(team.sandbox + "/")
               and event["type"].startswith(("message.", "agent."))]
    assert origins == sorted(set(origins))
    notices = {(event["data"]["about"], event["agent"]) for event in events if event["type"] == "human.notice"
               and event["data"]["kind"] == "unacknowledged"}
    assert open_ones <= notices and len(escalated) >= len(open_ones)
    print(f"{len(sent)} messages in {len(wanted)} queues, {kills} kills of agentd and {daemon_kills} of the daemon, {cuts} cuts in "
          f"{exchanged:.0f} s, {took:.0f} s to the last letter; {repeats} marked repeats; {len(acked)} acknowledged, "
          f"{len(open_ones)} escalated; {len(events)} events")


def cut_tunnels(daemon):
    """Shuts the daemon's ends of its tunnels' sockets down, as a broken line does; how many."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(daemon)
    done = 0
    try:
        for entry in os.listdir(f"/proc/{daemon}/fd"):
            copy = libc.syscall(438, handle, int(entry), 0)  # pidfd_getfd
            if copy < 0:
                continue  # closed meanwhile
            if not stat.S_ISSOCK(os.fstat(copy).st_mode):
                os.close(copy)
                continue
            with socket.socket(fileno=copy) as line:
                try:
                    if str(line.getpeername()).endswith("/tunnel"):
                        line.shutdown(socket.SHUT_RDWR)
                        done += 1
                except OSError:
                    pass  # a listener has no peer
    finally:
        os.close(handle)
    return done


def reconnected(daemon):
    try:
        return daemon.rpc()
    except OSError:
        return None


def over(team, one):
    try:
        return answered(team, "exec.wait", {"sandbox": team.sandbox, "exec": one, "timeout_ms": 500})
    except RpcError as error:
        assert "still runs" in str(error)
        return None


def read_events(team):
    events, request = [], {"types": ["message.*", "agent.*", "human.*"], "from": 1, "limit": 1000}
    while True:
        page = answered(team, "events.list", request)
        events += page["events"]
        if not page.get("next_cursor"):
            return events
        request = {"types": request["types"], "limit": 1000, "cursor": page["next_cursor"]}


def all_escalated(team, wanted):
    told = {(event["data"]["id"], event["data"]["recipient"]) for event in read_events(team)
            if event["type"] == "message.escalated" and event["data"]["to"] == "human"}
    return told if wanted <= told else None
