"""What anybody may ask costs little: small messages, few bodies awaited at once, and for a moment only."""

from __future__ import annotations

import contextlib
import gzip

from local.client import Answer, Http
from tests.host.functions import connect, receive
from tests.kit import Kit
from tests.opentdf.answers import connect_error
from tests.opentdf.procedures import MAPPINGS, PUBLIC_KEY, post

EMPTY_NAME = b"\x0a\x00"
SOCKETS = 24
STALLED = (
    f"POST {PUBLIC_KEY.path} HTTP/1.1\r\nHost: kas\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{{"
)


def ask_for_names(kit: Kit, count: int) -> Answer:
    return post(kit, MAPPINGS.path, "proto", gzip.compress(EMPTY_NAME * count), ("Content-Encoding", "gzip"))


def test_attack_z02_a_public_message_that_is_large_when_unpacked_is_refused(kit: Kit) -> None:
    """A kilobyte of gzip is half a million names. Connect's status is that of a limit, but waiting is of no use."""
    answer = ask_for_names(kit, 2**19)
    connect_error(answer, 413, "content_too_large: ")
    assert "Retry-After" not in answer.headers


def test_a_public_message_of_64_kib_is_read_and_two_bytes_more_are_not(kit: Kit) -> None:
    """Read, and refused for what it asks."""
    connect_error(ask_for_names(kit, 2**15), 400, "invalid_structure: ")
    connect_error(ask_for_names(kit, 2**15 + 1), 413, "content_too_large: ")


def test_attack_z03_stalled_public_bodies_leave_threads_for_others(kit: Kit) -> None:
    """Four of one network are awaited, for a second; the others are told to come back, and other routes answer
    meanwhile, as do these procedures for whoever sends a whole body.
    """
    with contextlib.ExitStack() as open_connections:
        stalled = [open_connections.enter_context(connect(kit.base)) for _ in range(SOCKETS)]
        for connection in stalled:
            connection.sendall(STALLED.encode())
        with contextlib.closing(Http(timeout_seconds=3)) as http:
            assert http("GET", f"{kit.base}/health").status == 200
        assert post(kit, PUBLIC_KEY.path, "json", PUBLIC_KEY.json).status == 200
        answers = [receive(connection, "POST") for connection in stalled]
    assert sorted(answer.status for answer in answers) == [503] * (SOCKETS - 4) + [504] * 4
    assert {answer.headers["Retry-After"] for answer in answers if answer.status == 503} == {"1"}
