from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from distlib.systems.server import LOOPBACK, Server, SystemUnavailable, data_folder, free_ports, wait_until

# A server with a child of its own, as real ones have; the child moves to another session, as PostgreSQL's do.
LISTENER = textwrap.dedent(
    """
    import socket, subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print("child", child.pid, flush=True)
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        listener.accept()[0].close()
    """
)


def is_listening(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def is_alive(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (port,) = free_ports(1)
    command = [sys.executable, "-c", LISTENER, str(port)]
    server = Server("listener", command, log=tmp_path / "log", is_ready=lambda: is_listening(port))
    yield server
    server.stop()


def child_of(server: Server) -> int:
    return int(server.log.read_text().split()[-1])


def test_a_server_answers_when_start_returns_and_is_gone_when_stop_returns(server: Server) -> None:
    server.start()
    process_id, child = server.process_id, child_of(server)
    assert server.is_ready()
    assert is_alive(child)
    server.stop()
    assert not server.is_ready()
    assert not is_alive(process_id)
    assert not is_alive(child)
    server.stop()


def test_a_server_that_was_killed_starts_again_as_another_process(server: Server) -> None:
    before = server.start().process_id
    assert server.start().process_id == before
    server.kill()
    assert not server.is_running()
    with pytest.raises(RuntimeError, match="listener does not run"):
        _ = server.process_id
    assert server.start().process_id != before


def test_a_stranger_that_may_not_be_looked_at_saves_no_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    process_id, child = server.process_id, child_of(server)
    look, refusals = psutil.Process.children, iter([True, True])

    def children(process: psutil.Process, recursive: bool = False) -> list[psutil.Process]:
        if next(refusals, False):
            raise psutil.AccessDenied(1)
        return look(process, recursive)

    monkeypatch.setattr(psutil.Process, "children", children)
    server.kill()
    assert next(refusals, None) is None
    assert not is_alive(process_id)
    assert not is_alive(child)


def test_a_frozen_server_is_alive_and_silent_until_it_goes_on(server: Server) -> None:
    server.start()
    server.pause()
    assert server.is_running()
    wait_until("the stop", lambda: psutil.Process(server.process_id).status() == psutil.STATUS_STOPPED, 5)
    server.resume()
    wait_until("an answer", server.is_ready, 5)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_does_not_outlive_a_python_whose_group_is_ended(tmp_path: Path, end: signal.Signals) -> None:
    (port,) = free_ports(1)
    (tmp_path / "listener.py").write_text(LISTENER)
    script = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from distlib.systems.server import Server
        server = Server("listener", [sys.executable, {str(tmp_path / "listener.py")!r}, "{port}"],
                        log=Path({str(tmp_path / "log")!r}), is_ready=lambda: "child" in server.log.read_text())
        print(server.start().process_id, flush=True)
        time.sleep(600)
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert parent.stdout is not None
    process_id = int(parent.stdout.readline())
    child = int((tmp_path / "log").read_text().split()[-1])
    assert is_alive(process_id)
    os.killpg(parent.pid, end)
    parent.wait()
    parent.stdout.close()
    wait_until("the server to end", lambda: not is_alive(process_id) and not is_alive(child), 10)


def test_a_server_that_ends_instead_of_answering_says_so_with_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no configuration'); raise SystemExit(3)"]
    server = Server("shy", command, log=tmp_path / "log", is_ready=lambda: False)
    with pytest.raises(RuntimeError, match=r"(?s)shy ended with status 3.*no configuration"):
        server.start()
    assert not server.is_running()


def test_a_server_that_never_answers_is_stopped_after_its_bound(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('busy', flush=True); time.sleep(600)"]
    server = Server("busy", command, log=tmp_path / "log", is_ready=lambda: False, timeout_seconds=0.3)
    with pytest.raises(TimeoutError, match=r"waited 0.3 s in vain for busy to answer"):
        server.start()
    assert not server.is_running()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    server = Server("ghost", ["no-such-program"], log=tmp_path / "log", is_ready=lambda: True)
    with pytest.raises(SystemUnavailable, match="ghost: there is no program 'no-such-program'"):
        server.start()


def test_a_program_that_must_not_be_executed_is_named(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(SystemUnavailable, match="must not be executed"):
        Server("plain", [str(program)], log=tmp_path / "log", is_ready=lambda: True).start()


@pytest.mark.parametrize("timeout_seconds", [0, -1.0])
def test_a_bound_that_is_none_is_refused(tmp_path: Path, timeout_seconds: float) -> None:
    with pytest.raises(ValueError, match=f"`timeout_seconds` must be above 0, got {timeout_seconds}"):
        Server("x", ["x"], log=tmp_path / "log", is_ready=lambda: True, timeout_seconds=timeout_seconds)


def test_ports_are_distinct_and_their_number_is_checked() -> None:
    assert len(set(free_ports(20))) == 20
    with pytest.raises(ValueError, match="`count` must be at least 1, got 0"):
        free_ports(0)


def test_ports_are_none_that_an_outgoing_connection_may_take() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < first_outgoing for port in free_ports(50))


def test_a_data_folder_goes_with_the_python_that_asked_for_it() -> None:
    program = "from distlib.systems.server import data_folder; print(data_folder('lab-test-'))"
    folder = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert "lab-test-" in folder
    assert not Path(folder).exists()
    here = data_folder("lab-test-")
    assert here.stat().st_mode & 0o777 == 0o700


def test_a_data_folder_goes_when_the_python_that_asked_for_it_is_killed() -> None:
    program = "import time; from distlib.systems.server import data_folder; print(data_folder('lab-test-'), flush=True)"
    parent = subprocess.Popen([sys.executable, "-c", f"{program}; time.sleep(600)"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    folder = Path(parent.stdout.readline().strip())
    assert folder.is_dir()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until("the folder to go", lambda: not folder.exists(), 30)


def test_a_wait_returns_how_long_it_took() -> None:
    began = time.monotonic()
    waited = wait_until("some time to pass", lambda: time.monotonic() - began > 0.05, 5)
    assert waited > 0.04
