"""The service as env.yaml deploys it, on the stand-in for Google Cloud, both interfaces and the identity provider behind
TLS: what is measured, and a client who knows its keys.

Only what names a place differs from env.yaml: the issuers, and the keys and secrets of the stand-in's project. The
authority of the test stands beside those of the system, which are found, or read, as where it is deployed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from bench.fronts import fronts
from bench.host import BenchFailed, Check, Connection, Function, first_answer
from bench.key_set import serving
from local.client import Answer, Credentials, Http, ProofKey, new_proof_key, new_receiving_key
from local.client.proofs import fetch_token, make_proof
from local.client.results import open_result, verify_answer
from local.client.rewrap import KasKeys, build_kao, build_request, parse_kas_keys
from local.google.remote import Control, google
from local.google_world import make_project
from local.ports import free_port
from local.processes import ROOT, environment_without_settings, start_provider, stop, wait_until_answers, write_issuers
from local.provider.clients import SECRET
from tests.interop.production import deployed_settings
from tests.interop.tls_front import hashed_folder, make_certificates

BASE: Final = "https://kas.example"
_EMPTY: Final = """\
import functions_framework


@functions_framework.http
def kas(request):
    return "ok"
"""
POLICY: Final = {
    "policyId": "bench",
    "body": {},
    "dissem": {
        "classification": "SECRET",
        "releasabilityTo": ["USA", "FRA"],
        "COI": ["NATO"],
        "creationDate": "2026-01-01T00:00:00Z",
    },
}
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Client:
    """Has its token and the service's public keys from earlier, and no nonce: those live with the process."""

    token: str
    key: ProofKey
    keys: KasKeys

    def rewrap(self, connection: Connection) -> Check:
        """One key by ``POST /rewrap``, after the challenge for a nonce."""
        receiving, data_key = new_receiving_key(), secrets.token_bytes(_KEY_BYTES)
        kao = build_kao(POLICY, data_key, self.keys, f"{BASE}/rewrap")
        request = build_request(receiving.jwk, [(POLICY, [kao])], self.key)
        challenge, _ = self._post(connection, request, None)
        answer, proof = self._post(connection, request, challenge.headers.get("DPoP-Nonce"))

        def check() -> None:
            if challenge.status != HTTPStatus.UNAUTHORIZED or answer.status != HTTPStatus.OK:
                raise BenchFailed(f"{challenge.status} and {answer.status}: {answer.body!r}")
            results = verify_answer(answer.json(), request, proof, self.keys.signing, time.time())
            opened = [open_result(result, receiving, answer.status) for result in results.values()]
            if opened != [data_key]:
                raise BenchFailed("another key came back")

        return check

    def _post(self, connection: Connection, request: dict[str, Any], nonce: str | None) -> tuple[Answer, str]:
        proof = make_proof(self.key, "POST", f"{BASE}/rewrap", time.time(), token=self.token, nonce=nonce)
        headers = [("Authorization", f"DPoP {self.token}"), ("DPoP", proof), ("Content-Type", "application/json")]
        return connection("POST", "/rewrap", headers, json.dumps(request).encode()), proof


@dataclass(frozen=True, slots=True)
class Deployment:
    """``kas`` is what is deployed, ``empty`` a function that does nothing, on the same host; ``certificate``, with its key, is one
    of loopback that the service trusts.
    """

    kas: Function
    empty: Function
    client: Client
    credentials: Credentials
    control: Control
    certificate: Path


@contextlib.contextmanager
def deployed(**changes: str) -> Iterator[Deployment]:
    """Everything that the service needs besides itself, running; ``changes`` are settings that differ from env.yaml."""
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        log = running.enter_context((folder / "log").open("wb"))
        project = make_project(folder / "google")
        cloud = running.enter_context(google(project.setup_path, log))
        provider = start_provider(idp_port := free_port(), folder / "provider", environment_without_settings(), log)
        running.callback(stop, provider)
        wait_until_answers(provider)
        trust, certificate = make_certificates(folder)
        key_set = running.enter_context(serving(_key_set(provider.base), certificate))
        kms, secret_manager = running.enter_context(fronts(certificate, cloud.base.removeprefix("http://"), 2))
        settings = {
            **deployed_settings(),
            "KAS_PUBLIC_BASES": BASE,
            "KAS_ISSUERS_PATH": str(_issuers(folder / "issuers.json", idp_port, key_set)),
            "SSL_CERT_DIR": str(hashed_folder(folder / "authorities", trust)),
            **project.environment(cloud),
            "KAS_KMS_ENDPOINT": kms,
            "KAS_SECRETS_ENDPOINT": secret_manager,
            **changes,
        }
        kas = Function(ROOT, settings)
        empty = Function(folder / "empty", {"THREADS": settings["THREADS"]})
        empty.folder.mkdir()
        (empty.folder / "main.py").write_text(_EMPTY, "utf-8")
        credentials = Credentials(f"{provider.base}/token", "usa-secret", SECRET)
        yield Deployment(kas, empty, _client(kas, credentials), credentials, cloud.control, certificate)


def _key_set(provider: str) -> bytes:
    with contextlib.closing(Http()) as http:
        return http("GET", f"{provider}/jwks.json").body


def _issuers(path: Path, idp_port: int, key_set: str) -> Path:
    """The provider's entry; outside local mode its keys are fetched by https only."""
    document = json.loads(write_issuers(path, idp_port).read_text("utf-8"))
    origin = key_set.rpartition("/")[0]
    document["issuers"][0] |= {
        "jwksUrl": key_set,
        "tokenEndpoint": f"{origin}/token",
        "authorizationEndpoint": f"{origin}/authorize",
    }
    path.write_text(json.dumps(document), "utf-8")
    return path


def _client(kas: Function, credentials: Credentials) -> Client:
    key, http, found = new_proof_key(), Http(), []
    token = fetch_token(http, credentials, key, time.time())
    http.close()

    def fetch_keys(connection: Connection) -> Check:
        answer = connection("GET", "/.well-known/jwks.json")
        return lambda: found.append(parse_kas_keys(answer.json()))

    first_answer(kas, fetch_keys)
    return Client(token.text, key, found[0])
