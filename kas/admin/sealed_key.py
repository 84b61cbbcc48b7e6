"""A sealed key as it is noted beside its secret, and as the key index lists it: public things only.

A note is an annotation of the secret, ``kas-key-N`` for its version N. Whoever may change the secret may change its
notes, so nothing is believed that is not proved by opening the version under the noted key for the noted ``kid``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kas.encoding import parse_json
from kas.errors import ConfigError, KasError
from kas.keys.index import UnwrapEntry, read_index
from kas.references import LATEST, SECRET_VERSION

_PLACE = "KAS_KEYS.unwrapKeys[0]"


@dataclass(frozen=True, slots=True)
class SealedKey:
    """``sealed_by`` is the full name of a symmetric key of Cloud KMS."""

    kid: str
    algorithm: str
    dialects: tuple[str, ...]
    sealed_by: str

    def note(self) -> str:
        return json.dumps(self.shown(), separators=(",", ":"))

    def shown(self) -> dict[str, Any]:
        """Members as those of the key index."""
        dialects = list(self.dialects)
        return {"kid": self.kid, "algorithm": self.algorithm, "dialects": dialects, "sealedBy": self.sealed_by}

    def entry(self, version: str, status: str) -> dict[str, Any]:
        """What the key index says of it, in ``version`` of a secret."""
        return self.shown() | {"status": status, "sealed": f"sm://{version}"}


def read_entry(entry: object) -> UnwrapEntry:
    """The entry as the service reads it, within an index that has no other. Raises ConfigError."""
    # An index has a signing key, under another kid.
    kid = entry.get("kid") if isinstance(entry, dict) else None
    signing = {"kid": "b" if kid == "a" else "a", "status": "current", "secret": "sm://none"}
    document = {"unwrapKeys": [entry], "signingKeys": [signing]}
    try:
        return read_index(json.dumps(document), Path(), takes_files=False).unwrap[0]
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(_PLACE).lstrip(".: ")) from None


def read_note(text: str, version: str) -> SealedKey | None:
    """What is noted of ``version``; None where that is nothing that the service would take."""
    try:
        note = parse_json(text.encode("utf-8"))
        read_entry({**note, "status": "active", "sealed": f"sm://{version}"})
        return SealedKey(note["kid"], note["algorithm"], tuple(note["dialects"]), note["sealedBy"])
    except (ConfigError, KasError, TypeError, KeyError):
        return None


def is_secret(name: str) -> bool:
    """Whether it is the full name of a secret."""
    return is_version(f"{name}/versions/1")


def is_version(name: str) -> bool:
    """Whether it is the full name of a version of a secret, which it names by number."""
    named = SECRET_VERSION.fullmatch(name)
    return named is not None and named[3] != LATEST
