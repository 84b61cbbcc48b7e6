"""A question about a policy reaches no key: Cloud KMS is not called for it, and does not have to be there."""

from __future__ import annotations

from tests.attacks.rewrap_answers import released
from tests.explain.asking import Question, explained
from tests.kit import policy
from tests.kms.google_kit import DECRYPT, GoogleKit
from tests.opentdf.pieces import policy_text


def asked(kms: GoogleKit) -> Question:
    return Question.of(kms.kit, "usa-secret", policy(), policy(COI=["EU"]), policy_text(), "!")


def test_attack_r11_explain_cloud_kms_is_called_for_no_question(kms: GoogleKit) -> None:
    """Whatever is decided; for a rewrap it is."""
    question = asked(kms)
    kms.settle()
    assert [one["decision"] for one in explained(question)] == ["permit", "deny", "permit", "deny"]
    assert kms.control.operations() == []
    released(kms.kit.attempt())
    assert kms.control.count(DECRYPT) == 1


def test_explanations_go_on_while_cloud_kms_is_away(kms: GoogleKit) -> None:
    """They say what would be decided, not that a key can be had."""
    kms.control.fail("UNAVAILABLE", method="*", times=None)
    assert explained(asked(kms))[0]["decision"] == "permit"
    assert kms.told_now() == []
