"""Garbage as a question, at the real process: an answer in one of two forms, never a fault of ours."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.explain.asking import Question
from tests.kit import Kit, policy
from tests.opentdf.pieces import policy_text
from tests.properties.garbage import as_bytes, changed, damaged
from tests.properties.test_property_rewrap import bounded

FQNS = ["https://kas.example/attr/classification/value/SECRET", "https://kas.example/attr/releasability/value/USA"]


@pytest.fixture(scope="module")
def good(kit_without_nonces: Kit) -> Question:
    question = Question.of(kit_without_nonces, "usa-secret", policy(), policy_text(FQNS))
    question.nonce = None
    return question


def is_answered(good: Question, body: bytes) -> None:
    """Asserts an explanation for each policy that was sent, or a refusal that names what is wrong."""
    answer = dataclasses.replace(good, proof=None, body=body).send()
    members = answer.json()
    if answer.status == 200:
        assert len(members["explanations"]) == len(json.loads(body)["policies"])
    else:
        assert (answer.status, members["error"]) == (400, "invalid_request"), answer.body


@bounded(80)
@given(data=st.data())
def test_no_question_is_a_fault_of_ours(good: Question, data: st.DataObject) -> None:
    request: Any = data.draw(changed(good.request))
    is_answered(good, as_bytes(request))


@bounded(80)
@given(data=st.data())
def test_no_policy_is_a_fault_of_ours(good: Question, data: st.DataObject) -> None:
    """Changed below what the wire looks at."""
    under = data.draw(st.sampled_from([("policies", 0, "policy"), ("policies", 1, "policy")]))
    is_answered(good, as_bytes(data.draw(changed(good.request, under=under))))


@bounded(40)
@given(data=st.data())
def test_no_bytes_are_a_fault_of_ours(good: Question, data: st.DataObject) -> None:
    is_answered(good, data.draw(damaged(json.dumps(good.request).encode())))
