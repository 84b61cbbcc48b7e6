"""Lists come in pages; a token is the number of items before the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from local.google.status import invalid, not_stood_in_for

MAX_PAGE: Final = 1000
_USUAL_PAGE: Final = 100


def page(request: Any, items: Iterable[Any], *, is_filtered: bool = False) -> tuple[list[Any], Mapping[str, Any]]:
    """The page that is asked for, and the members ``next_page_token`` and ``total_size``; ``is_filtered`` where the filter
    has been applied. Raises GoogleError.
    """
    if (request.filter and not is_filtered) or getattr(request, "order_by", ""):
        raise not_stood_in_for("filter and order_by of lists")
    everything = list(items)
    start = _start(request.page_token, len(everything))
    if request.page_size < 0:
        raise invalid("The page size must not be negative.")
    end = start + min(request.page_size or _USUAL_PAGE, MAX_PAGE)
    more = {"next_page_token": str(end) if end < len(everything) else "", "total_size": len(everything)}
    return everything[start:end], more


def _start(token: str, count: int) -> int:
    if not token:
        return 0
    if not token.isascii() or not token.isdigit() or int(token) >= count:
        raise invalid("The page token is invalid.")
    return int(token)
