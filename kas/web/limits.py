"""The limits of the edge, before it is known who asks, and how answers tell of limits.

``RateLimit`` and ``RateLimit-Policy`` are as draft-ietf-httpapi-ratelimit-headers has them (structured fields, RFC
9651), ``Retry-After`` as RFC 9110 §10.2.3. The partition key, ``pk``, is left out: it would tell a caller his network
as we see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from kas.dataclass import dataclass
from kas.errors import GlobalLimit, HealthLimit, KasError, NetworkLimit
from kas.ratelimit import Limit, Quota, Window

_MINUTE: Final = 60.0
_HEALTH_SECONDS: Final = 10.0
_EVERYBODY: Final = ""


# Makes a window of a limit, of how many requests are remembered over all keys, and of what refuses.
NewWindow = Callable[[Limit, int, Callable[[float], KasError]], Window]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The windows: of each network, of everybody, and of each network's health requests."""

    network: Window
    everybody: Window
    health: Window

    def admit(self, network: str, *, is_health: bool, note: Callable[[Quota], None]) -> None:
        """Counts one request of ``network``; ``note`` is told what each window that was asked has left.

        Health requests count by themselves, so that neither can starve the other. The network is asked first: what it
        sends beyond its own limit uses up nobody else's. Raises HealthLimit, NetworkLimit, GlobalLimit.
        """
        if is_health:
            self.health.admit(network, note)
        else:
            self.network.admit(network, note)
            self.everybody.admit(_EVERYBODY, note)


def edge_limits(*, network: int, everybody: int, health: int, memory: int, new_window: NewWindow) -> Limits:
    """Requests a minute of one network and of everybody; health requests in 10 s of one network.

    ``memory`` is how many requests are remembered over all networks: some 250 bytes each when all networks differ.
    """
    return Limits(
        network=new_window(Limit("network", network, _MINUTE), max(memory, network), NetworkLimit),
        everybody=new_window(Limit("global", everybody, _MINUTE), everybody, GlobalLimit),
        health=new_window(Limit("health", health, _HEALTH_SECONDS), max(memory, health), HealthLimit),
    )


def limit_headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """What the caller has left of each limit, and what the limits are; nothing where none was asked."""
    if not quotas:
        return {}
    left = (f'"{quota.limit.name}";r={quota.remaining};t={_whole_seconds(quota.reset_seconds)}' for quota in quotas)
    limits = (quota.limit for quota in quotas)
    policies = (f'"{limit.name}";q={limit.quota};w={_whole_seconds(limit.window_seconds)}' for limit in limits)
    return {"RateLimit": ", ".join(left), "RateLimit-Policy": ", ".join(policies)}


def retry_headers(retry_after: float | None, quotas: Sequence[Quota]) -> dict[str, str]:
    """When the same request may succeed: in ``retry_after`` seconds, None where nobody can say, and not before every
    window that was asked has a place again. One may have given its last to the request that another refused.
    """
    if retry_after is None:
        return {}
    waits = (quota.reset_seconds for quota in quotas if not quota.remaining)
    return {"Retry-After": str(_whole_seconds(max((retry_after, *waits))))}


def _whole_seconds(seconds: float) -> int:
    """Rounded up: whoever waits so long is not refused for a fraction."""
    return max(1, math.ceil(seconds))
