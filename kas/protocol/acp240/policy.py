"""A policy of ACP-240 as it is bound: the whole object, in canonical JSON."""

from __future__ import annotations

from kas.dataclass import dataclass
from kas.encoding import canonical_json, sha256_b64url
from kas.protocol.acp240.structure import Members
from kas.protocol.values import LabelPolicy


@dataclass(frozen=True, slots=True)
class BoundPolicy:
    """``message`` is what a binding is made over, ``hash`` its base64url(SHA-256); that is also the ``id`` of a policy
    that names none.
    """

    id: str
    policy: LabelPolicy
    hash: str
    message: bytes


def read_policy(members: Members, id_chars: int, policy_bytes: int) -> BoundPolicy:
    """The policy that ``members`` are. Its id and its size are the wire's to check, the rest is the decision's."""
    message = canonical_json(members.values)
    if len(message) > policy_bytes:
        members.faults.add("too_long", members.place)
    policy_hash = sha256_b64url(message)
    policy_id = members.text("policyId", id_chars) if "policyId" in members.values else policy_hash
    return BoundPolicy(policy_id, LabelPolicy(members.values), policy_hash, message)
