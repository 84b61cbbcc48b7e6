"""A real nginx before instances of a function: round robin over kept connections, on loopback.

It runs in the foreground as a child process, with a configuration and files of its own in a folder that is given; the
distribution's service and its configuration have no part in it. What it does is its default but for what is said here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.host import BenchFailed
from local.ending import undisturbed
from local.ports import HOST, wait_for_port

# gunicorn closes a connection that has rested for two seconds. A request that nginx sends just then is lost, since what was
# sent is not sent again; so nginx gives a connection up before.
KEPT_SECONDS: Final = 1
_KEPT_CONNECTIONS: Final = 64  # that rest, for each group of instances
_STOP_SECONDS: Final = 5.0
_ENDLESS: Final = 1_000_000_000
_TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
# Tabs between; of several upstreams each value is a list with comma and blank.
_LOG: Final = r"$status\t$upstream_addr\t$upstream_status\t$upstream_bytes_sent"
_COLUMNS: Final = 4


@dataclass(frozen=True, slots=True)
class Passed:
    """What became of a request: the answer's status, and each instance that was tried, by port, with the status that came
    of it and whether anything of the request was sent to it.
    """

    status: int
    tried: Sequence[tuple[int, int, bool]]


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx; ``pid`` is that of its process group."""

    pid: int
    folder: Path

    def passed(self) -> list[Passed]:
        """Every request so far, in the order in which they ended."""
        return [_passed(line) for line in (self.folder / "access.log").read_text("ascii").splitlines()]


def _passed(line: str) -> Passed:
    columns = line.split("\t")
    if len(columns) != _COLUMNS:
        raise BenchFailed(f"nginx logged {line!r}")
    status, *lists = columns
    tried = [
        (int(address.rpartition(":")[2]), int(of_it), sent not in {"0", "-"})
        for address, of_it, sent in zip(*(one.split(", ") for one in lists), strict=True)
    ]
    return Passed(int(status), tried)


@contextlib.contextmanager
def nginx(folder: Path, groups: Mapping[int, Sequence[int]]) -> Iterator[Nginx]:
    """Listens on each port of ``groups`` and passes on to the instances on the ports that it has. Ended with the block."""
    (folder / "nginx.conf").write_text(_configuration(folder, groups), "ascii")
    command = [_program(), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with contextlib.ExitStack() as running:
        with undisturbed():
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
            running.callback(_end, process)
        for port in groups:
            wait_for_port(process, port)
        yield Nginx(process.pid, folder)


def _program() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BenchFailed("nginx is not there: run bench/setup.sh")
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """In order, so that it takes its worker along; in a while by force."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _configuration(folder: Path, groups: Mapping[int, Sequence[int]]) -> str:
    temporary = "\n".join(f"    {name}_temp_path {folder}/{name};" for name in _TEMPORARY)
    return f"""\
daemon off;
worker_processes 1;
{"user root;" if os.geteuid() == 0 else ""}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
{temporary}
    log_format passed "{_LOG}";
    access_log {folder}/access.log passed;
    keepalive_requests {_ENDLESS};
    client_body_buffer_size 1m;
    client_max_body_size 1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
{"".join(_group(port, instances) for port, instances in groups.items())}}}
"""


def _group(port: int, instances: Sequence[int]) -> str:
    servers = "".join(f"        server {HOST}:{instance};\n" for instance in instances)
    return f"""\
    upstream of_{port} {{
{servers}        keepalive {_KEPT_CONNECTIONS};
        keepalive_requests {_ENDLESS};
        keepalive_timeout {KEPT_SECONDS}s;
    }}
    server {{
        listen {HOST}:{port};
        location / {{ proxy_pass http://of_{port}; }}
    }}
"""
