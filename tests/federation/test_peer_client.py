"""Calling a peer: what is sent, which connections are kept, and that nothing is sent twice."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kas.federation.peer_client import PeerClient
from tests.federation.hostile_peer import (
    HEAD,
    OK,
    answering,
    deaf,
    ending,
    hostile_peer,
    read_request,
    reply,
    silent,
)
from tests.federation.peer_calls import BODY, HEADERS, SECONDS, SHORT, calling, post, unavailable
from tests.interop.tls_front import make_certificates
from tests.kms.servers import full


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority and a certificate of it for the loopback address."""
    return make_certificates(tmp_path_factory.mktemp("peer"))


def good(answer):
    status, body = answer
    return status == 200 and json.loads(body) == OK


# ---- what is sent


def test_a_call_is_one_message_with_the_callers_headers_and_no_more():
    with hostile_peer(answering(reply())) as peer, calling(peer.url) as client:
        assert good(post(client))
    assert peer.requests == [
        b"POST /rewrap HTTP/1.1\r\nHost: " + peer.address.encode() + b"\r\nAccept: application/json\r\n"
        b"Accept-Encoding: identity\r\nContent-Type: application/json\r\nUser-Agent: kas\r\n"
        b"Authorization: DPoP a.b.c\r\nDPoP: d.e.f\r\nForwarded-KAS: g.h.i\r\nContent-Length: 15\r\n\r\n" + BODY
    ]


@pytest.mark.parametrize(("suffix", "target"), [("", b"/"), ("/a/rewrap", b"/a/rewrap"), ("/a?b=c", b"/a?b=c")])
def test_the_address_is_asked_for_as_it_is_configured(suffix, target):
    with hostile_peer(answering(reply())) as peer, calling(peer.base + suffix) as client:
        post(client)
    assert peer.requests[0].split(b" ")[1] == target


def test_a_body_of_any_bytes_arrives_as_it_is():
    body = bytes(range(256)) * 5000
    with hostile_peer(answering(reply())) as peer, calling(peer.url) as client:
        assert good(post(client, body=body))
    assert peer.requests[0].partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DPoP", "a\r\nX: y"),
        ("DPoP", "a\nb"),
        ("DPoP", "a\rb"),
        ("DPoP", "a\n"),
        ("DPoP", "a\0b"),
        ("DPoP", "ä"),
        ("DPoP", "a\x7f"),
        ("DPoP", " a"),
        ("DPoP", ""),
        ("DPoP: x\r\nX", "a"),
        ("DPoP ", "a"),
        ("", "a"),
        ("Host", "a"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Content-Type", "text/plain"),
    ],
)
def test_a_header_that_would_be_another_is_not_sent(name, value):
    with hostile_peer(answering(reply())) as peer, calling(peer.url) as client:
        with pytest.raises(ValueError, match="not a header"):
            post(client, headers={**HEADERS, name: value})
        assert peer.accepted == 0


@pytest.mark.parametrize("status", ["201 Created", "400 Bad", "401 No", "429 Many", "500 Internal", "503 Busy"])
def test_any_status_is_an_answer(status):
    with hostile_peer(answering(reply(OK, status))) as peer, calling(peer.url) as client:
        assert post(client)[0] == int(status[:3])


# ---- connections


def test_calls_one_after_the_other_share_a_connection():
    with hostile_peer(answering(reply())) as peer, calling(peer.url) as client:
        assert all(good(post(client)) for _ in range(5))
    assert (peer.accepted, len(peer.requests)) == (1, 5)


def test_a_connection_that_rested_for_more_than_a_second_is_not_used():
    now = [0.0]
    with hostile_peer(answering(reply())) as peer, calling(peer.url, timer=lambda: now[0]) as client:
        post(client)
        now[0] = 1.0
        post(client)
        assert peer.accepted == 1
        now[0] = 2.1
        post(client)
        assert peer.accepted == 2


def test_no_more_connections_than_allowed_however_many_call():
    held = threading.Barrier(3)

    def talk(connection, peer):
        while read_request(connection, peer):
            held.wait(SECONDS)  # three at once: fewer connections would wait here for ever
            connection.sendall(reply())

    with (
        hostile_peer(talk) as peer,
        ThreadPoolExecutor(12) as pool,
        calling(peer.url, max_connections=3) as client,
    ):
        assert all(pool.map(lambda _: good(post(client)), range(12)))
    assert peer.accepted == 3


def test_who_waits_for_a_connection_waits_no_longer_than_his_time_and_sends_nothing():
    with hostile_peer(silent) as peer, ThreadPoolExecutor(1) as pool:
        with calling(peer.url, max_connections=1) as client:
            held = pool.submit(unavailable, post, client)
            wait_until(lambda: peer.requests)
            assert unavailable(post, client, seconds=SHORT)[0] == "no answer in time"
            assert peer.accepted == 1
        peer.released.set()
        held.result(SECONDS)


def wait_until(is_so):
    pause = threading.Event()
    for _ in range(2000):
        if is_so():
            return
        pause.wait(0.01)
    pytest.fail("it never was so")


def test_without_time_nothing_is_opened():
    with hostile_peer(answering(reply())) as peer, calling(peer.url) as client:
        for seconds in (0.0, -1.0):
            unavailable(post, client, seconds=seconds)
        assert peer.accepted == 0


def test_a_closed_client_can_be_used_again():
    with hostile_peer(answering(reply())) as peer, calling(peer.url) as client:
        client.close()
        post(client)
        client.close()
        assert good(post(client))
    assert peer.accepted == 2


# ---- nothing is sent twice


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("said", [b"", b"HTTP"])
def test_what_was_sent_is_not_sent_again_when_the_connection_dies(after, is_reset, said):
    """On a new connection and on a kept one: the peer may have done what was asked."""
    with hostile_peer(ending(said, after=after, is_reset=is_reset)) as peer, calling(peer.url) as client:
        for _ in range(after):
            assert good(post(client))
        unavailable(post, client)
        assert (peer.accepted, len(peer.requests)) == (1, after + 1)


def test_a_kept_connection_that_ended_before_its_use_is_replaced_and_the_request_arrives_once():
    ended = threading.Event()

    def talk(connection, peer):
        read_request(connection, peer)
        connection.sendall(reply())
        if peer.accepted == 1:
            connection.shutdown(2)
            ended.set()

    with hostile_peer(talk) as peer, calling(peer.url) as client:
        assert good(post(client))
        assert ended.wait(SECONDS)
        assert good(post(client))
        assert (peer.accepted, len(peer.requests)) == (2, 2)


@pytest.mark.parametrize("is_tls", [False, True])
def test_what_a_peer_says_unasked_is_no_answer(is_tls, certificates, monkeypatch):
    """Not even within one record of TLS, of which the system has nothing left to be read."""
    authority, certificate = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))

    def talk(connection, peer):
        read_request(connection, peer)
        # The answer ends where a read ends, so that what is behind it is not read with it.
        answer = HEAD + b"X: " + b"y" * (8192 - len(HEAD) - 28) + b"\r\nContent-Length: 2\r\n\r\n{}"
        assert len(answer) == 8192
        connection.sendall(answer + (reply(b"evil") if peer.accepted == 1 else b""))
        read_request(connection, peer)
        peer.released.wait()

    with hostile_peer(talk, certificate=certificate if is_tls else None) as peer, calling(peer.url) as client:
        assert [post(client)[1], post(client)[1]] == [b"{}"] * 2
        assert (peer.accepted, len(peer.requests)) == (2, 2)


# ---- a connection that cannot be opened


def test_a_connection_that_cannot_be_opened_is_tried_once_more(certificates, monkeypatch):
    """Nothing was sent on the first."""
    authority, certificate = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with hostile_peer(answering(reply()), certificate=certificate, cut=1) as peer, calling(peer.url) as client:
        assert good(post(client))
        assert (peer.accepted, len(peer.requests)) == (2, 1)


def test_a_connection_that_cannot_be_opened_is_not_tried_a_third_time(certificates, monkeypatch):
    authority, certificate = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with hostile_peer(answering(reply()), certificate=certificate, cut=2) as peer, calling(peer.url) as client:
        unavailable(post, client)
        assert (peer.accepted, peer.requests) == (2, [])


def test_nobody_there_is_unavailable():
    with hostile_peer(deaf) as peer:
        url = peer.url
    with calling(url) as client:
        said, cause = unavailable(post, client)
    assert said == "no answer: ConnectionRefusedError"
    assert isinstance(cause, ConnectionRefusedError)


def test_a_host_that_takes_up_no_connection_is_left_at_the_deadline():
    with full() as address, calling(f"http://{address}/rewrap") as client:
        call = threading.Thread(target=unavailable, args=(post, client), kwargs={"seconds": SHORT}, daemon=True)
        call.start()
        call.join(SECONDS)  # the system itself would give up after minutes
        assert not call.is_alive()


def test_that_a_call_has_left_is_told_before_there_is_an_answer():
    told = []
    with hostile_peer(silent) as peer, calling(peer.url) as client:
        unavailable(client.post, BODY, HEADERS, SHORT, lambda: told.append("left"))
    assert told == ["left"]


def test_that_a_call_has_left_is_not_told_where_nobody_takes_it():
    told = []
    with hostile_peer(deaf) as peer:
        url = peer.url
    with calling(url) as client:
        unavailable(client.post, BODY, HEADERS, SHORT, lambda: told.append("left"))
    assert told == []


def test_nothing_is_opened_before_the_first_call():
    with hostile_peer(answering(reply())) as peer:
        PeerClient(peer.url, time.monotonic, allow_loopback_http=True).close()
        assert peer.accepted == 0
