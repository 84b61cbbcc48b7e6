"""TLS before the stand-in for Google, as there is before Google: a process that ends it and passes bytes on, of HTTP/1.1 and
HTTP/2 alike.

python -m bench.fronts CERTIFICATE HOST:PORT COUNT listens on so many ports of loopback, prints them in one line, and ends
with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.host import BenchFailed
from local.ports import HOST
from local.processes import ROOT, environment_without_settings

_READ_BYTES: Final = 65_536
_PROTOCOLS: Final = ["h2", "http/1.1"]


@contextlib.contextmanager
def fronts(certificate: Path, upstream: str, count: int) -> Iterator[list[str]]:
    """The addresses of so many fronts before ``upstream``, until the end; ``certificate`` is PEM with the key in it."""
    command = [sys.executable, "-m", "bench.fronts", str(certificate), upstream, str(count)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment_without_settings(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:  # which closes its input and waits
        ports = process.stdout.readline().split() if process.stdout else []
        if len(ports) != count:
            raise BenchFailed("the fronts did not start")
        yield [f"https://{HOST}:{port}" for port in ports]


async def _serve(certificate: str, upstream: str, count: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(_PROTOCOLS)
    relay = partial(_relay, upstream)
    servers = [await asyncio.start_server(relay, HOST, 0, ssl=context, backlog=256) for _ in range(count)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def _relay(upstream: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either side ends, or all of it does."""
    with contextlib.suppress(asyncio.CancelledError):  # which the streams would complain of, once for each connection
        await _relay_until_the_end(upstream, reader, writer)


async def _relay_until_the_end(upstream: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = upstream.rpartition(":")
    from_upstream, to_upstream = await asyncio.open_connection(host, int(port))
    ways = [asyncio.ensure_future(_pump(reader, to_upstream)), asyncio.ensure_future(_pump(from_upstream, writer))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for end in (to_upstream, writer):
        end.close()
    await asyncio.wait(ways)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # whoever goes is seen where it is measured
        while data := await source.read(_READ_BYTES):
            sink.write(data)
            await sink.drain()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
