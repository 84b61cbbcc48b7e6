"""A real rewrap in each dialect, and on request enough of them to measure. Each answer is verified and opened; the first that
is not as it should be ends it.

What is measured is written to a file, a line for each request: what it was for, its X-Request-Id and its milliseconds as
they were seen here, for `deploy.measured` to find the service's own record of it. No run asks more than `WARM` + `CACHED`
times and a few.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.smoke_failed import SmokeFailed
from local.client import ClientError, Credentials, Http, Session, opentdf
from local.client.http import Answer

WARM: Final = 40
CACHED: Final = 40  # within KAS_DEK_CACHE_SECONDS, and both together below a caller's requests a minute
_ALIVE: Final = 10
_ATTRIBUTES: Final = (
    "https://kas.example/attr/classification/value/UNCLASSIFIED,https://kas.example/attr/releasability/value/{}"
)


class Timed(Http):
    """Remembers of each exchange what was asked, X-Request-Id, status and milliseconds."""

    def __init__(self) -> None:
        super().__init__(timeout_seconds=30)
        self.seen: list[tuple[str, str, int, float]] = []

    def __call__(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        began = time.perf_counter()
        answer = super().__call__(method, url, headers, body)
        took = 1000 * (time.perf_counter() - began)
        self.seen.append((url, answer.headers.get("X-Request-Id", "-"), answer.status, took))
        return answer


def run(
    base: str, dialects: Sequence[str], environ: Mapping[str, str], *, measure: str | None, first_seconds: float
) -> None:
    """Raises SmokeFailed."""
    http = Timed()
    session = Session(http, base, credentials(environ), time.time)
    country = environ.get("SMOKE_COUNTRY", "USA")
    try:
        if "acp240" in dialects:
            _open(session, session.encrypt(b"smoke", policy(country)))
            print("ok  acp240: a file was encrypted and opened again")
        if "opentdf" in dialects:
            attributes = environ.get("SMOKE_ATTRIBUTES", _ATTRIBUTES.format(country)).split(",")
            sent, received = opentdf.rewrap(http, base, session, attributes, time.time())
            if sent != received:
                raise SmokeFailed("opentdf: another key came back")
            print("ok  opentdf: a data key was wrapped and released")
        if measure is not None:
            _measure(http, session, base, policy(country), Path(measure), first_seconds)
    except ClientError as error:
        raise SmokeFailed(f"{type(error).__name__}: {error}") from error
    finally:
        http.close()


def credentials(environ: Mapping[str, str]) -> Credentials:
    """Raises SmokeFailed where one is missing."""
    names = ("SMOKE_TOKEN_URL", "SMOKE_CLIENT_ID", "SMOKE_CLIENT_SECRET")
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise SmokeFailed(f"not set: {', '.join(missing)}")
    url, client, secret = (environ[name] for name in names)
    return Credentials(url, client, sys.stdin.readline().rstrip("\n") if secret == "-" else secret)  # noqa: S105


def policy(country: str) -> dict[str, object]:
    """One that everybody of this country satisfies who is known."""
    dissem = {"classification": "UNCLASSIFIED", "releasabilityTo": [country], "creationDate": "2026-01-01T00:00:00Z"}
    return {"policyId": f"smoke-{secrets.token_hex(4)}", "body": {}, "dissem": dissem}


def _open(session: Session, container: bytes) -> None:
    if session.open(container) != b"smoke":
        raise SmokeFailed("acp240: another file came back")


def _measure(
    http: Timed, session: Session, base: str, dissem: dict[str, object], path: Path, first_seconds: float
) -> None:
    """Every file of the warm ones is new, so that each costs a key operation; of the cached ones it is the same."""
    lines = [{"kind": "first", "id": "-", "ms": 1000 * first_seconds}]
    for _ in range(_ALIVE):
        http("GET", f"{base}/health")
    lines += [{"kind": "alive", "id": name, "ms": ms} for _, name, _, ms in http.seen[-_ALIVE:]]
    files = [session.encrypt(b"smoke", dissem) for _ in range(WARM)]
    for kind, containers in (("warm", files), ("cached", files[-1:] * CACHED)):
        for container in containers:
            _open(session, container)
            _, name, _, ms = http.seen[-1]  # after a challenge, if there was one
            lines.append({"kind": kind, "id": name, "ms": ms})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
