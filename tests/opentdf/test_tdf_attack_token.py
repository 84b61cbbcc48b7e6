"""Attacks on the access token, on each route of OpenTDF; the checks are those of every route, which these tests hold."""

from __future__ import annotations

import time
from typing import Any

import pytest

from local.client import new_proof_key
from tests.kit import Kit
from tests.opentdf.answers import refused_call, released
from tests.opentdf.pieces import request_token
from tests.opentdf.tdf_client import CONTENT_TYPES, PATHS, Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn

BOUND = pytest.mark.parametrize("bound", [True, False], ids=["bound", "unbound"])


def refuse_override(kit: Kit, route: Route, code: str, *, bound: bool, **override: Any) -> None:
    """A token that the provider makes as ``override`` says is refused with ``code``."""
    attempt = TdfAttempt.good(kit, route, bound=bound, override=override)
    refused_call(attempt, 401, "invalid_token", code)


@pytest.mark.parametrize("headers", [[], [("Authorization", "Basic dTpw")], [("Authorization", "")]], ids=str)
def test_no_credentials_is_unauthorized_with_a_challenge_that_names_no_error(
    tdf_kit: Kit, route: Route, headers: list[tuple[str, str]]
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    answer = tdf_kit.http("POST", attempt.url, [*headers, ("Content-Type", CONTENT_TYPES[route])], attempt.make_body())
    refused_call(attempt, 401, "unauthorized", "credentials_missing", answer)
    assert answer.headers["WWW-Authenticate"].startswith('DPoP algs="')


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"x" * 2_000_000], ids=["none", "half", "garbage", "large"])
def test_nothing_of_a_strangers_body_is_read(tdf_kit: Kit, route: Route, body: bytes) -> None:
    """Wrong media type, broken, too large: a stranger hears that he is one, and no more."""
    answer = tdf_kit.http("POST", tdf_kit.base + PATHS[route], [("Content-Type", "text/plain")], body)
    refused_call(TdfAttempt.good(tdf_kit, route), 401, "unauthorized", "credentials_missing", answer)


@BOUND
@pytest.mark.parametrize("alg", ["none", "None", "HS256"])
def test_attack_t01_opentdf_alg_none_or_symmetric(tdf_kit: Kit, route: Route, alg: str, *, bound: bool) -> None:
    refuse_override(tdf_kit, route, "token_alg_not_allowed", bound=bound, header={"alg": alg})


def test_attack_t01_opentdf_signature_removed(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=False)
    attempt.token = attempt.token.rpartition(".")[0] + "."
    refused_call(attempt, 401, "invalid_token", "token_signature_invalid")


@BOUND
@pytest.mark.parametrize("typ", ["JWT", "dpop+jwt", "id_token"])
def test_attack_t06_opentdf_a_token_of_another_type(tdf_kit: Kit, route: Route, typ: str, *, bound: bool) -> None:
    refuse_override(tdf_kit, route, "token_type_not_accepted", bound=bound, header={"typ": typ})


def test_attack_t06_opentdf_a_request_token_or_a_proof_as_access_token(tdf_kit: Kit, route: Route) -> None:
    """Signed by the caller's own key, they name no issuer."""
    attempt = TdfAttempt.good(tdf_kit, route, bound=False)
    attempt.token = request_token(attempt.srt_key, "{}", {"sub": "usa-secret", "aud": "kas"}, {"typ": "at+jwt"})
    refused_call(attempt, 401, "invalid_token", "issuer_unknown")
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.token = attempt.make_proof()
    refused_call(attempt, 401, "invalid_token", "issuer_unknown")


def test_attack_t06_opentdf_a_request_token_that_names_the_issuer(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=False)
    claims = {"iss": tdf_kit.world.provider.base, "sub": "usa-secret", "aud": "kas"}
    attempt.token = request_token(attempt.srt_key, "{}", claims, {"typ": "at+jwt", "kid": "nobody"})
    refused_call(attempt, 401, "invalid_token", "token_key_unknown")


@BOUND
@pytest.mark.parametrize("audience", [None, "other", ["other"], "kas2", {"kas": 1}], ids=str)
def test_attack_t07_opentdf_an_audience_that_is_not_us(
    tdf_kit: Kit, route: Route, audience: object, *, bound: bool
) -> None:
    refuse_override(tdf_kit, route, "token_audience_mismatch", bound=bound, claims={"aud": audience})


@BOUND
@pytest.mark.parametrize("change", ["slash", "case", "unknown", "none", "list"])
def test_attack_t08_opentdf_another_issuer(tdf_kit: Kit, route: Route, change: str, *, bound: bool) -> None:
    ours = tdf_kit.world.provider.base
    changed = {
        "slash": f"{ours}/",
        "case": ours.replace("http", "HTTP"),
        "unknown": "http://127.0.0.1:1/idp",
        "none": None,
        "list": [ours],
    }
    refuse_override(tdf_kit, route, "issuer_unknown", bound=bound, claims={"iss": changed[change]})


@BOUND
@pytest.mark.parametrize(
    ("name", "seconds", "code"),
    [
        ("exp", -11, "token_expired"),
        ("nbf", 30, "token_not_yet_valid"),
        ("iat", 30, "token_not_yet_valid"),
        ("exp", None, "token_claims_malformed"),
    ],
)
def test_attack_t09_opentdf_a_token_out_of_its_time(
    tdf_kit: Kit, route: Route, name: str, seconds: int | None, code: str, *, bound: bool
) -> None:
    value = None if seconds is None else int(time.time()) + seconds
    refuse_override(tdf_kit, route, code, bound=bound, claims={name: value})


@BOUND
@pytest.mark.parametrize("value", ["soon", -1, 1e300, True, [1]], ids=str)
def test_attack_t09_opentdf_a_time_that_is_none(tdf_kit: Kit, route: Route, value: object, *, bound: bool) -> None:
    refuse_override(tdf_kit, route, "token_claims_malformed", bound=bound, claims={"exp": value})


@BOUND
def test_attack_t17_opentdf_two_authorization_headers(tdf_kit: Kit, route: Route, *, bound: bool) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    attempt.headers = [("Authorization", f"Bearer {tdf_kit.access_token()}")]
    refused_call(attempt, 401, "invalid_token", "authorization_malformed")


@BOUND
def test_attack_t03_opentdf_a_token_under_anothers_key(tdf_kit: Kit, route: Route, *, bound: bool) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    head, payload, _ = attempt.token.split(".")
    stranger = request_token(new_proof_key(), "{}", {}, {})
    attempt.token = f"{head}.{payload}.{stranger.rpartition('.')[2]}"
    refused_call(attempt, 401, "invalid_token", "token_signature_invalid")


def test_a_good_token_passes_beside_all_that(tdf_kit: Kit, route: Route) -> None:
    released(TdfAttempt.good(tdf_kit, route, override={"claims": {"aud": ["kas", "other"]}}))


# ---- Bound and unbound


def test_an_unbound_token_is_refused_where_the_deployment_says_so(strict_kit: Kit, route: Route) -> None:
    refused_call(TdfAttempt.good(strict_kit, route, bound=False), 401, "invalid_token", "token_unbound")


def test_an_unbound_token_under_the_scheme_dpop_is_refused(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=False)
    attempt.scheme = "DPoP"
    refused_call(attempt, 401, "invalid_token", "token_unbound")


@pytest.mark.parametrize("confirmation", [{}, {"jkt": ""}, {"jkt": 1}, {"x5t#S256": "A" * 43}, "A" * 43], ids=str)
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
def test_a_token_bound_to_something_else_is_not_taken_for_unbound(
    tdf_kit: Kit, route: Route, confirmation: object, scheme: str
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=False, override={"claims": {"cnf": confirmation}})
    attempt.scheme = scheme
    refused_call(attempt, 401, "invalid_token", "token_unbound")
