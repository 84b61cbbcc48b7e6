"""Access tokens: fetched once for all who wait, renewed while still good, and never shown."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization

from kas.google.credentials import Token, TokenSource, find_tokens, metadata_fetch, metadata_host
from kas.google.status import GoogleError
from local.ports import free_port
from local.processes import ROOT, environment_without_settings
from tests.google.project import private_key
from tests.kms.servers import BAD_FRAMING, answering, reply, scripted
from tests.kms.test_transports import refused
from tests.kms.transports import SECONDS

PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


class Source:
    """A `TokenSource` over answers that a test puts down; ``timeouts`` are those it was given."""

    def __init__(self, *answers):
        self.now = 0.0
        self.answers = list(answers)
        self.timeouts = []
        self.source = TokenSource(self._fetch, lambda: self.now)

    def _fetch(self, timeout_seconds):
        self.timeouts.append(timeout_seconds)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def token(self, seconds=SECONDS):
        return self.source.token(seconds)

    @property
    def fetches(self):
        return len(self.timeouts)


def tokens(*lifetimes):
    return [Token(f"token-{number}", lifetime) for number, lifetime in enumerate(lifetimes, 1)]


DOWN = GoogleError("UNAVAILABLE", "down")


# ---- when it is fetched


def test_nothing_is_fetched_before_it_is_asked_for():
    assert Source().fetches == 0


def test_a_token_is_kept_until_shortly_before_the_metadata_server_has_another():
    source = Source(*tokens(3600, 3600))
    for source.now in (0.0, 1.0, 3374.9):
        assert source.token() == "token-1"
    source.now = 3375.0
    assert source.token() == "token-2"
    assert source.fetches == 2


def test_a_short_token_is_renewed_after_half_its_life():
    source = Source(*tokens(100, 100))
    for source.now in (0.0, 49.9):
        assert source.token() == "token-1"
    source.now = 50.0
    assert source.token() == "token-2"


def test_a_token_that_cannot_be_renewed_is_used_as_long_as_it_is_good():
    source = Source(*tokens(3600), DOWN, DOWN, DOWN, DOWN)
    source.token()
    source.now = 3400.0
    assert source.token() == "token-1"
    assert source.token() == "token-1"
    assert source.fetches == 2  # not again at once
    source.now = 3409.9
    assert source.token() == "token-1"
    assert source.fetches == 2
    source.now = 3410.0
    assert source.token() == "token-1"
    assert source.fetches == 3
    source.now = 3589.9
    assert source.token() == "token-1"
    source.now = 3590.0  # it might run out on its way
    assert refused("UNAVAILABLE", source.token) == "down"


def test_a_renewal_may_take_a_second_and_a_first_token_all_the_time_there_is():
    source = Source(*tokens(3600, 3600, 3600))
    source.token(7.0)
    source.now = 3400.0
    source.token(7.0)
    source.now = 6800.0
    source.token(0.5)
    assert source.timeouts == [7.0, 1.0, 0.5]


def test_a_token_that_is_about_to_end_serves_who_fetched_it():
    source = Source(*tokens(5, 5))
    assert [source.token(), source.token()] == ["token-1", "token-2"]


def test_a_token_that_was_refused_is_forgotten_and_another_is_not():
    source = Source(*tokens(3600, 3600))
    source.source.forget("token-1")
    source.token()
    source.source.forget("token-0")
    assert source.token() == "token-1"
    source.source.forget("token-1")
    assert source.token() == "token-2"


def test_after_a_failure_the_next_caller_tries_again():
    source = Source(DOWN, DOWN, *tokens(3600))
    refused("UNAVAILABLE", source.token)
    refused("UNAVAILABLE", source.token)
    assert source.token() == "token-1"


# ---- many at once


class Held:
    """Fetches that wait until they are released; ``answer`` is a token or an error."""

    def __init__(self, answer):
        self.begun, self.released = threading.Event(), threading.Event()
        self.fetches = 0
        self._answer = answer
        self.source = TokenSource(self._fetch, time.monotonic)

    def _fetch(self, timeout_seconds):
        self.fetches += 1
        self.begun.set()
        assert self.released.wait(SECONDS)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def all_at_once(self, count=16):
        """What so many callers get that wait for one fetch."""
        with ThreadPoolExecutor(count) as pool:
            running = [pool.submit(self._ask) for _ in range(count)]
            assert self.begun.wait(SECONDS)
            threading.Event().wait(0.2)  # for the others to wait, too
            self.released.set()
            return [one.result() for one in running]

    def _ask(self):
        try:
            return self.source.token(SECONDS)
        except GoogleError as error:
            return error


def test_one_fetch_serves_all_who_wait():
    held = Held(Token("t", 3600))
    assert held.all_at_once() == ["t"] * 16
    assert held.fetches == 1


def test_one_failure_is_that_of_all_who_wait():
    held = Held(DOWN)
    answers = held.all_at_once()
    assert {error.status for error in answers} == {"UNAVAILABLE"}
    assert held.fetches == 1
    assert len(set(answers)) == 16  # each his own: tracebacks are not shared


def test_who_has_no_time_left_does_not_spoil_it_for_the_others():
    source = Source(GoogleError("DEADLINE_EXCEEDED", "his own"), *tokens(3600))
    waiting = threading.Thread(target=lambda: refused("DEADLINE_EXCEEDED", source.token))
    waiting.start()
    waiting.join(SECONDS)
    assert source.source._failure is None
    assert source.token() == "token-1"


def test_who_waits_for_a_fetch_waits_no_longer_than_his_time():
    held = Held(Token("t", 3600))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(held.source.token, SECONDS)
        assert held.begun.wait(SECONDS)
        refused("DEADLINE_EXCEEDED", held.source.token, 0.1)
        held.released.set()
        assert first.result() == "t"


def test_while_one_renews_the_others_go_on():
    held, now = Held(Token("new", 3600)), [0.0]
    held.source._timer = lambda: now[0]
    held.released.set()
    held.source.token(SECONDS)
    held.released.clear()
    held.begun.clear()
    now[0] = 3400.0
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(held.source.token, SECONDS)
        assert held.begun.wait(SECONDS)
        assert held.source.token(SECONDS) == "new"
        assert held.fetches == 2
        held.released.set()
        renewing.result()


# ---- the metadata server


def fetch_from(server, seconds=SECONDS):
    return metadata_fetch(server.base.removeprefix("http://"), time.monotonic)(seconds)


def given(value="token", seconds=600, **more):
    return reply({"access_token": value, "expires_in": seconds, "token_type": "Bearer", **more})


def test_the_metadata_server_is_asked_as_one_asks_it():
    with scripted(answering(given())) as server:
        assert fetch_from(server) == Token("token", 600)
        assert fetch_from(server) == Token("token", 600)
    host = server.base.removeprefix("http://")
    wanted = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n"
    assert server.requests == [wanted.encode()] * 2
    assert server.accepted == 2  # nothing is kept


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("301 Moved", "UNAUTHENTICATED"),
        ("403 Forbidden", "UNAUTHENTICATED"),
        ("404 Not Found", "UNAUTHENTICATED"),
        ("429 Too Many", "UNAVAILABLE"),
        ("500 Internal", "UNAVAILABLE"),
        ("503 Unavailable", "UNAVAILABLE"),
    ],
)
def test_a_metadata_server_that_gives_none_says_why(line, status):
    """What waiting mends is unavailable; an account that is not there is not."""
    with scripted(answering(reply(b"canary", line, "Location: http://127.0.0.1:1/\r\n"))) as server:
        assert refused(status, fetch_from, server) == f"access token: HTTP {line[:3]}"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(b""),
        reply(b"<html>"),
        reply(b"[]"),
        reply({}),
        given(5),
        given(""),
        given("canary token"),
        given("canary\r\nX: y"),
        given("canary-ü"),
        given("x" * 8193),
        given(seconds=0),
        given(seconds=-1),
        given(seconds="600"),
        given(seconds=1.5),
        given(seconds=10**6),
        given("x" * 200_000),
    ],
    ids=lambda answer: str(answer[-60:]),
)
def test_an_answer_without_a_sound_token_is_unknown(answer):
    with scripted(answering(answer)) as server:
        assert "canary" not in refused("UNKNOWN", fetch_from, server)


@pytest.mark.parametrize("framing", BAD_FRAMING)
def test_a_token_whose_length_cannot_be_is_unknown(framing):
    with scripted(answering(framing)) as server:
        refused("UNKNOWN", fetch_from, server)


def test_a_metadata_server_that_is_not_there_or_says_nothing():
    refused("UNAVAILABLE", metadata_fetch(f"127.0.0.1:{free_port()}", time.monotonic), SECONDS)
    with scripted(lambda connection, server: server.released.wait(SECONDS)) as server:
        refused("DEADLINE_EXCEEDED", fetch_from, server, 0.3)
    with scripted(lambda connection, _server: connection.recv(1)) as server:
        refused("UNAVAILABLE", fetch_from, server)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "host\r\nX: y",
        "http://host",
        "host/path",
        "u@host",
        "host:",
        "host:0",
        "host:70000",
        "HOST",
        "[x]",
        "[:::]",
        "[1.2.3.4]",
        "a..b",
        ".",
        "1.2.3",
        f"{'a' * 64}.example",
    ],
)
def test_a_metadata_host_is_a_host(host):
    with pytest.raises(ValueError, match="host"):
        metadata_fetch(host, time.monotonic)


# ---- where they come from


def found(environ):
    return find_tokens(environ, clock=time.time, timer=time.monotonic)


def test_a_named_metadata_server_gives_them_wherever_this_runs():
    with scripted(answering(given())) as server:
        host = {"GCE_METADATA_HOST": server.base.removeprefix("http://")}
        assert found(host).token(SECONDS) == "token"
        assert found({**host, "K_SERVICE": "kas"}).token(SECONDS) == "token"


def test_on_cloud_run_the_platforms_metadata_server_gives_them():
    assert metadata_host({"K_SERVICE": "kas"}) == "metadata.google.internal"
    assert metadata_host({"K_SERVICE": ""}) == "metadata.google.internal"
    assert metadata_host({"K_SERVICE": "kas", "GCE_METADATA_HOST": "127.0.0.1:1"}) == "127.0.0.1:1"
    assert metadata_host({"GCE_METADATA_HOST": ""}) is None


def test_a_bad_metadata_host_is_refused_at_once():
    with pytest.raises(ValueError, match="host"):
        found({"GCE_METADATA_HOST": "http://x"})


ELSEWHERE = """
import sys, time
from kas.google.credentials import find_tokens
from kas.google.status import GoogleError
source = find_tokens({}, clock=time.time, timer=time.monotonic)
print("google.auth" in sys.modules)
try:
    print(source.token(20.0))
    print(round(source._held.end - time.monotonic(), -1))
except GoogleError as error:
    print(error)
"""


def elsewhere(folder, account):
    """What a process says that finds only a key file."""
    path = folder / "account.json"
    path.write_text(json.dumps(account), "utf-8")
    own = environment_without_settings() | {"GOOGLE_APPLICATION_CREDENTIALS": str(path), "HOME": str(folder)}
    command = [sys.executable, "-W", "error", "-c", ELSEWHERE]
    ended = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture
def account():
    """A key file; its token address is a test's."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = private_key(2048).private_bytes(encoding, form, serialization.NoEncryption()).decode()
    return {
        "type": "service_account",
        "client_email": "kas@kas-test.iam.gserviceaccount.com",
        "private_key": pem,
        "private_key_id": "1",
        "project_id": "kas-test",
    }


def test_elsewhere_the_library_finds_them_and_is_loaded_only_then(tmp_path, account):
    with scripted(answering(given("from-library", 3600))) as server:
        said = elsewhere(tmp_path, account | {"token_uri": f"{server.base}/token"})
    assert said == ["False", "from-library", "3590.0"]
    assert server.requests[0].startswith(b"POST /token ")


def test_elsewhere_too_an_error_says_which_kind(tmp_path, account):
    refusal = reply({"error": "invalid_grant", "error_description": "canary"}, "400 Bad")
    with scripted(answering(refusal)) as server:
        said = elsewhere(tmp_path, account | {"token_uri": f"{server.base}/token"})
    assert said == ["False", "UNAUTHENTICATED: access token: RefreshError"]
    said = elsewhere(tmp_path, account | {"token_uri": f"http://127.0.0.1:{free_port()}/token"})
    assert said == ["False", "UNAVAILABLE: access token: TransportError"]
    said = elsewhere(tmp_path, {"type": "unknown"})
    assert said == ["False", "UNAUTHENTICATED: access token: DefaultCredentialsError"]


def test_no_token_is_shown():
    source = Source(Token("canary", 3600))
    source.token()
    assert "canary" not in repr((Token("canary", 1), source.source, source.source._held))
