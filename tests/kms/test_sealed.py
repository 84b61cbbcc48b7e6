"""Sealed keys opened by the stand-in over the service's own transport: every fault stops the start and shows no key."""

from __future__ import annotations

import json
import random
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.errors import ConfigError
from kas.google.kms_http import HttpKmsTransport
from kas.google.rest import RestClient
from kas.keys.private_keys import Sealed
from kas.keys.sealed import unseal
from local.google.material import encrypt
from local.google.quotas import DEFAULTS
from local.google.remote import google
from tests.google.project import AES, KAS, NOBODY, RING, UNWRAP, key_name, setup_of, version_name
from tests.kms.key_services import OneToken

DECRYPT = "Decrypt"
ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
PLACE = "KAS_KEYS.unwrapKeys[0].sealed"
SEAL, SOFTWARE_SEAL = key_name("seal"), key_name("other-seal")  # one of HSM level, one of software
FORM = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
KEYS = {
    "ec": ec.generate_private_key(ec.SECP256R1()).private_bytes(*FORM),
    "ec-large": ec.generate_private_key(ec.SECP521R1()).private_bytes(*FORM),
    "rsa": rsa.generate_private_key(65537, 2048).private_bytes(*FORM),
    "rsa-large": rsa.generate_private_key(65537, 4096).private_bytes(*FORM),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    path = folder / "setup.json"
    path.write_text(json.dumps(setup_of()), "utf-8")
    with (folder / "log").open("wb") as log, google(path, log) as running:
        yield running


@pytest.fixture
def control(cloud):
    """The stand-in's control; whatever a test changes is as before when it has ended."""
    cloud.control.reset()
    yield cloud.control
    cloud.control.reset()
    cloud.control.set_state(version_name("seal"), "ENABLED")
    cloud.control.give(RING, ROLE, KAS.member)
    cloud.control.quota("cloudkms.crypto", DEFAULTS["cloudkms.crypto"])


def sealed(name="ec", *, kid=None, key=SEAL):
    """A key as the stand-in would have sealed it."""
    return Sealed(PLACE, kid or name, key, encrypt(AES, 1, KEYS[name], name.encode()))


def opened(cloud, *keys, token=KAS.token):
    client = RestClient(cloud.base, OneToken(token), time.monotonic)
    try:
        transport = HttpKmsTransport(client)
        return unseal(keys or [sealed()], transport, timer=time.monotonic, sleep=time.sleep, random=random.random)
    finally:
        client.close()


def refused(cloud, reason, *keys, token=KAS.token):
    """Place, sealing key, kid and reason are named; nothing of the key is."""
    with pytest.raises(ConfigError, match=reason) as refusal:
        opened(cloud, *keys, token=token)
    key = (keys or [sealed()])[0]
    assert str(refusal.value).startswith(f"{PLACE}: {key.key} does not open it for {key.kid!r}: ")
    shown = "".join(traceback.format_exception(refusal.value))
    assert not [form for form in (KEYS["ec"].hex(), repr(KEYS["ec"])[2:-1]) if form in shown]


def test_ec_and_rsa_keys_are_opened_each_for_one_operation(cloud, control):
    assert opened(cloud, *(sealed(name) for name in KEYS)) == KEYS
    assert control.count(DECRYPT, outcome="OK") == len(KEYS)


@pytest.mark.parametrize("key", [SEAL, SOFTWARE_SEAL])
def test_what_seals_may_be_a_key_of_either_level(cloud, control, key):
    assert opened(cloud, sealed(key=key)) == {"ec": KEYS["ec"]}


def test_a_sealed_key_opens_for_its_own_kid_alone(cloud, control):
    """Else one key could be put in the place of another."""
    refused(cloud, "INVALID_ARGUMENT", sealed("ec", kid="ec-large"))
    assert control.count(DECRYPT) == 1


@pytest.mark.parametrize("place", [0, 20, -1])
def test_what_was_altered_where_it_is_kept_does_not_open(cloud, control, place):
    ciphertext = bytearray(sealed().ciphertext)
    ciphertext[place] ^= 1
    refused(cloud, "INVALID_ARGUMENT", Sealed(PLACE, "ec", SEAL, bytes(ciphertext)))


def test_what_another_key_sealed_does_not_open(cloud, control):
    ciphertext = encrypt(bytes(32), 1, KEYS["ec"], b"ec")
    refused(cloud, "INVALID_ARGUMENT", Sealed(PLACE, "ec", SEAL, ciphertext))


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (key_name("none"), "NOT_FOUND"),
        (SEAL.replace("us-central1", "europe-west1"), "PERMISSION_DENIED"),
        (UNWRAP.partition("/cryptoKeyVersions")[0], "FAILED_PRECONDITION|INVALID_ARGUMENT"),
    ],
)
def test_a_sealing_key_that_cannot_be_used_is_named_with_googles_reason(cloud, control, key, status):
    refused(cloud, status, sealed(key=key))


def test_a_disabled_sealing_key_opens_nothing_until_it_is_enabled(cloud, control):
    control.set_state(version_name("seal"), "DISABLED")
    refused(cloud, "FAILED_PRECONDITION.*DISABLED")
    control.set_state(version_name("seal"), "ENABLED")
    assert opened(cloud) == {"ec": KEYS["ec"]}


def test_a_permission_taken_away_opens_nothing_until_it_is_given(cloud, control):
    control.take(RING, ROLE, KAS.member)
    refused(cloud, "PERMISSION_DENIED")
    control.give(RING, ROLE, KAS.member)
    assert opened(cloud) == {"ec": KEYS["ec"]}


@pytest.mark.parametrize(("token", "status"), [(NOBODY.token, "PERMISSION_DENIED"), ("unknown", "UNAUTHENTICATED")])
def test_another_account_opens_nothing(cloud, control, token, status):
    """Whoever has the secret alone has nothing."""
    refused(cloud, status, token=token)


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_what_passes_by_itself_is_got_over_twice(cloud, control, status):
    control.fail(status, method=DECRYPT, times=2)
    assert opened(cloud) == {"ec": KEYS["ec"]}
    control.fail(status, method=DECRYPT, times=None)
    refused(cloud, status)
    assert control.count(DECRYPT) == 6


@pytest.mark.parametrize(
    "field",
    ["request.ciphertext", "request.additional_authenticated_data", "response.plaintext", "response.plaintext_crc32c"],
)
def test_fault_14_what_was_changed_on_the_way_is_never_used(cloud, control, field):
    """In either direction, the additional data too."""
    control.corrupt(field, method=DECRYPT, times=2)
    assert opened(cloud) == {"ec": KEYS["ec"]}
    control.corrupt(field, method=DECRYPT, times=None)
    refused(cloud, "checksum|as it was sent")
    assert control.count(DECRYPT) == 6


def test_several_are_opened_side_by_side_and_no_thread_is_left(cloud, control):
    """All of them wait at the stand-in at the same time."""
    threads = threading.active_count()
    control.latency(1500, method=DECRYPT)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(opened, cloud, *(sealed(name) for name in KEYS))
        while control.waiting() < len(KEYS):
            assert not opening.done()
    assert opening.result() == KEYS
    assert threading.active_count() == threads
