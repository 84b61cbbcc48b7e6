"""What an answer must be to count as one, and that nothing but a plain true permits."""

from __future__ import annotations

import json

import pytest

from kas.errors import ClearanceInsufficient, Denial, PolicyDenied, leaves
from kas.opa.answer import MAX_CHECKS, AnswerError, read_answer
from kas.policy.decision import Check

PERMIT = {"allow": True, "reason": "", "checks": [{"name": "clearance", "passed": True}]}
DENY = {"allow": False, "reason": "clearance_insufficient", "checks": [{"name": "clearance", "passed": False}]}


def read(result, **members):
    return read_answer(json.dumps({"result": {**result, **members}, "decision_id": "d-1"}).encode())


def test_a_permit_has_a_line_for_the_whole_and_one_for_each_check():
    decision = read(PERMIT)
    assert decision.permitted
    assert decision.checks == (Check("opa", None), Check("clearance", None))


def test_a_denial_names_its_reason():
    decision = read(DENY, checks=[{"name": "coi", "passed": True}, *DENY["checks"]])
    assert decision.refusal is ClearanceInsufficient
    assert [(check.name, check.passed) for check in decision.checks] == [
        ("opa", False),
        ("coi", True),
        ("clearance", False),
    ]


@pytest.mark.parametrize("denial", list(leaves(Denial)))
def test_every_denial_of_ours_can_be_the_reason(denial):
    assert read(DENY, reason=denial.code).refusal is denial


@pytest.mark.parametrize(
    "reason", ["", "because", "policy_unavailable", "key_material_rejected", None, 7, ["clearance_insufficient"], {}]
)
def test_any_other_reason_is_one_of_its_own(reason):
    assert read(DENY, reason=reason).refusal is PolicyDenied


def test_reason_and_checks_may_be_left_out():
    assert read_answer(b'{"result":{"allow":true}}').checks == (Check("opa", None),)
    assert read_answer(b'{"result":{"allow":false}}').checks == (Check("opa", PolicyDenied),)


def test_a_denial_without_a_failing_check_denies():
    assert read(PERMIT, allow=False).refusal is PolicyDenied


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"true",
        b"null",
        b"[]",
        b"{}",
        b'{"result":null}',
        b'{"result":true}',
        b'{"result":[{"allow":true}]}',
        b'{"result":{}}',
        b'{"allow":true}',
        b'{"result":{"allow":true}',
        b'{"result":{"allow":true,"allow":true}}',
        b'\xef\xbb\xbf{"result":{"allow":true}}',
        b'{"result":{"allow":true}}\xff',
        b"[" * 100_000,
        b"<html>allow: true</html>",
    ],
)
def test_what_is_no_answer_decides_nothing(body):
    with pytest.raises(AnswerError):
        read_answer(body)


@pytest.mark.parametrize("allow", ["true", "True", 1, 1.0, None, [], [True], {"allow": True}, "yes"])
def test_only_true_and_false_are_a_decision(allow):
    with pytest.raises(AnswerError, match="allow is not true or false"):
        read(PERMIT, allow=allow)


def test_an_answer_that_contradicts_itself_decides_nothing():
    with pytest.raises(AnswerError, match="allows, and a check fails"):
        read(PERMIT, checks=[*PERMIT["checks"], *[{"name": "coi", "passed": False}]])


@pytest.mark.parametrize(
    "checks",
    [
        None,
        {},
        {"clearance": True},
        "clearance",
        ["clearance"],
        [{"name": "clearance"}],
        [{"passed": True}],
        [{"name": "clearance", "passed": "true"}],
        [{"name": "", "passed": True}],
        [{"name": "Clearance\n", "passed": True}],
        [{"name": "clearance\n", "passed": True}],
        [{"name": "c" * 41, "passed": True}],
        [{"name": ["clearance"], "passed": True}],
        [{"name": "clearance", "passed": True}] * 2,
        [{"name": "opa", "passed": True}],
        [{"name": f"c{number}", "passed": True} for number in range(MAX_CHECKS + 1)],
    ],
)
@pytest.mark.parametrize("good", [PERMIT, DENY])
def test_checks_that_cannot_be_recorded_decide_nothing(good, checks):
    with pytest.raises(AnswerError):
        read(good, checks=checks)


def test_as_many_checks_as_may_be_are_taken():
    assert (
        len(read(PERMIT, checks=[{"name": f"c{n}", "passed": True} for n in range(MAX_CHECKS)]).checks)
        == MAX_CHECKS + 1
    )
