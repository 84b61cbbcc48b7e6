"""What is deployed and what is asked of it: every figure that a bill is made of.

What is assumed where nothing is measured has a name here and a row in ``docs/COST-OPTIMIZATION.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kas.dataclass import dataclass

NATIONS: Final[Mapping[str, str]] = {"usa": "us-central1", "fra": "europe-west1", "gbr": "europe-west2"}
KEYS: Final = ("rsa-2048", "rsa-3072", "rsa-4096", "sealed")
PROTECTIONS: Final = ("hsm", "software")
DIALECTS: Final = ("acp240", "opentdf")
STATES: Final = ("memory", "firestore", "valkey", "redis")
SHARED_CACHES: Final = ("valkey", "redis")  # paid by the hour
SHARED_STATES: Final = ("firestore", *SHARED_CACHES)

# Of a request, what the platform writes of it; of a key access object, its audit line; of a key operation, the entry of
# Cloud KMS. With what Cloud Logging puts around each.
REQUEST_LOG_BYTES: Final = 1000
ENVELOPE_BYTES: Final = 500
KAO_LOG_BYTES: Final = 1000 + ENVELOPE_BYTES
OPERATION_LOG_BYTES: Final = 2000
# An answer without results, and a result.
ANSWER_BYTES: Final = 700
RESULT_BYTES: Final = 650


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``requests_per_day`` are those of each nation; ``hit_rate`` is the share of key access objects that need no key
    operation where one process, or a shared cache, answers them all. ``key`` is ``sealed`` where no unwrap key is in
    Cloud KMS. ``retained`` are old versions of each dialect's key. ``billed_seconds`` is the time of a request in whole
    intervals of 100 ms, ``peak`` the busiest moment in multiples of the mean. ``log_bytes`` None is for the usual
    ones. ``host`` is ``run`` for Cloud Run, ``vm`` for one machine.
    """

    requests_per_day: float = 1000.0
    kaos: float = 1.0
    hit_rate: float = 0.0
    key: str = "rsa-2048"
    protection: str = "hsm"
    dialects: tuple[str, ...] = DIALECTS
    sealed_ec: bool = True
    retained: int = 0
    nations: tuple[str, ...] = ("usa",)
    host: str = "run"
    state: str = "memory"
    instances: int = 1
    min_instances: int = 0
    vcpu: float = 1.0
    memory_mib: int = 640
    billed_seconds: float = 0.2
    peak: float = 4.0
    log_bytes: float | None = None
    secrets: int = 3
    alert_conditions: int = 0
    uptime_minutes: int = 15
    tls13: bool = False

    @property
    def locations(self) -> tuple[str, ...]:
        return tuple(NATIONS[nation] for nation in self.nations)

    @property
    def memory_gib(self) -> float:
        return self.memory_mib / 1024

    @property
    def requests_per_second(self) -> float:
        return self.requests_per_day / 86_400

    @property
    def seals(self) -> int:
        """Private keys that Cloud KMS opens at each start of a process."""
        return int(self.sealed_ec) + (len(self.dialects) if self.key == "sealed" else 0)
