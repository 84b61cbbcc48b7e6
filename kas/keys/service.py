"""Who holds a key: Cloud KMS or this process. The record says it, and nobody stands in for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kas.dataclass import dataclass
from kas.datakey import DataKey
from kas.errors import KeyUnavailable
from kas.keys.registry import KeyRecord, KeyService, UnwrapPublicKey, WrappedMaterial


@dataclass(frozen=True, slots=True)
class KeyServices:
    """One `KeyService` over both; ``kms`` is None where no key is in Cloud KMS, ``software`` where none is here."""

    software: KeyService | None
    kms: KeyService | None

    def unwrap(self, record: KeyRecord, wrapped: WrappedMaterial, pay: Callable[[], None]) -> DataKey:
        """Opens ``wrapped``. Raises KeyMaterialRejected, KeyUnavailable, and what ``pay`` raises."""
        return self._holder(record).unwrap(record, wrapped, pay)

    def public_key(self, record: KeyRecord) -> UnwrapPublicKey:
        """The public half. Raises KeyUnavailable."""
        return self._holder(record).public_key(record)

    def public_keys(self, records: Iterable[KeyRecord]) -> dict[str, UnwrapPublicKey]:
        """The public halves that can be had, by ``kid``."""
        by_holder: dict[bool, list[KeyRecord]] = {False: [], True: []}
        for record in records:
            by_holder[record.is_remote].append(record)
        found: dict[str, UnwrapPublicKey] = {}
        for holder, held in ((self.software, by_holder[False]), (self.kms, by_holder[True])):
            if holder is not None:
                found.update(holder.public_keys(held))
        return found

    def check(self, record: KeyRecord) -> None:
        """Whether the key can be used now. Raises KeyUnavailable."""
        self._holder(record).check(record)

    def _holder(self, record: KeyRecord) -> KeyService:
        holder = self.kms if record.is_remote else self.software
        if holder is None:
            raise KeyUnavailable
        return holder
