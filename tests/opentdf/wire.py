"""Protobuf's wire format by hand, both ways: what is compared with the service shares nothing with it.

A message is written as a sequence of (field number, value), and read as field number -> values in order. Text and bytes
are length-delimited, whole numbers are varints; nothing else is needed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

Value = bytes | str | int
_VARINT, _DELIMITED = 0, 2


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def message(*fields: tuple[int, Value]) -> bytes:
    """A message of these fields."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | _DELIMITED) + varint(len(data)) + data


def fields(data: bytes) -> dict[int, list[bytes | int]]:
    """The fields of a message. Raises ValueError for what is none."""
    found: dict[int, list[bytes | int]] = defaultdict(list)
    place = 0
    while place < len(data):
        key, place = _read_varint(data, place)
        value, place = _read_varint(data, place)
        if key & 7 == _VARINT:
            found[key >> 3].append(value)
        elif key & 7 == _DELIMITED and place + value <= len(data):
            found[key >> 3].append(data[place : place + value])
            place += value
        else:
            raise ValueError(f"wire type {key & 7} at {place}")
    return dict(found)


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("truncated")
        byte, place = data[place], place + 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, place


def text(read: dict[int, list[bytes | int]], number: int) -> str:
    """A text field that occurs once at most; empty when absent, as proto3 has it."""
    (value,) = read.get(number, [b""])
    assert isinstance(value, bytes)
    return value.decode()


def messages(read: dict[int, list[bytes | int]], number: int) -> Iterable[dict[int, list[bytes | int]]]:
    """A repeated field of messages."""
    for value in read.get(number, []):
        assert isinstance(value, bytes)
        yield fields(value)
