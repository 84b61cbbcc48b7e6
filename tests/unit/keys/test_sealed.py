"""Unsealing at the start: one good answer of Cloud KMS with one field broken, and what is tried again."""

from __future__ import annotations

import dataclasses
import threading
import traceback
from dataclasses import dataclass, field

import pytest

from kas.errors import ConfigError
from kas.google.checksums import crc32c
from kas.google.kms import Decrypted
from kas.google.status import GoogleError
from kas.keys.private_keys import Sealed
from kas.keys.sealed import DEADLINE_SECONDS, TIMEOUT_SECONDS, unseal

KEY = "projects/kas-test/locations/us-central1/keyRings/kas/cryptoKeys/seal"
DER = b"a-private-key-that-nobody-reads"
SEALED = Sealed("KAS_KEYS.unwrapKeys[0].sealed", "ec-é", KEY, b"sealed")
CHECKSUM = GoogleError("INVALID_ARGUMENT", "The checksum in field ciphertext_crc32c did not match the data.")
REFUSED = GoogleError("INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
DOWN = GoogleError("UNAVAILABLE", "The service is currently unavailable.")


def good(plaintext=DER, **changes):
    return dataclasses.replace(Decrypted(plaintext, crc32c(plaintext), None, "SOFTWARE"), **changes)


@dataclass
class Kms:
    """A transport: the next answers or errors, then good ones; time passes while it waits."""

    troubles: list = field(default_factory=list)
    always: object = None
    calls: list = field(default_factory=list)
    now: float = 0.0

    def decrypt(self, key, ciphertext, additional_data, *, timeout_seconds):
        self.calls.append((key, ciphertext, additional_data, timeout_seconds))
        answer = self.troubles.pop(0) if self.troubles else self.always or good()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds):
        self.now += seconds

    def unseal(self, *sealed):
        return unseal(sealed or [SEALED], self, timer=lambda: self.now, sleep=self.sleep, random=lambda: 1.0)

    def refused(self):
        with pytest.raises(ConfigError) as refusal:
            self.unseal()
        assert DER.decode() not in "".join(traceback.format_exception(refusal.value))
        text = str(refusal.value)
        assert text.startswith(f"{SEALED.place}: {KEY} does not open it for 'ec-é': ")
        return text


def test_a_key_is_opened_by_what_sealed_it_with_its_kid_as_additional_data():
    kms = Kms()
    assert kms.unseal() == {"ec-é": DER}
    assert kms.calls == [(KEY, b"sealed", "ec-é".encode(), TIMEOUT_SECONDS)]


@pytest.mark.parametrize("level", ["HSM", "SOFTWARE"])
def test_a_sealing_key_may_be_held_at_either_level(level):
    """What it opens is in this process anyway."""
    assert Kms(always=good(protection_level=level)).unseal() == {"ec-é": DER}


@pytest.mark.parametrize("level", ["EXTERNAL", "EXTERNAL_VPC", "PROTECTION_LEVEL_UNSPECIFIED", "", "hsm"])
def test_a_sealing_key_is_held_by_google(level):
    kms = Kms(always=good(protection_level=level))
    assert "SOFTWARE is required" in kms.refused()
    assert len(kms.calls) == 1


@pytest.mark.parametrize(
    "change", [{"plaintext_crc32c": crc32c(DER) ^ 1}, {"plaintext_crc32c": None}, {"is_ciphertext_verified": False}]
)
def test_fault_14_a_damaged_answer_is_asked_for_again_and_never_used(change):
    assert Kms([good(**change)] * 2).unseal() == {"ec-é": DER}
    kms = Kms(always=good(**change))
    assert "checksum" in kms.refused()
    assert len(kms.calls) == 3


def test_a_ciphertext_that_did_not_arrive_as_it_was_sent_is_sent_again():
    assert Kms([CHECKSUM]).unseal() == {"ec-é": DER}
    kms = Kms(always=CHECKSUM)
    assert "did not arrive as it was sent" in kms.refused()
    assert len(kms.calls) == 3


@pytest.mark.parametrize(
    "error",
    [
        REFUSED,
        GoogleError("PERMISSION_DENIED", "no"),
        GoogleError("NOT_FOUND", "none"),
        GoogleError("FAILED_PRECONDITION", "disabled"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(error):
    kms = Kms(always=error)
    assert kms.refused().endswith(str(error))
    assert len(kms.calls) == 1


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_what_may_pass_by_itself_is_tried_three_times(status):
    error = GoogleError(status, "later")
    assert Kms([error] * 2).unseal() == {"ec-é": DER}
    kms = Kms(always=error)
    assert status in kms.refused()
    assert len(kms.calls) == 3


def test_a_key_has_so_much_time_and_no_more():
    """An attempt that took it all is the last."""

    class Slow(Kms):
        def decrypt(self, *arguments, timeout_seconds):
            self.now += DEADLINE_SECONDS - 1 if not self.calls else 1
            return super().decrypt(*arguments, timeout_seconds=timeout_seconds)

    kms = Slow(always=DOWN)
    kms.refused()
    assert [call[3] for call in kms.calls] == [TIMEOUT_SECONDS, pytest.approx(0.95)]


def test_several_are_opened_at_once_and_no_thread_is_left():
    """All wait for each other here."""
    together = threading.Barrier(4, timeout=30)

    class Waiting(Kms):
        def decrypt(self, key, ciphertext, additional_data, *, timeout_seconds):
            together.wait()
            return good(additional_data)

    before = threading.active_count()
    sealed = [Sealed("place", f"kid-{number}", KEY, b"x") for number in range(4)]
    assert Waiting().unseal(*sealed) == {one.kid: one.kid.encode() for one in sealed}
    assert threading.active_count() == before
