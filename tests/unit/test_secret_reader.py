"""Secrets of Secret Manager as they are read at the start: one good answer with one field broken, and what is tried again."""

from __future__ import annotations

import threading
import traceback
from base64 import b64encode
from typing import Any

import pytest

from kas.errors import ConfigError
from kas.google.checksums import crc32c
from kas.google.secrets import MAX_ATTEMPTS, MAX_WAIT_SECONDS, TIMEOUT_SECONDS, SecretReader, payload_of
from kas.google.status import GoogleError
from kas.google.together import MAX_THREADS

NAME = "projects/kas-test/secrets/nonce/versions/3"
SHOWN = NAME.replace("kas-test", "123456789012")
DATA = b"a-value-that-nobody-reads"
PLACE = "KAS_NONCE_SECRET"


def good(name=SHOWN, value=DATA, **payload):
    members = {"data": b64encode(value).decode(), "dataCrc32c": str(crc32c(value))} | payload
    return {"name": name, "payload": {key: value for key, value in members.items() if value is not None}}


class Manager:
    """Secret Manager without a network: the next answers or errors, then good ones."""

    def __init__(self, *troubles: Any, always: Any = None) -> None:
        self.troubles, self.always = list(troubles), always
        self.calls: list[tuple[Any, ...]] = []
        self.waits: list[float] = []

    def __call__(self, verb, path, body, *, timeout_seconds):
        self.calls.append((verb, path, body, timeout_seconds))
        trouble = self.troubles.pop(0) if self.troubles else self.always
        if isinstance(trouble, Exception):
            raise trouble
        return (
            good(path.removeprefix("/v1/").removesuffix(":access").replace("kas-test", "1"))
            if trouble is None
            else trouble
        )

    def read(self, versions=None):
        reader = SecretReader(self, sleep=self.waits.append, random=lambda: 0.5)
        return reader.read({PLACE: NAME} if versions is None else versions)

    def refused(self, versions=None):
        with pytest.raises(ConfigError) as refusal:
            self.read(versions)
        assert DATA.decode() not in "".join(traceback.format_exception(refusal.value))
        return str(refusal.value)


# ---- an answer


@pytest.mark.parametrize(
    ("answered", "asked"),
    [
        (SHOWN, NAME),
        (NAME, NAME),
        (SHOWN, SHOWN),
        (SHOWN, NAME.replace("/3", "/latest")),
        (NAME, NAME.replace("/3", "/latest")),
    ],
)
def test_the_payload_of_the_version_that_was_asked_for(answered, asked):
    """Google names the project by its number; of the latest it says which that is."""
    assert payload_of(good(answered), asked) == DATA


@pytest.mark.parametrize(
    ("answered", "asked"),
    [
        (SHOWN.replace("/3", "/4"), NAME),
        (SHOWN.replace("/3", "/latest"), NAME),
        (SHOWN.replace("/3", "/latest"), NAME.replace("/3", "/latest")),
        (SHOWN.replace("nonce", "other"), NAME),
        (NAME.replace("kas-test", "kas-other"), NAME),
        (SHOWN.replace("123", "124"), SHOWN),
        (NAME, SHOWN),
        (f"{SHOWN}/", NAME),
        (f"x{SHOWN}", NAME),
        ("", NAME),
        (None, NAME),
        (3, NAME),
        (["projects"], NAME),
    ],
)
def test_an_answer_for_another_version_is_damaged(answered, asked):
    with pytest.raises(GoogleError, match="DATA_LOSS: the answer names another version"):
        payload_of(good(answered), asked)


@pytest.mark.parametrize(
    "change",
    [
        {"dataCrc32c": None},
        {"dataCrc32c": ""},
        {"dataCrc32c": "-1"},
        {"dataCrc32c": "1" * 11},
        {"dataCrc32c": crc32c(DATA)},
        {"dataCrc32c": f" {crc32c(DATA)}"},
        {"dataCrc32c": True},
        {"dataCrc32c": str(crc32c(DATA) ^ 1)},
        {"data": None},
        {"data": 1},
        {"data": b64encode(DATA[:-1]).decode()},
        {"data": b64encode(DATA).decode().rstrip("=")},
        {"data": b64encode(DATA).decode() + "\n"},
        {"data": "é"},
        {"data": [DATA.decode()]},
    ],
)
def test_a_payload_that_its_checksum_does_not_prove_is_damaged(change):
    """Without one it proves nothing either."""
    with pytest.raises(GoogleError) as refusal:
        payload_of(good(**change), NAME)
    assert refusal.value.status == "DATA_LOSS"
    assert DATA.decode() not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize("payload", [None, [], "x", 1])
def test_an_answer_without_a_payload_is_damaged(payload):
    with pytest.raises(GoogleError, match="DATA_LOSS"):
        payload_of({"name": SHOWN, "payload": payload}, NAME)
    with pytest.raises(GoogleError, match="DATA_LOSS"):
        payload_of({"name": SHOWN}, NAME)


def test_an_empty_payload_is_one():
    """Whether it may be is the reader's of the value to say."""
    assert payload_of(good(value=b""), NAME) == b""


def test_a_payload_has_at_most_64_kib():
    assert len(payload_of(good(value=bytes(65536)), NAME)) == 65536
    with pytest.raises(GoogleError, match="DATA_LOSS"):
        payload_of(good(value=bytes(65537)), NAME)


# ---- calls


def test_a_version_is_accessed_by_its_name():
    manager = Manager()
    assert manager.read() == {PLACE: DATA}
    assert manager.calls == [("GET", f"/v1/{NAME}:access", None, TIMEOUT_SECONDS)]


def test_each_version_is_asked_for_once_however_many_name_it():
    manager = Manager()
    assert manager.read({"a": NAME, "b": SHOWN, "c": NAME}) == dict.fromkeys("abc", DATA)
    assert sorted(call[1] for call in manager.calls) == [f"/v1/{SHOWN}:access", f"/v1/{NAME}:access"]


def test_nothing_is_asked_for_where_nothing_is_named():
    manager = Manager()
    assert manager.read({}) == {}
    assert manager.calls == []


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_what_may_pass_by_itself_is_tried_three_times_with_waits(status):
    manager = Manager(*[GoogleError(status, "later")] * (MAX_ATTEMPTS - 1))
    assert manager.read() == {PLACE: DATA}
    assert manager.waits == [MAX_WAIT_SECONDS / 2] * (MAX_ATTEMPTS - 1)
    manager = Manager(always=GoogleError(status, "later"))
    assert manager.refused() == f"{PLACE}: sm://{NAME}: {status}: later"
    assert (len(manager.calls), len(manager.waits)) == (MAX_ATTEMPTS, MAX_ATTEMPTS - 1)


def test_fault_14_a_damaged_answer_is_asked_for_again_and_never_used():
    manager = Manager(good(dataCrc32c="1"), good(SHOWN.replace("/3", "/4")))
    assert manager.read() == {PLACE: DATA}
    manager = Manager(always=good(dataCrc32c="1"))
    assert manager.refused() == f"{PLACE}: sm://{NAME}: DATA_LOSS: the payload and its checksum differ"
    assert len(manager.calls) == MAX_ATTEMPTS


@pytest.mark.parametrize(
    "status", ["NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION", "UNAUTHENTICATED", "UNKNOWN"]
)
def test_what_does_not_pass_is_not_tried_again(status):
    manager = Manager(always=GoogleError(status, "no"))
    assert manager.refused() == f"{PLACE}: sm://{NAME}: {status}: no"
    assert (len(manager.calls), manager.waits) == (1, [])


def test_the_first_place_that_cannot_be_served_is_named():
    other = NAME.replace("nonce", "other")

    class Choosy(Manager):
        def __call__(self, verb, path, body, *, timeout_seconds):
            if "other" in path:
                raise GoogleError("NOT_FOUND", "none")
            return super().__call__(verb, path, body, timeout_seconds=timeout_seconds)

    assert Choosy().refused({"a": NAME, "b": other, "c": other}).startswith("b: ")


def test_several_are_asked_for_at_once_and_no_thread_is_left():
    """All wait for each other here; more than the bound are not begun at once."""
    together = threading.Barrier(MAX_THREADS, timeout=30)

    class Waiting(Manager):
        def __call__(self, verb, path, body, *, timeout_seconds):
            together.wait()
            return super().__call__(verb, path, body, timeout_seconds=timeout_seconds)

    before = threading.active_count()
    versions = {str(number): f"{NAME}{number}" for number in range(2 * MAX_THREADS)}
    assert Waiting().read(versions) == dict.fromkeys(versions, DATA)
    assert threading.active_count() == before


def test_an_error_that_nobody_expects_is_raised_when_all_have_ended():
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        Manager(always=ZeroDivisionError()).read({"a": NAME, "b": SHOWN})
    assert threading.active_count() == before
