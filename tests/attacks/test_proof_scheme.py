"""Attacks P15 and P16 on the scheme of Authorization, and the challenge of every 401 (RFC 9449 §7.1, §7.2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks.proof_requests import raw_post, released
from tests.kit import Attempt, Kit, refused, running_kit

ALGS = 'algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519"'


@pytest.fixture(scope="module")
def dpop_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS that reads RFC 9449 §7.2 to the letter."""
    with running_kit(tmp_path_factory.mktemp("dpop"), KAS_REWRAP_SCHEMES="DPoP") as kit:
        yield kit


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP", "dPoP", "Bearer", "bearer", "BEARER"])
def test_attack_p15_scheme_is_compared_without_case(kit: Kit, scheme: str) -> None:
    """RFC 9110 §11.1; both schemes demand the proof."""
    attempt = kit.attempt()
    attempt.scheme = scheme
    released(attempt)


@pytest.mark.parametrize("scheme", ["Basic", "DPoPx", "xDPoP", "Bearer,DPoP", "DPoP:", "\u017fdpop", "token", "Digest"])
def test_attack_p15_other_scheme_counts_as_no_credentials(kit: Kit, scheme: str) -> None:
    """Nothing is guessed from a token under a scheme that we do not take."""
    attempt = kit.attempt()
    header = f"{scheme} {attempt.token}".encode().decode("latin-1")
    answer = raw_post(kit, [("Authorization", header), ("DPoP", attempt.make_proof())])
    refused(answer, 401, "unauthorized", "credentials_missing")


@pytest.mark.parametrize("form", ["DPoP", "DPoP ", "Bearer", "DPoP  {0}", "DPoP {0} x", "DPoP {0},{0}", "DPoP {0}, x"])
def test_attack_p15_scheme_without_exactly_one_token_is_refused(kit: Kit, form: str) -> None:
    """One space, one token, no comma from two headers joined."""
    attempt = kit.attempt()
    headers = [("Authorization", form.format(attempt.token)), ("DPoP", attempt.make_proof())]
    refused(raw_post(kit, headers), 401, "invalid_token", "authorization_malformed")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "DPoP"])
def test_attack_p16_bound_token_without_proof_is_refused(kit: Kit, scheme: str) -> None:
    """Bearer is not a way around the proof."""
    answer = raw_post(kit, [("Authorization", f"{scheme} {kit.attempt().token}")])
    refused(answer, 401, "invalid_dpop_proof", "proof_missing")


def test_attack_p16_bound_token_under_bearer_with_its_proof_is_accepted(kit: Kit) -> None:
    """ACP-240 writes it so; the proof is verified all the same."""
    attempt = kit.attempt()
    attempt.scheme = "Bearer"
    released(attempt)
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_replayed")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_attack_p16_bearer_is_refused_where_only_dpop_is_taken(dpop_only: Kit, scheme: str) -> None:
    """With a good proof and without one."""
    attempt = dpop_only.attempt()
    attempt.scheme = scheme
    refused(attempt.send(), 401, "invalid_token", "token_scheme_not_accepted")
    headers = [("Authorization", f"{scheme} {attempt.token}")]
    refused(raw_post(dpop_only, headers), 401, "invalid_token", "token_scheme_not_accepted")
    attempt.scheme = "DPoP"
    released(attempt)


@pytest.mark.parametrize("scheme", ["DPoP", "Bearer"])
@pytest.mark.parametrize("cnf", [None, {}, {"jkt": ""}, {"jkt": 1}, {"jkt": "x"}, {"jwk": {}}, [], "x"])
def test_attack_p16_unbound_token_is_refused(kit: Kit, cnf: object, scheme: str) -> None:
    """A token without a thumbprint in cnf is bound to nobody, whatever proof comes with it."""
    attempt = kit.attempt(override={"claims": {"cnf": cnf}})
    attempt.scheme = scheme
    refused(attempt.send(), 401, "invalid_token", "token_unbound")


# ---- The challenge


def _no_credentials(attempt: Attempt) -> list[tuple[str, str]]:
    return []


def _other_scheme(attempt: Attempt) -> list[tuple[str, str]]:
    return [("Authorization", "Basic dXNlcjpwYXNz"), ("DPoP", attempt.make_proof())]


def _bad_token(attempt: Attempt) -> list[tuple[str, str]]:
    return [("Authorization", "DPoP x"), ("DPoP", attempt.make_proof())]


def _bad_proof(attempt: Attempt) -> list[tuple[str, str]]:
    return [("Authorization", f"DPoP {attempt.token}"), ("DPoP", "x")]


def _no_nonce(attempt: Attempt) -> list[tuple[str, str]]:
    attempt.nonce = None
    return [("Authorization", f"Bearer {attempt.token}"), ("DPoP", attempt.make_proof())]


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (_no_credentials, None),
        (_other_scheme, None),
        (_bad_token, "invalid_token"),
        (_bad_proof, "invalid_dpop_proof"),
        (_no_nonce, "use_dpop_nonce"),
    ],
)
def test_kas_req_101_every_401_has_its_challenge(kit: Kit, build: object, error: str | None) -> None:
    """One DPoP challenge with the algorithms; the error is named only to those who sent credentials."""
    answer = raw_post(kit, build(kit.attempt()))
    challenge = answer.headers["WWW-Authenticate"]
    assert answer.status == 401
    assert answer.headers.get_all("WWW-Authenticate") == [challenge]
    if error is None:
        assert challenge == f"DPoP {ALGS}"
    else:
        assert challenge == f'DPoP error="{error}", error_description="{answer.json()["message"]}", {ALGS}'
