"""Conditions: what a selector finds and what an operator makes of it; nothing found meets no condition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.errors import ConfigError
from kas.policy.entitlements import MAX_DEPTH, Condition, Group, for_value, is_met, read_entitlement, uses_derived
from kas.schema import Node

VIEW = {
    "clearance": "SECRET",
    "groups": ["red team", "blue"],
    "realm_access": {"roles": ["admin", "reader"]},
    "sites": [{"name": "north"}, {"name": "south"}],
    "nested": [["a"], ["b", "c"]],
    "level": 3,
    "empty": [],
    "blank": " ",
    "mixed": ["a", 1],
    "holes": [{"name": "a"}, {}],
    "none": None,
    "cognito:groups": ["x"],
}
GOOD = {"selector": ".clearance", "operator": "IN", "values": ["SECRET"]}
NEVER = {"selector": ".clearance", "operator": "IN", "values": ["OTHER"]}


def read(value, name="v"):
    return for_value(read_entitlement(Node(value, "e")), name)


def met(selector, operator, *values):
    return is_met(read({"selector": selector, "operator": operator, "values": list(values)}), VIEW)


@pytest.mark.parametrize(
    ("selector", "operator", "values", "expected"),
    [
        (".clearance", "IN", ["SECRET"], True),
        (".clearance", "IN", ["OTHER", "SECRET"], True),
        (".clearance", "IN", ["secret"], False),
        (".clearance", "IN", ["SEC"], False),
        (".clearance", "NOT_IN", ["OTHER"], True),
        (".clearance", "NOT_IN", ["OTHER", "SECRET"], False),
        (".clearance", "IN_CONTAINS", ["ECRE"], True),
        (".clearance", "IN_CONTAINS", ["SECRETS"], False),
        (".groups[]", "IN", ["blue"], True),
        (".groups[]", "IN", ["red"], False),
        (".groups[]", "NOT_IN", ["green"], True),
        (".groups[]", "NOT_IN", ["green", "blue"], False),
        (".groups[]", "IN_CONTAINS", ["team"], True),
        (".groups[]", "IN_CONTAINS", ["teams", "blu"], True),
        (".realm_access.roles[]", "IN", ["admin"], True),
        (".sites[].name", "IN", ["south"], True),
        (".cognito:groups[]", "IN", ["x"], True),
    ],
)
def test_operators_compare_what_the_selector_finds(selector, operator, values, expected):
    assert met(selector, operator, *values) is expected


@pytest.mark.parametrize("operator", ["IN", "NOT_IN", "IN_CONTAINS"])
@pytest.mark.parametrize(
    "selector",
    [
        ".missing",
        ".missing[]",
        ".missing.deeper",
        ".clearance[]",
        ".clearance.name",
        ".groups",
        ".groups.name",
        ".realm_access",
        ".realm_access.roles",
        ".nested[]",
        ".level",
        ".empty",
        ".empty[]",
        ".blank",
        ".mixed[]",
        ".holes[].name",
        ".none",
    ],
)
def test_nothing_found_or_an_unreadable_item_meets_no_condition(selector, operator):
    assert not met(selector, operator, "a", "SECRET", "blue", " ")
    assert not met(selector, operator, "nothing of it")


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"AND": [GOOD, GOOD]}, True),
        ({"AND": [GOOD, NEVER]}, False),
        ({"AND": [NEVER, GOOD]}, False),
        ({"OR": [NEVER, GOOD]}, True),
        ({"OR": [NEVER, NEVER]}, False),
        ({"AND": [GOOD, {"OR": [NEVER, {"AND": [GOOD]}]}]}, True),
        ({"OR": [NEVER, {"AND": [GOOD, NEVER]}]}, False),
    ],
)
def test_groups_nest(group, expected):
    assert is_met(read(group), VIEW) is expected


@pytest.mark.parametrize("operator", ["AND", "OR"])
def test_an_empty_group_is_never_met(operator):
    assert not is_met(Group(operator, ()), VIEW)


def test_the_value_takes_the_place_of_its_stand_in():
    assert read(GOOD | {"values": ["$value", "OTHER"]}, "USA") == Condition(
        ("clearance",), "IN", frozenset({"USA", "OTHER"})
    )
    assert is_met(read({"OR": [NEVER, GOOD | {"values": ["$value"]}]}, "SECRET"), VIEW)


def test_a_value_gets_into_no_condition_that_does_not_ask_for_it():
    assert read(GOOD | {"values": ["OTHER"]}, "USA").values == {"OTHER"}
    assert not is_met(read({"AND": [GOOD, NEVER]}, "SECRET"), VIEW)


@pytest.mark.parametrize(
    ("entitlement", "expected"),
    [
        (GOOD, False),
        (GOOD | {"selector": ".claims.derived"}, False),
        (GOOD | {"selector": ".derived.country"}, True),
        ({"AND": [GOOD, {"OR": [GOOD, GOOD | {"selector": ".derived.coi[]"}]}]}, True),
        ({"AND": [GOOD, {"OR": [GOOD]}]}, False),
    ],
)
def test_it_is_known_which_conditions_use_what_is_derived(entitlement, expected):
    assert uses_derived(read(entitlement)) is expected


def nested(depth):
    return GOOD if depth == 1 else {"AND": [nested(depth - 1)]}


def test_nesting_is_bounded():
    assert is_met(read(nested(MAX_DEPTH)), VIEW)
    with pytest.raises(ConfigError, match="is nested deeper than 8"):
        read(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("entitlement", "problem"),
    [
        ([], "e: must be an object"),
        ({}, "e: values is missing"),
        ({"AND": []}, "e.AND: must not be empty"),
        ({"OR": {}}, "e.OR: must be a list"),
        ({"AND": [GOOD], "OR": [GOOD]}, "e: unknown member 'OR'"),
        ({"AND": [GOOD]} | GOOD, "e: unknown member 'operator'"),
        ({"AND": [{"OR": [{}]}]}, "e.AND[0].OR[0]: values is missing"),
        (GOOD | {"not": True}, "e: unknown member 'not'"),
        (GOOD | {"operator": "in"}, "e.operator: must be one of IN, NOT_IN, IN_CONTAINS"),
        (GOOD | {"operator": "EQUALS"}, "e.operator: must be one of IN, NOT_IN, IN_CONTAINS"),
        (GOOD | {"values": []}, "e.values: must not be empty"),
        (GOOD | {"values": [""]}, "e.values[0]: must be non-empty text"),
        (GOOD | {"values": [True]}, "e.values[0]: must be non-empty text"),
        *[
            (GOOD | {"selector": selector}, "e.selector: must be like .clearance or .realm_access.roles[]")
            for selector in ["clearance", ".", "..a", ".a.", ".a[0]", ".[]", ".a[][]", ".a b", ".a\n", ".a[]b", "$.a"]
        ],
        *[
            (GOOD | {"selector": selector}, "e.selector: is nothing that the rules derive")
            for selector in [".derived", ".derived.coi", ".derived.cio[]", ".derived.country[]", ".derived[].coi"]
        ],
    ],
)
def test_a_bad_condition_stops_the_start(entitlement, problem):
    with pytest.raises(ConfigError) as caught:
        read(entitlement)
    assert str(caught.value) == problem


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=10,
)


@given(view=st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_a_condition_and_its_opposite_are_never_both_met(view):
    for selector in [".a", ".a[]", ".a.b", ".a[].b", ".b[].a[]"]:
        conditions = [
            read({"selector": selector, "operator": operator, "values": ["a", "1"]}) for operator in ("IN", "NOT_IN")
        ]
        assert not all(is_met(condition, view) for condition in conditions)
