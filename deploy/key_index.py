"""KAS_KEYS and KAS_NONCE_SECRET, derived from what is in the project: there is no other record of them.

Of each dialect's key the newest enabled version is published, older enabled ones still open, disabled ones are listed as
that, and all others left out. Sealed keys and signing keys likewise, by the versions of their secrets. A kid is the
nation, the key and the number of the version, so that it is never used for another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.env_file import Refused

Entry = dict[str, Any]

_KEY: Final = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/([^/]+)/cryptoKeyVersions/(\d+)")
_SECRET: Final = re.compile(r"projects/[^/]+/secrets/([^/]+)/versions/(\d+)")
_ALGORITHM: Final = re.compile(r"RSA_DECRYPT_OAEP_(2048|3072|4096)_SHA(?:1|256)")
_ENABLED: Final = "ENABLED"
_LISTED: Final = (_ENABLED, "DISABLED")


@dataclass(frozen=True, slots=True)
class Version:
    """Of a key or a secret. ``algorithm`` is Cloud KMS's name for it, empty for a secret."""

    owner: str
    number: int
    name: str
    state: str
    algorithm: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is there, the newest first; ``notes`` is what is noted of each sealed key, by its annotation."""

    keys: Sequence[Version]
    secrets: Sequence[Version]
    notes: Mapping[str, str]

    def of_key(self, key: str) -> list[Version]:
        return [version for version in self.keys if version.owner == key]

    def of_secret(self, secret: str) -> list[Version]:
        return [version for version in self.secrets if version.owner == secret]

    def enabled_secrets(self, secret: str) -> list[Version]:
        """Raises Refused where there is none."""
        enabled = [version for version in self.of_secret(secret) if version.state == _ENABLED]
        if not enabled:
            raise Refused(f"the secret {secret} has no enabled version")
        return enabled


def read_facts(text: str) -> Facts:
    """From lines of a kind and its columns, tabs between."""
    rows = [line.split("\t") for line in text.splitlines()]
    keys = [_version(_KEY, *row[1:4]) for row in rows if row[0] == "key"]
    secrets = [_version(_SECRET, *row[1:3]) for row in rows if row[0] == "secret"]
    notes = [json.loads(row[1]) or {} for row in rows if row[0] == "notes"]
    return Facts(_newest_first(keys), _newest_first(secrets), notes[0].get("annotations", {}) if notes else {})


def _newest_first(versions: Sequence[Version]) -> list[Version]:
    return sorted(versions, key=lambda version: version.number, reverse=True)


def _version(pattern: re.Pattern[str], name: str, state: str, algorithm: str = "") -> Version:
    found = pattern.fullmatch(name)
    if found is None:
        raise Refused(f"{name} is not the name of a version")
    return Version(found[1], int(found[2]), name, state.upper(), algorithm)


def key_index(facts: Facts, nation: str, project: str) -> str:
    """The value of KAS_KEYS. Raises Refused."""
    keys = dict.fromkeys(version.owner for version in facts.keys)
    unwrap = [entry for key in sorted(keys) for entry in _remote(facts.of_key(key), nation)]
    sealed = _sealed(facts, f"kas-{nation}-ec", project)
    return json.dumps({"unwrapKeys": unwrap + sealed, "signingKeys": _signing(facts, nation, project)})


def _remote(versions: Sequence[Version], nation: str) -> list[Entry]:
    enabled = [version.number for version in versions if version.state == _ENABLED]
    if not enabled:
        raise Refused(f"the key {versions[0].owner} has no enabled version")
    return [_remote_entry(version, nation, enabled) for version in versions if version.state in _LISTED]


def _remote_entry(version: Version, nation: str, enabled: Sequence[int]) -> Entry:
    algorithm = _ALGORITHM.fullmatch(version.algorithm)
    if algorithm is None:
        raise Refused(f"{version.name} is a key of another kind: {version.algorithm}")
    entry: Entry = {
        "kid": f"{nation}-{version.owner}-{version.number}",
        "algorithm": f"RSA-{algorithm[1]}",
        "status": _status(version, enabled[0]),
        "dialects": [version.owner],
        "kms": version.name,
    }
    # Files that name no key are older than those that do.
    is_legacy = version.owner == "opentdf" and version.number == enabled[-1]
    return {**entry, "legacy": True} if is_legacy else entry


def _status(version: Version, newest: int) -> str:
    if version.state != _ENABLED:
        return "disabled"
    return "active" if version.number == newest else "decrypt-only"


def _sealed(facts: Facts, secret: str, project: str) -> list[Entry]:
    versions = [version for version in facts.of_secret(secret) if version.state in _LISTED]
    newest = next((version.number for version in versions if version.state == _ENABLED), 0)
    return [
        {**_note(facts, version), "status": _status(version, newest), "sealed": reference(version, project)}
        for version in versions
    ]


def _note(facts: Facts, version: Version) -> Entry:
    note = facts.notes.get(f"kas-key-{version.number}")
    if note is None:
        raise Refused(f"{version.name}: nothing is noted of it, so it is no sealed key of kas.admin.sealed_keys")
    return dict(json.loads(note))


def _signing(facts: Facts, nation: str, project: str) -> list[Entry]:
    enabled = facts.enabled_secrets(f"kas-{nation}-signing")[:2]
    return [
        {"kid": f"{nation}-signing-{version.number}", "status": status, "secret": reference(version, project)}
        for version, status in zip(enabled, ("current", "previous"), strict=False)
    ]


def reference(version: Version, project: str) -> str:
    """As a setting names it. Google answers with the project's number."""
    return f"sm://projects/{project}/secrets/{version.owner}/versions/{version.number}"
