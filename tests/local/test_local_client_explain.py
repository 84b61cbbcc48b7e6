"""The client's questions: what it sends, what it reads, and that it takes no other answer for an explanation."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from local.client import AnswerInvalid, Check, Credentials, Http, RewrapRefused, Session
from local.client.explain import build_questions, read_explanations

LABEL: dict[str, Any] = {"dissem": {"classification": "SECRET", "releasabilityTo": ["USA"]}}
GOOD: dict[str, Any] = {
    "decision": "deny",
    "code": "coi_not_satisfied",
    "message": "A sentence.",
    "checks": [
        {"name": "clearance", "passed": True, "needed": "SECRET", "found": "SECRET"},
        {"name": "coi", "passed": False, "code": "coi_not_satisfied"},
    ],
}


def session(pair, http: Http, client_id: str) -> Session:
    return Session(http, pair.kas.base, Credentials(f"{pair.provider.base}/token", client_id, "dev"), time.time)


def test_a_caller_is_told_what_would_be_decided(pair, http):
    """About several policies at once; the challenge for a nonce is answered on the way."""
    asking = session(pair, http, "gbr-topsecret")
    denied, permitted = asking.explain(LABEL, {"dissem": {**LABEL["dissem"], "releasabilityTo": ["GBR"]}})
    assert (denied.is_permitted, denied.code) == (False, "country_not_releasable")
    assert denied.failed == (Check("releasability", passed=False, needed="one of USA", found="GBR"),)
    assert (permitted.is_permitted, permitted.code, permitted.sentence, permitted.failed) == (True, "", "", ())


def test_a_refusal_of_the_question_is_told_as_one(pair, http):
    with pytest.raises(RewrapRefused) as refusal:
        session(pair, http, "usa-secret").explain()
    assert (refusal.value.status, refusal.value.code) == (400, "invalid_structure")


def test_an_object_is_a_label_and_a_text_an_attribute_policy():
    assert json.loads(build_questions([LABEL, "e30="])) == {
        "policies": [{"dialect": "acp240", "policy": LABEL}, {"dialect": "opentdf", "policy": "e30="}]
    }


def test_what_the_kas_does_not_say_is_empty():
    (one,) = read_explanations({"explanations": [GOOD]}, [LABEL])
    assert one.failed == (Check("coi", passed=False, needed="", found=""),)
    assert one.sentence == "A sentence."


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"explanations": {}},
        {"explanations": []},
        {"explanations": [GOOD, GOOD]},
        {"explanations": [5]},
        {"explanations": [{**GOOD, "decision": "perhaps"}]},
        {"explanations": [{**GOOD, "decision": []}]},
        {"explanations": [{**GOOD, "checks": [5]}]},
        {"explanations": [{**GOOD, "checks": 5}]},
        {"explanations": [{"checks": []}]},
    ],
    ids=str,
)
def test_an_answer_of_another_form_is_none(members):
    with pytest.raises(AnswerInvalid):
        read_explanations(members, [LABEL])
