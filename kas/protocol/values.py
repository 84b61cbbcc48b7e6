"""What every dialect says, without its field names: the values that the rewrap works on.

What is bound or signed is bytes of the wire, so a `KeyAccess` carries them as its dialect saw them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kas.crypto.wrapping import ClientKey, WrappedKey
from kas.dataclass import dataclass
from kas.errors import KaoRefusal
from kas.keys.registry import WrappedMaterial


@dataclass(frozen=True, slots=True)
class KaoSignature:
    """A signature over one KAO, not verified yet; ``message`` is what it is over.

    ``client_key_hash`` is as sent under it, None when absent.
    """

    algorithm: str
    signature: bytes
    message: bytes
    client_key_hash: str | None


@dataclass(frozen=True, slots=True)
class CoveredByRequestToken:
    """The KAO came in a signed request token, which its dialect has verified under the proven key. A caller whose token
    is bound to no key has proved none: his request token is read and proves nothing.
    """


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """One key access object (KAO): structurally sound, nothing verified but what ``origin`` says.

    ``policy_binding`` is an HMAC-SHA256 (32 bytes) and ``binding_message`` what it is made over; ``kid`` is None
    where a dialect allows that; ``is_supported`` is False when the KAO asks for what is not done here.
    """

    id: str
    wrapped: WrappedMaterial
    url: str
    kid: str | None
    sid: str | None
    policy_binding: bytes
    binding_message: bytes
    origin: KaoSignature | CoveredByRequestToken
    is_supported: bool


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """A policy in ACP-240's vocabulary: the whole object."""

    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttributePolicy:
    """A policy in OpenTDF's vocabulary: attribute FQNs, and identities it is limited to."""

    attributes: tuple[str, ...]
    dissem: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnreadablePolicy:
    """A policy that is bound as bytes and does not parse: nobody can say what it demands, so nobody has it."""


ReadablePolicy = LabelPolicy | AttributePolicy
Policy = ReadablePolicy | UnreadablePolicy


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Exactly one policy and the KAOs it governs; ``policy_hash`` is base64url(SHA-256) of it as it is bound."""

    policy_id: str
    policy: Policy
    policy_hash: str
    key_accesses: tuple[KeyAccess, ...]


@dataclass(frozen=True, slots=True)
class RewrapRequest:
    """``client_key_hash`` is base64url(SHA-256(canonical JSON of the client's key as sent)), None in a dialect whose
    KAOs do not name it; ``version`` is that of the dialect, in which the answer is due.
    """

    version: int
    client_key: ClientKey
    client_key_hash: str | None
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


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What an answer may refer to: our request id, base64url(SHA-256(the DPoP proof as sent)) if there was one, and
    the time in seconds since 1970.
    """

    request_id: str
    proof_hash: str | None
    now: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a dialect answers: JSON, and its status; ``refusal`` when the whole call is refused as one KAO is."""

    body: dict[str, Any]
    status: int
    refusal: type[KaoRefusal] | None = None
