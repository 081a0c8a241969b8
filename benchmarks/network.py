"""How many request/reply round trips a second two nodes make over TCP, against a bare asyncio echo.

The bare echo sends as many bytes as a framed `Request` has, over one connection, and does nothing else: no inbox, no
encoding, no checks, no trace. Both run in one process (one loop) and in two. Each figure is the median of the
repetitions, which alternate between bare and nodes so that both meet the same load of the machine.

    python benchmarks/network.py [--round-trips 3000] [--repetitions 7]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time

from network_nodes import Answerer, Caller, Request

from distlib.runtimes.network import Cluster
from distlib.runtimes.trace import Kind
from distlib.runtimes.wire import Codec, frame, to_bytes

MESSAGE = frame(to_bytes((1 << 41, Codec(Request).pack(Request(1000)))))

SERVER = """
import asyncio
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)
async def serve():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(serve())
"""


class BareEcho(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BareCaller(asyncio.Protocol):
    def __init__(self, count: int, done: asyncio.Future[None]) -> None:
        self.count = count
        self.done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(MESSAGE)

    def data_received(self, data: bytes) -> None:
        # Messages this short arrive in one piece over loopback.
        assert len(data) == len(MESSAGE)
        self.count -= 1
        if self.count:
            self.transport.write(MESSAGE)
        else:
            self.done.set_result(None)


async def call_bare(port: int, count: int) -> float:
    """Return the round trips a second of a bare caller."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    began = time.perf_counter()
    transport, _ = await loop.create_connection(lambda: BareCaller(count, done), "127.0.0.1", port)
    await done
    elapsed_seconds = time.perf_counter() - began
    transport.close()
    return count / elapsed_seconds


async def bare_in_one_process(count: int) -> float:
    server = await asyncio.get_running_loop().create_server(BareEcho, "127.0.0.1", 0)
    async with server:
        return await call_bare(server.sockets[0].getsockname()[1], count)


def bare_in_two_processes(count: int) -> float:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            return asyncio.run(call_bare(int(server.stdout.readline()), count))
        finally:
            server.terminate()


def nodes(count: int, processes: bool) -> float:
    with Cluster({"caller": Caller(count), "answerer": Answerer()}, processes=processes) as cluster:
        cluster.wait_for(Kind.DELIVER, count, node="caller", timeout_seconds=120)
    events = cluster.trace.of(Kind.DELIVER, node="caller")
    return (count - 1) / (events[-1].time_seconds - events[0].time_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--round-trips", type=int, default=3000)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    count = options.round_trips
    print(f"{count} round trips of {len(MESSAGE)} bytes, median of {options.repetitions}")
    print(f"{'':16}{'bare echo':>14}{'two nodes':>14}{'bare / nodes':>14}")
    for place, processes in (("one process", False), ("two processes", True)):
        bare, ours = [], []
        for _ in range(options.repetitions):
            bare.append(bare_in_two_processes(count) if processes else asyncio.run(bare_in_one_process(count)))
            ours.append(nodes(count, processes))
        ratio = statistics.median(each / other for each, other in zip(bare, ours, strict=True))
        print(f"{place:16}{statistics.median(bare):>12.0f}/s{statistics.median(ours):>12.0f}/s{ratio:>14.1f}")


if __name__ == "__main__":
    main()
