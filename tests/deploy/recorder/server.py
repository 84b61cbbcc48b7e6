"""The recorder: what the stand-in for gcloud on the PATH asks, it notes and answers from a project that it keeps.

It is told apart from the real one by nothing that deploy.sh looks at. `Recorder.fail` decides of each command whether it
fails, in one of the ways of `REFUSALS`, or "after" it has had its effect: an answer may be lost on the way.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterator

from tests.deploy.recorder.call import Call, Fault
from tests.deploy.recorder.project import Project

REFUSAL = "ERROR: (gcloud) PERMISSION_DENIED: refused for the test\n"
REFUSALS = {
    "before": REFUSAL,
    "unsettled": "ERROR: (gcloud) PERMISSION_DENIED: it has not been used in project or it is disabled. SERVICE_DISABLED\n",
    "absent": "ERROR: (gcloud) NOT_FOUND: there is no such thing\n",
}


class Recorder:
    """Calls in order, and the project that they are about."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.calls: list[Call] = []
        self.fail: Callable[[Call], str | None] = lambda _: None
        self.lock = threading.Lock()
        self.port = 0

    @property
    def changes(self) -> list[Call]:
        return [call for call in self.calls if call.is_changing]

    def answer(self, call: Call) -> tuple[int, str, str]:
        with self.lock:
            self.calls.append(call)
            when = self.fail(call)
            if when in REFUSALS:
                return 1, "", REFUSALS[when]
            try:
                out = self.project.run(call)
            except Fault as fault:
                return 1, "", f"ERROR: (gcloud) {fault}\n"
            return (1, "", REFUSAL) if when == "after" else (0, out, "")


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        number = int(self._text())
        program, cwd, *argv = [self._text() for _ in range(number + 2)]
        call = Call(program, tuple(argv), self._text(), cwd)
        try:
            status, out, err = self.server.recorder.answer(call)
        except Exception as error:  # noqa: BLE001 - a command that the recorder does not know: the test is to see it
            status, out, err = 3, "", f"the recorder: {error!r} at {call.line()}\n"
        self.wfile.write(f"{status}\0{out}\0{err}\0".encode())

    def _text(self) -> str:
        data = bytearray()
        while (byte := self.rfile.read(1)) not in {b"\0", b""}:
            data += byte
        return data.decode()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    recorder: Recorder


@contextlib.contextmanager
def recording(project: Project) -> Iterator[Recorder]:
    recorder = Recorder(project)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.recorder = recorder
        recorder.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
