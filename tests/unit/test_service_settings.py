"""Each setting of the edge, the caches, the limits and the metrics reaches its part: changed, it shows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.auth.jwks import JwksCache
from kas.config import Settings
from kas.datakey import DataKey
from kas.errors import BudgetExhausted, HealthLimit, RewrapLimit
from kas.parts import Parts
from kas.service import _health
from kas.web.health import READY
from tests.trails import events_of
from tests.unit import test_health_routes as ready
from tests.unit.journals import journal
from tests.unit.test_service import ask, production, settings, write_keys
from tests.vectors.replay import clock

JWKS = "/.well-known/jwks.json"


class Time:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def parts(folder: Path, time: Time | None = None, **changes: str) -> Parts:
    write_keys(folder / "keys")
    return Parts(settings(folder, **changes), clock, time or clock)


def codes_of(folder: Path, path: str, *forwarded: str, **changes: str) -> list[str | None]:
    """The code of each answer to a request with this ``X-Forwarded-For``, None for a success."""
    service = production(folder, **changes)
    answers = [
        ask(service, service.mounts.everything, "GET", path, {"X-Forwarded-For": network}) for network in forwarded
    ]
    return [json.loads(answer.get_data()).get("code") for answer in answers]


def test_every_setting_is_read_by_the_wiring() -> None:
    """One that nothing reads would be a promise to the operator that nobody keeps."""
    root = Path(__file__).resolve().parents[2] / "kas"
    wiring = "".join(
        (root / name).read_text("utf-8")
        for name in ("service.py", "parts.py", "files.py", "request_limits.py", "stores.py")
    )
    unread = {field.name for field in dataclasses.fields(Settings) if f"settings.{field.name}" not in wiring}
    assert unread == {"mode"}  # as `local`
    assert "settings.local" in wiring


@pytest.mark.parametrize(
    ("origins", "shown"), [("", None), ("https://b.example,https://a.example", "https://a.example")]
)
def test_origins_reach_the_edge(tmp_path: Path, origins: str, shown: str | None) -> None:
    """None by default."""
    service = production(tmp_path, KAS_CORS_ORIGINS=origins)
    answer = ask(service, service.mounts.everything, "GET", "/health", {"Origin": "https://a.example"})
    assert answer.headers.get("Access-Control-Allow-Origin") == shown


@pytest.mark.parametrize(("hops", "last"), [("0", None), ("1", "network_limit")])
def test_hops_reach_the_edge(tmp_path: Path, hops: str, last: str | None) -> None:
    """Behind one load balancer the entry before its own counts."""
    limits = {"KAS_RATE_NETWORK_PER_MINUTE": "1", "KAS_TRUSTED_PROXY_HOPS": hops}
    assert codes_of(tmp_path, JWKS, "192.0.2.1, 192.0.2.8", "192.0.2.1, 192.0.2.9", **limits) == [None, last]


@pytest.mark.parametrize(
    ("name", "path", "forwarded", "code"),
    [
        ("NETWORK_PER_MINUTE", JWKS, ("192.0.2.1",) * 3, "network_limit"),
        ("GLOBAL_PER_MINUTE", JWKS, ("192.0.2.1", "192.0.2.2", "192.0.2.3"), "global_limit"),
        ("HEALTH_PER_10_SECONDS", "/health", ("192.0.2.1",) * 3, "health_limit"),
    ],
)
def test_rates_reach_the_edge(tmp_path: Path, name: str, path: str, forwarded: tuple[str, ...], code: str) -> None:
    """Two, and not a third; each is its own."""
    assert codes_of(tmp_path, path, *forwarded, **{f"KAS_RATE_{name}": "2"}) == [None, None, code]


def test_rewraps_of_one_caller_are_limited(tmp_path: Path) -> None:
    """In a minute, by its setting."""
    time = Time()
    limit = parts(tmp_path, time, KAS_RATE_REWRAP_PER_MINUTE="2").rewrap_limit
    assert [limit.admit("alice").remaining for _ in range(2)] == [1, 0]
    with pytest.raises(RewrapLimit):
        limit.admit("alice")
    assert limit.admit("bob").limit.name == "rewrap"
    time.now += 60
    assert limit.admit("alice").remaining == 1


def test_whoever_asks_which_checks_fail_is_limited_as_a_caller(tmp_path: Path) -> None:
    """Thirty times a minute, from whatever networks: one token cannot fill the memory of proofs by a health route."""
    write_keys(tmp_path / "keys")
    shared = Parts(settings(tmp_path), ready.clock, Time())
    keys = json.dumps({"keys": [{**ready.ISSUER_KEY.jwk, "kid": "k"}]}).encode()
    shared.jwks = JwksCache(shared.files.issuers, lambda _url: keys, ready.clock)
    route, book = _health(shared)[READY], journal(method="GET", path=READY)

    def answer() -> int:
        environ = EnvironBuilder(READY, headers=ready.credentials()).get_environ()
        return route.answer(flask.Request(environ), book).status

    assert [answer() for _ in range(30)] == [200] * 30
    with pytest.raises(HealthLimit):
        answer()
    assert {quota.limit.name for quota in book.quotas} == {"ready"}


def test_memory_of_callers_is_as_large_as_set(tmp_path: Path) -> None:
    """Or as one quota, if that is more: a newcomer is refused while it is full."""
    built = parts(tmp_path, Time(), KAS_RATE_MEMORY_REQUESTS="4", KAS_RATE_REWRAP_PER_MINUTE="3")
    assert [built.rewrap_limit.admit(caller).remaining for caller in ("alice", "alice", "alice", "bob")] == [2, 1, 0, 0]
    with pytest.raises(RewrapLimit):
        built.rewrap_limit.admit("carol")
    for _ in range(30):
        built.ready_limit.admit("alice")
    with pytest.raises(HealthLimit):
        built.ready_limit.admit("bob")


def test_unwrapped_keys_are_kept_as_long_and_as_many_as_set(tmp_path: Path) -> None:
    """Measured by the timer, which does not jump with the clock of the machine."""
    time = Time()
    cache = parts(tmp_path, time, KAS_DEK_CACHE_SECONDS="30", KAS_DEK_CACHE_ENTRIES="2").stores.own_kept_keys
    assert cache is not None
    for name in "abc":
        cache.put(name, DataKey(bytes(16)))
    assert [cache.find(name) is not None for name in "abc"] == [False, True, True]
    time.now += 29.9
    assert cache.find("c") is not None
    time.now += 0.1
    assert cache.find("c") is None


def test_unwrapped_keys_are_not_kept_where_the_operator_says_so(tmp_path: Path) -> None:
    """0 seconds is no cache at all; the metrics know of none."""
    built = parts(tmp_path, KAS_DEK_CACHE_SECONDS="0", KAS_METRICS="on")
    assert built.stores.own_kept_keys is built.opener.cache is None
    assert b'cache="dek"' not in built.metrics.text()  # type: ignore[union-attr]


def test_metrics_do_not_tell_whether_a_key_is_kept(tmp_path: Path) -> None:
    """To whoever sends a foreign wrap: finding its key counts nothing before its binding has held."""
    built = parts(tmp_path, KAS_METRICS="on")
    assert built.stores.own_kept_keys is not None
    built.stores.own_kept_keys.put("kept", DataKey(bytes(16)))
    assert built.stores.own_kept_keys.find("kept") is not None
    assert b'kas_cache_hits_total{cache="dek"} 0.0' in built.metrics.text()  # type: ignore[union-attr]


def test_software_keys_are_budgeted_where_the_operator_says_so(tmp_path: Path) -> None:
    """They cost nothing, so by default they are not; what counts is what the settings say."""
    time = Time()
    limits = {"KAS_KEY_OPERATIONS_PER_MINUTE": "2", "KAS_KMS_OPERATIONS_PER_DAY": "24", "KAS_METRICS": "on"}
    built = parts(tmp_path, time, KAS_KEY_BUDGET="all", **limits)
    budget = built.opener.budget
    assert budget is built.budget is not None
    assert b"kas_key_operations_left 24.0" in built.metrics.text()  # type: ignore[union-attr]
    assert refused_after(budget, "alice", "alice", "alice", "bob") == [None, None, 60.0, None]
    time.now += 60
    assert refused_after(budget, "alice", "alice") == [None, 86_400.0]  # an eighth of the day; the hour goes together


def refused_after(budget: Any, *callers: str) -> list[float | None]:
    """Of each operation the seconds after which it may be asked again, None where it may be done."""
    waits: list[float | None] = []
    for caller in callers:
        try:
            budget.spend(caller)
            waits.append(None)
        except BudgetExhausted as refusal:
            waits.append(refusal.retry_after)
    return waits


def test_software_keys_are_not_budgeted_by_default(tmp_path: Path) -> None:
    """And the metrics say nothing of a budget."""
    built = parts(tmp_path, KAS_METRICS="on")
    assert built.budget is built.opener.budget is None
    assert b"kas_key_operations_left" not in built.metrics.text()  # type: ignore[union-attr]


def test_issuers_keys_are_fresh_as_long_as_set(tmp_path: Path) -> None:
    """After that they are fetched again."""
    assert parts(tmp_path, KAS_JWKS_CACHE_SECONDS="17").jwks._fresh_seconds == 17


@pytest.mark.parametrize("seconds", ["0", "17"])
def test_public_keys_may_be_kept_as_long_as_set(tmp_path: Path, seconds: str) -> None:
    """By anybody between us and the client."""
    service = production(tmp_path, KAS_PUBLIC_KEY_CACHE_SECONDS=seconds)
    answer = ask(service, service.mounts.everything, "GET", JWKS)
    assert answer.headers["Cache-Control"] == f"public, max-age={seconds}"


@pytest.mark.parametrize(
    ("changes", "status"), [({}, 404), ({"KAS_METRICS": "off"}, 404), ({"KAS_METRICS": "on"}, 200)]
)
def test_metrics_are_off_unless_the_operator_says_so(tmp_path: Path, changes: dict[str, str], status: int) -> None:
    """Outside local mode: they are for whoever asks, and no entry point but the whole serves them."""
    service = production(tmp_path, **changes)
    assert ask(service, service.mounts.everything, "GET", "/metrics").status_code == status
    assert ask(service, service.mounts.health, "GET", "/metrics").status_code == 404


def test_metrics_count_what_the_edge_answers(tmp_path: Path) -> None:
    """One meter for all."""
    service = production(tmp_path, KAS_METRICS="on")
    ask(service, service.mounts.everything, "POST", "/rewrap")
    text = ask(service, service.mounts.everything, "GET", "/metrics").get_data(as_text=True)
    assert 'kas_refusals_total{code="credentials_missing"} 1.0' in text


@pytest.mark.parametrize(("project", "prefix"), [("", ""), ("my-project", "projects/my-project/traces/")])
def test_project_names_the_trace(tmp_path: Path, capfd: pytest.CaptureFixture[str], project: str, prefix: str) -> None:
    """Of every line."""
    service = production(tmp_path, KAS_GCP_PROJECT=project)
    trace = {"X-Cloud-Trace-Context": f"{'a' * 32}/1"}
    for path in ("/nowhere", JWKS):
        ask(service, service.mounts.everything, "GET", path, trace)
    events = events_of(capfd.readouterr().out.splitlines())
    assert [event["event"] for event in events] == ["refusal", "public_key"]
    assert {event["logging.googleapis.com/trace"] for event in events} == {prefix + "a" * 32}


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({}, 0.4 + 2.4 + 0.15625),
        ({"KAS_INSTANCE_VCPU": "2"}, 0.4 + 4.8 + 0.15625),
        ({"KAS_INSTANCE_MEMORY_MIB": "1024"}, 0.4 + 2.4 + 0.25),
    ],
)
def test_instance_that_is_set_is_the_one_that_is_priced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], changes: dict[str, str], cost: float
) -> None:
    """In the line of each request; here the clock stands still, so each takes one interval of 100 ms."""
    service = production(tmp_path, **changes)
    for path in ("/nowhere", JWKS):
        ask(service, service.mounts.everything, "GET", path)
    events = events_of(capfd.readouterr().out.splitlines())
    assert [event["costMicroUsd"] for event in events] == [pytest.approx(cost, abs=0.001)] * 2


@pytest.mark.parametrize("path", [JWKS, "/kas/v2/kas_public_key", "/kas.AccessService/PublicKey"])
def test_public_key_that_is_handed_out_is_recorded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    """As an ENCRYPT: whoever asks is about to. HEAD hands out nothing."""
    service = production(tmp_path)
    query = "?encoding=json&message=%7B%7D" if "AccessService" in path else ""
    for method in ("HEAD", "GET"):
        assert ask(service, service.mounts.everything, method, path + query).status_code == 200
    (event,) = events_of(capfd.readouterr().out.splitlines())
    assert (event["category"], event["path"], event["method"]) == ("ENCRYPT", path, "GET")


KNOWN = "https://kas.example/attr/classification/value/secret"
MAPPINGS, VALUES = (
    f"/policy.attributes.AttributesService/Get{name}ByFqns" for name in ("KeyMappings", "AttributeValues")
)
CONNECT_CONFIGURATION = "/wellknownconfiguration.WellKnownService/GetWellKnownConfiguration"
REST_CONFIGURATION = "/.well-known/opentdf-configuration"
BASE_KEY = {"KAS_OPENTDF_BASE_KEY": "rsa:2048"}


@pytest.mark.parametrize(
    ("path", "asked", "changes", "keys"),
    [
        (REST_CONFIGURATION, {}, BASE_KEY, 1),
        (REST_CONFIGURATION, {}, {}, 0),
        (CONNECT_CONFIGURATION, {}, BASE_KEY, 1),
        (CONNECT_CONFIGURATION, {}, {}, 0),
        (MAPPINGS, {"fqns": [KNOWN]}, {}, 1),
        (MAPPINGS, {"fqns": ["https://example.com/attr/unknown/value/none"]}, {}, 0),
        (MAPPINGS, {}, {}, 0),
        (VALUES, {"fqns": [KNOWN]}, {}, 1),
        (VALUES, {}, {}, 0),
    ],
)
def test_answers_of_opentdf_are_recorded_where_they_have_a_public_key(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    path: str,
    asked: dict[str, object],
    changes: dict[str, str],
    keys: int,
) -> None:
    """One ENCRYPT by GET where there is a key in the answer, none where there is none, and none by HEAD."""
    service = production(tmp_path, **changes)
    query = f"?{urlencode({'encoding': 'json', 'message': json.dumps(asked)})}"
    head, answer = (ask(service, service.mounts.everything, method, path + query) for method in ("HEAD", "GET"))
    assert (head.status_code, answer.status_code) == (200, 200)
    assert ("BEGIN PUBLIC KEY" in answer.get_data(as_text=True)) == bool(keys)
    events = events_of(capfd.readouterr().out.splitlines())
    assert [(event["category"], event["method"]) for event in events] == [("ENCRYPT", "GET")] * keys
