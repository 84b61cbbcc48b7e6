"""What a store that several instances share must do, and how it says that it cannot.

A store knows no caller and no key: it remembers digests, counts and encrypted keys. What becomes of a request when it fails is
decided by those who ask it: `shared_replay` refuses, `windows` counts by itself, `kept_keys` has no key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from kas.dataclass import dataclass
from kas.state.claims import Claim


class StoreFailure(Exception):
    """The store did not do what it was asked; the text is for the operator and holds nothing that was sent."""


class StoreUnavailable(StoreFailure):
    """No answer, not in time, or none that can be used: whether it was done nobody knows."""


class StoreBusy(StoreFailure):
    """Others write the same at the same time; nothing was recorded."""


class StoreFull(StoreFailure):
    """The store has no memory left; nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """How a claim ended; ``forgotten`` is that of a store that has begun anew since.

    ``wait_seconds`` is until the oldest of all claims ends, where there was no room but there are claims.
    """

    outcome: Literal["recorded", "replayed", "share", "full", "forgotten"]
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LimitWindow:
    """Which requests are counted together: at most ``quota`` of one key, and ``capacity`` of all, in ``seconds``."""

    name: str
    quota: int
    seconds: float
    capacity: int


@dataclass(frozen=True, slots=True)
class Taken:
    """``free`` places there were, of which one is taken now if there was any; the next is free in ``reset_seconds``."""

    free: int
    reset_seconds: float


class ClaimStore(Protocol):
    """Used proofs. Each call is one atomic operation, and raises StoreFailure."""

    def claim(self, claim: Claim, era: bytes = b"") -> Claimed:
        """Records all of it, or nothing; nothing where ``era`` is given and is the store's no more (`nonces`)."""

    def era(self) -> bytes:
        """A value that the store draws when it begins with nothing, and keeps as long as what it remembers."""

    def release(self, claim: Claim) -> None:
        """Forgets what this caller, and nobody else, has just recorded."""

    def check(self) -> bool:
        """Whether another claim can be recorded; takes a place for none."""


class WindowStore(Protocol):
    """What limits have counted. Each call is one atomic operation, and raises StoreFailure."""

    def take(self, window: LimitWindow, key: bytes) -> Taken:
        """Takes a place for ``key`` where there is one."""


class KeptStore(Protocol):
    """Encrypted keys by their name, for a while. Raises StoreFailure."""

    def find(self, names: Sequence[bytes]) -> list[bytes | None]:
        """What is kept under each of the names."""

    def keep(self, encrypted: Mapping[bytes, bytes], seconds: float) -> None:
        """Each under its name, in place of what was there."""


class SharedStore(ClaimStore, WindowStore, KeptStore, Protocol):
    """All three in one place."""
