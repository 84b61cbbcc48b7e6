"""From wrapped keys to keys, for a caller who may have them (ACP-240 §3, steps 11 to 13; KAS-REQ-042, 050, 051).

It is asked after the policy decision and knows nothing of it: who may have a key is decided before, every time, also
for a key that is kept here. Whatever depends on key material has one answer at one price: a call of the key service
and an HMAC. A key that is kept shortens the good case alone.

What is wrapped alike is unwrapped once, for all who ask at the same time (`kas.keys.flights`): in one request or in
several, whether keys are kept or not. The binding is each key access object's own, and verified for each. The call is
counted for the first of a request that wants it; all others have none, and no hit either, since nothing was kept.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Protocol

from kas.crypto.binding import check_binding
from kas.dataclass import dataclass
from kas.datakey import DataKey
from kas.errors import KaoRefusal, KeyMaterialRejected, UnknownKey
from kas.keys.dek_cache import DekCache, Name, SharedKeys, dek_digest
from kas.keys.flights import Errand, Outcome, wipe
from kas.keys.registry import (
    MAX_LEGACY_KEYS,
    MAX_REMOTE_LEGACY_KEYS,
    Dialect,
    KeyRecord,
    KeyRegistry,
    KeyService,
    WrappedMaterial,
)
from kas.keys.side_by_side import SideBySide


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
    """How many key operations a caller, and everybody together, may cause. Safe to use from many threads."""

    def spend(self, caller: str) -> None:
        """Takes one. Raises BudgetExhausted when none is left."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of one wrapped key: ``outcome`` is the key, which is the receiver's to wipe, or why there is none.

    ``kid`` names the key that opened it, None where none did. ``spent`` are the operations made for it, by the kid of the
    key, whatever came of them. A hit is a kept key whose binding held, a miss any other question for kept keys.
    """

    outcome: Outcome
    kid: str | None
    spent: Mapping[str, int]
    is_hit: bool
    is_miss: bool

    @property
    def operations(self) -> int:
        return sum(self.spent.values())


@dataclass(slots=True, eq=False)
class _Search:
    """One wrapped key on its way. ``candidates`` are the keys of ours that may open it, each with the digest of what it
    would open; the first is the next to try.
    """

    kao: BoundKey
    candidates: deque[tuple[KeyRecord, bytes]]
    outcome: Outcome | None = None
    kid: str | None = None
    spent: dict[str, int] = field(default_factory=dict)
    is_hit: bool = False
    is_asked: bool = False  # for kept keys
    is_spoilt: bool = False  # a key was kept, and the binding did not hold under it

    def opened(self) -> Opened:
        outcome = self.outcome or KeyMaterialRejected()
        is_miss = self.is_asked and not self.is_hit
        return Opened(outcome, self.kid, self.spent, self.is_hit, is_miss)


@dataclass(slots=True, eq=False)
class _Bulk:
    """All wrapped keys of one request, and what each digest that was tried led to."""

    searches: list[_Search]
    caller: str
    until: float
    landed: dict[bytes, Outcome] = field(default_factory=dict)
    fresh: dict[Name, DataKey] = field(default_factory=dict)  # of what landed, what is to be kept


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOpener:
    """``cache`` is None where keys are not kept in this process, ``shared`` where they are not kept elsewhere, ``budget``
    where key operations are not counted; with ``budget_all`` it counts those with keys of this process too.
    """

    registry: KeyRegistry
    key_service: KeyService
    cache: DekCache | None
    budget: Budget | None
    budget_all: bool
    side_by_side: SideBySide
    shared: SharedKeys | None = None

    def deadline(self) -> float:
        """Until when all key operations of a request may take that begins with them now."""
        return self.side_by_side.deadline()

    def open_all(
        self, kaos: Sequence[BoundKey], *, dialect: Dialect, caller: str, until: float | None = None
    ) -> tuple[Opened, ...]:
        """Opens wrapped keys for ``caller``, who may have them, side by side; what becomes of one is nothing to another.
        ``until`` is the `deadline` of his request where he asks more than once.

        11. The budget allows a key operation.
        12. ``kid`` names a key of ours, which is kept unwrapped or is unwrapped by the key service.
        13. The material made the policy's binding, wherever it comes from.

        The registry comes first: a disabled key is refused at once, whatever is kept, and a ``kid`` that is not ours,
        which is no secret, takes nothing from anybody's budget. The budget is one of operations, so it is asked where
        one is about to happen: before each, and never for a key that is kept.

        Refused are UnknownKey, BudgetExhausted, KeyUnavailable, and by KeyMaterialRejected all that depends on material.
        """
        # 12.
        bulk = _Bulk([self._look_up(kao, dialect) for kao in kaos], caller, self.deadline() if until is None else until)
        with contextlib.ExitStack() as failed:
            failed.callback(_wipe_all, bulk.searches)
            try:
                self._find_shared(bulk.searches)
                # 11, 12, 13.
                for _ in range(MAX_LEGACY_KEYS):
                    self._try_next(bulk)
                if self.shared is not None and bulk.fresh:
                    self.shared.put_all(bulk.fresh)
            finally:
                for outcome in bulk.landed.values():
                    wipe(outcome)
            failed.pop_all()
        return tuple(search.opened() for search in bulk.searches)

    def _look_up(self, kao: BoundKey, dialect: Dialect) -> _Search:
        """The keys of ours that may open it, or a kept key that was opened by one of them."""
        try:
            records = self._records(kao, dialect)
        except UnknownKey as refusal:
            return _Search(kao, deque(), refusal)
        search = _Search(kao, deque((record, dek_digest(dialect, record.kid, kao.wrapped)) for record in records))
        self._find(search)
        return search

    def _records(self, kao: BoundKey, dialect: Dialect) -> tuple[KeyRecord, ...]:
        if kao.kid is None and kao.wrapped.ephemeral_key is None:
            return _tried(self.registry.legacy(dialect))
        if kao.kid is None:  # only RSA keys are tried, and none of them opens what was sealed over ECDH
            raise UnknownKey
        return (self.registry.find(kao.kid, dialect, is_rsa=kao.wrapped.ephemeral_key is None),)

    def _find(self, search: _Search) -> None:
        """A kept key under which the binding holds; one under which it does not counts as none, and costs as much."""
        if self.cache is None:
            return
        search.is_asked = True
        for record, digest in search.candidates:
            data_key = self.cache.find(digest)
            if data_key is not None:
                search.is_hit = _holds(search, data_key, record)
                search.is_spoilt = not search.is_hit
                if search.is_hit:
                    return

    def _find_shared(self, searches: Sequence[_Search]) -> None:
        """As `_find`, elsewhere and for all of a request at once."""
        asking = [search for search in searches if search.outcome is None]
        if self.shared is None or not asking:
            return
        kept = self.shared.find_all({(record.kid, digest) for one in asking for record, digest in one.candidates})
        for search in asking:
            _judge_kept(search, kept)
        for data_key in kept.values():
            data_key.wipe()

    def _try_next(self, bulk: _Bulk) -> None:
        """The next key of ours, for all that are not open."""
        waiting: dict[bytes, list[_Search]] = {}
        for search in bulk.searches:
            if search.outcome is None and search.candidates:
                waiting.setdefault(search.candidates[0][1], []).append(search)
        if not waiting:
            return

        kids = {digest: searches[0].candidates[0][0].kid for digest, searches in waiting.items()}

        def land(digest: bytes, outcome: Outcome, operations: int) -> None:
            bulk.landed[digest] = outcome
            searches = [search for search in waiting[digest] if search.outcome is None]
            if operations:
                record, _ = searches[0].candidates[0]
                searches[0].spent[record.kid] = operations
            held = [_judge(search, outcome) for search in searches]  # each of them
            # Only what passed all checks is kept, and at once: its time does not wait for what takes longer.
            if any(held) and self.cache is not None and isinstance(outcome, DataKey):
                self.cache.put(digest, outcome)
            if any(held) and isinstance(outcome, DataKey):
                bulk.fresh[kids[digest], digest] = outcome

        errands = []
        for digest, searches in waiting.items():
            if digest not in bulk.landed:
                errands.append(self._errand(searches, bulk.caller))
                continue
            for search in searches:  # another of this request was tried with the same before
                _judge(search, bulk.landed[digest])
        self.side_by_side.run(errands, bulk.until, land)

    def _errand(self, searches: list[_Search], caller: str) -> Errand:
        record, digest = searches[0].candidates[0]
        return Errand(
            digest=digest,
            caller=caller,
            is_remote=record.is_remote,
            is_still_wanted=partial(self._is_still_wanted, searches),
            spend=partial(self._spend, record, caller),
            unwrap=partial(self.key_service.unwrap, record, searches[0].kao.wrapped),
        )

    def _is_still_wanted(self, searches: list[_Search]) -> bool:
        """Whether an operation is due. Another request may have opened it since we looked, and kept it; a binding that
        did not hold then does not hold now.
        """
        for search in searches:
            if not search.is_spoilt:
                self._find(search)
        return any(search.outcome is None for search in searches)

    def _spend(self, record: KeyRecord, caller: str) -> None:
        if self.budget is not None and (record.is_remote or self.budget_all):
            self.budget.spend(caller)


def _judge_kept(search: _Search, kept: Mapping[Name, DataKey]) -> None:
    """The first kept key under which the binding holds."""
    search.is_asked = True
    for record, digest in search.candidates:
        data_key = kept.get((record.kid, digest))
        if data_key is not None:
            search.is_hit = _holds(search, data_key.copy(), record)
            search.is_spoilt = not search.is_hit
            if search.is_hit:
                return


def _tried(legacy: tuple[KeyRecord, ...]) -> tuple[KeyRecord, ...]:
    """The first of them, as many as may be tried, whatever the configuration lists."""
    beyond = [record for record in legacy if record.is_remote][MAX_REMOTE_LEGACY_KEYS:]
    return tuple(record for record in legacy if record not in beyond)[:MAX_LEGACY_KEYS]


def _judge(search: _Search, outcome: Outcome) -> bool:
    """Whether what was unwrapped opens it: one HMAC, whatever is wrong, so bad wrap, length and binding look alike."""
    record, _ = search.candidates.popleft()
    if isinstance(outcome, KaoRefusal) and not isinstance(outcome, KeyMaterialRejected):
        search.outcome = outcome
        return False
    return _holds(search, outcome.copy() if isinstance(outcome, DataKey) else None, record)


def _holds(search: _Search, data_key: DataKey | None, record: KeyRecord) -> bool:
    """Whether the binding holds under the key, which opens it then; any other is wiped."""
    try:
        search.outcome = check_binding(data_key, search.kao.binding_message, search.kao.policy_binding)
    except KeyMaterialRejected:
        wipe(data_key)
        return False
    search.kid = record.kid
    return True


def _wipe_all(searches: Iterable[_Search]) -> None:
    for search in searches:
        wipe(search.outcome)
