"""A KAS with the settings of ``env.yaml`` behind TLS, its keys and secrets in Google's stand-in, and a provider it trusts.

Only what names a place differs from that file: the public address, the issuers, where Google answers, and which keys and
secrets of which project are ours. Both interfaces of Google's are behind TLS too.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.client import Http
from local.google.remote import Google, google
from local.google_world import make_project
from local.ports import free_port
from local.processes import (
    ROOT,
    Service,
    World,
    environment_without_settings,
    start_kas,
    start_provider,
    stop,
    wait_until_answers,
    write_issuers,
)
from tests.interop.clients import Place
from tests.interop.tls_front import Front, make_certificates, tls_front
from tests.kit import Kit, stderr_into
from tests.kms.google_kit import watch_project

# What may differ from `env.yaml`: where things are, and what they are called there.
PLACES: Final = frozenset(
    {
        "KAS_PUBLIC_BASES",
        "KAS_ISSUERS_PATH",
        "KAS_KEYS_DIR",
        "KAS_KEYS",
        "KAS_NONCE_SECRET",
        "KAS_KMS_ENDPOINT",
        "KAS_SECRETS_ENDPOINT",
    }
)
_LINE: Final = re.compile(r"""([A-Z][A-Z0-9_]+): (?:"([^"]*)"|'([^']*)')""")


@dataclass(frozen=True, slots=True)
class Production:
    """A running deployment: ``place`` for clients, ``front`` to see what passed, ``kit`` with the audit lines, past the
    front; ``client`` sends as clients do, over TLS. ``settings`` are those of the KAS.
    """

    place: Place
    front: Front
    kit: Kit
    client: Kit
    google: Google
    settings: dict[str, str]


def deployed_settings() -> dict[str, str]:
    """The settings of ``env.yaml``."""
    lines = (ROOT / "env.yaml").read_text("utf-8").splitlines()
    matches = [_LINE.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert all(matches), "env.yaml has a line that is no setting"
    return {match[1]: match[2] or match[3] or "" for match in matches if match}


@contextlib.contextmanager
def running_production(folder: Path, *, strangers: Collection[str] = (), **changes: str) -> Iterator[Production]:
    """Starts everything; ``changes`` are settings that differ from ``env.yaml``. All end at the end.

    ``strangers``, of ``kms`` and ``secrets``, have certificates of an authority that the KAS does not know.
    """
    trust, certificate = make_certificates(folder)
    (folder / "stranger").mkdir()
    stranger = make_certificates(folder / "stranger")[1]
    kas_port, idp_port, tls_port, jwks_port = free_port(), free_port(), free_port(), free_port()
    issuers = _issuers_by_https(folder / "issuers.json", idp_port, jwks_port)
    project, clean, log = make_project(folder / "google"), environment_without_settings(), folder / "log"
    watch_project(project)
    with contextlib.ExitStack() as running:
        file = running.enter_context(log.open("wb"))
        cloud = running.enter_context(google(project.setup_path, file))
        provider = start_provider(idp_port, folder / "provider", clean, file)
        running.callback(stop, provider)
        running.enter_context(tls_front(certificate, jwks_port, provider.base))
        kms, secrets = (
            running.enter_context(tls_front(stranger if name in strangers else certificate, free_port(), cloud.base))
            for name in ("kms", "secrets")
        )
        settings = {
            **deployed_settings(),
            "KAS_PUBLIC_BASES": f"https://127.0.0.1:{tls_port}",
            "KAS_ISSUERS_PATH": str(issuers),
            "KAS_KEYS_DIR": str(folder / "no-keys"),
            **project.settings,
            "KAS_KMS_ENDPOINT": kms.base,
            "KAS_SECRETS_ENDPOINT": secrets.base,
            **changes,
        }
        wait_until_answers(provider)
        with stderr_into(folder / "stderr"):
            environment = {**clean, "SSL_CERT_FILE": str(trust), **cloud.metadata_environment(), **settings}
            kas = start_kas(kas_port, issuers, folder / "no-keys", environment, file)
            running.callback(stop, kas)
            wait_until_answers(kas)
        front = running.enter_context(tls_front(certificate, tls_port, kas.base))
        place = Place(front.base, provider.base, trust=trust)
        client = Kit(World(_behind(front, kas), provider), log, Http(timeout_seconds=20, authorities=trust))
        kit = Kit(World(kas, provider), log)
        yield Production(place, front, kit, client, cloud, settings)
        for one in (client, kit):
            one.http.close()


def _behind(front: Front, kas: Service) -> Service:
    return Service(kas.name, front.base, f"{front.base}/health", kas.process)


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
