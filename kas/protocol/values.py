"""What every dialect says, without its field names: the values that the rewrap works on.

What is bound or signed is bytes of the wire, so a `KeyAccess` carries them as its dialect saw them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kas.crypto.wrapping import ClientKey, WrappedKey
from kas.errors import KaoRefusal


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """One key access object (KAO): structurally sound, nothing verified.

    ``binding_message`` is what ``policy_binding`` is made over, ``signed_message`` what ``signature`` is;
    ``client_key_hash`` is as sent, None when absent; ``is_supported`` is False when it asks for what is not done here.
    """

    id: str
    wrapped_key: bytes
    url: str
    kid: str
    sid: str | None
    policy_binding: bytes
    binding_message: bytes
    client_key_hash: str | None
    signature_algorithm: str
    signature: bytes
    signed_message: bytes
    is_supported: bool


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Exactly one policy and the KAOs it governs; ``policy_hash`` is base64url(SHA-256(canonical policy))."""

    policy_id: str
    policy: Mapping[str, Any]
    policy_hash: str
    key_accesses: tuple[KeyAccess, ...]


@dataclass(frozen=True, slots=True)
class RewrapRequest:
    """``client_key_hash`` is base64url(SHA-256(canonical JSON of the client's key as sent))."""

    client_key: ClientKey
    client_key_hash: str
    groups: tuple[PolicyGroup, ...]


@dataclass(frozen=True, slots=True)
class KeyAccessResult:
    """The outcome of one KAO: the key wrapped for the client, or why not. Never both, never neither."""

    key_access: KeyAccess
    outcome: WrappedKey | type[KaoRefusal]

    @property
    def refusal(self) -> type[KaoRefusal] | None:
        return None if isinstance(self.outcome, WrappedKey) else self.outcome


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The results of one group, in the order of its KAOs."""

    policy_id: str
    results: tuple[KeyAccessResult, ...]
