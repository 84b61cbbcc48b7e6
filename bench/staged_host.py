"""The functions framework, which says when it has come how far: what `stages` runs in place of it, and reads.

It does what ``python -m functions_framework`` does, in the same order, but for importing the service just before the
function that would do so. Each line on standard error is ``stage``, the time of the clock that all processes share and
the name of what has ended; what the interpreter says there of its imports stands between them.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # without importing what it comes from
    from collections.abc import Callable, Iterable
    from typing import Any


def mark(stage: str) -> None:
    os.write(2, f"stage {time.perf_counter():.6f} {stage}\n".encode())


def timed(owner: Any, name: str, stage: str) -> None:
    """Marks the beginning and the end of each call of a function of ``owner``."""
    function = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        mark("wiring")
        try:
            return function(*args, **kwargs)
        finally:
            mark(stage)

    setattr(owner, name, call)


def import_service(folder: str) -> None:
    """As `main` does."""
    sys.path.insert(0, folder)
    import kas.config
    import kas.files
    import kas.google.cloud
    import kas.service
    import kas.web.host

    mark("import")
    timed(kas.config.Settings, "from_environ", "settings")
    timed(kas.files, "load_keys", "keys")


def staged(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """A WSGI application that marks each request."""

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        mark("worker")
        body = list(application(environ, start_response))
        mark("request")
        return body

    return answer


def main() -> None:
    mark("interpreter")
    from functions_framework import _cli, create_app  # noqa: F401 - the command of the framework begins with both
    from functions_framework._http import create_server

    mark("framework")
    source = os.path.realpath("main.py")
    folder = source.rpartition("/")[0]
    if os.access(f"{folder}/kas", os.X_OK):
        import_service(folder)
    application: Any = create_app("kas", source, "http")  # type: ignore[no-untyped-call]
    mark("wiring")
    application.wsgi_app = staged(application.wsgi_app)
    os.register_at_fork(before=lambda: mark("server"), after_in_child=lambda: mark("fork"))
    server = create_server(application, debug=False)  # type: ignore[no-untyped-call]
    server.run(os.environ["HOST"], int(os.environ["PORT"]))


main()
