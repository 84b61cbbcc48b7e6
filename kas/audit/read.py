"""Log files as they lie about: lines as the service wrote them, and entries as Cloud Logging exports them.

A file is an array of entries (``gcloud logging read --format=json``) or has one JSON value on each line, a line of the
service's or an entry. One value is held at a time. What is between them, of other programs, is passed over; what may have
been a line of the trail and cannot be read is said.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from kas.dataclass import dataclass
from kas.encoding import parse_json
from kas.errors import ConfigError, KasError

MAX_VALUE_BYTES: Final = 2**20
_CHUNK_BYTES: Final = 2**16
_PEEKED_BYTES: Final = 256
# A log of the host's may begin with a bracket as well.
_ARRAY: Final = re.compile(rb"\s*\[\s*[{\]]")
_SPACE: Final = " \t\r\n"
_BETWEEN: Final = "," + _SPACE
_MARKS: Final = (b'"chain"', b'"process"', b'"previous"', b'"hash"', b'"time":"', b'"requestId":"')
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Place:
    """The file and the number of the line or entry in it, from 1."""

    file: str
    kind: str
    number: int

    @property
    def text(self) -> str:
        return f"{self.file} {self.kind} {self.number}"


@dataclass(frozen=True, slots=True)
class Found:
    """A JSON object, empty for what is none; ``is_suspect`` when that looks like what is left of a line of the trail."""

    place: Place
    value: Mapping[str, Any]
    is_suspect: bool = False

    @property
    def is_entry(self) -> bool:
        """Whether Cloud Logging had it, which lifts members out of what a program wrote."""
        return "logName" in self.value or "insertId" in self.value

    @property
    def payload(self) -> Mapping[str, Any]:
        """What a program wrote."""
        payload = self.value.get("jsonPayload") if self.is_entry else self.value
        return payload if isinstance(payload, dict) else {}


def read_log(path: Path) -> Iterator[Found]:
    """Everything in the file, in its order. Raises ConfigError when it cannot be read to its end, or is more than an array."""
    try:
        with path.open("rb") as file:
            is_array = _ARRAY.match(file.peek(_PEEKED_BYTES)) is not None
            yield from _entries(file, path) if is_array else _lines(file, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def _lines(file: IO[bytes], path: Path) -> Iterator[Found]:
    number, name = 0, path.name
    while line := file.readline(MAX_VALUE_BYTES):
        number += 1
        rest = line
        while len(rest) == MAX_VALUE_BYTES and not rest.endswith(b"\n"):  # no line of ours, and passed over whole
            rest = file.readline(MAX_VALUE_BYTES)
        if line.strip():
            yield _found(line, Place(name, "line", number))


def _entries(file: IO[bytes], path: Path) -> Iterator[Found]:
    decode = codecs.getincrementaldecoder("utf-8")().decode
    text, at, number = "", 0, 0
    try:
        text = decode(file.read(_CHUNK_BYTES)).lstrip().removeprefix("[")
        while True:
            at += len(text[at:]) - len(text[at:].lstrip(_BETWEEN))
            if text.startswith("]", at):
                _end(file, decode, text[at + 1 :])
                return
            try:
                _, end = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError:
                more = file.read(_CHUNK_BYTES)
                if not more or len(text) - at > MAX_VALUE_BYTES:
                    raise
                text, at = text[at:] + decode(more), 0
                continue
            number += 1
            yield _found(text[at:end].encode("utf-8", "surrogatepass"), Place(path.name, "entry", number))
            at = end
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read beyond entry {number}") from error


def _end(file: IO[bytes], decode: Callable[..., str], text: str) -> None:
    """Nothing may come after an array: another would not be read. Raises ValueError."""
    while not text.strip(_SPACE):
        data = file.read(_CHUNK_BYTES)
        text = decode(data, final=not data)
        if not data:
            return
    raise ValueError("more than an array")


def _found(data: bytes, place: Place) -> Found:
    text = data.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):  # to find the same by parsing takes five times as long
        return Found(place, {}, _is_suspect(text))
    try:
        value = parse_json(data)
    except KasError:
        return Found(place, {}, _is_suspect(data))
    if not isinstance(value, dict):
        return Found(place, {}, _is_suspect(data))
    said = value.get("textPayload")  # an entry of what Cloud Logging took for no JSON
    return Found(place, value, isinstance(said, str) and _is_suspect(said.encode("utf-8", "replace")))


def _is_suspect(data: bytes) -> bool:
    return data.lstrip().startswith(b"{") or sum(mark in data for mark in _MARKS) > 1
