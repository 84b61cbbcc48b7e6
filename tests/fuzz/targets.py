"""What strangers and operators may hand us, one function each: it takes any bytes and raises only what is a finding.

``allowed`` is what the function under test says it raises. A refusal must be a leaf, since only leaves have a code.
Tokens and proofs are signed here, so that the fuzzer reaches what comes after the signature.
"""

from __future__ import annotations

import ipaddress
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import flask
from werkzeug.datastructures import MultiDict

from kas.auth.access_token import verify_access_token
from kas.auth.dpop import verify_proof
from kas.auth.issuers import load_issuers
from kas.auth.jwks import MAX_KEYS, IssuerKey, parse_key_set
from kas.encoding import canonical_json, parse_json
from kas.errors import ConfigError, InvalidProof, InvalidRequest, InvalidToken, KasError
from kas.jose import parse_compact_jws, parse_public_jwk
from kas.policy.attributes import load_attributes
from kas.policy.rules import load_rules
from kas.protocol.bounds import JsonBounds
from kas.protocol.client_key import parse_client_key, parse_ephemeral_key
from kas.protocol.connect import decode_message, decompress, encode_message, read_get
from kas.protocol.opentdf.request import Limits as OpenTdfLimits
from kas.protocol.opentdf.request import parse_request
from kas.web.network import UNKNOWN, network_of
from kas.web.trace import read_trace
from local.client.encoding import sha256_b64url
from local.client.keys import new_proof_key
from local.client.proofs import compact_jws
from tests.fuzz import at_start, seeds
from tests.unit.good_rewrap import ISSUER, NOW, URL
from tests.unit.policy.good_attributes import decided_by_attributes
from tests.unit.policy.good_policy import CONFIG, RULES, decided
from tests.unit.protocol.parsing import parser

KEY = new_proof_key("Ed25519")
PROVEN = parse_public_jwk(KEY.jwk)
JSON = JsonBounds(32, 50_000, 2**17)
OPENTDF = OpenTdfLimits(
    json=JSON,
    groups=10,
    kaos=10,
    id_chars=256,
    url_chars=2048,
    client_key_chars=8192,
    wrapped_key_chars=8192,
    policy_chars=8192,
)
MESSAGES = tuple(seeds.CONNECT_MESSAGES)
ACP240 = parser()


@dataclass(frozen=True, slots=True)
class Target:
    """``check`` runs one input; ``seeds`` are good ones."""

    check: Callable[[bytes], object]
    seeds: Sequence[bytes]
    allowed: tuple[type[Exception], ...] = ()

    def run(self, data: bytes) -> None:
        try:
            self.check(data)
        except self.allowed as refusal:
            if isinstance(refusal, KasError) and not refusal.code:
                raise AssertionError("a refusal without a code") from refusal


def _json(data: bytes) -> None:
    """What is taken has one canonical form, which is taken and is its own."""
    value = parse_json(data)
    try:
        canonical = canonical_json(value)
    except InvalidRequest as refusal:
        if refusal.code != "invalid_structure":  # the depth that the interpreter can follow
            raise AssertionError("parsed, but without a canonical form") from refusal
        return
    assert canonical_json(parse_json(canonical)) == canonical


def _parts(data: bytes) -> tuple[Any, Any] | None:
    try:
        value = json.loads(data)
        return value["header"], value["claims"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _signed(data: bytes) -> str:
    """The compact JWS of ``{"header": …, "claims": …}``, signed; whatever is none of these is the token's text."""
    parts = _parts(data)
    if parts is None:
        return data.decode("latin-1")
    header, claims = parts
    return compact_jws(KEY, header, json.dumps(claims).encode())


def _token(data: bytes) -> None:
    key = IssuerKey(PROVEN, None)
    verified = verify_access_token(
        _signed(data), issuers={ISSUER.issuer: ISSUER}, find_key=lambda _issuer, _kid: key, now=NOW
    )
    assert verified.issuer is ISSUER
    assert verified.subject


def _proof(data: bytes) -> None:
    parts = _parts(data)
    if parts is not None and isinstance(parts[0], dict) and isinstance(parts[0].get("jwk"), dict):
        parts[0]["jwk"] |= KEY.jwk
        data = json.dumps({"header": parts[0], "claims": parts[1]}).encode()
    token_hash = sha256_b64url(b"token")
    proof = verify_proof(_signed(data), jkt=KEY.thumbprint, token_hash=token_hash, method="POST", uris={URL}, now=NOW)
    assert proof.jkt == KEY.thumbprint


def _request_token(data: bytes) -> bytes:
    claims = {"iat": NOW, "exp": NOW + 60, "requestBody": data.decode("utf-8", "replace")}
    return json.dumps({"signedRequestToken": compact_jws(KEY, {"alg": KEY.alg}, json.dumps(claims).encode())}).encode()


def _acp240(data: bytes) -> None:
    for body in (_request_token(data), data):
        ACP240.parse(body, key=PROVEN, now=NOW)


def _opentdf(data: bytes) -> None:
    try:
        parse_request(_request_token(data), OPENTDF, key=PROVEN, now=NOW)
    except InvalidRequest:
        parse_request(data, OPENTDF, key=None, now=NOW)


def _connect_json(data: bytes) -> None:
    for name in MESSAGES:
        decode_message("json", name, data, JSON)


def _connect_proto(data: bytes) -> None:
    """The first byte chooses message and compression; a message that is read can be written, and reads the same."""
    kind, message = data[:1] or b"\0", data[1:]
    if kind[0] & 128:
        message = decompress(message, "gzip", 65536)
        assert len(message) <= 65536
    name = MESSAGES[kind[0] % len(MESSAGES)]
    value = decode_message("proto", name, message, JSON)
    assert decode_message("proto", name, encode_message("proto", name, value), JSON) == value


def _connect_get(data: bytes) -> None:
    query = MultiDict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))
    codec, message = read_get(query, 65536)
    decode_message(codec, MESSAGES[0], message, JSON)


def _client_key(data: bytes) -> None:
    """A JWK where it is JSON, else a PEM text."""
    try:
        key = json.loads(data)
    except (ValueError, RecursionError):
        key = data.decode("utf-8", "replace")
    try:
        parse_ephemeral_key(key)
    except ValueError:
        parse_client_key(key)


def _jwks(data: bytes) -> None:
    assert len(parse_key_set(data)) <= MAX_KEYS


def _network(data: bytes) -> None:
    text = data.decode("latin-1")
    for hops in (None, 0, 1, 3):
        network = network_of(text, text, hops)
        assert network == UNKNOWN or ipaddress.ip_network(network)


def _trace(data: bytes) -> None:
    """Whatever is read is hexadecimal: it ends up in log lines."""
    first, _, second = data.decode("latin-1").partition("\n")
    environ = {"HTTP_TRACEPARENT": first, "HTTP_X_CLOUD_TRACE_CONTEXT": second, "REQUEST_METHOD": "GET"}
    trace = read_trace(flask.Request(environ))
    assert trace is None or re.fullmatch("[0-9a-f]{32} [0-9a-f]{16}", f"{trace.trace} {trace.span}", re.ASCII)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _labels(data: bytes) -> None:
    asked = _object(parse_json(data))
    decision = decided(_object(asked.get("claims")), _object(asked.get("dissem")))
    assert decision.permitted == (decision.refusal is None)
    assert len(decision.checks) == 10


def _attributes(data: bytes) -> None:
    asked = _object(parse_json(data))
    decision = decided_by_attributes(
        _texts(asked.get("fqns")), _object(asked.get("claims")), dissem=tuple(_texts(asked.get("dissem")))
    )
    assert decision.permitted == (decision.refusal is None)


def _config(data: bytes) -> None:
    """The bytes as each configuration file, beside the shipped ones."""
    refused = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        folder = Path(place)
        for name in ("labels.json", "countries.json", "clearances.json"):
            (folder / name).write_bytes((CONFIG / name).read_bytes())
        (folder / "odd.json").write_bytes(data)
        for load in (load_attributes, _load_issuers, lambda odd: _load_rules(odd, folder)):
            try:
                load(folder / "odd.json")
            except ConfigError:
                refused += 1
    assert refused >= 2


def _load_issuers(path: Path) -> object:
    return load_issuers(path, countries=RULES.countries, allow_loopback_http=False)


def _load_rules(odd: Path, folder: Path) -> object:
    """As the file whose members it seems to have."""
    data = odd.read_bytes()
    name = "countries" if b'"countries"' in data[:100] else "clearances" if b'"english"' in data else "labels"
    (folder / f"{name}.json").write_bytes(data)
    return load_rules(folder)


TARGETS = {
    "json": Target(_json, seeds.BODIES + seeds.NOT_JSON, (InvalidRequest,)),
    "jws": Target(lambda data: parse_compact_jws(data.decode("latin-1")), seeds.TOKENS, (ValueError,)),
    "token": Target(_token, seeds.TOKEN_PARTS, (InvalidToken,)),
    "proof": Target(_proof, seeds.PROOF_PARTS, (InvalidProof,)),
    "acp240": Target(_acp240, seeds.BODIES, (InvalidRequest,)),
    "opentdf": Target(_opentdf, seeds.opentdf_bodies(), (InvalidRequest,)),
    "connect_json": Target(_connect_json, seeds.CONNECT_JSON, (InvalidRequest,)),
    "connect_proto": Target(_connect_proto, seeds.CONNECT_PROTO, (KasError,)),
    "connect_get": Target(_connect_get, seeds.CONNECT_GET, (KasError,)),
    "client_key": Target(_client_key, seeds.CLIENT_KEYS, (ValueError,)),
    "jwks": Target(_jwks, seeds.KEY_SETS, (ValueError,)),
    "network": Target(_network, seeds.NETWORKS),
    "trace": Target(_trace, seeds.TRACES),
    "labels": Target(_labels, seeds.LABELS, (InvalidRequest,)),
    "attributes": Target(_attributes, seeds.ATTRIBUTES, (InvalidRequest,)),
    "config": Target(_config, seeds.CONFIG_FILES),
    "key_index": Target(at_start.key_index, seeds.KEY_INDEXES, (ConfigError,)),
    "google_answer": Target(at_start.google_answer, seeds.GOOGLE_ANSWERS),
    "settings": Target(at_start.settings, seeds.SETTINGS),
    "references": Target(at_start.references, seeds.REFERENCES),
}
