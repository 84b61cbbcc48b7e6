"""IAM on keys, rings and secrets by the official clients: who reads it, who changes it, what it then allows."""

from __future__ import annotations

import pytest

from tests.google.project import NOBODY, PROJECT, RING, fresh, key_name, version_name
from tests.google.transports import clients_over, refused

VIEWER = "roles/cloudkms.publicKeyViewer"
ACCESSOR = "roles/secretmanager.secretAccessor"


@pytest.fixture
def key(admin):
    """A new key's id."""
    name = fresh("policy")
    config = {"purpose": "ASYMMETRIC_DECRYPT", "version_template": {"algorithm": "RSA_DECRYPT_OAEP_2048_SHA256"}}
    admin.kms.create_crypto_key(parent=RING, crypto_key_id=name, crypto_key=config)
    return name


def binding(role=VIEWER, member=NOBODY.member):
    return {"role": role, "members": [member]}


def write(clients, resource, *bindings, etag=b""):
    policy = {"bindings": list(bindings), "etag": etag}
    return clients.set_iam_policy({"resource": resource, "policy": policy})


def test_a_role_on_a_key_allows_this_key_alone(cloud, transport, admin, key):
    written = write(admin.kms, key_name(key), binding())
    assert admin.kms.get_iam_policy({"resource": key_name(key)}) == written
    with clients_over(transport, cloud, NOBODY.token) as nobody:
        assert nobody.kms.get_public_key(name=version_name(key)).name == version_name(key)
        with refused("PERMISSION_DENIED"):
            nobody.kms.get_public_key(name=version_name("unwrap"))
    write(admin.kms, key_name(key))
    with clients_over(transport, cloud, NOBODY.token) as nobody, refused("PERMISSION_DENIED"):
        nobody.kms.get_public_key(name=version_name(key))


def test_a_role_on_a_ring_allows_its_keys(cloud, transport, admin):
    ring = f"{PROJECT}/locations/global/keyRings/{fresh('ring')}"
    admin.kms.create_key_ring(parent=f"{PROJECT}/locations/global", key_ring_id=ring.rpartition("/")[2], key_ring={})
    admin.kms.create_crypto_key(parent=ring, crypto_key_id="k", crypto_key={"purpose": "ENCRYPT_DECRYPT"})
    write(admin.kms, ring, binding("roles/cloudkms.cryptoKeyEncrypter"))
    with clients_over(transport, cloud, NOBODY.token) as nobody:
        assert nobody.kms.encrypt(name=f"{ring}/cryptoKeys/k", plaintext=b"x").ciphertext
        with refused("PERMISSION_DENIED"):
            nobody.kms.decrypt(name=f"{ring}/cryptoKeys/k", ciphertext=b"x")


def test_a_role_on_a_secret_allows_this_secret_alone(cloud, transport, admin):
    secret = f"{PROJECT}/secrets/{fresh('secret')}"
    config = {"replication": {"automatic": {}}}
    admin.secrets.create_secret(parent=PROJECT, secret_id=secret.rpartition("/")[2], secret=config)
    admin.secrets.add_secret_version(parent=secret, payload={"data": b"x"})
    written = write(admin.secrets, secret, binding(ACCESSOR))
    assert admin.secrets.get_iam_policy({"resource": secret}) == written
    with clients_over(transport, cloud, NOBODY.token) as nobody:
        assert nobody.secrets.access_secret_version(name=f"{secret}/versions/1").payload.data == b"x"
        with refused("PERMISSION_DENIED"):
            nobody.secrets.access_secret_version(name=f"{PROJECT}/secrets/signing/versions/2")


def test_a_change_of_what_was_read_before_another_change_is_refused(admin, key):
    etag = write(admin.kms, key_name(key), binding()).etag
    write(admin.kms, key_name(key), etag=etag)
    with refused("ABORTED", "concurrent"):
        write(admin.kms, key_name(key), binding(), etag=etag)


@pytest.mark.parametrize(
    "wrong",
    [binding("roles/cloudkms.noSuchRole"), binding(member="nobody"), binding(member="serviceAccount:no-address")],
)
def test_roles_and_members_that_there_are_not_are_refused(admin, key, wrong):
    with refused("INVALID_ARGUMENT"):
        write(admin.kms, key_name(key), wrong)


def test_conditions_are_refused_aloud(admin, key):
    condition = {"title": "t", "expression": "true"}
    with refused("UNIMPLEMENTED", "conditions"):
        write(admin.kms, key_name(key), binding() | {"condition": condition})


def test_a_policy_is_one_of_something_that_exists(admin):
    for resource in (key_name("no-such-key"), f"{RING}-other"):
        with refused("NOT_FOUND"):
            admin.kms.get_iam_policy({"resource": resource})
    with refused("NOT_FOUND"):
        admin.secrets.get_iam_policy({"resource": f"{PROJECT}/secrets/no-such-secret"})


def test_a_policy_is_read_and_changed_with_permission_only(kas, key):
    with refused("PERMISSION_DENIED", "getIamPolicy"):
        kas.kms.get_iam_policy({"resource": key_name(key)})
    with refused("PERMISSION_DENIED", "setIamPolicy"):
        write(kas.kms, key_name(key), binding())
    with refused("PERMISSION_DENIED", "setIamPolicy"):
        write(kas.secrets, f"{PROJECT}/secrets/signing", binding(ACCESSOR))
