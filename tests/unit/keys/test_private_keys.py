"""The private keys that an index names: from files, secrets and seals; each good, and one thing wrong."""

from __future__ import annotations

import json
import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from kas.errors import ConfigError
from kas.keys.index import read_index
from kas.keys.private_keys import Sealed, fetch_keys

RING = "projects/kas-test/locations/us-central1/keyRings/kas"
SEAL = f"{RING}/cryptoKeys/seal"
UNWRAP = {"kid": "rsa-1", "algorithm": "RSA-2048", "status": "active", "dialects": ["acp240"], "file": "rsa.pem"}
TDF = UNWRAP | {"kid": "tdf-1", "dialects": ["opentdf"], "status": "decrypt-only", "file": "tdf.pem"}
ENTRY = {name: value for name, value in UNWRAP.items() if name != "file"}
BOTH = {"algorithm": "P-256", "dialects": ["acp240", "opentdf"]}
EC = UNWRAP | BOTH | {"kid": "ec-1", "file": "ec.pem"}
KMS = ENTRY | {"kid": "kms-1", "kms": f"{RING}/cryptoKeys/unwrap/cryptoKeyVersions/1"}
SEALED_EC = ENTRY | BOTH | {"kid": "sealed-ec", "sealed": "sm://seal", "sealedBy": SEAL}
SEALED_RSA = ENTRY | {"kid": "sealed-rsa", "sealed": "sm://seal-rsa", "sealedBy": SEAL}
CURRENT = {"kid": "sig-2", "status": "current", "file": "sig.pem"}
PREVIOUS = {"kid": "sig-1", "status": "previous", "file": "old.pem"}
SECRET = {"kid": "sig-3", "status": "current", "secret": "sm://sig"}
FILES = {
    "rsa.pem": rsa.generate_private_key(65537, 2048),
    "tdf.pem": rsa.generate_private_key(65537, 2048),
    "weak.pem": rsa.generate_private_key(65537, 1024),
    "low.pem": rsa.generate_private_key(3, 2048),
    "old.pem": ec.generate_private_key(ec.SECP256R1()),
    "sig.pem": ec.generate_private_key(ec.SECP256R1()),
    "ec.pem": ec.generate_private_key(ec.SECP256R1()),
    "k256.pem": ec.generate_private_key(ec.SECP256K1()),
    "p384.pem": ec.generate_private_key(ec.SECP384R1()),
    "ed.pem": ed25519.Ed25519PrivateKey.generate(),
    "dsa.pem": dsa.generate_private_key(1024),
}
PEM, DER, OPEN = serialization.Encoding.PEM, serialization.Encoding.DER, serialization.NoEncryption()


def private(name, encoding=PEM, encryption=OPEN):
    return FILES[name].private_bytes(encoding, serialization.PrivateFormat.PKCS8, encryption)


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.touch(0o600)
        path.write_bytes(private(name))
    return tmp_path


def load(folder, unwrap=(UNWRAP, TDF, EC), signing=(PREVIOUS, CURRENT), *, secrets=None, opened=None, calls=None):
    """Keys of an index; ``secrets`` by reference and ``opened`` by kid are what is had, ``calls`` what was asked for."""
    index = read_index(json.dumps({"unwrapKeys": unwrap, "signingKeys": signing}), folder, takes_files=True)
    calls = [] if calls is None else calls

    def resolve(references):
        calls.append(("resolve", references))
        return {place: secrets[reference] for place, reference in references.items()}

    def unseal(sealed):
        calls.append(("unseal", list(sealed)))
        return {one.kid: opened[one.kid] for one in sealed}

    return fetch_keys(index, folder, resolve, unseal)


def same(key, name):
    return key.private_numbers() == FILES[name].private_numbers()


def test_keys_in_files_are_read_and_nobody_is_asked(folder):
    calls = []
    keys = load(folder, calls=calls)
    assert [record.kid for record in keys.records] == ["rsa-1", "tdf-1", "ec-1"]
    assert [same(keys.unwrap_keys[kid], f"{kid[:-2]}.pem") for kid in ("rsa-1", "tdf-1", "ec-1")] == [True] * 3
    assert list(keys.signing_keys) == ["sig-2", "sig-1"]
    assert calls == []


def test_all_secrets_are_asked_for_at_once_and_then_all_seals(folder):
    """A sealed key comes with its kid and what sealed it; a key in Cloud KMS stays there."""
    calls = []
    secrets = {"sm://sig": private("sig.pem"), "sm://seal": b"one", "sm://seal-rsa": b"two"}
    opened = {"sealed-ec": private("ec.pem", DER), "sealed-rsa": private("rsa.pem", DER)}
    keys = load(folder, [KMS, SEALED_EC, SEALED_RSA], [SECRET], secrets=secrets, opened=opened, calls=calls)
    first, second = "KAS_KEYS.unwrapKeys[1].sealed", "KAS_KEYS.unwrapKeys[2].sealed"
    references = {first: "sm://seal", second: "sm://seal-rsa", "KAS_KEYS.signingKeys[0].secret": "sm://sig"}
    assert calls == [
        ("resolve", references),
        ("unseal", [Sealed(first, "sealed-ec", SEAL, b"one"), Sealed(second, "sealed-rsa", SEAL, b"two")]),
    ]
    assert keys.unwrap_keys.keys() == {"sealed-ec", "sealed-rsa"}
    assert same(keys.unwrap_keys["sealed-ec"], "ec.pem")
    assert same(keys.unwrap_keys["sealed-rsa"], "rsa.pem")
    assert same(keys.signing_keys["sig-3"], "sig.pem")
    assert len(keys.records) == 3


@pytest.mark.parametrize("entry", [SEALED_EC, EC | {"file": "absent.pem"}])
def test_a_disabled_key_is_not_fetched(folder, entry):
    """It is in nobody's memory then; its record stays, so that it is known to be disabled."""
    calls = []
    keys = load(folder, [UNWRAP, entry | {"status": "disabled"}], calls=calls)
    assert calls == []
    assert (len(keys.records), list(keys.unwrap_keys)) == (2, ["rsa-1"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"algorithm": "RSA-4096"}, "holds no RSA-4096 key"),
        ({"file": "weak.pem"}, "holds no RSA-2048 key"),
        ({"file": "sig.pem"}, "holds no RSA-2048 key"),
        ({"file": "ed.pem"}, "holds no RSA-2048 key"),
        ({"file": "dsa.pem"}, "holds no RSA-2048 key"),
        ({"file": "low.pem"}, "RSA modulus or exponent"),
        ({"algorithm": "P-256"}, "holds no P-256 key"),
        ({"algorithm": "P-256", "file": "p384.pem"}, "holds no P-256 key"),
        ({"algorithm": "P-256", "file": "k256.pem"}, "holds no P-256 key"),
        ({"file": "absent.pem"}, "cannot be read as a private key"),
        ({"file": "keys.json"}, "cannot be read as a private key"),
    ],
)
def test_a_file_that_is_not_the_key_that_the_index_says_stops_the_start(folder, change, reason):
    with pytest.raises(ConfigError, match=rf"^KAS_KEYS\.unwrapKeys\[0\].*({reason})"):
        load(folder, [UNWRAP | change])


@pytest.mark.parametrize("name", ["p384.pem", "k256.pem", "ed.pem", "rsa.pem"])
def test_a_signing_key_is_on_p_256(folder, name):
    for entry, secrets in ((CURRENT | {"file": name}, None), (SECRET, {"sm://sig": private(name)})):
        with pytest.raises(ConfigError, match=r"signingKeys\[0\].*no P-256 key"):
            load(folder, [UNWRAP if name != "rsa.pem" else TDF], [entry], secrets=secrets)


@pytest.mark.parametrize(
    ("entry", "name"),
    [(SEALED_EC, "rsa.pem"), (SEALED_EC, "p384.pem"), (SEALED_RSA, "ec.pem"), (SEALED_RSA, "weak.pem")],
)
def test_a_sealed_key_is_of_the_kind_that_the_index_says(folder, entry, name):
    opened = {entry["kid"]: private(name, DER)}
    with pytest.raises(ConfigError, match=rf"unwrapKeys\[0\]: what it names holds no {entry['algorithm']} key"):
        load(folder, [entry], secrets={"sm://seal": b"1", "sm://seal-rsa": b"1"}, opened=opened)


@pytest.mark.parametrize("data", [b"", b"\x00", private("ec.pem", PEM), private("ec.pem", DER)[:-1]])
def test_what_was_sealed_is_pkcs_8_in_der(folder, data):
    with pytest.raises(ConfigError, match=r"unwrapKeys\[0\]\.sealed: cannot be read as a private key"):
        load(folder, [SEALED_EC], secrets={"sm://seal": b"1"}, opened={"sealed-ec": data})


@pytest.mark.parametrize("data", [b"", b"secret", private("sig.pem", DER), private("sig.pem")[:-40]])
def test_a_secret_that_is_no_pem_stops_the_start_and_is_not_repeated(folder, data):
    with pytest.raises(ConfigError, match=r"signingKeys\[0\]\.secret: cannot be read as a private key") as refusal:
        load(folder, signing=[SECRET], secrets={"sm://sig": data})
    assert "secret" not in str(refusal.value).replace(".secret:", "")


def test_an_encrypted_key_stops_the_start(folder):
    sealed = serialization.BestAvailableEncryption(b"secret")
    (folder / "rsa.pem").write_bytes(private("rsa.pem", encryption=sealed))
    with pytest.raises(ConfigError, match="cannot be read as a private key"):
        load(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o601])
def test_a_file_that_others_can_read_stops_the_start(folder, mode):
    (folder / "rsa.pem").chmod(mode)
    with pytest.raises(ConfigError, match=r"unwrapKeys\[0\]\.file: the file is readable by others"):
        load(folder)


def test_a_pipe_stops_the_start_and_is_not_waited_for(folder):
    """Nobody writes to it."""
    (folder / "rsa.pem").unlink()
    os.mkfifo(folder / "rsa.pem", 0o600)
    with pytest.raises(ConfigError, match=r"unwrapKeys\[0\]\.file: what it names is no file"):
        load(folder)


def test_a_folder_that_others_can_write_stops_the_start_where_a_file_of_it_is_read(folder):
    """Wherever the index is."""
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match="others can write it"):
        load(folder)
    load(folder, [KMS], [SECRET], secrets={"sm://sig": private("sig.pem")})


def test_one_key_under_two_kids_stops_the_start(folder):
    """Else a key of one dialect could be used in the other."""
    with pytest.raises(ConfigError, match=r"^KAS_KEYS: one key is listed under two kids"):
        load(folder, [UNWRAP, TDF | {"file": "rsa.pem"}])
    with pytest.raises(ConfigError, match="one key is listed under two kids"):
        load(folder, [EC, SEALED_EC], secrets={"sm://seal": b"1"}, opened={"sealed-ec": private("ec.pem", DER)})


def test_one_signing_key_under_two_kids_stops_the_start(folder):
    """Else the one that is not current any more could not be withdrawn."""
    with pytest.raises(ConfigError, match=r"^KAS_KEYS: one key is listed under two kids"):
        load(folder, signing=[CURRENT, PREVIOUS | {"file": "sig.pem"}])


def test_fault_13_a_key_that_signs_does_not_unwrap(folder):
    """Whatever it is called."""
    with pytest.raises(ConfigError, match=r"^KAS_KEYS: a signing key is never an unwrap key"):
        load(folder, [EC | {"file": "sig.pem"}])


def test_a_ciphertext_is_not_shown(folder):
    """Not that it would tell anything."""
    assert "two" not in repr(Sealed("place", "kid", SEAL, b"two"))
