"""R3, R4: a KAO of another kind, or under a key that is not for it; with a key folder of every status and dialect."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from local.client.encoding import b64
from local.client.rewrap import bind_policy
from tests.attacks.rewrap_answers import faults, kao_refused, released
from tests.kit import running_kit

KAO = "requests[0].keyAccessObjects[0]"
RECORDS = {
    "active": ("SHA-256", "active", "acp240"),
    "old": ("SHA-256", "decrypt-only", "acp240"),
    "disabled": ("SHA-256", "disabled", "acp240"),
    "opentdf": ("SHA-1", "active", "opentdf"),
}


def write_pem(path, key):
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.touch(0o600)
    path.write_bytes(key.private_bytes(*form))


@pytest.fixture(scope="module")
def keys():
    return {kid: rsa.generate_private_key(65537, 2048) for kid in RECORDS}


@pytest.fixture(scope="module")
def kit(tmp_path_factory, keys):
    """A pair whose KAS has a key of each status and dialect, and a previous signing key."""
    folder = tmp_path_factory.mktemp("keys")
    for kid, key in keys.items():
        write_pem(folder / f"{kid}.pem", key)
    for kid in ("sig-1", "sig-2"):
        write_pem(folder / f"{kid}.pem", ec.generate_private_key(ec.SECP256R1()))
    unwrap = [
        {
            "kid": kid,
            "algorithm": "RSA-2048",
            "hash": digest,
            "status": status,
            "dialect": dialect,
            "file": f"{kid}.pem",
        }
        for kid, (digest, status, dialect) in RECORDS.items()
    ]
    signing = [
        {"kid": "sig-1", "status": "previous", "file": "sig-1.pem"},
        {"kid": "sig-2", "status": "current", "file": "sig-2.pem"},
    ]
    (folder / "keys.json").write_text(json.dumps({"unwrapKeys": unwrap, "signingKeys": signing}))
    settings = {"KAS_KEYS_DIR": str(folder), "KAS_REWRAP_DPOP_NONCE": "off"}
    with running_kit(tmp_path_factory.mktemp("pair"), **settings) as running:
        yield running


def under(kit, keys, kid, client="usa-secret"):
    """A request whose KAO is wrapped to the key ``kid``, with the hash of its dialect."""
    attempt = kit.attempt(client)
    attempt.nonce = None
    digest = hashes.SHA1() if RECORDS[kid][0] == "SHA-1" else hashes.SHA256()
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    attempt.kao["kid"] = kid
    attempt.kao["wrappedKey"] = b64(keys[kid].public_key().encrypt(attempt.data_keys["kao-0-0"], oaep))
    attempt.resign()
    return attempt


@pytest.mark.parametrize("kid", ["active", "old"])
def test_attack_r04_an_active_and_a_decrypt_only_key_unwrap(kit, keys, kid):
    released(under(kit, keys, kid))


@pytest.mark.parametrize("kid", ["disabled", "opentdf"])
def test_attack_r04_a_disabled_key_and_one_of_another_dialect_are_unknown(kit, keys, kid):
    kao_refused(under(kit, keys, kid), "unknown_key")


@pytest.mark.parametrize("kid", ["usa-rsa-2026-1", "Active", "active ", "sig-2", "../active", "*"])
def test_attack_r04_no_other_kid_finds_a_key(kit, keys, kid):
    attempt = under(kit, keys, "active")
    attempt.kao["kid"] = kid
    attempt.resign()
    kao_refused(attempt, "unknown_key")


def test_attack_r04_the_kid_of_one_key_does_not_open_the_wrap_of_another(kit, keys):
    attempt = under(kit, keys, "active")
    attempt.kao["kid"] = "old"
    attempt.resign()
    kao_refused(attempt, "key_material_rejected")


@pytest.mark.parametrize("kid", ["unknown", "disabled", "opentdf"])
def test_attack_r04_an_unentitled_caller_learns_nothing_about_keys(kit, keys, kid):
    """The policy's denial comes first, as it does under a good key."""
    attempt = under(kit, keys, "active", client="usa-unclassified")
    attempt.kao["kid"] = kid
    attempt.resign()
    kao_refused(attempt, "clearance_insufficient", 403)


def test_attack_r04_the_key_set_has_active_keys_with_their_dialect_and_every_signing_key(kit):
    published = kit.http("GET", f"{kit.base}/.well-known/jwks.json").json()["keys"]
    assert [(key["kid"], key["use"], key["alg"]) for key in published] == [
        ("active", "enc", "RSA-OAEP-256"),
        ("opentdf", "enc", "RSA-OAEP"),
        ("sig-2", "sig", "ES256"),
        ("sig-1", "sig", "ES256"),
    ]
    assert not any({"d", "p", "q", "dp", "dq", "qi"} & key.keys() for key in published)


def test_attack_r14_results_are_signed_by_the_current_signing_key_which_unwraps_nothing(kit, keys):
    attempt = under(kit, keys, "active")
    assert attempt.result(attempt.send())["signature"]["kid"] == "sig-2"
    attempt = under(kit, keys, "active")
    attempt.kao["kid"] = "sig-2"
    attempt.resign()
    kao_refused(attempt, "unknown_key")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", "ec-wrapped"),
        ("type", "hybrid-wrapped"),
        ("type", "remote"),
        ("type", "Wrapped"),
        ("type", ""),
        ("protocol", "other"),
        ("protocol", "KAS"),
        ("protocol", ""),
        ("encryptedMetadata", ""),
        ("encryptedMetadata", b64(bytes(60))),
    ],
)
def test_attack_r03_a_kao_of_another_kind_is_not_taken_for_a_wrapped_one(kit, member, value):
    attempt = kit.attempt()
    attempt.kao[member] = value
    attempt.resign()
    kao_refused(attempt, "not_supported")


def test_attack_r03_an_ec_wrapped_kao_is_not_opened_even_when_its_wrap_is_good(kit):
    attempt = kit.attempt()
    attempt.kao.update({"type": "ec-wrapped", "ephemeralPublicKey": attempt.receiving.jwk})
    attempt.resign()
    kao_refused(attempt, "not_supported")


@pytest.mark.parametrize("member", ["type", "protocol", "encryptedMetadata"])
@pytest.mark.parametrize("value", [1, None, ["wrapped"], {"type": "wrapped"}, True])
def test_attack_r03_a_kind_that_is_no_text_is_a_structural_fault(kit, member, value):
    attempt = kit.attempt()
    attempt.kao[member] = value
    attempt.resign()
    assert faults(attempt) == [(f"{KAO}.{member}", "wrong_type")]


@pytest.mark.parametrize("member", ["type", "protocol"])
def test_attack_r03_a_kind_that_is_absent_is_the_usual_one(kit, member):
    attempt = kit.attempt()
    del attempt.kao[member]
    attempt.resign()
    released(attempt)


@pytest.mark.parametrize("mode", ["anyOf", "allOf", "", "other"])
def test_attack_r03_a_mode_that_is_not_done_here_releases_nothing(kit, mode):
    attempt = kit.attempt()
    attempt.request["requests"][0] |= {"mode": mode, "combine": "xor"}
    kao_refused(attempt, "not_supported")


@pytest.mark.parametrize("member", ["mode", "combine"])
def test_attack_r03_a_mode_that_is_no_text_is_a_structural_fault(kit, member):
    attempt = kit.attempt()
    attempt.request["requests"][0][member] = 1
    assert faults(attempt) == [(f"requests[0].{member}", "wrong_type")]


def test_attack_r10_material_wrapped_for_another_dialect_looks_like_any_bad_wrap(kit, keys):
    """An OpenTDF wrap (SHA-1) under a key of this dialect is not opened by trial."""
    attempt = kit.attempt()
    sha1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    data_key = attempt.data_keys["kao-0-0"]
    attempt.kao["wrappedKey"] = b64(keys["active"].public_key().encrypt(data_key, sha1))
    attempt.kao["policyBinding"] = bind_policy(data_key, attempt.policy)
    attempt.resign()
    kao_refused(attempt, "key_material_rejected")
