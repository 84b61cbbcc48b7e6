"""The steps of every request, in their order: connection, limits, route, method, answer; and what is told of each."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.errors import (
    AuditUnavailable,
    CredentialsMissing,
    GlobalLimit,
    HttpsRequired,
    Internal,
    KasError,
    KeyUnavailable,
    LoopbackOnly,
    MethodNotAllowed,
    NetworkLimit,
    NotFound,
    ProofReplayed,
    ReplayShareExhausted,
    ReplayStoreFull,
    RewrapLimit,
    TokenExpired,
)
from kas.journal import Caller, Journal
from kas.ratelimit import Limit, Quota
from kas.web.connection import DROP_IDLE_SECONDS
from kas.web.cors import Cors
from kas.web.limits import edge_limits
from kas.web.replies import Reply, Route, Routes
from kas.web.slots import Slots
from tests.trails import audit_log, events_of
from tests.unit.good_edge import LOOPBACK, OVER_TLS, EdgeFixture, MeterSpy, body_of, good_edge, sent
from tests.unit.windows import own_windows

PAGE = {"Origin": "https://app.example"}
CORS = Cors(frozenset({"https://app.example"}))
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
HSTS = "Strict-Transport-Security"
OF_HIM = ["RateLimit", "RateLimit-Policy", "X-Client-Request-Id"]


def limits(network: int = 600, everybody: int = 1000, health: int = 50) -> Any:
    return edge_limits(
        network=network, everybody=everybody, health=health, memory=100, new_window=own_windows(lambda: 0.0)
    )


def ticks() -> Iterator[float]:
    """Seconds that go by one at each reading."""
    return count(100.0, 1.0)


def refuse_to_write(_line: bytes) -> int:
    raise OSError("nobody reads")


def of_failure(*, local: bool = True, headers: Any = OVER_TLS, **changes: Any) -> flask.Response:
    """The answer where handling a request failed."""
    environ = {"REMOTE_ADDR": LOOPBACK}
    with flask.Flask("host").test_request_context("/robots.txt", headers=PAGE | headers, environ_overrides=environ):
        return sent(good_edge(len, local=local, **changes).fail(flask.request), flask.request)


# ---- 1. The connection


def test_what_comes_without_tls_uses_up_no_limit() -> None:
    """It is refused before anything is counted, and is told nothing of limits."""
    fixture = EdgeFixture(local=False, limits=limits(network=1, everybody=1))
    for _ in range(3):
        refusal = fixture.send(headers={"X-Forwarded-For": "192.0.2.1"})
        assert (refusal.status_code, body_of(refusal)["code"]) == (403, "https_required")
        assert "RateLimit" not in refusal.headers
    assert fixture.send(headers={**OVER_TLS, "X-Forwarded-For": "192.0.2.1"}).status_code == 200


@pytest.mark.parametrize(("path", "method"), [("/nowhere", "POST"), ("/rewrap", "GET"), ("/rewrap", "OPTIONS")])
def test_what_comes_without_tls_learns_nothing_of_the_routes(path: str, method: str) -> None:
    """Not even which there are."""
    assert EdgeFixture(local=False).send(path, method).status_code == 403


# ---- Bodies of those who are refused so early

UNKNOWN = [NetworkLimit(1.0), GlobalLimit(1.0), HttpsRequired(), LoopbackOnly()]
KNOWN = [TokenExpired(), RewrapLimit(1.0), ReplayShareExhausted()]  # clients of ours: they go on


def takes_body(make: Callable[[dict[str, Any]], flask.Response]) -> tuple[bool, bool]:
    """Whether a body is read, and whether its connection goes on."""
    ours, theirs = socket.socketpair()
    with ours, theirs, io.BytesIO(b"12345") as body:
        environ = {"gunicorn.socket": ours, "wsgi.input": body, "CONTENT_LENGTH": "5", "REMOTE_ADDR": LOOPBACK}
        make(environ).close()
        theirs.settimeout(5)
        ours.settimeout(0)
        try:
            goes_on = ours.recv(1) != b""
        except BlockingIOError:
            goes_on = True
        return body.tell() == 5, goes_on


def takes_body_of(failure: KasError) -> tuple[bool, bool]:
    fixture = EdgeFixture(failure)

    def make(environ: dict[str, Any]) -> flask.Response:
        request = flask.Request({**EnvironBuilder("/rewrap", method="POST").get_environ(), **environ})
        return sent(fixture.edge.handle(request, fixture.routes), request)

    return takes_body(make)


@pytest.mark.parametrize("failure", UNKNOWN, ids=lambda one: type(one).__name__)
def test_whoever_is_refused_before_he_is_known_holds_no_thread_with_his_body(failure: KasError) -> None:
    """Nothing of it is read: his connection ends."""
    assert takes_body_of(failure) == (False, False)


@pytest.mark.parametrize("failure", KNOWN, ids=lambda one: type(one).__name__)
def test_the_connection_of_a_refused_caller_who_is_known_goes_on(failure: KasError) -> None:
    """What he sent is taken off it, so that his next request is read as one."""
    assert takes_body_of(failure) == (True, True)


def test_bodies_of_what_could_not_be_handled_hold_no_thread() -> None:
    """Nobody has a use for them."""

    def make(environ: dict[str, Any]) -> flask.Response:
        with flask.Flask("host").test_request_context("/robots.txt", method="POST", environ_overrides=environ):
            return sent(good_edge(len).fail(flask.request), flask.request)

    assert takes_body(make) == (False, False)


class Timed(io.BytesIO):
    """A body that notes how long its socket would wait at each read."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(b"12345")
        self.sock, self.waits = sock, list[float | None]()

    def read(self, size: int | None = -1) -> bytes:
        self.waits.append(self.sock.gettimeout())
        return super().read(size)


@pytest.mark.parametrize(
    ("slots", "waits", "size"),
    [(Slots(1, 1), {DROP_IDLE_SECONDS}, 5), (Slots(0, 0), set(), 0), (Slots(1, 0), set(), 0)],
)
def test_attack_z03_without_a_place_nothing_of_a_refused_body_is_waited_for(
    slots: Slots, waits: set[float], size: int
) -> None:
    """Waiting for the rest holds a thread; the place is free again afterwards."""
    fixture = EdgeFixture(CredentialsMissing(), dropped=slots)
    for _ in range(2):
        ours, theirs = socket.socketpair()
        with ours, theirs, Timed(ours) as body:
            environ = {"gunicorn.socket": ours, "wsgi.input": body, "CONTENT_LENGTH": "5", "REMOTE_ADDR": LOOPBACK}
            request = flask.Request({**EnvironBuilder("/rewrap", method="POST").get_environ(), **environ})
            sent(fixture.edge.handle(request, fixture.routes), request).close()
            assert set(body.waits) == waits
            assert body.tell() == size


def test_places_for_refused_bodies_are_few_and_shared() -> None:
    """Four at once, of one network or caller two."""
    dropped = good_edge(len).dropped
    assert [dropped.take("a") for _ in range(3)] == [True, True, False]
    assert [dropped.take(holder) for holder in "bcd"] == [True, True, False]


def test_retry_after_is_that_of_the_refusal_and_of_no_part_of_the_request() -> None:
    """A KAO had to wait for the budget, then the audit could not be written: nobody knows when it can."""
    fixture = EdgeFixture(AuditUnavailable(), note=lambda journal: journal.wait(500.0))
    answer = fixture.send()
    assert (answer.status_code, body_of(answer)["code"]) == (503, "audit_unavailable")
    assert "Retry-After" not in answer.headers


# ---- 2. Limits


@pytest.mark.parametrize(
    ("path", "method"), [("/nowhere", "POST"), ("/rewrap", "GET"), ("/rewrap", "OPTIONS"), ("/rewrap", "POST")]
)
def test_whatever_is_asked_counts_and_is_limited(path: str, method: str) -> None:
    """A 404, a 405, a preflight: none is a way to ask for nothing; refused, it reaches no route."""
    fixture = EdgeFixture(limits=limits(network=1))
    assert fixture.send(path, method).status_code != 429
    fixture.asked.clear()
    answer = fixture.send(path, method)
    assert (answer.status_code, body_of(answer)["code"]) == (429, "network_limit")
    assert fixture.asked == []


def test_refused_for_a_limit_is_in_the_one_form_and_recorded() -> None:
    """With the time to wait, what is left and what the limits are."""
    fixture = EdgeFixture(limits=limits(network=1))
    fixture.send()
    answer = fixture.send()
    assert body_of(answer) == {
        "error": "too_many_requests",
        "code": "network_limit",
        "message": NetworkLimit.message(),
        "requestId": answer.headers["X-Request-Id"],
    }
    assert answer.headers["Retry-After"] == "60"
    assert answer.headers["RateLimit"] == '"network";r=0;t=60'
    assert answer.headers["RateLimit-Policy"] == '"network";q=1;w=60'
    assert answer.headers["DPoP-Nonce"] == "next"
    (event,) = fixture.events
    assert (event["code"], event["status"], event["category"]) == ("network_limit", 429, "ACCESS_DENIED")


@pytest.mark.parametrize(
    ("failure", "path", "method"),
    [
        (None, "/rewrap", "POST"),
        (None, "/rewrap", "OPTIONS"),
        (None, "/rewrap", "GET"),
        (None, "/nowhere", "GET"),
        (TokenExpired(), "/rewrap", "POST"),
        (ValueError(), "/rewrap", "POST"),
    ],
)
def test_every_answer_says_what_is_left(failure: Exception | None, path: str, method: str) -> None:
    """Success or refusal."""
    headers = EdgeFixture(failure).send(path, method).headers
    assert headers["RateLimit"] == '"network";r=599;t=60, "global";r=999;t=60'
    assert headers["RateLimit-Policy"] == '"network";q=600;w=60, "global";q=1000;w=60'


def test_limit_that_a_route_asks_is_told_too() -> None:
    """The caller's own comes with those of the edge."""
    quota = Quota(Limit("rewrap", 100, 60.0), 7, 12.2)
    headers = EdgeFixture(note=lambda journal: journal.quotas.append(quota)).send().headers
    assert headers["RateLimit"].endswith(', "rewrap";r=7;t=13')
    assert headers["RateLimit-Policy"].endswith(', "rewrap";q=100;w=60')


def test_health_counts_by_itself() -> None:
    """Neither uses up the other."""
    fixture = EdgeFixture(limits=limits(network=1, health=1))
    assert fixture.send("/health", "GET").headers["RateLimit"] == '"health";r=0;t=10'
    assert fixture.send().status_code == 200
    answer = fixture.send("/health", "GET")
    assert (answer.status_code, body_of(answer)["code"], answer.headers["Retry-After"]) == (429, "health_limit", "10")


@pytest.mark.parametrize(("hops", "second"), [(0, "1.1.1.1, 2.2.2.2"), (1, "1.1.1.1, 2.2.2.2, 3.3.3.3")])
def test_attack_l01_network_is_read_from_the_right(hops: int, second: str) -> None:
    """What a caller writes before it does not make another network of his."""
    fixture = EdgeFixture(local=False, hops=hops, limits=limits(network=1))
    codes = [
        fixture.send(headers={**OVER_TLS, "X-Forwarded-For": text}).status_code
        for text in (second, f"9.9.9.9, {second}", f"9.9.9.9, 8.8.8.8, {second}", f"{second}4")
    ]
    assert codes == [200, 429, 429, 200 if hops == 0 else 429]


def test_local_mode_counts_the_connection() -> None:
    """Nothing stands in front of it, so the header is the caller's word."""
    fixture = EdgeFixture(limits=limits(network=1))
    codes = [fixture.send(headers={"X-Forwarded-For": text}).status_code for text in ("1.1.1.1", "2.2.2.2")]
    assert codes == [200, 429]


@pytest.mark.parametrize("leaf", [RewrapLimit, NetworkLimit, ReplayStoreFull, TokenExpired, NotFound, Internal])
def test_when_to_come_again_is_said_where_it_helps(leaf: Any) -> None:
    """Rounded up, and on 429 and 503 only: anything else is refused again."""
    refusal: KasError = leaf(7.2) if leaf in {RewrapLimit, NetworkLimit} else leaf()
    refusal.retry_after = 7.2
    answer = EdgeFixture(refusal).send()
    assert answer.headers.get("Retry-After") == ("8" if answer.status_code in {429, 503} else None)


def test_attack_l05_whoever_is_refused_with_his_networks_last_place_is_told_when_it_has_one_again() -> None:
    """Everybody's window frees a place after a second, his network's after a minute: he who comes then is not refused."""
    now = 0.0
    windows = edge_limits(network=1, everybody=1, health=1, memory=100, new_window=own_windows(lambda: now))
    fixture = EdgeFixture(local=False, limits=windows)
    theirs, his = ({**OVER_TLS, "X-Forwarded-For": address} for address in ("192.0.2.1", "192.0.2.2"))
    fixture.send(headers=theirs)
    now = 59.0
    answer = fixture.send(headers=his)
    assert (body_of(answer)["code"], answer.headers["Retry-After"]) == ("global_limit", "60")
    assert answer.headers["RateLimit"] == '"network";r=0;t=60, "global";r=0;t=1'
    now += 60.0
    assert fixture.send(headers=his).status_code == 200


def test_where_nobody_knows_when_nothing_is_said() -> None:
    """A guess would bring everybody back at once."""
    assert "Retry-After" not in EdgeFixture(KeyUnavailable()).send().headers


# ---- 3. Route and method


def test_options_asks_no_route() -> None:
    """Without CORS it says what the path takes and no more, on any path of ours."""
    fixture = EdgeFixture()
    allowed = {path: fixture.send(path, "OPTIONS").headers["Allow"] for path in ("/rewrap", "/keys", "/service/x")}
    assert allowed == {"/rewrap": "POST, OPTIONS", "/keys": "GET, HEAD, OPTIONS", "/service/x": "POST, OPTIONS"}
    assert (fixture.asked, fixture.events) == ([], [])
    assert fixture.send("/nowhere", "OPTIONS").status_code == 404


def test_preflight_of_a_listed_page_is_answered() -> None:
    """And what follows it may be read."""
    fixture = EdgeFixture(cors=CORS)
    answer = fixture.send(method="OPTIONS", headers={**PAGE, "Access-Control-Request-Method": "POST"})
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
    assert "DPoP" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("failure", [None, TokenExpired(), ValueError()])
@pytest.mark.parametrize("path", ["/rewrap", "/nowhere"])
def test_listed_page_may_read_every_answer(path: str, failure: Exception | None) -> None:
    """Refusals most of all: it must learn which nonce to use."""
    headers = EdgeFixture(failure, cors=CORS).send(path, headers=PAGE).headers
    assert (headers["Access-Control-Allow-Origin"], headers["Vary"]) == (PAGE["Origin"], "Origin")
    assert "DPoP-Nonce" in headers["Access-Control-Expose-Headers"]


def test_other_pages_are_answered_and_may_not_read_it() -> None:
    """The browser keeps the answer from them; CORS is no check of who asks."""
    answer = EdgeFixture(cors=CORS).send(headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118 - pairs


def test_head_is_get_for_the_route() -> None:
    """Where there is a GET; the host leaves out the body."""
    fixture = EdgeFixture()
    assert [fixture.send("/keys", method).status_code for method in ("GET", "HEAD")] == [200, 200]
    assert fixture.asked == ["GET", "HEAD"]
    refusal = fixture.send("/rewrap", "HEAD")
    assert (refusal.status_code, refusal.headers["Allow"]) == (405, "POST, OPTIONS")
    assert body_of(fixture.send("/keys", "POST"))["code"] == MethodNotAllowed.code


# ---- What every answer has


@pytest.mark.parametrize("failure", [None, ProofReplayed(), ValueError()])
@pytest.mark.parametrize(("path", "method"), [("/rewrap", "POST"), ("/nowhere", "GET"), ("/keys", "OPTIONS")])
def test_every_answer_is_harmless_in_a_browser(failure: Exception | None, path: str, method: str) -> None:
    """Whatever it is."""
    assert SECURITY.items() <= dict(EdgeFixture(failure).send(path, method).headers).items()


def test_answers_to_what_could_not_be_handled_are_as_all_others() -> None:
    """Harmless in a browser, readable for a listed page, over TLS alone, recorded and counted."""
    meter, events = MeterSpy(), []
    audit = audit_log(lambda line: events.extend(events_of([line])) or len(line))  # type: ignore[func-returns-value]
    answer = of_failure(local=False, cors=CORS, meter=meter, audit=audit)
    assert SECURITY.items() <= dict(answer.headers).items()
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert HSTS in answer.headers
    assert [(event["code"], event["path"]) for event in events] == [("internal", "/robots.txt")]
    assert meter.calls == [("GET", None, 500, 0.0, "internal")]


def test_answers_to_what_could_not_be_handled_are_limited() -> None:
    """As all requests of that network are, together with them."""
    windows = limits(network=2)
    answers = [of_failure(limits=windows) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 500, 429]
    assert [answer.headers["RateLimit"].partition(";t")[0] for answer in answers] == [
        f'"network";r={left}' for left in (1, 0, 0)
    ]
    assert EdgeFixture(limits=windows).send().status_code == 429


def test_what_could_not_be_handled_is_answered_over_tls_alone_too() -> None:
    """And counts nothing else."""
    windows = limits(network=1)
    refusal = of_failure(local=False, headers={}, limits=windows)
    assert (refusal.status_code, body_of(refusal)["code"]) == (403, "https_required")
    assert of_failure(local=False, limits=windows).status_code == 500


def test_answer_for_the_host_needs_its_record_too() -> None:
    """503 like everywhere."""
    answer = of_failure(audit=audit_log(refuse_to_write))
    assert (answer.status_code, body_of(answer)["code"]) == (503, "audit_unavailable")


@pytest.mark.parametrize(("path", "headers"), [("/rewrap", OVER_TLS), ("/nowhere", OVER_TLS), ("/rewrap", {})])
def test_outside_local_mode_browsers_are_told_to_use_tls(path: str, headers: dict[str, str]) -> None:
    """For two years, this host alone."""
    assert EdgeFixture(local=False).send(path, headers=headers).headers[HSTS] == "max-age=63072000"


def test_local_mode_does_not_speak_of_tls() -> None:
    """A browser would remember it for every service on this machine."""
    assert HSTS not in EdgeFixture().send().headers
    assert HSTS not in of_failure().headers


@pytest.mark.parametrize(("control", "told"), [("public, max-age=300", []), ("no-store", OF_HIM)])
def test_what_others_may_be_given_says_nothing_of_him(control: str, told: list[str]) -> None:
    """A shared cache would tell the next caller his request's name and what he has left."""
    routes = Routes(
        {"/keys": Route(("GET",), lambda _request, _journal: Reply(200, b"{}", {"Cache-Control": control}))}
    )
    environ = EnvironBuilder("/keys", headers={"X-Request-Id": "mine"}).get_environ() | {"REMOTE_ADDR": LOOPBACK}
    headers = good_edge(len).handle(flask.Request(environ), routes).headers
    assert [name for name in OF_HIM if name in headers] == told


# ---- What is told of it


def test_unexpected_failure_is_recorded() -> None:
    """Who asked for what, as of any refusal; as an error."""

    def note(journal: Journal) -> None:
        journal.caller = Caller("https://idp.example", "alice", "reader")

    fixture = EdgeFixture(ValueError("x"), note=note)
    answer = fixture.send()
    (event,) = fixture.events
    assert event | {"requestId": None, "latencyMs": None} == {
        "severity": "ERROR",
        "time": "2026-09-21T14:13:20.000Z",
        "event": "refusal",
        "category": "ACCESS_DENIED",
        "requestId": None,
        "issuer": "https://idp.example",
        "subject": "alice",
        "client": "reader",
        "code": "internal",
        "status": 500,
        "method": "POST",
        "path": "/rewrap",
        "costMicroUsd": 2.925,
        "latencyMs": None,
    }
    assert event["requestId"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "failure", [TokenExpired(), ValueError(), RewrapLimit(5.0)], ids=lambda one: type(one).__name__
)
def test_refusal_without_record_is_503(failure: Exception) -> None:
    """And nothing of the refusal is told, nor that it would have been one."""
    meter = MeterSpy()
    answer = EdgeFixture(failure, write=refuse_to_write, meter=meter).send()
    assert (answer.status_code, body_of(answer)["code"]) == (503, "audit_unavailable")
    assert "WWW-Authenticate" not in answer.headers
    assert [call[2:] for call in meter.calls] == [(503, 0.0, "audit_unavailable")]


@pytest.mark.parametrize(
    ("name", "value", "span"),
    [
        ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01", "b" * 16),
        ("X-Cloud-Trace-Context", f"{'a' * 32}/17;o=1", "0000000000000011"),
    ],
)
def test_lines_name_the_trace_as_cloud_logging_reads_it(name: str, value: str, span: str) -> None:
    """With the project in its name."""
    events: list[dict[str, Any]] = []

    def write(line: bytes) -> int:
        events.extend(events_of([line]))
        return len(line)

    fixture = EdgeFixture(TokenExpired(), audit=audit_log(write, project="my-project"))
    fixture.send(headers={name: value})
    fixture.send()
    first, second = ({key: event[key] for key in event if "googleapis" in key} for event in events)
    assert first == {
        "logging.googleapis.com/trace": f"projects/my-project/traces/{'a' * 32}",
        "logging.googleapis.com/spanId": span,
        "logging.googleapis.com/trace_sampled": True,
    }
    assert second == {}


@pytest.mark.parametrize(
    ("failure", "path", "method", "route", "status", "code"),
    [
        (None, "/rewrap", "POST", "/rewrap", 200, None),
        (None, "/rewrap", "OPTIONS", "/rewrap", 204, None),
        (None, "/rewrap", "X-ANY", "/rewrap", 405, "method_not_allowed"),
        (None, "/service/anything", "POST", "/service/", 200, None),
        (None, "/nowhere", "GET", None, 404, "not_found"),
        (TokenExpired(), "/rewrap", "POST", "/rewrap", 401, "token_expired"),
        (ValueError(), "/rewrap", "POST", "/rewrap", 500, "internal"),
    ],
)
def test_meter_is_told_of_each_answer_once(
    failure: Exception | None, path: str, method: str, route: str | None, status: int, code: str | None
) -> None:
    """By the route's own name, never the caller's text, with the time that it took."""
    meter = MeterSpy()
    EdgeFixture(failure, meter=meter, timer=ticks().__next__).send(path, method, address=LOOPBACK)
    seconds = 1.0 if code is None else 2.0  # the bill of a refusal reads the timer, too
    assert meter.calls == [(method, route, status, seconds, code)]


def test_meter_is_told_of_limits() -> None:
    """The first number an operator looks for in a flood."""
    meter = MeterSpy()
    fixture = EdgeFixture(meter=meter, limits=limits(network=1))
    for _ in range(2):
        fixture.send()
    assert [call[4] for call in meter.calls] == [None, "network_limit"]
