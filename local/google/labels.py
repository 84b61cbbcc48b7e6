"""Labels of keys and of secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from local.google.status import invalid

MAX_LABELS: Final = 64
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")


def check_labels(labels: Mapping[str, str], owner: str) -> None:
    """Raises GoogleError (INVALID_ARGUMENT)."""
    are_good = all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in labels.items())
    if len(labels) > MAX_LABELS or not are_good:
        raise invalid(f"The labels of the {owner} are not valid.")
