"""What HTTP cannot show: how many operations of the key service each request costs, and what is recorded."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pytest_mock import MockerFixture

from kas.auth.authenticator import Authenticator, Credentials, Principal
from kas.auth.issuers import Issuer
from kas.datakey import DataKey
from kas.engine import PolicyEngine
from kas.journal import Caller
from kas.keys.opener import KeyOpener
from kas.keys.registry import KeyRecord, KeyRegistry, WrappedMaterial
from kas.keys.software import SoftwareKeyService
from kas.metrics import NoMetrics
from kas.policy.attributes import load_attributes
from kas.policy.rules import load_rules
from kas.protocol.bounds import JsonBounds
from kas.protocol.opentdf.request import Limits
from kas.protocol.opentdf.wire import OpenTdfWire
from kas.protocol.values import Answer
from kas.release import Release
from kas.rewrap import Exchange, Rewrap
from local.client import new_proof_key
from local.processes import ROOT
from tests.key_operations import side_by_side
from tests.opentdf.pieces import RSA_CLIENT_KEY, bind, pem, policy_text, request_token, wrap
from tests.trails import audit_log, events_of
from tests.unit.journals import journal

URL = "https://kas.example/kas"
SHARE = b"k" * 32
LIMITS = Limits(
    json=JsonBounds(32, 50_000, 2**17),
    groups=10,
    kaos=10,
    id_chars=256,
    url_chars=2048,
    client_key_chars=8192,
    wrapped_key_chars=8192,
    policy_chars=8192,
)
ISSUER = Issuer("https://idp.example", "", "kas", frozenset(), {}, {"aal2": 2}, frozenset({"USA"}))
CLAIMS = {"clearance": "SECRET", "countryOfAffiliation": "USA", "organizationType": "GOV", "acr": "aal2"}
KEYS: dict[str, Any] = {f"rsa-{number}": rsa.generate_private_key(65537, 2048) for number in range(3)}
KEYS["ec"] = ec.generate_private_key(ec.SECP256R1())
RECORDS = (
    *(KeyRecord(f"rsa-{number}", "RSA-2048", "active", frozenset({"opentdf"}), is_legacy=True) for number in range(3)),
    KeyRecord("ec", "P-256", "active", frozenset({"opentdf"})),
)


class CountingKeys(SoftwareKeyService):
    """The real one, which remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(KEYS)
        self.asked: list[str] = []

    def unwrap(self, record: KeyRecord, wrapped: WrappedMaterial, pay: Callable[[], None]) -> DataKey:
        self.asked.append(record.kid)
        return super().unwrap(record, wrapped, pay)


@dataclass
class World:
    """A rewrap by an authenticated caller without key; ``kao`` and ``policy`` are good until a test changes them."""

    keys: CountingKeys = field(default_factory=CountingKeys)
    lines: list[bytes] = field(default_factory=list)
    policy: str = field(default_factory=policy_text)
    kao: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        binding = bind(SHARE, self.policy)
        self.kao = {**wrap(SHARE, KEYS["rsa-0"].public_key()), "url": URL, "kid": "rsa-0", "policyBinding": binding}

    def rewrap(self) -> Rewrap:
        principal = Principal(
            ISSUER, Caller(ISSUER.issuer, "alice", None), CLAIMS | {"uniqueID": "alice"}, key=None, proof_hash=None
        )
        authenticator = SimpleNamespace(authenticate=lambda _credentials, _journal: principal)
        definitions = load_attributes(ROOT / "config" / "attributes.json")
        return Rewrap(
            authenticator=cast("Authenticator", authenticator),
            wire=OpenTdfWire(LIMITS),
            engine=PolicyEngine(load_rules(ROOT / "config"), definitions, allow_empty_policy=True),
            federation=None,
            release=Release(
                dialect=OpenTdfWire.dialect,
                rsa_hash=OpenTdfWire.rsa_hash,
                opener=KeyOpener(
                    registry=KeyRegistry(RECORDS),
                    key_service=self.keys,
                    cache=None,
                    budget=None,
                    budget_all=False,
                    side_by_side=side_by_side(),
                ),
                own_urls=frozenset({URL}),
                require_client_key_hash=True,
                metadata_bounds=LIMITS.json,
            ),
            audit=audit_log(self._write),
            meter=NoMetrics(),
            clock=time.time,
        )

    def _write(self, line: bytes) -> int:
        self.lines.append(line)
        return len(line)

    def answer(self) -> Answer:
        group = {
            "policy": {"id": "p", "body": self.policy},
            "keyAccessObjects": [{"keyAccessObjectId": "k", "keyAccessObject": self.kao}],
        }
        text = json.dumps({"clientPublicKey": pem(RSA_CLIENT_KEY), "requests": [group]})
        body = json.dumps({"signedRequestToken": request_token(new_proof_key(), text, {}, {})}).encode()
        return self.rewrap().answer(Exchange(Credentials(None, None), lambda: body, journal()))

    def event(self) -> dict[str, Any]:
        (event,) = events_of(self.lines)
        return event


def altered(world: World) -> dict[str, Any]:
    text = bytearray(base64.b64decode(world.kao["wrappedKey"]))
    text[-1] ^= 1
    return {"wrappedKey": base64.b64encode(bytes(text)).decode()}


def rewrapped(share: bytes, world: World) -> dict[str, Any]:
    return {**wrap(share, KEYS["rsa-0"].public_key()), "policyBinding": bind(share, world.policy)}


MATERIAL: dict[str, Callable[[World], dict[str, Any]]] = {
    "wrap": altered,
    "length of the wrap": lambda _w: {"wrappedKey": "AAAA"},
    "length of the key": lambda w: rewrapped(b"k" * 31, w),
    "binding": lambda w: {"policyBinding": bind(b"x", w.policy)},
    "no binding": lambda _w: {"policyBinding": None},
    "other alg": lambda w: {"policyBinding": {**bind(SHARE, w.policy), "alg": "HS512"}},
    "another key": lambda _w: {"kid": "rsa-1"},
}


def test_a_release_costs_one_operation() -> None:
    world = World()
    answer = world.answer()
    assert answer.body["responses"][0]["results"][0]["status"] == "permit"
    assert world.keys.asked == ["rsa-0"]


@pytest.mark.parametrize("case", MATERIAL)
def test_attack_r10_opentdf_each_bad_material_costs_one_operation_and_is_answered_alike(
    case: str, mocker: MockerFixture
) -> None:
    """Answer, operations, MACs, record: nothing tells a bad wrap from a bad binding."""
    reference, world = World(), World()
    reference.kao.update(MATERIAL["wrap"](reference))
    world.kao.update(MATERIAL[case](world))
    macs = mocker.spy(DataKey, "hmac_sha256")
    answer = world.answer()
    assert (len(world.keys.asked), macs.call_count) == (1, 1)
    assert answer == reference.answer()
    varying = {"time", "kid", "policyHash"}
    events = [{name: value for name, value in one.event().items() if name not in varying} for one in (world, reference)]
    assert events[0] == events[1]
    assert events[0]["code"] == "key_material_rejected"


def test_attack_r10b_opentdf_bad_sealed_material_costs_one_operation_too() -> None:
    world = World()
    world.kao.update(wrap(SHARE, KEYS["ec"].public_key()), kid="ec")
    world.kao.update(altered(world))
    reference = World()
    reference.kao.update(MATERIAL["wrap"](reference))
    assert world.answer() == reference.answer()
    assert world.keys.asked == ["ec"]


DENIED: dict[str, str] = {
    "attribute": policy_text([f"https://kas.example/attr/classification/value/{level}" for level in ("top_secret",)]),
    "unknown attribute": policy_text(["https://kas.example/attr/none/value/x"]),
    "recipient": policy_text((), ["bob@kas.example"]),
    "unreadable": "e30=",
}


@pytest.mark.parametrize("case", DENIED)
def test_attack_r11_opentdf_an_unentitled_caller_costs_no_operation(case: str) -> None:
    world = World(policy=DENIED[case])
    assert world.answer().body["responses"][0]["results"][0]["status"] == "fail"
    assert world.keys.asked == []
    assert world.event()["outcome"] == "refused"


@pytest.mark.parametrize(
    "change", [{"kid": "nobody"}, {"kid": "ec"}, {"url": "https://other.example"}, {"type": "remote"}], ids=str
)
def test_what_is_not_ours_costs_no_operation(change: dict[str, str]) -> None:
    world = World()
    world.kao.update(change)
    assert world.answer().body["responses"][0]["results"][0]["status"] == "fail"
    assert world.keys.asked == []


@pytest.mark.parametrize(("kid", "asked"), [("rsa-0", 1), ("rsa-1", 2), ("rsa-2", 2)])
def test_without_kid_two_operations_are_the_most(kid: str, asked: int) -> None:
    """Stopping at the first key that opens; a third legacy key is never tried."""
    world = World()
    world.kao.update(wrap(SHARE, KEYS[kid].public_key()), kid=None)
    status = world.answer().body["responses"][0]["results"][0]["status"]
    assert (status, world.keys.asked) == ("fail" if kid == "rsa-2" else "permit", ["rsa-0", "rsa-1"][:asked])
    assert world.event()["kid"] == (None if kid == "rsa-2" else kid)  # the record says which key opened


@pytest.mark.parametrize("wrapped_to", ["rsa-0", "ec"])
def test_attack_r03_opentdf_what_is_sealed_and_names_no_key_costs_no_operation(wrapped_to: str) -> None:
    """Only RSA keys are tried, and none of them opens it, whatever it holds."""
    world = World()
    world.kao.update(wrap(SHARE, KEYS[wrapped_to].public_key()), kid=None, type="ec-wrapped")
    world.kao.setdefault("ephemeralPublicKey", pem(ec.generate_private_key(ec.SECP521R1())))
    world.answer()
    assert (world.event()["code"], world.keys.asked) == ("unknown_key", [])
