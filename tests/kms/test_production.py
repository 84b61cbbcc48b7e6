"""What is deployed is what is tested: the settings of ``env.yaml``, keys in Cloud KMS, everything over TLS.

The Go SDK of OpenTDF plays on the same deployment in `tests/interop/test_interop_production.py`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.client import Http
from local.demo import Demo, Stage
from tests.attacks.rewrap_answers import released
from tests.host.functions import connect, head_of, receive, refused_in_form
from tests.interop.production import PLACES, Production, deployed_settings, running_production
from tests.kit import policy, refused
from tests.kms.google_kit import DECRYPT, rewraps_in
from tests.wrappers import published_ec_key, seal_all

# Members of the key index that name something.
NAMES = {"kid", "kms", "sealed", "sealedBy", "secret"}


def kinds_of(index: str) -> dict[str, list[dict[str, Any]]]:
    """What the index says of each key: where it is held and what it is for, without its names."""
    return {
        use: [{name: name if name in NAMES else value for name, value in key.items()} for key in keys]
        for use, keys in json.loads(index).items()
    }


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    with running_production(tmp_path_factory.mktemp("production")) as running:
        yield running


def test_only_what_names_a_place_differs_from_what_is_deployed(production):
    """And what is deployed is strict: DPoP with nonces, no unbound tokens, keys at HSM level, limits as they are."""
    deployed = deployed_settings()
    changed = {name for name, value in production.settings.items() if deployed.get(name) != value}
    assert changed | (deployed.keys() - production.settings.keys()) <= PLACES
    assert kinds_of(production.settings["KAS_KEYS"]) == kinds_of(deployed["KAS_KEYS"])
    assert (deployed["KAS_MODE"], deployed["KAS_REWRAP_DPOP_NONCE"]) == ("production", "require")
    assert deployed["KAS_OPENTDF_BEARER"] == "refuse"
    assert deployed.get("KAS_KMS_PROTECTION_LEVEL", "HSM") == "HSM"
    assert all(production.settings[name].startswith("https:") for name in ("KAS_KMS_ENDPOINT", "KAS_SECRETS_ENDPOINT"))


def test_the_demonstration_holds(production):
    """Two open the file, two may not, three attacks fail: by keys in Cloud KMS alone."""
    stage, before = Stage(colour=False), production.google.control.count(DECRYPT)
    with contextlib.closing(Http(authorities=production.place.trust)) as http:
        Demo(stage, production.client.world, http).own_client()
    assert stage.failures == 0
    assert production.google.control.count(DECRYPT) > before


def test_a_client_answers_the_challenge_with_a_proof_of_its_own(production):
    """Without a nonce 401 and one to use; with it the key, and each result signed by the key from Secret Manager."""
    attempt = production.client.attempt()
    attempt.nonce = None
    challenge = attempt.send()
    refused(challenge, 401, "use_dpop_nonce", "nonce_required")
    assert 'error="use_dpop_nonce"' in challenge.headers["WWW-Authenticate"]
    attempt.proof, attempt.nonce = None, challenge.headers["DPoP-Nonce"]
    answer = released(attempt)
    (event,) = production.client.events(answer.headers["X-Request-Id"])
    assert (event["outcome"], event["keyOperations"]) == ("released", 1)


def test_what_a_request_costs_is_on_its_first_line_alone(production):
    """Two keys: two operations at 3 millionths, the fee, begun intervals of 100 ms. What is refused costs time as well."""
    attempt = production.client.attempt(kaos=2)
    released_lines = production.client.events(released(attempt).headers["X-Request-Id"])
    assert [line["keyOperations"] for line in released_lines] == [1, 1]
    first, second = (line["costMicroUsd"] for line in released_lines)
    intervals = (first - 0.4 - 2 * 3.0) / 2.55625
    assert second is None
    assert (round(intervals) >= 1, intervals) == (True, pytest.approx(round(intervals), abs=0.01))
    answer = attempt.send()
    (refusal,) = production.client.events(answer.headers["X-Request-Id"])
    assert refusal["event"] == "refusal"
    assert refusal["costMicroUsd"] >= 0.4 + 2.556  # rounded


def test_attack_p10_a_request_that_is_sent_again_is_refused(production):
    attempt = production.client.attempt()
    released(attempt)
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_replayed")


def test_attack_z03_a_body_that_does_not_arrive_is_given_up(production):
    """The front end passes on what it has, so this comes from behind it."""
    attempt = production.client.attempt()
    head = head_of(attempt, "X-Forwarded-Proto: https", "Content-Length: 60000")
    with connect(production.kit.base) as connection:
        connection.sendall(head + b"{")
        refused_in_form(receive(connection, "POST"), 408, "request_timeout")
    released(production.client.attempt())


def test_the_sealed_key_opens_what_is_sealed_to_it(production):
    before = production.google.control.count(DECRYPT)
    released(seal_all(production.client.attempt(), *published_ec_key(production.client)))
    assert production.google.control.count(DECRYPT) == before


def test_a_bulk_of_policies_is_decided_one_by_one(production):
    attempt = production.client.attempt(policies=[policy(), policy(classification="TOP_SECRET")], kaos=3)
    answer = attempt.send()
    events = production.client.events(answer.headers["X-Request-Id"])
    assert [event["code"] for event in events] == [None] * 3 + ["clearance_insufficient"] * 3
    assert [event["keyOperations"] for event in events] == [1] * 3 + [0] * 3


def test_a_token_without_a_key_opens_nothing(production):
    token = production.client.access_token()
    answer = production.client.http(
        "POST", f"{production.client.base}/kas/v2/rewrap", [("Authorization", f"Bearer {token}")]
    )
    assert (answer.status, answer.json()["code"]) == (401, "token_unbound")


def test_the_limits_are_those_that_are_deployed(production):
    answer = released(production.client.attempt())
    deployed = deployed_settings()
    for name, setting in (("network", "NETWORK"), ("global", "GLOBAL"), ("rewrap", "REWRAP")):
        quota = deployed[f"KAS_RATE_{setting}_PER_MINUTE"]
        assert f'"{name}";q={quota};w=60' in answer.headers["RateLimit-Policy"]


def test_the_operations_of_cloud_kms_are_those_of_the_audit(production):
    """Over everything that this module did."""
    events = [event for event in rewraps_in(production.client.log) if "-ec-" not in (event["kid"] or "")]
    assert production.google.control.count(DECRYPT) == sum(event["keyOperations"] for event in events) > 0
