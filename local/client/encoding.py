"""The encodings of ACP-240 §2: two kinds of base64, canonical JSON (RFC 8785), hashes; all strict when reading."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import rfc8785


def b64(data: bytes) -> str:
    """RFC 4648 §4 with padding: wrapped keys, bindings, signatures."""
    return base64.b64encode(data).decode("ascii")


def from_b64(text: object) -> bytes:
    """Reads canonical base64 alone. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("base64 must be text")  # noqa: TRY004 - one error for every fault
    data = base64.b64decode(text, validate=True)
    if b64(data) != text:
        raise ValueError("not canonical base64")
    return data


def b64url(data: bytes) -> str:
    """RFC 4648 §5 without padding: hashes, thumbprints, parts of a JWS."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def sha256_b64url(data: bytes) -> str:
    return b64url(hashlib.sha256(data).digest())


def canonical(value: object) -> bytes:
    """The bytes that are hashed and signed. Raises ValueError for what JSON cannot carry exactly."""
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # its alias is narrower than what it takes


def parse_json(data: bytes) -> Any:
    """Reads JSON in UTF-8 without duplicate members. Raises ValueError."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_members)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members
