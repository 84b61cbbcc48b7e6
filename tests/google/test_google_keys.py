"""Cloud KMS by the official clients: rings, keys and versions, made, listed and moved through their states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.cloud import kms_v1

from tests.google.project import NOBODY, PROJECT, RING, fresh, key_name, version_name
from tests.google.transports import clients_over, refused

LOCATION = f"{PROJECT}/locations/europe-west2"
RSA_HSM = {
    "purpose": "ASYMMETRIC_DECRYPT",
    "version_template": {"algorithm": "RSA_DECRYPT_OAEP_2048_SHA256", "protection_level": "HSM"},
}
RSA_SOFTWARE = RSA_HSM | {"version_template": {"algorithm": "RSA_DECRYPT_OAEP_2048_SHA1"}}
State = kms_v1.CryptoKeyVersion.CryptoKeyVersionState
DAY = 24 * 3600


def create(admin, config=None, **fields):
    """A new key's id."""
    name = fresh("key")
    admin.kms.create_crypto_key(
        {"parent": RING, "crypto_key_id": name, "crypto_key": config or RSA_SOFTWARE, **fields}, timeout=60
    )
    return name


def state_of(admin, name, number=1):
    return admin.kms.get_crypto_key_version(name=version_name(name, number)).state


def choose(admin, name, state):
    version = {"name": version_name(name), "state": state}
    return admin.kms.update_crypto_key_version(crypto_key_version=version, update_mask={"paths": ["state"]}, retry=None)


# ---- rings


def test_a_ring_is_made_read_and_listed(admin):
    name = fresh("ring")
    ring = admin.kms.create_key_ring(parent=LOCATION, key_ring_id=name, key_ring={})
    assert ring.name == f"{LOCATION}/keyRings/{name}"
    assert admin.kms.get_key_ring(name=ring.name) == ring
    assert ring in list(admin.kms.list_key_rings(parent=LOCATION))
    assert ring not in list(admin.kms.list_key_rings(parent=f"{PROJECT}/locations/us-central1"))


def test_a_ring_is_made_once(admin):
    with refused("ALREADY_EXISTS", RING):
        admin.kms.create_key_ring(parent=RING.partition("/keyRings")[0], key_ring_id="kas", key_ring={})


@pytest.mark.parametrize("name", ["", "a b", "x" * 64, "ä"])
def test_a_ring_needs_an_id(admin, name):
    with refused("INVALID_ARGUMENT", "key_ring_id"):
        admin.kms.create_key_ring(parent=LOCATION, key_ring_id=name, key_ring={})


def test_there_is_no_ring_where_there_is_no_location(admin):
    with refused("NOT_FOUND", "'mars'"):
        admin.kms.create_key_ring(parent=f"{PROJECT}/locations/mars", key_ring_id="kas", key_ring={})


# ---- keys


def test_an_asymmetric_key_has_a_first_version_and_no_primary(admin):
    name = create(admin)
    key = admin.kms.get_crypto_key(name=key_name(name))
    assert (key.purpose.name, key.version_template.protection_level.name) == ("ASYMMETRIC_DECRYPT", "SOFTWARE")
    assert "primary" not in key
    assert key.destroy_scheduled_duration == timedelta(days=30)
    (version,) = admin.kms.list_crypto_key_versions(parent=key_name(name))
    assert (version.name, version.state, version.algorithm.name) == (
        version_name(name),
        State.ENABLED,
        "RSA_DECRYPT_OAEP_2048_SHA1",
    )


def test_a_symmetric_key_has_a_primary_version_and_keeps_its_labels_and_rotation(admin):
    config = {"purpose": "ENCRYPT_DECRYPT", "labels": {"use": "seal"}, "rotation_period": {"seconds": 90 * DAY}}
    key = admin.kms.get_crypto_key(name=key_name(create(admin, config)))
    assert (key.primary.state, key.primary.algorithm.name) == (State.ENABLED, "GOOGLE_SYMMETRIC_ENCRYPTION")
    assert (dict(key.labels), key.rotation_period) == ({"use": "seal"}, timedelta(days=90))


def changed(admin, name, *paths, **fields):
    request = {"crypto_key": {"name": key_name(name), **fields}, "update_mask": {"paths": paths}}
    return admin.kms.update_crypto_key(request, retry=None, timeout=20)


def soon(**more):
    return datetime.now(UTC) + timedelta(**more)


def test_labels_and_rotation_of_a_key_are_changed_each_as_a_whole(admin):
    name = create(admin, {"purpose": "ENCRYPT_DECRYPT", "labels": {"use": "seal"}})
    due = soon(days=30).replace(microsecond=0)
    schedule = {"rotation_period": timedelta(days=90), "next_rotation_time": due}
    after = changed(admin, name, *schedule, **schedule, labels={"not": "in-the-mask"})
    assert (dict(after.labels), after.rotation_period, after.next_rotation_time) == (
        {"use": "seal"},
        timedelta(days=90),
        due,
    )
    after = changed(admin, name, "labels", labels={"b": ""})
    assert (dict(after.labels), after.rotation_period) == ({"b": ""}, timedelta(days=90))
    assert admin.kms.get_crypto_key(name=key_name(name)) == after
    after = changed(admin, name, *schedule, "labels")
    assert (dict(after.labels), "rotation_period" in after, "next_rotation_time" in after) == ({}, False, False)
    assert after.primary.name == version_name(name)


@pytest.mark.parametrize(
    ("paths", "fields", "why"),
    [
        ((), {}, "update_mask"),
        (("purpose",), {"purpose": "ASYMMETRIC_DECRYPT"}, "update_mask"),
        (("labels", "destroy_scheduled_duration"), {}, "update_mask"),
        (("labels",), {"labels": {"Upper": "x"}}, "labels"),
        (("rotation_period",), {"rotation_period": timedelta(days=90)}, "next_rotation_time must be set"),
        (
            ("rotation_period", "next_rotation_time"),
            {"rotation_period": timedelta(hours=23), "next_rotation_time": soon(days=1)},
            "24 hours",
        ),
        (("next_rotation_time",), {"next_rotation_time": soon(days=-1)}, "future"),
    ],
)
def test_a_change_of_a_key_that_google_would_not_make_is_refused(admin, paths, fields, why):
    name = create(admin, {"purpose": "ENCRYPT_DECRYPT", "labels": {"use": "seal"}})
    before = admin.kms.get_crypto_key(name=key_name(name))
    with refused("INVALID_ARGUMENT", why):
        changed(admin, name, *paths, **fields)
    assert admin.kms.get_crypto_key(name=key_name(name)) == before


def test_an_asymmetric_key_has_labels_and_no_rotation(admin):
    name = create(admin)
    assert dict(changed(admin, name, "labels", labels={"a": "1"}).labels) == {"a": "1"}
    with refused("INVALID_ARGUMENT", "rotation"):
        changed(admin, name, "next_rotation_time", next_rotation_time=soon(days=1))


def test_a_change_of_a_key_that_the_stand_in_does_not_make_is_refused_aloud(admin):
    with refused("UNIMPLEMENTED", "version_template"):
        changed(admin, create(admin), "version_template.algorithm")


def test_a_key_is_changed_by_whoever_may_and_where_it_is(admin, cloud, transport):
    with refused("NOT_FOUND", "no-such-key"):
        changed(admin, "no-such-key", "labels")
    with clients_over(transport, cloud, NOBODY.token) as nobody, refused("PERMISSION_DENIED", "cryptoKeys.update"):
        changed(nobody, "seal", "labels")


def test_a_key_is_made_once_and_in_a_ring(admin):
    config = {"purpose": "ENCRYPT_DECRYPT"}
    with refused("ALREADY_EXISTS", key_name("seal")):
        admin.kms.create_crypto_key(parent=RING, crypto_key_id="seal", crypto_key=config)
    with refused("NOT_FOUND", "no-such-ring"):
        admin.kms.create_crypto_key(
            parent=RING.replace("keyRings/kas", "keyRings/no-such-ring"), crypto_key_id="seal", crypto_key=config
        )


@pytest.mark.parametrize(
    "config",
    [
        {"purpose": "ASYMMETRIC_DECRYPT"},
        RSA_HSM | {"version_template": {"algorithm": "EC_SIGN_P256_SHA256"}},
        RSA_HSM | {"version_template": {"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"}},
        {"purpose": "ENCRYPT_DECRYPT", "version_template": {"algorithm": "RSA_DECRYPT_OAEP_2048_SHA256"}},
        RSA_HSM | {"rotation_period": {"seconds": 90 * DAY}},
        RSA_HSM | {"destroy_scheduled_duration": {"seconds": DAY - 1}},
        RSA_HSM | {"destroy_scheduled_duration": {"seconds": 120 * DAY + 1}},
    ],
)
def test_a_key_that_google_would_not_make_is_refused(admin, config):
    with refused("INVALID_ARGUMENT"):
        create(admin, config)


@pytest.mark.parametrize(
    "config",
    [
        {"purpose": "ASYMMETRIC_SIGN"},
        {"purpose": "KEY_ENCAPSULATION"},
        {"purpose": "ENCRYPT_DECRYPT", "version_template": {"protection_level": "EXTERNAL"}},
    ],
)
def test_a_key_that_the_stand_in_cannot_make_is_refused_aloud(admin, config):
    with refused("UNIMPLEMENTED", "stand-in"):
        create(admin, config)


def test_keys_are_listed_in_pages(admin):
    names = {create(admin, {"purpose": "ENCRYPT_DECRYPT"}) for _ in range(3)}
    pages = list(admin.kms.list_crypto_keys({"parent": RING, "page_size": 2}).pages)
    listed = [key.name for page in pages for key in page.crypto_keys]
    assert len(pages) == -(-len(listed) // 2)
    assert pages[0].total_size == len(listed) == len(set(listed))
    assert {key_name(name) for name in names} < set(listed)


def test_lists_refuse_what_they_do_not_do(admin):
    with refused("UNIMPLEMENTED", "filter"):
        admin.kms.list_crypto_keys({"parent": RING, "filter": "purpose=ENCRYPT_DECRYPT"})
    with refused("INVALID_ARGUMENT", "page token"):
        admin.kms.list_crypto_keys({"parent": RING, "page_token": "x"})
    with refused("NOT_FOUND"):
        admin.kms.list_crypto_keys(parent=f"{RING}-other")


# ---- versions


def test_numbers_of_versions_go_up(admin):
    name = create(admin)
    second = admin.kms.create_crypto_key_version(parent=key_name(name), crypto_key_version={})
    assert second.name == version_name(name, 2)
    first, second = (admin.kms.get_public_key(name=version_name(name, number)) for number in (1, 2))
    assert first.pem != second.pem


def test_a_key_of_an_hsm_takes_its_time_to_be_made(admin, control):
    name = create(admin, RSA_HSM)
    assert state_of(admin, name) == State.PENDING_GENERATION
    with refused("FAILED_PRECONDITION", "PENDING_GENERATION"):
        admin.kms.get_public_key(name=version_name(name))
    with refused("FAILED_PRECONDITION", "PENDING_GENERATION"):
        choose(admin, name, "DISABLED")
    control.advance(60)
    assert state_of(admin, name) == State.ENABLED
    assert admin.kms.get_public_key(name=version_name(name)).protection_level == kms_v1.ProtectionLevel.HSM


def test_a_version_is_disabled_and_enabled(admin):
    name = create(admin)
    assert choose(admin, name, "DISABLED").state == state_of(admin, name) == State.DISABLED
    assert choose(admin, name, "ENABLED").state == state_of(admin, name) == State.ENABLED


def test_a_version_is_scheduled_restored_and_in_the_end_destroyed(admin, control):
    name = create(admin, RSA_SOFTWARE | {"destroy_scheduled_duration": {"seconds": DAY}})
    assert admin.kms.destroy_crypto_key_version(name=version_name(name)).state == State.DESTROY_SCHEDULED
    assert admin.kms.restore_crypto_key_version(name=version_name(name)).state == State.DISABLED
    scheduled = admin.kms.destroy_crypto_key_version(name=version_name(name))
    control.advance(DAY - 60)
    assert state_of(admin, name) == State.DESTROY_SCHEDULED
    control.advance(60)
    destroyed = admin.kms.get_crypto_key_version(name=version_name(name))
    assert (destroyed.state, destroyed.destroy_event_time) == (State.DESTROYED, scheduled.destroy_time)
    with refused("FAILED_PRECONDITION", "DESTROYED"):
        admin.kms.restore_crypto_key_version(name=version_name(name))


def test_states_that_do_not_follow_from_each_other_are_refused(admin):
    name = create(admin)
    with refused("FAILED_PRECONDITION", "ENABLED"):
        admin.kms.restore_crypto_key_version(name=version_name(name))
    admin.kms.destroy_crypto_key_version(name=version_name(name))
    for state in ("ENABLED", "DISABLED"):
        with refused("FAILED_PRECONDITION", "DESTROY_SCHEDULED"):
            choose(admin, name, state)
    with refused("FAILED_PRECONDITION", "DESTROY_SCHEDULED"):
        admin.kms.destroy_crypto_key_version(name=version_name(name))


def test_only_two_states_are_chosen_and_only_the_state(admin):
    name = create(admin)
    with refused("INVALID_ARGUMENT", "ENABLED or DISABLED"):
        choose(admin, name, "DESTROYED")
    with refused("INVALID_ARGUMENT", "update_mask"):
        admin.kms.update_crypto_key_version(
            crypto_key_version={"name": version_name(name), "state": "DISABLED"}, update_mask={"paths": ["algorithm"]}
        )


def test_a_primary_version_is_an_enabled_one_of_a_symmetric_key(admin):
    with refused("INVALID_ARGUMENT", "no primary"):
        admin.kms.update_crypto_key_primary_version(name=key_name(create(admin)), crypto_key_version_id="1")
    name = create(admin, {"purpose": "ENCRYPT_DECRYPT"})
    with refused("NOT_FOUND", "cryptoKeyVersions/2"):
        admin.kms.update_crypto_key_primary_version(name=key_name(name), crypto_key_version_id="2")


@pytest.mark.parametrize("number", ["0", "01", "latest", "-1", "9999999999"])
def test_a_version_has_a_number(admin, number):
    with refused("INVALID_ARGUMENT", "Invalid version"):
        admin.kms.get_crypto_key_version(name=version_name("unwrap", number))


def test_without_permission_nothing_is_made_or_read(cloud, transport):
    with clients_over(transport, cloud, NOBODY.token) as nobody:
        for call in (
            lambda: nobody.kms.create_key_ring(parent=LOCATION, key_ring_id="x", key_ring={}),
            lambda: nobody.kms.get_key_ring(name=RING),
            lambda: nobody.kms.list_key_rings(parent=LOCATION),
            lambda: create(nobody),
            lambda: nobody.kms.get_crypto_key(name=key_name("seal")),
            lambda: nobody.kms.list_crypto_keys(parent=RING),
            lambda: nobody.kms.create_crypto_key_version(parent=key_name("seal"), crypto_key_version={}),
            lambda: state_of(nobody, "seal"),
            lambda: nobody.kms.list_crypto_key_versions(parent=key_name("seal")),
            lambda: choose(nobody, "seal", "DISABLED"),
            lambda: nobody.kms.destroy_crypto_key_version(name=version_name("seal")),
            lambda: nobody.kms.restore_crypto_key_version(name=version_name("seal")),
            lambda: nobody.kms.update_crypto_key_primary_version(name=key_name("seal"), crypto_key_version_id="1"),
        ):
            with refused("PERMISSION_DENIED"):
                call()
