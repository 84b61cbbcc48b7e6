"""CRC32C (Castagnoli, RFC 3720 appendix B.4): what Cloud KMS and Secret Manager send and take beside any data."""

from __future__ import annotations

import google_crc32c


def crc32c(data: bytes) -> int:
    """From 0 to 2^32 − 1."""
    return int(google_crc32c.value(data))
