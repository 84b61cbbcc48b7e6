"""ACP-240 §1, KAS-REQ-020 and 022: the route, and the media types that it takes and gives."""

from __future__ import annotations

import pytest

from tests.attacks.rewrap_answers import post, released
from tests.kit import refused

JSON = ("Content-Type", "application/json")


def new_attempt(kit, **options):
    good = kit.attempt(**options)
    good.nonce = None
    return good


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


def test_kas_req_020_rewrap_is_posted(attempt):
    released(attempt)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_kas_req_020_rewrap_is_nothing_but_posted(kit_without_nonces, method):
    answer = kit_without_nonces.http(method, kit_without_nonces.url)
    refused(answer, 405, "method_not_allowed", "method_not_allowed")
    assert answer.headers["Allow"] == "POST, OPTIONS"


def test_kas_req_020_options_says_that_rewrap_is_posted(kit_without_nonces):
    answer = kit_without_nonces.http("OPTIONS", kit_without_nonces.url)
    assert (answer.status, answer.headers["Allow"], answer.body) == (204, "POST, OPTIONS", b"")


@pytest.mark.parametrize("path", ["/rewrap/", "//rewrap", "/Rewrap", "/v2/rewrap", "/rewrap.json"])
def test_kas_req_020_the_path_is_exact(kit_without_nonces, path):
    refused(kit_without_nonces.http("POST", kit_without_nonces.base + path), 404, "not_found", "not_found")


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "Application/JSON",
        "application/json; version=1",
    ],
)
def test_kas_req_022_a_request_is_json(attempt, media_type):
    answer = post(attempt, [("Content-Type", media_type)])
    assert answer.status == 200
    assert attempt.open(answer) == attempt.data_keys
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Type", "")],
        [("Content-Type", "text/json")],
        [("Content-Type", "text/plain")],
        [("Content-Type", "application/x-www-form-urlencoded")],
        [("Content-Type", "multipart/form-data; boundary=x")],
        [("Content-Type", "application/jsonp")],
        [("Content-Type", "application/json+x")],
        [("Content-Type", "application/ld+json")],
        [("Content-Type", "application/json; charset=latin-1")],
        [("Content-Type", "application/json; charset=utf-16")],
        [("Content-Type", "text/plain, application/json")],
        [JSON, ("Content-Encoding", "gzip")],
        [JSON, ("Content-Encoding", "identity")],
    ],
)
def test_kas_req_022_another_media_type_or_any_encoding_is_refused(attempt, headers):
    refused(post(attempt, headers), 415, "unsupported_media_type", "unsupported_media_type")


@pytest.mark.parametrize("accept", ["*/*", "application/*", "application/json", "text/html, */*;q=0.1"])
def test_kas_req_022_whoever_accepts_json_gets_it(attempt, accept):
    attempt.headers = [("Accept", accept)]
    released(attempt)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "*/*;q=0", "application/cbor", "text/*"])
def test_kas_req_022_whoever_does_not_accept_json_is_told(attempt, accept):
    attempt.headers = [("Accept", accept)]
    answer = attempt.send()
    refused(answer, 406, "not_acceptable", "not_acceptable")
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("headers", [[("Content-Type", "text/plain")], [JSON, ("Accept", "text/html")], [JSON]])
def test_kas_req_022_a_stranger_is_told_nothing_of_media_types_or_json(kit_without_nonces, headers):
    answer = kit_without_nonces.http("POST", kit_without_nonces.url, headers, b"no json")
    refused(answer, 401, "unauthorized", "credentials_missing")
