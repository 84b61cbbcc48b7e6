"""ACP-240 §1, KAS-REQ-001 to 003, 042 to 063, 110, 112: to whom key material goes, and in what form."""

from __future__ import annotations

import secrets
import stat

import pytest

from kas.errors import ConfigError
from kas.keys.folder import make_local_keys
from local.client import new_receiving_key
from local.client.encoding import b64, from_b64
from local.client.results import open_result
from tests.attacks.rewrap_answers import codes, kao_refused, rebuild, released
from tests.key_folders import load_key_folder
from tests.kit import policy, refused

KINDS = ["P-256", "P-384", "P-521", "RSA"]


def new_attempt(kit, client="usa-secret", **options):
    good = kit.attempt(client, **options)
    good.nonce = None
    return good


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


@pytest.mark.parametrize(
    ("client", "code"),
    [
        ("usa-secret", None),
        ("fra-secret", None),
        ("usa-unclassified", "clearance_insufficient"),
        ("gbr-topsecret", "country_not_releasable"),
        ("usa-usonly", "coi_not_satisfied"),
        ("usa-industry", "industry_not_releasable"),
        ("rou-secret", "clearance_insufficient"),
        ("odd-term", "clearance_unknown"),
    ],
)
def test_kas_req_001_the_attributes_of_the_caller_decide_under_the_policy(kit_without_nonces, client, code):
    attempt = new_attempt(kit_without_nonces, client)
    if code is None:
        released(attempt)
    else:
        kao_refused(attempt, code, 403)


@pytest.mark.parametrize(("classification", "code"), [("CONFIDENTIAL", None), ("SECRET", "clearance_insufficient")])
def test_kas_req_001_a_clearance_means_what_it_means_in_its_country(kit_without_nonces, classification, code):
    """Romania's SECRET is the level that others call CONFIDENTIAL."""
    label = policy(classification=classification, releasabilityTo=["ROU"])
    attempt = new_attempt(kit_without_nonces, "rou-secret", policies=[label])
    if code is None:
        released(attempt)
    else:
        kao_refused(attempt, code, 403)


@pytest.mark.parametrize("kind", KINDS)
def test_kas_req_002_what_was_wrapped_to_the_kas_comes_back_wrapped_to_the_client(kit_without_nonces, kind):
    attempt = new_attempt(kit_without_nonces, receiving=kind)
    answer = released(attempt)
    assert attempt.data_keys["kao-0-0"] not in answer.body
    assert b64(attempt.data_keys["kao-0-0"]) not in answer.body.decode()
    assert attempt.data_keys["kao-0-0"].hex() not in answer.body.decode()


def test_kas_req_003_the_splits_of_a_key_are_rewrapped_each_and_recombined_by_the_client(kit_without_nonces):
    data_key, first = secrets.token_bytes(32), secrets.token_bytes(32)
    splits = [first, bytes(a ^ b for a, b in zip(first, data_key, strict=True))]
    attempts = [new_attempt(kit_without_nonces, data_key=split) for split in splits]
    opened = [attempt.open(released(attempt))["kao-0-0"] for attempt in attempts]
    assert bytes(a ^ b for a, b in zip(*opened, strict=True)) == data_key


@pytest.mark.parametrize("length", [16, 24, 32])
def test_kas_req_003_material_of_each_length_is_released_as_it_is(attempt, length):
    rebuild(attempt, secrets.token_bytes(length))
    released(attempt)


def test_kas_req_042_the_binding_is_verified_with_the_decrypted_material(kit_without_nonces):
    """A binding that is right under another data key is wrong here."""
    attempt, other = new_attempt(kit_without_nonces), new_attempt(kit_without_nonces)
    other.request["requests"][0]["policy"] = attempt.policy
    rebuild(other, secrets.token_bytes(32))
    attempt.kao["policyBinding"] = other.kao["policyBinding"]
    attempt.resign()
    kao_refused(attempt, "key_material_rejected")


def test_kas_req_043_a_bad_binding_is_400_and_names_possible_tampering(attempt):
    attempt.policy["dissem"]["COI"] = []
    attempt.resign()
    assert "possible policy tampering" in kao_refused(attempt, "key_material_rejected", 400)["error"]


def test_kas_req_050_a_wrap_for_another_key_does_not_open(attempt):
    attempt.kao["wrappedKey"] = b64(secrets.token_bytes(256))
    attempt.resign()
    kao_refused(attempt, "key_material_rejected")


def test_kas_req_051_the_kid_alone_chooses_the_key(attempt):
    """No other key is tried: with an unknown kid even a good wrap stays shut."""
    attempt.kao["kid"] = "unknown"
    attempt.resign()
    kao_refused(attempt, "unknown_key")


@pytest.mark.parametrize("kind", KINDS)
def test_kas_req_052_a_result_names_its_wrapping(kit_without_nonces, kind):
    attempt = new_attempt(kit_without_nonces, receiving=kind)
    result = attempt.result(attempt.send())
    wrapped = from_b64(result["kasWrappedKey"])
    if kind == "RSA":
        assert (result["wrapAlg"], len(wrapped)) == ("RSA-OAEP-256", 256)
        assert "ephemeralPublicKey" not in result
    else:
        assert (result["wrapAlg"], len(wrapped)) == ("ECDH-HKDF-A256GCM", 12 + 32 + 16)
        assert result["ephemeralPublicKey"].keys() == {"kty", "crv", "x", "y"}
        assert result["ephemeralPublicKey"]["crv"] == kind


@pytest.mark.parametrize("kind", KINDS)
def test_kas_req_052_no_other_key_opens_a_result(kit_without_nonces, kind):
    attempt = new_attempt(kit_without_nonces, receiving=kind)
    result = attempt.result(attempt.send())
    with pytest.raises(Exception, match="does not open"):
        open_result(result, new_receiving_key(kind))


def test_kas_req_053_each_request_brings_a_receiving_key_of_its_own(kit_without_nonces):
    """Nothing of the last one is kept: the same token and proof key, another receiver."""
    first = new_attempt(kit_without_nonces)
    released(first)
    second = new_attempt(kit_without_nonces, key=first.key)
    released(second)
    assert first.request["clientPublicKey"] != second.request["clientPublicKey"]


@pytest.mark.parametrize(
    ("dissem", "code"),
    [
        ({"classification": "TOP_SECRET"}, "clearance_insufficient"),
        ({"releasabilityTo": ["FRA"]}, "country_not_releasable"),
        ({"COI": ["US-ONLY"]}, "coi_not_satisfied"),
        ({"creationDate": "2999-01-01T00:00:00Z"}, "embargoed"),
        ({"classification": None}, "label_invalid"),
        ({"releasabilityTo": []}, "label_invalid"),
        ({"classification": 1}, "label_invalid"),
    ],
)
def test_kas_req_060_the_policy_is_evaluated_against_attributes_and_time(kit_without_nonces, dissem, code):
    kao_refused(new_attempt(kit_without_nonces, policies=[policy(**dissem)]), code, 403)


@pytest.mark.parametrize("dissem", [None, "text", [], {}, 0])
def test_kas_req_060_what_is_no_label_denies(kit_without_nonces, dissem):
    """A policy's members are the decision's to judge: 403, not 400."""
    attempt = new_attempt(kit_without_nonces, policies=[{"policyId": "p-1", "dissem": dissem}])
    kao_refused(attempt, "label_invalid", 403)


def test_kas_req_060_a_policy_without_label_denies(kit_without_nonces):
    kao_refused(new_attempt(kit_without_nonces, policies=[{"policyId": "p-1"}]), "label_invalid", 403)


ATTRIBUTES = {
    "sub": "usa-secret",
    "uniqueID": "usa-secret",
    "clearance": "TOP_SECRET",
    "countryOfAffiliation": "USA",
    "acpCOI": ["NATO", "FVEY", "US-ONLY"],
    "organizationType": "GOV",
    "acr": "aal3",
    "amr": ["mfa"],
}


@pytest.mark.parametrize("place", ["top", "group", "policy", "kao"])
def test_kas_req_061_attributes_in_the_body_change_nothing(kit_without_nonces, place):
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    label = {**attempt.policy, **(ATTRIBUTES if place == "policy" else {})}
    attempt.request["requests"][0]["policy"] = label
    rebuild(attempt, secrets.token_bytes(32))
    holder = {"top": attempt.request, "group": attempt.request["requests"][0], "policy": label, "kao": attempt.kao}
    holder[place].update(ATTRIBUTES | {"claims": ATTRIBUTES, "subject": ATTRIBUTES})
    if place == "policy":
        rebuild(attempt, secrets.token_bytes(32))
    attempt.resign()
    kao_refused(attempt, "clearance_insufficient", 403)


@pytest.mark.parametrize("name", ["X-Clearance", "X-User", "X-Forwarded-User", "X-Subject-Claims"])
def test_kas_req_061_attributes_in_headers_change_nothing(kit_without_nonces, name):
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    attempt.headers = [(name, "TOP_SECRET")]
    kao_refused(attempt, "clearance_insufficient", 403)


def test_kas_req_062_a_denial_has_no_key(kit_without_nonces):
    result = kao_refused(new_attempt(kit_without_nonces, "usa-unclassified"), "clearance_insufficient", 403)
    assert result.keys() == {"keyAccessObjectId", "status", "code", "error", "sid", "signature"}


def test_kas_req_063_a_denial_is_403_alone_and_an_error_of_its_kao_in_a_mixed_answer(kit_without_nonces):
    denied = policy(classification="TOP_SECRET")
    kao_refused(new_attempt(kit_without_nonces, policies=[denied]), "clearance_insufficient", 403)
    attempt = new_attempt(kit_without_nonces, policies=[denied, policy()])
    answer = attempt.send()
    assert (answer.status, codes(attempt, answer)) == (200, ["clearance_insufficient", None])


def test_kas_req_110_private_keys_are_files_for_their_owner_alone(kit_without_nonces):
    folder = kit_without_nonces.log.parent / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pems = list(folder.glob("*.pem"))
    assert len(pems) == 4
    assert {stat.S_IMODE(pem.stat().st_mode) for pem in pems} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
@pytest.mark.parametrize("name", ["rsa", "tdf", "ec", "sig"])
def test_kas_req_110_a_private_key_that_others_can_reach_stops_the_start(tmp_path, name, mode):
    make_local_keys(tmp_path / "keys")
    (tmp_path / "keys" / f"{name}.pem").chmod(mode)
    with pytest.raises(ConfigError, match="readable by others"):
        load_key_folder(tmp_path / "keys")


def test_kas_req_110_the_key_set_has_public_members_alone(kit_without_nonces):
    keys = kit_without_nonces.http("GET", f"{kit_without_nonces.base}/.well-known/jwks.json").json()["keys"]
    members = {key["kty"]: key.keys() - {"kid", "use", "alg"} for key in keys}
    assert members == {"RSA": {"kty", "n", "e"}, "EC": {"kty", "crv", "x", "y"}}


@pytest.mark.parametrize("path", ["/keys/rsa.pem", "/.local/keys/keys.json", "/static/main.py", "/main.py"])
def test_kas_req_110_no_file_is_served(kit_without_nonces, path):
    refused(kit_without_nonces.http("GET", kit_without_nonces.base + path), 404, "not_found", "not_found")


def test_kas_req_112_nobody_without_the_data_key_can_change_a_policy(kit_without_nonces):
    """The caller himself would weaken the policy of a file that he holds, and signs everything he may sign."""
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    attempt.policy["dissem"].update(classification="UNCLASSIFIED", COI=[])
    attempt.resign()
    kao_refused(attempt, "key_material_rejected")
