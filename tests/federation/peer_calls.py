"""Calling a peer in a test: a client, its good call, and what a refusal is."""

from __future__ import annotations

import contextlib
import time

import pytest

from kas.errors import PeerUnavailable
from kas.federation.peer_client import PeerClient

SECONDS = 20.0
SHORT = 0.4
BODY = b'{"requests":[]}'
HEADERS = {"Authorization": "DPoP a.b.c", "DPoP": "d.e.f", "Forwarded-KAS": "g.h.i"}


@contextlib.contextmanager
def calling(url, *, timer=time.monotonic, local=True, **options):
    """A client of the peer at ``url``, which is closed at the end; ``local`` allows this machine."""
    made = PeerClient(url, timer, allow_loopback_http=local, **options)
    try:
        yield made
    finally:
        made.close()


def post(client, *, seconds=SECONDS, body=BODY, headers=HEADERS):
    return client.post(body, headers, seconds)


def unavailable(call, *arguments, **options):
    """Asserts that there is no answer; returns what is said of it, and why."""
    with pytest.raises(PeerUnavailable) as caught:
        call(*arguments, **options)
    assert (caught.value.code, caught.value.status) == ("peer_unavailable", 503)
    assert "canary" not in str(caught.value)
    return str(caught.value), caught.value.__cause__
