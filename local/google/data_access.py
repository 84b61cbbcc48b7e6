"""The data-access audit log of Cloud KMS, as Cloud Logging exports it: who used which key when, and what came of it.

A call is recorded once its caller is known; what failed in front of the service left no entry, as at Google. Entries say
what a caller asked for and nothing that he got.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

from local.google.names import KEY_VERSION, matches
from local.google.status import GoogleError

MAX_ENTRIES: Final = 100_000
# google.rpc.Code, by number.
_CODES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
# The calls that need a permission of the type DATA_READ or DATA_WRITE, and that permission.
_PERMISSIONS: Final = {
    "AsymmetricDecrypt": "cloudkms.cryptoKeyVersions.useToDecrypt",
    "Decrypt": "cloudkms.cryptoKeyVersions.useToDecrypt",
    "Encrypt": "cloudkms.cryptoKeyVersions.useToEncrypt",
    "GetPublicKey": "cloudkms.cryptoKeyVersions.viewPublicKey",
}


@dataclass(frozen=True, slots=True)
class _Call:
    time: float
    method: str
    resource: str
    member: str
    error: GoogleError | None
    insert_id: str


class DataAccessLog:
    """The latest calls. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[_Call] = deque(maxlen=MAX_ENTRIES)
        self._lock = Lock()

    def record(self, method: str, resource: str, member: str, error: GoogleError | None) -> None:
        if method in _PERMISSIONS:
            call = _Call(self._clock(), method, resource, member, error, secrets.token_hex(7))
            with self._lock:
                self._calls.append(call)

    def entries(self) -> list[dict[str, Any]]:
        """Newest first, as ``gcloud logging read --format=json`` prints them."""
        with self._lock:
            calls = list(self._calls)
        return [_entry(call) for call in reversed(calls)]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()


def _entry(call: _Call) -> dict[str, Any]:
    time = datetime.fromtimestamp(call.time, UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
    project = call.resource.split("/")[1]
    payload = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "authenticationInfo": {"principalEmail": call.member.partition(":")[2], "principalSubject": call.member},
        "authorizationInfo": [
            {
                "granted": call.error is None or call.error.status != "PERMISSION_DENIED",
                "permission": _PERMISSIONS[call.method],
                "permissionType": "DATA_READ",
                "resource": call.resource,
                "resourceAttributes": {},
            }
        ],
        "methodName": call.method,
        "request": {
            "@type": f"type.googleapis.com/google.cloud.kms.v1.{call.method}Request",
            "name": call.resource,
        },
        "requestMetadata": {"callerIp": "127.0.0.1", "destinationAttributes": {}, "requestAttributes": {}},
        "resourceName": call.resource,
        "serviceName": "cloudkms.googleapis.com",
        "status": {}
        if call.error is None
        else {"code": _CODES.index(call.error.status), "message": call.error.message},
    }
    return {
        "insertId": call.insert_id,
        "logName": f"projects/{project}/logs/cloudaudit.googleapis.com%2Fdata_access",
        "protoPayload": payload,
        "receiveTimestamp": time,
        "resource": _resource(call.resource, project),
        "severity": "INFO" if call.error is None else "ERROR",
        "timestamp": time,
    }


def _resource(name: str, project: str) -> dict[str, Any]:
    parts = name.split("/")
    is_version = matches(name, KEY_VERSION)
    labels = {"crypto_key_id": parts[7], "key_ring_id": parts[5], "location": parts[3], "project_id": project}
    version = {"crypto_key_version_id": parts[9]} if is_version else {}
    kind = "cloudkms_cryptokeyversion" if is_version else "cloudkms_cryptokey"
    return {"labels": {**labels, **version}, "type": kind}
