"""`python -m bench.transports`: the three clients of Cloud KMS beside each other, each in a process that a worker's is like.

The stand-in is behind TLS and without latency; every decryption is checked, and counted by the stand-in. It prints the
table of docs/performance.md and writes build/bench-transports.json.
"""

from __future__ import annotations

import argparse
import base64
import json
import secrets
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from bench.deployment import Deployment, deployed
from bench.host import BenchFailed, compile_all
from bench.report import TRANSPORTS, machine, write_report
from bench.rounds import MIN_ROUNDS, interleaved
from local.client.keys import OAEP_SHA256
from local.processes import ROOT, environment_without_settings

_DATA_BYTES: Final = 32
_QUOTA: Final = 10_000_000  # of the stand-in, a minute
# Figure -> head of its column, and how it is written.
_COLUMNS: Final = {
    "first_cpu_ms": ("first call, CPU", "{:.0f} ms"),
    "first_wall_ms": ("first call, wall", "{:.0f} ms"),
    "call_cpu_ms": ("CPU a call", "{:.2f} ms"),
    "call_wall_ms": ("median wall", "{:.1f} ms"),
    "memory_mb": ("memory", "{:.0f} MB"),
}

Results = Mapping[str, Sequence[Mapping[str, float]]]


def measure(deployment: Deployment, rounds: int, calls: int) -> Results:
    """What each process measured, by transport. Raises BenchFailed."""
    control = deployment.control
    control.quota("cloudkms.crypto", _QUOTA)
    control.reset()
    found = interleaved({kind: partial(_probe, deployment, kind, calls) for kind in TRANSPORTS}, rounds)
    if control.count("AsymmetricDecrypt", outcome="OK") != (rounds + 1) * len(TRANSPORTS) * (calls + 1):
        raise BenchFailed("the stand-in counted other calls")
    return found


def _probe(deployment: Deployment, kind: str, calls: int) -> dict[str, float]:
    environment = deployment.kas.environment
    version = json.loads(environment["KAS_KEYS"])["unwrapKeys"][0]["kms"]
    plaintext = secrets.token_bytes(_DATA_BYTES)
    ciphertext = deployment.client.keys.wrapping.encrypt(plaintext, OAEP_SHA256)
    ended = subprocess.run(
        [sys.executable, "-m", "bench.transport_probe", kind, version, str(calls)],
        cwd=ROOT,
        env={**_without_authorities(), **environment},
        input=b"\n".join(map(base64.b64encode, (ciphertext, plaintext))),
        stdout=subprocess.PIPE,
        check=False,
        process_group=0,
    )
    if ended.returncode:
        raise BenchFailed(f"the process of {kind} ended with {ended.returncode}")
    return {name: float(value) for name, value in json.loads(ended.stdout).items()}


def _without_authorities() -> dict[str, str]:
    names_one = ("SSL_CERT_FILE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    return {name: value for name, value in environment_without_settings().items() if name not in names_one}


def figures(found: Results) -> dict[str, float]:
    """Medians of the rounds, as ``http_first_cpu_ms``."""
    return {
        f"{kind}_{name}": statistics.median(one[name] for one in results)
        for kind, results in found.items()
        for name in _COLUMNS
    }


def table(medians: Mapping[str, float]) -> list[str]:
    """In Markdown."""
    rows = [
        [f"`{kind}`" + (" (default)" if kind == TRANSPORTS[0] else "")]
        + [form.format(medians[f"{kind}_{name}"]) for name, (_, form) in _COLUMNS.items()]
        for kind in TRANSPORTS
    ]
    head = ["`KAS_KMS_TRANSPORT`", *(words for words, _ in _COLUMNS.values())]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.transports", description=__doc__)
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS, help=f"{MIN_ROUNDS} or more")
    parser.add_argument("--calls", type=int, default=200, help="after the first, in each process")
    asked = parser.parse_args()
    if asked.rounds < MIN_ROUNDS:
        parser.error(f"--rounds: {MIN_ROUNDS} or more")
    before = machine()
    compile_all(ROOT / "kas", ROOT / "bench")
    with deployed() as deployment:
        found = measure(deployment, asked.rounds, asked.calls)
    medians = figures(found)
    print(*table(medians), sep="\n")
    raw = {kind: {name: [round(one[name], 3) for one in of] for name in _COLUMNS} for kind, of in found.items()}
    print(write_report("bench-transports", medians, {**before, **vars(asked), "values": raw}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
