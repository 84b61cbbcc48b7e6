"""What a line of the audit costs for its place in the chain: the same event as a line alone, chained, and with a checkpoint.

    python -m bench.audit

Rounds of each in turn, in one thread; what is printed are medians of the processor's time for a line.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from kas.audit.log import AT_ONCE, AuditLog
from kas.crypto.signatures import ResultSigner
from kas.descriptor import descriptor_writer
from local.processes import ROOT

_ROUNDS: Final = 60
_LINES: Final = 400


def _event() -> dict[str, Any]:
    """That of a release, as the document shows it."""
    lines = (ROOT / "docs" / "api.md").read_text("utf-8").splitlines()
    line: dict[str, Any] = json.loads(next(line for line in lines if '"outcome":"released"' in line))
    del line["chain"]
    return line


def _processor_time(act: Callable[[], object]) -> float:
    """Microseconds of each of many calls."""
    start = time.thread_time()
    for _ in range(_LINES):
        act()
    return (time.thread_time() - start) / _LINES * 1e6


def main() -> None:
    event, write = _event(), descriptor_writer(os.open(os.devnull, os.O_WRONLY))
    signer = ResultSigner("kas-usa", "sig-1", ec.generate_private_key(ec.SECP256R1()))
    busy, idle = (AuditLog(write, signer, clock=time.time, timer=time.perf_counter) for _ in range(2))

    def alone() -> None:
        write(json.dumps(event, separators=(",", ":")).encode("ascii") + b"\n")

    def with_checkpoint() -> None:
        idle._allowance = float(AT_ONCE)  # noqa: SLF001 - as if the last request were seconds ago
        idle.record([event])

    ways = {"alone": alone, "in a chain": lambda: busy.record([event]), "with a checkpoint": with_checkpoint}
    rounds = [{name: _processor_time(act) for name, act in ways.items()} for _ in range(_ROUNDS)]
    for name in ways:
        print(f"{name:<18}{median(one[name] for one in rounds):8.1f} µs")


if __name__ == "__main__":
    main()
