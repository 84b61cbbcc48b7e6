"""The edge: every path, method and failure has one form of answer, and says nothing of what happened inside."""

from __future__ import annotations

import json
import socket

import flask
import pytest

from kas.errors import (
    AuditUnavailable,
    CredentialsMissing,
    Fault,
    Internal,
    InvalidStructure,
    IssuerKeysUnavailable,
    KasError,
    NonceRequired,
    ProofReplayed,
    TokenExpired,
    leaves,
)
from kas.fetch import FetchError
from kas.web.connection import SEND_SECONDS
from kas.web.replies import Route, Routes, error_reply
from tests.unit.good_edge import LOOPBACK, EdgeFixture, body_of, good_edge, sent

CANARY = "canary-4711"


def with_cause() -> Exception:
    error = RuntimeError(f"token {CANARY}")
    error.__cause__ = KeyError(CANARY)
    return error


@pytest.mark.parametrize(
    "failure",
    [ValueError(CANARY), with_cause(), RecursionError(CANARY), MemoryError(CANARY), UnicodeError(CANARY)],
    ids=lambda failure: type(failure).__name__,
)
def test_kas_req_103_unexpected_failure_is_500_without_a_word_of_it(
    failure: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the answer nor the log has the exception's text or its causes'; the log has its type and the request."""
    answer = EdgeFixture(failure).send()
    body = body_of(answer)
    assert answer.status_code == 500
    assert {name: body[name] for name in ("error", "code")} == {"error": "internal", "code": "internal"}
    assert body["message"] == Internal.message()
    out, err = capfd.readouterr()
    assert CANARY not in answer.get_data(as_text=True) + str(answer.headers) + out + err
    (line,) = [json.loads(text) for text in err.splitlines()]
    assert (line["type"], line["requestId"]) == (type(failure).__name__, body["requestId"])
    assert line["frames"]


def test_unexpected_failure_releases_no_headers_of_its_own() -> None:
    """It is still an answer of the route: not stored, with the next nonce."""
    headers = EdgeFixture(ValueError(CANARY)).send().headers
    assert (headers["Cache-Control"], headers["DPoP-Nonce"]) == ("no-store", "next")


@pytest.mark.parametrize(
    "leaf",
    [
        leaf for leaf in leaves() if leaf.__init__ is KasError.__init__ and leaf.status
    ],  # without one it is of a KAO alone
    ids=lambda leaf: leaf.__name__,
)
def test_refusal_is_answered_and_recorded(leaf: type[KasError]) -> None:
    """Status, class, code and sentence are the leaf's; detail stays inside; one event with our request id."""
    fixture = EdgeFixture(leaf(CANARY))
    answer = fixture.send()
    body = body_of(answer)
    assert answer.status_code == leaf.status
    assert body == {
        "error": leaf.error,
        "code": leaf.code,
        "message": leaf.message(),
        "requestId": answer.headers["X-Request-Id"],
    }
    (event,) = fixture.events
    assert (event["event"], event["code"], event["requestId"]) == ("refusal", leaf.code, body["requestId"])
    assert CANARY not in json.dumps(event)


def test_fault_22_callers_request_id_is_not_ours() -> None:
    """It comes back under another name and stands in no event."""
    fixture = EdgeFixture(ProofReplayed())
    answer = fixture.send(headers={"X-Request-Id": CANARY})
    assert answer.headers["X-Client-Request-Id"] == CANARY
    assert CANARY not in (answer.headers["X-Request-Id"], body_of(answer)["requestId"], fixture.events[0]["requestId"])


@pytest.mark.parametrize("theirs", ["", "a b", "a\tb", "é", "x" * 129, "<script>", 'a"b'])
def test_malformed_request_id_is_dropped(theirs: str) -> None:
    """Only 1 to 128 plain characters come back."""
    assert "X-Client-Request-Id" not in EdgeFixture().send(headers={"X-Request-Id": theirs}).headers


@pytest.mark.parametrize("theirs", ["a", "A-Z_a.z:09", "x" * 128])
def test_well_formed_request_id_comes_back(theirs: str) -> None:
    """On successes too."""
    assert EdgeFixture().send(headers={"X-Request-Id": theirs}).headers["X-Client-Request-Id"] == theirs


def test_request_ids_differ() -> None:
    """Each answer has its own."""
    fixture = EdgeFixture()
    assert len({fixture.send().headers["X-Request-Id"] for _ in range(5)}) == 5


@pytest.mark.parametrize(
    "path", ["/", "/rewrap/", "//rewrap", "/Rewrap", "/rewrap ", "/rewrap/x", "/%72ewrap", "/x/../rewrap", ""]
)
def test_path_is_exact(path: str) -> None:
    """Everything else is 404, without a nonce."""
    answer = EdgeFixture().send(path)
    assert (answer.status_code, body_of(answer)["code"]) == (404, "not_found")
    assert "DPoP-Nonce" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH", "TRACE"])
def test_kas_req_020_other_method_is_405(method: str) -> None:
    """With the methods that there are."""
    answer = EdgeFixture().send(method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST, OPTIONS")


def test_options_says_what_the_path_takes() -> None:
    """Without a body, and without asking who it is."""
    answer = EdgeFixture().send(method="OPTIONS")
    assert (answer.status_code, answer.headers["Allow"], answer.get_data()) == (204, "POST, OPTIONS", b"")
    assert "Access-Control-Allow-Methods" not in answer.headers


@pytest.mark.parametrize("address", ["192.168.1.2", "::ffff:10.0.0.1", "", "8.8.8.8"])
def test_local_mode_answers_this_machine_only(address: str) -> None:
    """Whatever a header says."""
    answer = EdgeFixture().send(address=address, headers={"X-Forwarded-For": LOOPBACK, "X-Forwarded-Proto": "https"})
    assert (answer.status_code, body_of(answer)["code"]) == (403, "loopback_only")


@pytest.mark.parametrize("proto", [None, "", "http", "https, http", "HTTPS", "httpss", "https,"])
def test_kas_req_021_request_without_tls_is_refused(proto: str | None) -> None:
    """Whoever ends TLS appends; what came before it is the caller's own word."""
    headers = {} if proto is None else {"X-Forwarded-Proto": proto}
    answer = EdgeFixture(local=False).send(headers=headers)
    assert (answer.status_code, body_of(answer)["code"]) == (403, "https_required")


@pytest.mark.parametrize("proto", ["https", "http, https", "http,https"])
def test_request_over_tls_is_answered(proto: str) -> None:
    """From any address."""
    answer = EdgeFixture(local=False).send(headers={"X-Forwarded-Proto": proto}, address="8.8.8.8")
    assert answer.status_code == 200


@pytest.mark.parametrize("failure", [None, ProofReplayed(), ValueError()], ids=["success", "refusal", "unexpected"])
def test_every_answer_is_json_that_nobody_stores_or_sniffs(failure: Exception | None) -> None:
    """And offers the route's next nonce."""
    headers = EdgeFixture(failure).send().headers
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["DPoP-Nonce"] == "next"


@pytest.mark.parametrize(
    ("refusal", "error"),
    [(TokenExpired, "invalid_token"), (ProofReplayed, "invalid_dpop_proof"), (NonceRequired, "use_dpop_nonce")],
)
def test_challenge_names_the_error(refusal: type[KasError], error: str) -> None:
    """RFC 9449 §7.1: scheme, error, algorithms."""
    challenge = EdgeFixture(refusal()).send().headers["WWW-Authenticate"]
    assert challenge.startswith(f'DPoP error="{error}", error_description="{refusal.message()}", algs="')
    assert "ES256" in challenge
    assert "HS256" not in challenge


def test_challenge_without_credentials_names_none() -> None:
    """RFC 6750 §3.1."""
    challenge = EdgeFixture(CredentialsMissing()).send().headers["WWW-Authenticate"]
    assert challenge.startswith('DPoP algs="')
    assert "error" not in challenge


def test_other_statuses_have_no_challenge() -> None:
    """Only a 401 asks for credentials."""
    assert "WWW-Authenticate" not in EdgeFixture(Internal()).send().headers


def test_faults_are_listed_with_code_message_and_place() -> None:
    """And nothing else of them."""
    reply = error_reply(InvalidStructure((Fault("missing", "requests", "this member is required"),)), "id")
    assert json.loads(reply.body)["validationErrors"] == [
        {"code": "missing", "message": "this member is required", "field": "requests"}
    ]


def test_the_answer_to_what_could_not_be_handled_ends_cleanly_when_the_request_is_gone():
    """The host closes it after the request's context has ended; the unread body loses its connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as body:
        environ = {"gunicorn.socket": ours, "wsgi.input": body, "CONTENT_LENGTH": "5", "REMOTE_ADDR": LOOPBACK}
        with flask.Flask("host").test_request_context("/", method="POST", environ_overrides=environ):
            response = sent(good_edge(len).fail(flask.request), flask.request)
        assert ours.gettimeout() == SEND_SECONDS  # nor does whoever does not read the answer
        response.close()
        assert response.status_code == 500
        assert ours.recv(1) == b""  # shut for reading: whoever stalls holds nothing up


def _stderr_of(failure: KasError, cause: Exception, capfd: pytest.CaptureFixture[str]) -> str:
    failure.__cause__ = cause
    fixture = EdgeFixture(failure)
    with flask.Flask("host").test_request_context("/", environ_overrides={"REMOTE_ADDR": LOOPBACK}):
        fixture.edge.handle(flask.request, Routes({"/": Route(("GET",), fixture.answer)}))
    return capfd.readouterr().err


def test_the_cause_of_a_503_is_told_to_the_operator(capfd):
    line = json.loads(_stderr_of(IssuerKeysUnavailable(), FetchError("status 404"), capfd))
    assert (line["event"], line["code"]) == ("unavailable", "issuer_keys_unavailable")
    assert line["cause"] == "FetchError: status 404"


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (TokenExpired(), ValueError(CANARY)),
        (IssuerKeysUnavailable(), KeyError(CANARY)),
        (AuditUnavailable(), OSError()),
    ],
)
def test_no_other_cause_is_told(capfd, failure, cause):
    """It may hold what a caller sent; or its reader may be the one who does not read."""
    assert _stderr_of(failure, cause, capfd) == ""
