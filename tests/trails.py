"""Audit trails for tests: a log with a signing key of its own, what its lines say without what holds them together, and the
same lines as Cloud Logging exports them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from kas.audit.keys import CheckpointKeys
from kas.audit.log import AuditLog
from kas.audit.read import read_log
from kas.audit.verify import Verification
from kas.crypto.signatures import ResultSigner
from kas.jose import parse_public_jwk, to_jwk

NOW = 1_790_000_000.0
TIME = "2026-09-21T14:13:20.000Z"
SIGNER = ResultSigner("kas-usa", "sig-1", ec.generate_private_key(ec.SECP256R1()))


def audit_log(write: Callable[[bytes], int], **changes: Any) -> AuditLog:
    """A log whose clocks stand still, but for ``changes``."""
    return AuditLog(write, **{"signer": SIGNER, "clock": lambda: NOW, "timer": lambda: 0.0, **changes})


def frugal(log: AuditLog) -> AuditLog:
    """The same, as if there had been many requests at once: a checkpoint before the first and after it, then few."""
    log._allowance = 2.0
    return log


def events_of(lines: Iterable[bytes | str]) -> list[dict[str, Any]]:
    """The events of lines of a log, without checkpoints, and without their places in the chain."""
    events = [json.loads(line) for line in lines]
    return [
        {name: value for name, value in event.items() if name != "chain"}
        for event in events
        if event["event"] != "checkpoint"
    ]


def rewrap(number: int, **changes: Any) -> dict[str, Any]:
    """An event of one key access object, with a member of each kind that there is."""
    return {
        "severity": "INFO",
        "time": TIME,
        "event": "rewrap",
        "requestId": f"request-{number}",
        "category": "DECRYPT",
        "outcome": "released",
        "code": None,
        "dialect": "acp240",
        "kaoId": f"kao-{number}é",
        "kid": "rsa-1",
        "checks": {"clearance": True, "issuer": False},
        "keyOperations": 1,
        "cacheHit": False,
        "via": ["kas-fra"],
        "latencyMs": {"authenticate": 15.851, "sign": 2.0},
        **changes,
    }


def written(events: Sequence[dict[str, Any]], *, closes: bool = True, **changes: Any) -> list[bytes]:
    """The lines of a process that records these events, each for a request of its own, and ends in order unless it does
    not; a checkpoint comes after the first alone.
    """
    lines: list[bytes] = []

    def write(line: bytes) -> int:
        lines.append(line)
        return len(line)

    log = frugal(audit_log(write, **changes))
    for event in events:
        log.record([event])
    if closes:
        log.close()
    return lines


def exported(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """As ``gcloud logging read --format=json`` gives them: newest first, within entries, what is special lifted out of them,
    members sorted, whole numbers as doubles.
    """
    return [_entry(json.loads(line), number) for number, line in enumerate(lines)][::-1]


def _entry(line: dict[str, Any], number: int) -> dict[str, Any]:
    lifted = {name: line.pop(name) for name in [*line] if name in {"severity", "time"} or "googleapis" in name}
    labels = {"service_name": "kas-usa", "revision_name": "kas-usa-00001-abc", "location": "us-central1"}
    trace = lifted.get("logging.googleapis.com/trace")
    return {
        "insertId": f"6515d2b10003a98{number:05x}",
        "jsonPayload": as_struct(line),
        "labels": {"instanceId": "0069c7a988"},
        "logName": "projects/my-project/logs/run.googleapis.com%2Fstdout",
        "receiveTimestamp": "2026-09-21T14:13:20.337163513Z",
        "resource": {"labels": labels, "type": "cloud_run_revision"},
        "severity": lifted["severity"],
        "timestamp": lifted["time"],
        **({} if trace is None else {"trace": trace, "traceSampled": True}),
    }


def as_struct(value: Any) -> Any:
    """As Cloud Logging keeps it."""
    if isinstance(value, dict):
        return {name: as_struct(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [as_struct(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def faults_in(log: Path, jwks: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the trail of a service that publishes these keys. There is one."""
    keys = {jwk["kid"]: parse_public_jwk(jwk) for jwk in jwks["keys"] if jwk["use"] == "sig"}
    verification = Verification(CheckpointKeys(keys))
    verification.add(read_log(log))
    verdict = verification.verdict(is_part=False)
    assert verdict.lines > 1
    return verdict.faults


def jwks_file(folder: Path, *signers: ResultSigner) -> Path:
    """The key set of a service whose signing keys these are."""
    keys = [
        {**to_jwk(signer.private_key.public_key()), "kid": signer.kid, "use": "sig", "alg": "ES256"}
        for signer in signers or (SIGNER,)
    ]
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": keys}), "utf-8")
    return path
