"""One service without network or processes, and one good request to it: real parts, and a key service that counts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.auth.authenticator import Authenticator, Credentials
from kas.auth.issuers import Issuer
from kas.auth.jwks import IssuerKey
from kas.auth.nonce import NonceSource
from kas.crypto.signatures import ResultSigner
from kas.datakey import DataKey
from kas.engine import Engine, PolicyEngine
from kas.jose import parse_public_jwk, to_jwk
from kas.journal import Journal
from kas.keys.budget import KeyOperationBudget
from kas.keys.dek_cache import DekCache
from kas.keys.opener import KeyOpener
from kas.keys.registry import KeyRecord, KeyRegistry, WrappedMaterial
from kas.keys.side_by_side import SideBySide
from kas.keys.software import SoftwareKeyService, UnwrapPrivateKey
from kas.metrics import NoMetrics
from kas.policy.rules import load_rules
from kas.protocol.acp240.request import Limits, RequestParser
from kas.protocol.acp240.wire import Acp240Wire
from kas.protocol.bounds import JsonBounds
from kas.protocol.values import Answer
from kas.ratelimit import SlidingWindow
from kas.release import Release
from kas.rewrap import Exchange, Rewrap
from kas.state.own_replay import MemoryReplayStore
from local.client.keys import ProofKey, ReceivingKey, new_proof_key, new_receiving_key
from local.client.proofs import compact_jws, make_proof
from local.client.rewrap import KasKeys, build_kao, build_request
from tests.key_operations import side_by_side
from tests.trails import audit_log, events_of
from tests.unit.journals import journal

NOW = 1_790_000_000.0
URL = "https://kas.example/rewrap"
ISSUER = Issuer(
    issuer="https://idp.example",
    jwks_url="https://idp.example/jwks.json",
    audience="kas",
    accepted_types=frozenset({"at+jwt"}),
    claim_names={},
    acr_levels={"aal2": 2},
    countries=frozenset({"USA"}),
)
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
CLAIMS: dict[str, Any] = {
    "iss": ISSUER.issuer,
    "aud": "kas",
    "exp": NOW + 300,
    "iat": NOW,
    "sub": "alice",
    "client_id": "reader",
    "clearance": "SECRET",
    "countryOfAffiliation": "USA",
    "acpCOI": ["NATO"],
    "organizationType": "GOV",
    "acr": "aal2",
}
RECORD = KeyRecord("rsa-1", "RSA-2048", "active", frozenset({"acp240"}))
OPENTDF = KeyRecord("tdf-1", "RSA-2048", "active", frozenset({"opentdf"}))
SEALED = KeyRecord("ec-1", "P-256", "active", frozenset({"acp240", "opentdf"}))
ISSUER_KEY = new_proof_key()
UNWRAP_KEY = rsa.generate_private_key(65537, 2048)
UNSEAL_KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE_KEYS: dict[str, UnwrapPrivateKey] = {"rsa-1": UNWRAP_KEY, "tdf-1": UNWRAP_KEY, "ec-1": UNSEAL_KEY}
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())
RULES = load_rules(Path(__file__).resolve().parents[2] / "config")


def label(**dissem: Any) -> dict[str, Any]:
    good = {"classification": "SECRET", "releasabilityTo": ["USA"], "COI": ["NATO"]}
    return {"policyId": f"p-{secrets.token_hex(4)}", "dissem": good | dissem}


class CountingKeys(SoftwareKeyService):
    """The real one, which remembers what it was asked and what it gave."""

    def __init__(self, private_keys: dict[str, UnwrapPrivateKey]) -> None:
        super().__init__(private_keys)
        self.unwrapped: list[str] = []
        self.given: list[DataKey] = []

    def unwrap(self, record: KeyRecord, wrapped: WrappedMaterial, pay: Callable[[], None]) -> DataKey:
        def begin() -> None:
            pay()
            self.unwrapped.append(record.kid)

        self.given.append(super().unwrap(record, wrapped, begin))
        return self.given[-1]


@dataclass
class KaoMeter(NoMetrics):
    """A `Meter` that remembers what it is told of key access objects."""

    kaos: list[tuple[str, str | None]] = field(default_factory=list)

    def kao(self, dialect: str, code: str | None) -> None:
        self.kaos.append((dialect, code))


@dataclass
class World:
    """A service and what it has done; ``request`` is good until a test changes it."""

    keys: CountingKeys = field(default_factory=lambda: CountingKeys(PRIVATE_KEYS))
    records: tuple[KeyRecord, ...] = (RECORD, OPENTDF, SEALED)
    claims: dict[str, Any] = field(default_factory=lambda: dict(CLAIMS))
    require_client_key_hash: bool = False
    limit: SlidingWindow | None = None
    cache: DekCache | None = None
    budget: KeyOperationBudget | None = None
    meter: KaoMeter = field(default_factory=KaoMeter)
    timer: Callable[[], float] = lambda: 0.0
    engine: Engine = field(default_factory=lambda: PolicyEngine(RULES, definitions={}, allow_empty_policy=False))
    side_by_side: SideBySide = field(default_factory=side_by_side)
    journal: Journal = field(default_factory=journal)
    proof_key: ProofKey = field(default_factory=new_proof_key)
    receiving: ReceivingKey = field(default_factory=new_receiving_key)
    lines: list[bytes] = field(default_factory=list)
    proof: str = ""
    reads: int = 0

    def kas_keys(self) -> KasKeys:
        signing = {"sig-1": {**to_jwk(SIGNING_KEY.public_key()), "use": "sig", "alg": "ES256"}}
        return KasKeys("rsa-1", UNWRAP_KEY.public_key(), signing)

    def request(self, *labels: dict[str, Any], data_key: bytes = bytes(range(32)), kaos: int = 1) -> dict[str, Any]:
        """A good body with ``kaos`` KAOs under each label."""
        groups = []
        for number, one in enumerate(labels or (label(),)):
            ids = [f"kao-{number}-{index}" for index in range(kaos)]
            groups.append((one, [build_kao(one, data_key, self.kas_keys(), URL, kao_id=kao_id) for kao_id in ids]))
        return build_request(self.receiving.jwk, groups, self.proof_key)

    def _write(self, line: bytes) -> int:
        self.lines.append(line)
        return len(line)

    def rewrap(self) -> Rewrap:
        wire = Acp240Wire(
            RequestParser(LIMITS, lambda url: url.startswith("https://")),
            ResultSigner("kas-usa", "sig-1", SIGNING_KEY),
        )
        return Rewrap(
            authenticator=Authenticator(
                issuers={ISSUER.issuer: ISSUER},
                find_key=lambda _issuer, _kid: IssuerKey(parse_public_jwk(ISSUER_KEY.jwk), "ES256"),
                nonces=NonceSource(lambda: NOW),
                nonce_mode="off",
                limit=self.limit,
                replay_store=MemoryReplayStore(capacity=100, ttl_seconds=90, clock=lambda: NOW),
                uris=frozenset({URL}),
                schemes=frozenset({"dpop", "bearer"}),
                takes_unbound=False,
                clock=lambda: NOW,
            ),
            federation=None,
            wire=wire,
            engine=self.engine,
            release=Release(
                dialect=wire.dialect,
                rsa_hash=wire.rsa_hash,
                opener=self.opener(),
                own_urls=frozenset({URL}),
                require_client_key_hash=self.require_client_key_hash,
                metadata_bounds=LIMITS.json,
            ),
            audit=audit_log(self._write),
            meter=self.meter,
            clock=lambda: NOW,
        )

    def opener(self) -> KeyOpener:
        return KeyOpener(
            registry=KeyRegistry(self.records),
            key_service=self.keys,
            cache=self.cache,
            budget=self.budget,
            budget_all=True,
            side_by_side=self.side_by_side,
        )

    def answer(self, request: dict[str, Any], *, token: str | None = None) -> Answer:
        """Asks as the caller of ``claims``; counts how often the body is read."""

        def read_body() -> bytes:
            self.reads += 1
            return json.dumps(request).encode()

        token = self.token() if token is None else token
        self.proof = make_proof(self.proof_key, "POST", URL, NOW, token=token)
        self.journal = journal(timer=self.timer)
        return self.rewrap().answer(Exchange(Credentials(f"DPoP {token}", self.proof), read_body, self.journal))

    def token(self) -> str:
        claims = self.claims | {"cnf": {"jkt": self.proof_key.thumbprint}}
        header = {"alg": "ES256", "typ": "at+jwt", "kid": "idp-1"}
        return compact_jws(ISSUER_KEY, header, json.dumps(claims).encode())

    def events(self) -> list[dict[str, Any]]:
        return events_of(self.lines)


def results(answer: Answer) -> list[dict[str, Any]]:
    return [result for response in answer.body["responses"] for result in response["results"]]


def codes(answer: Answer) -> list[str | None]:
    return [result.get("code") for result in results(answer)]
