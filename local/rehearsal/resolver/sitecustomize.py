"""Every name leads to this machine, as a file of hosts would have it: for a Python that has this folder on its path.

``REHEARSAL_PORTS`` says which port here stands for which there: ``443=40123 80=40124``. Nothing else is resolved, so what
runs in a rehearsal reaches nobody else. Loopback addresses lead where they always do.
"""

# ruff: noqa: INP001 - it is found by its name alone

from __future__ import annotations

import os
import socket
from typing import Any

_real = socket.getaddrinfo
_ports = dict(pair.split("=") for pair in os.environ.get("REHEARSAL_PORTS", "").split())


def _here(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    name = host.decode("ascii") if isinstance(host, bytes) else str(host or "")
    if name in {"", "localhost", "::1"} or name.startswith(("127.", "0.")):
        return _real(host, port, *args, **kwargs)
    wanted = {"https": "443", "http": "80"}.get(str(port), str(port))
    if wanted not in _ports:
        raise socket.gaierror(socket.EAI_NONAME, f"{name}:{port} is not stood in for")
    return _real("127.0.0.1", int(_ports[wanted]), *args, **kwargs)


socket.getaddrinfo = _here
