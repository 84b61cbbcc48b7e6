"""A function on the real host, from the start of its process to its first answers: wall time, and the processor time of
all its processes until then.

Nothing but the time differs between functions: the same interpreter, bytecode made beforehand, the same variables of
the host, no variable of ours but those that a function asks for.
"""

from __future__ import annotations

import compileall
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from local.client import Answer
from local.ports import HOST, free_port

START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.0005
_FRAMEWORK: Final = ("-m", "functions_framework")


class BenchFailed(Exception):
    """A process did not do what is measured; the text says what it did."""


@dataclass(frozen=True, slots=True)
class Function:
    """What the host serves: the function ``kas`` of ``folder``'s ``main.py``, with these variables of its own.

    ``runner`` are the arguments of the interpreter that start the host.
    """

    folder: Path
    environment: Mapping[str, str]
    runner: Sequence[str] = _FRAMEWORK


@dataclass(frozen=True, slots=True)
class Start:
    """One start, in milliseconds from ``began``, when the process was asked for (seconds of `time.perf_counter`), to the
    answer. ``cpu`` is that of all its processes.
    """

    wall: float
    cpu: float
    began: float


class Connection:
    """To the host on ``port``; the first exchange waits until somebody listens, or until ``process`` has ended."""

    def __init__(self, port: int, process: subprocess.Popen[bytes] | None = None) -> None:
        self._port = port
        self._process = process
        self._http: http.client.HTTPConnection | None = None

    def __call__(
        self, method: str, path: str, headers: Sequence[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """One exchange, as the platform's front end passes it on."""
        self._http = self._http or self._listening()
        self._http.putrequest(method, path, skip_accept_encoding=True)
        length = [("Content-Length", str(len(body)))] if body is not None else []
        for name, value in (*headers, ("X-Forwarded-Proto", "https"), *length):
            self._http.putheader(name, value)
        self._http.endheaders(body)
        response = self._http.getresponse()
        return Answer(response.status, cast("Mapping[str, str]", response.headers), response.read())

    def _listening(self) -> http.client.HTTPConnection:
        deadline = time.monotonic() + START_SECONDS
        connection = http.client.HTTPConnection(HOST, self._port, timeout=START_SECONDS)
        while True:
            try:
                connection.connect()
            except ConnectionRefusedError as error:
                has_ended = self._process is not None and self._process.poll() is not None
                if has_ended or time.monotonic() > deadline:
                    raise BenchFailed("nobody listens") from error
                time.sleep(_POLL_SECONDS)
            else:
                return connection

    def close(self) -> None:
        if self._http is not None:
            self._http.close()


# What is not measured: whether the answer was right. Raises BenchFailed.
Check = Callable[[], None]
# Asks, and returns when the answer that is measured is there.
Visit = Callable[[Connection], Check]


def first_answer(function: Function, visit: Visit, errors: IO[bytes] | None = None) -> Start:
    """Starts ``function``, lets ``visit`` ask and check, and ends it; what it says goes to ``errors``. Raises BenchFailed."""
    port = free_port()
    began = time.perf_counter()
    with running(function, port, errors=errors) as process, contextlib.closing(Connection(port, process)) as connection:
        try:
            check = visit(connection)
        except (OSError, http.client.HTTPException) as error:
            raise BenchFailed(f"{function.folder}: {error!r}") from error
        wall = time.perf_counter() - began
        cpu = cpu_seconds(process.pid)
        check()
    return Start(wall * 1000, cpu * 1000, began)


@contextlib.contextmanager
def running(
    function: Function, port: int, output: IO[bytes] | int = subprocess.DEVNULL, errors: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The host in a process group of its own, killed at the end; its lines go to ``output`` and ``errors``."""
    command = [sys.executable, *function.runner, "--source", "main.py", "--target", "kas"]
    environment = {**_plain_environment(), **function.environment, "HOST": HOST, "PORT": str(port)}
    process = subprocess.Popen(
        command, cwd=function.folder, env=environment, stdout=output, stderr=errors, process_group=0
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def cpu_seconds(group: int) -> float:
    """Processor time so far of every thread of every process of a process group."""
    return sum(_run_seconds(pid) for pid in members(group))


def members(group: int) -> list[int]:
    """The processes of a process group."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _group_of(pid) == group]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _run_seconds(pid: int) -> float:
    seconds = 0.0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            seconds += int((task / "schedstat").read_text("ascii").split()[0]) / 1e9
    return seconds


def compile_all(*sources: Path) -> None:
    """Makes the bytecode of these sources, of all below these folders, and of the installed packages."""
    for source in (*sources, Path(sysconfig.get_paths()["purelib"])):
        make = compileall.compile_dir if source.is_dir() else compileall.compile_file
        make(source, quiet=2)
