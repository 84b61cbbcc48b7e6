"""The edge as clients and operators meet it: browsers, probes, scrapers, and whoever reads the audit."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from local.client import Answer, Http, new_proof_key
from local.client.proofs import make_proof
from tests.attacks.proof_requests import released
from tests.canaries import Overheard
from tests.host.audited import KAO_FIELDS, REFUSAL_FIELDS, REFUSED_KAOS, REFUSED_REQUESTS
from tests.host.functions import refused_in_form
from tests.kit import Attempt, Kit, refused
from tests.requirements.production import production_kas, write_issuers

PAGE = "https://app.example"
POST, READ = "POST, OPTIONS", "GET, HEAD, OPTIONS"
PROCEDURE = "GET, POST, HEAD, OPTIONS"
ROUTES = {
    "/rewrap": POST,
    "/.well-known/jwks.json": READ,
    "/health": READ,
    "/health/live": READ,
    "/health/ready": READ,
    "/healthz": READ,
    "/metrics": READ,
    "/openapi.json": READ,
    "/kas/v2/rewrap": POST,
    "/kas/v2/kas_public_key": READ,
    "/kas/kas_public_key": READ,
    "/.well-known/opentdf-configuration": READ,
    "/kas.AccessService/Rewrap": POST,
    "/kas.AccessService/PublicKey": PROCEDURE,
    "/kas.AccessService/LegacyPublicKey": PROCEDURE,
    "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration": PROCEDURE,
    "/policy.kasregistry.KeyAccessServerRegistryService/ListKeyAccessServers": PROCEDURE,
    "/policy.attributes.AttributesService/GetKeyMappingsByFqns": PROCEDURE,
    "/policy.attributes.AttributesService/GetAttributeValuesByFqns": PROCEDURE,
    "/grpc.health.v1.Health/Check": PROCEDURE,
}
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PER_MINUTE = 5


@dataclass
class Production:
    """A KAS behind TLS whose issuer cannot be reached; each request comes from a network of its own."""

    base: str
    log: Path
    http: Http
    networks: Iterator[int]

    def ask(self, method: str, path: str, network: str | None = None, **headers: str) -> Answer:
        forwarded = network or f"10.0.0.{next(self.networks)}"
        sent = {"X-Forwarded-Proto": "https", "X-Forwarded-For": forwarded}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http(method, self.base + path, list(sent.items()))

    def events(self, answer: Answer) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text("utf-8").splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("requestId") == answer.headers["X-Request-Id"]]


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    settings = {
        "KAS_ISSUERS_PATH": str(write_issuers(folder / "unreachable.json", "https://127.0.0.1:1/jwks.json")),
        "KAS_CORS_ORIGINS": f"https://other.example,{PAGE}",
        "KAS_GCP_PROJECT": "my-project",
        "KAS_RATE_NETWORK_PER_MINUTE": str(PER_MINUTE),
    }
    with production_kas(folder, **settings) as service:
        http = Overheard(Http(timeout_seconds=20), service.base, folder / "answers")
        yield Production(service.base, folder / "log", http, itertools.count(1))
        http.close()


def with_message(path: str) -> str:
    """The path as it is asked by GET: a procedure needs a message."""
    return f"{path}?encoding=json&message=%7B%7D" if ROUTES[path] == PROCEDURE else path


# ---- Methods


@pytest.mark.parametrize(("path", "allowed"), ROUTES.items())
def test_options_says_what_each_route_takes(kit: Kit, path: str, allowed: str) -> None:
    """To anybody; nothing of origins, of which none is listed."""
    answer = kit.http("OPTIONS", kit.base + path, [("Origin", PAGE), ("Access-Control-Request-Method", "POST")])
    assert (answer.status, answer.headers["Allow"], answer.body) == (204, allowed, b"")
    assert SECURITY.items() <= dict(answer.headers).items()
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(("path", "allowed"), ROUTES.items())
def test_head_is_get_without_a_body(kit: Kit, path: str, allowed: str) -> None:
    """Where there is a GET; else 405 like any other method."""
    head, get = (kit.http(method, kit.base + with_message(path)) for method in ("HEAD", "GET"))
    assert head.body == b""
    assert (head.status, head.headers["Content-Type"]) == (get.status, get.headers["Content-Type"])
    assert head.status == (405 if allowed == POST else 200)


# ---- Browsers


def test_preflight_of_a_listed_page(production: Production) -> None:
    """It may post with credentials and proof, and remembers that for a while."""
    answer = production.ask("OPTIONS", "/rewrap", Origin=PAGE, Access_Control_Request_Method="POST")
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Methods"] == POST
    assert {"Authorization", "Content-Type", "DPoP"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    assert answer.headers["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/.well-known/jwks.json", 200),
        ("POST", "/rewrap", 401),
        ("GET", "/nowhere", 404),
        ("GET", "/robots.txt", 404),
    ],
)
def test_listed_page_may_read_the_answer(production: Production, method: str, path: str, status: int) -> None:
    """A refusal too, and what it needs to go on."""
    answer = production.ask(method, path, Origin=PAGE)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
    assert answer.headers["Vary"] == "Origin"
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert {"DPoP-Nonce", "WWW-Authenticate", "X-Request-Id", "Retry-After"} <= exposed
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", "http://app.example"])
def test_other_pages_may_not(production: Production, origin: str) -> None:
    """Neither before nor after."""
    preflight = production.ask("OPTIONS", "/rewrap", Origin=origin, Access_Control_Request_Method="POST")
    for answer in (preflight, production.ask("GET", "/.well-known/jwks.json", Origin=origin)):
        assert answer.headers["Vary"] == "Origin"
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


# ---- Production


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_kas_req_021_every_route_is_refused_without_tls(production: Production, method: str) -> None:
    """The last word of whoever ends TLS counts; the browser is told to come by TLS."""
    for path in (*ROUTES, "/nowhere"):
        answer = production.ask(method, path, X_Forwarded_Proto="https, http")
        assert answer.status == 403
        assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"
        assert "RateLimit" not in answer.headers
        assert method == "HEAD" or b"https_required" in answer.body


def test_production_has_no_metrics_unless_switched_on(production: Production) -> None:
    """There is no such path."""
    refused_in_form(production.ask("GET", "/metrics"), 404, "not_found")


def test_attack_l04_network_is_limited_before_it_is_known_who_asks(production: Production) -> None:
    """Whatever it asks; the answer says when to come again, the audit that it was refused; others are not concerned."""
    paths = itertools.cycle(["/nowhere", "/rewrap"])
    within = [production.ask("GET", next(paths), "192.0.2.1") for _ in range(PER_MINUTE)]
    assert [answer.headers["RateLimit"].partition(";t")[0] for answer in within] == [
        f'"network";r={left}' for left in reversed(range(PER_MINUTE))
    ]
    answer = production.ask("GET", next(paths), "198.51.100.7, 192.0.2.1")
    refused_in_form(answer, 429, "network_limit")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit-Policy"] == f'"network";q={PER_MINUTE};w=60'
    (event,) = production.events(answer)
    assert (event["code"], event["status"], event["category"]) == ("network_limit", 429, "ACCESS_DENIED")
    assert production.ask("GET", "/.well-known/jwks.json", "192.0.2.2").status == 200
    assert production.ask("GET", "/health", "192.0.2.1").status == 200


# ---- Probes


@pytest.mark.parametrize(
    ("path", "body"),
    [("/health", "ok"), ("/health/live", "ok"), ("/health/ready", "ready"), ("/healthz", "SERVING")],
)
def test_probe_learns_a_word(kit: Kit, path: str, body: str) -> None:
    """Not to be stored, not recorded, limited apart from all other requests."""
    answer = kit.http("GET", kit.base + path)
    assert (answer.status, answer.json()) == (200, {"status": body})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["RateLimit"].startswith('"health";r=')
    assert kit.events(answer.headers["X-Request-Id"]) == []


def ask_ready(kit: Kit, *, proof_method: str = "GET") -> Answer:
    key, url = new_proof_key(), f"{kit.base}/health/ready"
    token = kit.access_token(key=key)
    proof = make_proof(key, proof_method, url, time.time(), token=token)
    return kit.http("GET", url, [("Authorization", f"DPoP {token}"), ("DPoP", proof)])


def test_whoever_shows_who_he_is_learns_what_was_checked(kit: Kit) -> None:
    """Keys, issuers and the memory of proofs."""
    answer = ask_ready(kit)
    checks = {"keys": True, "issuers": True, "replayStore": True}
    assert (answer.status, answer.json()) == (200, {"status": "ready", "checks": checks})


def test_whoever_shows_bad_credentials_learns_nothing(kit: Kit) -> None:
    """He is refused and recorded, though anybody may ask without."""
    body = refused(ask_ready(kit, proof_method="POST"), 401, "invalid_dpop_proof", "proof_method_mismatch")
    assert [event["path"] for event in kit.events(body["requestId"])] == ["/health/ready"]


def test_kas_whose_issuer_is_out_of_reach_is_alive_and_not_ready(production: Production) -> None:
    """503 without a word of what is missing, and no line in the audit: nobody is refused anything."""
    answer = production.ask("GET", "/health/ready")
    refused_in_form(answer, 503, "not_ready")
    assert production.events(answer) == []
    assert [production.ask("GET", path).status for path in ("/health", "/health/live", "/healthz")] == [200] * 3


# ---- Scrapers


def scrape(kit: Kit) -> dict[tuple[Any, ...], float]:
    """Each sample by its name and the values of its labels, sorted by their names."""
    answer = kit.http("GET", f"{kit.base}/metrics")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.body.decode())
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, *(value for _, value in sorted(one.labels.items()))): one.value for one in samples}


def test_metrics_count_a_release_and_a_refusal(kit: Kit) -> None:
    """By route, code and stage; no label is a word of the caller."""
    before = scrape(kit)
    released(kit.attempt())
    denied = kit.attempt("usa-unclassified").send()
    assert denied.status == 403
    kit.http("POST", f"{kit.base}/canary-4711", [("X-Request-Id", "canary-4711")])
    after = scrape(kit)
    grown = {name: after[name] - before.get(name, 0.0) for name in after}
    assert grown["kas_requests_total", "POST", "/rewrap", "200"] == 1
    assert grown["kas_requests_total", "POST", "/rewrap", "403"] == 1
    assert grown["kas_requests_total", "POST", "other", "404"] == 1
    assert grown["kas_key_accesses_total", "none", "acp240", "released"] == 1
    assert grown["kas_key_accesses_total", "clearance_insufficient", "acp240", "refused"] == 1
    assert grown["kas_refusals_total", "not_found"] == 1
    assert grown["kas_key_operations_total",] == 1
    assert grown["kas_cache_misses_total", "dek"] == 1
    assert grown["kas_cache_hits_total", "jwks"] + grown["kas_cache_misses_total", "jwks"] == 2
    assert grown["kas_cache_hits_total", "jwks"] > 0
    assert [grown["kas_stage_seconds_count", stage] for stage in ("decide", "unwrap", "wrap", "sign")] == [2, 1, 1, 2]
    assert "canary" not in str(list(after))


# ---- The audit


def traced(answer: Answer, kit: Kit) -> dict[str, Any]:
    (event,) = kit.events(answer.headers["X-Request-Id"])
    return event


def test_release_is_recorded_with_every_field(kit: Kit) -> None:
    """Who, by which client, what, by which key, why, how long, at what cost."""
    attempt = kit.attempt()
    event = traced(released(attempt), kit)
    assert event.keys() == KAO_FIELDS
    assert {name: event[name] for name in ("event", "category", "outcome", "code", "severity")} == {
        "event": "rewrap",
        "category": "DECRYPT",
        "outcome": "released",
        "code": None,
        "severity": "INFO",
    }
    assert (event["issuer"], event["client"]) == (kit.world.provider.base, "usa-secret")
    assert event["subject"]
    assert (event["policyId"], event["kaoId"]) == (attempt.policy["policyId"], "kao-0-0")
    assert event["kid"] == attempt.kao["kid"]
    assert len(event["policyHash"]) == 43
    assert set(event["checks"].values()) == {True}
    assert (event["keyOperations"], event["cacheHit"], event["dialect"]) == (1, False, "acp240")
    assert list(event["latencyMs"]) == ["authenticate", "read", "parse", "decide", "unwrap", "wrap", "sign"]


@pytest.mark.parametrize("name", REFUSED_KAOS)
def test_refused_key_access_is_recorded_with_every_field(kit: Kit, name: str) -> None:
    """The category tells what was forbidden from what was tampered with."""
    client, spoil, code, category = REFUSED_KAOS[name]
    attempt = kit.attempt(client)
    spoil(attempt)
    event = traced(attempt.send(), kit)
    assert event.keys() == KAO_FIELDS
    assert (event["event"], event["outcome"]) == ("rewrap", "refused")
    assert (event["code"], event["category"]) == (code, category)
    assert (event["client"], event["kaoId"]) == (client, "kao-0-0")
    assert event["keyOperations"] == (1 if code == "key_material_rejected" else 0)


@pytest.mark.parametrize("name", REFUSED_REQUESTS)
def test_refused_request_is_recorded_with_every_field(kit: Kit, name: str) -> None:
    """At every step; the caller is named once his token is known to be genuine, and not before."""
    send, status, code, is_known = REFUSED_REQUESTS[name]
    answer = send(kit.attempt())
    assert (answer.status, answer.json()["code"]) == (status, code), answer.body
    event = traced(answer, kit)
    assert event.keys() == REFUSAL_FIELDS
    assert (event["event"], event["category"], event["code"], event["status"]) == (
        "refusal",
        "ACCESS_DENIED",
        code,
        status,
    )
    assert [event[who] is not None for who in ("issuer", "subject", "client")] == [is_known] * 3


def test_public_key_that_is_handed_out_is_recorded(kit: Kit) -> None:
    """As an ENCRYPT, by nobody in particular."""
    event = traced(kit.http("GET", f"{kit.base}/.well-known/jwks.json"), kit)
    assert (event["event"], event["category"], event["subject"]) == ("public_key", "ENCRYPT", None)


def send_with(attempt: Attempt, name: str, value: str) -> Answer:
    attempt.headers = [(name, value)]
    return attempt.send()


@pytest.mark.parametrize(
    ("name", "value", "span"),
    [
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01", "00f067aa0ba902b7"),
        ("X-Cloud-Trace-Context", f"{TRACE}/17;o=1", "0000000000000011"),
    ],
)
def test_trace_is_that_of_the_platform(kit: Kit, production: Production, name: str, value: str, span: str) -> None:
    """In releases and refusals, as Cloud Logging reads it; with the project's name where one is set."""
    (refusal,) = production.events(production.ask("GET", "/nowhere", **{name.replace("-", "_"): value}))
    release = traced(send_with(kit.attempt(), name, value), kit)
    for event, trace in ((release, TRACE), (refusal, f"projects/my-project/traces/{TRACE}")):
        assert {key: event[key] for key in event if "googleapis" in key} == {
            "logging.googleapis.com/trace": trace,
            "logging.googleapis.com/spanId": span,
            "logging.googleapis.com/trace_sampled": True,
        }


@pytest.mark.parametrize("value", [f"00-{TRACE}-00f067aa0ba902b7-01\\n", "canary-4711", f"00-{'0' * 32}-{'0' * 16}-01"])
def test_attack_g01_malformed_trace_is_in_no_line(kit: Kit, value: str) -> None:
    """It is the caller's text."""
    event = traced(send_with(kit.attempt(), "traceparent", value), kit)
    assert event.keys() == KAO_FIELDS
    assert "canary" not in str(event)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_fault_22_request_id_of_the_client_is_never_ours(kit: Kit, method: str) -> None:
    """It comes back as his, and stands in no line: released or refused."""
    theirs = "0123456789abcdef0123456789abcdef"
    headers = [("X-Request-Id", theirs)]
    answer = send_with(kit.attempt(), *headers[0]) if method == "POST" else kit.http("GET", kit.url, headers)
    assert answer.status == (200 if method == "POST" else 405)
    assert answer.headers["X-Client-Request-Id"] == theirs
    assert answer.headers["X-Request-Id"] != theirs
    assert len(kit.events(answer.headers["X-Request-Id"])) == 1
    assert theirs not in kit.log.read_text("utf-8")
