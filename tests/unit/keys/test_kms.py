"""Keys in Cloud KMS: what opens, what is refused and by whose fault, what is paid, and what the operator reads."""

from __future__ import annotations

import dataclasses
import json
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kas.errors import BudgetExhausted, KeyMaterialRejected, KeyUnavailable
from kas.google.kms import Decrypted
from kas.google.status import GoogleError
from kas.keys.kms_public_keys import FAILURE_SECONDS, UNFIT_SECONDS
from kas.keys.registry import WrappedMaterial
from kas.seldom import QUIET_SECONDS
from tests.unit.keys.fake_kms import (
    CHECKSUM,
    DENIED,
    DISABLED,
    DOWN,
    MATERIAL,
    RECORD,
    SHA1_RECORD,
    SHA1_VERSION,
    SLOW,
    VERSION,
    World,
    private_key,
    wrap,
)

EXHAUSTED = GoogleError("RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'cloudkms.crypto'.")


def changed(**fields):
    """A trouble: the good answer with these fields."""
    return lambda answer: dataclasses.replace(answer, **fields)


def spoilt(answer):
    """A trouble: a bit of the plaintext flips on the way."""
    return dataclasses.replace(answer, plaintext=bytes([answer.plaintext[0] ^ 1]) + answer.plaintext[1:])


DAMAGE = {
    "plaintext": spoilt,
    "plaintext-checksum": changed(plaintext_crc32c=1),
    "no-plaintext-checksum": changed(plaintext_crc32c=None),
    "ciphertext-not-verified": changed(is_ciphertext_verified=False),
    "nothing-said-of-ciphertext": changed(is_ciphertext_verified=None),
    "ciphertext-on-the-way": CHECKSUM,
    "ciphertext-in-other-words": GoogleError("INVALID_ARGUMENT", "CRC32C mismatch"),
}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def warm():
    """A world that has seen the public key, and has forgotten the call."""
    world = World()
    world.service.public_key(RECORD)
    world.kms.calls.clear()
    return world


def unavailable(world, wrapped=None, record=RECORD):
    """The one line that the operator reads about a key that could not be used."""
    before = len(world.lines)
    with pytest.raises(KeyUnavailable) as caught:
        world.unwrap(wrapped, record)
    (line,) = world.lines[before:]
    assert isinstance(caught.value.__cause__, Exception)
    assert (line["operation"], line["version"]) == ("AsymmetricDecrypt", record.kms_version)
    return line


# ---- what opens


@pytest.mark.parametrize(("record", "digest"), [(RECORD, "SHA256"), (SHA1_RECORD, "SHA1")])
def test_what_was_wrapped_under_the_record_s_hash_opens_by_the_version_that_it_names(world, record, digest):
    assert world.unwrap(wrap(digest=digest), record) == MATERIAL
    (call,) = [call for call in world.kms.calls if call.method == "decrypt"]
    assert call.version == record.kms_version
    assert (world.paid, world.lines, world.slept) == (1, [], [])


def test_nothing_is_called_before_it_is_asked(world):
    assert world.kms.calls == []


def test_the_algorithm_of_a_version_is_asked_for_once(world):
    for _ in range(3):
        world.unwrap()
        world.now += 100_000
    assert (world.kms.count("public_key"), world.kms.count("decrypt")) == (1, 3)


def test_what_comes_is_a_data_key_that_shows_nothing(warm):
    assert repr(warm.service.unwrap(RECORD, wrap(), warm.pay)) == "DataKey(…)"


@pytest.mark.parametrize("level", ["HSM", "SOFTWARE"])
def test_a_key_of_an_hsm_is_good_enough_for_either_level(level):
    assert World(level=level).unwrap() == MATERIAL


def test_a_software_key_is_good_enough_where_that_is_configured():
    world = World(level="SOFTWARE")
    world.version.level = "SOFTWARE"
    assert world.unwrap() == MATERIAL


# ---- whose fault: the caller's


@pytest.mark.parametrize(
    "wrapped",
    [
        WrappedMaterial(b""),
        WrappedMaterial(b"\0"),
        WrappedMaterial(bytes(255)),
        WrappedMaterial(bytes(256)),
        WrappedMaterial(b"\xff" * 256),
        WrappedMaterial(bytes(6144)),
        wrap(digest="SHA1"),
        wrap(key="other"),
    ],
    ids=["empty", "short", "255", "zeros", "beyond", "long", "other-hash", "other-key"],
)
def test_attack_r10_a_wrong_ciphertext_is_rejected_at_the_price_of_one_operation(warm, wrapped):
    """And without a line: nobody can fill the log by it."""
    with pytest.raises(KeyMaterialRejected):
        warm.unwrap(wrapped)
    assert (warm.paid, warm.kms.count("decrypt"), warm.lines, warm.slept) == (1, 1, [], [])


def test_attack_c06_what_was_sealed_over_ecdh_opens_under_no_rsa_key(world):
    """Though the ciphertext is one that it opens; nothing is called."""
    ephemeral = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(KeyMaterialRejected):
        world.unwrap(dataclasses.replace(wrap(), ephemeral_key=ephemeral))
    assert (world.kms.calls, world.paid) == ([], 0)


# ---- whose fault: not the caller's


@pytest.mark.parametrize(
    ("error", "severity"),
    [
        (DISABLED, "ERROR"),
        (DENIED, "ERROR"),
        (GoogleError("NOT_FOUND", "not found"), "ERROR"),
        (GoogleError("UNAUTHENTICATED", "invalid credentials"), "ERROR"),
        (GoogleError("INTERNAL", "internal"), "ERROR"),
        (GoogleError("", ""), "ERROR"),
        (DOWN, "WARNING"),
        (SLOW, "WARNING"),
        (EXHAUSTED, "WARNING"),
    ],
    ids=lambda value: getattr(value, "status", value),
)
def test_any_other_refusal_is_unavailable_and_the_operator_reads_which(warm, error, severity):
    warm.kms.always["decrypt"] = error
    assert unavailable(warm) == {
        "severity": severity,
        "event": "kms_unavailable",
        "operation": "AsymmetricDecrypt",
        "version": VERSION,
        "status": error.status,
        "cause": error.detail,
    }


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED", "DESTROY_SCHEDULED", "PENDING_GENERATION"])
def test_a_version_that_is_not_enabled_is_unavailable_at_once(warm, state):
    warm.version.state = state
    assert unavailable(warm)["status"] == "FAILED_PRECONDITION"
    assert (warm.paid, warm.slept) == (1, [])


def test_a_version_that_is_disabled_from_the_start_is_unavailable(world):
    world.version.state = "DISABLED"
    assert unavailable(world)["status"] == "FAILED_PRECONDITION"


@pytest.mark.parametrize("error", [DOWN, SLOW, EXHAUSTED], ids=lambda error: error.status)
def test_what_may_pass_is_tried_again_and_each_attempt_is_paid(warm, error):
    warm.kms.troubles["decrypt"] = [error, error]
    assert warm.unwrap() == MATERIAL
    assert (warm.paid, warm.kms.count("decrypt"), len(warm.slept), warm.lines) == (3, 3, 2, [])


def test_three_attempts_are_enough(warm):
    warm.kms.always["decrypt"] = DOWN
    unavailable(warm)
    assert (warm.paid, warm.kms.count("decrypt"), len(warm.slept)) == (3, 3, 2)


def test_an_attempt_that_cannot_be_paid_is_not_made(warm):
    def pay():
        if warm.paid == 1:
            raise BudgetExhausted
        warm.pay()

    warm.kms.always["decrypt"] = DOWN
    with pytest.raises(BudgetExhausted):
        warm.service.unwrap(RECORD, wrap(), pay)
    assert warm.kms.count("decrypt") == 1


def test_without_budget_nothing_is_decrypted(warm):
    def pay():
        raise BudgetExhausted

    with pytest.raises(BudgetExhausted):
        warm.service.unwrap(RECORD, wrap(), pay)
    assert (warm.kms.calls, warm.lines) == ([], [])


def test_of_many_failures_for_one_reason_the_operator_reads_one_and_then_their_number(warm):
    warm.kms.always["decrypt"] = DENIED
    unavailable(warm)
    for _ in range(499):
        with pytest.raises(KeyUnavailable):
            warm.unwrap()
    assert len(warm.lines) == 1
    warm.now += QUIET_SECONDS
    assert unavailable(warm)["leftOut"] == 499
    warm.now += QUIET_SECONDS
    assert "leftOut" not in unavailable(warm)


def test_another_version_event_or_status_is_told_at_once(warm):
    warm.kms.always["decrypt"] = DENIED
    unavailable(warm)
    unavailable(warm, wrap(digest="SHA1"), SHA1_RECORD)
    warm.kms.always["decrypt"] = DISABLED
    assert unavailable(warm)["status"] == "FAILED_PRECONDITION"
    warm.kms.always["decrypt"] = spoilt
    assert unavailable(warm)["event"] == "kms_integrity"
    warm.kms.always["decrypt"] = changed(protection_level="SOFTWARE")
    assert unavailable(warm)["event"] == "kms_protection_level"


# ---- integrity


@pytest.mark.parametrize("name", DAMAGE)
def test_what_changed_on_the_way_is_asked_for_again(warm, name):
    warm.kms.troubles["decrypt"] = [DAMAGE[name]]
    assert warm.unwrap() == MATERIAL
    assert (warm.paid, warm.lines) == (2, [])


@pytest.mark.parametrize("name", DAMAGE)
def test_what_keeps_changing_is_never_used_and_never_the_caller_s_fault(warm, name):
    warm.kms.always["decrypt"] = DAMAGE[name]
    line = unavailable(warm)
    assert (line["severity"], line["event"]) == ("CRITICAL", "kms_integrity")
    assert warm.paid == 3


def test_a_checksum_that_another_refusal_speaks_of_is_no_reason_to_ask_again(warm):
    warm.kms.always["decrypt"] = GoogleError("FAILED_PRECONDITION", "the checksum of this key is not known")
    assert unavailable(warm)["status"] == "FAILED_PRECONDITION"
    assert warm.paid == 1


@pytest.mark.parametrize("found", ["SOFTWARE", "EXTERNAL", "EXTERNAL_VPC", "PROTECTION_LEVEL_UNSPECIFIED", "hsm", ""])
def test_a_plaintext_from_a_lesser_place_is_dropped_at_once(warm, found):
    warm.kms.always["decrypt"] = changed(protection_level=found)
    line = unavailable(warm)
    assert (line["severity"], line["event"]) == ("CRITICAL", "kms_protection_level")
    assert (warm.paid, warm.slept) == (1, [])


@pytest.mark.parametrize("found", ["EXTERNAL", ""])
def test_an_unknown_level_is_below_software(found):
    world = World(level="SOFTWARE")
    world.kms.always["decrypt"] = changed(protection_level=found)
    assert unavailable(world)["event"] == "kms_protection_level"


def held_by(error):
    """The values of all variables that an exception and what caused it keep alive."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield from (value for name, value in frame.f_locals.items() if not frame.f_code.co_name.startswith("test_"))
        error = error.__cause__


@pytest.mark.parametrize(
    "trouble", [spoilt, changed(protection_level="SOFTWARE"), DOWN], ids=["damaged", "level", "down"]
)
def test_attack_g02_no_refusal_holds_or_shows_a_plaintext(warm, trouble):
    """Not in a traceback, not in the operator's line."""
    warm.kms.always["decrypt"] = trouble
    with pytest.raises(KeyUnavailable) as caught:
        warm.unwrap()
    assert [value for value in held_by(caught.value) if isinstance(value, Decrypted) or value == MATERIAL] == []
    shown = "".join(traceback.format_exception(caught.value)) + json.dumps(warm.lines)
    assert not any(form in shown for form in (MATERIAL.decode("latin-1"), MATERIAL.hex(), repr(MATERIAL)[2:-1]))


def test_a_line_about_a_long_refusal_is_bounded(warm):
    warm.kms.always["decrypt"] = GoogleError("INTERNAL", "x" * 100_000)
    assert len(json.dumps(unavailable(warm))) < 700


@pytest.mark.parametrize("field", ["algorithm", "protection_level"])
def test_a_line_about_a_key_that_says_long_things_is_bounded(world, field):
    world.kms.always["public_key"] = changed(**{field: "x" * 100_000})
    assert len(json.dumps(unavailable(world))) < 700


# ---- time


def test_an_attempt_has_its_time_and_all_of_them_the_deadline(warm):
    warm.chance = 0.0
    warm.take_time(60.0)
    assert unavailable(warm)["status"] == "DEADLINE_EXCEEDED"
    assert [call.timeout_seconds for call in warm.kms.calls] == [3.0, 3.0, 2.0]
    assert warm.now == 1008.0


def test_the_question_for_the_algorithm_is_within_the_deadline(world):
    """It is one attempt, and what it leaves is the decryption's."""
    world.chance = 0.0
    world.take_time(60.0)
    unavailable(world)
    calls = [(call.method, call.timeout_seconds) for call in world.kms.calls]
    assert calls == [("public_key", 3.0), ("decrypt", 3.0), ("decrypt", 2.0)]
    assert world.now == 1008.0


def test_a_deadline_shorter_than_the_time_of_an_attempt_holds():
    world = World(deadline_seconds=2.0)
    world.take_time(60.0)
    unavailable(world)
    assert (world.kms.count("decrypt"), world.paid, world.now) == (0, 0, 1002.0)


# ---- the key itself


@pytest.mark.parametrize(
    "algorithm",
    [
        "RSA_DECRYPT_OAEP_2048_SHA1",
        "RSA_DECRYPT_OAEP_3072_SHA256",
        "RSA_DECRYPT_OAEP_4096_SHA512",
        "RSA_SIGN_PSS_2048_SHA256",
        "rsa_decrypt_oaep_2048_sha256",
        "",
    ],
)
def test_a_key_of_another_algorithm_costs_no_operation(world, algorithm):
    world.version.algorithm = algorithm
    line = unavailable(world)
    assert (line["severity"], line["event"]) == ("ERROR", "kms_algorithm_mismatch")
    assert line["cause"] == f"its algorithm is {algorithm}, not RSA_DECRYPT_OAEP_2048_SHA256"
    assert (world.kms.count("decrypt"), world.paid) == (0, 0)


def test_the_hash_is_that_of_the_record_s_dialect(world):
    """A key for ACP-240 under a record for OpenTDF, though the ciphertext is one that it opens."""
    line = unavailable(world, record=dataclasses.replace(RECORD, dialects=frozenset({"opentdf"})))
    assert line["cause"] == "its algorithm is RSA_DECRYPT_OAEP_2048_SHA256, not RSA_DECRYPT_OAEP_2048_SHA1"
    assert world.paid == 0


def test_a_key_of_a_lesser_place_costs_no_operation(world):
    world.version.level = "SOFTWARE"
    assert unavailable(world)["event"] == "kms_protection_level"
    assert (world.kms.count("decrypt"), world.paid) == (0, 0)


def test_a_wrong_key_is_asked_for_again_once_in_a_while(world):
    world.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA1"
    for _ in range(3):
        unavailable(world)
        world.now += QUIET_SECONDS
    assert world.kms.count("public_key") == 1
    world.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA256"
    world.now += UNFIT_SECONDS
    assert world.unwrap() == MATERIAL


def test_a_key_that_was_wrong_stays_wrong_while_kms_cannot_be_asked(world):
    world.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA1"
    unavailable(world)
    world.kms.always["public_key"] = DOWN
    world.now += UNFIT_SECONDS
    assert unavailable(world)["event"] == "kms_algorithm_mismatch"
    assert (world.kms.count("public_key"), world.paid) == (2, 0)


@pytest.mark.parametrize(
    "trouble", [DOWN, DENIED, DISABLED, changed(pem_crc32c=1)], ids=["down", "denied", "disabled", "damaged"]
)
def test_where_the_algorithm_cannot_be_learnt_the_decryption_goes_ahead(world, trouble):
    """KMS keeps to its hash by itself; and it is not asked twice for each request."""
    world.kms.always["public_key"] = trouble
    for _ in range(3):
        assert world.unwrap() == MATERIAL
    assert (world.kms.count("public_key"), world.lines, world.slept) == (1, [], [])
    world.now += FAILURE_SECONDS
    world.unwrap()
    assert world.kms.count("public_key") == 2


def test_a_refused_ciphertext_under_an_algorithm_that_nobody_has_seen_is_told_seldom(world):
    """To the caller it is his own; the hash may as well be another than the record's, and each costs an operation."""
    world.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA1"
    world.kms.always["public_key"] = DENIED
    for _ in range(3):
        with pytest.raises(KeyMaterialRejected):
            world.unwrap()
    (line,) = world.lines
    assert (line["severity"], line["event"], line["version"]) == ("WARNING", "kms_algorithm_unknown", VERSION)
    assert world.paid == 3
    world.now += QUIET_SECONDS
    with pytest.raises(KeyMaterialRejected):
        world.unwrap()
    assert world.lines[1] == {**line, "leftOut": 2}


def test_a_refused_ciphertext_under_a_key_that_was_seen_is_the_callers_alone(warm):
    """Also when the key cannot be had any more."""
    warm.kms.always["public_key"] = DENIED
    warm.now += 3600
    with pytest.raises(KeyMaterialRejected):
        warm.unwrap(wrap(digest="SHA1"))
    assert (warm.lines, warm.paid) == ([], 1)


def test_what_was_not_learnt_is_learnt_later(world):
    world.kms.troubles["public_key"] = [DOWN]
    world.unwrap()
    world.version.algorithm = "RSA_DECRYPT_OAEP_3072_SHA256"
    world.now += FAILURE_SECONDS
    assert unavailable(world)["event"] == "kms_algorithm_mismatch"


def test_a_key_of_another_size_is_unfit(world):
    """Whatever its algorithm is said to be."""
    world.version.key = private_key("large")
    assert unavailable(world)["event"] == "kms_key_unfit"
    assert world.paid == 0


def test_one_version_s_troubles_are_not_another_s(world):
    world.version.state = "DISABLED"
    unavailable(world)
    assert world.unwrap(wrap(digest="SHA1"), SHA1_RECORD) == MATERIAL
    assert world.kms.versions[SHA1_VERSION].state == "ENABLED"


def test_a_record_of_a_key_that_is_not_in_kms_is_unavailable(world):
    for ask in (world.service.public_key, world.service.check, lambda record: world.unwrap(record=record)):
        with pytest.raises(KeyUnavailable):
            ask(dataclasses.replace(RECORD, kms_version=None))
    assert (world.kms.calls, world.paid) == ([], 0)
