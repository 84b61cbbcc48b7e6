"""The command for sealed keys on the stand-in: what it makes the service opens, and it shows no key.

What people see is tested by processes; faults on the way by the same functions in this one, over the official clients.
"""

from __future__ import annotations

import base64
import io
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.api_core.exceptions import InvalidArgument
from google.cloud.kms_v1 import ProtectionLevel

from kas.admin import key_life, sealing
from kas.admin.calls import Clients, CommandFailed, call
from kas.admin.sealed_key import SealedKey, read_note
from kas.admin.sealed_keys import ask_to_destroy, main
from kas.errors import ConfigError
from kas.google.kms_http import HttpKmsTransport
from kas.google.rest import RestClient
from kas.google.secrets import SecretReader
from kas.keys.index import read_index
from kas.keys.private_keys import fetch_keys
from kas.keys.registry import WrappedMaterial
from kas.keys.sealed import unseal
from kas.keys.software import SoftwareKeyService
from kas.references import References
from local.client.encoding import from_b64
from local.google.material import decrypt
from local.google.remote import google
from local.ports import free_port
from local.processes import ROOT, environment_without_settings
from tests.canaries import CANARIES, private_forms
from tests.google.project import ADMIN, AES, HASHES, KAS, PROJECT, SECRET, UNWRAP, fresh, key_name, setup_of
from tests.google.transports import clients_over
from tests.key_folders import new_key
from tests.kms.key_services import OneToken
from tests.wrappers import seal as seal_material

SEAL = key_name("seal")
SIGNING = f"{PROJECT}/secrets/result-signing"
OWNER, ACCESSOR = "roles/owner", "roles/secretmanager.secretAccessor"
PLAIN = bytes(range(32))
BOTH = ("acp240", "opentdf")
PEM = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
ENCRYPT, DECRYPT, ADD, CREATE = "Encrypt", "Decrypt", "AddSecretVersion", "CreateSecret"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """A stand-in whose metadata server knows the administrator; with a signing key, since an index has one."""
    folder = tmp_path_factory.mktemp("admin")
    setup = setup_of()
    setup["metadata"] = {"member": ADMIN.member}
    setup["secrets"].append({"name": SIGNING, "versions": [{"text": new_key("P-256").private_bytes(*PEM).decode()}]})
    setup["bindings"].append({"resource": SIGNING, "role": ACCESSOR, "members": [KAS.member]})
    path = folder / "setup.json"
    path.write_text(json.dumps(setup), "utf-8")
    with (folder / "log").open("wb") as log, google(path, log) as running:
        yield running


@pytest.fixture
def control(cloud):
    """The stand-in's control; whatever a test changes is as before when it has ended."""
    cloud.control.reset()
    yield cloud.control
    cloud.control.reset()
    cloud.control.give(PROJECT, OWNER, ADMIN.member)


@pytest.fixture(scope="module")
def google_clients(cloud):
    with clients_over("rest", cloud, ADMIN.token) as clients:
        yield clients


@pytest.fixture
def admin(google_clients, control):
    """The administrator's clients."""
    return Clients(google_clients.kms, google_clients.secrets)


class Command:
    """The command as a process, whose home and folder of temporary files stay empty."""

    def __init__(self, cloud, folder):
        self.cloud = cloud
        self.home = folder / "home"
        self.home.mkdir()
        self.outputs = folder / "log"  # searched when the run has ended

    def environment(self):
        own = {
            name: value for name, value in environment_without_settings().items() if not name.startswith("CLOUDSDK_")
        }
        own.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
        return own | self.cloud.metadata_environment() | {"HOME": str(self.home), "TMPDIR": str(self.home)}

    def __call__(self, *arguments, typed="", base=None, **env):
        endpoints = [f"--{product}-endpoint={base or self.cloud.base}" for product in ("kms", "secrets")]
        ended = subprocess.run(
            [sys.executable, "-m", "kas.admin.sealed_keys", *arguments, *endpoints],
            cwd=ROOT,
            env=self.environment() | env,
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
        )
        with self.outputs.open("a", encoding="utf-8") as file:
            file.write(ended.stdout + ended.stderr)
        assert list(self.home.rglob("*")) == []
        return ended


@pytest.fixture
def command(cloud, control, tmp_path):
    return Command(cloud, tmp_path)


def fresh_secret():
    return f"{PROJECT}/secrets/{fresh('sealed')}"


def fresh_key(algorithm="P-256", dialects=BOTH):
    return SealedKey(fresh("kid"), algorithm, dialects, SEAL)


def arguments_of(key, secret):
    dialects = ",".join(key.dialects)
    named = {"kid": key.kid, "algorithm": key.algorithm, "dialects": dialects, "sealed-by": SEAL, "secret": secret}
    return ["make", *(f"--{name}={value}" for name, value in named.items())]


def kept(admin, entry):
    """The private key behind an entry, opened without the service and without the command."""
    name = entry["sealed"].removeprefix("sm://")
    stored = admin.secrets.access_secret_version(name=name).payload.data
    return serialization.load_der_private_key(decrypt(AES, stored, entry["kid"].encode()), None)


def served(cloud, *entries):
    """What the service has of such an index, with its own account, as it starts."""
    for secret in {entry["sealed"].removeprefix("sm://").partition("/versions/")[0] for entry in entries}:
        cloud.control.give(secret, ACCESSOR, KAS.member)
    signing = {"kid": "signing", "status": "current", "secret": f"sm://{SIGNING}/versions/1"}
    index = read_index(json.dumps({"unwrapKeys": entries, "signingKeys": [signing]}), Path(), takes_files=False)
    rest = RestClient(cloud.base, OneToken(KAS.token), time.monotonic)
    waits = {"sleep": time.sleep, "random": random.random}
    reader = SecretReader(rest.call, **waits)
    references = References(
        read_secrets=lambda _, versions: reader.read(versions), endpoint="", takes_latest=False, on_cloud_run=True
    )
    kms = HttpKmsTransport(rest)
    try:
        return fetch_keys(
            index, Path(), references.values, lambda sealed: unseal(sealed, kms, timer=time.monotonic, **waits)
        )
    finally:
        rest.close()


def unwrapped(keys, number=0):
    """What a client wrapped to the public half of a key, as the service unwraps it."""
    service, record = SoftwareKeyService(keys.unwrap_keys), keys.records[number]
    public = service.public_key(record)
    if isinstance(public, rsa.RSAPublicKey):
        digest = HASHES[record.hash.replace("-", "")]
        wrapped = WrappedMaterial(public.encrypt(PLAIN, padding.OAEP(padding.MGF1(digest), digest, None)))
    else:
        ephemeral = new_key(record.algorithm)
        sealed = seal_material(public, PLAIN, ephemeral)
        wrapped = WrappedMaterial(from_b64(sealed["wrappedKey"]), ephemeral.public_key())
    return service.unwrap(record, wrapped, lambda: None).reveal()


def found(admin, name):
    """Numbers and states of the versions of a secret; None where there is no secret."""
    if name not in {
        f"{PROJECT}/secrets/{s.name.rpartition('/')[2]}" for s in admin.secrets.list_secrets(parent=PROJECT)
    }:
        return None
    listed = admin.secrets.list_secret_versions(parent=name)
    return {int(version.name.rpartition("/")[2]): version.state.name for version in listed}


def noted(admin, secret, number, text):
    """Notes something else of a version, as whoever may change the secret can."""
    read = admin.secrets.get_secret(name=secret)
    annotations = dict(read.annotations) | {f"kas-key-{number}": text}
    change = {"secret": {"name": secret, "annotations": annotations}, "update_mask": {"paths": ["annotations"]}}
    admin.secrets.update_secret(change)


def failed(ended):
    """The one line on standard error of a command that did nothing."""
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("sealed_keys: ")
    return ended.stderr


# ---- make


def test_what_a_process_makes_the_service_opens_and_no_output_shows_it(command, cloud, admin, tmp_path):
    key, secret = fresh_key(), fresh_secret()
    ended = command(*arguments_of(key, secret))
    assert (ended.returncode, ended.stderr) == (0, "")
    entry = json.loads(ended.stdout)
    assert entry == {
        "kid": key.kid,
        "algorithm": "P-256",
        "status": "active",
        "dialects": list(BOTH),
        "sealed": f"sm://{secret}/versions/1",
        "sealedBy": SEAL,
    }
    assert unwrapped(served(cloud, entry)) == PLAIN
    private = tmp_path / "private.pem"
    private.write_bytes(kept(admin, entry).private_bytes(*PEM))
    assert [form for form in private_forms(private).values() if form in ended.stdout] == []
    CANARIES.watch(tmp_path)
    assert admin.secrets.get_secret_version(name=f"{secret}/versions/1").client_specified_payload_checksum
    counts = {method: command.cloud.control.count(method) for method in (ENCRYPT, CREATE, ADD)}
    assert counts == {ENCRYPT: 1, CREATE: 1, ADD: 1}


@pytest.mark.parametrize(
    ("algorithm", "dialects"),
    [
        ("P-384", ("opentdf",)),
        ("P-521", BOTH),
        ("RSA-2048", ("acp240",)),
        ("RSA-4096", ("opentdf",)),
    ],
)
def test_a_key_of_each_algorithm_unwraps_in_the_service(admin, cloud, algorithm, dialects):
    keys = served(cloud, key_life.make(admin, fresh_key(algorithm, dialects), fresh_secret()))
    assert unwrapped(keys) == PLAIN


def test_each_key_is_another(admin):
    secret = fresh_secret()
    entries = [key_life.make(admin, fresh_key(), secret) for _ in range(2)]
    first, second = (kept(admin, entry).private_numbers() for entry in entries)
    assert first != second
    assert [entry["sealed"] for entry in entries] == [f"sm://{secret}/versions/{number}" for number in (1, 2)]


def test_a_sealed_key_opens_for_its_own_kid_alone(admin, cloud):
    entry = key_life.make(admin, fresh_key(), fresh_secret())
    with pytest.raises(ConfigError, match="INVALID_ARGUMENT"):
        served(cloud, entry | {"kid": "another"})


def test_a_kid_may_be_any_text(admin, cloud):
    key = SealedKey('Clé "1", 2026', "P-256", BOTH, SEAL)
    assert unwrapped(served(cloud, key_life.make(admin, key, fresh_secret()))) == PLAIN


def test_a_new_secret_is_where_it_is_told_to_be_and_stays_there(admin):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret, ["europe-west1", "europe-west2"])
    replicas = admin.secrets.get_secret(name=secret).replication.user_managed.replicas
    assert [replica.location for replica in replicas] == ["europe-west1", "europe-west2"]
    with pytest.raises(CommandFailed, match="is there already"):
        key_life.make(admin, fresh_key(), secret, ["us-central1"])
    assert found(admin, secret) == {1: "ENABLED"}


def test_a_new_secret_is_everywhere_unless_told(admin):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret)
    assert "automatic" in admin.secrets.get_secret(name=secret).replication


def test_a_secret_that_was_made_before_takes_a_key_and_keeps_its_labels(admin, cloud):
    """Roles on it can be given before there is a key."""
    secret_id = fresh("sealed")
    config = {"replication": {"automatic": {}}, "labels": {"team": "kas"}, "annotations": {"note": "ours"}}
    admin.secrets.create_secret(parent=PROJECT, secret_id=secret_id, secret=config)
    entry = key_life.make(admin, fresh_key(), f"{PROJECT}/secrets/{secret_id}")
    assert unwrapped(served(cloud, entry)) == PLAIN
    after = admin.secrets.get_secret(name=f"{PROJECT}/secrets/{secret_id}")
    assert dict(after.labels) == {"team": "kas", "kas-sealed": "true"}
    assert after.annotations["note"] == "ours"


def test_a_secret_that_holds_something_else_is_left_alone(admin):
    for act in (
        lambda: key_life.make(admin, fresh_key(), SECRET),
        lambda: key_life.rotate(admin, fresh("kid"), f"{SECRET}/versions/2"),
        lambda: key_life.retire(admin, f"{SECRET}/versions/2", None),
        lambda: key_life.retire(admin, f"{SECRET}/versions/2", lambda held: None),
    ):
        with pytest.raises(CommandFailed, match="something else"):
            act()
    assert found(admin, SECRET) == {1: "DISABLED", 2: "ENABLED"}


def test_a_secret_has_a_kid_once(admin, control):
    """Else one version could be put in the place of another."""
    key, secret = fresh_key(), fresh_secret()
    key_life.make(admin, key, secret)
    with pytest.raises(CommandFailed, match="versions/1: has a key of this kid already"):
        key_life.make(admin, key, secret)
    assert (found(admin, secret), control.count(ENCRYPT)) == ({1: "ENABLED"}, 1)


@pytest.mark.parametrize(
    ("method", "field", "reason"),
    [
        (ENCRYPT, "request.plaintext", "INVALID_ARGUMENT.*crc32c"),
        (ENCRYPT, "request.additional_authenticated_data", "INVALID_ARGUMENT.*crc32c"),
        (ENCRYPT, "response.verified_plaintext_crc32c", "did not verify"),
        (ENCRYPT, "response.verified_additional_authenticated_data_crc32c", "did not verify"),
        (ENCRYPT, "response.ciphertext", "ciphertext and its checksum differ"),
        (ENCRYPT, "response.ciphertext_crc32c", "ciphertext and its checksum differ"),
        (DECRYPT, "request.ciphertext", "INVALID_ARGUMENT.*crc32c"),
        (DECRYPT, "request.additional_authenticated_data", "INVALID_ARGUMENT.*crc32c"),
        (DECRYPT, "response.plaintext", "private key and its checksum differ"),
        (DECRYPT, "response.plaintext_crc32c", "private key and its checksum differ"),
    ],
)
def test_fault_14_what_was_changed_on_the_way_is_stored_nowhere(admin, control, method, field, reason):
    control.corrupt(field, method=method)
    secret = fresh_secret()
    with pytest.raises(CommandFailed, match=reason):
        key_life.make(admin, fresh_key(), secret)
    assert (found(admin, secret), control.count(method), control.count(CREATE)) == (None, 1, 0)


class Changed:
    """A client one of whose answers is another."""

    def __init__(self, client, method, change):
        self._client, self._method, self._change = client, method, change

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name != self._method:
            return method

        def changed(**arguments):
            answer = method(**arguments)
            self._change(answer)
            return answer

        return changed


@pytest.mark.filterwarnings("ignore:Unrecognized ProtectionLevel")  # the library's word on 77
@pytest.mark.parametrize("method", ["encrypt", "decrypt"])
@pytest.mark.parametrize("level", [ProtectionLevel.EXTERNAL, ProtectionLevel.PROTECTION_LEVEL_UNSPECIFIED, 77])
def test_a_key_that_the_service_would_not_open_with_seals_nothing(admin, method, level):
    kms = Changed(admin.kms, method, lambda answer: setattr(answer, "protection_level", level))
    secret = fresh_secret()
    with pytest.raises(CommandFailed, match="neither at HSM level nor"):
        key_life.make(Clients(kms, admin.secrets), fresh_key(), secret)
    assert found(admin, secret) is None


@pytest.mark.parametrize("name", ["", UNWRAP, f"{SEAL}2/cryptoKeyVersions/1", SEAL])
def test_another_key_than_the_one_that_was_asked_seals_nothing(admin, name):
    kms = Changed(admin.kms, "encrypt", lambda answer: setattr(answer, "name", name))
    with pytest.raises(CommandFailed, match="another key answered"):
        key_life.make(Clients(kms, admin.secrets), fresh_key(), fresh_secret())


@pytest.mark.parametrize(("method", "field"), [("encrypt", "ciphertext"), ("decrypt", "plaintext")])
@pytest.mark.parametrize("value", [None, b""])
def test_an_answer_without_its_checksum_or_its_data_counts_for_nothing(admin, method, field, value):
    def change(answer):
        setattr(answer, f"{field}_crc32c", value if value is None else 0)
        if value is not None:
            setattr(answer, field, value)

    with pytest.raises(CommandFailed, match="checksum differ"):
        key_life.make(Clients(Changed(admin.kms, method, change), admin.secrets), fresh_key(), fresh_secret())


def test_what_is_damaged_on_its_way_into_the_secret_is_not_added_and_the_next_attempt_is_good(admin, control, cloud):
    """The secret is there, noted for a version that did not come."""
    control.corrupt("request.payload.data", method=ADD)
    key, secret = fresh_key(), fresh_secret()
    with pytest.raises(CommandFailed, match="INVALID_ARGUMENT"):
        key_life.make(admin, key, secret)
    assert found(admin, secret) == {}
    assert unwrapped(served(cloud, key_life.make(admin, key, secret))) == PLAIN


def test_a_version_whose_checksum_was_not_verified_is_no_key(admin, control):
    control.corrupt("response.client_specified_payload_checksum", method=ADD)
    with pytest.raises(CommandFailed, match="versions/1: Secret Manager did not verify the checksum: destroy it"):
        key_life.make(admin, fresh_key(), fresh_secret())


class Before:
    """Secret Manager, where somebody else does something just before a call."""

    def __init__(self, client, method, act):
        self._client, self._method, self._act = client, method, act

    def __getattr__(self, name):
        if name == self._method:
            self._act()
        return getattr(self._client, name)


def test_of_two_administrators_at_the_same_time_one_is_refused(admin):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret)
    other, own = fresh_key(), fresh_key()
    secrets = Before(admin.secrets, "update_secret", lambda: key_life.make(admin, other, secret))
    with pytest.raises(CommandFailed, match=r"FAILED_PRECONDITION.*etag"):
        key_life.make(Clients(admin.kms, secrets), own, secret)
    assert found(admin, secret) == {1: "ENABLED", 2: "ENABLED"}
    listed = [
        shown["kid"] for shown in key_life.list_all(admin, PROJECT, is_checked=False) if shown["secret"] == secret
    ]
    assert listed[0] == other.kid


def test_a_version_that_became_another_than_the_noted_one_is_no_key(admin):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret)
    own = {"parent": secret, "payload": {"data": b"somebody else's"}}
    secrets = Before(admin.secrets, "add_secret_version", lambda: admin.secrets.add_secret_version(request=own))
    with pytest.raises(CommandFailed, match="versions/2: became version 3"):
        key_life.make(Clients(admin.kms, secrets), fresh_key(), secret)


def test_a_secret_without_etag_is_not_noted_on(admin, control):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret)
    secrets = Changed(admin.secrets, "get_secret", lambda answer: setattr(answer, "etag", ""))
    with pytest.raises(CommandFailed, match="etag"):
        key_life.make(Clients(admin.kms, secrets), fresh_key(), secret)
    assert found(admin, secret) == {1: "ENABLED"}


def only(control, *bindings):
    """The administrator has these roles and no other."""
    control.take(PROJECT, OWNER, ADMIN.member)
    for resource, role in bindings:
        control.give(resource, role, ADMIN.member)


def test_who_may_not_decrypt_makes_a_key_unproved_and_only_when_he_says_so(admin, control, cloud):
    roles = [(SEAL, "roles/cloudkms.cryptoKeyEncrypter"), (PROJECT, "roles/secretmanager.admin")]
    key, secret = fresh_key(), fresh_secret()
    only(control, *roles)
    try:
        with pytest.raises(CommandFailed, match="Decrypt: PERMISSION_DENIED"):
            key_life.make(admin, key, secret)
        assert found(admin, secret) is None
        entry = key_life.make(admin, key, secret, opens=False)
    finally:
        for role in roles:
            control.take(*role, ADMIN.member)
    assert unwrapped(served(cloud, entry)) == PLAIN


# ---- rotate


def test_rotation_gives_a_successor_and_what_was_wrapped_before_still_opens(command, cloud, admin):
    key, secret = SealedKey(fresh("kid"), "RSA-2048", ("opentdf",), SEAL), fresh_secret()
    old = key_life.make(admin, key, secret)
    ended = command("rotate", "--kid=next", f"--from={old['sealed']}")
    assert (ended.returncode, ended.stderr) == (0, "")
    entries = json.loads(ended.stdout)
    assert entries == [
        old | {"kid": "next", "sealed": f"sm://{secret}/versions/2"},
        old | {"status": "decrypt-only"},
    ]
    keys = served(cloud, *entries)
    assert [unwrapped(keys, number) for number in range(2)] == [PLAIN, PLAIN]
    assert keys.unwrap_keys["next"].private_numbers() != keys.unwrap_keys[key.kid].private_numbers()
    assert keys.unwrap_keys[key.kid].private_numbers() == kept(admin, old).private_numbers()


def test_of_a_secret_the_newest_key_is_followed(admin):
    secret = fresh_secret()
    first, second = (key_life.make(admin, fresh_key(), secret) for _ in range(2))
    new, old = key_life.rotate(admin, fresh("kid"), secret)
    assert (old["kid"], new["sealed"]) == (second["kid"], f"sm://{secret}/versions/3")
    assert key_life.rotate(admin, fresh("kid"), f"{secret}/versions/1")[1]["kid"] == first["kid"]


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("kid", "another", "Decrypt: INVALID_ARGUMENT"),
        ("sealedBy", key_name("none"), "Decrypt: NOT_FOUND"),
        ("algorithm", "P-384", "no P-384 key that the service would take"),
        ("algorithm", "P-1", "not noted"),
        ("sealedBy", "projects/elsewhere/keys/k", "not noted"),
    ],
)
def test_what_is_noted_is_believed_only_as_far_as_the_old_key_proves_it(admin, control, member, value, reason):
    """Whoever may change a secret's notes cannot choose who can open the next key."""
    key, secret = fresh_key(), fresh_secret()
    key_life.make(admin, key, secret)
    noted(admin, secret, 1, json.dumps(json.loads(key.note()) | {member: value}))
    with pytest.raises(CommandFailed, match=reason):
        key_life.rotate(admin, fresh("kid"), secret)
    assert (found(admin, secret), control.count(ENCRYPT)) == ({1: "ENABLED"}, 1)


def test_a_key_that_is_disabled_or_not_there_has_no_successor(admin):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret)
    key_life.retire(admin, f"{secret}/versions/1", None)
    with pytest.raises(CommandFailed, match=r"FAILED_PRECONDITION.*DISABLED"):
        key_life.rotate(admin, fresh("kid"), secret)
    for source in (f"{secret}/versions/2", fresh_secret()):
        with pytest.raises(CommandFailed, match="NOT_FOUND"):
            key_life.rotate(admin, fresh("kid"), source)


@pytest.mark.parametrize("field", ["payload.data", "payload.data_crc32c", "name"])
def test_what_was_changed_on_its_way_out_of_the_secret_proves_nothing(admin, control, field):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret)
    control.corrupt(f"response.{field}", method="AccessSecretVersion")
    with pytest.raises(CommandFailed, match="another version" if field == "name" else "checksum differ"):
        key_life.rotate(admin, fresh("kid"), secret)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", "x", '{"kid": "a", "kid": "b"}', '{"kid": 1, "algorithm": "P-256"}']
)
def test_a_note_that_is_no_note_is_none(text):
    assert read_note(text, f"{PROJECT}/secrets/s/versions/1") is None


# ---- list


def test_what_there_is_is_listed_and_on_demand_opened(command, admin, control):
    """A secret of something else is not listed; one bad key is an exit status of 1 and does not hide the others."""
    good, strange, empty = fresh_secret(), fresh_secret(), fresh_secret()
    key = fresh_key()
    key_life.make(admin, key, good)
    key_life.retire(admin, key_life.make(admin, fresh_key(), good)["sealed"].removeprefix("sm://"), None)
    key_life.make(admin, fresh_key(), strange)
    noted(admin, strange, 1, "not a note")
    control.fail("UNAVAILABLE", method=ADD)
    with pytest.raises(CommandFailed, match="UNAVAILABLE"):
        key_life.make(admin, fresh_key(), empty)
    listed = list(key_life.list_all(admin, PROJECT, is_checked=False))
    shown = {(one["secret"], one["version"]): one for one in listed}
    assert len(shown) == len(listed)
    assert shown[good, 1] == {"secret": good, "version": 1, "state": "ENABLED", **key.shown()}
    assert shown[good, 2]["state"] == "DISABLED"
    assert shown[strange, 1] == {"secret": strange, "version": 1, "state": "ENABLED", "kid": None, "algorithm": None}
    assert shown[empty, None] == {"secret": empty, "version": None, "state": None}
    assert SECRET not in {one["secret"] for one in listed}
    ended = command("list", f"--project={PROJECT}", "--check")
    assert (ended.returncode, ended.stderr) == (1, "")
    checked = {(one["secret"], one["version"]): one for one in map(json.loads, ended.stdout.splitlines())}
    assert checked.keys() == shown.keys()
    assert checked[good, 1]["opens"] is True
    assert "opens" not in checked[good, 2]
    assert (checked[strange, 1]["opens"], checked[strange, 1]["why"]) == (
        False,
        "its kid and its sealing key are not noted",
    )


def test_a_key_that_does_not_open_is_said_with_googles_reason(admin, control):
    secret = fresh_secret()
    key_life.make(admin, fresh_key(), secret)
    control.fail("PERMISSION_DENIED", method=DECRYPT, times=None)
    (shown,) = [one for one in key_life.list_all(admin, PROJECT, is_checked=True) if one["secret"] == secret]
    assert (shown["opens"], "PERMISSION_DENIED" in shown["why"]) == (False, True)


# ---- retire


def test_a_retired_key_opens_no_more_until_it_is_enabled_again(command, admin, cloud):
    entry = key_life.make(admin, fresh_key(), fresh_secret())
    version = entry["sealed"].removeprefix("sm://")
    ended = command("retire", f"--version={version}")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"version": version, "state": "DISABLED"})
    assert "does not start any more" in ended.stderr
    with pytest.raises(ConfigError, match="FAILED_PRECONDITION"):
        served(cloud, entry)
    admin.secrets.enable_secret_version(name=version)
    assert unwrapped(served(cloud, entry)) == PLAIN


def test_a_key_is_destroyed_when_its_number_was_typed(command, admin):
    secret = fresh_secret()
    key = fresh_key()
    key_life.make(admin, fresh_key(), secret)
    version = key_life.make(admin, key, secret)["sealed"].removeprefix("sm://")
    ended = command("retire", f"--version={version}", "--destroy", typed="2\n")
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"version": version, "state": "DESTROYED"})
    assert "unreadable for ever" in ended.stderr
    assert key.kid in ended.stderr
    assert found(admin, secret) == {1: "ENABLED", 2: "DESTROYED"}


@pytest.mark.parametrize("typed", ["", "\n", "1\n", "y\n", "yes\n", "22\n"])
def test_nothing_else_that_is_typed_destroys_it(admin, typed):
    """Nor does the end of what is typed."""
    secret, questions = fresh_secret(), io.StringIO()
    for _ in range(2):
        key_life.make(admin, fresh_key(), secret)
    with pytest.raises(CommandFailed, match="not destroyed"):
        key_life.retire(admin, f"{secret}/versions/2", lambda held: ask_to_destroy(held, io.StringIO(typed), questions))
    assert "unreadable for ever" in questions.getvalue()
    assert found(admin, secret) == {1: "ENABLED", 2: "ENABLED"}


# ---- what is told


def test_who_may_not_is_told_so_by_google_in_one_line(command, control, admin):
    only(control)
    secret = fresh_secret()
    assert "PERMISSION_DENIED: Permission 'secretmanager.secrets.get' denied" in failed(
        command(*arguments_of(fresh_key(), secret))
    )


def test_who_is_nobody_and_who_reaches_nobody_is_told_so_in_one_line(command):
    arguments = arguments_of(fresh_key(), fresh_secret())
    nobody = command(*arguments, GCE_METADATA_HOST="", GCE_METADATA_IP="127.0.0.1:9", NO_GCE_CHECK="true")
    assert "UNAUTHENTICATED: no credentials" in failed(nobody)
    assert "UNAVAILABLE: no answer" in failed(command(*arguments, base=f"http://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("drop", "UNAVAILABLE"),
        ("page", "UNAVAILABLE"),
        ("error", "RESOURCE_EXHAUSTED"),
        ("error", "FAILED_PRECONDITION"),
    ],
)
def test_each_refusal_has_googles_status(admin, control, kind, status):
    control.fail(status, kind=kind, method=ENCRYPT)
    with pytest.raises(CommandFailed, match=f"^Encrypt: {status}: "):
        key_life.make(admin, fresh_key(), fresh_secret())
    assert control.count(ENCRYPT) == 1


def test_a_refusal_that_repeats_what_was_sent_is_not_shown():
    private_key = sealing.new_private_key("P-256")
    text = base64.b64encode(private_key).decode()

    def send():
        raise InvalidArgument(f"Invalid value at 'plaintext': {text}")

    with pytest.raises(CommandFailed, match="withheld") as caught:
        call(ENCRYPT, send, private_key)
    assert text[:16] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("kid", "", "kid: must be non-empty text"),
        ("kid", "k" * 257, "kid: is too long"),
        ("algorithm", "P-255", "invalid choice"),
        ("dialects", "acp240,other", "must be one of"),
        ("dialects", "", "must be"),
        ("sealed-by", f"{SEAL}/cryptoKeyVersions/1", "sealedBy: must be the full name of a key"),
        ("sealed-by", SEAL.replace("us-central1", "global"), "sealedBy: must be the full name of a key"),
        ("secret", f"{PROJECT}/secrets/a/b", "must be projects/P/secrets/S"),
        ("secret", "kas-ec", "must be projects/P/secrets/S"),
        ("kms-endpoint", "http://kms.example", "must be an https origin"),
        ("secrets-endpoint", "https://secrets.example/path", "must be an https origin"),
    ],
)
def test_a_command_that_is_wrong_asks_nobody_and_exits_with_2(capsys, name, value, reason):
    arguments = [*arguments_of(fresh_key(), fresh_secret()), f"--{name}={value}"]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["make"],
        ["rotate", f"--from={SECRET}"],
        ["rotate", f"--from={SECRET}", "--kid="],
        ["rotate", "--kid=k", f"--from={SECRET}/versions/latest"],
        ["retire", f"--version={SECRET}"],
        ["retire", f"--version={SECRET}/versions/latest"],
        ["retire", f"--version={SECRET}/versions/1", "--destroy", "--yes"],
        ["list", "--project=kas-test"],
        ["list", f"--project={SECRET}"],
        ["make", *arguments_of(SealedKey("k", "RSA-2048", BOTH, SEAL), SECRET)[1:]],
    ],
)
def test_what_is_not_said_is_not_guessed(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, capsys.readouterr().out) == (2, "")


def test_no_argument_takes_a_private_key_and_the_service_imports_none_of_this():
    names = {path for path in (ROOT / "kas").rglob("*.py") if "kas.admin" in path.read_text("utf-8")}
    assert {path.parent.name for path in names} == {"admin"}
