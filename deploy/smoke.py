"""Asks the deployed service what anybody may ask, and with credentials for a key in each dialect.

    python -m deploy.smoke BASE [--dialects acp240,opentdf] [--closed URL] [--measure IDS]

``SMOKE_TOKEN_URL``, ``SMOKE_CLIENT_ID`` and ``SMOKE_CLIENT_SECRET`` (``-``: the first line of standard input) are the
credentials of a client whose tokens the service takes; ``SMOKE_COUNTRY`` is its country, and ``SMOKE_ATTRIBUTES`` what an
OpenTDF policy is to demand of it. ``--closed`` is an address that must not lead to the service. The first request that is
not answered as it should be ends it, with exit status 1 and a sentence. Without credentials the standard library suffices.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any, Final

from deploy.smoke_failed import SmokeFailed

_TIMEOUT_SECONDS: Final = 30
_MAX_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``seconds`` from the connection on."""

    status: int
    headers: Message[str, str]
    body: bytes
    seconds: float


def ask(method: str, url: str, body: bytes | None = None) -> Answer:
    """Raises SmokeFailed where nothing answers."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {}, method=method)
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read(_MAX_BYTES), time.monotonic() - began)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read(_MAX_BYTES), time.monotonic() - began)
    except OSError as error:
        raise SmokeFailed(f"{method} {url}: nothing answers ({error})") from error


def expect(answer: Answer, status: int, what: str) -> None:
    if answer.status != status:
        text = answer.body[:300].decode("utf-8", "replace")
        raise SmokeFailed(f"{what}: {answer.status} instead of {status}: {text}")


def check_public(base: str, dialects: Sequence[str]) -> float:
    """How long the first request took. Raises SmokeFailed."""
    first = ask("GET", f"{base}/health")
    expect(first, 200, "GET /health")
    print(f"ok  it answers, in {1000 * first.seconds:.0f} ms")
    expect(ask("GET", f"{base}/health/ready"), 200, "GET /health/ready")
    print("ok  every published key and every issuer's key set can be used")
    check_keys(ask("GET", f"{base}/.well-known/jwks.json"), dialects)
    print(f"ok  it publishes keys for {' and '.join(dialects)}, and one that signs")
    check_challenge(ask("POST", f"{base}/rewrap", b"{}"))
    print("ok  without credentials it refuses, and asks for DPoP")
    return first.seconds


def check_keys(answer: Answer, dialects: Sequence[str]) -> None:
    expect(answer, 200, "GET /.well-known/jwks.json")
    keys: list[dict[str, Any]] = json.loads(answer.body).get("keys", [])
    algorithms = {key.get("alg") for key in keys if key.get("use") == "enc"}
    wanted = {"acp240": "RSA-OAEP-256", "opentdf": "RSA-OAEP"}
    missing = [dialect for dialect in dialects if wanted[dialect] not in algorithms]
    if missing or not any(key.get("use") == "sig" for key in keys):
        raise SmokeFailed(f"GET /.well-known/jwks.json: no key for {', '.join(missing) or 'signatures'}")


def check_challenge(answer: Answer) -> None:
    expect(answer, 401, "POST /rewrap without credentials")
    challenge = answer.headers.get("WWW-Authenticate", "")
    if not challenge.startswith("DPoP ") or "algs=" not in challenge:
        raise SmokeFailed(f"POST /rewrap without credentials: the challenge is {challenge!r}")


def check_closed(url: str) -> None:
    """Raises SmokeFailed where the service answers at ``url``."""
    try:
        answer = ask("GET", f"{url}/health")
    except SmokeFailed:
        answer = None
    if answer is not None and answer.status == HTTPStatus.OK:
        raise SmokeFailed(f"{url} leads past the load balancer")
    print(f"ok  {url} leads nowhere")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.smoke")
    parser.add_argument("base")
    parser.add_argument("--dialects", default="acp240,opentdf")
    parser.add_argument("--closed")
    parser.add_argument("--measure", metavar="IDS")
    options = parser.parse_args(arguments)
    dialects = options.dialects.split(",")
    try:
        first = check_public(options.base, dialects)
        if options.closed:
            check_closed(options.closed)
        if "SMOKE_CLIENT_ID" not in os.environ:
            print("--  a rewrap was not asked for: SMOKE_TOKEN_URL, SMOKE_CLIENT_ID, SMOKE_CLIENT_SECRET")
            return 0
        from deploy.smoke_rewrap import run

        run(options.base, dialects, os.environ, measure=options.measure, first_seconds=first)
    except SmokeFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    except ImportError as error:
        sys.stderr.write(f"{error}: the rewrap needs requirements.txt (make .venv/.ready)\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
