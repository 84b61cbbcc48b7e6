"""Whether Cloud KMS was asked for what the audit says, version by version.

Two counts are held against Google's record of decrypts. Each that succeeded must be one of the operations that the audit
says were begun: one beyond them means that somebody else used the key, or that lines were cut. And each release by an
operation must have one that succeeded: a release beyond them means that lines were invented, or that Google did not record.
"One of them" is one at the same version and no further away in time than a window.

Refused calls are told and not compared: an attempt that Google refused, or never had, is no release.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from kas.audit.kms_log import Decrypt, KmsLog
from kas.audit.operations import Audited, Release
from kas.audit.pairs import unpaired
from kas.audit.times import Period, text_of
from kas.dataclass import dataclass
from kas.keys.registry import KeyRegistry
from kas.keys.retry import MAX_ATTEMPTS

WINDOW_SECONDS: Final = 60  # the longest that a request may wait for a key operation
MAX_TOLD: Final = 100  # of a version, surplus on either side


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Both sides have been read for it, by `readers`. ``account`` is whose decrypts are expected, None for anybody's."""

    audited: Audited
    log: KmsLog
    period: Period
    window_seconds: float
    account: str | None

    def lines(self) -> Iterator[str]:
        """What was compared, and what was not."""
        yield f"the audit: {self.audited.span.text}; Cloud KMS: {self.log.span.text}"
        for version, kid in self._versions().items():
            yield (
                f"{version} ({kid}): the audit has {len(self.audited.begun[version])} operations begun and "
                f"{len(self.audited.releases[version])} releases by one; Google has {len(self.log.decrypts[version])} "
                f"decrypts, by {_counted(Counter(decrypt.principal for decrypt in self.log.decrypts[version]))}, and "
                f"{self.log.refused[version]} refused calls"
            )
        for kid, count in sorted(self.audited.left_out.items()):
            yield f"not compared: {count} operations with {kid}, which Cloud KMS does not hold"
        for kid, count in sorted(self.audited.unknown.items()):
            yield f"not compared: {count} operations with {kid!r}, which the key index does not have"
        for name, count in sorted(self.log.unsealed.items()):
            yield f"not compared: {count} calls of Decrypt of {name}: a start of the service opens sealed keys by them"
        for name in sorted(self.log.principals.keys() - self._versions().keys()):
            yield f"not compared: calls of {name}, which the key index does not have: {_counted(self.log.principals[name])}"
        if self.audited.lost:
            most = self.audited.lost * MAX_ATTEMPTS
            yield f"{self.audited.lost} lines could not be written: up to {most} operations of theirs are in no line"
        if self.audited.unread or self.log.unread:
            yield f"not read: {self.audited.unread} lines of the audit, {self.log.unread} entries of Cloud KMS"

    def surplus(self) -> Iterator[str]:
        """What one side has and the other has not, one line for each."""
        for version in self._versions():
            yield from _first(self._surplus_decrypts(version), f"decrypts with {version}")
            yield from _first(self._surplus_releases(version), f"releases by {version}")
            yield from self._strangers(version)

    def _versions(self) -> dict[str, str]:
        records = self.audited.registry.records
        return {record.kms_version: record.kid for record in records if record.kms_version is not None}

    def _surplus_decrypts(self, version: str) -> list[str]:
        decrypts = sorted(self.log.decrypts[version], key=_time)
        begun = sorted(self.audited.begun[version])
        left = unpaired([decrypt.time for decrypt in decrypts], begun, self.window_seconds)
        found = [decrypts[place] for place in left if decrypts[place].time in self.period]
        return [
            f"Google has a decrypt with {version} at {text_of(decrypt.time)} by {decrypt.principal} "
            f"(insertId {decrypt.insert_id}), and the audit has no operation for it"
            for decrypt in found
        ]

    def _surplus_releases(self, version: str) -> list[str]:
        releases = sorted(self.audited.releases[version], key=_time)
        times = sorted(decrypt.time for decrypt in self.log.decrypts[version])
        left = unpaired([release.time for release in releases], times, self.window_seconds)
        found = [releases[place] for place in left if releases[place].time in self.period]
        return [
            f"{release.place.text} is a release by {version} at {text_of(release.time)}, and Google has no decrypt for it"
            for release in found
        ]

    def _strangers(self, version: str) -> Iterator[str]:
        for principal, count in sorted(self.log.principals[version].items()):
            if self.account is not None and principal != self.account:
                yield f"{count} calls of {version} by {principal}"


def readers(registry: KeyRegistry, period: Period, window_seconds: float) -> tuple[Audited, KmsLog]:
    """What reads both sides for a comparison over ``period``."""
    wider = period.wider(window_seconds)
    return Audited(registry, wider), KmsLog(wider)


def _time(one: Decrypt | Release) -> float:
    return one.time


def _first(lines: list[str], what: str) -> list[str]:
    more = len(lines) - MAX_TOLD
    return lines if more <= 0 else [*lines[:MAX_TOLD], f"{more} more {what}"]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())) or "nobody"
