"""The vectors of ACP-240: up to date, reproduced by the service's modules and by the client, answered as stored."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kas.auth.access_token import verify_access_token
from kas.auth.dpop import verify_proof
from kas.auth.jwks import JwksCache
from kas.crypto.binding import check_binding
from kas.crypto.wrapping import oaep
from kas.datakey import DataKey
from kas.encoding import b64_decode, canonical_json, parse_json, sha256_b64url
from kas.errors import InvalidStructure, KasError
from kas.jose import is_valid_signature, parse_public_jwk, to_jwk
from kas.protocol.values import KaoSignature, KeyAccess, RewrapRequest
from local.client import encoding as client_encoding
from local.client.keys import ProofKey, ReceivingKey, thumbprint
from local.client.results import open_result, verify_answer
from local.client.rewrap import bind_policy, client_key_hash, parse_kas_keys, sign_kao
from tests.vectors.replay import (
    EXCHANGES,
    FOLDER,
    KEYS,
    PARSER,
    REQUEST_ID,
    SETTING,
    STEPS,
    clock,
    fetch_jwks,
    issuers,
    replay,
    unwrap_key,
)

ROOT = Path(__file__).resolve().parents[2]
DATA_KEY = bytes.fromhex(KEYS["random"]["dataKey"])
PROOF_KEY = ProofKey("ES256", ECAlgorithm.from_jwk(KEYS["keys"]["proof"]))  # type: ignore[arg-type]
RECEIVING = {
    "ec": ReceivingKey(ECAlgorithm.from_jwk(KEYS["keys"]["receivingEc"])),  # type: ignore[arg-type]
    "rsa": ReceivingKey(RSAAlgorithm.from_jwk(KEYS["keys"]["receivingRsa"])),  # type: ignore[arg-type]
}

each_kind = pytest.mark.parametrize("kind", ["ec", "rsa"])


def each(exchanges: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("exchange", exchanges, ids=[exchange["name"] for exchange in exchanges])


ANSWERED = [exchange for exchange in EXCHANGES if "results" in exchange["expected"]]
DENIED = [exchange for exchange in EXCHANGES if exchange["expected"].get("error") == "forbidden"]


def parse(body: str) -> RewrapRequest:
    return PARSER.parse(body.encode(), key=parse_public_jwk(PROOF_KEY.jwk), now=clock())


def kao_of(kind: str) -> tuple[KeyAccess, KaoSignature]:
    (group,) = parse(STEPS[kind]["body"]).groups
    (kao,) = group.key_accesses
    assert isinstance(kao.origin, KaoSignature)
    return kao, kao.origin


def test_vectors_are_up_to_date() -> None:
    """`--check` finds nothing to write: every value follows from the stored keys."""
    command = [sys.executable, "-m", "tests.vectors.make_acp240", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_every_file_of_keys_says_what_it_is() -> None:
    """Private test keys are named for it and carry a warning."""
    files = sorted(FOLDER.glob("*.json"))
    assert len(files) == 4
    assert all(file.name.endswith(".TEST.json") for file in files)
    assert "never use" in KEYS["warning"]


@each_kind
def test_service_sees_the_stored_canonical_forms(kind: str) -> None:
    """What the parser hands on is, byte by byte, what the vectors say is bound, signed and hashed."""
    steps, request = STEPS[kind], parse(STEPS[kind]["body"])
    (kao, origin), group = kao_of(kind), request.groups[0]
    assert kao.binding_message.hex() == steps["policy"]["hex"]
    assert origin.message.hex() == steps["kaoWithoutSignature"]["hex"]
    assert group.policy_hash == steps["policy"]["sha256"]
    assert request.client_key_hash == steps["clientPublicKey"]["clientKeyHash"] == origin.client_key_hash


@each_kind
@pytest.mark.parametrize(
    "name", ["policy", "policyWithoutId", "clientPublicKey", "kaoWithoutSignature", "resultWithoutSig"]
)
def test_both_canonicalisers_give_the_stored_bytes(kind: str, name: str) -> None:
    """Service and client agree with the text, the hexadecimal and the hash of every canonical form."""
    step = STEPS[kind][name]
    value = json.loads(step["text"])
    assert canonical_json(value).hex() == client_encoding.canonical(value).hex() == step["hex"]
    assert sha256_b64url(bytes.fromhex(step["hex"])) == step["sha256"]


def test_policy_id_is_derived_as_stored() -> None:
    """base64url(SHA-256(canonical policy)), by the service's parser."""
    (body,) = [exchange["body"] for exchange in EXCHANGES if exchange["name"] == "good-derived-id"]
    assert parse(body).groups[0].policy_id == STEPS["ec"]["policyWithoutId"]["policyId"]


@each_kind
def test_service_takes_the_stored_binding_and_signature(kind: str) -> None:
    """Unwrapped with the stored key, the material made the binding; the proof key made the signature."""
    kao, origin = kao_of(kind)
    material = unwrap_key().decrypt(kao.wrapped.ciphertext, oaep(hashes.SHA256()))
    assert material == DATA_KEY
    assert check_binding(DataKey(material), kao.binding_message, kao.policy_binding).reveal() == DATA_KEY
    key = parse_public_jwk(PROOF_KEY.jwk)
    assert is_valid_signature(origin.algorithm, key, origin.message, origin.signature)


def test_service_takes_the_stored_token_and_proof() -> None:
    """At the vectors' time, for the vectors' method and address."""
    trusted = issuers()
    find_key = JwksCache(trusted, fetch_jwks, clock).find
    token = verify_access_token(SETTING["accessToken"], issuers=trusted, find_key=find_key, now=clock())
    assert (token.jkt, token.hash, token.subject) == (SETTING["jkt"], SETTING["ath"], "alice")
    proof = verify_proof(
        SETTING["dpopProof"],
        jkt=SETTING["jkt"],
        token_hash=SETTING["ath"],
        method=SETTING["method"],
        uris={SETTING["url"]},
        now=clock(),
    )
    assert proof.jti == SETTING["jti"]


@each_kind
def test_client_reproduces_the_stored_request(kind: str) -> None:
    """Binding, client key hash and thumbprint are the client's own; its signature covers the same bytes."""
    steps = STEPS[kind]
    request = client_encoding.parse_json(steps["body"].encode())
    (group,) = request["requests"]
    (kao,) = group["keyAccessObjects"]
    assert bind_policy(DATA_KEY, group["policy"]) == steps["policyBinding"] == kao["policyBinding"]
    assert client_key_hash(RECEIVING[kind].jwk) == steps["clientPublicKey"]["clientKeyHash"]
    assert thumbprint(PROOF_KEY.jwk) == SETTING["jkt"]
    signed = sign_kao(kao, PROOF_KEY)
    key, message = parse_public_jwk(PROOF_KEY.jwk), bytes.fromhex(steps["kaoWithoutSignature"]["hex"])
    assert is_valid_signature("ES256", key, message, b64_decode(signed["signature"]["sig"]))


@each_kind
def test_client_verifies_and_opens_the_stored_answer(kind: str) -> None:
    """The signature is the KAS's over the stored bytes, and the data key comes out."""
    steps = STEPS[kind]
    signing = parse_kas_keys(SETTING["kas"]["jwks"]).signing
    request = client_encoding.parse_json(steps["body"].encode())
    results = verify_answer(steps["response"], request, SETTING["dpopProof"], signing, clock())
    assert open_result(results["kao-1"], RECEIVING[kind]) == DATA_KEY


def test_ephemeral_key_of_the_answer_is_the_stored_one() -> None:
    """So that the derivation can be followed with its private half."""
    result = STEPS["ec"]["response"]["responses"][0]["results"][0]
    private = ECAlgorithm.from_jwk(KEYS["keys"]["ephemeral"])
    assert to_jwk(private.public_key()) == result["ephemeralPublicKey"]  # type: ignore[union-attr, arg-type]
    wrapping = STEPS["ec"]["wrapping"]
    wrapped = bytes.fromhex(wrapping["nonce"] + wrapping["ciphertextAndTag"])
    assert base64.b64encode(wrapped).decode() == result["kasWrappedKey"] == wrapping["kasWrappedKey"]


@each(EXCHANGES)
def test_service_answers_as_stored(exchange: dict[str, Any]) -> None:
    """Status, class, codes and faults; a refused key access object has no key in its result."""
    expected, service = exchange["expected"], replay()
    if "results" not in expected:
        with pytest.raises(KasError) as refusal:
            service.send(exchange["body"])
        error = refusal.value
        assert (error.status, error.error, error.code) == (expected["status"], expected["error"], expected["code"])
        faults = error.faults if isinstance(error, InvalidStructure) else ()
        found = [{"code": fault.code, "field": fault.field} for fault in faults]
        assert found == expected.get("validationErrors", [])
        assert service.key_service.calls == service.lines == []
        return
    answer = service.send(exchange["body"])
    summary = {name: answer.body[name] for name in ("error", "code") if name in answer.body}
    assert {"status": answer.status, **summary} == {name: expected[name] for name in expected if name != "results"}
    results = [result for response in answer.body["responses"] for result in response["results"]]
    assert [select(result) for result in results] == expected["results"]
    assert all(("kasWrappedKey" in result) == (result["status"] == "success") for result in results)
    events = [(event["kaoId"], event["code"], event["requestId"]) for event in service.events()]
    assert events == [(result["keyAccessObjectId"], result.get("code"), REQUEST_ID) for result in expected["results"]]


def select(result: dict[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in ("keyAccessObjectId", "status", "code") if name in result}


@each(ANSWERED)
def test_client_verifies_every_result_of_the_service(exchange: dict[str, Any]) -> None:
    """Refusals are signed like successes; what succeeds opens with the client's key."""
    answer = replay().send(exchange["body"])
    signing = parse_kas_keys(SETTING["kas"]["jwks"]).signing
    request = client_encoding.parse_json(exchange["body"].encode())
    results = verify_answer(answer.body, request, SETTING["dpopProof"], signing, clock())
    kind = "rsa" if exchange["name"] == "good-rsa" else "ec"
    opened = [open_result(result, RECEIVING[kind]) for result in results.values() if result["status"] == "success"]
    assert opened == [DATA_KEY] * len(opened)
    assert bool(opened) == (answer.status == 200)


@each(DENIED)
def test_denied_exchange_costs_no_key_operation(exchange: dict[str, Any]) -> None:
    """The decision comes before the unwrap."""
    service = replay()
    service.send(exchange["body"])
    assert service.key_service.calls == []


def test_rejected_material_costs_one_key_operation_each() -> None:
    """Bad wrap, bad length and bad binding: the same operations and the same answer, signature aside."""
    rejected = [e for e in EXCHANGES if e["expected"].get("code") == "key_material_rejected"]
    answers = set()
    for exchange in rejected:
        service = replay()
        body = service.send(exchange["body"]).body
        (result,) = body["responses"][0]["results"]
        del result["signature"]["sig"]
        answers.add(canonical_json(body))
        assert len(service.key_service.calls) == 1
    assert len(rejected) >= 7
    assert len(answers) == 1


def test_stored_bodies_that_are_json_are_as_sent() -> None:
    """Bodies are texts, not objects: what is stored is what goes over the wire, white space included."""
    good = next(exchange["body"] for exchange in EXCHANGES if exchange["name"] == "good-ec")
    assert canonical_json(parse_json(good.encode())) != good.encode()
