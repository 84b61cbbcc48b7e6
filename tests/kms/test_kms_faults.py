"""Whatever goes wrong between the KAS and Cloud KMS, over HTTP and with real processes: the right answer for each key
access object, an audit line for each, and no key operation that the audit does not know (`conftest.kms`).

That no secret is in any output is looked for when the run has ended (`tests/canaries.py`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.google_world import ACP240_VERSION, KAS_MEMBER
from tests.attacks.rewrap_answers import codes, kao_refused, released
from tests.kit import policy
from tests.kms.google_kit import DECRYPT, GoogleKit, running_google_kit
from tests.wrappers import published_ec_key, seal_all

KEY = ACP240_VERSION.rpartition("/cryptoKeyVersions/")[0]
DECRYPTER = "roles/cloudkms.cryptoKeyDecrypter"
KAOS = 20
ALWAYS = {"method": DECRYPT, "times": None}


def is_told(kms: GoogleKit, **told: str) -> bool:
    """Whether the operator was told why: in one line, or seconds ago, when another test had the same trouble."""
    assert len(kms.told_now()) <= 1
    line = {"version": ACP240_VERSION, **told}
    return any(line.items() <= found.items() for found in kms.told_now() or kms.told())


def unavailable(kms: GoogleKit, operations: int, **told: str) -> None:
    """One rewrap is refused as unavailable after so many operations, and the operator is told why."""
    attempt = kms.kit.attempt()
    answer = attempt.send()
    kao_refused(attempt, "key_unavailable", 503, answer)
    (event,) = kms.audited(answer)
    assert (event["keyOperations"], event["cacheHit"]) == (operations, False)
    assert is_told(kms, event="kms_unavailable", **told)


def test_each_rewrap_is_one_operation_and_one_line(kms):
    answer = released(kms.kit.attempt(kaos=3))
    assert [(event["outcome"], event["keyOperations"]) for event in kms.audited(answer)] == [("released", 1)] * 3
    assert kms.control.count(DECRYPT, outcome="OK") == 3
    assert kms.told_now() == []


def test_a_sealed_key_costs_no_operation(kms):
    """It was opened at the start; what it opens is audited like any other."""
    attempt = seal_all(kms.kit.attempt(), *published_ec_key(kms.kit))
    (event,) = kms.audited(released(attempt))
    assert (event["outcome"], event["kid"]) == ("released", attempt.kao["kid"])
    assert kms.control.count(DECRYPT) == 0


def test_the_same_wrapped_key_twice_is_one_operation(kms):
    """In one request, under one policy: both are released."""
    attempt = kms.kit.attempt(kaos=2)
    first, second = attempt.request["requests"][0]["keyAccessObjects"]
    second.update(wrappedKey=first["wrappedKey"], policyBinding=first["policyBinding"])
    attempt.data_keys["kao-0-1"] = attempt.data_keys["kao-0-0"]
    attempt.resign()
    events = kms.audited(released(attempt))
    assert sum(event["keyOperations"] for event in events) == 1
    assert len(events) == 2


def test_who_may_not_have_a_key_costs_no_operation(kms):
    """Attack R11, where an operation costs money."""
    attempt = kms.kit.attempt(policies=[policy(classification="TOP_SECRET")])
    kao_refused(attempt, "clearance_insufficient", 403)
    assert kms.control.count(DECRYPT) == 0


def test_a_wrong_ciphertext_is_the_callers_and_nobody_is_told(kms):
    attempt, other = kms.kit.attempt(), kms.kit.attempt()
    attempt.kao["wrappedKey"] = other.kao["wrappedKey"][:-8] + "AAAAAA=="
    attempt.resign()
    answer = attempt.send()
    kao_refused(attempt, "key_material_rejected", 400, answer)
    assert [event["keyOperations"] for event in kms.audited(answer)] == [1]
    assert kms.told_now() == []


# ---- Refused by Cloud KMS


def _disable(kms: GoogleKit) -> Callable[[], None]:
    kms.control.set_state(ACP240_VERSION, "DISABLED")
    return lambda: kms.control.set_state(ACP240_VERSION, "ENABLED")


def _schedule_destruction(kms: GoogleKit) -> Callable[[], None]:
    kms.control.set_state(ACP240_VERSION, "DESTROY_SCHEDULED")
    return lambda: kms.control.set_state(ACP240_VERSION, "ENABLED")


def _take_permission(kms: GoogleKit) -> Callable[[], None]:
    kms.control.take(KEY, DECRYPTER, KAS_MEMBER)
    return lambda: kms.control.give(KEY, DECRYPTER, KAS_MEMBER)


def _no_quota(kms: GoogleKit) -> Callable[[], None]:
    kms.control.quota("cloudkms.crypto", 0)
    return lambda: kms.control.quota("cloudkms.crypto", 60_000)


@pytest.mark.parametrize(
    ("spoil", "operations", "status"),
    [
        (_disable, 1, "FAILED_PRECONDITION"),
        (_schedule_destruction, 1, "FAILED_PRECONDITION"),
        (_take_permission, 1, "PERMISSION_DENIED"),
        (_no_quota, 3, "RESOURCE_EXHAUSTED"),
    ],
)
def test_what_cloud_kms_refuses_while_running_is_unavailable_until_it_is_mended(kms, spoil, operations, status):
    """To the caller no more than that; to the operator the reason. No restart is needed afterwards."""
    released(kms.kit.attempt())
    mend = spoil(kms)
    try:
        unavailable(kms, operations, status=status)
        released(seal_all(kms.kit.attempt(), *published_ec_key(kms.kit)))  # another key is as it was
    finally:
        mend()
    released(kms.kit.attempt())


# ---- Trouble on the way


@pytest.mark.parametrize(
    "trouble", [{"status": "UNAVAILABLE"}, {"status": "RESOURCE_EXHAUSTED"}, {"kind": "page"}], ids=str
)
def test_what_passes_by_itself_is_tried_again(kms, trouble):
    """The second attempt is an operation too, and audited."""
    kms.control.fail(**{"status": "UNAVAILABLE", "method": DECRYPT} | trouble)
    (event,) = kms.audited(released(kms.kit.attempt()))
    assert event["keyOperations"] == 2
    assert kms.told_now() == []


@pytest.mark.parametrize("kind", ["error", "drop", "page"])
def test_an_outage_is_unavailable_after_three_attempts(kms, kind):
    kms.control.fail("UNAVAILABLE", kind=kind, **ALWAYS)
    unavailable(kms, 3, status="UNAVAILABLE")


@pytest.mark.parametrize("status", ["INTERNAL", "UNAUTHENTICATED", "NOT_FOUND"])
def test_what_does_not_pass_by_itself_is_not_tried_again(kms, status):
    kms.control.fail(status, **ALWAYS)
    unavailable(kms, 1, status=status)


CORRUPTED = [
    "request.ciphertext",
    "request.ciphertext_crc32c",
    "response.plaintext",
    "response.plaintext_crc32c",
    "response.verified_ciphertext_crc32c",
]


@pytest.mark.parametrize("field", CORRUPTED)
def test_what_is_corrupted_on_the_way_is_sent_again(kms, field):
    """In either direction; what came corrupted is not released."""
    kms.control.corrupt(field, method=DECRYPT)
    (event,) = kms.audited(released(kms.kit.attempt()))
    assert event["keyOperations"] == 2


@pytest.mark.parametrize("field", CORRUPTED)
def test_fault_14_what_stays_corrupted_is_never_released(kms, field):
    """CRC32C of both directions is demanded and checked, and there is no other key to fall back to."""
    kms.control.corrupt(field, **ALWAYS)
    attempt = kms.kit.attempt()
    kao_refused(attempt, "key_unavailable", 503)
    assert kms.control.count(DECRYPT) == 3
    assert is_told(kms, event="kms_integrity")


def test_a_key_below_the_level_is_not_used(kms):
    """The answer says SOFTWARE where HSM is demanded."""
    kms.control.corrupt("response.protection_level", **ALWAYS)
    kao_refused(kms.kit.attempt(), "key_unavailable", 503)
    assert kms.control.count(DECRYPT) == 1
    (line,) = kms.told_now()
    assert "SOFTWARE" in line["cause"]


def test_attack_r10_during_an_outage_a_bad_binding_is_like_a_good_one(kms):
    """Nobody could tell them apart, so nobody does: code, operations and what the operator is told."""
    attempt = kms.kit.attempt(kaos=2)
    attempt.kao["policyBinding"] = attempt.request["requests"][0]["keyAccessObjects"][1]["policyBinding"]
    attempt.resign()
    kms.control.fail("UNAVAILABLE", **ALWAYS)
    answer = attempt.send()
    assert codes(attempt, answer) == ["key_unavailable"] * 2
    assert [event["keyOperations"] for event in kms.audited(answer)] == [3, 3]


# ---- Slow


@pytest.fixture
def slow(kms: GoogleKit) -> GoogleKit:
    kms.control.latency(5_000, method=DECRYPT)
    return kms


def test_slower_than_the_deadline_is_unavailable_and_nobody_hangs(slow):
    """Two attempts of a second fit into two seconds; that both were answered later changes nothing."""
    attempt = slow.kit.attempt(kaos=3)
    answer = attempt.send()
    assert codes(attempt, answer) == ["key_unavailable"] * 3
    assert [event["keyOperations"] for event in slow.audited(answer)] == [2] * 3
    told = slow.told_now()
    assert told
    assert {line["event"] for line in told} <= {"kms_unavailable", "key_operations_unfinished"}
    assert {line["status"] for line in told if "status" in line} <= {"DEADLINE_EXCEEDED"}


def test_health_and_refusals_do_not_wait_for_a_slow_cloud_kms(slow):
    """While a rewrap is waiting there."""
    attempt = slow.kit.attempt()
    attempt.proof = attempt.make_proof()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(attempt.send)
        while not slow.control.waiting():
            time.sleep(0.01)
        assert slow.kit.http("GET", f"{slow.kit.base}/health").status == 200
        assert slow.kit.http("POST", slow.kit.url).status == 401
        assert slow.control.waiting() == 1
        assert waiting.result().status == 503


# ---- In the middle of a bulk


@pytest.mark.parametrize("kind", ["error", "drop"])
def test_down_in_the_middle_of_a_bulk_the_others_are_released(kms, kind):
    """Seven calls are answered and no more: seven keys arrive, each other one is refused by itself, none is lost."""
    attempt = kms.kit.attempt(kaos=KAOS)
    kms.control.fail("UNAVAILABLE", kind=kind, skip=7, **ALWAYS)
    answer = attempt.send()
    found = codes(attempt, answer)
    assert Counter(found) == {None: 7, "key_unavailable": KAOS - 7}
    events = kms.audited(answer)
    assert sorted(event["keyOperations"] for event in events) == [1] * 7 + [3] * (KAOS - 7)
    results = dict(zip(attempt.data_keys, found, strict=True))
    assert {event["kaoId"]: event["code"] for event in events} == results


def test_permission_taken_in_the_middle_of_a_bulk_is_seen_by_each_that_comes_after(kms):
    attempt = kms.kit.attempt(kaos=KAOS)
    kms.control.fail("PERMISSION_DENIED", skip=5, **ALWAYS)
    found = codes(attempt, attempt.send())
    assert Counter(found) == {None: 5, "key_unavailable": KAOS - 5}
    assert kms.control.count(DECRYPT) == KAOS


def test_one_wrong_ciphertext_in_a_bulk_is_refused_alone(kms):
    attempt = kms.kit.attempt(kaos=4)
    attempt.request["requests"][0]["keyAccessObjects"][2]["policyBinding"] = attempt.kao["policyBinding"]
    attempt.resign()
    assert codes(attempt, attempt.send()) == [None, None, "key_material_rejected", None]


def test_alternatives_share_the_time_for_key_operations(tmp_path):
    """While Cloud KMS hangs, a request with many alternatives holds its thread no longer than one without."""
    with running_google_kit(tmp_path, KAS_KMS_TIMEOUT_SECONDS="1", KAS_KMS_DEADLINE_SECONDS="2") as kms:
        attempt = kms.kit.attempt(kaos=8)
        attempt.request["requests"][0]["mode"] = "anyOf"
        kms.control.latency(3_000, method=DECRYPT)
        begun = time.monotonic()
        answer = attempt.send()
        assert time.monotonic() - begun < 4
        assert codes(attempt, answer) == ["key_unavailable"] * 8
        assert len([line for line in kms.told() if line["event"] == "key_operations_unfinished"]) <= 1
        kms.control.reset()
