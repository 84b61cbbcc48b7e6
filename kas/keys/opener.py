"""From a wrapped key to the key, for a caller who may have it (ACP-240 §3, steps 11 to 13; KAS-REQ-042, 050, 051).

It is asked after the policy decision and knows nothing of it: who may have a key is decided before, every time, also
for a key that is kept here. Whatever depends on key material has one answer at one price: a call of the key service
and an HMAC. A key that is kept shortens the good case alone.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final, Protocol

from kas.crypto.binding import check_binding
from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected, UnknownKey
from kas.journal import Journal
from kas.keys.dek_cache import DekCache, dek_digest
from kas.keys.registry import Dialect, KeyRecord, KeyRegistry, KeyService, WrappedMaterial

# A KAO without kid may be wrapped to one of so many keys: the only place where anything is tried.
MAX_LEGACY_KEYS: Final = 2


class BoundKey(Protocol):
    """A wrapped key and the binding of a policy to it; ``kid`` is None where a dialect allows that."""

    @property
    def kid(self) -> str | None: ...
    @property
    def wrapped(self) -> WrappedMaterial: ...
    @property
    def policy_binding(self) -> bytes: ...
    @property
    def binding_message(self) -> bytes: ...


class Budget(Protocol):
    """How many key operations a caller, and everybody together, may cause."""

    def spend(self, caller: str) -> None:
        """Takes one. Raises BudgetExhausted when none is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOpener:
    """``cache`` is None where keys are not kept, ``budget`` None where key operations are not counted."""

    registry: KeyRegistry
    key_service: KeyService
    cache: DekCache | None
    budget: Budget | None

    def open(self, kao: BoundKey, *, dialect: Dialect, caller: str, journal: Journal) -> DataKey:
        """Opens one wrapped key for ``caller``, who may have it. The key is the receiver's own, to be wiped by him.

        11. The budget allows a key operation.
        12. ``kid`` names a key of ours, which is kept unwrapped or is unwrapped by the key service.
        13. The material made the policy's binding, wherever it comes from.

        The registry comes first: a disabled key is refused at once, whatever is kept, and a ``kid`` that is not ours,
        which is no secret, takes nothing from anybody's budget. The budget is one of operations, so it is asked where
        one is about to happen: before each, and never for a key that is kept.

        Raises UnknownKey, BudgetExhausted, KeyUnavailable, and KeyMaterialRejected for all that depends on material.
        """
        # 12.
        records = self._records(kao, dialect)
        kept = self._find(records, kao, dialect, journal)
        if kept is not None:
            return kept
        # 11, 12, 13.
        for record in records:
            with contextlib.suppress(KeyMaterialRejected):
                return self._unwrap(record, kao, dialect, caller, journal)
        raise KeyMaterialRejected

    def _records(self, kao: BoundKey, dialect: Dialect) -> tuple[KeyRecord, ...]:
        if kao.kid is None and kao.wrapped.ephemeral_key is None:
            return self.registry.legacy(dialect)[:MAX_LEGACY_KEYS]
        if kao.kid is None:  # only RSA keys are tried, and none of them opens what was sealed over ECDH
            raise UnknownKey
        return (self.registry.find(kao.kid, dialect, is_rsa=kao.wrapped.ephemeral_key is None),)

    def _find(
        self, records: tuple[KeyRecord, ...], kao: BoundKey, dialect: Dialect, journal: Journal
    ) -> DataKey | None:
        """A kept key under which the binding holds; one under which it does not counts as none, and costs as much."""
        if self.cache is None:
            return None
        for record in records:
            data_key = self.cache.find(dek_digest(dialect, record.kid, kao.wrapped))
            if data_key is not None:
                with contextlib.suppress(KeyMaterialRejected):
                    data_key = _check(data_key, kao)
                    journal.cache_hits, journal.opened_with = journal.cache_hits + 1, record.kid
                    return data_key
        journal.cache_misses += 1
        return None

    def _unwrap(self, record: KeyRecord, kao: BoundKey, dialect: Dialect, caller: str, journal: Journal) -> DataKey:
        """One call of the key service and one HMAC, whatever is wrong: bad wrap, length and binding look alike.

        Only what passed all checks is kept.
        """
        if self.budget is not None:
            self.budget.spend(caller)
        journal.key_operations += 1
        try:
            unwrapped = self.key_service.unwrap(record, kao.wrapped)
        except KeyMaterialRejected:
            unwrapped = None
        data_key = _check(unwrapped, kao)
        journal.opened_with = record.kid
        if self.cache is not None:
            self.cache.put(dek_digest(dialect, record.kid, kao.wrapped), data_key)
        return data_key


def _check(data_key: DataKey | None, kao: BoundKey) -> DataKey:
    """The key under which the binding holds; any other is wiped. Raises KeyMaterialRejected."""
    try:
        return check_binding(data_key, kao.binding_message, kao.policy_binding)
    except KeyMaterialRejected:
        if data_key is not None:
            data_key.wipe()
        raise
