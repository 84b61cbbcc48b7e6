"""What every dialect says, without its field names: the values that the rewrap works on.

What is bound or signed is bytes of the wire, so a `KeyAccess` carries them as its dialect saw them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
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
    where a dialect allows that; ``is_supported`` is False when the KAO asks for what is not done here, or its group does.
    ``sent`` is the KAO as it came, for the service that it is forwarded to.
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
    encrypted_metadata: bytes | None = None
    sent: Mapping[str, Any] | None = None


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


class Mode(Enum):
    """What the KAOs of a group are to each other."""

    EACH = "each"  # nothing: every one by itself
    ANY_OF = "any of"  # alternatives: the first that opens settles the group
    ALL_OF = "all of"  # splits of one key, 2 to 5, no split twice
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Exactly one policy and the KAOs it governs; ``policy_hash`` is base64url(SHA-256) of it as it is bound, and
    ``sent_policy`` is it as it came, for the service that it is forwarded to.
    """

    policy_id: str
    policy: Policy
    policy_hash: str
    key_accesses: tuple[KeyAccess, ...]
    sent_policy: Mapping[str, Any] | None = None
    mode: Mode = Mode.EACH


@dataclass(frozen=True, slots=True)
class RewrapRequest:
    """``client_key_hash`` is base64url(SHA-256(canonical JSON of the client's key as sent)), None in a dialect whose
    KAOs do not name it; ``version`` is that of the dialect, in which the answer is due; ``sent_client_key`` is the key as
    it came, for services that KAOs are forwarded to.
    """

    version: int
    client_key: ClientKey
    client_key_hash: str | None
    groups: tuple[PolicyGroup, ...]
    sent_client_key: Any = None


@dataclass(frozen=True, slots=True)
class Released:
    """A success. ``wrapped`` is None where the key stands in another result of the group; ``combined`` says that it is one
    key made of all the splits; ``metadata`` is what was encrypted beside it.
    """

    wrapped: WrappedKey | None = None
    metadata: Mapping[str, Any] | None = None
    combined: bool = False


@dataclass(frozen=True, slots=True)
class PassedOn:
    """A result that another service signed, as it came; ``refusal`` is what it says by its code, None for a success."""

    result: Mapping[str, Any]
    refusal: type[KaoRefusal] | None


Outcome = Released | PassedOn | type[KaoRefusal]


@dataclass(frozen=True, slots=True)
class KeyAccessResult:
    """The outcome of one KAO: the key wrapped for the client, or why not. Never both, never neither."""

    key_access: KeyAccess
    outcome: Outcome

    @property
    def refusal(self) -> type[KaoRefusal] | None:
        if isinstance(self.outcome, PassedOn):
            return self.outcome.refusal
        return None if isinstance(self.outcome, Released) else self.outcome

    @property
    def wrapped(self) -> WrappedKey | None:
        """What this service wrapped for the client; None also for a success that carries no key of its."""
        return self.outcome.wrapped if isinstance(self.outcome, Released) else None


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
