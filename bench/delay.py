"""A way to services that takes time: a process that listens in front of each and passes every byte on, later.

    python -m bench.delay --ms 10 PORT:PORT …

Each direction takes ``--ms``, however much is under way; what is sent first on a new connection waits for as long as its
handshake would have taken besides, there and back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import selectors
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from local.ports import HOST
from local.processes import ROOT

_READ_BYTES: Final = 65_536
_READY: Final = b"listening\n"


@contextlib.contextmanager
def delayed(ways: Mapping[int, int], ms: int) -> Iterator[None]:
    """Passes on what comes to each port of this machine to another, both ways after ``ms``, until the end."""
    pairs = [f"{port}:{target}" for port, target in ways.items()]
    command = [sys.executable, "-m", "bench.delay", "--ms", str(ms), *pairs]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, process_group=0) as process:
        try:
            if process.stdout is None or process.stdout.readline() != _READY:
                raise RuntimeError("the way did not open")
            yield
        finally:
            process.kill()


async def _serve(ways: Mapping[int, int], seconds: float) -> None:
    for port, target in ways.items():
        await asyncio.start_server(partial(_join, target, seconds), HOST, port)
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    await asyncio.Event().wait()


async def _join(target: int, seconds: float, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    opened = asyncio.get_running_loop().time() + 2 * seconds
    with contextlib.suppress(OSError):
        far, there = await asyncio.open_connection(HOST, target)
        await asyncio.gather(_carry(near, there, seconds, opened), _carry(far, back, seconds, opened))
        there.close()
    back.close()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float, opened: float) -> None:
    """Each piece when its time has come, in order; the end too."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    delivery = asyncio.create_task(_deliver(under_way, sink))
    piece = b"-"
    while piece:
        try:
            piece = await source.read(_READ_BYTES)
        except OSError:
            piece = b""
        under_way.put_nowait((max(opened, asyncio.get_running_loop().time()) + seconds, piece))
    await delivery


async def _deliver(under_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
    while True:
        due, piece = await under_way.get()
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        if not piece:
            break
        sink.write(piece)
    with contextlib.suppress(OSError):
        sink.write_eof()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.delay", description=__doc__)
    parser.add_argument("--ms", type=float, required=True)
    parser.add_argument("ways", nargs="+", metavar="PORT:PORT", help="where to listen, and where to pass on to")
    asked = parser.parse_args()
    ways = {int(port): int(target) for port, _, target in (way.partition(":") for way in asked.ways)}
    # Its time-outs are not rounded up to a millisecond, as those of epoll are.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve(ways, asked.ms / 1000))


if __name__ == "__main__":
    main()
