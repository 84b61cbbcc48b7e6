"""Issuers of a test's own: one small server on loopback that publishes their keys, counts who asks, and misbehaves.

    with fake_issuers("partner") as issuers, trusting_kit(folder, issuers) as kit:
        partner = issuers["partner"]
        partner.publish("k1", new_proof_key("RS256"))
        partner.attempt(kit, kid="k1").send()

What `FakeIssuer.answer` sends is whatever a test sets; tokens are signed here with any key under any header.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.client.encoding import b64url
from local.client.keys import ProofKey
from tests.kit import Attempt, Kit, running_kit

COUNTRIES = ["USA", "FRA", "GBR"]
ATTRIBUTES = {
    "sub": "alice",
    "uniqueID": "alice",
    "clearance": "SECRET",
    "countryOfAffiliation": "USA",
    "acpCOI": ["NATO"],
    "organizationType": "GOV",
    "acr": "aal2",
}

Reply = Callable[[BaseHTTPRequestHandler], None]


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    """One answer with its length, after which the connection ends; ``headers`` have ``_`` for ``-``."""
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(body)), "Connection": "close", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def replying(status: int, body: bytes = b"", **headers: str) -> Reply:
    """A reply that is always the same."""
    return lambda handler: send(handler, status, body, **headers)


def sign_token(key: ProofKey, header: Mapping[str, Any] | str, payload: Mapping[str, Any] | str) -> str:
    """A compact JWS over header and payload, which may be text that no JSON writer would write."""
    texts = (part if isinstance(part, str) else json.dumps(part) for part in (header, payload))
    signing_input = ".".join(b64url(text.encode()) for text in texts)
    return f"{signing_input}.{b64url(key.sign(signing_input.encode('ascii')))}"


@dataclass
class FakeIssuer:
    """One issuer: its entry in the list of issuers, its key set, and tokens in its name."""

    issuer: str
    keys: list[dict[str, Any]] = field(default_factory=list)
    signers: dict[str, ProofKey] = field(default_factory=dict)
    reply: Reply | None = None
    fetches: int = 0
    entry: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.entry = {
            "issuer": self.issuer,
            "jwksUrl": f"{self.issuer}/jwks",
            "audience": "kas",
            "acceptedTypes": ["at+jwt"],
            "claims": {},
            "acrLevels": {"aal1": 1, "aal2": 2, "aal3": 3},
            "countries": COUNTRIES,
        }

    def publish(self, kid: str, key: ProofKey, **members: Any) -> None:
        """Adds a key to the key set; ``members`` are added to its JWK, replace some of it, or with None remove them."""
        jwk = {**key.jwk, "kid": kid, "use": "sig", "alg": key.alg, **members}
        self.signers[kid] = key
        self.keys.append({name: value for name, value in jwk.items() if value is not None})

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.fetches += 1
        if self.reply is not None:
            self.reply(handler)
        else:
            send(handler, 200, json.dumps({"keys": self.keys}).encode(), Content_Type="application/json")

    def claims(self, jkt: str | None, **changes: Any) -> dict[str, Any]:
        """Good claims; ``changes`` replace members, None removes them."""
        now = int(time.time())
        good = {"iss": self.issuer, "aud": "kas", "iat": now, "exp": now + 300, **ATTRIBUTES, "cnf": {"jkt": jkt}}
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, kid: str, jkt: str, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token signed with the key that was published as ``kid``."""
        key = self.signers[kid]
        head = {"typ": "at+jwt", "alg": key.alg, "kid": kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return sign_token(key, head, self.claims(jkt, **claims))

    def attempt(self, kit: Kit, kid: str, *, header: Mapping[str, Any] | None = None, **claims: Any) -> Attempt:
        """A request that is good but for what is changed in its token."""
        attempt = kit.attempt()
        attempt.token = self.token(kid, attempt.key.thumbprint, header=header, **claims)
        return attempt


class FakeIssuers(Mapping[str, FakeIssuer]):
    """Issuers by name, all on one server; ``seen`` lists every path that was asked for."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.seen: list[str] = []
        self._names = names
        self._issuers: dict[str, FakeIssuer] = {}

    def open_at(self, base: str) -> None:
        """Names the issuers, once the port is known."""
        self._issuers = {name: FakeIssuer(f"{base}/{name}") for name in self._names}

    def __getitem__(self, name: str) -> FakeIssuer:
        return self._issuers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._issuers)

    def __len__(self) -> int:
        return len(self._issuers)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.seen.append(handler.path)
        issuer = self._issuers.get(handler.path.removesuffix("/jwks").lstrip("/"))
        if issuer is None:
            send(handler, 404, b"")
        else:
            issuer.answer(handler)


@contextlib.contextmanager
def serving(answer: Reply) -> Iterator[ThreadingHTTPServer]:
    """A server on loopback that gives every GET to ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):  # whoever asked may be gone
                answer(self)

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def fake_issuers(*names: str) -> Iterator[FakeIssuers]:
    """Issuers ``http://127.0.0.1:PORT/NAME``, each with an empty key set at first."""
    issuers = FakeIssuers(names)
    with serving(issuers.answer) as server:
        issuers.open_at(f"http://127.0.0.1:{server.server_port}")
        yield issuers


@contextlib.contextmanager
def trusting_kit(folder: Path, issuers: FakeIssuers, **settings: str) -> Iterator[Kit]:
    """A fresh pair whose KAS trusts ``issuers`` as their entries stand now, and not the provider."""
    path = folder / "trusted.json"
    path.write_text(json.dumps({"issuers": [issuer.entry for issuer in issuers.values()]}), "utf-8")
    with running_kit(folder, KAS_ISSUERS_PATH=str(path), **settings) as kit:
        yield kit
