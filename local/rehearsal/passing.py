"""Hands a request on to a process of ours, as the front end of a platform does."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Mapping
from typing import Final

from local.rehearsal.wire import Reply, Request

_OWN: Final = frozenset({"connection", "content-length", "host"})
_TIMEOUT_SECONDS: Final = 60


def pass_on(address: str, request: Request, headers: Mapping[str, str]) -> Reply:
    """``headers`` are in place of those of the request. Raises OSError and http.client.HTTPException."""
    replaced = {name.lower() for name in headers} | _OWN
    sent = {name: value for name, value in request.headers.items() if name not in replaced}
    sent |= {"Host": request.host, **headers}
    target = f"{request.path}?{request.query_text}" if request.query_text else request.path
    with contextlib.closing(http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)) as connection:
        connection.request(request.verb, target, request.body, sent)
        response = connection.getresponse()
        return Reply(response.status, response.read(), dict(response.getheaders()))
