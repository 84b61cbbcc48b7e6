"""Faults of earlier systems in caches and limits (security model, faults 15 and 16), through HTTP."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from local.client.encoding import b64, from_b64
from local.client.keys import public_jwk
from tests.attacks.cached_keys import FREE, UNTOUCHED, UNWRAPPED, asking_again, prices, without_nonce
from tests.attacks.limit_requests import Caller, limited, told
from tests.attacks.rewrap_answers import codes, kao_refused, released
from tests.kit import Attempt, Kit, running_kit
from tests.opentdf.answers import connect_error
from tests.wrappers import published_ec_key

PREFIX = 16

# ---- 15: a cache of keys under a prefix of what they were wrapped in


def sealed(kit: Kit, nonce: bytes, ephemeral: ec.EllipticCurvePrivateKey) -> Attempt:
    """A good request whose wrapped key begins with ``nonce``, which is the client's to choose."""
    attempt, (kid, public_key) = without_nonce(kit), published_ec_key(kit)
    salt = hashlib.sha256(b"TDF").digest()
    key = HKDF(hashes.SHA256(), 32, salt=salt, info=b"").derive(ephemeral.exchange(ec.ECDH(), public_key))
    wrapped = nonce + AESGCM(key).encrypt(nonce, attempt.data_keys["kao-0-0"], None)
    members = {
        "type": "ec-wrapped",
        "kid": kid,
        "wrappedKey": b64(wrapped),
        "ephemeralPublicKey": public_jwk(ephemeral),
    }
    attempt.kao.update(members)
    attempt.resign()
    return attempt


@pytest.fixture
def twins(kit_without_nonces: Kit) -> tuple[Attempt, Attempt]:
    """Two keys whose wrapped forms have the first 16 characters, ``kid`` and ephemeral key in common."""
    nonce, ephemeral = secrets.token_bytes(PREFIX * 3 // 4), ec.generate_private_key(ec.SECP256R1())
    one, other = (sealed(kit_without_nonces, nonce, ephemeral) for _ in range(2))
    assert one.kao["wrappedKey"][:PREFIX] == other.kao["wrappedKey"][:PREFIX]
    assert one.kao["wrappedKey"] != other.kao["wrappedKey"]
    return one, other


def test_fault_15_keys_whose_wrapped_forms_begin_alike_are_kept_apart(twins: tuple[Attempt, Attempt]) -> None:
    """Each caller gets the key he asked for, and neither key takes the other's place."""
    for twin in twins:
        assert prices(twin.kit, released(twin)) == [UNWRAPPED]
    for twin in twins:
        again = asking_again(twin)
        assert prices(again.kit, released(again)) == [FREE]


def test_fault_15_a_wrapped_key_that_begins_like_a_kept_one_does_not_open_it(twins: tuple[Attempt, Attempt]) -> None:
    """Policy and binding are the kept key's own, so nothing but the rest of the wrapped key tells them apart."""
    one, other = twins
    released(one)
    assert_rejected(one, other.kao["wrappedKey"])


def test_fault_15_one_changed_byte_at_the_end_of_a_wrapped_key_is_another_key(kit_without_nonces: Kit) -> None:
    """The same over RSA, where only the last of 256 bytes differs."""
    attempt = without_nonce(kit_without_nonces)
    released(attempt)
    wrapped = from_b64(attempt.kao["wrappedKey"])
    assert_rejected(attempt, b64(wrapped[:-1] + bytes([wrapped[-1] ^ 1])))


def assert_rejected(opened: Attempt, wrapped_key: str) -> None:
    """Another wrapped key in place of the one that was opened is unwrapped, and does not fit."""
    again = asking_again(opened)
    again.kao["wrappedKey"] = wrapped_key
    again.resign()
    answer = again.send()
    kao_refused(again, "key_material_rejected", answer=answer)
    assert prices(again.kit, answer) == [UNWRAPPED]


# ---- 16: limiters that are defined and never asked (there are no circuit breakers yet)

NETWORK, HEALTH, REWRAP = 60, 3, 4
CHECK = "/grpc.health.v1.Health/Check"
HEALTH_PATHS = ("/health", "/health/live", "/health/ready", "/healthz", CHECK)
ROUTES = (
    ("POST", "/rewrap"),
    ("GET", "/rewrap"),
    ("OPTIONS", "/rewrap"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/kas/v2/rewrap"),
    ("GET", "/kas/v2/kas_public_key"),
    ("POST", "/kas.AccessService/PublicKey"),
    ("POST", "/kas.AccessService/Unknown"),
    ("GET", "/.well-known/opentdf-configuration"),
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/nowhere"),
)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Every limit is small; the tests before the last one send fewer than 40 requests."""
    settings = {
        "KAS_RATE_NETWORK_PER_MINUTE": str(NETWORK),
        "KAS_RATE_HEALTH_PER_10_SECONDS": str(HEALTH),
        "KAS_RATE_REWRAP_PER_MINUTE": str(REWRAP),
        "KAS_KEY_BUDGET": "all",
        "KAS_KEY_OPERATIONS_PER_MINUTE": "1",
        "KAS_REWRAP_DPOP_NONCE": "off",
    }
    with running_kit(tmp_path_factory.mktemp("narrow"), **settings) as kit:
        yield kit


def test_fault_16_the_budget_of_key_operations_is_asked(narrow: Kit) -> None:
    """One operation, two key access objects."""
    attempt = without_nonce(narrow, kaos=2)
    answer = attempt.send()
    assert codes(attempt, answer) == [None, "budget_exhausted"]
    assert prices(narrow, answer) == [UNWRAPPED, UNTOUCHED]


def test_fault_16_the_caller_s_limit_is_asked_on_every_rewrap_route_and_its_recorder_counts(narrow: Kit) -> None:
    """And what it refuses appears in the metrics."""
    caller = Caller(narrow, "busy")
    assert caller.ask(REWRAP) == [400] * REWRAP
    caller.is_limited_everywhere()
    text = narrow.http("GET", f"{narrow.base}/metrics").body.decode()
    assert 'kas_refusals_total{code="rewrap_limit"} 4.0' in text


def test_fault_16_the_limit_of_health_is_asked_on_every_health_route(narrow: Kit) -> None:
    """They share it; the procedure says so in Connect's form."""
    for number in range(HEALTH):
        narrow.http("GET", narrow.base + HEALTH_PATHS[-1 - number])
    for path in HEALTH_PATHS:
        answer = narrow.http("GET", narrow.base + path)
        if path == CHECK:
            connect_error(told(answer, "health"), 429, "health_limit: ")
        else:
            limited(answer, "health_limit", "health")


def test_fault_16_the_limit_of_the_network_is_asked_on_every_other_route(narrow: Kit) -> None:
    """Also where there is nothing; last, since nothing passes after it."""
    answers = (narrow.http("OPTIONS", narrow.url) for _ in range(NETWORK + 1))
    assert 429 in {answer.status for answer in answers}
    for method, path in ROUTES:
        answer = narrow.http(method, narrow.base + path)
        assert (answer.status, "Retry-After" in answer.headers) == (429, True), path
        (event,) = narrow.events(answer.headers["X-Request-Id"])
        assert (event["event"], event["code"]) == ("refusal", "network_limit")
