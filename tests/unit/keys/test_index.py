"""The form of the key index: one that is good, and one thing wrong in it."""

from __future__ import annotations

import json
import os

import pytest

from kas.errors import ConfigError
from kas.keys.index import Source, read_index
from kas.keys.registry import KeyRecord

RING = "projects/kas-test/locations/us-central1/keyRings/kas"
VERSION = f"{RING}/cryptoKeys/unwrap/cryptoKeyVersions/1"
SEAL = f"{RING}/cryptoKeys/seal"
SECRET = "sm://projects/kas-test/secrets/s/versions/1"

KMS = {"kid": "rsa-1", "algorithm": "RSA-2048", "status": "active", "dialects": ["acp240"], "kms": VERSION}
TDF = KMS | {
    "kid": "tdf-1",
    "status": "decrypt-only",
    "dialects": ["opentdf"],
    "legacy": True,
    "kms": VERSION.replace("unwrap", "tdf"),
}
ENTRY = {name: value for name, value in KMS.items() if name != "kms"}
SEALED = ENTRY | {
    "kid": "ec-1",
    "algorithm": "P-256",
    "dialects": ["acp240", "opentdf"],
    "sealed": SECRET,
    "sealedBy": SEAL,
}
FILE = ENTRY | {"kid": "file-1", "file": "rsa.pem"}
CURRENT = {"kid": "sig-2", "status": "current", "secret": SECRET}
PREVIOUS = {"kid": "sig-1", "status": "previous", "file": "sig.pem"}


def document(unwrap=(KMS, TDF, SEALED, FILE), signing=(PREVIOUS, CURRENT), **others):
    return json.dumps({"unwrapKeys": list(unwrap), "signingKeys": list(signing)} | others)


def read(tmp_path, text=None, *, takes_files=True, **parts):
    return read_index(document(**parts) if text is None else text, tmp_path, takes_files=takes_files)


def refused(tmp_path, reason, **parts):
    with pytest.raises(ConfigError, match=reason):
        read(tmp_path, **parts)


def test_a_good_index_says_of_each_key_what_it_is_and_where_it_lies(tmp_path):
    """Unwrap keys in their order, the current signing key first."""
    index = read(tmp_path)
    assert [entry.record for entry in index.unwrap] == [
        KeyRecord("rsa-1", "RSA-2048", "active", frozenset({"acp240"}), kms_version=VERSION),
        KeyRecord("tdf-1", "RSA-2048", "decrypt-only", frozenset({"opentdf"}), is_legacy=True, kms_version=TDF["kms"]),
        KeyRecord("ec-1", "P-256", "active", frozenset({"acp240", "opentdf"})),
        KeyRecord("file-1", "RSA-2048", "active", frozenset({"acp240"})),
    ]
    assert [entry.record.is_remote for entry in index.unwrap] == [True, True, False, False]
    assert [entry.source for entry in index.unwrap] == [
        None,
        None,
        Source("KAS_KEYS.unwrapKeys[2].sealed", reference=SECRET, sealed_by=SEAL),
        Source("KAS_KEYS.unwrapKeys[3].file", file="rsa.pem"),
    ]
    assert [(entry.kid, entry.is_current, entry.source) for entry in index.signing] == [
        ("sig-2", True, Source("KAS_KEYS.signingKeys[1].secret", reference=SECRET)),
        ("sig-1", False, Source("KAS_KEYS.signingKeys[0].file", file="sig.pem")),
    ]


def test_the_setting_wins_over_the_folder_and_without_it_the_folder_is_read(tmp_path):
    """And an error names the one that was read."""
    (tmp_path / "keys.json").write_text(document(unwrap=[FILE]))
    assert [entry.place for entry in read(tmp_path, "").unwrap] == ["keys.json.unwrapKeys[0]"]
    assert len(read(tmp_path).unwrap) == 4
    refused(tmp_path, r"^KAS_KEYS\.unwrapKeys\[0\]: kid is missing", unwrap=[{}])


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
        ({"algorithm": "P-256"}, "algorithm: Cloud KMS unwraps with RSA keys alone; an EC key is sealed"),
        ({"kid": ""}, "kid: must be non-empty text"),
        ({"kid": 7}, "kid: must be non-empty text"),
        ({"kid": "k" * 257}, "kid: is too long"),
        *(({"kid": kid}, "kid: must be printable") for kid in ("a\nb", "a\0b", "a\x7f", "\u2028k", " k", "k ", " ")),
        ({"statsu": "active"}, "unknown member 'statsu'"),
        ({"sealedBy": SEAL}, "unknown member 'sealedBy'"),
        ({"secret": SECRET}, "unknown member 'secret'"),
        ({"file": "rsa.pem"}, "must have exactly one of file, kms, sealed"),
        ({"sealed": SECRET}, "must have exactly one of file, kms, sealed"),
        ({"kms": ""}, "kms: must be non-empty text"),
        ({"kms": 1}, "kms: must be non-empty text"),
    ],
)
def test_a_wrong_member_of_an_unwrap_key_stops_the_start_and_is_named(tmp_path, change, reason):
    refused(tmp_path, reason, unwrap=[KMS | change])


@pytest.mark.parametrize("member", ["kid", "algorithm", "status", "dialects"])
def test_a_missing_member_of_an_unwrap_key_stops_the_start(tmp_path, member):
    refused(tmp_path, f"{member} is missing", unwrap=[{name: KMS[name] for name in KMS if name != member}])


def test_a_key_that_lies_nowhere_stops_the_start(tmp_path):
    """Nothing is looked for elsewhere."""
    refused(tmp_path, r"unwrapKeys\[0\]: must have exactly one of file, kms, sealed", unwrap=[ENTRY])
    bare = {"kid": "sig-2", "status": "current"}
    refused(tmp_path, r"signingKeys\[0\]: must have exactly one of file, secret", signing=[bare])


def test_an_ec_key_serves_a_dialect(tmp_path):
    refused(tmp_path, "an EC key one or both", unwrap=[SEALED | {"dialects": []}])


@pytest.mark.parametrize(
    "name",
    [
        VERSION + "\n",
        " " + VERSION,
        "//cloudkms.googleapis.com/" + VERSION,
        VERSION.rpartition("/cryptoKeyVersions")[0],
        VERSION.replace("Versions/1", "Versions/latest"),
        VERSION.replace("Versions/1", "Versions/01"),
        VERSION.replace("Versions/1", "Versions/1:asymmetricDecrypt"),
        VERSION.replace("us-central1", "global"),
        VERSION.replace("us-central1", "us-central1/../europe-west1"),
        VERSION.replace("kas-test", "k"),
        VERSION.replace("unwrap", "un wrap"),
    ],
)
def test_the_name_of_a_version_is_matched_whole(tmp_path, name):
    """By a full match, so that nothing stands before or behind it."""
    refused(tmp_path, r"unwrapKeys\[0\]\.kms: must be the full name of a key version", unwrap=[KMS | {"kms": name}])
    sealed_by = name.replace("/cryptoKeyVersions/1", "")
    if sealed_by != SEAL.replace("seal", "unwrap"):
        refused(tmp_path, "sealedBy: must be the full name of a key", unwrap=[SEALED | {"sealedBy": sealed_by}])


@pytest.mark.parametrize("region", ["us-central1", "europe-west1", "europe-west2"])
def test_a_version_and_a_sealing_key_may_be_in_each_region(tmp_path, region):
    moved = [
        KMS | {"kms": VERSION.replace("us-central1", region)},
        SEALED | {"sealedBy": SEAL.replace("us-central1", region)},
    ]
    index = read(tmp_path, unwrap=moved)
    assert region in index.unwrap[0].record.kms_version
    assert region in index.unwrap[1].source.sealed_by


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sealedBy": VERSION}, "sealedBy: must be the full name of a key in"),
        ({"sealedBy": f"{SEAL}/"}, "sealedBy: must be the full name of a key in"),
        ({"sealedBy": ""}, "sealedBy: must be non-empty text"),
        ({"sealed": 1}, "sealed: must be non-empty text"),
        ({"kms": VERSION}, "must have exactly one of"),
    ],
)
def test_a_wrong_member_of_a_sealed_key_stops_the_start(tmp_path, change, reason):
    refused(tmp_path, reason, unwrap=[SEALED | change])


def test_a_sealed_key_says_what_sealed_it(tmp_path):
    refused(tmp_path, "sealedBy is missing", unwrap=[{name: SEALED[name] for name in SEALED if name != "sealedBy"}])


@pytest.mark.parametrize("name", ["../rsa.pem", "/etc/passwd", "a/b.pem", "."])
def test_a_file_is_one_of_the_folder(tmp_path, name):
    refused(tmp_path, "file: must be a file of the same folder", unwrap=[FILE | {"file": name}])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "active"}, "status: must be one of"),
        ({"more": 1}, "unknown member"),
        ({"file": "sig.pem"}, "must have exactly one of file, secret"),
        ({"kms": VERSION}, "unknown member 'kms'"),
        ({"sealed": SECRET}, "unknown member 'sealed'"),
        ({"secret": ""}, "secret: must be non-empty text"),
    ],
)
def test_a_wrong_member_of_a_signing_key_stops_the_start(tmp_path, change, reason):
    refused(tmp_path, reason, signing=[CURRENT | change])


@pytest.mark.parametrize("signing", [[], [PREVIOUS], [CURRENT, CURRENT | {"kid": "sig-3"}]])
def test_exactly_one_signing_key_is_current(tmp_path, signing):
    refused(tmp_path, "exactly one signing key", signing=signing)


@pytest.mark.parametrize(
    ("unwrap", "signing"),
    [
        ([KMS, KMS], [CURRENT]),
        ([KMS, SEALED | {"kid": "rsa-1"}], [CURRENT]),
        ([KMS], [CURRENT, PREVIOUS | {"kid": "sig-2"}]),
        ([KMS], [CURRENT | {"kid": "rsa-1"}]),
    ],
)
def test_a_kid_is_used_once_and_a_signing_key_never_unwraps(tmp_path, unwrap, signing):
    refused(tmp_path, "used twice", unwrap=unwrap, signing=signing)


@pytest.mark.parametrize("status", ["active", "disabled"])
def test_a_version_in_cloud_kms_has_one_kid(tmp_path, status):
    """Else a key of one dialect could be used in the other."""
    twin = KMS | {"kid": "rsa-2", "dialects": ["opentdf"], "status": status}
    refused(tmp_path, "one version in Cloud KMS is listed under two kids", unwrap=[KMS, twin])


def test_an_index_without_unwrap_keys_stops_the_start(tmp_path):
    refused(tmp_path, "unwrapKeys: must not be empty", unwrap=[])


def test_an_index_whose_unwrap_keys_are_all_disabled_stops_the_start(tmp_path):
    """One that only opens what is old is good."""
    disabled = [KMS | {"status": "disabled"}, TDF | {"status": "disabled"}]
    refused(tmp_path, "unwrapKeys: must not be empty, nor disabled", unwrap=disabled)
    assert len(read(tmp_path, unwrap=[disabled[0], TDF]).unwrap) == 2


def test_more_legacy_keys_than_are_tried_stop_the_start(tmp_path):
    """A third would be published, or kept, and never open what names no key."""
    others = [FILE | {"kid": f"tdf-{number}", "dialects": ["opentdf"], "legacy": True} for number in (2, 3)]
    refused(tmp_path, "at most 2 legacy keys of one dialect", unwrap=[TDF, *others])
    for change in ({"status": "disabled"}, {"legacy": False}, {"dialects": ["acp240"]}):
        assert len(read(tmp_path, unwrap=[TDF, others[0], others[1] | change]).unwrap) == 3


def test_a_second_legacy_key_in_cloud_kms_stops_the_start(tmp_path):
    """Each try of one is a call, and whoever sends what opens under none would have two."""
    second = TDF | {"kid": "tdf-2", "status": "active", "kms": TDF["kms"][:-1] + "2"}
    refused(tmp_path, "at most 1 legacy key of one dialect in Cloud KMS", unwrap=[TDF, second])
    for change in ({"status": "disabled"}, {"legacy": False}, {"dialects": ["acp240"]}):
        assert len(read(tmp_path, unwrap=[TDF, second | change]).unwrap) == 2


def test_a_legacy_key_in_cloud_kms_has_a_sealed_one_beside_it(tmp_path):
    """That one is opened at the start, so that a try of it is no call."""
    sealed = SEALED | {"algorithm": "RSA-2048", "dialects": ["opentdf"], "legacy": True}
    assert len(read(tmp_path, unwrap=[TDF, sealed]).unwrap) == 2


def test_an_index_with_more_than_keys_stops_the_start(tmp_path):
    refused(tmp_path, "unknown member 'extra'", extra=1)


@pytest.mark.parametrize("text", ["[]", "{", '{"unwrapKeys": [], "unwrapKeys": []}', "\udce9", "keys.json"])
def test_a_text_that_cannot_be_read_stops_the_start(tmp_path, text):
    """The setting is named, and not repeated."""
    with pytest.raises(ConfigError, match=r"^KAS_KEYS") as refusal:
        read(tmp_path, text)
    assert "keys.json" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"unwrapKeys": [], "unwrapKeys": []}'])
def test_a_file_that_cannot_be_read_stops_the_start(tmp_path, text):
    if text is not None:
        (tmp_path / "keys.json").write_text(text)
    refused(tmp_path, r"keys\.json", text="")


def test_a_pipe_stops_the_start_and_is_not_waited_for(tmp_path):
    """Nobody writes to it."""
    os.mkfifo(tmp_path / "keys.json", 0o600)
    refused(tmp_path, r"^keys\.json: is no file", text="")


@pytest.mark.parametrize("name", ["", "keys.json"])
def test_a_folder_or_index_that_others_can_write_stops_the_start(tmp_path, name):
    (tmp_path / "keys.json").write_text(document())
    (tmp_path / name).chmod(0o777)
    refused(tmp_path, "others can write it", text="")


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({"unwrap": [KMS, FILE]}, r"unwrapKeys\[1\]\.file"),
        ({"unwrap": [KMS | {"file": "rsa.pem"}]}, r"unwrapKeys\[0\]\.file"),
        ({"unwrap": [FILE | {"status": "disabled"}]}, r"unwrapKeys\[0\]\.file"),
        ({"unwrap": [KMS], "signing": [CURRENT, PREVIOUS]}, r"signingKeys\[1\]\.file"),
        ({"unwrap": [KMS], "signing": [PREVIOUS | {"status": "current"}]}, r"signingKeys\[0\]\.file"),
    ],
)
def test_fault_14_a_private_key_in_a_file_is_refused_on_cloud_run(tmp_path, parts, place):
    """Unwrap and signing keys alike, whatever else is there."""
    refused(tmp_path, f"{place}: private keys in files are refused on Cloud Run", takes_files=False, **parts)


def test_keys_in_cloud_kms_sealed_and_in_secrets_are_not_refused_on_cloud_run(tmp_path):
    index = read(tmp_path, takes_files=False, unwrap=[KMS, TDF, SEALED], signing=[CURRENT])
    assert len(index.unwrap) == 3
