"""How a line hangs on the one before it: by its member ``chain``, whose ``hash`` covers what the line says.

``process`` is drawn by each process, ``number`` counts its lines from 1 in the order of writing, ``previous`` is the hash of
the line before, empty for the first. ``lost`` says how many lines just before could not be written whole: their numbers are
taken, and no line has them. A checkpoint has a ``signature`` besides.

The hash is base64url of SHA-256 over the canonical JSON (RFC 8785) of the line without what Cloud Logging lifts out of it,
without members that are null, and without ``hash`` and ``signature`` themselves. So it holds for the line as it was written
and as Cloud Logging gives it back: with its members in another order, with numbers that are doubles, without ``severity``
and ``time``. The time stands in ``chain`` as well; ``lifted`` is the same kind of hash over what is lifted out, and holds for
a line that was written as long as anything of that is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from kas.dataclass import dataclass
from kas.encoding import MAX_EXACT_INTEGER, canonical_json, sha256_b64url
from kas.errors import InvalidRequest

PROCESS_BYTES: Final = 16
_LIFTED_CHARS: Final = 22  # 128 bits; what counts is in the whole hash as well
# Which members Cloud Logging takes out of a line, or may.
_LIFTED: Final = frozenset({"severity", "time", "timestamp", "timestampSeconds", "timestampNanos", "httpRequest"})
_LIFTED_PREFIX: Final = "logging.googleapis.com/"
_NEVER_WRITTEN: Final = _LIFTED - {"severity", "time"}  # of these, by the service
_PROCESS: Final = re.compile(r"[A-Za-z0-9_-]{22}")
_HASH: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SHORT_HASH: Final = re.compile(r"[A-Za-z0-9_-]{22}")
_PREVIOUS: Final = re.compile(r"(?:[A-Za-z0-9_-]{43})?")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def link(event: Mapping[str, Any], *, process: str, number: int, previous: str, lost: int) -> dict[str, Any]:
    """The line that says ``event``: with its place in the chain, and its hash there.

    Raises InvalidRequest for what has no canonical form.
    """
    chain: dict[str, Any] = {"process": process, "number": number, "previous": previous}
    if lost:
        chain["lost"] = lost
    chain |= {"time": event["time"], "lifted": hash_of_lifted(event)}
    chain["hash"] = _hash(event, chain)
    return {**event, "chain": chain}


def hash_of(line: Mapping[str, Any]) -> str:
    """What ``hash`` must be. Raises InvalidRequest for what has no canonical form."""
    return _hash(line, {name: value for name, value in line["chain"].items() if name not in {"hash", "signature"}})


def _hash(line: Mapping[str, Any], chain: Mapping[str, Any]) -> str:
    """Of a line with the member ``chain``, which has no ``hash`` and no ``signature`` yet."""
    covered = {name: value for name, value in line.items() if value is not None and not _is_lifted(name)}
    return sha256_b64url(canonical_json({**covered, "chain": chain}))


def hash_of_lifted(line: Mapping[str, Any]) -> str:
    """What ``lifted`` must be of a line that still has all its members."""
    lifted = {name: value for name, value in line.items() if _is_lifted(name)}
    return sha256_b64url(canonical_json(lifted))[:_LIFTED_CHARS]


def _is_lifted(name: str) -> bool:
    return name in _LIFTED or name.startswith(_LIFTED_PREFIX)


@dataclass(frozen=True, slots=True)
class Link:
    """A line's place as it says itself; ``is_sound`` when its hash is that of what it says."""

    process: str
    number: int
    previous: str
    lost: int
    time: str
    hash: str
    signature: str | None
    is_sound: bool


def read_link(line: Mapping[str, Any], *, is_whole: bool) -> Link:
    """The place of a line that claims one; ``is_whole`` when nothing was lifted out of it. Raises ValueError."""
    chain = line.get("chain")
    if not isinstance(chain, dict):
        raise ValueError("no chain")  # noqa: TRY004 - one error for whatever is wrong
    signature = chain.get("signature")
    if signature is not None and not isinstance(signature, str):
        raise ValueError("signature")
    _text(chain, "lifted", _SHORT_HASH)
    return Link(
        process=_text(chain, "process", _PROCESS),
        number=read_count(chain.get("number"), least=1),
        previous=_text(chain, "previous", _PREVIOUS),
        lost=read_count(chain.get("lost", 0), least=0),
        time=_text(chain, "time", _TIME),
        hash=_text(chain, "hash", _HASH),
        signature=signature,
        is_sound=_is_sound(line, is_whole=is_whole),
    )


def _text(chain: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = chain.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(name)
    return value


def read_count(value: object, *, least: int) -> int:
    """A whole number, which Cloud Logging keeps as a double. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ValueError("not a whole number")
    if not least <= value <= MAX_EXACT_INTEGER:
        raise ValueError("number out of range")
    return int(value)


def _is_sound(line: Mapping[str, Any], *, is_whole: bool) -> bool:
    chain = line["chain"]
    try:
        return _is_lifted_sound(line, is_whole=is_whole) and hash_of(line) == str(chain["hash"])
    except InvalidRequest:
        return False


def _is_lifted_sound(line: Mapping[str, Any], *, is_whole: bool) -> bool:
    """Whoever takes all out that Cloud Logging lifts has what it would have left; whoever takes a part has not."""
    chain = line["chain"]
    lifted = {name for name in line if _is_lifted(name)}
    if "time" in lifted and line["time"] != chain["time"]:
        return False
    if is_whole:
        return not lifted or hash_of_lifted(line) == chain["lifted"]
    return not lifted & _NEVER_WRITTEN
