"""Answers that Google would not give: each transport refuses the same ones, in bounded time and size, and shows none."""

from __future__ import annotations

import base64
import functools
import socket
import threading
import time
import traceback

import grpc
import pytest
from google.cloud import kms_v1

from kas.google.failures import failures_as_google_errors
from kas.google.official_clients import OfficialClient
from kas.google.status import MAX_ANSWER_BYTES, GoogleError
from kas.net.connection import Connection
from kas.net.deadline import Deadline
from tests.google.project import UNWRAP
from tests.kms.servers import BAD_FRAMING, answering, full, grpc_scripted, read_request, reply, scripted
from tests.kms.test_transports import refused
from tests.kms.transports import OVER_HTTP, SECONDS, OneToken

CIPHERTEXT = bytes(range(256))
GOOD = {"plaintext": "cGxhaW4=", "plaintextCrc32c": "1", "protectionLevel": "HSM"}
PUBLIC_KEY = {"name": UNWRAP, "pem": "PEM", "pemCrc32c": "1", "algorithm": "X", "protectionLevel": "HSM"}
SECRET = "canary-canary-canary"

over_http = pytest.mark.parametrize("kind", OVER_HTTP)


@pytest.fixture
def at(over):
    """Makes a transport at an address, with a token of its own."""
    return over.at


def decrypt(transport, seconds=SECONDS):
    return transport.asymmetric_decrypt(UNWRAP, CIPHERTEXT, timeout_seconds=seconds)


def public_key(transport):
    return transport.get_public_key(UNWRAP, timeout_seconds=SECONDS)


def test_a_server_that_answers_well_is_believed(at):
    """So what follows is refused for what is said there."""
    for kind in OVER_HTTP:
        with scripted(answering(reply(GOOD), reply(PUBLIC_KEY))) as server:
            transport = at(kind, server.base)
            assert decrypt(transport).plaintext == b"plain"
            assert public_key(transport).pem == b"PEM"


@over_http
def test_no_compressed_answer_is_asked_for(at, kind):
    """One could be small on the way and large here."""
    with scripted(answering(reply(GOOD))) as server:
        decrypt(at(kind, server.base))
    assert b"\r\naccept-encoding: identity\r\n" in server.requests[0].lower()


# ---- what cannot be read


@over_http
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'"text"',
        b"5",
        b"null",
        b"[" * 50_000,
        b"<html>" + SECRET.encode(),
        b'{"plaintext":"cGxhaW4=","plaintext":"cGxhaW4="}',
        {},
        {"unknown": SECRET},
        {**GOOD, "plaintext": 5},
        {**GOOD, "plaintext": [SECRET]},
        {**GOOD, "plaintext": "a"},
        {**GOOD, "plaintextCrc32c": SECRET},
        {**GOOD, "plaintextCrc32c": "1.5"},
        {**GOOD, "plaintextCrc32c": {}},
        {**GOOD, "verifiedCiphertextCrc32c": SECRET},
        {**GOOD, "verifiedCiphertextCrc32c": 1},
    ],
    ids=lambda body: str(body)[:40],
)
def test_an_answer_that_cannot_be_read_is_unknown(at, kind, body):
    with scripted(answering(reply(body))) as server, pytest.raises(GoogleError) as caught:
        decrypt(at(kind, server.base))
    assert caught.value.status == "UNKNOWN"
    chain = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert SECRET not in chain


@over_http
@pytest.mark.parametrize("missing", ["name", "pem"])
def test_a_public_key_without_name_or_key_is_unknown(at, kind, missing):
    body = {name: value for name, value in PUBLIC_KEY.items() if name != missing}
    with scripted(answering(reply(body))) as server:
        refused("UNKNOWN", public_key, at(kind, server.base))


def test_an_empty_message_is_unknown_over_grpc_too(at):
    with grpc_scripted(lambda *_: b"") as port:
        transport = at("grpc", f"http://127.0.0.1:{port}")
        refused("UNKNOWN", decrypt, transport)
        refused("UNKNOWN", public_key, transport)


def test_bytes_that_are_no_message_are_refused_over_grpc(at):
    with grpc_scripted(lambda *_: b"\xff" * 9) as port:
        refused("INTERNAL", decrypt, at("grpc", f"http://127.0.0.1:{port}"))


# ---- what is no answer of the service


WITHOUT_STATUS = (
    b"<html>canary-canary",
    {"error": "canary-canary"},
    {"error": {"status": "NO_SUCH_STATUS", "message": "canary-canary"}},
    {"error": {"status": 5, "message": "canary-canary"}},
    {"error": {"status": "INVALID_ARGUMENT", "message": ["canary-canary"]}},
)


@over_http
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("201 Created", "UNKNOWN"),
        ("204 No Content", "UNKNOWN"),
        ("300 Multiple Choices", "UNKNOWN"),
        ("400 Bad Request", "INTERNAL"),
        ("401 Unauthorized", "UNAUTHENTICATED"),
        ("403 Forbidden", "PERMISSION_DENIED"),
        ("404 Not Found", "NOT_FOUND"),
        ("409 Conflict", "ABORTED"),
        ("418 Teapot", "UNKNOWN"),
        ("429 Too Many Requests", "RESOURCE_EXHAUSTED"),
        ("499 Client Closed", "CANCELLED"),
        ("500 Internal", "INTERNAL"),
        ("501 Not Implemented", "UNIMPLEMENTED"),
        ("502 Bad Gateway", "UNAVAILABLE"),
        ("503 Unavailable", "UNAVAILABLE"),
        ("504 Gateway Time-out", "DEADLINE_EXCEEDED"),
        ("599 Odd", "UNKNOWN"),
    ],
)
def test_what_does_not_name_a_status_is_judged_by_its_number(at, kind, line, status):
    """And is never a word about what was sent: 400 without a status is not INVALID_ARGUMENT."""
    bodies = [b""] if line.startswith("204") else WITHOUT_STATUS
    with scripted(answering(*(reply(body, line) for body in bodies))) as server:
        transport = at(kind, server.base)
        for number in range(len(bodies)):
            assert "canary" not in refused(status, decrypt, transport)
            assert len(server.requests) == number + 1


@over_http
@pytest.mark.parametrize("line", ["201 Created", "206 Partial Content", "300 Multiple Choices", "399 Odd"])
def test_a_good_answer_under_another_status_is_none(at, kind, line):
    with scripted(answering(reply(GOOD, line))) as server:
        refused("UNKNOWN", decrypt, at(kind, server.base))


@over_http
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_attack_f01_a_redirect_is_not_followed(at, kind, status):
    with scripted(answering(reply(GOOD))) as other:
        away = reply(b"", f"{status} Moved", f"Location: {other.base}/v1/elsewhere\r\n")
        with scripted(answering(away)) as server:
            refused("UNKNOWN", decrypt, at(kind, server.base))
            refused("UNKNOWN", public_key, at(kind, server.base))
        assert other.accepted == 0


ECHO = "Invalid value at 'ciphertext', \"{}\""


@pytest.mark.parametrize("secret", ["token", "ciphertext"])
def test_a_message_that_repeats_what_was_sent_is_withheld(at, kind, secret):
    token = OneToken("ya29.a-token-that-nobody-should-see")
    value = token.value if secret == "token" else base64.b64encode(CIPHERTEXT).decode()
    body = {"error": {"status": "INVALID_ARGUMENT", "message": ECHO.format(value)}}

    def refuse(_path, _request, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, ECHO.format(value))

    with scripted(answering(reply(body, "400 Bad"))) as server, grpc_scripted(refuse) as port:
        transport = at(kind, f"http://127.0.0.1:{port}" if kind == "grpc" else server.base, token)
        with pytest.raises(GoogleError) as caught:
            decrypt(transport)
    assert caught.value.status == "INVALID_ARGUMENT"
    assert "withheld" in caught.value.detail
    shown = "".join(traceback.format_exception(caught.value))
    assert value[:16] not in shown


TOKEN = "ya29.a-Token_that-nobody-should-see-9173048265"
# Ciphertext whose base64 has every character in which its alphabets differ.
BROKEN_UP = b"\xfb\xff\xbe" * 8 + CIPHERTEXT


@pytest.mark.parametrize(
    "repetition",
    [
        TOKEN[7:],
        "".join(filter(str.isalnum, TOKEN))[8:24],
        TOKEN.upper(),
        TOKEN.replace("-", ""),
        " ".join(TOKEN),
        f"{TOKEN[:10]}\r\n {TOKEN[10:]}",
        TOKEN.encode().hex(),
        base64.b64encode(BROKEN_UP).decode()[100:120],
        base64.urlsafe_b64encode(BROKEN_UP).decode(),
        base64.urlsafe_b64encode(BROKEN_UP).decode()[40:],
        BROKEN_UP.hex(),
        BROKEN_UP.hex(" ").upper(),
    ],
)
def test_what_was_sent_is_known_in_part_and_in_other_letters(at, kind, repetition):
    message = f"The server saw {repetition}"

    def refuse(_path, _request, context):
        context.abort(grpc.StatusCode.PERMISSION_DENIED, message)

    body = {"error": {"status": "PERMISSION_DENIED", "message": message}}
    with scripted(answering(reply(body, "403 No"))) as server, grpc_scripted(refuse) as port:
        transport = at(kind, f"http://127.0.0.1:{port}" if kind == "grpc" else server.base, OneToken(TOKEN))
        detail = refused("PERMISSION_DENIED", transport.asymmetric_decrypt, UNWRAP, BROKEN_UP, timeout_seconds=SECONDS)
    assert detail == "the message is withheld: it repeats what was sent"


@over_http
@pytest.mark.parametrize(
    "message",
    [
        f"Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource '{UNWRAP}'",
        f"The server saw {TOKEN[:15]}",
        "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
    ],
)
def test_a_message_that_repeats_no_more_than_a_few_letters_is_shown(at, kind, message):
    body = {"error": {"status": "PERMISSION_DENIED", "message": message}}
    with scripted(answering(reply(body, "403 No"))) as server:
        assert refused("PERMISSION_DENIED", decrypt, at(kind, server.base, OneToken(TOKEN))) == message[:200]


def test_a_message_is_one_short_line(at, kind):
    message = "first\r\nsecond\x1b[31m\u202e" + "x" * 1000

    def refuse(_path, _request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, message)

    body = {"error": {"status": "NOT_FOUND", "message": message}}
    with scripted(answering(reply(body, "404 No"))) as server, grpc_scripted(refuse) as port:
        detail = refused("NOT_FOUND", decrypt, at(kind, f"http://127.0.0.1:{port}" if kind == "grpc" else server.base))
    assert detail.startswith("first  second")
    assert detail.isprintable()
    assert len(detail) == 200


# ---- size


def sized(size):
    """A good answer of about so many bytes."""
    return {**GOOD, "unknown": "x" * size}


@over_http
@pytest.mark.parametrize("headers", ["", "X: y\r\n"])
def test_an_answer_beyond_the_bound_is_refused(at, kind, headers):
    small, large = reply(sized(MAX_ANSWER_BYTES - 400), headers=headers), reply(sized(MAX_ANSWER_BYTES))
    with scripted(answering(small, large, small)) as server:
        transport = at(kind, server.base)
        assert decrypt(transport).plaintext == b"plain"
        refused("UNKNOWN", decrypt, transport)
        assert decrypt(transport).plaintext == b"plain"
    assert server.accepted == 2  # what was left of the large one is not read as the next answer


@over_http
@pytest.mark.parametrize("part", ["headers", "continue", "chunks", "open"])
def test_an_answer_without_an_end_is_refused_at_the_bound(at, kind, part):
    start, more = {
        "headers": (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 60_000 + b"\r\n"),
        "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
        "open": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 4096),
    }[part]

    def talk(connection, server):
        server.requests.append(read_request(connection))
        connection.sendall(start)
        while True:  # until the other side has had enough
            connection.sendall(more)

    with scripted(talk) as server:
        assert "bytes" in refused("UNKNOWN", decrypt, at(kind, server.base))


def test_an_answer_beyond_the_bound_is_refused_over_grpc_too(at):
    large = kms_v1.AsymmetricDecryptResponse(plaintext=b"x" * MAX_ANSWER_BYTES)
    with grpc_scripted(lambda *_: type(large).serialize(large)) as port:
        refused("UNKNOWN", decrypt, at("grpc", f"http://127.0.0.1:{port}"))


@over_http
@pytest.mark.parametrize("framing", BAD_FRAMING, ids=lambda answer: str(answer[17:60]))
def test_an_answer_whose_length_cannot_be_is_refused_unread(at, kind, framing):
    """And not by an error of ours, which would be that of all the keys of a request."""
    with scripted(answering(framing, reply(GOOD))) as server:
        transport = at(kind, server.base)
        refused("UNKNOWN", decrypt, transport)
        assert decrypt(transport).plaintext == b"plain"
    assert server.accepted == 2


class Broken:
    """A socket that can be written to, a file that fails when it is read, and a client of Google's that fails."""

    def __init__(self, error):
        self._error = error

    def settimeout(self, _seconds):
        pass

    def sendall(self, _message):
        pass

    def makefile(self, *_arguments, **_options):
        return self

    def close(self):
        pass

    def readinto(self, _buffer):
        raise self._error

    def asymmetric_decrypt(self, **_request):
        raise self._error


@over_http
@pytest.mark.parametrize("error", [ValueError(SECRET), OverflowError(SECRET), MemoryError(SECRET)], ids=repr)
def test_whatever_reading_an_answer_raises_is_one_of_googles_errors(kind, error):
    deadline = Deadline.after(SECONDS, time.monotonic)
    if kind == "http":
        read = functools.partial(
            Connection(Broken(error), time.monotonic, MAX_ANSWER_BYTES).exchange, "GET", b"", deadline
        )
    else:
        read = functools.partial(OfficialClient(Broken(error)).call, "asymmetric_decrypt", {}, TOKEN, deadline)
    with pytest.raises(GoogleError) as caught, failures_as_google_errors("call"):
        read()
    assert caught.value.status == "UNKNOWN"
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r}"


# ---- time


GOOD_BYTES = reply(GOOD)
HEAD, _, BODY = GOOD_BYTES.partition(b"\r\n\r\n")


@over_http
@pytest.mark.parametrize("part", ["status", "headers", "body", "continue"])
def test_an_answer_that_drips_is_cut_at_the_deadline(at, kind, part):
    """Each byte comes in time, and the whole would be a good answer."""
    before, dripping, after = {
        "status": (b"", GOOD_BYTES[:10], GOOD_BYTES[10:]),
        "headers": (HEAD + b"\r\nX: ", b"y" * 10, b"\r\n\r\n" + BODY),
        "body": (HEAD + b"\r\n\r\n", BODY[:10], BODY[10:]),
        "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", GOOD_BYTES),
    }[part]
    sent = []

    def talk(connection, server):
        server.requests.append(read_request(connection))
        connection.sendall(before)
        for byte in (*(dripping[i : i + 1] for i in range(len(dripping))),):
            connection.sendall(byte)
            sent.append(byte)
            threading.Event().wait(0.1)
        connection.sendall(after)
        sent.append(after)

    with scripted(talk) as server:
        refused("DEADLINE_EXCEEDED", decrypt, at(kind, server.base), seconds=0.4)
        assert after not in sent


def test_a_server_that_says_nothing_is_left_at_the_deadline(at, kind):
    """Neither shakes hands nor answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"127.0.0.1:{listener.getsockname()[1]}"
        refused("DEADLINE_EXCEEDED", decrypt, at(kind, f"http://{base}"), seconds=0.3)
        refused("DEADLINE_EXCEEDED", decrypt, at(kind, f"https://{base}"), seconds=0.3)


def test_a_host_that_takes_up_no_connection_is_left_at_the_deadline(at, kind):
    with full() as address:
        transport = at(kind, f"http://{address}")
        call = threading.Thread(
            target=lambda: refused("DEADLINE_EXCEEDED", decrypt, transport, seconds=0.3), daemon=True
        )
        call.start()
        call.join(SECONDS)  # the system itself would give up after minutes
        assert not call.is_alive()


# ---- connections that end


@over_http
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP",
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        HEAD,
        GOOD_BYTES[:-1],
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=lambda answer: answer[:30].decode(),
)
def test_what_ends_or_is_no_http_is_unavailable(at, kind, answer):
    def talk(connection, server):
        server.requests.append(read_request(connection))
        connection.sendall(answer)

    with scripted(talk) as server:
        refused("UNAVAILABLE", decrypt, at(kind, server.base))
        assert len(server.requests) == 1


def test_whoever_ends_a_grpc_connection_is_unavailable(at):
    with scripted(lambda connection, _server: connection.recv(1)) as server:
        refused("UNAVAILABLE", decrypt, at("grpc", server.base))


@over_http
@pytest.mark.parametrize("ending", ["close", "old"])
def test_an_answer_after_which_the_connection_ends_is_good(at, kind, ending):
    head = HEAD + b"\r\nConnection: close" if ending == "close" else b"HTTP/1.0 200 OK"

    def talk(connection, server):
        server.requests.append(read_request(connection))
        connection.sendall(head + b"\r\n\r\n" + BODY)

    with scripted(talk) as server:
        transport = at(kind, server.base)
        for _ in range(3):
            assert decrypt(transport).plaintext == b"plain"
    assert server.accepted == 3


@over_http
def test_an_answer_in_chunks_is_good_and_the_connection_is_kept(at, kind):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    with scripted(answering(chunked)) as server:
        transport = at(kind, server.base)
        for _ in range(3):
            assert decrypt(transport).plaintext == b"plain"
    assert (server.accepted, len(server.requests)) == (1, 3)


# ---- answers that nobody asked for


@over_http
def test_after_word_that_an_answer_will_follow_the_connection_is_not_used(at, kind):
    """Its late answer would be taken for that of the next call."""

    def talk(connection, server):
        read_request(connection)
        if server.accepted == 1:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            if not read_request(connection):
                return
        connection.sendall(GOOD_BYTES)
        server.released.wait(SECONDS)

    with scripted(talk) as server:
        transport = at(kind, server.base)
        refused("UNKNOWN", decrypt, transport)
        assert decrypt(transport).plaintext == b"plain"
        assert server.accepted == 2


@over_http
def test_a_connection_on_which_more_came_than_the_answer_is_not_used(at, kind):
    """Though all of it was read together, and nothing more is to come."""
    with scripted(answering(GOOD_BYTES + GOOD_BYTES, GOOD_BYTES)) as server:
        transport = at(kind, server.base)
        for _ in range(3):
            assert decrypt(transport).plaintext == b"plain"
    assert server.accepted == 2
