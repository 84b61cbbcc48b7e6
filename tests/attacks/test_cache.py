"""C1 to C3 and C6: a key that is kept for the next is nobody's right to it. (C4 needs a key that is disabled while the
process runs, which nothing does but a restart, and with it the cache is empty: see the opener's own tests. C5 is the
key sets of issuers: `test_token_jwks`.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from local.client.keys import public_jwk
from tests.attacks.cached_keys import FREE, SHARED, UNTOUCHED, UNWRAPPED, asking_again, prices, without_nonce
from tests.attacks.proof_requests import proof_parts
from tests.attacks.rewrap_answers import kao_refused, released
from tests.kit import Attempt, Kit, policy, refused, running_kit
from tests.wrappers import published_ec_key, seal_all

LEEWAY_SECONDS = 10
LEFT_SECONDS = 5


@pytest.fixture(scope="module", autouse=True)
def short_lived(kit_without_nonces: Kit) -> Attempt:
    """Opened by a caller whose token has a few seconds left, which pass while other tests run."""
    exp = int(time.time()) - LEEWAY_SECONDS + LEFT_SECONDS
    attempt = without_nonce(kit_without_nonces, override={"claims": {"exp": exp}})
    released(attempt)
    return attempt


@pytest.fixture
def opened(kit_without_nonces: Kit) -> Attempt:
    """A key that usa-secret has just had, so that it is kept."""
    attempt = without_nonce(kit_without_nonces)
    assert prices(attempt.kit, released(attempt)) == [UNWRAPPED]
    return attempt


@pytest.mark.parametrize("client", ["usa-secret", "fra-secret"])
def test_attack_c01_an_entitled_caller_has_the_kept_key_without_a_key_operation(opened: Attempt, client: str) -> None:
    """The first caller himself or another one; so the refusals below are about a key that is really there."""
    again = asking_again(opened, client)
    assert prices(again.kit, released(again)) == [FREE]


def test_attack_c01_another_subject_s_hit_opens_nothing_for_an_unentitled_caller(opened: Attempt) -> None:
    """He is refused by the policy, as if the key had never been here, and nothing was looked up for him."""
    again = asking_again(opened, "usa-unclassified")
    answer = again.send()
    kao_refused(again, "clearance_insufficient", 403, answer)
    assert prices(again.kit, answer) == [UNTOUCHED]


def test_attack_c01_who_may_not_have_it_does_not_learn_whether_it_is_kept(opened: Attempt) -> None:
    """The same words for a key that is kept and for one that is not."""
    kept = asking_again(opened, "usa-unclassified").send().json()
    other = without_nonce(opened.kit, "usa-unclassified").send().json()
    assert [kept[name] for name in ("error", "code", "message")] == [
        other[name] for name in ("error", "code", "message")
    ]


def test_attack_c02_a_policy_that_changed_since_is_not_the_bound_one(opened: Attempt) -> None:
    """One that permits more, over a kept key: as costly and as silent as over any other."""
    again = asking_again(opened, "usa-unclassified", policy=policy(classification="UNCLASSIFIED", COI=None))
    answer = again.send()
    kao_refused(again, "key_material_rejected", answer=answer)
    assert prices(again.kit, answer) == [UNWRAPPED]


def test_attack_c02_a_failed_try_takes_the_key_from_nobody(opened: Attempt) -> None:
    """Whoever may have it finds it still there."""
    kao_refused(asking_again(opened, policy=policy()), "key_material_rejected")
    again = asking_again(opened)
    assert prices(again.kit, released(again)) == [FREE]


# ---- C6: what a key is found by


@pytest.fixture
def opened_sealed(kit_without_nonces: Kit) -> Attempt:
    """A key that came sealed to an EC key, and is kept."""
    attempt = seal_all(without_nonce(kit_without_nonces), *published_ec_key(kit_without_nonces))
    assert prices(attempt.kit, released(attempt)) == [UNWRAPPED]
    again = asking_again(attempt)
    assert prices(again.kit, released(again)) == [FREE]
    return attempt


def as_wrapped(attempt: Attempt) -> None:
    attempt.kao["type"] = "wrapped"
    attempt.kao["kid"] = attempt.kit.kas_keys().wrapping_kid


def under_the_old_kid(attempt: Attempt) -> None:
    attempt.kao["type"] = "wrapped"


def by_another_ephemeral_key(attempt: Attempt) -> None:
    attempt.kao["ephemeralPublicKey"] = public_jwk(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    ("change", "code", "price"),
    [
        (as_wrapped, "key_material_rejected", UNWRAPPED),
        (under_the_old_kid, "unknown_key", UNTOUCHED),
        (by_another_ephemeral_key, "key_material_rejected", UNWRAPPED),
    ],
)
def test_attack_c06_the_same_ciphertext_as_something_else_finds_no_kept_key(
    opened_sealed: Attempt, change: Callable[[Attempt], None], code: str, price: tuple[bool, int]
) -> None:
    """Another type, or another ephemeral key; the binding is the right one for the key that is kept."""
    again = asking_again(opened_sealed)
    change(again)
    again.resign()
    answer = again.send()
    kao_refused(again, code, answer=answer)
    assert prices(again.kit, answer) == [price]


def test_attack_c06_rsa_ciphertext_as_a_sealed_one_finds_no_kept_key(opened: Attempt) -> None:
    """The other way round."""
    again = asking_again(opened)
    again.kao.update(type="ec-wrapped", kid=published_ec_key(again.kit)[0])
    by_another_ephemeral_key(again)
    again.resign()
    answer = again.send()
    kao_refused(again, "key_material_rejected", answer=answer)
    assert prices(again.kit, answer) == [UNWRAPPED]


# ---- Without a cache


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS that keeps no keys."""
    settings = {"KAS_DEK_CACHE_SECONDS": "0", "KAS_REWRAP_DPOP_NONCE": "off"}
    with running_kit(tmp_path_factory.mktemp("forgetful"), **settings) as kit:
        yield kit


def test_with_the_cache_switched_off_no_key_is_there_for_the_next_request(forgetful: Kit) -> None:
    """Of the same caller, for the same key; within one request it is opened once."""
    attempt = without_nonce(forgetful)
    kao = attempt.kao
    attempt.request["requests"][0]["keyAccessObjects"].append({**kao, "keyAccessObjectId": "twin"})
    attempt.data_keys["twin"] = attempt.data_keys[kao["keyAccessObjectId"]]
    attempt.resign()
    for _ in range(2):
        attempt.proof = None
        assert prices(forgetful, released(attempt)) == [UNWRAPPED, SHARED]


# ---- C3, last: by now its time is over, or nearly


def test_attack_c03_a_token_that_expired_since_opens_nothing_that_is_kept(short_lived: Attempt) -> None:
    """The very token that had the key; his next token has it again."""
    expires = proof_parts(short_lived.token)[1]["exp"]
    time.sleep(max(0.0, expires + LEEWAY_SECONDS + 0.1 - time.time()))
    short_lived.proof = None
    body = refused(short_lived.send(), 401, "invalid_token", "token_expired")
    assert [event["event"] for event in short_lived.kit.events(body["requestId"])] == ["refusal"]
    renewed = asking_again(short_lived)
    assert prices(renewed.kit, released(renewed)) == [FREE]
