"""The service with another program for its decisions: what a client, a probe and the audit see of it."""

from __future__ import annotations

import json
import subprocess
import sys

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.auth.jwks import JwksCache
from kas.engine import PolicyEngine
from kas.opa.engine import OpaEngine
from kas.service import _health
from kas.web.health import READY
from local.ports import free_port
from local.processes import ROOT
from tests.explain.asking import Question, check, explained, verdicts
from tests.kit import policy, refused, running_kit
from tests.policy_backends.agent import running_agent
from tests.unit import test_health_routes as ready
from tests.unit.journals import journal
from tests.unit.policy.good_policy import CONFIG
from tests.unit.test_service_settings import parts

OPA = {"KAS_POLICY_BACKEND": "opa"}


def test_it_decides_what_is_released_and_releases_nothing_once_it_is_gone(tmp_path, attributes_path):
    with (
        running_agent(CONFIG, attributes_path) as agent,
        running_kit(tmp_path, **OPA, KAS_OPA_URL=agent.url, KAS_DEK_CACHE_SECONDS="60") as kit,
    ):
        good = kit.attempt()
        answer = good.send()
        assert answer.status == 200
        assert good.open(answer) == good.data_keys

        denied = kit.attempt("usa-unclassified")
        answer = denied.send()
        assert (answer.status, denied.result(answer)["code"]) == (403, "clearance_insufficient")
        (event,) = kit.events(answer.headers["X-Request-Id"])
        assert (event["keyOperations"], event["checks"]["opa"], event["checks"]["clearance"]) == (0, False, False)
        assert kit.audit_faults() == ()

        (one,) = explained(Question.of(kit, "usa-unclassified"))
        assert (one["decision"], one["code"]) == ("deny", "clearance_insufficient")
        assert one["checks"][0] == {"name": "opa", "passed": False, "code": "clearance_insufficient"}
        assert check(one, "clearance")[0] == "SECRET or above"
        assert verdicts(one) == event["checks"]
        assert explained(Question.of(kit))[0]["decision"] == "permit"

        agent.stop()
        refused(Question.of(kit, "usa-secret", policy(), policy()).send(), 503, "unavailable", "policy_unavailable")
        late = kit.attempt(policies=[policy(), policy(COI=["FVEY"])], kaos=2)
        answer = late.send()
        assert (answer.status, answer.json()["code"]) == (503, "policy_unavailable")
        results = [one for group in answer.json()["responses"] for one in group["results"]]
        assert [one["code"] for one in results] == ["policy_unavailable"] * 4
        assert b"kasWrappedKey" not in answer.body
        events = kit.events(answer.headers["X-Request-Id"])
        assert {(event["keyOperations"], event["cacheHit"], event["checks"]) for event in events} == {(0, False, None)}
        assert kit.http("GET", f"{kit.base}/health/ready").status == 503


def checks_of(shared):
    """The checks that the health route lists, to somebody who has shown who he is."""
    keys = json.dumps({"keys": [{**ready.ISSUER_KEY.jwk, "kid": "k"}]}).encode()
    shared.jwks = JwksCache(shared.files.issuers, lambda _url: keys, ready.clock)
    request = flask.Request(EnvironBuilder(READY, headers=ready.credentials()).get_environ())
    reply = _health(shared)[READY].answer(request, journal(method="GET", path=READY))
    return reply.status, json.loads(reply.body)["checks"]


def test_readiness_asks_it_and_only_where_it_decides(tmp_path, agent):
    for folder in ("up", "down", "builtin"):
        (tmp_path / folder).mkdir()
    assert checks_of(parts(tmp_path / "up", **OPA, KAS_OPA_URL=agent.url))[1]["policy"] is True
    gone = f"http://127.0.0.1:{free_port()}"
    status, checks = checks_of(parts(tmp_path / "down", **OPA, KAS_OPA_URL=gone))
    assert (status, checks["policy"]) == (503, "policy_unavailable")
    assert "policy" not in checks_of(parts(tmp_path / "builtin"))[1]


@pytest.mark.parametrize(
    ("changes", "engine"), [({}, PolicyEngine), ({"KAS_POLICY_BACKEND": "builtin"}, PolicyEngine), (OPA, OpaEngine)]
)
def test_the_setting_says_who_decides(tmp_path, changes, engine):
    assert type(parts(tmp_path, **changes).engine) is engine


@pytest.mark.parametrize(("policy", "allowed"), [("allow", True), ("refuse", False)])
def test_what_the_deployment_says_of_empty_policies_reaches_it(tmp_path, policy, allowed):
    engine = parts(tmp_path, **OPA, KAS_OPENTDF_EMPTY_POLICY=policy).engine
    assert engine.questions._allow_empty_policy is allowed


def test_a_service_that_decides_by_itself_does_not_import_it():
    code = "import sys, kas.service, kas.web.host; print([name for name in sys.modules if name.startswith('kas.opa')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
