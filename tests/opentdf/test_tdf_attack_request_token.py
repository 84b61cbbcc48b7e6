"""Attacks on the signed request token (SRT), on each route of OpenTDF: it is what covers the body."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from local.client import new_proof_key
from local.client.encoding import b64url
from tests.kit import Kit
from tests.opentdf.answers import refused_call, released
from tests.opentdf.pieces import pem, request_token
from tests.opentdf.tdf_client import Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn


def refused_token(attempt: TdfAttempt) -> None:
    refused_call(attempt, 400, "invalid_request", "signed_request_token_invalid")


@pytest.mark.parametrize("alg", ["ES256", "RS256", "ES384"])
def test_attack_r12_opentdf_a_request_token_under_another_key(tdf_kit: Kit, route: Route, alg: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.srt_key = new_proof_key(alg)
    refused_token(attempt)


def test_attack_r12b_opentdf_a_request_token_that_brings_its_own_key(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.srt_key = new_proof_key()
    attempt.srt_header = {"jwk": attempt.srt_key.jwk, "kid": "x"}
    refused_token(attempt)


def altered(attempt: TdfAttempt, request: dict[str, Any]) -> str:
    """The good token's signature over another body."""
    good = request_token(attempt.srt_key, json.dumps(attempt.request), {}, {})
    other = request_token(new_proof_key(), json.dumps(request), {}, {})
    (head, _, signature), (_, payload, _) = good.split("."), other.split(".")
    return f"{head}.{payload}.{signature}"


def test_attack_r12c_opentdf_a_request_token_over_another_body(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.srt = altered(attempt, attempt.request | {"later": 1})
    refused_token(attempt)


def test_attack_r13_opentdf_the_clients_key_swapped_on_the_way(tdf_kit: Kit, route: Route) -> None:
    """Whoever ends TLS cannot have the key wrapped to himself: the request token covers the client's key."""
    attempt = TdfAttempt.good(tdf_kit, route)
    mine = pem(ec.generate_private_key(ec.SECP256R1()))
    attempt.srt = altered(attempt, attempt.request | {"clientPublicKey": mine})
    refused_token(attempt)


NOW = int(time.time())
TIMES: dict[str, dict[str, object]] = {
    "expired": {"iat": NOW - 3600, "exp": NOW - 60},
    "not yet": {"iat": NOW + 3600, "exp": NOW + 7200},
    "too long": {"exp": NOW + 86_400},
    "no exp": {"exp": None},
    "no iat": {"iat": None},
    "exp before iat": {"iat": NOW + 5, "exp": NOW},
    "exp no number": {"exp": "soon"},
    "exp true": {"exp": True},
    "iat huge": {"iat": 1e300},
}


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("case", TIMES)
def test_attack_r12d_opentdf_a_request_token_out_of_its_time(
    tdf_kit: Kit, route: Route, case: str, *, bound: bool
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    attempt.srt_claims = dict(TIMES[case])
    refused_token(attempt)


def reheaded(token: str, header: str) -> str:
    """The token with another header; its signature is that of the good one."""
    return f"{b64url(header.encode())}.{token.split('.', 1)[1]}"


FORMS: dict[str, Callable[[str], str]] = {
    "empty": lambda _t: "",
    "no signature": lambda t: t.rpartition(".")[0],
    "alg none": lambda t: reheaded(t, '{"alg": "none"}').rpartition(".")[0] + ".",
    "symmetric": lambda t: reheaded(t, '{"alg": "HS256"}'),
    "four parts": lambda t: f"{t}.x",
    "padded": lambda t: f"{t}=",
    "space": lambda t: f"{t} ",
    "claims no object": lambda t: f"{t.split('.')[0]}.{b64url(b'[]')}.{t.split('.')[2]}",
    "extension": lambda t: reheaded(t, '{"alg": "ES256", "crit": ["b64"], "b64": false}'),
    "alg no text": lambda t: reheaded(t, '{"alg": ["ES256"]}'),
}


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("case", FORMS)
def test_attack_r12e_opentdf_a_request_token_of_another_form(
    tdf_kit: Kit, route: Route, case: str, *, bound: bool
) -> None:
    """Where nobody knows the signer's key, the form at least is that of a signed token."""
    attempt = TdfAttempt.good(tdf_kit, route, bound=bound)
    attempt.srt = FORMS[case](request_token(attempt.srt_key, json.dumps(attempt.request), {}, {}))
    refused_token(attempt)


@pytest.mark.parametrize("body", [None, {}, 7, ["x"]], ids=str)
def test_attack_r12f_opentdf_a_request_token_without_a_text_as_body(tdf_kit: Kit, route: Route, body: object) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.srt_claims = {"requestBody": body}
    refused_token(attempt)


def test_a_request_token_of_the_last_moment_passes_within_the_leeway(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    now = int(time.time())
    attempt.srt_claims = {"iat": now - 60, "exp": now - 2}
    released(attempt)
