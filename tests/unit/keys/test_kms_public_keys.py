"""Public keys of Cloud KMS: checked each time, fetched seldom and by one, old ones only while KMS is down."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kas.errors import KeyUnavailable
from kas.google.checksums import crc32c
from kas.google.status import GoogleError
from kas.keys.kms_public_keys import FAILURE_SECONDS, MAX_ASKING, STALE_SECONDS, UNFIT_SECONDS
from tests.unit.keys.fake_kms import (
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

FRESH = 3600
GONE = GoogleError("NOT_FOUND", "not found")
REFUSALS = [
    DISABLED,
    DENIED,
    GONE,
    GoogleError("UNAUTHENTICATED", ""),
    GoogleError("INVALID_ARGUMENT", ""),
    GoogleError("", ""),
]
OUTAGES = [DOWN, SLOW, *(GoogleError(status, "") for status in ("RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN"))]


def status_of(error):
    return error.status or "none"


def changed(**fields):
    return lambda answer: dataclasses.replace(answer, **fields)


def with_pem(pem):
    """A trouble: another PEM that arrives whole."""
    return changed(pem=pem, pem_crc32c=crc32c(pem))


def pem_of(key):
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def seen():
    """A world that fetched the key at the time 1000."""
    world = World()
    world.service.public_key(RECORD)
    return world


def refused(world, ask=None):
    with pytest.raises(KeyUnavailable) as caught:
        (ask or world.service.public_key)(RECORD)
    return caught.value.__cause__


def is_the_key(key, name="unwrap"):
    return key.public_numbers() == private_key(name).public_key().public_numbers()


# ---- what is believed


def test_the_key_is_that_of_the_version(world):
    world.kms.versions[SHA1_VERSION].key = private_key("other")
    assert is_the_key(world.service.public_key(RECORD))
    assert is_the_key(world.service.public_key(SHA1_RECORD), "other")
    assert [call.version for call in world.kms.calls] == [VERSION, SHA1_VERSION]


@pytest.mark.parametrize(
    "trouble",
    [
        changed(pem_crc32c=1),
        changed(pem_crc32c=None),
        changed(name=SHA1_VERSION),
        changed(name=VERSION.removesuffix("3")),
        changed(pem=pem_of(private_key("other").public_key())),
    ],
    ids=["checksum", "no-checksum", "other-name", "beginning-of-name", "pem"],
)
def test_what_changed_on_the_way_is_asked_for_again_and_never_believed(world, trouble):
    world.kms.troubles["public_key"] = [trouble]
    assert is_the_key(world.service.public_key(RECORD))
    assert world.kms.count("public_key") == 2
    damaged = World()
    damaged.kms.always["public_key"] = trouble
    refused(damaged)
    (line,) = damaged.lines
    assert (line["severity"], line["event"], line["operation"]) == ("CRITICAL", "kms_integrity", "GetPublicKey")
    assert damaged.kms.count("public_key") == 3


@pytest.mark.parametrize(
    ("trouble", "event"),
    [
        (changed(algorithm="RSA_DECRYPT_OAEP_2048_SHA1"), "kms_algorithm_mismatch"),
        (changed(algorithm=""), "kms_algorithm_mismatch"),
        (changed(protection_level="SOFTWARE"), "kms_protection_level"),
        (changed(protection_level=""), "kms_protection_level"),
        (with_pem(pem_of(private_key("large").public_key())), "kms_key_unfit"),
        (with_pem(pem_of(ec.generate_private_key(ec.SECP256R1()).public_key())), "kms_key_unfit"),
        (with_pem(pem_of(ed25519.Ed25519PrivateKey.generate().public_key())), "kms_key_unfit"),
        (with_pem(pem_of(rsa.generate_private_key(3, 2048).public_key())), "kms_key_unfit"),
        (with_pem(b"\xff"), "kms_key_unfit"),
        (with_pem(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), "kms_key_unfit"),
    ],
    ids=["hash", "no-algorithm", "level", "no-level", "size", "ec", "ed25519", "exponent", "bytes", "garbage"],
)
def test_a_key_that_is_not_what_its_record_says_is_not_published(seen, trouble, event):
    """One that was seen before is forgotten; nobody asks twice a minute."""
    seen.kms.always["public_key"] = trouble
    seen.now += FRESH
    for _ in range(2):
        refused(seen)
    assert [line["event"] for line in seen.lines] == [event]
    assert seen.kms.count("public_key") == 2
    seen.kms.always.clear()
    seen.now += UNFIT_SECONDS - 1
    refused(seen)
    seen.now += 1
    assert is_the_key(seen.service.public_key(RECORD))


# ---- how long


def test_a_fresh_key_is_not_fetched(seen):
    seen.now += FRESH - 1
    assert is_the_key(seen.service.public_key(RECORD))
    assert seen.kms.count("public_key") == 1


def test_a_key_that_is_not_fresh_is_fetched_and_replaced(seen):
    seen.version.key = private_key("other")
    seen.now += FRESH
    assert is_the_key(seen.service.public_key(RECORD), "other")
    assert seen.kms.count("public_key") == 2


@pytest.mark.parametrize(
    "error", [*OUTAGES, changed(pem_crc32c=1)], ids=lambda error: getattr(error, "status", "damaged")
)
def test_while_kms_is_down_the_old_key_serves_for_a_day(seen, error):
    seen.kms.always["public_key"] = error
    seen.now = 1000.0 + STALE_SECONDS - 60
    assert is_the_key(seen.service.public_key(RECORD))
    seen.now = 1000.0 + STALE_SECONDS
    refused(seen)
    assert STALE_SECONDS == 86_400


@pytest.mark.parametrize("error", REFUSALS, ids=status_of)
def test_a_key_that_kms_refuses_is_not_published_any_more(seen, error):
    """Disabled, destroyed, forbidden, or refused in a way that nobody knows: the old key is forgotten for good."""
    seen.kms.always["public_key"] = error
    seen.now += FRESH
    assert refused(seen) is error
    seen.kms.always["public_key"] = DOWN
    seen.now += FAILURE_SECONDS
    assert refused(seen) is DOWN


@pytest.mark.parametrize("error", [DOWN, DISABLED], ids=status_of)
def test_after_a_failure_nobody_asks_for_a_while(world, error):
    """And the operator reads it once."""
    world.kms.always["public_key"] = error
    for _ in range(5):
        assert refused(world) is error
    calls = world.kms.count("public_key")
    assert calls == (3 if error is DOWN else 1)
    assert [(line["event"], line["status"]) for line in world.lines] == [("kms_unavailable", error.status)]
    world.now += FAILURE_SECONDS
    refused(world)
    assert (world.kms.count("public_key"), len(world.lines)) == (2 * calls, 2)


def test_the_operator_reads_that_an_old_key_is_served(seen):
    seen.kms.always["public_key"] = DOWN
    seen.now += FRESH
    for _ in range(3):
        seen.service.public_key(RECORD)
    assert [(line["operation"], line["status"]) for line in seen.lines] == [("GetPublicKey", "UNAVAILABLE")]


def test_when_kms_is_back_the_key_is_fetched_again(seen):
    seen.kms.always["public_key"] = DOWN
    seen.now += FRESH
    seen.service.public_key(RECORD)
    seen.kms.always.clear()
    seen.version.key = private_key("other")
    seen.now += FAILURE_SECONDS
    assert is_the_key(seen.service.public_key(RECORD), "other")


def test_a_fetch_for_whoever_asks_ends_when_one_attempt_would(world):
    """Where KMS stalls; what fails quickly is tried again within that time."""
    world.chance = 0.0
    world.take_time(60.0)
    refused(world)
    assert [call.timeout_seconds for call in world.kms.calls] == [3.0]
    world.now += FAILURE_SECONDS
    world.take_time(1.0)
    world.kms.troubles["public_key"] = [DOWN]
    assert is_the_key(world.service.public_key(RECORD))
    assert [call.timeout_seconds for call in world.kms.calls] == [3.0, 3.0, 2.0]


def test_a_check_ends_at_the_deadline(world):
    world.chance = 0.0
    world.take_time(60.0)
    refused(world, world.service.check)
    assert [call.timeout_seconds for call in world.kms.calls] == [3.0, 3.0, 2.0]


# ---- counts


def counts(world):
    found = world.service.public_key_counts()
    return found.hits, found.misses


def test_a_key_from_memory_is_a_hit_and_one_that_is_fetched_a_miss(world):
    for expected in ((0, 1), (1, 1), (2, 1)):
        world.service.public_keys([RECORD])
        assert counts(world) == expected
    world.now += FRESH
    world.service.public_key(RECORD)
    assert counts(world) == (2, 2)


def test_an_old_key_is_a_hit_but_for_whoever_tried_to_fetch_another(seen):
    seen.kms.always["public_key"] = DOWN
    seen.now += FRESH
    for expected in ((0, 2), (1, 2)):
        seen.service.public_key(RECORD)
        assert counts(seen) == expected


def test_a_refusal_without_a_fetch_is_neither(world):
    world.kms.always["public_key"] = DENIED
    for _ in range(3):
        refused(world)
    assert counts(world) == (0, 1)


def test_a_key_that_is_too_old_to_serve_is_no_hit(seen):
    seen.kms.always["public_key"] = DOWN
    seen.now += STALE_SECONDS
    for _ in range(2):
        refused(seen)
    assert counts(seen) == (0, 2)


def test_who_waits_for_another_s_fetch_has_a_hit(world):
    assert find_while_another_fetches(world, 20) == (True, MAX_ASKING - 1)
    assert counts(world) == (MAX_ASKING - 1, 1)


def test_whoever_uses_or_checks_a_key_is_not_counted(world):
    world.unwrap()
    world.service.check(RECORD)
    assert counts(world) == (0, 0)


# ---- all of them


def test_all_keys_are_had_by_kid_but_those_that_cannot(world):
    world.kms.versions[SHA1_VERSION].state = "DISABLED"
    assert list(world.service.public_keys([RECORD, SHA1_RECORD])) == ["k"]
    assert is_the_key(world.service.public_keys([RECORD])["k"])
    assert world.service.public_keys([]) == {}


def with_stalled(world, *stalled):
    """From now on calls for these versions take as long as they may, and others no time."""

    def before(call):
        if call.version in stalled:
            world.now += call.timeout_seconds
            raise SLOW

    world.kms.before = before


def test_a_key_that_stalls_takes_the_time_of_all_and_the_others_come_from_memory(world):
    """However many there are; nobody asks KMS for them, and none counts as failed."""
    world.service.public_key(SHA1_RECORD)
    world.now += FRESH
    world.kms.calls.clear()
    with_stalled(world, VERSION)
    unseen = dataclasses.replace(SHA1_RECORD, kid="unseen")
    before = world.now
    assert list(world.service.public_keys([RECORD, unseen, SHA1_RECORD])) == ["t"]
    assert world.now == before + world.timeout_seconds
    assert [call.version for call in world.kms.calls] == [VERSION]
    assert list(world.service.public_keys([RECORD, unseen, SHA1_RECORD])) == ["unseen", "t"]
    assert [line["version"] for line in world.lines] == [VERSION]


def test_a_failure_that_an_unwrap_met_in_silence_is_told_to_the_first_who_needs_the_key(world):
    world.kms.always["public_key"] = DENIED
    assert world.unwrap() == MATERIAL
    assert world.lines == []
    assert refused(world) is DENIED
    assert [line["status"] for line in world.lines] == ["PERMISSION_DENIED"]
    assert world.kms.count("public_key") == 1


# ---- check


def test_a_check_always_asks_and_keeps_what_it_hears(seen):
    seen.version.key = private_key("other")
    seen.service.check(RECORD)
    assert seen.kms.count("public_key") == 2
    assert is_the_key(seen.service.public_key(RECORD), "other")
    assert (seen.kms.count("public_key"), seen.kms.count("decrypt"), seen.lines) == (2, 0, [])


@pytest.mark.parametrize("error", [*REFUSALS, *OUTAGES], ids=status_of)
def test_a_check_finds_a_key_that_cannot_be_used_now(seen, error):
    """Though a fresh public key is known; and each check tells the operator once."""
    seen.kms.always["public_key"] = error
    for number in (1, 2):
        assert refused(seen, seen.service.check) is error
        assert len(seen.lines) == number


def test_a_check_that_is_refused_unpublishes_a_fresh_key(seen):
    seen.version.state = "DISABLED"
    refused(seen, seen.service.check)
    assert refused(seen).status == "FAILED_PRECONDITION"


def test_a_check_that_meets_an_outage_leaves_a_fresh_key(seen):
    seen.kms.always["public_key"] = DOWN
    refused(seen, seen.service.check)
    assert is_the_key(seen.service.public_key(RECORD))


def test_a_check_that_finds_a_wrong_key_ends_its_use(seen):
    seen.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA1"
    refused(seen, seen.service.check)
    with pytest.raises(KeyUnavailable):
        seen.unwrap()
    assert seen.paid == 0


def test_a_wrong_key_that_a_check_found_is_asked_for_again_by_who_wants_to_use_it(seen):
    seen.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA1"
    refused(seen, seen.service.check)
    seen.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA256"
    seen.now += UNFIT_SECONDS
    assert seen.unwrap() == MATERIAL


def test_a_failure_that_is_over_is_not_told_any_more(world):
    world.kms.troubles["public_key"] = [DENIED]
    world.unwrap()
    world.service.check(RECORD)
    world.service.public_key(RECORD)
    assert world.lines == []


def test_a_check_that_succeeds_ends_a_failure(world):
    world.kms.troubles["public_key"] = [DENIED]
    refused(world)
    world.service.check(RECORD)
    assert is_the_key(world.service.public_key(RECORD))
    assert world.kms.count("public_key") == 2


# ---- many at once


class Stall:
    """Holds every fetch until it is released; ``started`` when there is one."""

    def __init__(self, world):
        self.started, self.release = threading.Event(), threading.Event()
        self.was_released = True
        world.kms.before = self._before

    def _before(self, call):
        if call.method == "public_key":
            self.started.set()
            self.was_released &= self.release.wait(5)


def find_while_another_fetches(world, others):
    """How many of ``others`` got the key; KMS answers when all beyond the few who may ask were refused."""
    refusals, started = threading.Semaphore(0), threading.Event()

    def before(_call):
        started.set()
        for _ in range(1 + others - MAX_ASKING):
            refusals.acquire(timeout=10)

    def find():
        try:
            return is_the_key(world.service.public_key(RECORD))
        except KeyUnavailable:
            refusals.release()
            return False

    world.kms.before = before
    with ThreadPoolExecutor(1 + others) as pool:
        first = pool.submit(find)
        started.wait(10)
        waiting = [pool.submit(find) for _ in range(others)]
    return first.result(), sum(one.result() for one in waiting)


def test_one_fetches_a_few_wait_for_him_and_the_rest_are_refused(world):
    assert find_while_another_fetches(world, 20) == (True, MAX_ASKING - 1)
    assert world.kms.count("public_key") == 1


def test_who_waited_for_a_fetch_that_failed_does_not_fetch_again(world):
    world.kms.always["public_key"] = DENIED
    assert find_while_another_fetches(world, 20) == (False, 0)
    assert (world.kms.count("public_key"), len(world.lines)) == (1, 1)


def test_places_to_wait_are_given_back(world):
    world.kms.always["public_key"] = DENIED
    find_while_another_fetches(world, 20)
    world.kms.always.clear()
    world.now += FAILURE_SECONDS
    assert find_while_another_fetches(world, 20) == (True, MAX_ASKING - 1)


def test_few_threads_are_held_however_many_keys_stall(world):
    """Of those who ask for all keys, and whoever asks for one: each has what is in memory at once."""
    records = [dataclasses.replace(RECORD, kid=f"k{number}") for number in range(2 * MAX_ASKING)]
    world.service.public_key(SHA1_RECORD)
    world.now += FRESH
    stall = Stall(world)
    refused_at_once = threading.Semaphore(0)

    def ask(record):
        found = world.service.public_keys([record, SHA1_RECORD])
        if "t" in found and record.kid not in found:
            refused_at_once.release()
        return found

    with ThreadPoolExecutor(len(records)) as pool:
        asked = [pool.submit(ask, record) for record in records]
        for _ in range(len(records) - MAX_ASKING):
            assert refused_at_once.acquire(timeout=10)
        assert world.kms.count("public_key") == 1 + MAX_ASKING
        stall.release.set()
    assert sum(len(one.result()) for one in asked) == len(records) + MAX_ASKING


def test_nobody_waits_while_an_old_key_serves():
    seen = World(timeout_seconds=60.0, deadline_seconds=60.0)
    seen.service.public_key(RECORD)
    stall = Stall(seen)
    seen.version.key = private_key("other")
    seen.now += FRESH
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(seen.service.public_key, RECORD)
        stall.started.wait(10)
        assert is_the_key(seen.service.public_key(RECORD))
        stall.release.set()
        assert is_the_key(first.result(), "other")
    assert stall.was_released


def test_who_waits_too_long_for_another_s_fetch_is_refused():
    """The transport has a time-out of its own; this holds even if it does not keep it."""
    world = World(deadline_seconds=0.01)
    stall = Stall(world)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.service.public_key, RECORD)
        stall.started.wait(10)
        for ask in (world.service.public_key, world.service.check):
            assert refused(world, ask).status == "DEADLINE_EXCEEDED"
        stall.release.set()
        assert is_the_key(first.result())
    assert (world.kms.count("public_key"), world.lines, stall.was_released) == (1, [], True)


def test_first_unwraps_at_once_all_wait_to_learn_the_algorithm(world):
    """None of them costs an operation where the key is of another one, however many there are."""
    world.version.algorithm = "RSA_DECRYPT_OAEP_2048_SHA1"
    number, decrypted = 3 * MAX_ASKING, threading.Event()
    barrier = threading.Barrier(number)

    def before(call):
        """Who does not wait has his chance to decrypt meanwhile."""
        if call.method == "decrypt":
            decrypted.set()
        decrypted.wait(0.3)

    def unwrap(_):
        barrier.wait(10)
        with pytest.raises(KeyUnavailable):
            world.unwrap()

    world.kms.before = before
    with ThreadPoolExecutor(number) as pool:
        list(pool.map(unwrap, range(number)))
    assert (world.kms.count("public_key"), world.paid, len(world.lines)) == (1, 0, 1)


@pytest.mark.parametrize(("timeout", "deadline"), [(0.01, 30.0), (30.0, 0.01)])
def test_an_unwrap_waits_for_another_s_fetch_no_longer_than_for_its_own(timeout, deadline):
    world = World(timeout_seconds=timeout, deadline_seconds=deadline)
    stall = Stall(world)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.service.public_key, RECORD)
        stall.started.wait(10)
        assert world.unwrap() == MATERIAL
        stall.release.set()
        assert is_the_key(first.result())
    assert (world.kms.count("public_key"), world.paid, stall.was_released) == (1, 1, True)


@pytest.mark.parametrize("late", [0.5, 1.0])
def test_whoever_is_past_his_deadline_already_neither_waits_nor_asks(world, late):
    assert world.service._public_keys.unfit(RECORD, world.now - late) is None
    assert world.kms.calls == []


def test_a_fault_of_ours_leaves_the_lock_free(world):
    world.kms.troubles["public_key"] = [RuntimeError("a fault of ours")] * 3
    for ask in (world.service.public_key, world.service.check, lambda _: world.unwrap(wrap())):
        with pytest.raises(RuntimeError):
            ask(RECORD)
    assert is_the_key(world.service.public_key(RECORD))
