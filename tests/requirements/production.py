"""A KAS in production mode as a real process: keys in a folder, an issuer that is not there, plain HTTP behind TLS."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kas.keys.folder import make_local_keys
from local.ports import free_port
from local.processes import Service, environment_without_settings, start_kas, stop, wait_until_answers
from tests.canaries import CANARIES
from tests.kit import stderr_into


def write_issuers(path: Path, jwks_url: str = "https://idp.example/jwks.json") -> Path:
    """A list of one issuer."""
    entry = {
        "issuer": "https://idp.example",
        "jwksUrl": jwks_url,
        "audience": "kas",
        "acceptedTypes": ["at+jwt"],
        "claims": {},
        "acrLevels": {},
        "countries": ["USA"],
    }
    path.write_text(json.dumps({"issuers": [entry]}), "utf-8")
    return path


@contextlib.contextmanager
def production_kas(folder: Path, *, keys: bool = True, **settings: str) -> Iterator[Service]:
    """Starts and waits; raises StartFailed when it does not come up. ``keys`` False leaves the key folder out. What it
    writes is searched for secrets (`canaries`).
    """
    if keys:
        make_local_keys(folder / "keys")
    env: dict[str, Any] = {
        **environment_without_settings(),
        "KAS_MODE": "production",
        "KAS_ID": "kas-usa",
        "KAS_PUBLIC_BASES": "https://kas.example",
        **settings,
    }
    issuers = write_issuers(folder / "issuers.json")
    CANARIES.watch(folder)
    with (folder / "log").open("wb") as log, contextlib.ExitStack() as started:
        with stderr_into(folder / "stderr"):
            service = start_kas(free_port(), issuers, folder / "keys", env, log)
            started.callback(stop, service)
            wait_until_answers(service)
        yield service
