"""Calls with an idempotency key: made once, whatever happens between."""

import threading

import pytest
from conftest import RpcError, wait_until


@pytest.fixture
def sandbox(rpc):
    return rpc.call("sandbox.create")["id"]


def lines(rpc, sandbox, path):
    return rpc.call("exec.start", {"sandbox": sandbox, "command": f"cat {path} 2>/dev/null || true",
                                   "capture": True})["stdout"].splitlines()


def test_the_first_answer_again_also_after_a_crash(daemon, rpc, sandbox):
    call = {"sandbox": sandbox, "command": "echo once >> /tmp/log; cat /proc/sys/kernel/random/uuid", "capture": True,
            "idempotency_key": "k1"}
    first = rpc.call("exec.start", call)
    assert rpc.call("exec.start", call) == first
    with pytest.raises(RpcError, match="invalid_argument: .*other arguments"):
        rpc.call("exec.start", {**call, "command": "true"})
    with pytest.raises(RpcError, match="invalid_argument: .*used for exec.start before"):
        rpc.call("files.mkdir", {"sandbox": sandbox, "path": "/tmp/x", "idempotency_key": "k1"})
    daemon.kill()
    daemon.start()
    rpc = daemon.rpc()
    assert rpc.call("exec.start", call) == first
    assert lines(rpc, sandbox, "/tmp/log") == ["once"]


def test_an_outcome_that_a_crash_left_unknown_is_called_unknown(daemon, rpc, sandbox):
    call = {"sandbox": sandbox, "command": "echo begun >> /tmp/log; sleep 100", "idempotency_key": "k1"}
    waiting = rpc.request("exec.start", call)
    other = daemon.rpc()
    wait_until(lambda: lines(other, sandbox, "/tmp/log"), what="the program")
    daemon.kill()
    with pytest.raises((EOFError, ConnectionError)):
        rpc.wait(waiting)
    daemon.start()
    rpc = daemon.rpc()
    for _ in range(2):
        with pytest.raises(RpcError, match="failed_precondition: nobody knows how this call of exec.start ended.*new"):
            rpc.call("exec.start", call)
    assert lines(rpc, sandbox, "/tmp/log") == ["begun"]


def test_a_client_that_vanished_comes_back_for_its_answer(daemon, rpc, sandbox):
    call = {"sandbox": sandbox, "command": "echo begun >> /tmp/log; while [ ! -e /tmp/go ]; do sleep 0.01; done; "
                                           "echo done", "capture": True, "idempotency_key": "k1"}
    gone = daemon.rpc()
    gone.request("exec.start", call)
    wait_until(lambda: lines(rpc, sandbox, "/tmp/log"), what="the program")
    gone.close()
    answers = []
    back = daemon.rpc()
    thread = threading.Thread(target=lambda: answers.append(back.call("exec.start", call)))
    thread.start()
    rpc.call("files.write", {"sandbox": sandbox, "path": "/tmp/go", "data": b""})
    thread.join(timeout=30)
    assert answers and answers[0]["stdout"] == "done\n"
    assert lines(rpc, sandbox, "/tmp/log") == ["begun"]
    back.close()


def test_a_refused_call_leaves_its_key_new(rpc, sandbox):
    call = {"sandbox": sandbox, "path": "/tmp/a/b/c", "data": "x", "idempotency_key": "k1"}
    with pytest.raises(RpcError, match="not_found"):
        rpc.call("files.write", {**call, "sandbox": "nowhere"})
    rpc.call("files.write", {**call, "path": "/tmp/a"})


def test_a_stream_and_a_key_exclude_each_other(rpc, sandbox):
    with pytest.raises(RpcError, match="invalid_argument: 'stdout' cannot be given with idempotency_key"):
        rpc.call("exec.start", {"sandbox": sandbox, "argv": ["true"], "stdout": 1, "idempotency_key": "k1"})



def test_every_mutating_method_takes_a_key(rpc):
    """Each is called with a key and wrong arguments: the arguments are refused, never the key."""
    mutating = [m for m in rpc.call("rpc.discover")["methods"] if m["mutating"]]
    assert len(mutating) > 20
    for method in mutating:
        with pytest.raises(RpcError) as caught:
            rpc.call(method["name"], {"idempotency_key": "k", "no such field": 1})
        assert "no such field" in str(caught.value), method["name"]
        assert [p for p in method["params"] if p["name"] == "idempotency_key"], method["name"]
