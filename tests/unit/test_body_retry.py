"""Whoever finds no place for his slow body is told when there is one."""

from __future__ import annotations

import socket

import flask
import pytest

from kas.errors import TooManyBodies
from kas.protocol.bounds import JsonBounds
from kas.web.body import Bounds, read_body
from kas.web.slots import Slots
from tests.unit.journals import journal


@pytest.mark.parametrize("seconds", [1.0, 7.0])
def test_a_body_without_a_place_may_come_when_those_before_it_have_ended(seconds: float) -> None:
    """Each is waited for so long and no longer."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        environ = {"gunicorn.socket": ours, "wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": "5"}
        bounds = Bounds(100, seconds, JsonBounds(32, 100, 100), Slots(0, 0))
        with pytest.raises(TooManyBodies) as refusal:
            read_body(flask.Request({"REQUEST_METHOD": "POST", **environ}), bounds, journal())
    assert refusal.value.retry_after == seconds
