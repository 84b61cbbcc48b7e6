"""The body of ``POST /rewrap`` (ACP-240 §2): bytes become a `RewrapRequest` or a list of faults.

Guarantees about what it returns: every limit holds, every id is unique, every base64 is canonical, the client's key
is sound, and the messages under binding and signatures are canonical JSON of what was sent. It verifies nothing.
Unknown members are ignored wherever they stand; those of a KAO are under its signature, those of a policy under its
binding. Nothing in the body says who the caller is (KAS-REQ-061).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from kas.crypto.splits import MAX_SPLITS, MIN_SPLITS
from kas.crypto.wrapping import ClientKey
from kas.dataclass import dataclass
from kas.encoding import b64url_decode, canonical_json, parse_json, sha256_b64url
from kas.errors import SignedRequestTokenInvalid
from kas.jose import PublicJwk
from kas.keys.registry import WrappedMaterial
from kas.protocol.acp240.policy import read_policy
from kas.protocol.acp240.structure import Faults, Members, as_members
from kas.protocol.bounds import JsonBounds, check_bounds
from kas.protocol.client_key import parse_client_key, parse_ephemeral_key
from kas.protocol.request_token import ACP240_LIFETIME_SECONDS, open_request_token
from kas.protocol.values import KaoSignature, KeyAccess, Mode, PolicyGroup, RewrapRequest

BINDING_BYTES: Final = 32
_HASH_BYTES: Final = 32
_MAX_WORD_CHARS: Final = 256
_MAX_HASH_CHARS: Final = 256  # beyond 43 or 44 it is the wrong length; beyond this it is not even looked at
_MAX_SIGNATURE_CHARS: Final = 1024  # RSA-4096 needs 684
MAX_ALTERNATIVES: Final = 16  # they are tried one after the other
_MODES: Final = {None: Mode.EACH, "anyOf": Mode.ANY_OF, "allOf": Mode.ALL_OF}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one request; sizes in characters as sent unless the name says otherwise."""

    groups: int
    kaos: int
    json: JsonBounds
    id_chars: int
    url_chars: int
    client_key_chars: int
    wrapped_key_chars: int
    metadata_chars: int
    policy_bytes: int


IsAllowedUrl = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class RequestParser:
    """``is_allowed_url`` says whether a KAO's ``url`` is one that a client may name at all (https)."""

    limits: Limits
    is_allowed_url: IsAllowedUrl

    def parse(self, body: bytes, *, key: PublicJwk, now: float) -> RewrapRequest:
        """Parses a body, or the one inside a signedRequestToken, which ``key`` must have signed.

        Raises InvalidJson, NotCanonical, InvalidStructure, SignedRequestTokenInvalid.
        """
        value = parse_json(body)
        if isinstance(value, dict) and "signedRequestToken" in value:
            check_bounds(value, self.limits.json.around_token(len(body)))
            value = parse_json(_unpack(value, key, now))
        check_bounds(value, self.limits.json)
        faults = Faults()
        top = as_members(value, "", faults) or Members({}, "", faults)
        faults.refuse_any()
        client_key = self._client_key(top)
        groups = self._groups(top)
        faults.refuse_any()
        sent = top.values["clientPublicKey"]
        # An absent or unsound client key is a fault, so there is one here.
        return RewrapRequest(1, client_key, _hash(sent), groups, sent)  # type: ignore[arg-type]

    def _client_key(self, top: Members) -> ClientKey | None:
        place = top.at("clientPublicKey")
        value = top.values.get("clientPublicKey")
        if "clientPublicKey" not in top.values:
            top.faults.add("missing", place)
        elif not isinstance(value, str | dict):
            top.faults.add("wrong_type", place)
        elif _key_chars(value) > self.limits.client_key_chars:
            top.faults.add("too_long", place)
        else:
            try:
                return parse_client_key(value)
            except ValueError:
                top.faults.add("bad_client_key", place)
        return None

    def _groups(self, top: Members) -> tuple[PolicyGroup, ...]:
        items = top.items("requests", self.limits.groups)
        objects = [as_members(item, f"requests[{index}]", top.faults) for index, item in enumerate(items)]
        sent = [group.values.get("keyAccessObjects") for group in objects if group is not None]
        if sum(len(kaos) for kaos in sent if isinstance(kaos, list)) > self.limits.kaos:
            top.faults.add("too_many", "requests")
            return ()
        present = [group for group in objects if group is not None]
        groups = [self._group(group) for group in present]
        _check_kao_ids(present)
        _check_policy_ids(groups, present)
        return tuple(group for group in groups if group is not None)

    def _group(self, members: Members) -> PolicyGroup | None:
        policy = members.object("policy")
        kaos = members.items("keyAccessObjects", self.limits.kaos)
        mode = _mode(members, kaos)
        bound = None if policy is None else read_policy(policy, self.limits.id_chars, self.limits.policy_bytes)
        message = b"" if bound is None else bound.message
        places = [f"{members.at('keyAccessObjects')}[{index}]" for index in range(len(kaos))]
        objects = [as_members(kao, place, members.faults) for kao, place in zip(kaos, places, strict=True)]
        parsed = tuple(self._kao(kao, message, mode) for kao in objects if kao is not None)
        if bound is None:
            return None
        return PolicyGroup(bound.id, bound.policy, bound.hash, parsed, bound.policy.members, mode)

    def _kao(self, members: Members, binding_message: bytes, mode: Mode) -> KeyAccess:
        limits, values = self.limits, members.values
        url = members.text("url", limits.url_chars)
        if url and not self.is_allowed_url(url):
            members.faults.add("bad_url", members.at("url"))
        algorithm, signature = _signature(members)
        origin = KaoSignature(
            algorithm=algorithm,
            signature=signature,
            message=canonical_json({name: value for name, value in values.items() if name != "signature"}),
            client_key_hash=_client_key_hash(members),
        )
        return KeyAccess(
            id=members.text("keyAccessObjectId", limits.id_chars),
            wrapped=_wrapped(members, limits),
            url=url,
            kid=members.text("kid", limits.id_chars),
            sid=members.optional_text("sid", limits.id_chars),
            policy_binding=_binding(members),
            binding_message=binding_message,
            origin=origin,
            is_supported=_is_supported(members) and mode is not Mode.UNSUPPORTED,
            encrypted_metadata=_metadata(members, limits),
            sent=values,
        )


def _mode(members: Members, kaos: list[Any]) -> Mode:
    mode = _MODES.get(members.optional_text("mode", _MAX_WORD_CHARS), Mode.UNSUPPORTED)
    combine = members.optional_text("combine", _MAX_WORD_CHARS)
    if mode is Mode.ANY_OF and len(kaos) > MAX_ALTERNATIVES:
        return Mode.UNSUPPORTED
    if mode is Mode.ALL_OF and (combine != "xor" or not _are_splits(kaos)):
        return Mode.UNSUPPORTED
    return mode


def _are_splits(kaos: list[Any]) -> bool:
    """As many as can be combined; two of one ``sid`` would be the same split twice (ACP-240 §2)."""
    sent = [kao.get("sid") for kao in kaos if isinstance(kao, dict)]
    sids = [sid for sid in sent if isinstance(sid, str)]
    return MIN_SPLITS <= len(kaos) <= MAX_SPLITS and len(set(sids)) == len(sids)


def _hash(value: Any) -> str:
    return sha256_b64url(canonical_json(value))


def _unpack(value: dict[str, Any], key: PublicJwk, now: float) -> bytes:
    if len(value) != 1:  # nothing may stand beside what is signed
        raise SignedRequestTokenInvalid
    return open_request_token(value["signedRequestToken"], key=key, now=now, lifetime_seconds=ACP240_LIFETIME_SECONDS)


def _key_chars(key: str | dict[str, Any]) -> int:
    """The length of a public key, PEM or JWK, as text."""
    return len(key if isinstance(key, str) else canonical_json(key).decode())


def _wrapped(members: Members, limits: Limits) -> WrappedMaterial:
    ciphertext = members.base64("wrappedKey", limits.wrapped_key_chars)
    if members.values.get("type") != "ec-wrapped":
        return WrappedMaterial(ciphertext)
    if "ephemeralPublicKey" not in members.values:
        members.faults.add("missing", members.at("ephemeralPublicKey"))
        return WrappedMaterial(ciphertext)
    key = members.values["ephemeralPublicKey"]
    if isinstance(key, str | dict) and _key_chars(key) > limits.client_key_chars:
        members.faults.add("too_long", members.at("ephemeralPublicKey"))
        return WrappedMaterial(ciphertext)
    try:
        return WrappedMaterial(ciphertext, parse_ephemeral_key(key))
    except ValueError:
        members.faults.add("bad_ephemeral_key", members.at("ephemeralPublicKey"))
        return WrappedMaterial(ciphertext)


def _binding(members: Members) -> bytes:
    binding = members.base64("policyBinding", _MAX_HASH_CHARS)
    if binding and len(binding) != BINDING_BYTES:
        members.faults.add("bad_length", members.at("policyBinding"))
    return binding


def _client_key_hash(members: Members) -> str | None:
    text = members.optional_text("clientKeyHash", _MAX_HASH_CHARS)
    if text is None or (text == "" and members.values["clientKeyHash"] != ""):  # absent, or a fault already
        return None
    try:
        well_formed = len(b64url_decode(text)) == _HASH_BYTES
    except ValueError:
        well_formed = False
    if not well_formed:
        members.faults.add("bad_hash", members.at("clientKeyHash"))
    return text


def _signature(members: Members) -> tuple[str, bytes]:
    signature = members.object("signature")
    if signature is None:
        return "", b""
    return signature.text("alg", _MAX_WORD_CHARS), signature.base64("sig", _MAX_SIGNATURE_CHARS)


def _is_supported(members: Members) -> bool:
    kind = members.optional_text("type", _MAX_WORD_CHARS)
    protocol = members.optional_text("protocol", _MAX_WORD_CHARS)
    return kind in {None, "wrapped", "ec-wrapped"} and protocol in {None, "kas"}


def _metadata(members: Members, limits: Limits) -> bytes | None:
    text = members.optional_text("encryptedMetadata", limits.metadata_chars)
    return None if text is None else members.decode("encryptedMetadata", text)


def _check_kao_ids(groups: list[Members]) -> None:
    """An id is unique over the whole request (KAS-REQ-011)."""
    seen: set[str] = set()
    for group in groups:
        kaos = group.values.get("keyAccessObjects")
        for index, kao in enumerate(kaos if isinstance(kaos, list) else ()):
            name = kao.get("keyAccessObjectId") if isinstance(kao, dict) else None
            if not isinstance(name, str) or not name:  # a fault already
                continue
            if name in seen:
                group.faults.add("duplicate_id", f"{group.at('keyAccessObjects')}[{index}].keyAccessObjectId")
            seen.add(name)


def _check_policy_ids(groups: list[PolicyGroup | None], places: list[Members]) -> None:
    """One policyId names one policy (KAS-REQ-010)."""
    policies: dict[str, str] = {}
    for group, members in zip(groups, places, strict=True):
        if group is None or not group.policy_id:  # a fault already
            continue
        if policies.setdefault(group.policy_id, group.policy_hash) != group.policy_hash:
            members.faults.add("policy_mismatch", f"{members.at('policy')}.policyId")
