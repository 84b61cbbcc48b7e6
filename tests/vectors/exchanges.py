"""Requests and the answer each must get: good ones, and good ones with one thing changed on the way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from tests.vectors import primitives as p
from tests.vectors.malformed import malformed, unreadable
from tests.vectors.scenario import POLICY, SIGNING_KID, Json, Scenario, changed_policy, exchange

REJECTED = "key_material_rejected"
Spoil = Callable[[Json], object]


def exchanges(scenario: Scenario) -> list[Json]:
    """All of them: name, what was done, the body as sent, the expected answer."""
    return [*_good(scenario), *_denied(scenario), *_tampered(scenario), *malformed(scenario), *unreadable(scenario)]


def _result(number: int, code: str | None = None) -> Json:
    result = {"keyAccessObjectId": f"kao-{number}", "status": "success" if code is None else "error"}
    return result if code is None else {**result, "code": code}


def _alone(name: str, done: str, body: Json, status: int, code: str) -> Json:
    error = {400: "invalid_request", 403: "forbidden"}[status]
    return exchange(name, done, body, status, error=error, code=code, results=[_result(1, code)])


def _good(scenario: Scenario) -> Iterator[Json]:
    good = [_result(1)]
    yield exchange("good-ec", "nothing; the client receives with P-256", scenario.request(), 200, results=good)
    rsa_body = scenario.request("receivingRsa")
    yield exchange("good-rsa", "nothing; the client receives with RSA-2048", rsa_body, 200, results=good)
    pem = p.spki_pem(scenario.jwk("receivingEc"))
    group = {"policy": POLICY, "keyAccessObjects": [scenario.signed(scenario.kao(POLICY), pem)]}
    by_pem = {"clientPublicKey": pem, "requests": [group]}
    yield exchange("good-pem", "the client's key is an SPKI PEM", by_pem, 200, results=good)
    unnamed = {name: value for name, value in POLICY.items() if name != "policyId"}
    derived = scenario.request(policies=(unnamed,))
    yield exchange("good-derived-id", "no policyId: it is derived", derived, 200, results=good)
    odd = {**POLICY, "body": {"ö€😀": [1.0, 1e30, -0.0, 4.50, '\u0001\\"'], "A": None, "\r": True}}
    yield exchange(
        "good-canonical",
        "numbers, names and text that canonicalisers get wrong",
        scenario.request(policies=(odd,)),
        200,
        results=good,
    )
    unsigned_hash = scenario.request()
    kao = scenario.kao(POLICY)
    signature = {"alg": "ES256", "sig": p.b64(p.es256(scenario.jwk("proof"), p.canonical(kao)))}
    unsigned_hash["requests"][0]["keyAccessObjects"] = [{**kao, "signature": signature}]
    yield exchange("good-without-hash", "no clientKeyHash: allowed by default", unsigned_hash, 200, results=good)
    several = scenario.request(policies=(POLICY, {**POLICY, "policyId": "p-2"}), kaos=2)
    yield exchange(
        "good-several", "two policies, two KAOs each", several, 200, results=[_result(n) for n in range(1, 5)]
    )
    half = scenario.request(kaos=2)
    half["requests"][0]["keyAccessObjects"][1]["sid"] = "s-9"
    mixed = [_result(1), _result(2, "kao_signature_invalid")]
    yield exchange("half", "the second KAO is changed after signing", half, 200, results=mixed)


def _denied(scenario: Scenario) -> Iterator[Json]:
    cases = {
        "denied-clearance": (
            "classification above the clearance",
            {"classification": "TOP_SECRET"},
            "clearance_insufficient",
        ),
        "denied-country": ("released to another country", {"releasabilityTo": ["FRA"]}, "country_not_releasable"),
        "denied-coi": ("a community that the caller is not in", {"COI": ["FVEY"]}, "coi_not_satisfied"),
        "denied-embargo": ("created in the future", {"creationDate": "2027-01-01T00:00:00Z"}, "embargoed"),
        "denied-label": ("no classification", {"classification": None}, "label_invalid"),
    }
    for name, (done, dissem, code) in cases.items():
        yield _alone(name, done, scenario.request(policies=(changed_policy(**dissem),)), 403, code)


def _tampered(scenario: Scenario) -> Iterator[Json]:
    key = p.public(scenario.jwk("receivingEc"))

    def sent(spoil: Spoil) -> Json:
        request = copy.deepcopy(scenario.request())
        spoil(request)
        return request

    def resigned(**members: Any) -> Json:
        kao = {name: value for name, value in {**scenario.kao(POLICY), **members}.items() if value is not None}
        return {
            "clientPublicKey": key,
            "requests": [{"policy": POLICY, "keyAccessObjects": [scenario.signed(kao, key)]}],
        }

    def kao_of(request: Json) -> Json:
        return dict.__getitem__(request, "requests")[0]["keyAccessObjects"][0]  # type: ignore[no-any-return]

    def signed_with(signature: Json) -> Json:
        return sent(lambda request: kao_of(request).update(signature=signature))

    lowered = changed_policy(classification="UNCLASSIFIED")
    yield _alone(
        "policy-lowered",
        "classification changed to UNCLASSIFIED",
        sent(lambda r: r["requests"][0].update(policy=lowered)),
        400,
        REJECTED,
    )
    yield _alone(
        "policy-extended",
        "an unknown member added to the policy",
        sent(lambda r: r["requests"][0]["policy"].update(x=1)),
        400,
        REJECTED,
    )
    other, split = scenario.random("otherKey"), scenario.random("dataKey")[:15]
    yield _alone(
        "binding-other-key",
        "bound with another key, KAO signed again",
        resigned(policyBinding=p.bind(other, POLICY)),
        400,
        REJECTED,
    )
    yield _alone(
        "binding-other-policy",
        "bound to another policy, KAO signed again",
        resigned(policyBinding=p.bind(scenario.random("dataKey"), lowered)),
        400,
        REJECTED,
    )
    yield _alone(
        "wrapped-other-key",
        "another key wrapped, KAO signed again",
        resigned(wrappedKey=scenario.wrapped(other)),
        400,
        REJECTED,
    )
    damaged = bytearray(p.oaep_sha256(scenario.jwk("unwrap"), scenario.random("dataKey"), scenario.random("wrapSeed")))
    damaged[-1] ^= 1
    yield _alone(
        "wrapped-damaged",
        "one bit of wrappedKey changed, KAO signed again",
        resigned(wrappedKey=p.b64(bytes(damaged))),
        400,
        REJECTED,
    )
    yield _alone(
        "material-15-bytes",
        "material of 15 bytes, bound and signed",
        resigned(wrappedKey=scenario.wrapped(split), policyBinding=p.bind(split, POLICY)),
        400,
        REJECTED,
    )
    invalid = "kao_signature_invalid"
    yield _alone("kao-changed", "sid changed after signing", sent(lambda r: kao_of(r).update(sid="s-2")), 400, invalid)
    yield _alone(
        "kao-extended", "an unknown member added after signing", sent(lambda r: kao_of(r).update(x=1)), 400, invalid
    )
    yield _alone("kao-shortened", "type removed after signing", sent(lambda r: kao_of(r).pop("type")), 400, invalid)
    yield _alone(
        "hash-removed",
        "clientKeyHash removed after signing",
        sent(lambda r: kao_of(r).pop("clientKeyHash")),
        400,
        invalid,
    )
    binding = p.bind(other, POLICY)
    yield _alone(
        "binding-changed",
        "policyBinding changed after signing",
        sent(lambda r: kao_of(r).update(policyBinding=binding)),
        400,
        invalid,
    )
    stranger = scenario.signed(scenario.kao(POLICY), key, "stranger")
    yield _alone(
        "signed-by-stranger",
        "signed with a key that the token is not bound to",
        signed_with(stranger["signature"]),
        400,
        invalid,
    )
    unsigned = {name: value for name, value in kao_of(scenario.request()).items() if name != "signature"}
    der = {"alg": "ES256", "sig": p.b64(p.es256_der(scenario.jwk("proof"), p.canonical(unsigned)))}
    yield _alone("signature-der", "the good signature as DER", signed_with(der), 400, invalid)
    for alg in ("none", "HS256", "ES384", "RS256"):
        renamed = {**kao_of(scenario.request())["signature"], "alg": alg}
        yield _alone(
            f"signature-{alg.lower()}", f"the good signature under alg {alg}", signed_with(renamed), 400, invalid
        )
    zero = {"alg": "ES256", "sig": p.b64(bytes(64))}
    yield _alone("signature-zero", "R and S zero", signed_with(zero), 400, invalid)
    swapped = p.public(scenario.jwk("stranger"))
    yield _alone(
        "client-key-swapped",
        "clientPublicKey is somebody else's",
        sent(lambda r: r.update(clientPublicKey=swapped)),
        400,
        "client_key_unbound",
    )
    yield _alone("kid-unknown", "kid of no key, KAO signed again", resigned(kid="usa-rsa-1999-1"), 400, "unknown_key")
    yield _alone(
        "kid-of-signing-key", "kid of the key that signs results", resigned(kid=SIGNING_KID), 400, "unknown_key"
    )
    yield _alone(
        "url-of-another",
        "url of a KAS that nobody knows",
        resigned(url="https://other.example/rewrap"),
        400,
        "unknown_kas",
    )
    yield _alone(
        "url-lookalike",
        "url that only begins with ours",
        resigned(url="https://kas.example.evil/rewrap"),
        400,
        "unknown_kas",
    )
    yield _alone("type-unknown", "type that there is not", resigned(type="remoteWrapped"), 400, "not_supported")
    yield _alone("protocol-unknown", "protocol that there is not", resigned(protocol="kms"), 400, "not_supported")
