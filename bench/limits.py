"""Limits that are on, with numbers that a measurement does not reach."""

from __future__ import annotations

from typing import Final

RAISED: Final = {
    "KAS_RATE_NETWORK_PER_MINUTE": "1000000",
    "KAS_RATE_GLOBAL_PER_MINUTE": "1000000",
    "KAS_RATE_REWRAP_PER_MINUTE": "1000000",
    "KAS_KEY_OPERATIONS_PER_MINUTE": "1000000",
    "KAS_KMS_OPERATIONS_PER_DAY": "100000000",
    "KAS_REPLAY_STORE_CLAIMS": "1000000",
}
