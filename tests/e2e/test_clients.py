"""Any msgpack-rpc client is a client: Python's msgpack, Neovim as Debian ships it. No code of ours on their side."""

import subprocess

import pytest
from conftest import RpcError


def test_python_calls_and_sees_errors(rpc):
    assert rpc.call("rpc.ping")
    assert rpc.call("daemon.info")["providers"][0]["name"] == "local"
    # Absent, nil, [] and {} all mean no arguments.
    for params in ([], [None], [[]], [{}]):
        assert rpc.call("sandbox.list", *params)["sandboxes"] == []
    with pytest.raises(RpcError, match="not_found: there is no sandbox 'nope'"):
        rpc.call("sandbox.info", {"sandbox": "nope"})
    with pytest.raises(RpcError, match="did you mean 'template'"):
        rpc.call("sandbox.create", {"tempalte": "x"})
    with pytest.raises(RpcError, match="unimplemented.*sandbox.create"):
        rpc.call("sandbox.craete")
    assert rpc.call("rpc.last_error")["error"]["code"] == "unimplemented"


def test_errors_as_maps_for_who_asks(rpc):
    rpc.call("rpc.hello", {"client": "test", "version": "1", "errors": "map"})
    with pytest.raises(RpcError) as failure:
        rpc.call("sandbox.info", {"sandbox": "nope"})
    assert failure.value.error["code"] == "not_found"
    assert failure.value.error["retryable"] is False


def test_requests_are_answered_out_of_order(rpc):
    sandbox = rpc.call("sandbox.create")["id"]
    slow = rpc.request("exec.start", {"sandbox": sandbox, "argv": ["sleep", "5"]})
    fast = rpc.request("rpc.ping")
    assert rpc.wait(fast)
    rpc.send([2, "rpc.cancel", [slow]])
    with pytest.raises(RpcError, match="cancelled"):
        rpc.wait(slow)


def test_discover_describes_every_method(rpc):
    found = rpc.call("rpc.discover")
    names = {method["name"] for method in found["methods"]}
    assert {"rpc.hello", "sandbox.create", "exec.start", "files.read", "events.subscribe"} <= names
    for method in found["methods"]:
        assert method["doc"], method["name"]


def test_events_are_numbered_and_can_be_read_again(daemon):
    rpc = daemon.rpc()
    first = rpc.call("events.subscribe", {"types": ["sandbox.*"]})
    sandbox = rpc.call("sandbox.create")["id"]
    ready = rpc.notification(lambda m: m[1] == "event" and m[2][0]["data"].get("to") == "claimed")
    assert ready[2][0]["sandbox"] == sandbox
    rpc.close()

    again = daemon.rpc()
    again.call("events.subscribe", {"types": ["sandbox.*"], "from": first["next_seq"]})
    same = again.notification(lambda m: m[1] == "event" and m[2][0]["data"].get("to") == "claimed")
    assert same[2][0]["seq"] == ready[2][0]["seq"]
    with pytest.raises(RpcError, match="out_of_range"):
        again.call("events.subscribe", {"from": 10**9})


def test_neovim_is_a_client(daemon, tmp_path):
    """Debian's Neovim: connects, calls, is called for events, shows our error text, reads the struct."""
    script = tmp_path / "client.vim"
    out = tmp_path / "out"
    script.write_text(f"""
      let g:states = []
      let ch = sockconnect('pipe', '{daemon.socket}', {{'rpc': v:true}})
      call rpcrequest(ch, 'rpc.ping')
      lua function _G.on_event(e) table.insert(_G.states or (function() _G.states = {{}} return _G.states end)(), e.data.to) end
      call rpcrequest(ch, 'events.subscribe', {{'types': ['sandbox.state'],
        \\ 'notify': {{'method': 'nvim_exec_lua', 'args': ['on_event(...)', ['$event']]}}}})
      let box = rpcrequest(ch, 'sandbox.create', {{'name': 'from-neovim'}})
      let done = rpcrequest(ch, 'exec.start', {{'sandbox': box.id, 'argv': ['echo', 'hello'], 'capture': v:true}})
      call wait(5000, {{-> luaeval('#(_G.states or {{}})') >= 4}})
      let lines = ['stdout=' . trim(done.stdout), 'exit=' . done.status.exit_code]
      call add(lines, 'states=' . join(luaeval('_G.states'), ','))
      try
        call rpcrequest(ch, 'sandbox.info', {{'sandbox': 'nope'}})
      catch
        call add(lines, 'error=' . v:exception)
      endtry
      call add(lines, 'code=' . rpcrequest(ch, 'rpc.last_error').error.code)
      call rpcrequest(ch, 'sandbox.kill', {{'sandbox': box.id}})
      call writefile(lines, '{out}')
      qall!
    """)
    subprocess.run(["nvim", "--headless", "-u", "NONE", "-S", str(script)], check=True, timeout=60, env=daemon.env,
                   capture_output=True)
    lines = dict(line.split("=", 1) for line in out.read_text().splitlines())
    assert lines["stdout"] == "hello"
    assert lines["exit"] == "0"
    assert lines["states"].startswith("creating,starting,ready,claimed")
    assert "not_found: there is no sandbox 'nope'" in lines["error"]
    assert lines["code"] == "not_found"
