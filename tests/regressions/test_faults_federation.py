"""Faults of earlier systems between services (security model, faults 17 to 20 and 23), through HTTP.

A real KAS, among others that keep what they are sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kas.encoding import b64url_decode
from local.client import Answer, ProofKey, new_proof_key
from local.client.encoding import sha256_b64url
from local.client.keys import arithmetic
from local.client.proofs import make_proof
from local.client.results import verify_answer_of_several
from tests.federation.among_fakes import AmongFakes, Document, running_among_fakes
from tests.federation.fake_kas import CLOSE, Asked
from tests.federation.hostile_forwarder import Forwarded, forward, key_of
from tests.federation.hostile_peer import hostile_peer, reply, silent
from tests.interop.tls_front import make_certificates
from tests.kit import Kit, refused


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmongFakes]:
    """The US is real; no authority is configured, and what other programs read to do without one is set. A request may
    pass two services, and with ``deu`` three.
    """

    def change(_kases: object, agreements: dict[frozenset[str], Document]) -> None:
        for pair, agreement in agreements.items():
            agreement["maxDepth"] = 3 if "deu" in pair else 2

    without = {
        "PYTHONHTTPSVERIFY": "0",
        "CURL_CA_BUNDLE": "",
        "REQUESTS_CA_BUNDLE": "",
        "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    }
    with running_among_fakes(
        tmp_path_factory.mktemp("faults"),
        real=("usa",),
        fakes=("fra", "gbr", "deu", "bel"),
        certificates={"bel": make_certificates(tmp_path_factory.mktemp("unknown"))[1]},
        change=change,
        **without,
    ) as running:
        yield running


# ---- 17: a depth that is always 1, and loops that nobody sees


def told(world: AmongFakes, asked: Asked) -> dict[str, Any]:
    """What the US says about a request that it forwards, its signature verified."""
    signing_input, _, signature = asked.headers["forwarded-kas"].rpartition(".")
    key = key_of(world.nations.places["usa"])
    assert arithmetic("ES256").verify(signing_input.encode(), key.private.public_key(), b64url_decode(signature))
    claims: dict[str, Any] = json.loads(b64url_decode(signing_input.partition(".")[2]))
    assert (claims["iss"], claims["body_sha256"]) == ("kas-usa", sha256_b64url(asked.body))
    return claims


@pytest.mark.parametrize("header", ["X-Forwarded-By", "Via", "Forwarded", "X-Forwarded-For", "Forwarded-By"])
def test_fault_17_the_way_is_what_the_forwarder_signed(world: AmongFakes, header: str) -> None:
    """It begins where the client asked, whatever he writes beside it."""
    attempt = world.nations.attempt(at="usa", holders=("fra",))
    attempt.headers.append((header, "kas-gbr, kas-fra"))
    assert attempt.send().status == 200
    assert told(world, world.fakes["fra"].asked[-1])["via"] == ["kas-usa"]


@pytest.mark.parametrize("via", [["fra"], ["gbr", "fra"]])
def test_fault_17_each_service_adds_itself_to_the_way(world: AmongFakes, via: list[str]) -> None:
    """Nothing of it is written over: the next one sees all."""
    forwarded = forward(world.nations, "usa-secret", by=via[0], to="usa", holders=("deu", "usa"))
    results = passed(world, forwarded.handed_to(world.nations, "fra", via))
    assert results["kao-deu-0"]["signature"]["kas"] == "kas-deu"
    assert told(world, world.fakes["deu"].asked[-1])["via"] == [*(f"kas-{name}" for name in via), "kas-usa"]


def passed(world: AmongFakes, forwarded: Forwarded) -> dict[str, dict[str, Any]]:
    answer = forwarded.send()
    assert answer.status == 200, answer.body
    services = world.nations.services("usa")
    return verify_answer_of_several(answer.json(), forwarded.body, forwarded.proof, services, time.time())


def test_fault_17_what_has_come_far_enough_goes_no_further(world: AmongFakes) -> None:
    """A third service where two were agreed, and one that the request has passed already."""
    forwarded = forward(world.nations, "usa-secret", by="gbr", to="usa", holders=("usa", "gbr", "fra"))
    before = [len(world.fakes[nation].asked) for nation in ("gbr", "fra")]
    results = passed(world, forwarded.handed_to(world.nations, "deu", ["gbr", "deu"]))
    assert {kao_id: result.get("code") for kao_id, result in results.items()} == {
        "kao-usa-0": None,
        "kao-gbr-1": "agreement_exceeded",
        "kao-fra-2": "agreement_exceeded",
    }
    assert [len(world.fakes[nation].asked) for nation in ("gbr", "fra")] == before


# ---- 18: a token sent to an address that the caller chose


@pytest.mark.parametrize("form", ["http://{}/rewrap", "https://{}/rewrap", "http://{}", "http://kas-fra@{}/rewrap"])
def test_fault_18_a_token_goes_to_no_address_of_the_callers_choice(world: AmongFakes, form: str) -> None:
    """Nobody there hears even a connection."""
    with hostile_peer(silent) as other:
        attempt = world.nations.attempt(at="usa", holders=("usa", "fra"))
        attempt.request["requests"][0]["keyAccessObjects"][1]["url"] = form.format(other.address)
        attempt.resign()
        results = world.nations.results(attempt, attempt.send())
        assert (results["kao-usa-0"]["status"], results["kao-fra-1"]["code"]) == ("success", "unknown_kas")
        assert (other.accepted, other.requests) == (0, [])


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_fault_18_a_token_goes_to_no_address_of_a_peers_choice(world: AmongFakes, status: str) -> None:
    fra = world.fakes["fra"]
    with hostile_peer(silent) as other:
        away = reply(b"", status, f"{CLOSE}Location: {other.url}\r\n")
        with fra.answering(lambda _asked: away):
            attempt = world.nations.attempt(at="usa", holders=("usa", "fra"))
            results = world.nations.results(attempt, attempt.send())
        assert results["kao-fra-1"]["code"] == "peer_unavailable"
        assert (other.accepted, other.requests) == (0, [])


def test_fault_18_a_token_goes_to_a_partner_only_where_it_names_the_federation(world: AmongFakes) -> None:
    """And not in the request of a client whom the policy refuses."""
    before = len(world.fakes["fra"].asked)
    attempt = world.nations.attempt(at="usa", holders=("fra",), override={"claims": {"aud": "kas"}})
    assert world.nations.results(attempt, attempt.send())["kao-fra-0"]["code"] == "agreement_exceeded"
    attempt = world.nations.attempt("usa-unclassified", at="usa", holders=("fra",))
    assert world.nations.results(attempt, attempt.send())["kao-fra-0"]["code"] == "clearance_insufficient"
    assert len(world.fakes["fra"].asked) == before


# ---- 19: key access objects of an unknown KAS that are missing from the answer


@pytest.mark.parametrize("mode", [None, "anyOf"])
def test_fault_19_a_kao_of_an_unknown_kas_has_a_result(world: AmongFakes, mode: str | None) -> None:
    """Wherever it stands in the request, and in its place; of alternatives the next is tried."""
    attempt = world.nations.attempt(at="usa", holders=("gbr", "fra", "usa"), mode=mode, data_key=bytes(range(1, 33)))
    attempt.kao["url"] = "https://kas.nowhere.example/rewrap"
    attempt.resign()
    answer = attempt.send()
    assert answer.status == 200
    results = world.nations.results(attempt, answer)
    last = None if mode is None else "not_attempted"
    assert [(kao_id, result.get("code")) for kao_id, result in results.items()] == [
        ("kao-gbr-0", "unknown_kas"),
        ("kao-fra-1", None),
        ("kao-usa-2", last),
    ]
    assert len(attempt.kit.events(answer.headers["X-Request-Id"])) == 3


def test_fault_19_where_every_kas_is_unknown_all_have_results(world: AmongFakes) -> None:
    attempt = world.nations.attempt(at="usa", holders=("gbr", "fra"))
    for kao in attempt.request["requests"][0]["keyAccessObjects"]:
        kao["url"] = "https://kas.nowhere.example/rewrap"
    attempt.resign()
    answer = attempt.send()
    refused(answer, 400, "invalid_request", "unknown_kas")
    assert {result["code"] for result in world.nations.results(attempt, answer).values()} == {"unknown_kas"}


# ---- 20: TLS that is verified only where somebody configured an authority


def test_fault_20_without_a_configured_authority_certificates_are_verified(world: AmongFakes) -> None:
    """A peer whose certificate nobody vouches for hears neither token nor proof (with one: `test_attack_tls.py`)."""
    bel = world.fakes["bel"]
    attempt = world.nations.attempt(at="usa", holders=("usa", "bel"))
    results = world.nations.results(attempt, attempt.send())
    assert (results["kao-usa-0"]["status"], results["kao-bel-1"]["code"]) == ("success", "peer_unavailable")
    assert bel.heard > 0
    assert bel.asked == []


# ---- 23: a registration that needs no authentication

REGISTRY, STATUS = "/federation/registry", "/federation/status"
ELSEWHERE = (
    "/federation",
    "/federation/",
    "/federation/register",
    "/federation/peers",
    "/federation/registry/kas-rou",
    "/federation/spokes/register",
    "/federation/status/",
    "/api/federation/register",
    "/api/federation/registry",
    "/register",
)
ENTRY = json.dumps({"id": "kas-rou", "rewrapUrl": "https://kas.rou.example/rewrap", "status": "active"}).encode()


def ask(
    kit: Kit, key: ProofKey, token: str, path: str, method: str = "GET", body: bytes | None = None, **claims: Any
) -> Answer:
    """With everything that a caller needs, but for what ``claims`` change in the proof."""
    url = kit.base + path
    proof = make_proof(key, method, url, time.time(), token=token, nonce=kit.fresh_nonce(), claims=claims)
    headers = [("Authorization", f"DPoP {token}"), ("DPoP", proof), ("Content-Type", "application/json")]
    return kit.http(method, url, headers, body)


@pytest.fixture
def caller(world: AmongFakes) -> tuple[Kit, ProofKey, str]:
    kit, key = world.nations["usa"], new_proof_key()
    return kit, key, kit.access_token("usa-secret", key)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [REGISTRY, STATUS])
def test_fault_23_the_registry_cannot_be_written(caller: tuple[Kit, ProofKey, str], path: str, method: str) -> None:
    """By nobody, authenticated or not: it is a file."""
    kit, key, token = caller
    refused(kit.http(method, kit.base + path, [], ENTRY), 405, "method_not_allowed", "method_not_allowed")
    refused(ask(kit, key, token, path, method, ENTRY), 405, "method_not_allowed", "method_not_allowed")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_fault_23_there_is_no_other_way_in(caller: tuple[Kit, ProofKey, str], path: str) -> None:
    kit, key, token = caller
    refused(ask(kit, key, token, path, "POST", ENTRY), 404, "not_found", "not_found")
    refused(kit.http("GET", kit.base + path), 404, "not_found", "not_found")


@pytest.mark.parametrize("path", [REGISTRY, STATUS])
def test_fault_23_what_can_be_seen_is_for_authenticated_callers(caller: tuple[Kit, ProofKey, str], path: str) -> None:
    """And nobody else learns whom we work with."""
    kit, key, token = caller
    url, other = kit.base + path, new_proof_key()
    assert "kas-fra" in ask(kit, key, token, path).body.decode()

    def nothing(answer: Answer, error: str, code: str) -> None:
        refused(answer, 401, error, code)
        assert b"fra" not in answer.body

    unbound = kit.access_token("usa-secret")
    nothing(kit.http("GET", url), "unauthorized", "credentials_missing")
    nothing(kit.http("GET", url, [("Authorization", "Basic dXNhOmRldg==")]), "unauthorized", "credentials_missing")
    nothing(kit.http("GET", url, [("Authorization", f"Bearer {unbound}")]), "invalid_token", "token_unbound")
    nothing(kit.http("GET", url, [("Authorization", f"Bearer {token}")]), "invalid_token", "token_scheme_not_accepted")
    nothing(kit.http("GET", url, [("Authorization", f"DPoP {token}")]), "invalid_dpop_proof", "proof_missing")
    nothing(ask(kit, key, f"{token[:-4]}AAAA", path), "invalid_token", "token_signature_invalid")
    nothing(ask(kit, other, token, path), "invalid_dpop_proof", "proof_key_mismatch")
    nothing(ask(kit, key, token, path, htu=f"{kit.base}/rewrap"), "invalid_dpop_proof", "proof_uri_mismatch")
    nothing(ask(kit, key, token, path, htm="POST"), "invalid_dpop_proof", "proof_method_mismatch")
    nothing(ask(kit, key, token, path, iat=int(time.time()) - 90), "invalid_dpop_proof", "proof_time_invalid")
    expired = kit.access_token("usa-secret", key, {"claims": {"exp": int(time.time()) - 60}})
    nothing(ask(kit, key, expired, path), "invalid_token", "token_expired")
    assert ask(kit, key, token, path, jti="the-same-once-more").status == 200
    nothing(ask(kit, key, token, path, jti="the-same-once-more"), "invalid_dpop_proof", "proof_replayed")


def test_fault_23_what_can_be_seen_is_nothing_to_attack_with(caller: tuple[Kit, ProofKey, str]) -> None:
    """No keys, no addresses of their sets, no time-outs, nothing of what others agreed."""
    kit, key, token = caller
    shown = ask(kit, key, token, REGISTRY).body.decode() + ask(kit, key, token, STATUS).body.decode()
    for word in ("jwks", "kty", "thumbprint", "timeout", "rewrapUrl", "between"):
        assert word not in shown


@pytest.mark.parametrize("path", [REGISTRY, STATUS])
def test_fault_23_without_federation_there_is_nothing_to_see(kit: Kit, path: str) -> None:
    refused(kit.http("GET", kit.base + path), 404, "not_found", "not_found")
    refused(kit.http("POST", kit.base + path, [], ENTRY), 404, "not_found", "not_found")
