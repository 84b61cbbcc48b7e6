"""The use case over real parts: what it costs, in which order it decides, and what it records."""

from __future__ import annotations

import dataclasses
import secrets

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from kas.crypto.wrapping import OAEP_SHA256, wrap_to
from kas.datakey import DataKey
from kas.errors import AuditUnavailable, InvalidStructure, TokenMalformed
from kas.jose import to_jwk
from kas.policy import decision
from kas.protocol.acp240.wire import Acp240Wire
from local.client import new_proof_key, new_receiving_key
from local.client.encoding import b64
from local.client.results import open_result, verify_answer
from local.client.rewrap import build_kao, client_key_hash, sign_kao
from tests.unit.good_rewrap import NOW, UNSEAL_KEY, UNWRAP_KEY, URL, CountingKeys, World, codes, label, results

KEY = bytes(range(32))
EPHEMERAL = to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
OAEP_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


@pytest.fixture
def world():
    return World()


def kaos_of(request):
    return [kao for group in request["requests"] for kao in group["keyAccessObjects"]]


def resign(world, request):
    for group in request["requests"]:
        group["keyAccessObjects"] = [sign_kao(kao, world.proof_key) for kao in group["keyAccessObjects"]]
    return request


def with_material(world, material):
    """A good request for material of any length."""
    request = world.request(label())
    (group,) = request["requests"]
    kao = build_kao(group["policy"], material, world.kas_keys(), URL)
    group["keyAccessObjects"] = [{**kao, "clientKeyHash": client_key_hash(request["clientPublicKey"])}]
    return resign(world, request)


def with_wrap(world, wrapped):
    request = world.request()
    kaos_of(request)[0]["wrappedKey"] = b64(wrapped)
    return resign(world, request)


def with_seal(world, material=KEY, spoil=bytes):
    """The material sealed to the EC key in place of wrapped by RSA; ``spoil`` changes what is sealed."""
    request = with_material(world, material)
    wrapped = wrap_to(UNSEAL_KEY.public_key(), OAEP_SHA256)(DataKey(material))
    kaos_of(request)[0].update(
        type="ec-wrapped",
        kid="ec-1",
        wrappedKey=b64(spoil(wrapped.ciphertext)),
        ephemeralPublicKey=to_jwk(wrapped.ephemeral_key),
    )
    return resign(world, request)


def with_binding(world, binding):
    request = world.request()
    kaos_of(request)[0]["policyBinding"] = b64(binding)
    return resign(world, request)


def test_a_good_request_is_answered_verified_and_recorded(world):
    request = world.request(label(), label(), kaos=2)
    answer = world.answer(request)
    assert (answer.status, answer.refusal) == (200, None)
    verified = verify_answer(answer.body, request, world.proof, world.kas_keys().signing, NOW)
    assert [open_result(result, world.receiving) for result in verified.values()] == [KEY] * 4
    assert world.keys.unwrapped == ["rsa-1"] * 4
    assert [(event["outcome"], event["kaoId"]) for event in world.events()] == [
        ("released", kao["keyAccessObjectId"]) for kao in kaos_of(request)
    ]


def test_an_event_says_who_what_and_why_and_holds_no_key(world):
    request = world.request(label(classification="TOP_SECRET"))
    world.answer(request)
    (event,) = world.events()
    (group,) = request["requests"]
    assert event | {"checks": None, "policyHash": None} == {
        "severity": "NOTICE",
        "event": "rewrap",
        "category": "ACCESS_DENIED",
        "dialect": "acp240",
        "keyOperations": 0,
        "cacheHit": False,
        "attempt": 1,
        "forwardedTo": None,
        "via": [],
        "latencyMs": dict.fromkeys(["authenticate", "read", "parse", "decide", "sign"], 0.0),
        "outcome": "refused",
        "code": "clearance_insufficient",
        "requestId": "request-1",
        "issuer": "https://idp.example",
        "subject": "alice",
        "client": "reader",
        "costMicroUsd": None,
        "policyId": group["policy"]["policyId"],
        "policyHash": None,
        "kaoId": "kao-0-0",
        "kid": "rsa-1",
        "checks": None,
        "time": "2026-09-21T14:13:20.000Z",
    }
    assert event["checks"]["clearance"] is False
    assert event["checks"]["releasability"] is True
    assert len(event["policyHash"]) == 43


@pytest.mark.parametrize("client_id", [None, 7, ["reader"]])
def test_a_client_id_that_is_no_text_is_not_recorded(world, client_id):
    world.claims["client_id"] = client_id
    world.answer(world.request())
    assert world.events()[0]["client"] is None


def test_a_kao_that_is_refused_before_the_decision_is_recorded_without_checks(world):
    request = world.request()
    kaos_of(request)[0]["type"] = "hybrid-wrapped"
    world.answer(resign(world, request))
    assert world.events()[0]["checks"] is None


MATERIAL = {
    "good": lambda world: world.request(),
    "random-wrap": lambda world: with_wrap(world, b"\0" + secrets.token_bytes(255)),
    "short-wrap": lambda world: with_wrap(world, bytes(255)),
    "long-wrap": lambda world: with_wrap(world, bytes(1275)),
    "sha1-wrap": lambda world: with_wrap(world, UNWRAP_KEY.public_key().encrypt(KEY, OAEP_SHA1)),
    "binding": lambda world: with_binding(world, bytes(32)),
    "length-0": lambda world: with_material(world, b""),
    "length-17": lambda world: with_material(world, bytes(17)),
    "length-190": lambda world: with_material(world, bytes(190)),
}


SEALED = {
    "good": with_seal,
    "tag": lambda world: with_seal(world, spoil=lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1])),
    "short": lambda world: with_seal(world, spoil=lambda sealed: sealed[:5]),
    "length-0": lambda world: with_seal(world, b""),
    "length-17": lambda world: with_seal(world, bytes(17)),
    "length-190": lambda world: with_seal(world, bytes(190)),
}


@pytest.mark.parametrize(
    ("kid", "name", "make"),
    [("rsa-1", *item) for item in MATERIAL.items()] + [("ec-1", *item) for item in SEALED.items()],
)
def test_attack_r10_good_or_bad_material_costs_one_key_operation_and_one_hmac(world, mocker, kid, name, make):
    request = make(world)
    hmac = mocker.spy(DataKey, "hmac_sha256")
    answer = world.answer(request)
    assert world.keys.unwrapped == [kid]
    assert hmac.call_count == 1
    assert codes(answer) == ([None] if name == "good" else ["key_material_rejected"])


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"clearance": "UNCLASSIFIED"}, "clearance_insufficient"),
        ({"countryOfAffiliation": "FRA"}, "country_not_releasable"),
        ({"acpCOI": []}, "coi_not_satisfied"),
        ({"clearance": None}, "subject_incomplete"),
    ],
)
def test_attack_r11_an_unentitled_caller_causes_no_key_operation(world, mocker, claims, code):
    world.claims.update(claims)
    request = world.request(kaos=3)
    hmac = mocker.spy(DataKey, "hmac_sha256")
    assert codes(world.answer(request)) == [code] * 3
    assert world.keys.unwrapped == []
    assert hmac.call_count == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda kao: kao.update(type="hybrid-wrapped"), "not_supported"),
        (lambda kao: kao.update(url="https://other.example/rewrap"), "unknown_kas"),
        (lambda kao: kao.update(clientKeyHash="A" * 43), "client_key_unbound"),
        (lambda kao: kao.update(kid="unknown"), "unknown_key"),
        (lambda kao: kao.update(kid="tdf-1"), "unknown_key"),
        (lambda kao: kao.update(kid="ec-1"), "unknown_key"),
        (lambda kao: kao.update(type="ec-wrapped", ephemeralPublicKey=EPHEMERAL), "unknown_key"),
    ],
)
def test_attack_r11_what_is_refused_before_the_unwrap_causes_no_key_operation(world, change, code):
    request = world.request()
    change(kaos_of(request)[0])
    assert codes(world.answer(resign(world, request))) == [code]
    assert world.keys.unwrapped == []


def test_attack_r12_a_bad_signature_causes_no_key_operation(world):
    request = world.request()
    (group,) = request["requests"]
    group["keyAccessObjects"] = [sign_kao(kao, new_proof_key()) for kao in group["keyAccessObjects"]]
    assert codes(world.answer(request)) == ["kao_signature_invalid"]
    assert world.keys.unwrapped == []


def test_attack_r13_where_the_hash_is_demanded_a_kao_without_it_is_refused(world):
    request = world.request()
    del kaos_of(request)[0]["clientKeyHash"]
    resign(world, request)
    assert codes(world.answer(request)) == [None]
    world.require_client_key_hash = True
    assert codes(world.answer(request)) == ["client_key_unbound"]


class HashlessWire:
    """A dialect whose KAOs are signed and whose requests have no hash of the client's key."""

    dialect, rsa_hash = Acp240Wire.dialect, Acp240Wire.rsa_hash

    def __init__(self, wire):
        self.render, self._wire = wire.render, wire

    def parse(self, body, *, key, now):
        return dataclasses.replace(self._wire.parse(body, key=key, now=now), client_key_hash=None)


@pytest.mark.parametrize("is_sent", [True, False])
def test_where_a_request_has_no_hash_of_the_client_key_none_is_found_equal_to_it(world, is_sent):
    """Nothing compared with nothing is no match."""
    world.require_client_key_hash = True
    rewrap = world.rewrap()
    world.rewrap = lambda: dataclasses.replace(rewrap, wire=HashlessWire(rewrap.wire))
    request = world.request()
    if not is_sent:
        del kaos_of(request)[0]["clientKeyHash"]
        resign(world, request)
    assert codes(world.answer(request)) == ["client_key_unbound"]


def test_a_stranger_s_body_is_not_read(world):
    with pytest.raises(TokenMalformed):
        world.answer(world.request(), token="no-token")
    assert world.reads == 0
    assert world.lines == []


def test_a_body_with_faults_causes_no_key_operation(world):
    request = world.request(label(), label())
    del kaos_of(request)[1]["kid"]
    with pytest.raises(InvalidStructure):
        world.answer(request)
    assert (world.reads, world.keys.unwrapped) == (1, [])


def test_a_policy_is_decided_once_however_many_kaos_and_groups_name_it(world, mocker):
    decide = mocker.spy(decision, "parse_label")
    same = label()
    assert world.answer(world.request(same, same, label(), kaos=4)).status == 200
    assert decide.call_count == 2


def test_fault_25_every_policy_is_decided_before_any_key_is_opened(world, mocker):
    """Also of a bulk whose first KAO is permitted."""
    decide = mocker.spy(decision, "parse_label")
    unwrap, decided = world.keys.unwrap, []

    def note(record, wrapped, pay):
        decided.append(decide.call_count)
        return unwrap(record, wrapped, pay)

    world.keys.unwrap = note
    answer = world.answer(world.request(label(), label(classification="TOP_SECRET"), label()))
    assert codes(answer) == [None, "clearance_insufficient", None]
    assert decided == [3, 3]


def test_results_are_those_of_their_kaos_whatever_becomes_of_the_others(world):
    request = world.request(label(), label(classification="TOP_SECRET"), label(), kaos=2)
    kaos = kaos_of(request)
    kaos[1]["kid"], kaos[4]["policyBinding"] = "unknown", b64(bytes(32))
    answer = world.answer(resign(world, request))
    denied = ["clearance_insufficient"] * 2
    assert codes(answer) == [None, "unknown_key", *denied, "key_material_rejected", None]
    found = [result["keyAccessObjectId"] for result in results(answer)]
    assert found == [kao["keyAccessObjectId"] for kao in kaos]
    assert [event["code"] for event in world.events()] == codes(answer)


def test_fault_14_a_key_that_the_service_lacks_is_unavailable_and_nothing_stands_in_for_it(world):
    world.keys = CountingKeys({})
    answer = world.answer(world.request())
    assert (answer.status, answer.body["error"], answer.body["code"]) == (503, "unavailable", "key_unavailable")
    assert results(answer)[0].keys() == {"keyAccessObjectId", "status", "code", "error", "signature"}


def test_nothing_leaves_when_the_record_cannot_be_written(world):
    def fail(_line):
        raise OSError

    world._write = fail
    with pytest.raises(AuditUnavailable):
        world.answer(world.request())


def test_an_rsa_client_gets_its_key_without_ephemeral_key():
    world = World(receiving=new_receiving_key("RSA"))
    (result,) = results(world.answer(world.request()))
    assert "ephemeralPublicKey" not in result
    assert open_result(result, world.receiving) == KEY
