from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from distlib.systems.proxy import Proxy
from distlib.systems.server import LOOPBACK, wait_until


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it reads, on as many connections as come."""
    listener = socket.create_server((LOOPBACK, 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65_536):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo_port: int) -> Iterator[Proxy]:
    with Proxy(echo_port, tags={"red": r"^red", "blue": r"^blue"}) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), timeout=5)


def ask(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    answer = b""
    while len(answer) < len(data):
        answer += connection.recv(65_536)
    return answer


def is_silent(connection: socket.socket, data: bytes) -> bool:
    connection.sendall(data)
    connection.settimeout(0.15)
    try:
        return not connection.recv(1)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(5)


def test_bytes_arrive_as_they_were_sent(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4_000
    with connect(proxy) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        answer = b""
        while len(answer) < len(data):
            answer += connection.recv(65_536)
        sender.join()
    assert answer == data


def test_a_round_trip_takes_at_least_the_delays_of_both_directions(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        ask(connection, b"x")
        proxy.delay(0.03, "to target")
        proxy.delay(0.05, "from target")
        began = time.monotonic()
        ask(connection, b"x")
        assert time.monotonic() - began >= 0.08
        proxy.delay(0.2)
        began = time.monotonic()
        ask(connection, b"x")
        assert time.monotonic() - began >= 0.4


def test_what_is_sent_together_is_delayed_together(proxy: Proxy) -> None:
    proxy.delay(0.2, "to target")
    with connect(proxy) as connection:
        began = time.monotonic()
        for _ in range(20):
            connection.sendall(b"x")
            time.sleep(0.002)
        answer = b""
        while len(answer) < 20:
            answer += connection.recv(100)
        # One after another the delays would add up to four seconds.
        assert 0.2 <= time.monotonic() - began < 2


@pytest.mark.parametrize("direction", ["to target", "from target"])
def test_a_cut_direction_is_silent_and_loses_nothing(proxy: Proxy, direction: str) -> None:
    with connect(proxy) as connection:
        assert ask(connection, b"before") == b"before"
        proxy.cut(direction)  # type: ignore[arg-type]
        assert is_silent(connection, b"during")
        proxy.heal(direction)  # type: ignore[arg-type]
        assert ask(connection, b"")[:0] == b""
        answer = b""
        while len(answer) < len(b"during"):
            answer += connection.recv(100)
        assert answer == b"during"


def test_a_cut_by_tag_leaves_the_others_alone(proxy: Proxy) -> None:
    with connect(proxy) as red, connect(proxy) as blue:
        assert ask(red, b"red") == b"red"
        assert ask(blue, b"blue") == b"blue"
        proxy.cut(tag="red")
        assert is_silent(red, b"still red")
        assert ask(blue, b"still blue") == b"still blue"
        with connect(proxy) as another:
            assert is_silent(another, b"red, and new")


def test_a_reset_ends_connections_and_lets_new_ones_come(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        ask(connection, b"x")
        assert proxy.connection_count() == 1
        proxy.reset()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    wait_until("the end of the connection", lambda: proxy.connection_count() == 0, 5)
    with connect(proxy) as connection:
        assert ask(connection, b"again") == b"again"


def test_an_end_is_forwarded_after_the_last_bytes(proxy: Proxy) -> None:
    proxy.delay(0.05)
    with connect(proxy) as connection:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(100):
            answer += data
    assert answer == b"last words"


def test_a_target_that_is_not_there_ends_the_connection(echo_port: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        nobody = int(taken.getsockname()[1])
    with Proxy(nobody) as proxy, connect(proxy) as connection, contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_the_cost_of_the_proxy_is_measured(proxy: Proxy) -> None:
    assert 0 <= proxy.cost_seconds(rounds=20) < 1


def test_wrong_arguments_are_named(proxy: Proxy) -> None:
    with pytest.raises(ValueError, match="`seconds` must be finite and at least 0, got -1"):
        proxy.delay(-1)
    with pytest.raises(ValueError, match="`direction` must be one of"):
        proxy.cut("sideways")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`tag` must be one of \['blue', 'red'\], got 'green'"):
        proxy.heal(tag="green")
    with pytest.raises(ValueError, match=r"`target_port` must be in \[1, 65535\], got 0"):
        Proxy(0)
    with pytest.raises(ValueError, match=r"`tags\['x'\]` must be a regular expression"):
        Proxy(1, tags={"x": "("})


def test_a_stopped_proxy_says_so(echo_port: int) -> None:
    proxy = Proxy(echo_port)
    proxy.stop()
    proxy.stop()
    with pytest.raises(RuntimeError, match="the proxy was stopped"):
        proxy.cut()
