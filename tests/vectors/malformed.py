"""Requests that are refused as a whole: the structure is not that of ACP-240, or the body is not I-JSON."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from tests.vectors import primitives as p
from tests.vectors.scenario import POLICY, Json, Scenario, changed_policy, exchange, text


def malformed(scenario: Scenario) -> Iterator[Json]:
    place = "requests[0].keyAccessObjects[0]"

    def spoiled(name: str, done: str, code: str, where: str, spoil: Callable[[Json, Json], object]) -> Json:
        request = copy.deepcopy(scenario.request(kaos=2))
        spoil(request, request["requests"][0]["keyAccessObjects"][0])
        faults = [{"code": code, "field": where}]
        return exchange(
            name, done, request, 400, error="invalid_request", code="invalid_structure", validationErrors=faults
        )

    for member in ("keyAccessObjectId", "wrappedKey", "url", "kid", "policyBinding", "signature"):
        yield spoiled(
            f"missing-{member}", f"{member} removed", "missing", f"{place}.{member}", lambda _, k, m=member: k.pop(m)
        )
    yield spoiled(
        "missing-policy", "policy removed", "missing", "requests[0].policy", lambda r, _: r["requests"][0].pop("policy")
    )
    yield spoiled(
        "missing-client-key",
        "clientPublicKey removed",
        "missing",
        "clientPublicKey",
        lambda r, _: r.pop("clientPublicKey"),
    )
    yield spoiled("missing-requests", "requests removed", "missing", "requests", lambda r, _: r.pop("requests"))
    yield spoiled("empty-requests", "requests empty", "empty", "requests", lambda r, _: r.update(requests=[]))
    yield spoiled(
        "empty-kaos",
        "no KAO under the policy",
        "empty",
        "requests[0].keyAccessObjects",
        lambda r, _: r["requests"][0].update(keyAccessObjects=[]),
    )
    yield spoiled(
        "empty-binding",
        "policyBinding empty",
        "empty",
        f"{place}.policyBinding",
        lambda _, k: k.update(policyBinding=""),
    )
    yield spoiled(
        "short-binding",
        "policyBinding of 31 bytes",
        "bad_length",
        f"{place}.policyBinding",
        lambda _, k: k.update(policyBinding=p.b64(bytes(31))),
    )
    yield spoiled(
        "object-binding",
        "policyBinding an object",
        "wrong_type",
        f"{place}.policyBinding",
        lambda _, k: k.update(policyBinding={"alg": "HS256", "hash": "x"}),
    )
    yield spoiled(
        "base64-unpadded",
        "wrappedKey without padding",
        "not_base64",
        f"{place}.wrappedKey",
        lambda _, k: k.update(wrappedKey=k["wrappedKey"].rstrip("=")),
    )
    yield spoiled(
        "base64-trailing-bits",
        "policyBinding with stray trailing bits",
        "not_base64",
        f"{place}.policyBinding",
        lambda _, k: k.update(policyBinding="A" * 42 + "B="),
    )
    yield spoiled(
        "base64-line-break",
        "wrappedKey with a line break",
        "not_base64",
        f"{place}.wrappedKey",
        lambda _, k: k.update(wrappedKey=k["wrappedKey"] + "\n"),
    )
    yield spoiled(
        "url-http", "url without TLS", "bad_url", f"{place}.url", lambda _, k: k.update(url="http://kas.example/rewrap")
    )
    yield spoiled(
        "hash-malformed",
        "clientKeyHash of 31 bytes",
        "bad_hash",
        f"{place}.clientKeyHash",
        lambda _, k: k.update(clientKeyHash=p.b64url(bytes(31))),
    )
    yield spoiled(
        "duplicate-id",
        "two KAOs with one id",
        "duplicate_id",
        "requests[0].keyAccessObjects[1].keyAccessObjectId",
        lambda r, _: r["requests"][0]["keyAccessObjects"][1].update(keyAccessObjectId="kao-1"),
    )
    keys = {
        "private": ("a private key", scenario.jwk("receivingEc")),
        "for-signing": ("a key that is for signatures", {**p.public(scenario.jwk("receivingEc")), "use": "sig"}),
        "off-curve": (
            "a point that is not on the curve",
            {**p.public(scenario.jwk("receivingEc")), "y": scenario.jwk("stranger")["y"]},
        ),
        "symmetric": ("a symmetric key", {"kty": "oct", "k": p.b64url(bytes(32))}),
    }
    for name, (done, jwk) in keys.items():
        yield spoiled(
            f"client-key-{name}",
            f"clientPublicKey is {done}",
            "bad_client_key",
            "clientPublicKey",
            lambda r, _, k=jwk: r.update(clientPublicKey=k),
        )
    one_id = scenario.request(policies=(POLICY, changed_policy(COI=[])))
    faults = [{"code": "policy_mismatch", "field": "requests[1].policy.policyId"}]
    yield exchange(
        "policy-mismatch",
        "one policyId for two policies",
        one_id,
        400,
        error="invalid_request",
        code="invalid_structure",
        validationErrors=faults,
    )


def unreadable(scenario: Scenario) -> Iterator[Json]:
    good = text(scenario.request())
    cases = {
        "json-duplicate": ("a member twice", "not_canonical", '{"requests": [],' + good[1:]),
        "json-big-integer": ("a whole number of 2^53", "not_canonical", '{"x": 9007199254740992,' + good[1:]),
        "json-overflow": ("a number that no double holds", "not_canonical", '{"x": 1e400,' + good[1:]),
        "json-nan": ("NaN", "not_canonical", '{"x": NaN,' + good[1:]),
        "json-surrogate": ("half of a surrogate pair", "not_canonical", '{"x": "\\ud800",' + good[1:]),
        "json-surrogate-name": ("half of a surrogate pair in a name", "not_canonical", '{"\\udc00": 1,' + good[1:]),
        "json-bom": ("a byte-order mark in front", "invalid_json", "\ufeff" + good),
        "json-cut": ("the last byte missing", "invalid_json", good[:-1]),
        "json-trailing": ("something after the end", "invalid_json", good + "{}"),
        "json-empty": ("nothing at all", "invalid_json", ""),
    }
    for name, (done, code, body) in cases.items():
        yield exchange(name, done, body, 400, error="invalid_request", code=code)
