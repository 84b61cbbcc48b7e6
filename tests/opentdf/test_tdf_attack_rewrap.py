"""Attacks on the request itself, on each route of OpenTDF: policy, binding, keys, mechanism, request token."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.client import new_proof_key
from tests.attacks.weak_keys import raw_rsa
from tests.kit import Kit
from tests.opentdf.answers import BAD_REQUEST, forbidden, refused_call, refused_kao, released
from tests.opentdf.key_folder import KeyFolder
from tests.opentdf.pieces import b64, bind, pem, policy_text, wrap
from tests.opentdf.tdf_client import Route, TdfAttempt, published_key

Change = Callable[[TdfAttempt], object]
FQN = "https://kas.example/attr"
SECRET_USA = (f"{FQN}/classification/value/secret", f"{FQN}/releasability/value/usa")


def mac(attempt: TdfAttempt) -> str:
    """The good binding in hexadecimal digits, in base64."""
    return str(bind(attempt.data_keys["kao-0"], attempt.policy, "text-hex"))


def _digits(attempt: TdfAttempt) -> str:
    return base64.b64decode(mac(attempt)).decode()


BINDINGS: dict[str, Callable[[TdfAttempt], Any]] = {
    "stripped": lambda _a: None,
    "empty text": lambda _a: "",
    "empty object": lambda _a: {},
    "empty hash": lambda _a: {"alg": "HS256", "hash": ""},
    "no hash": lambda _a: {"alg": "HS256"},
    "no alg": lambda a: {"hash": mac(a)},
    "other alg": lambda a: {"alg": "HS512", "hash": mac(a)},
    "alg none": lambda a: {"alg": "none", "hash": mac(a)},
    "lower-case alg": lambda a: {"alg": "hs256", "hash": mac(a)},
    "alg no text": lambda a: {"alg": ["HS256"], "hash": mac(a)},
    "hash no text": lambda _a: {"alg": "HS256", "hash": 1},
    "truncated": lambda a: b64(bytes.fromhex(_digits(a))[:31]),
    "half the digits": lambda a: b64(_digits(a)[:32].encode()),
    "upper-case digits": lambda a: b64(_digits(a).upper().encode()),
    "digits without base64": _digits,
    "one bit": lambda a: b64(bytes([bytes.fromhex(_digits(a))[0] ^ 1, *bytes.fromhex(_digits(a))[1:]])),
    "zeros": lambda _a: b64(bytes(32)),
    "a list": lambda a: [mac(a)],
    "a number": lambda _a: 7,
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("case", BINDINGS)
def test_attack_r01_opentdf_no_or_another_binding(tdf_kit: Kit, route: Route, version: int, case: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version)
    attempt.kao["policyBinding"] = BINDINGS[case](attempt)
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


def test_attack_r01b_opentdf_a_binding_under_the_key_of_nobody(tdf_kit: Kit, route: Route) -> None:
    """Zeros stand in for the key where a wrap does not open: what they make never binds."""
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao.update(wrappedKey=b64(bytes(256)), policyBinding=bind(bytes(32), attempt.policy))
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


@pytest.mark.parametrize("version", [1, 2])
def test_attack_r02_opentdf_an_easier_policy_in_place_of_the_bound_one(
    tdf_kit: Kit, route: Route, version: int
) -> None:
    """The caller who is denied under the bound policy gets nothing under one of his own."""
    hard = policy_text(SECRET_USA)
    denied = TdfAttempt.good(tdf_kit, route, version=version, client="usa-unclassified", policies=[hard])
    refused_kao(denied, "attribute_not_entitled", forbidden("attribute_not_entitled"), status=403)
    denied.policy, denied.proof = policy_text(), None
    refused_kao(denied, "key_material_rejected", BAD_REQUEST)


def test_attack_r02b_opentdf_policies_of_two_groups_exchanged(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, policies=[policy_text(), policy_text()])
    first, second = attempt.request["requests"]
    first["policy"], second["policy"] = second["policy"], first["policy"]
    read = attempt.read(attempt.send())
    assert [(result.status, result.error) for result in read.results] == [("fail", BAD_REQUEST)] * 2


# ---- Mechanism and key


def as_sealed(attempt: TdfAttempt) -> None:
    attempt.kao.update(type="ec-wrapped", ephemeralPublicKey=pem(ec.generate_private_key(ec.SECP256R1())))


CONFUSIONS: dict[str, tuple[str, Change, str]] = {
    "rsa wrap said to be sealed": ("rsa:2048", as_sealed, "unknown_key"),
    "rsa wrap to an ec kid": ("rsa:2048", lambda a: a.kao.update(kid="ec-256"), "unknown_key"),
    "sealed, said to be rsa": ("ec:secp256r1", lambda a: a.kao.update(type="wrapped"), "unknown_key"),
    "sealed, to an rsa kid": ("ec:secp256r1", lambda a: a.kao.update(kid="tdf-2048"), "unknown_key"),
    "sealed, no type": ("ec:secp256r1", lambda a: a.kao.pop("type"), "unknown_key"),
    "ephemeral key of another curve": (
        "ec:secp256r1",
        lambda a: a.kao.update(ephemeralPublicKey=pem(ec.generate_private_key(ec.SECP384R1()))),
        "key_material_rejected",
    ),
    "another curve's kid": ("ec:secp256r1", lambda a: a.kao.update(kid="ec-384"), "key_material_rejected"),
    "another size's kid": ("rsa:2048", lambda a: a.kao.update(kid="tdf-4096"), "key_material_rejected"),
    "another key's kid": ("rsa:2048", lambda a: a.kao.update(kid="tdf-old"), "key_material_rejected"),
}


@pytest.mark.parametrize("case", CONFUSIONS)
def test_attack_r03_opentdf_type_and_key_confused(tdf_kit: Kit, route: Route, case: str) -> None:
    algorithm, change, code = CONFUSIONS[case]
    attempt = TdfAttempt.good(tdf_kit, route, algorithm=algorithm)
    change(attempt)
    refused_kao(attempt, code, BAD_REQUEST)


@pytest.mark.parametrize("kind", [["wrapped"], {"a": 1}, 7, True, "WRAPPED", "wrapped "], ids=str)
@pytest.mark.parametrize("member", ["type", "protocol"])
def test_attack_r03b_opentdf_a_type_or_protocol_that_is_none(
    tdf_kit: Kit, route: Route, member: str, kind: object
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao[member] = kind
    refused_kao(attempt, "not_supported", "rpc error: code = InvalidArgument desc = not_supported")


@pytest.mark.parametrize("kid", ["acp", "tdf-off", "sig", "nobody", "TDF-2048", "../keys/tdf-2048", "k" * 256])
def test_attack_r04_opentdf_a_kid_that_is_not_for_this_dialect(
    tdf_kit: Kit, key_folder: KeyFolder, route: Route, kid: str
) -> None:
    """Another dialect's key, a disabled one, a signing key, an unknown one: all answered alike."""
    attempt = TdfAttempt.good(tdf_kit, route)
    if kid in key_folder.private:
        attempt.kao.update(wrap(attempt.data_keys["kao-0"], key_folder.private[kid].public_key()))
    attempt.kao["kid"] = kid
    refused_kao(attempt, "unknown_key", BAD_REQUEST)


def test_attack_r04b_opentdf_a_key_of_this_dialect_does_not_open_for_the_other(tdf_kit: Kit) -> None:
    attempt = tdf_kit.attempt()
    attempt.kao["kid"] = "tdf-2048"
    attempt.resign()
    answer = attempt.send()
    assert (answer.status, answer.json()["code"]) == (400, "unknown_key")
    assert attempt.result(answer)["code"] == "unknown_key"


def _off_curve() -> str:
    good = pem(ec.generate_private_key(ec.SECP256R1()))
    der = bytearray(base64.b64decode("".join(good.splitlines()[1:-1])))
    der[-1] ^= 1
    return f"-----BEGIN PUBLIC KEY-----\n{b64(bytes(der))}\n-----END PUBLIC KEY-----\n"


WEAK_CLIENT_KEYS: dict[str, Callable[[], str]] = {
    "rsa 1024": lambda: pem(rsa.generate_private_key(65537, 1024)),
    "rsa e=3": lambda: pem(rsa.generate_private_key(3, 2048)),
    "rsa 6144": lambda: pem(rsa.RSAPublicNumbers(65537, raw_rsa(6144).n).public_key()),
    "another curve": lambda: pem(ec.generate_private_key(ec.SECP256K1())),
    "ed25519": lambda: pem(ed25519.Ed25519PrivateKey.generate()),
    "x25519": lambda: pem(x25519.X25519PrivateKey.generate()),
    "private": lambda: (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    ),
    "two": lambda: pem(ec.generate_private_key(ec.SECP256R1())) * 2,
    "point off the curve": _off_curve,
    "jwk": lambda: json.dumps(new_proof_key().jwk),
    "not ASCII": lambda: pem(ec.generate_private_key(ec.SECP256R1())).replace("M", "М", 1),
}


@pytest.mark.parametrize("case", WEAK_CLIENT_KEYS)
@pytest.mark.parametrize("version", [1, 2])
def test_attack_r06_opentdf_a_weak_or_odd_client_key(tdf_kit: Kit, route: Route, version: int, case: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version)
    attempt.request["clientPublicKey"] = WEAK_CLIENT_KEYS[case]()
    answer = refused_call(attempt, 400, "invalid_request", "invalid_structure")
    if route == "rest":
        (fault,) = answer.json()["validationErrors"]
        assert (fault["field"], fault["code"]) == ("clientPublicKey", "bad_client_key")


@pytest.mark.parametrize("length", [0, 1, 15, 17, 31, 33, 64, 128])
@pytest.mark.parametrize("algorithm", ["rsa:2048", "ec:secp256r1"])
def test_attack_r07_opentdf_a_data_key_of_odd_length(tdf_kit: Kit, route: Route, algorithm: str, length: int) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, algorithm=algorithm, share=b"k" * 32)
    share, (kid, public) = b"k" * length, published_key(tdf_kit, algorithm)
    assert attempt.kao["kid"] == kid
    attempt.kao.update(wrap(share, public), policyBinding=bind(share, attempt.policy))
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


def test_attack_r08_opentdf_an_id_twice_under_one_policy(tdf_kit: Kit, route: Route) -> None:
    """A client finds its result by policy and id: of two, somebody else could choose."""
    attempt = TdfAttempt.good(tdf_kit, route, kaos=2)
    attempt.request["requests"][0]["keyAccessObjects"][1]["keyAccessObjectId"] = "kao-0"
    _duplicate(attempt, "requests[0].keyAccessObjects[1].keyAccessObjectId")


def test_attack_r08b_opentdf_a_policy_id_and_an_id_twice(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, policies=[policy_text(), policy_text()])
    second = attempt.request["requests"][1]
    second["policy"]["id"], second["keyAccessObjects"][0]["keyAccessObjectId"] = "policy-1", "kao-0"
    _duplicate(attempt, "requests[1].keyAccessObjects[0].keyAccessObjectId")


def test_one_id_under_two_policies_is_what_bulk_clients_send(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, policies=[policy_text(), policy_text()], share=b"k" * 32)
    attempt.request["requests"][1]["keyAccessObjects"][0]["keyAccessObjectId"] = "kao-0"
    attempt.data_keys = {"kao-0": b"k" * 32}
    assert len(released(attempt).results) == 2


def _duplicate(attempt: TdfAttempt, place: str) -> None:
    answer = refused_call(attempt, 400, "invalid_request", "invalid_structure")
    if attempt.route == "rest":
        assert [(fault["field"], fault["code"]) for fault in answer.json()["validationErrors"]] == [
            (place, "duplicate_id")
        ]


MATERIAL: dict[str, Change] = {
    "wrap": lambda a: a.kao.update(wrappedKey=b64(bytes(256))),
    "wrap of another length": lambda a: a.kao.update(wrappedKey=b64(b"x")),
    "binding": lambda a: a.kao.update(policyBinding=bind(b"x", a.policy)),
    "no binding": lambda a: a.kao.pop("policyBinding"),
    "kid": lambda a: a.kao.update(kid="tdf-old"),
    "unknown kid": lambda a: a.kao.update(kid="nobody"),
}


def test_attack_r10_opentdf_whatever_depends_on_the_key_has_the_same_bytes(tdf_kit: Kit, route: Route) -> None:
    bodies = set()
    for change in MATERIAL.values():
        attempt = TdfAttempt.good(tdf_kit, route, policies=[policy_text()])
        change(attempt)
        bodies.add(attempt.send().body)
    assert len(bodies) == 1


def test_attack_r11_opentdf_an_unentitled_caller_learns_nothing_of_the_key(tdf_kit: Kit, route: Route) -> None:
    """Good or bad material, known or unknown kid: the same denial, since nothing is opened for him."""
    bodies = set()
    for change in (lambda _a: None, *MATERIAL.values()):
        attempt = TdfAttempt.good(tdf_kit, route, client="usa-unclassified", policies=[policy_text(SECRET_USA)])
        change(attempt)
        bodies.add(refused_kao(attempt, "attribute_not_entitled", forbidden("attribute_not_entitled")).body)
    assert len(bodies) == 1


# ---- What was opened before


def test_attack_c06_opentdf_the_same_ciphertext_under_another_type(tdf_kit: Kit, route: Route) -> None:
    """However often it was opened rightly: what is asked for now is another thing."""
    attempt = TdfAttempt.good(tdf_kit, route, algorithm="ec:secp256r1")
    released(attempt)
    attempt.kao["type"], attempt.proof = "wrapped", None
    refused_kao(attempt, "unknown_key", BAD_REQUEST)
    attempt.kao["kid"], attempt.proof = "tdf-2048", None
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


def test_attack_c06b_opentdf_the_same_ciphertext_under_another_ephemeral_key(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, algorithm="ec:secp256r1")
    released(attempt)
    attempt.kao["ephemeralPublicKey"], attempt.proof = pem(ec.generate_private_key(ec.SECP256R1())), None
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


def test_attack_c06c_opentdf_the_same_ciphertext_under_another_kid_or_policy(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    released(attempt)
    attempt.kao["kid"], attempt.proof = "tdf-old", None
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)
    attempt.kao["kid"], attempt.policy, attempt.proof = "tdf-2048", policy_text(), None
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("ephemeral", [None, ""], ids=str)
def test_attack_c06f_opentdf_the_same_ciphertext_without_its_ephemeral_key(
    tdf_kit: Kit, route: Route, version: int, ephemeral: str | None
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version, algorithm="ec:secp256r1")
    released(attempt)
    attempt.kao["ephemeralPublicKey"], attempt.proof = ephemeral, None
    refused_call(attempt, 400, "invalid_request", "invalid_structure")


def test_attack_c06g_opentdf_the_same_ciphertext_without_its_kid(tdf_kit: Kit, route: Route) -> None:
    """Only RSA keys are tried where there is no kid, and what an EC key opened is not among them."""
    attempt = TdfAttempt.good(tdf_kit, route, algorithm="ec:secp256r1")
    released(attempt)
    attempt.kao["kid"], attempt.proof = None, None
    refused_kao(attempt, "unknown_key", BAD_REQUEST)
    attempt.kao["type"], attempt.proof = "wrapped", None
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)
