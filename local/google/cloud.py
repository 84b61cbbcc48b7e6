"""Everything there is in the stand-in, in one place; each part locks itself, and changes of keys happen under one lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock

from local.google.accounts import Accounts
from local.google.data_access import DataAccessLog
from local.google.faults import Faults
from local.google.key_store import KeyStore
from local.google.names import Places
from local.google.operations import Operations
from local.google.policies import Policies
from local.google.quotas import Quotas
from local.google.secret_store import SecretStore


class MovedClock:
    """Seconds since 1970, which a test may move forward."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


@dataclass(frozen=True, slots=True)
class MetadataAccount:
    """The service account that the metadata server gives tokens of, and for how long."""

    member: str
    lifetime_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """``lock`` is held by calls that change keys, secrets or policies."""

    clock: MovedClock
    places: Places
    accounts: Accounts
    policies: Policies
    quotas: Quotas
    keys: KeyStore
    secrets: SecretStore
    metadata: MetadataAccount | None
    data_access: DataAccessLog
    faults: Faults = field(default_factory=Faults)
    operations: Operations = field(default_factory=Operations)
    lock: RLock = field(default_factory=RLock)


def new_cloud(
    clock: Callable[[], float],
    places: Places,
    *,
    tokens: Mapping[str, str],
    quotas: Mapping[str, int],
    metadata: MetadataAccount | None,
    hsm_generation_seconds: float,
    policies: Policies | None = None,
) -> Cloud:
    """An empty one; ``policies`` are such as know more roles than those of keys and secrets."""
    moved = MovedClock(clock)
    return Cloud(
        clock=moved,
        places=places,
        accounts=Accounts(tokens, moved),
        policies=policies or Policies(),
        quotas=Quotas(quotas, moved),
        keys=KeyStore(moved, hsm_generation_seconds),
        secrets=SecretStore(moved, places.by_number),
        metadata=metadata,
        data_access=DataAccessLog(moved),
    )
