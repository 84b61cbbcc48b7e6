"""Reading members of an object: each kind of fault, once, with its place and its sentence."""

from __future__ import annotations

import pytest

from kas.errors import InvalidStructure
from kas.protocol.acp240.structure import MAX_FAULTS, Faults, Members, as_members
from kas.protocol.faults import MESSAGES


@pytest.fixture
def faults():
    return Faults()


def found(faults):
    return [(fault.field, fault.code) for fault in faults.found]


def test_without_faults_nothing_is_refused(faults):
    faults.refuse_any()
    assert faults.found == []


def test_faults_are_refused_together_each_with_its_sentence(faults):
    faults.add("missing", "a")
    faults.add("bad_url", "b")
    with pytest.raises(InvalidStructure) as refused:
        faults.refuse_any()
    assert [(fault.code, fault.field, fault.message) for fault in refused.value.faults] == [
        ("missing", "a", MESSAGES["missing"]),
        ("bad_url", "b", MESSAGES["bad_url"]),
    ]


def test_there_are_so_many_faults_and_no_more(faults):
    for number in range(MAX_FAULTS + 5):
        faults.add("missing", str(number))
    assert found(faults)[-1] == (str(MAX_FAULTS - 1), "missing")


@pytest.mark.parametrize(
    ("values", "text", "code"),
    [
        ({"a": "four"}, "four", None),
        ({}, "", "missing"),
        ({"a": ""}, "", "empty"),
        ({"a": "fives"}, "", "too_long"),
        ({"a": 1}, "", "wrong_type"),
        ({"a": None}, "", "wrong_type"),
    ],
)
def test_a_required_text_has_one_fault_at_most(faults, values, text, code):
    assert Members(values, "x", faults).text("a", 4) == text
    assert found(faults) == ([] if code is None else [("x.a", code)])


@pytest.mark.parametrize(
    ("values", "text", "code"),
    [
        ({"a": ""}, "", None),
        ({"a": "four"}, "four", None),
        ({}, None, None),
        ({"a": "fives"}, "", "too_long"),
        ({"a": None}, "", "wrong_type"),
    ],
)
def test_an_optional_text_may_be_absent_or_empty_but_not_null(faults, values, text, code):
    assert Members(values, "", faults).optional_text("a", 4) == text
    assert found(faults) == ([] if code is None else [("a", code)])


@pytest.mark.parametrize(
    ("text", "data", "code"), [("AAA=", b"\0\0", None), ("AAA", b"", "not_base64"), ("AAB=", b"", "not_base64")]
)
def test_base64_is_decoded_or_a_fault(faults, text, data, code):
    assert Members({"a": text}, "", faults).base64("a", 4) == data
    assert found(faults) == ([] if code is None else [("a", code)])


@pytest.mark.parametrize(
    ("values", "items", "code"),
    [
        ({"a": [1, 2]}, [1, 2], None),
        ({}, [], "missing"),
        ({"a": {}}, [], "wrong_type"),
        ({"a": None}, [], "wrong_type"),
        ({"a": []}, [], "empty"),
        ({"a": [1, 2, 3]}, [], "too_many"),
    ],
)
def test_a_list_is_there_not_empty_and_bounded(faults, values, items, code):
    assert Members(values, "", faults).items("a", 2) == items
    assert found(faults) == ([] if code is None else [("a", code)])


@pytest.mark.parametrize(("values", "code"), [({}, "missing"), ({"a": 1}, "wrong_type"), ({"a": None}, "wrong_type")])
def test_an_object_is_there_and_one(faults, values, code):
    assert Members(values, "x", faults).object("a") is None
    assert found(faults) == [("x.a", code)]


def test_an_object_knows_its_place(faults):
    inner = Members({"a": {"b": 1}}, "x", faults).object("a")
    assert inner is not None
    assert inner.at("b") == "x.a.b"


def test_what_is_no_object_has_no_members(faults):
    assert as_members([], "place", faults) is None
    assert found(faults) == [("place", "wrong_type")]
