"""R3, R4: a KAO of another kind, or under a key that is not for it; with a key folder of every status and dialect."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from local.client.encoding import b64, from_b64
from local.client.keys import public_jwk
from local.client.rewrap import bind_policy
from tests.attacks.rewrap_answers import faults, kao_refused, rebuild, released
from tests.key_folders import CURVES, write_key_folder
from tests.kit import running_kit
from tests.wrappers import seal, seal_all

KAO = "requests[0].keyAccessObjects[0]"
RECORDS = {
    "active": ("RSA-2048", "active", ["acp240"]),
    "old": ("RSA-2048", "decrypt-only", ["acp240"]),
    "disabled": ("RSA-2048", "disabled", ["acp240"]),
    "opentdf": ("RSA-2048", "active", ["opentdf"]),
    "ec-active": ("P-256", "active", ["acp240", "opentdf"]),
    "ec-old": ("P-384", "decrypt-only", ["acp240"]),
    "ec-disabled": ("P-521", "disabled", ["acp240"]),
    "ec-opentdf": ("P-256", "active", ["opentdf"]),
}


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def keys(keys_dir):
    return write_key_folder(keys_dir, RECORDS, {"sig-1": "previous", "sig-2": "current"})


@pytest.fixture(scope="module")
def kit(tmp_path_factory, keys_dir, keys):
    """A pair whose KAS has a key of each status and dialect, and a previous signing key."""
    settings = {"KAS_KEYS_DIR": str(keys_dir), "KAS_REWRAP_DPOP_NONCE": "off"}
    with running_kit(tmp_path_factory.mktemp("pair"), **settings) as running:
        yield running


def under(kit, keys, kid, client="usa-secret"):
    """A request whose KAO is wrapped or sealed to the key ``kid``, by RSA with the hash of its dialect."""
    attempt = kit.attempt(client)
    attempt.nonce = None
    algorithm, _, dialects = RECORDS[kid]
    if algorithm in CURVES:
        return seal_all(attempt, kid, keys[kid].public_key())
    digest = hashes.SHA1() if dialects == ["opentdf"] else hashes.SHA256()
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    attempt.kao["kid"] = kid
    attempt.kao["wrappedKey"] = b64(keys[kid].public_key().encrypt(attempt.data_keys["kao-0-0"], oaep))
    attempt.resign()
    return attempt


@pytest.mark.parametrize("kid", ["active", "old", "ec-active", "ec-old"])
def test_attack_r04_an_active_and_a_decrypt_only_key_unwrap(kit, keys, kid):
    released(under(kit, keys, kid))


@pytest.mark.parametrize("kid", ["disabled", "opentdf", "ec-disabled", "ec-opentdf"])
def test_attack_r04_a_disabled_key_and_one_of_another_dialect_are_unknown(kit, keys, kid):
    kao_refused(under(kit, keys, kid), "unknown_key")


@pytest.mark.parametrize("kid", ["ec-active", "ec-old", "ec-disabled"])
def test_attack_r04_the_kid_of_an_ec_key_takes_no_rsa_wrap(kit, keys, kid):
    attempt = under(kit, keys, "active")
    attempt.kao["kid"] = kid
    attempt.resign()
    kao_refused(attempt, "unknown_key")


@pytest.mark.parametrize("kid", ["active", "old", "opentdf"])
def test_attack_r04_the_kid_of_an_rsa_key_takes_nothing_sealed(kit, keys, kid):
    attempt = under(kit, keys, "ec-active")
    attempt.kao["kid"] = kid
    attempt.resign()
    kao_refused(attempt, "unknown_key")


@pytest.mark.parametrize("kid", ["usa-rsa-2026-1", "Active", "active ", "sig-2", "../active", "*"])
def test_attack_r04_no_other_kid_finds_a_key(kit, keys, kid):
    attempt = under(kit, keys, "active")
    attempt.kao["kid"] = kid
    attempt.resign()
    kao_refused(attempt, "unknown_key")


@pytest.mark.parametrize(("to", "kid"), [("active", "old"), ("ec-active", "ec-old"), ("ec-opentdf", "ec-active")])
def test_attack_r04_the_kid_of_one_key_does_not_open_the_wrap_of_another(kit, keys, to, kid):
    attempt = under(kit, keys, to)
    attempt.kao["kid"] = kid
    attempt.resign()
    kao_refused(attempt, "key_material_rejected")


@pytest.mark.parametrize("kid", ["unknown", "disabled", "opentdf", "ec-active", "ec-opentdf"])
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
        ("ec-active", "enc", "ECDH-ES"),
        ("ec-opentdf", "enc", "ECDH-ES"),
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
        ("type", "hybrid-wrapped"),
        ("type", "mlkem-wrapped"),
        ("type", "EC-wrapped"),
        ("type", "remote"),
        ("type", "Wrapped"),
        ("type", ""),
        ("protocol", "other"),
        ("protocol", "KAS"),
        ("protocol", ""),
    ],
)
def test_attack_r03_a_kao_of_another_kind_is_not_taken_for_a_wrapped_one(kit, member, value):
    attempt = kit.attempt()
    attempt.kao[member] = value
    attempt.resign()
    kao_refused(attempt, "not_supported")


@pytest.mark.parametrize("kid", ["active", "ec-active"])
def test_attack_r03_an_rsa_wrap_that_calls_itself_sealed_is_not_opened(kit, kid):
    """A good wrap with an ephemeral key beside it: neither the RSA key nor an EC key takes it."""
    attempt = kit.attempt()
    attempt.kao.update({"type": "ec-wrapped", "kid": kid, "ephemeralPublicKey": attempt.receiving.jwk})
    attempt.resign()
    kao_refused(attempt, "unknown_key" if kid == "active" else "key_material_rejected")


@pytest.mark.parametrize("kind", ["wrapped", None])
def test_attack_r03_sealed_material_that_calls_itself_wrapped_is_not_opened(kit, keys, kind):
    """The type decides, whatever other members say."""
    attempt = under(kit, keys, "ec-active")
    attempt.kao["type"] = kind
    if kind is None:
        del attempt.kao["type"]
    attempt.resign()
    kao_refused(attempt, "unknown_key")


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "missing"),
        ({}, "bad_ephemeral_key"),
        ("", "bad_ephemeral_key"),
        (["x"], "bad_ephemeral_key"),
        (public_jwk(rsa.generate_private_key(65537, 2048)), "bad_ephemeral_key"),
        (public_jwk(ec.generate_private_key(ec.SECP256R1())) | {"d": "AAAA"}, "bad_ephemeral_key"),
        ({"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}, "bad_ephemeral_key"),
    ],
    ids=["missing", "no-members", "empty", "list", "rsa", "private", "off-curve"],
)
def test_attack_r06_an_ephemeral_key_that_is_none_is_a_structural_fault(kit, keys, key, code):
    attempt = under(kit, keys, "ec-active")
    attempt.kao["ephemeralPublicKey"] = key
    if key is None:
        del attempt.kao["ephemeralPublicKey"]
    attempt.resign()
    assert faults(attempt) == [(f"{KAO}.ephemeralPublicKey", code)]


def flip(text):
    data = bytearray(from_b64(text))
    data[-1] ^= 1
    return b64(bytes(data))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kao: kao.update(wrappedKey=flip(kao["wrappedKey"])),
        lambda kao: kao.update(wrappedKey=b64(bytes(5))),
        lambda kao: kao.update(wrappedKey=b64(bytes(28))),
        lambda kao: kao.update(ephemeralPublicKey=public_jwk(ec.generate_private_key(ec.SECP256R1()))),
        lambda kao: kao.update(ephemeralPublicKey=public_jwk(ec.generate_private_key(ec.SECP384R1()))),
        lambda kao: kao.update(policyBinding=b64(bytes(32))),
    ],
    ids=["tag", "short", "empty", "other-ephemeral", "other-curve", "binding"],
)
def test_attack_r10_whatever_is_wrong_with_sealed_material_looks_alike(kit, keys, spoil):
    """And like a bad RSA wrap: code, sentence and status are the same."""
    attempt = under(kit, keys, "ec-active")
    spoil(attempt.kao)
    attempt.resign()
    sealed = kao_refused(attempt, "key_material_rejected")
    attempt = under(kit, keys, "active")
    attempt.kao["wrappedKey"] = flip(attempt.kao["wrappedKey"])
    attempt.resign()
    assert kao_refused(attempt, "key_material_rejected")["error"] == sealed["error"]


@pytest.mark.parametrize("length", [0, 15, 17, 31, 33, 64])
def test_attack_r07_sealed_material_of_odd_length_is_rejected(kit, keys, length):
    attempt = under(kit, keys, "ec-active")
    rebuild(attempt, bytes(length))
    attempt.kao.update(seal(keys["ec-active"].public_key(), bytes(length)), kid="ec-active")
    attempt.resign()
    kao_refused(attempt, "key_material_rejected")


def test_attack_r12_the_ephemeral_key_is_under_the_kao_s_signature(kit, keys):
    attempt = under(kit, keys, "ec-active")
    attempt.kao["ephemeralPublicKey"] = public_jwk(ec.generate_private_key(ec.SECP256R1()))
    kao_refused(attempt, "kao_signature_invalid")


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


@pytest.mark.parametrize("mode", ["allOf", "anyof", "", "other"])
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
