"""What a used proof, a used assertion and the use of a proof for a key access object are remembered as, in every store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from kas.dataclass import dataclass
from kas.errors import ForwardingReplayed, KasError, ProofReplayed

# One caller, one key, and one service that forwards, may hold this part of the store, so that none locks the others out.
SHARE: Final = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """All ``digests`` at once, or none. They count against each of the ``holders``; where it ``is_of_kaos``, also against
    all that forwarded proofs were used for, which may hold all of the store but one share: one request claims hundreds of
    places so and a proof of our own one, and callers who come through others must not lock out those who ask us.

    ``replayed`` is what is raised where one of them was claimed before.
    """

    digests: tuple[bytes, ...]
    holders: tuple[str, ...]
    is_of_kaos: bool
    replayed: type[KasError]

    @property
    def names_one_twice(self) -> bool:
        return len(set(self.digests)) < len(self.digests)


def proof_claim(jkt: str, jti: str, caller: str) -> Claim:
    """The proof ``jti`` of key ``jkt``."""
    return Claim((digest_of("proof", jkt, jti),), _holders(jkt, caller), is_of_kaos=False, replayed=ProofReplayed)


def assertion_claim(forwarder: str, jti: str) -> Claim:
    """The assertion ``jti`` of the service ``forwarder``, whom alone it counts against: his clients did not make it."""
    digests = (digest_of("assertion", forwarder, jti),)
    return Claim(digests, (f"forwarder {forwarder}",), is_of_kaos=False, replayed=ForwardingReplayed)


def kaos_claim(jkt: str, jti: str, caller: str, kao_ids: Sequence[str]) -> Claim:
    """The proof ``jti`` of key ``jkt`` for each of these key access objects."""
    digests = tuple(digest_of("key access object", jkt, jti, kao_id) for kao_id in kao_ids)
    return Claim(digests, _holders(jkt, caller), is_of_kaos=True, replayed=ProofReplayed)


def share_of(capacity: int) -> int:
    """How many claims one holder may have."""
    return max(1, capacity // SHARE)


def digest_of(*texts: str) -> bytes:
    """Each text has its length before it, so that none runs into the next and no list of texts is another's."""
    parts = (text.encode("utf-8", "surrogatepass") for text in texts)
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def _holders(jkt: str, caller: str) -> tuple[str, str]:
    return f"key {jkt}", f"caller {caller}"
