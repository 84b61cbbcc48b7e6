"""The client of Redis: who it trusts, what it takes for an answer, and how long it waits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from kas.errors import ConfigError
from kas.net.connection import Origin
from kas.state.redis import RedisStore, check_eviction
from kas.state.resp import MAX_ANSWER_BYTES, RespClient, ScriptUnknown
from kas.state.shared import StoreFull, StoreUnavailable
from tests.interop.tls_front import make_certificates
from tests.listening import HOST, listening


@dataclass
class Server:
    """``answers`` are given in turn, the last again and again; ``commands`` are what came."""

    port: int
    accepted: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    commands: list[bytes] = field(default_factory=list)


def answering(*answers):
    """Plain Redis on loopback that answers each read with the next of these bytes."""

    def talk(connection, server, _number):
        while data := connection.recv(65_536):
            server.commands.append(data)
            connection.sendall(answers[min(len(server.commands), len(answers)) - 1])

    return listening(Server, talk)


def client_of(server, timeout_seconds=5.0, **options):
    return RespClient(
        Origin(is_tls=False, host=HOST, port=server.port, authority=HOST),
        time.monotonic,
        tls=lambda: None,
        timeout_seconds=timeout_seconds,
        **{"sign_in": (), "database": 0, **options},
    )


def called(answer):
    with answering(answer) as server:
        client = client_of(server)
        try:
            return client.call("GET", "a")
        finally:
            client.close()


def test_server_is_one_that_our_authority_vouches_for(redis_server, tmp_path):
    """Another's certificate of the same name is refused before the password is sent."""
    other, _ = make_certificates(tmp_path)
    with pytest.raises(StoreUnavailable, match="SSLCertVerificationError"):
        redis_server.client(authority=other).call("PING")
    assert redis_server.client().call("PING") == b"PONG"


def test_wrong_password_is_told_and_not_shown(redis_server):
    """By the server's word alone."""
    with pytest.raises(StoreUnavailable, match=r"^refused: WRONGPASS$"):
        redis_server.client(password="wrong").call("PING")


def test_many_threads_share_a_few_connections(redis_server):
    """Each gets its own answer."""
    client = redis_server.client()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: client.call("ECHO", str(number)), range(200)))
    assert answers == [str(number).encode() for number in range(200)]
    assert len(client._idle) <= 16


def test_sign_in_and_database_come_first():
    """On each connection once."""
    with answering(b"+OK\r\n") as server:
        client = client_of(server, sign_in=("name", "secret"), database=3)
        assert [client.call("PING"), client.call("PING")] == [b"OK"] * 2
        client.close()
        assert server.commands == [
            b"*3\r\n$4\r\nAUTH\r\n$4\r\nname\r\n$6\r\nsecret\r\n",
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"*1\r\n$4\r\nPING\r\n",
        ]
        assert server.accepted == 1


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (b"+OK\r\n", b"OK"),
        (b":-7\r\n", -7),
        (b"$3\r\na\r\n\r\n", b"a\r\n"),
        (b"$-1\r\n", None),
        (b"*3\r\n:1\r\n$-1\r\n$0\r\n\r\n", [1, None, b""]),
        (b"*0\r\n", []),
    ],
)
def test_answers_are_read(answer, value):
    """Each kind that Redis has for us."""
    assert called(answer) == value


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n",
        b":x\r\n",
        b"$x\r\n",
        b"*1\r\n*1\r\n:1\r\n",
        b"*1\r\n-ERR within\r\n",
        b"+OK\r\n+OK\r\n",
        b"$%d\r\n" % (MAX_ANSWER_BYTES + 1),
        b"*9\r\n:1\r\n" + b":1\r\n" * 9,
        b"-ERR a text with secrets\r\n",
        b"-weird\r\n",
    ],
)
def test_what_is_no_answer_is_refused(answer):
    """And not quoted."""
    with pytest.raises(StoreUnavailable) as caught:
        called(answer)
    assert "secrets" not in str(caught.value)
    assert "in time" not in str(caught.value)  # and not waited for


def test_full_memory_and_unknown_scripts_are_told_apart():
    """By the first word."""
    with pytest.raises(StoreFull):
        called(b"-OOM command not allowed\r\n")
    with pytest.raises(ScriptUnknown):
        called(b"-NOSCRIPT No matching script\r\n")


def test_server_that_drips_gains_nothing():
    """All reads share one deadline."""

    def drip(connection, server, _number):
        connection.recv(65_536)
        while not server.released.wait(0.05):
            connection.sendall(b"+")

    with listening(Server, drip) as server:
        client = client_of(server, timeout_seconds=0.3)
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            client.call("PING")


def test_connection_that_ended_meanwhile_is_not_used():
    """As after a restart of the server; nothing is sent twice."""

    def once(connection, server, _number):
        server.commands.append(connection.recv(65_536))
        connection.sendall(b"+OK\r\n")

    with listening(Server, once) as server:
        client = client_of(server)
        for _ in range(3):
            assert client.call("PING") == b"OK"
            time.sleep(0.05)
        client.close()
        assert (len(server.commands), server.accepted) == (3, 3)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_server_that_evicts_is_refused(redis_server, policy):
    """It would forget used proofs."""
    client = redis_server.shared_client
    assert check_eviction(client) is None
    client.call("CONFIG", "SET", "maxmemory-policy", policy)
    try:
        with pytest.raises(ConfigError, match="noeviction"):
            check_eviction(client)
    finally:
        client.call("CONFIG", "SET", "maxmemory-policy", "noeviction")


@pytest.mark.parametrize("answer", [b"-NOPERM no\r\n", b"+none\r\n"])
def test_server_that_does_not_say_is_told_to_the_operator(answer):
    """Whether it forgets early is his to know then."""
    with answering(answer) as server:
        client = client_of(server)
        assert "maxmemory-policy" in check_eviction(client)
        client.close()


@pytest.mark.parametrize("answer", [b"+OK\r\n", b"*1\r\n:0\r\n", b"*2\r\n:9\r\n:0\r\n"])
def test_script_that_answers_something_else_is_no_store(answer):
    """Nothing is taken for a success that is not one."""
    from kas.state.claims import proof_claim
    from kas.state.shared import LimitWindow

    with answering(answer) as server:
        client = client_of(server)
        store = RedisStore(client, name="a", capacity=8, ttl_seconds=1.0)
        with pytest.raises(StoreUnavailable):
            store.claim(proof_claim("k", "j", "c"))
        if answer.startswith(b"+"):
            with pytest.raises(StoreUnavailable):
                store.take(LimitWindow("w", 1, 60.0, 10), bytes(32))
            with pytest.raises(StoreUnavailable):
                store.find([b"a", b"b"])
            with pytest.raises(StoreUnavailable):
                store.era()
            assert store.check() is False
        client.close()
