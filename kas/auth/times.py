"""Time in tokens and proofs: one leeway for all, and what counts as a time (RFC 7519 §2, NumericDate)."""

from __future__ import annotations

from typing import Final

# How far another machine's clock may run before or behind ours. Token times, proof times and the memory of used
# proofs share it: a proof that one of them still accepts must not be forgotten by another.
LEEWAY_SECONDS: Final = 10
# A proof is accepted from its iat until so long after (RFC 9449 §11.1).
PROOF_WINDOW_SECONDS: Final = 60
# How long a used proof is remembered: it may come one leeway early and stays acceptable for the whole window after its
# iat. The second leeway is for a clock that is set back meanwhile.
PROOF_MEMORY_SECONDS: Final = PROOF_WINDOW_SECONDS + 2 * LEEWAY_SECONDS

_YEAR_10000: Final = 253_402_300_800


def parse_time(value: object) -> float:
    """Seconds since 1970, fractions allowed. Raises ValueError for what is no number, negative or after year 9999."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a time must be a number")  # noqa: TRY004 - one error for every malformed time
    if not 0 <= value < _YEAR_10000:  # NaN and the infinities are outside too
        raise ValueError("a time must be between 1970 and 9999")
    return float(value)
