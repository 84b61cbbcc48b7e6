"""One contract for the three transports, on the real stand-in: the same values, the same statuses, the same bounds."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kas.google.checksums import crc32c
from kas.google.kms import Decrypted
from kas.google.status import GoogleError
from local.google.material import encrypt
from local.google.status import HTTP_STATUSES
from tests.google.project import (
    AES,
    ALGORITHMS,
    KAS,
    RING,
    UNWRAP,
    bits_of,
    key_name,
    private_key,
    version_name,
    wrap,
)
from tests.kms.transports import REGIONS, SECONDS, OneToken, regional, tokens_of

PLAIN = bytes(range(32))
GOOD = Decrypted(PLAIN, crc32c(PLAIN), True, "HSM")
SEAL = key_name("seal")
STATES = {2: "DISABLED", 3: "DESTROYED", 4: "DESTROY_SCHEDULED", 5: "PENDING_GENERATION"}
DECRYPTER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
DECRYPT = "AsymmetricDecrypt"


def decrypt(transport, name=UNWRAP, ciphertext=None, seconds=SECONDS):
    sent = wrap(PLAIN) if ciphertext is None else ciphertext
    return transport.asymmetric_decrypt(name, sent, timeout_seconds=seconds)


def public_key(transport, name=UNWRAP):
    return transport.get_public_key(name, timeout_seconds=SECONDS)


def unseal(transport, additional=b"kid", sealed_for=b"kid", name=SEAL):
    sealed = encrypt(AES, 1, PLAIN, sealed_for)
    return transport.decrypt(name, sealed, additional, timeout_seconds=SECONDS)


def refused(status, call, *arguments, **options):
    """Asserts that the call is refused so; returns what the operator is told."""
    with pytest.raises(GoogleError) as caught:
        call(*arguments, **options)
    assert caught.value.status == status, caught.value
    return caught.value.detail


# ---- good answers


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_of_each_algorithm_opens_what_was_wrapped_for_it(transport, algorithm):
    answer = decrypt(transport, version_name(algorithm), wrap(PLAIN, algorithm))
    assert answer == dataclasses.replace(GOOD, protection_level="SOFTWARE")


@pytest.mark.parametrize("region", REGIONS)
def test_a_key_is_found_in_each_region(transport, region):
    assert decrypt(transport, regional(UNWRAP, region)) == GOOD
    assert public_key(transport, regional(UNWRAP, region)).name == regional(UNWRAP, region)


def test_an_empty_plaintext_is_an_answer_too(transport):
    assert decrypt(transport, ciphertext=wrap(b"")) == Decrypted(b"", 0, True, "HSM")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_comes_with_everything_that_is_checked(transport, algorithm):
    answer = public_key(transport, version_name(algorithm))
    assert (answer.name, answer.algorithm) == (version_name(algorithm), algorithm)
    assert (answer.protection_level, answer.pem_crc32c) == ("SOFTWARE", crc32c(answer.pem))
    own = private_key(bits_of(algorithm)).public_key()
    assert load_pem_public_key(answer.pem).public_numbers() == own.public_numbers()


def test_a_sealed_text_opens_under_its_additional_data_alone(transport):
    assert unseal(transport) == Decrypted(PLAIN, crc32c(PLAIN), None, "HSM")
    assert unseal(transport, b"", b"") == Decrypted(PLAIN, crc32c(PLAIN), None, "HSM")
    assert "verify that 'name'" in refused("INVALID_ARGUMENT", unseal, transport, b"other")


# ---- refusals


def test_what_does_not_open_is_an_invalid_argument_and_no_more(transport):
    labelled, of_another_hash = wrap(PLAIN, label=b"label"), wrap(PLAIN, "RSA_DECRYPT_OAEP_2048_SHA1")
    for ciphertext in (b"", b"x", bytes(256), b"\xff" * 256, labelled, of_another_hash):
        assert refused("INVALID_ARGUMENT", decrypt, transport, ciphertext=ciphertext) == "Decryption failed."


@pytest.mark.parametrize(("number", "state"), STATES.items())
def test_only_an_enabled_version_is_used(transport, number, state):
    assert state in refused("FAILED_PRECONDITION", decrypt, transport, version_name("unwrap", number))
    assert state in refused("FAILED_PRECONDITION", public_key, transport, version_name("unwrap", number))


def test_a_key_of_another_purpose_is_refused(transport):
    refused("FAILED_PRECONDITION", decrypt, transport, version_name("seal"))
    refused("FAILED_PRECONDITION", unseal, transport, name=key_name("unwrap"))


def test_a_version_that_does_not_exist_is_not_found(transport):
    refused("NOT_FOUND", decrypt, transport, version_name("unwrap", 99))
    refused("NOT_FOUND", public_key, transport, version_name("no-such-key"))
    refused("NOT_FOUND", unseal, transport, name=key_name("no-such-key"))


def test_a_permission_that_is_taken_away_is_missed_at_once(transport, control):
    assert decrypt(transport) == GOOD
    control.take(RING, DECRYPTER, KAS.member)
    assert "useToDecrypt" in refused("PERMISSION_DENIED", decrypt, transport)
    refused("PERMISSION_DENIED", unseal, transport)
    control.give(RING, DECRYPTER, KAS.member)
    assert decrypt(transport) == GOOD


def test_a_quota_that_is_spent_is_said(transport, control):
    control.quota("cloudkms.crypto", 1)
    assert decrypt(transport) == GOOD
    assert "cloudkms.crypto" in refused("RESOURCE_EXHAUSTED", decrypt, transport)


@pytest.mark.parametrize("status", sorted(HTTP_STATUSES))
def test_each_status_arrives_as_it_was_said_and_nothing_is_tried_again(transport, control, status):
    control.fail(status, times=None, resource=RING)
    assert refused(status, decrypt, transport) == f"Injected: {status}."
    assert refused(status, public_key, transport) == f"Injected: {status}."
    assert refused(status, unseal, transport) == f"Injected: {status}."
    assert [control.count(method) for method in (DECRYPT, "GetPublicKey", "Decrypt")] == [1, 1, 1]


# ---- trouble on the way


@pytest.mark.parametrize("fault", ["drop", "page"])
def test_a_connection_that_ends_or_a_page_in_front_is_unavailable(transport, control, fault):
    for call in (decrypt, unseal):
        assert call(transport).plaintext == PLAIN  # so that a kept connection is what fails
        control.fail("UNAVAILABLE", kind=fault, resource=RING)
        assert "<" not in refused("UNAVAILABLE", call, transport)
        assert call(transport).plaintext == PLAIN
    assert control.count(DECRYPT) == control.count("Decrypt") == 3


def test_an_answer_that_does_not_come_is_left_at_the_deadline(transport, control):
    assert decrypt(transport) == GOOD
    control.latency(20_000, method=DECRYPT)
    before = control.waiting()
    refused("DEADLINE_EXCEEDED", decrypt, transport, seconds=0.5)
    assert control.waiting() == before + 1  # it has still not come
    control.reset()
    assert decrypt(transport) == GOOD


def test_a_deadline_that_has_passed_ends_a_call_before_it_is_made(transport, control):
    assert decrypt(transport) == GOOD
    refused("DEADLINE_EXCEEDED", decrypt, transport, seconds=0.0)
    refused("DEADLINE_EXCEEDED", decrypt, transport, seconds=-1.0)
    assert control.count(DECRYPT) == 1


@pytest.mark.parametrize("field", ["ciphertext", "ciphertext_crc32c"])
def test_a_ciphertext_that_changes_on_the_way_is_refused_by_its_checksum(transport, control, field):
    control.corrupt(f"request.{field}", method=DECRYPT)
    assert "ciphertext_crc32c did not match" in refused("INVALID_ARGUMENT", decrypt, transport)
    control.corrupt(f"request.{field}", method="Decrypt")
    assert "ciphertext_crc32c did not match" in refused("INVALID_ARGUMENT", unseal, transport)


def test_additional_data_that_changes_on_the_way_is_refused_by_its_checksum(transport, control):
    control.corrupt("request.additional_authenticated_data", method="Decrypt")
    assert "additional_authenticated_data_crc32c did not match" in refused("INVALID_ARGUMENT", unseal, transport)


def test_an_answer_that_changes_on_the_way_is_handed_back_as_it_came(transport, control):
    other = bytes([PLAIN[0] ^ 1]) + PLAIN[1:]
    changed = {
        "plaintext": {"plaintext": other},
        "plaintext_crc32c": {"plaintext_crc32c": crc32c(PLAIN) ^ 1},
        "verified_ciphertext_crc32c": {"is_ciphertext_verified": False},
        "protection_level": {"protection_level": "SOFTWARE"},
    }
    for field, members in changed.items():
        control.corrupt(f"response.{field}", method=DECRYPT)
        assert decrypt(transport) == dataclasses.replace(GOOD, **members)
    assert decrypt(transport) == GOOD


def test_a_public_key_that_changes_on_the_way_is_handed_back_as_it_came(transport, control):
    good = public_key(transport)
    for field in ("pem", "pem_crc32c", "name", "algorithm", "protection_level"):
        control.corrupt(f"response.{field}", method="GetPublicKey")
        changed = public_key(transport)
        assert [name for name in good.__slots__ if getattr(changed, name) != getattr(good, name)] == [field]
    assert public_key(transport) == good


# ---- tokens


def test_without_a_token_nothing_is_sent(transport, control):
    control.fail("UNAVAILABLE", method="GetAccessToken")
    assert "access token" in refused("UNAVAILABLE", decrypt, transport)
    assert control.count(DECRYPT) == 0
    assert decrypt(transport) == GOOD


def test_a_token_is_fetched_once_and_again_when_it_has_run_out(over, kind, cloud, control):
    now = [0.0]
    transport = over(kind, cloud, tokens=tokens_of(cloud, lambda: now[0]))
    for _ in range(3):
        assert decrypt(transport) == GOOD
    assert control.count("GetAccessToken") == 1
    now[0] = 600.0
    control.advance(600)
    assert decrypt(transport) == GOOD
    assert control.count("GetAccessToken") == 2
    assert control.count(DECRYPT, outcome="UNAUTHENTICATED") == 0


def test_a_token_that_is_refused_is_not_used_again(transport, control):
    assert decrypt(transport) == GOOD
    control.advance(600)  # and our own clock does not know
    refused("UNAUTHENTICATED", decrypt, transport)
    assert control.count(DECRYPT) == 2
    assert decrypt(transport) == GOOD
    assert control.count("GetAccessToken") == 2


def test_a_token_that_nobody_knows_is_given_back_once(over, kind, cloud, control):
    tokens = OneToken("some-token-that-is-unknown")
    refused("UNAUTHENTICATED", decrypt, over(kind, cloud, tokens=tokens))
    assert tokens.refused == ["some-token-that-is-unknown"]
    assert control.count(DECRYPT) == 1


def test_nothing_that_was_sent_or_received_is_shown(transport, control, over, kind, cloud):
    ciphertext = wrap(PLAIN)
    stranger = over(kind, cloud, tokens=OneToken("secret-token-unknown"))
    shown = repr((decrypt(transport, ciphertext=ciphertext), transport, stranger))
    shown += refused("UNAUTHENTICATED", decrypt, stranger, ciphertext=ciphertext)
    shown += refused("FAILED_PRECONDITION", decrypt, transport, version_name("unwrap", 2), ciphertext)
    control.fail("UNAVAILABLE", kind="page")
    shown += refused("UNAVAILABLE", decrypt, transport, ciphertext=ciphertext)
    secrets = (PLAIN, ciphertext, b"secret-token-unknown")
    forms = [form for secret in secrets for form in (repr(secret)[2:-1], base64.b64encode(secret).decode()[:40])]
    assert [form for form in forms if form in shown] == []
