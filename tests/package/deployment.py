"""What a function meets where it is deployed: Google (the stand-in) and an issuer behind TLS, with names of their own, and
the variables of Cloud Run. All of it is outside; the function brings its files.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from local.client import Http
from local.google.remote import Google, google
from local.google_world import make_project
from local.ports import HOST, free_port
from local.processes import (
    Service,
    World,
    environment_without_settings,
    start_provider,
    stop,
    wait_until_answers,
    write_issuers,
)
from tests.interop.production import deployed_settings
from tests.interop.tls_front import make_certificates, tls_front
from tests.kit import Kit
from tests.kms.google_kit import watch_project
from tests.package import rooms
from tests.package.rooms import Image

ISSUER_HOST = "idp.example"
ISSUER = f"https://{ISSUER_HOST}"
# What the platform sets for every function.
CLOUD_RUN = {"K_SERVICE": "kas-usa", "K_REVISION": "kas-usa-00001-abc", "K_CONFIGURATION": "kas-usa"}


@dataclass(frozen=True)
class Surroundings:
    """``settings`` are those of ``env.yaml`` where they name no place; ``issuers`` is the operator's own file."""

    folder: Path
    google: Google
    provider: Service
    settings: Mapping[str, str]
    issuers: str
    trust: bytes
    certificate: Path
    log: IO[Any]


@dataclass(frozen=True)
class Deployed:
    """A function that runs. ``front`` is what clients reach, as the platform passes it on; ``kit`` asks there."""

    image: Image
    service: Service
    kit: Kit


@contextlib.contextmanager
def surroundings(folder: Path) -> Iterator[Surroundings]:
    """Everything but the function, running."""
    trust, certificate = make_certificates(folder, ISSUER_HOST)
    project, clean = make_project(folder / "google"), environment_without_settings()
    watch_project(project)
    with contextlib.ExitStack() as running:
        log = running.enter_context((folder / "log").open("ab"))
        cloud = running.enter_context(google(project.setup_path, log))
        provider = start_provider(idp_port := free_port(), folder / "provider", clean, log)
        running.callback(stop, provider)
        fronts = [
            running.enter_context(tls_front(certificate, free_port(), upstream))
            for upstream in (cloud.base, cloud.base, provider.base)
        ]
        kms, secrets, key_set = (front.base for front in fronts)
        settings = {
            **deployed_settings(),
            **project.settings,
            "KAS_KMS_ENDPOINT": kms,
            "KAS_SECRETS_ENDPOINT": secrets,
            **cloud.metadata_environment(),
        }
        wait_until_answers(provider)
        issuers = _issuers(folder / "issuers.json", idp_port, key_set.rpartition(":")[2])
        yield Surroundings(folder, cloud, provider, settings, issuers, trust.read_bytes(), certificate, log)


def _issuers(path: Path, idp_port: int, tls_port: str) -> str:
    """The provider's entry under another name: on Cloud Run no issuer is on this machine."""
    document = json.loads(write_issuers(path, idp_port).read_text("utf-8"))
    origin = f"{ISSUER}:{tls_port}"
    document["issuers"][0] |= {
        "issuer": ISSUER,
        "jwksUrl": f"{origin}/jwks.json",
        "tokenEndpoint": f"{origin}/token",
        "authorizationEndpoint": f"{origin}/authorize",
    }
    return json.dumps(document)


@contextlib.contextmanager
def deployed(image: Image, around: Surroundings) -> Iterator[Deployed]:
    """The function as its image says, with what Cloud Run gives it, until the end."""
    port, tls_port = free_port(), free_port()
    image = placed(image, around, KAS_PUBLIC_BASES=f"https://{HOST}:{tls_port}", PORT=str(port), HOST=HOST)
    process = rooms.start(image, around.log)
    base = f"http://{HOST}:{port}"
    service = Service("function", base, f"{base}/health", process)
    trust = around.folder / "authority.pem"
    with contextlib.ExitStack() as running:
        running.callback(stop, service)
        wait_until_answers(service)
        front = running.enter_context(tls_front(around.certificate, tls_port, base))
        http = Http(timeout_seconds=20, authorities=trust)
        asked = Service("function", front.base, f"{front.base}/health", process)
        kit = Kit(World(asked, around.provider), around.folder / "log", http)
        running.callback(kit.http.close)
        yield Deployed(image, service, kit)


def placed(image: Image, around: Surroundings, **own: str) -> Image:
    """The image with what a runtime brings: variables, names, and whom to trust."""
    etc = image.root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "hosts").write_text(f"{HOST} localhost {ISSUER_HOST}\n", "ascii")
    (etc / "nsswitch.conf").write_text("hosts: files\n", "ascii")
    (etc / "trust.pem").write_bytes(around.trust)
    return replace(image, env={**image.env, **around.settings, **CLOUD_RUN, "SSL_CERT_FILE": "/etc/trust.pem", **own})
