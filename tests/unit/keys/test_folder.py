"""A folder of keys: one that is good, and one thing wrong in it."""

from __future__ import annotations

import json
import shutil
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kas.errors import ConfigError
from kas.keys.folder import load_key_folder, make_local_keys
from kas.keys.registry import KeyRecord

UNWRAP = {
    "kid": "rsa-1",
    "algorithm": "RSA-2048",
    "status": "active",
    "dialects": ["acp240"],
    "file": "rsa.pem",
}
TDF = UNWRAP | {
    "kid": "tdf-1",
    "dialects": ["opentdf"],
    "status": "decrypt-only",
    "legacy": True,
    "file": "tdf.pem",
}
SEALED = UNWRAP | {"kid": "ec-1", "algorithm": "P-256", "dialects": ["acp240", "opentdf"], "file": "ec.pem"}
CURRENT = {"kid": "sig-2", "status": "current", "file": "sig.pem"}
PREVIOUS = {"kid": "sig-1", "status": "previous", "file": "sig.pem"}
FILES = {
    "rsa.pem": rsa.generate_private_key(65537, 2048),
    "tdf.pem": rsa.generate_private_key(65537, 2048),
    "weak.pem": rsa.generate_private_key(65537, 1024),
    "low.pem": rsa.generate_private_key(3, 2048),
    "sig.pem": ec.generate_private_key(ec.SECP256R1()),
    "ec.pem": ec.generate_private_key(ec.SECP256R1()),
    "k256.pem": ec.generate_private_key(ec.SECP256K1()),
    "p384.pem": ec.generate_private_key(ec.SECP384R1()),
    "ed.pem": ed25519.Ed25519PrivateKey.generate(),
}


def pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture
def folder(tmp_path):
    for name, key in FILES.items():
        path = tmp_path / name
        path.touch(0o600)
        path.write_bytes(pem(key))
    return tmp_path


def load(folder, unwrap=(UNWRAP, TDF, SEALED), signing=(PREVIOUS, CURRENT), **others):
    document = {"unwrapKeys": list(unwrap), "signingKeys": list(signing)} | others
    (folder / "keys.json").write_text(json.dumps(document))
    return load_key_folder(folder)


def test_a_good_folder_has_its_records_in_order_and_the_current_signing_key_first(folder):
    loaded = load(folder)
    assert loaded.records == (
        KeyRecord("rsa-1", "RSA-2048", "active", frozenset({"acp240"})),
        KeyRecord("tdf-1", "RSA-2048", "decrypt-only", frozenset({"opentdf"}), is_legacy=True),
        KeyRecord("ec-1", "P-256", "active", frozenset({"acp240", "opentdf"})),
    )
    assert [record.hash for record in loaded.records[:2]] == ["SHA-256", "SHA-1"]
    assert list(loaded.unwrap_keys) == ["rsa-1", "tdf-1", "ec-1"]
    assert list(loaded.signing_keys) == ["sig-2", "sig-1"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hash": "SHA-256"}, "unknown member 'hash'"),
        ({"status": "enabled"}, "status: must be one of"),
        ({"dialects": ["other"]}, "must be one of"),
        ({"dialects": ["acp240", "opentdf"]}, "an RSA key serves one dialect"),
        ({"dialects": []}, "an RSA key serves one dialect"),
        ({"dialects": "acp240"}, "dialects"),
        ({"legacy": 1}, "legacy"),
        ({"legacy": "true"}, "legacy"),
        ({"algorithm": "RSA-1024"}, "algorithm: must be one of"),
        ({"algorithm": "RSA-4096"}, "holds no RSA-4096 key"),
        ({"file": "weak.pem"}, "holds no RSA-2048 key"),
        ({"file": "sig.pem"}, "holds no RSA-2048 key"),
        ({"file": "ed.pem"}, "holds no RSA-2048 key"),
        ({"algorithm": "P-256"}, "holds no P-256 key"),
        ({"algorithm": "P-256", "file": "p384.pem"}, "holds no P-256 key"),
        ({"algorithm": "P-256", "file": "k256.pem"}, "holds no P-256 key"),
        ({"algorithm": "P-256", "file": "ec.pem", "dialects": []}, "an EC key one or both"),
        ({"file": "absent.pem"}, "cannot be read as a private key"),
        ({"file": "keys.json"}, "readable by others|cannot be read"),
        ({"file": "../rsa.pem"}, "a file of the same folder"),
        ({"file": "/etc/passwd"}, "a file of the same folder"),
        ({"file": ""}, "file: must be non-empty text"),
        ({"kid": ""}, "kid: must be non-empty text"),
        ({"kid": 7}, "kid: must be non-empty text"),
        ({"kid": "k" * 257}, "kid: is too long"),
        ({"statsu": "active"}, "unknown member 'statsu'"),
    ],
)
def test_a_wrong_member_of_an_unwrap_key_stops_the_start_and_is_named(folder, change, reason):
    with pytest.raises(ConfigError, match=reason):
        load(folder, unwrap=[UNWRAP | change])


def test_a_weak_exponent_stops_the_start_in_words_of_configuration(folder):
    with pytest.raises(ConfigError):
        load(folder, unwrap=[UNWRAP | {"file": "low.pem"}])


@pytest.mark.parametrize("member", UNWRAP)
def test_a_missing_member_of_an_unwrap_key_stops_the_start(folder, member):
    with pytest.raises(ConfigError, match=f"{member} is missing"):
        load(folder, unwrap=[{name: value for name, value in UNWRAP.items() if name != member}])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"file": "p384.pem"}, "no P-256 key"),
        ({"file": "ed.pem"}, "no P-256 key"),
        ({"file": "rsa.pem"}, "no P-256 key"),
        ({"status": "active"}, "status: must be one of"),
        ({"more": 1}, "unknown member"),
    ],
)
def test_a_wrong_member_of_a_signing_key_stops_the_start(folder, change, reason):
    with pytest.raises(ConfigError, match=reason):
        load(folder, signing=[CURRENT | change])


@pytest.mark.parametrize("signing", [[], [PREVIOUS], [CURRENT, CURRENT | {"kid": "sig-3"}]])
def test_exactly_one_signing_key_is_current(folder, signing):
    with pytest.raises(ConfigError, match="exactly one signing key"):
        load(folder, signing=signing)


@pytest.mark.parametrize(
    ("unwrap", "signing"),
    [
        ([UNWRAP, UNWRAP], [CURRENT]),
        ([UNWRAP], [CURRENT, PREVIOUS | {"kid": "sig-2"}]),
        ([UNWRAP], [CURRENT | {"kid": "rsa-1"}]),
    ],
)
def test_a_kid_is_used_once_and_a_signing_key_never_unwraps(folder, unwrap, signing):
    with pytest.raises(ConfigError, match="used twice"):
        load(folder, unwrap=unwrap, signing=signing)


def test_a_document_with_more_than_keys_stops_the_start(folder):
    with pytest.raises(ConfigError, match="unknown member 'extra'"):
        load(folder, extra=1)


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"unwrapKeys": [], "unwrapKeys": []}'])
def test_a_document_that_cannot_be_read_stops_the_start(folder, text):
    if text is not None:
        (folder / "keys.json").write_text(text)
    with pytest.raises(ConfigError, match=r"keys\.json"):
        load_key_folder(folder)


def test_an_encrypted_key_stops_the_start(folder):
    sealed = serialization.BestAvailableEncryption(b"secret")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed
    (folder / "rsa.pem").write_bytes(FILES["rsa.pem"].private_bytes(*form))
    with pytest.raises(ConfigError, match="cannot be read as a private key"):
        load(folder)


def test_a_folder_that_is_there_is_kept(tmp_path):
    make_local_keys(tmp_path / "a" / "keys")
    first = load_key_folder(tmp_path / "a" / "keys")
    make_local_keys(tmp_path / "a" / "keys")
    assert load_key_folder(tmp_path / "a" / "keys").records == first.records


def test_a_folder_appears_whole_and_leaves_no_draft(tmp_path):
    make_local_keys(tmp_path / "keys")
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    files = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "keys").iterdir()}
    assert sorted(files) == ["ec.pem", "keys.json", "rsa.pem", "sig.pem", "tdf.pem"]
    assert {mode for name, mode in files.items() if name.endswith(".pem")} == {0}


@pytest.mark.parametrize("name", ["file/keys", "file/more/keys", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, name):
    """In the line that stops the start; no traceback."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match=f"KAS_KEYS_DIR: {tmp_path / name} cannot be made"):
        make_local_keys(tmp_path / name)


def test_local_keys_serve_both_dialects(tmp_path):
    make_local_keys(tmp_path / "keys")
    records = load_key_folder(tmp_path / "keys").records
    both = {"acp240", "opentdf"}
    assert [(record.algorithm, record.status, record.dialects, record.is_legacy) for record in records] == [
        ("RSA-2048", "active", {"acp240"}, False),
        ("RSA-2048", "active", {"opentdf"}, True),
        ("P-256", "active", both, False),
    ]


def test_two_starts_at_once_end_with_one_set_of_keys(tmp_path):
    threads = [threading.Thread(target=make_local_keys, args=(tmp_path / "keys",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert len(load_key_folder(tmp_path / "keys").records) == 3


def test_local_keys_are_made_anew_when_they_are_gone(tmp_path):
    make_local_keys(tmp_path / "keys")
    first = load_key_folder(tmp_path / "keys").records
    shutil.rmtree(tmp_path / "keys")
    make_local_keys(tmp_path / "keys")
    assert load_key_folder(tmp_path / "keys").records != first


def test_one_key_under_two_kids_stops_the_start(folder):
    """Else a key of one dialect could be used in the other."""
    with pytest.raises(ConfigError, match="one key is listed under two kids"):
        load(folder, unwrap=[UNWRAP, TDF | {"file": "rsa.pem"}])


def test_a_folder_without_unwrap_keys_stops_the_start(folder):
    with pytest.raises(ConfigError, match="unwrapKeys: must not be empty"):
        load(folder, unwrap=[])


@pytest.mark.parametrize("name", ["", "keys.json"])
def test_a_folder_or_index_that_others_can_write_stops_the_start(folder, name):
    load(folder)
    (folder / name).chmod(0o777)
    with pytest.raises(ConfigError, match="others can write it"):
        load_key_folder(folder)
