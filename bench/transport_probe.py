"""One client of Cloud KMS in a process of its own, as a worker has it: what its first call costs, and each one after.

python -m bench.transport_probe KIND VERSION CALLS; the endpoint, the token and the authorities are found as the service
finds them. Standard input has the ciphertext and what comes out of it, in base64; one line of JSON says what was measured.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final, cast

# What a worker has loaded before anybody asks it.
import functions_framework  # noqa: F401

import kas.service  # noqa: F401
from bench.host import BenchFailed
from bench.memory import memory_mb
from kas.google.cloud import Cloud

_MAX_CALLS: Final = 4
_SECONDS: Final = 20.0


def measure(kind: str, version: str, calls: int, ciphertext: bytes, plaintext: bytes) -> dict[str, float]:
    """Milliseconds of wall time and of all threads' processor time, and MB of this process. Raises BenchFailed."""
    cloud = Cloud(os.environ, time.time, time.perf_counter)
    endpoint = os.environ["KAS_KMS_ENDPOINT"]

    def decrypt() -> None:
        answer = transport.asymmetric_decrypt(version, ciphertext, timeout_seconds=_SECONDS)
        if answer.plaintext != plaintext:
            raise BenchFailed("something else came out")

    began, cpu_began = time.perf_counter(), time.process_time()
    transport = cloud.kms_for_workers(cast("Any", kind), endpoint, _MAX_CALLS)
    decrypt()
    first, first_cpu = time.perf_counter() - began, time.process_time() - cpu_began
    cpu_began = time.process_time()
    walls = [_seconds(decrypt) for _ in range(calls)]
    cpu = time.process_time() - cpu_began
    found = {
        "first_cpu_ms": 1000 * first_cpu,
        "first_wall_ms": 1000 * first,
        "call_cpu_ms": 1000 * cpu / calls,
        "call_wall_ms": 1000 * statistics.median(walls),
        "memory_mb": memory_mb(os.getpgrp()),
    }
    transport.close()
    return found


def _seconds(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    kind, version, calls = sys.argv[1:]
    ciphertext, plaintext = (base64.b64decode(line) for line in sys.stdin.read().split())
    print(json.dumps(measure(kind, version, int(calls), ciphertext, plaintext)))


if __name__ == "__main__":
    main()
