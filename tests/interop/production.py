"""A KAS with the settings of ``env.yaml`` behind TLS, and a provider that it trusts.

Only what names a place differs from that file: the public address, the issuers and the folder of keys.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kas.keys.folder import make_local_keys
from local.processes import (
    ROOT,
    World,
    environment_without_settings,
    free_port,
    start_kas,
    start_provider,
    stop,
    wait_until_answers,
    write_issuers,
)
from tests.interop.clients import Place
from tests.interop.tls_front import Front, make_certificates, tls_front
from tests.kit import Kit

_LINE: Final = re.compile(r'([A-Z][A-Z0-9_]+): "([^"]*)"')


@dataclass(frozen=True, slots=True)
class Production:
    """A running deployment: ``place`` for clients, ``front`` to see what passed, ``kit`` with the audit lines."""

    place: Place
    front: Front
    kit: Kit


def deployed_settings() -> dict[str, str]:
    """The settings of ``env.yaml``."""
    lines = (ROOT / "env.yaml").read_text("utf-8").splitlines()
    matches = [_LINE.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert all(matches), "env.yaml has a line that is no setting"
    return {match[1]: match[2] for match in matches if match}


@contextlib.contextmanager
def running_production(folder: Path, **changes: str) -> Iterator[Production]:
    """Starts both and the front; ``changes`` are settings that differ from ``env.yaml``. All end at the end."""
    trust, certificate = make_certificates(folder)
    kas_port, idp_port, tls_port, jwks_port = free_port(), free_port(), free_port(), free_port()
    issuers = _issuers_by_https(folder / "issuers.json", idp_port, jwks_port)
    make_local_keys(folder / "keys")
    settings = {
        **deployed_settings(),
        "KAS_PUBLIC_BASES": f"https://127.0.0.1:{tls_port}",
        "KAS_ISSUERS_PATH": str(issuers),
        "KAS_KEYS_DIR": str(folder / "keys"),
        **changes,
    }
    clean, log = environment_without_settings(), folder / "log"
    with contextlib.ExitStack() as running:
        file = running.enter_context(log.open("wb"))
        provider = start_provider(idp_port, folder / "provider", clean, file)
        running.callback(stop, provider)
        environment = {**clean, **settings, "SSL_CERT_FILE": str(trust)}
        kas = start_kas(kas_port, issuers, folder / "keys", environment, file)
        running.callback(stop, kas)
        running.enter_context(tls_front(certificate, jwks_port, provider.base))
        front = running.enter_context(tls_front(certificate, tls_port, kas.base))
        wait_until_answers(provider)
        wait_until_answers(kas)
        yield Production(Place(front.base, provider.base, trust=trust), front, Kit(World(kas, provider), log))


def _issuers_by_https(path: Path, idp_port: int, jwks_port: int) -> Path:
    """The development provider's entry; outside local mode its keys are fetched, and tokens sought, by https only."""
    document = json.loads(write_issuers(path, idp_port).read_text("utf-8"))
    front = f"https://127.0.0.1:{jwks_port}"
    document["issuers"][0] |= {
        "jwksUrl": f"{front}/jwks.json",
        "tokenEndpoint": f"{front}/token",
        "authorizationEndpoint": f"{front}/authorize",
    }
    path.write_text(json.dumps(document), "utf-8")
    return path
