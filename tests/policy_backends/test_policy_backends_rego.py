"""The policy in Rego by itself, asked what this service would not ask: whatever is missing or odd is denied."""

from __future__ import annotations

import copy

import pytest

from kas.errors import AuthenticationTooWeak, Embargoed, IssuerNotForCountry, PolicyEmpty, SubjectIncomplete
from kas.opa.engine import SECONDS
from kas.opa.question import Questions
from kas.policy.attributes import load_attributes
from tests.policy_backends.asking import GOOD_ATTRIBUTES, asking, decided
from tests.unit.policy.good_policy import RULES

ABSENT = object()
ODD = [ABSENT, None, "", "9", [], {}]


class Recording(Questions):
    """Keeps the last document."""

    def document(self, *arguments, **options):
        self.last = super().document(*arguments, **options)
        return self.last


@pytest.fixture
def asked(agent, attributes_path):
    """``asked(policy, {"subject.country": "USA"})``: the decision about a good document with members replaced."""
    questions = Recording(RULES, load_attributes(attributes_path), allow_empty_policy=False)
    engine = asking(agent.url, attributes_path)
    engine.questions = questions

    def ask(policy=None, changes=None):
        assert decided(engine, policy=policy).permitted
        document = copy.deepcopy(questions.last)
        for place, value in (changes or {}).items():
            *path, last = place.split(".")
            holder = document
            for step in path:
                holder = holder[step]
            holder[last] = value
            if value is ABSENT:
                del holder[last]
        return engine.ask(document, SECONDS)

    return ask


def test_the_good_documents_are_permitted(asked):
    assert asked().permitted
    assert asked(GOOD_ATTRIBUTES).permitted


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "place",
    [
        "subject",
        "subject.uniqueId",
        "subject.clearanceLevel",
        "subject.country",
        "subject.issuerSpeaksForCountry",
        "subject.coi",
        "resource",
        "resource.vocabulary",
        "resource.label",
        "resource.createdAt",
        "context",
        "context.time",
    ],
)
def test_a_label_is_denied_where_a_member_is_missing_or_odd(asked, place, value):
    """A text that is not empty is an id, all the same."""
    decision = asked(None, {place: value})
    assert decision.permitted == (place == "subject.uniqueId" and value == "9")


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize(
    "place",
    [
        "subject",
        "subject.clearanceLevel",
        "subject.selected",
        "subject.country",
        "subject.issuerSpeaksForCountry",
        "resource",
        "resource.vocabulary",
        "resource.attributes",
        "resource.dissem",
    ],
)
def test_attributes_are_denied_where_a_member_is_missing_or_odd(asked, place, value):
    """No recipients are no limit; what the clearance means is in what selectors find, and not asked for again."""
    decision = asked(GOOD_ATTRIBUTES, {place: value})
    harmless = place == "subject.clearanceLevel" or (place == "resource.dissem" and value == [])
    assert decision.permitted == harmless


@pytest.mark.parametrize("value", [[1], [None], [["x"]]])
def test_names_that_are_no_text_are_denied(asked, value):
    assert not asked(GOOD_ATTRIBUTES, {"resource.attributes": value}).permitted
    assert not asked(GOOD_ATTRIBUTES, {"resource.dissem": value}).permitted


@pytest.mark.parametrize(
    "found", [[], [None], ["SECRET", None], ["SECRET", ""], ["SECRET", 7], "SECRET", {"x": "SECRET"}]
)
def test_what_a_selector_found_must_be_texts(asked, found):
    selected = {".derived.country": ["USA"], ".derived.coi[]": ["NATO"], ".derived.organization": ["GOVERNMENT"]}
    levels = {".derived.authenticatedLevels[]": ["SECRET"], ".derived.clearedLevels[]": ["SECRET"]}
    assert asked(GOOD_ATTRIBUTES, {"subject.selected": selected | levels}).permitted
    levels[".derived.clearedLevels[]"] = found
    assert not asked(GOOD_ATTRIBUTES, {"subject.selected": selected | levels}).permitted


def test_a_level_of_assurance_is_a_number(asked):
    document = asked(None, {"subject.amr": []})
    assert document.permitted
    assert asked(None, {"subject": {**_subject(), "acrLevel": 2}}).permitted
    for level in ("9", True, [3], None):
        assert asked(None, {"subject": {**_subject(), "acrLevel": level}}).refusal is AuthenticationTooWeak


def _subject():
    return {
        "uniqueId": "x",
        "clearance": "S",
        "clearanceLevel": "SECRET",
        "country": "USA",
        "coi": ["NATO"],
        "organizationType": "GOV",
        "amr": [],
        "issuerSpeaksForCountry": True,
    }


def test_only_true_is_true(asked):
    assert asked(None, {"subject.issuerSpeaksForCountry": 1}).refusal is IssuerNotForCountry
    for value in (1, "true", [True]):
        changes = {"resource.attributes": [], "context.allowEmptyPolicy": value}
        assert asked(GOOD_ATTRIBUTES, changes).refusal is PolicyEmpty
    assert asked(GOOD_ATTRIBUTES, {**changes, "context.allowEmptyPolicy": True}).permitted


@pytest.mark.parametrize("time", ["9999999999", [9_999_999_999], {"x": 1}])
def test_only_a_number_is_a_time(asked, time):
    """In Rego every text is greater than every number."""
    assert asked(None, {"context.time": time}).refusal is Embargoed


def test_without_a_vocabulary_nothing_is_known_of_the_subject(asked):
    assert asked(None, {"resource.vocabulary": "other"}).refusal is SubjectIncomplete
