"""CRC32C of what was sent, as both services check it: one that does not fit is refused, one that is absent is not."""

from __future__ import annotations

from typing import Any

from local.google.material import crc32c
from local.google.status import invalid


def check_sent(data: bytes, checksum: Any, field: str) -> bool:
    """Whether a checksum (a number, or None) came with the data. Raises GoogleError (INVALID_ARGUMENT) when it does not fit."""
    if checksum is None:
        return False
    if checksum != crc32c(data):
        raise invalid(f"The checksum in field {field}_crc32c did not match the data in field {field}.")
    return True
