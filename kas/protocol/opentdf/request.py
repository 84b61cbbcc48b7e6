"""A signed request token of OpenTDF: bytes become a `RewrapRequest` (versions 1 and 2 of the body).

The outer body is ``{"signedRequestToken": JWS}``; its claim ``requestBody`` is JSON text. Names come in lower camel
case, as protobuf's JSON names or in snake case, bytes in standard or URL-safe base64. Unknown members are ignored.
A binding or a policy that cannot be read is not a structural fault: clients look for the same text as for a changed
one, so it becomes one that never holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from kas.dataclass import dataclass
from kas.encoding import parse_json, sha256_b64url
from kas.errors import Fault, InvalidStructure
from kas.jose import PublicJwk
from kas.keys.registry import WrappedMaterial
from kas.protocol.bounds import JsonBounds, check_bounds
from kas.protocol.client_key import parse_client_key, parse_ephemeral_key
from kas.protocol.faults import MESSAGES
from kas.protocol.opentdf.policy import protobuf_bytes, read_policy
from kas.protocol.request_token import OPENTDF_LIFETIME_SECONDS, open_request_token
from kas.protocol.values import CoveredByRequestToken, KeyAccess, PolicyGroup, RewrapRequest

V1_KAO_ID: Final = "kao-0"
V1_POLICY_ID: Final = "policy-1"
_HMAC_BYTES: Final = 32
_LOWER_HEX: Final = re.compile(rb"[0-9a-f]{64}")
_KINDS: Final = ("wrapped", "ec-wrapped")  # a tuple: a stranger's type may be unhashable

# A key access object with its id, and the place where it stands.
_Identified = tuple[str, Mapping[str, Any], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request; sizes in characters as sent."""

    json: JsonBounds
    groups: int
    kaos: int
    id_chars: int
    url_chars: int
    client_key_chars: int
    wrapped_key_chars: int
    policy_chars: int


def parse_request(body: bytes, limits: Limits, *, key: PublicJwk | None, now: float) -> RewrapRequest:
    """Opens the token, which ``key`` must have signed if there is one, and parses what is inside.

    Raises a leaf of InvalidRequest.
    """
    outer = _object(_parse(body, limits.json.around_token(len(body))), "")
    token = _member(outer, "", "signedRequestToken", "signed_request_token")
    inner = open_request_token(token, key=key, now=now, lifetime_seconds=OPENTDF_LIFETIME_SECONDS)
    request = _object(_parse(inner, limits.json), "requestBody")
    pem = _text(
        _member(request, "", "clientPublicKey", "client_public_key"), "clientPublicKey", limits.client_key_chars
    )
    try:
        client_key = parse_client_key(pem)
    except ValueError as error:
        raise _fault("bad_client_key", "clientPublicKey") from error
    groups = _member(request, "", "requests")
    if groups is None or groups == []:  # nothing else that is empty: it would hide a request of version 2
        return RewrapRequest(1, client_key, None, (_version_1(request, limits),))
    return RewrapRequest(2, client_key, None, _version_2(groups, limits))


def _parse(data: bytes, bounds: JsonBounds) -> Any:
    value = parse_json(data)
    check_bounds(value, bounds)
    return value


def _version_1(request: Mapping[str, Any], limits: Limits) -> PolicyGroup:
    policy = _text(_member(request, "", "policy"), "policy", limits.policy_chars)
    kao = _object(_member(request, "", "keyAccess", "key_access"), "keyAccess")
    return _group(V1_POLICY_ID, policy, [(V1_KAO_ID, kao, "keyAccess")], limits)


def _version_2(groups: object, limits: Limits) -> tuple[PolicyGroup, ...]:
    items = _list(groups, "requests", limits.groups)
    parsed, left, seen = [], limits.kaos, set[tuple[str, str]]()
    for index, item in enumerate(items):
        place = f"requests[{index}]"
        group = _object(item, place)
        policy = _object(_member(group, place, "policy"), f"{place}.policy")
        wrapped = _list(
            _member(group, place, "keyAccessObjects", "key_access_objects"), f"{place}.keyAccessObjects", left
        )
        left -= len(wrapped)
        kaos = [_identified(kao, f"{place}.keyAccessObjects[{i}]", limits) for i, kao in enumerate(wrapped)]
        body = _text(_member(policy, f"{place}.policy", "body"), f"{place}.policy.body", limits.policy_chars)
        policy_id = _text(_member(policy, f"{place}.policy", "id"), f"{place}.policy.id", limits.id_chars)
        _check_unique(policy_id, [name for name, _, _ in kaos], seen, f"{place}.keyAccessObjects")
        parsed.append(_group(policy_id, body, kaos, limits))
    return tuple(parsed)


def _check_unique(policy_id: str, names: list[str], seen: set[tuple[str, str]], place: str) -> None:
    """Clients find a result by policy and id (several TDFs have a ``kao-0`` each): of a pair there is one."""
    for index, name in enumerate(names):
        if (policy_id, name) in seen:
            raise _fault("duplicate_id", f"{place}[{index}].keyAccessObjectId")
        seen.add((policy_id, name))


def _identified(value: object, place: str, limits: Limits) -> _Identified:
    kao, inside = _object(value, place), f"{place}.keyAccessObject"
    name = _text(
        _member(kao, place, "keyAccessObjectId", "key_access_object_id"), f"{place}.keyAccessObjectId", limits.id_chars
    )
    return name, _object(_member(kao, place, "keyAccessObject", "key_access_object"), inside), inside


def _group(policy_id: str, policy: str, kaos: list[_Identified], limits: Limits) -> PolicyGroup:
    message = policy.encode("utf-8")
    parsed = tuple(_kao(name, kao, message, place, limits) for name, kao, place in kaos)
    return PolicyGroup(policy_id, read_policy(policy), sha256_b64url(message), parsed)


def _kao(name: str, kao: Mapping[str, Any], binding_message: bytes, place: str, limits: Limits) -> KeyAccess:
    kind = _word(_member(kao, place, "type", "keyType", "key_type"), "wrapped")
    kid = _optional_text(_member(kao, place, "kid"), f"{place}.kid", limits.id_chars)
    return KeyAccess(
        id=name,
        wrapped=_wrapped(kao, kind, place, limits),
        url=_optional_text(_member(kao, place, "url", "kasUrl", "kas_url"), f"{place}.url", limits.url_chars) or "",
        kid=kid,
        sid=None,
        policy_binding=_binding(_member(kao, place, "policyBinding", "policy_binding"), f"{place}.policyBinding"),
        binding_message=binding_message,
        origin=CoveredByRequestToken(),
        is_supported=kind in _KINDS and _word(_member(kao, place, "protocol"), "kas") == "kas",
    )


def _word(value: object, default: str) -> object:
    """A word of the protocol, or whatever was sent in its place; absent and empty are the default."""
    return default if value is None or value == "" else value


def _wrapped(kao: Mapping[str, Any], kind: object, place: str, limits: Limits) -> WrappedMaterial:
    text = _text(_member(kao, place, "wrappedKey", "wrapped_key"), f"{place}.wrappedKey", limits.wrapped_key_chars)
    try:
        ciphertext = protobuf_bytes(text)
    except ValueError as error:
        raise _fault("not_base64", f"{place}.wrappedKey") from error
    if kind != "ec-wrapped":
        return WrappedMaterial(ciphertext)
    at = f"{place}.ephemeralPublicKey"
    pem = _text(_member(kao, place, "ephemeralPublicKey", "ephemeral_public_key"), at, limits.client_key_chars)
    try:
        return WrappedMaterial(ciphertext, parse_ephemeral_key(pem))
    except ValueError as error:
        raise _fault("bad_ephemeral_key", at) from error


def _binding(value: object, place: str) -> bytes:
    """HMAC-SHA256: an object with ``alg`` HS256, or the text alone; raw, or as lower-case hex. Else one that fails."""
    if isinstance(value, dict):
        value = _member(value, place, "hash") if _member(value, place, "alg", "algorithm") == "HS256" else None
    try:
        decoded = protobuf_bytes(value) if isinstance(value, str) else b""
    except ValueError:
        return b""
    if _LOWER_HEX.fullmatch(decoded):
        return bytes.fromhex(decoded.decode("ascii"))
    return decoded if len(decoded) == _HMAC_BYTES else b""


def _member(value: Mapping[str, Any], place: str, *names: str) -> Any:
    """The member under whichever of its names it has; null is absent. None when there is none.

    Two of them are a fault: readers would differ in which they see. ``place`` is that of ``value``, empty at the top.
    """
    present = [value[name] for name in names if value.get(name) is not None]
    if len(present) > 1:
        raise _fault("two_names", f"{place}.{names[0]}" if place else names[0])
    return present[0] if present else None


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _fault("wrong_type", place)
    return value


def _list(value: object, place: str, max_items: int) -> list[Any]:
    if not isinstance(value, list):
        raise _fault("wrong_type", place)
    if not value:
        raise _fault("empty", place)
    if len(value) > max_items:
        raise _fault("too_many", place)
    return value


def _text(value: object, place: str, max_chars: int) -> str:
    text = _optional_text(value, place, max_chars)
    if text is None:
        raise _fault("missing", place)
    return text


def _optional_text(value: object, place: str, max_chars: int) -> str | None:
    """A non-empty text; protobuf's JSON form does not tell empty from absent."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _fault("wrong_type", place)
    if len(value) > max_chars:
        raise _fault("too_long", place)
    return value


def _fault(code: str, place: str) -> InvalidStructure:
    return InvalidStructure((Fault(code, place, MESSAGES[code]),))
