"""Attacks P6 to P9 and P12 on what a proof says: method, address, token, time, id."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator

import pytest

from local.client.encoding import sha256_b64url
from tests.attacks.proof_requests import proof_parts, refused_proof, released, rewritten
from tests.kit import Attempt, Kit, running_kit


@pytest.mark.parametrize("htm", ["GET", "post", "POST ", "Post", "*", "", None, 1, ["POST"], True])
def test_attack_p06_other_method_is_refused(kit: Kit, htm: object) -> None:
    """`htm` is the method of this request, by case and by type."""
    attempt = kit.attempt()
    attempt.proof_claims["htm"] = htm
    refused_proof(attempt, "proof_method_mismatch")


# ---- P7, the base as it is in local mode: http://127.0.0.1:PORT and http://localhost:PORT


@pytest.mark.parametrize(
    "htu",
    [
        "http://127.0.0.1:{port}/rewrap?x=1",
        "http://127.0.0.1:{port}/rewrap?",
        "http://127.0.0.1:{port}/rewrap#part",
        "http://127.0.0.1:{port}/rewrap?x=1#part",
        "HTTP://127.0.0.1:{port}/rewrap",
        "http://LOCALHOST:{port}/rewrap",
        "http://127.0.0.1:{port}/%72ewrap",
        "http://127.0.0.1:{port}/rew%72%61p",
    ],
)
def test_attack_p07_another_spelling_of_our_address_is_accepted(kit: Kit, htu: str) -> None:
    """Query and fragment dropped, scheme and host without case, unreserved characters decoded."""
    attempt = kit.attempt()
    attempt.proof_claims["htu"] = _here(kit, htu)
    released(attempt)


@pytest.mark.parametrize(
    "htu",
    [
        "http://127.0.0.1:{port}/rewrap/",
        "http://127.0.0.1:{port}//rewrap",
        "http://127.0.0.1:{port}/REWRAP",
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}",
        "http://127.0.0.1:{port}/health",
        "http://127.0.0.1:{port}/./rewrap",
        "http://127.0.0.1:{port}/x/../rewrap",
        "http://127.0.0.1:{port}/rewrap/.",
        "http://127.0.0.1:{port}/%2Frewrap",
        "http://127.0.0.1:{port}%2Frewrap",
        "http://127.0.0.1:{port}/%2572ewrap",
        "http://127.0.0.1:{port}/rewrap%20",
        "http://127.0.0.1:{port}/rewrap%00",
        "http://127.0.0.1:{port}/rewrap;v=1",
        "http://127.0.0.1:{port}/x?/rewrap",
        "http://127.0.0.1:{port}/#/rewrap",
        "http://127.0.0.1/rewrap",
        "http://127.0.0.1:1/rewrap",
        "http://127.0.0.1:99999/rewrap",
        "http://127.0.0.1:x/rewrap",
        "https://127.0.0.1:{port}/rewrap",
        "ftp://127.0.0.1:{port}/rewrap",
        "//127.0.0.1:{port}/rewrap",
        "/rewrap",
        "rewrap",
        "http://127.0.0.2:{port}/rewrap",
        "http://127.1:{port}/rewrap",
        "http://[::1]:{port}/rewrap",
        "http://[::ffff:127.0.0.1]:{port}/rewrap",
        "http://localhost.:{port}/rewrap",
        "http://evil.example/rewrap",
        "http://127.0.0.1:{port}.evil.example/rewrap",
        "http://127.0.0.1:{port}@evil.example/rewrap",
        "http://user@127.0.0.1:{port}/rewrap",
        "http://user:pass@127.0.0.1:{port}/rewrap",
        "http://@127.0.0.1:{port}/rewrap",
        "http://evil.example@127.0.0.1:{port}/rewrap",
        "http://evil.example\\@127.0.0.1:{port}/rewrap",
        "http://%31%32%37.0.0.1:{port}/rewrap",
        "http:\\\\127.0.0.1:{port}\\rewrap",
        "http:127.0.0.1:{port}/rewrap",
        " http://127.0.0.1:{port}/rewrap",
        "http://127.0.0.1:{port}/rewrap\n",
        "http://127.0.0.1:{port}/re\twrap",
        "http://127.0.0.1:{port}/rewrap é",
        "http://[/rewrap",
        "",
    ],
)
def test_attack_p07_address_that_is_not_ours_is_refused(kit_without_nonces: Kit, htu: str) -> None:
    """Another scheme, host, port or path, dot segments, user information, and what is no URI at all."""
    attempt = kit_without_nonces.attempt()
    attempt.proof_claims["htu"] = _here(kit_without_nonces, htu)
    refused_proof(attempt, "proof_uri_mismatch")


@pytest.mark.parametrize("kind", ["missing", "list", "number", "object", "true"])
def test_attack_p07_address_of_another_type_is_refused(kit: Kit, kind: str) -> None:
    """No address is no address."""
    attempt = kit.attempt()
    attempt.proof_claims["htu"] = {"missing": None, "list": [kit.url], "number": 1, "object": {}, "true": True}[kind]
    refused_proof(attempt, "proof_uri_mismatch")


# ---- P7, behind TLS: two public bases, the second with a port and a path prefix


@pytest.fixture(scope="module")
def behind_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS that is reached over http by whoever ends TLS for it."""
    bases = "https://kas.example,https://gw.example:8443/team/kas"
    with running_kit(tmp_path_factory.mktemp("tls"), KAS_PUBLIC_BASES=bases, KAS_REWRAP_DPOP_NONCE="off") as kit:
        yield kit


def _behind_tls(kit: Kit, htu: str) -> Attempt:
    attempt = kit.attempt()
    attempt.kao["url"] = "https://kas.example/rewrap"
    attempt.resign()
    attempt.proof_claims["htu"] = _here(kit, htu)
    return attempt


@pytest.mark.parametrize(
    "htu",
    [
        "https://kas.example/rewrap",
        "https://kas.example:443/rewrap",
        "https://kas.example:/rewrap",
        "HTTPS://KAS.Example/rewrap?x#y",
        "https://gw.example:8443/team/kas/rewrap",
        "https://GW.example:8443/team/k%61s/rewrap",
    ],
)
def test_attack_p07_every_public_base_is_ours_behind_tls(behind_tls: Kit, htu: str) -> None:
    """The proof names what the client called, not what reaches the process."""
    released(_behind_tls(behind_tls, htu))


@pytest.mark.parametrize(
    "htu",
    [
        "http://kas.example/rewrap",
        "http://kas.example:443/rewrap",
        "https://kas.example:80/rewrap",
        "https://kas.example:8443/rewrap",
        "https://kas.example./rewrap",
        "https://kas.example/team/kas/rewrap",
        "https://gw.example:8443/rewrap",
        "https://gw.example:8443/team/kas",
        "https://gw.example/team/kas/rewrap",
        "https://gw.example:8443/team/kas//rewrap",
        "https://gw.example:8443/TEAM/kas/rewrap",
        "https://gw.example:8443/team/x/../kas/rewrap",
        "https://gw.example:8443/team%2Fkas/rewrap",
        "https://kas.example@gw.example:8443/rewrap",
        "http://127.0.0.1:{port}/rewrap",
        "http://localhost:{port}/rewrap",
    ],
)
def test_attack_p07_other_base_is_refused_behind_tls(behind_tls: Kit, htu: str) -> None:
    """Neither plain http, nor one base's path at the other, nor the address of the process itself."""
    refused_proof(_behind_tls(behind_tls, htu), "proof_uri_mismatch")


def _here(kit: Kit, template: str) -> str:
    return template.replace("{port}", kit.base.rpartition(":")[2])


# ---- P8


@pytest.mark.parametrize("kind", ["missing", "other token", "empty", "padded", "hex", "token", "list", "number", "é"])
def test_attack_p08_proof_for_another_token_is_refused(kit: Kit, kind: str) -> None:
    """`ath` is exactly base64url(SHA-256(this token))."""
    attempt = kit.attempt()
    good = sha256_b64url(attempt.token.encode())
    attempt.proof_claims["ath"] = {
        "missing": None,
        "other token": sha256_b64url(kit.access_token(key=attempt.key).encode()),
        "empty": "",
        "padded": good + "=",
        "hex": hashlib.sha256(attempt.token.encode()).hexdigest(),
        "token": "x" * len(good),
        "list": [good],
        "number": 1,
        "é": good[:-1] + "é",
    }[kind]
    refused_proof(attempt, "proof_token_mismatch")


# ---- P9


@pytest.mark.parametrize("seconds", [9, 8.5, 0, -0.25, -30, -58, -58.75])
def test_attack_p09_time_within_the_window_is_accepted(kit: Kit, seconds: float) -> None:
    """A minute back and ten seconds ahead, fractions allowed."""
    attempt = kit.attempt()
    attempt.nonce = kit.fresh_nonce()
    attempt.proof_claims["iat"] = time.time() + seconds
    released(attempt)


@pytest.mark.parametrize("seconds", [13, 13.5, 3600, -61, -61.5, -62, -3600])
def test_attack_p09_time_outside_the_window_is_refused(kit: Kit, seconds: float) -> None:
    """Old proofs are forgotten, so they must not be accepted; a proof for later is one kept in stock."""
    attempt = kit.attempt()
    attempt.nonce = kit.fresh_nonce()
    attempt.proof_claims["iat"] = time.time() + seconds
    refused_proof(attempt, "proof_time_invalid")


@pytest.mark.parametrize("iat", [None, "now", True, False, [], {}, -1, 0, 1e15, 9007199254740991, -0.0])
def test_attack_p09_time_that_is_no_time_is_refused(kit: Kit, iat: object) -> None:
    """Missing, text (that of the right second too), a truth value, and numbers beyond any calendar."""
    attempt = kit.attempt()
    attempt.proof_claims["iat"] = str(int(time.time())) if iat == "now" else iat
    refused_proof(attempt, "proof_time_invalid")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "9007199254740993"])
def test_attack_p09_number_that_json_cannot_carry_is_refused(kit: Kit, literal: str) -> None:
    """NaN compares as neither too old nor too new, so it never gets as far as being compared."""
    attempt = kit.attempt()
    _, claims, _ = proof_parts(attempt.make_proof())
    text = json.dumps({**claims, "iat": math.nan}).replace("NaN", literal)
    attempt.proof = rewritten(attempt, claims=text)
    refused_proof(attempt, "proof_malformed")


# ---- P12


@pytest.mark.parametrize("jti", [None, "", "j" * 257, "j" * 4000, 1, True, ["j"], {}])
def test_attack_p12_id_that_cannot_be_remembered_is_refused(kit: Kit, jti: object) -> None:
    """Missing, empty, longer than 256 characters, or no text."""
    attempt = kit.attempt()
    attempt.proof_claims["jti"] = jti
    refused_proof(attempt, "proof_id_invalid")


def test_attack_p12_id_of_256_characters_is_accepted_once(kit: Kit) -> None:
    """The longest one is remembered like any other."""
    attempt = kit.attempt()
    attempt.proof_claims["jti"] = attempt.key.thumbprint * 5 + "j" * 41
    released(attempt)
    refused_proof(attempt, "proof_replayed")
