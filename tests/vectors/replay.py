"""The service built in this process from the keys of the vectors, its clock standing at their time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from kas.auth.authenticator import Authenticator, Credentials
from kas.auth.issuers import Issuer
from kas.auth.jwks import JwksCache
from kas.auth.nonce import NonceSource
from kas.crypto.signatures import ResultSigner
from kas.datakey import DataKey
from kas.engine import PolicyEngine
from kas.journal import Journal
from kas.keys.opener import KeyOpener
from kas.keys.registry import KeyRecord, KeyRegistry, UnwrapPublicKey, WrappedMaterial
from kas.keys.software import SoftwareKeyService
from kas.metrics import NoMetrics
from kas.policy.rules import load_rules
from kas.protocol.acp240.request import Limits, RequestParser
from kas.protocol.acp240.wire import Acp240Wire
from kas.protocol.bounds import JsonBounds
from kas.protocol.values import Answer
from kas.release import Release
from kas.rewrap import Exchange, Rewrap
from kas.state.own_replay import MemoryReplayStore
from kas.uri import is_secure_url
from tests.key_operations import side_by_side
from tests.trails import audit_log, events_of
from tests.vectors.primitives import ec_key

FOLDER = Path(__file__).resolve().parent / "acp240"
KEYS = json.loads((FOLDER / "keys.TEST.json").read_text("utf-8"))
SETTING = json.loads((FOLDER / "setting.TEST.json").read_text("utf-8"))
STEPS = json.loads((FOLDER / "steps.TEST.json").read_text("utf-8"))
EXCHANGES = json.loads((FOLDER / "exchanges.TEST.json").read_text("utf-8"))
RULES = load_rules(Path(__file__).resolve().parents[2] / "config")
LIMITS = Limits(
    groups=100,
    kaos=500,
    json=JsonBounds(32, 50_000, 2**17),
    id_chars=256,
    url_chars=2048,
    client_key_chars=8192,
    wrapped_key_chars=8192,
    metadata_chars=65536,
    policy_bytes=65536,
)
PARSER = RequestParser(LIMITS, partial(is_secure_url, allow_loopback_http=False))
REQUEST_ID = "0123456789abcdef"


def clock() -> float:
    return float(SETTING["now"])


@cache
def unwrap_key() -> rsa.RSAPrivateKey:
    key = RSAAlgorithm.from_jwk(KEYS["keys"]["unwrap"])
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@dataclass
class Counting:
    """The real key service, which also counts what it is asked."""

    keys: SoftwareKeyService
    calls: list[str] = field(default_factory=list)

    def unwrap(self, record: KeyRecord, wrapped: WrappedMaterial, pay: Callable[[], None]) -> DataKey:
        self.calls.append(record.kid)
        return self.keys.unwrap(record, wrapped, pay)

    def public_key(self, record: KeyRecord) -> UnwrapPublicKey:
        return self.keys.public_key(record)

    def check(self, record: KeyRecord) -> None:
        self.keys.check(record)


@dataclass
class Replay:
    """A service without memory of earlier requests, its audit lines and its key operations."""

    rewrap: Rewrap
    lines: list[bytes]
    key_service: Counting

    def send(self, body: str, **credentials: str | None) -> Answer:
        """The answer to ``body`` with the vectors' own credentials, or those given."""
        headers = {"authorization": SETTING["headers"]["Authorization"], "dpop": SETTING["headers"]["DPoP"]}
        journal = Journal(request_id=REQUEST_ID, method=SETTING["method"], path="/rewrap", timer=clock)
        exchange = Exchange(Credentials(**{**headers, **credentials}), body.encode, journal)
        return self.rewrap.answer(exchange)

    def events(self) -> list[dict[str, Any]]:
        return events_of(self.lines)


def replay(write: Callable[[bytes], int] | None = None) -> Replay:
    """A fresh service; ``write`` takes the audit lines in place of a list."""
    lines: list[bytes] = []
    kas, published = SETTING["kas"], SETTING["kas"]["jwks"]["keys"]
    record = KeyRecord(published[0]["kid"], "RSA-2048", "active", frozenset({"acp240"}))
    key_service = Counting(SoftwareKeyService({record.kid: unwrap_key()}))
    rewrap = Rewrap(
        authenticator=_authenticator(),
        wire=Acp240Wire(PARSER, ResultSigner(kas["id"], published[1]["kid"], ec_key(KEYS["keys"]["signing"]))),
        engine=PolicyEngine(RULES, definitions={}, allow_empty_policy=False),
        federation=None,
        release=Release(
            dialect=Acp240Wire.dialect,
            rsa_hash=Acp240Wire.rsa_hash,
            opener=KeyOpener(
                registry=KeyRegistry((record,)),
                key_service=key_service,
                cache=None,
                budget=None,
                budget_all=False,
                side_by_side=side_by_side(),
            ),
            own_urls=frozenset({kas["base"] + path for path in ("/", "/rewrap")}),
            require_client_key_hash=False,
            metadata_bounds=LIMITS.json,
        ),
        audit=audit_log(write or partial(_keep, lines)),
        meter=NoMetrics(),
        clock=clock,
    )
    return Replay(rewrap, lines, key_service)


def _keep(lines: list[bytes], line: bytes) -> int:
    lines.append(line)
    return len(line)


def issuers() -> dict[str, Issuer]:
    entry = SETTING["issuer"]
    issuer = Issuer(
        issuer=entry["iss"],
        jwks_url=f"{entry['iss']}/jwks.json",
        audience=entry["aud"],
        accepted_types=frozenset({"at+jwt"}),
        claim_names={},
        acr_levels=entry["acrLevels"],
        countries=frozenset({"USA"}),
    )
    return {issuer.issuer: issuer}


def fetch_jwks(url: str) -> bytes:
    """The issuer's key set, at its own address alone."""
    assert url == f"{SETTING['issuer']['iss']}/jwks.json"
    return json.dumps(SETTING["issuer"]["jwks"]).encode()


def _authenticator() -> Authenticator:
    trusted = issuers()
    return Authenticator(
        issuers=trusted,
        find_key=JwksCache(trusted, fetch_jwks, clock).find,
        nonces=NonceSource(clock),
        nonce_mode="off",
        limit=None,
        replay_store=MemoryReplayStore(capacity=8, ttl_seconds=80, clock=clock),
        uris=frozenset({SETTING["url"]}),
        schemes=frozenset({"dpop", "bearer"}),
        takes_unbound=False,
        clock=clock,
    )
