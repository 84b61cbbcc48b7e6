"""Definitions of attributes: the shipped file, strict names, and what stops the start."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.errors import AttributeUnknown, ConfigError
from kas.policy.attributes import MAX_FQN_CHARS, Rule, load_attributes, parse_fqn
from tests.unit.policy.good_policy import ABSENT, CONFIG, RULES

SHIPPED = load_attributes(CONFIG / "attributes.json")
PREFIX = "https://kas.example/attr/"
CONDITION = {"selector": ".roles[]", "operator": "IN", "values": ["$value"]}
GOOD = {
    "namespace": "Example.COM",
    "name": "Team",
    "rule": "ANY_OF",
    "values": ["Red", "Blue"],
    "entitlement": CONDITION,
}
NAME = "https://example.com/attr/team"


@pytest.fixture
def load(tmp_path):
    """Loads a file of these definitions."""

    def load(*definitions, **more):
        path = tmp_path / "attributes.json"
        path.write_text(json.dumps({"definitions": list(definitions), **more}), "utf-8")
        return load_attributes(path)

    return load


def test_shipped_attributes_are_those_of_a_label():
    assert {name.removeprefix(PREFIX): definition.rule for name, definition in SHIPPED.items()} == {
        "classification": Rule.HIERARCHY,
        "classification-with-industry": Rule.HIERARCHY,
        "releasability": Rule.ANY_OF,
        "coi": Rule.ALL_OF,
    }


@pytest.mark.parametrize("name", ["classification", "classification-with-industry"])
def test_shipped_levels_are_those_of_the_rules_from_the_highest_down(name):
    assert list(SHIPPED[PREFIX + name].entitlements) == [level.lower() for level in reversed(RULES.levels)]


def test_shipped_releasability_has_every_country():
    assert {value.upper() for value in SHIPPED[f"{PREFIX}releasability"].entitlements} == RULES.countries


def test_shipped_communities_agree_with_the_rules_of_labels():
    coi = SHIPPED[f"{PREFIX}coi"]
    rule = RULES.coherence
    named = rule.exclusive.union(*rule.never_together, *rule.not_together_with_any)
    assert {value.lower() for value in named} == set(coi.entitlements)
    assert set(coi.never_together) == {frozenset(map(str.lower, pair)) for pair in rule.never_together}


def test_shipped_attributes_all_build_on_what_is_derived():
    assert all(definition.is_derived for definition in SHIPPED.values())


def test_a_definition_is_read_in_lower_case_and_in_order(load):
    (name, definition) = next(iter(load(GOOD).items()))
    assert name == NAME
    assert definition.rule is Rule.ANY_OF
    assert list(definition.entitlements) == ["red", "blue"]
    assert definition.entitlements["red"].values == {"Red"}
    assert (definition.requires, definition.never_together, definition.is_derived) == ((), (), False)


def test_a_value_may_have_an_entitlement_of_its_own(load):
    own = {"selector": ".derived.country", "operator": "IN", "values": ["USA"]}
    definition = load(GOOD | {"entitlements": {"Blue": own}})[NAME]
    assert definition.entitlements["blue"].selector == ("derived", "country")
    assert definition.entitlements["red"].selector == ("roles", "[]")
    assert definition.is_derived


def test_requirements_and_exclusions_are_read(load):
    other = copy.deepcopy(GOOD) | {"name": "site"}
    definition = load(
        GOOD | {"requires": [["https://example.com/attr/site"]], "neverTogether": [["RED", "blue"]]}, other
    )
    assert definition[NAME].requires == (frozenset({"https://example.com/attr/site"}),)
    assert definition[NAME].never_together == (frozenset({"red", "blue"}),)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"namespace": ABSENT}, ": namespace is missing"),
        ({"name": ""}, ".name: must be non-empty text"),
        ({"namespace": "exa mple"}, ": https://exa mple/attr/Team is no name of an attribute"),
        ({"namespace": "example.com:8080"}, ": https://example.com:8080/attr/Team is no name of an attribute"),
        ({"namespace": "\u212aas.example"}, ": https://\u212aas.example/attr/Team is no name of an attribute"),
        ({"name": "a/b"}, ": https://Example.COM/attr/a/b is no name of an attribute"),
        ({"rule": "any_of"}, ".rule: must be one of ALL_OF, ANY_OF, HIERARCHY"),
        ({"rule": ABSENT}, ": rule is missing"),
        ({"values": []}, ".values: must not be empty"),
        ({"values": ["Red", "red"]}, ".values[1]: is listed twice"),
        ({"values": ["Red", "b/c"]}, ".values[1]: must be letters, digits, and between them _ and -"),
        ({"values": ["\u212a"]}, ".values[0]: must be letters, digits, and between them _ and -"),
        ({"values": [1]}, ".values[0]: must be non-empty text"),
        ({"entitlement": ABSENT}, ".values[0]: has no entitlement"),
        ({"entitlement": ABSENT, "entitlements": {"Red": CONDITION}}, ".values[1]: has no entitlement"),
        ({"entitlement": {"AND": []}}, ".entitlement.AND: must not be empty"),
        ({"entitlements": {"Green": CONDITION}}, ".entitlements.Green: is not one of values"),
        ({"entitlements": {"red": CONDITION}}, ".entitlements.red: is not one of values"),
        ({"requires": [["https://example.com/attr/other"]]}, f".requires[0][0]: must be one of {NAME}"),
        ({"requires": [NAME]}, ".requires[0]: must be a list"),
        ({"requires": [[]]}, ".requires[0]: must not be empty"),
        ({"neverTogether": [["Red"]]}, ".neverTogether[0]: must be a pair"),
        ({"neverTogether": [["Red", "Blue", "Green"]]}, ".neverTogether[0]: must be a pair"),
        ({"neverTogether": [["Red", "RED"]]}, ".neverTogether[0]: must be two of values"),
        ({"neverTogether": [["Red", "Green"]]}, ".neverTogether[0]: must be two of values"),
        ({"entitelment": CONDITION}, ": unknown member 'entitelment'"),
    ],
)
def test_a_bad_definition_stops_the_start(load, changes, problem):
    definition = {name: value for name, value in (GOOD | changes).items() if value is not ABSENT}
    with pytest.raises(ConfigError) as caught:
        load(definition)
    assert str(caught.value) == f"attributes.json.definitions[0]{problem}"


def test_an_attribute_is_defined_once_whatever_its_case(load):
    with pytest.raises(ConfigError, match=rf"definitions\[1\]: {NAME} is defined twice"):
        load(GOOD, GOOD | {"name": "TEAM"})


def test_an_unknown_member_of_the_file_stops_the_start(load):
    with pytest.raises(ConfigError, match=r"attributes\.json: unknown member 'defaults'"):
        load(GOOD, defaults={})


@pytest.mark.parametrize(
    ("fqn", "expected"),
    [
        (f"{NAME}/value/red", (NAME, "red")),
        ("HTTPS://EXAMPLE.COM/ATTR/TEAM/VALUE/RED", (NAME, "red")),
        ("https://a/attr/b/value/c", ("https://a/attr/b", "c")),
        ("https://a-1.b/attr/b_c-d/value/top_secret", ("https://a-1.b/attr/b_c-d", "top_secret")),
    ],
)
def test_a_name_is_read_in_lower_case(fqn, expected):
    assert parse_fqn(fqn) == expected


@pytest.mark.parametrize(
    "fqn",
    [
        "",
        NAME,
        f"{NAME}/value/",
        f"{NAME}/value/red/",
        f"{NAME}/value/red?x=1",
        f"{NAME}/value/red#x",
        f"{NAME}/value/red\n",
        f" {NAME}/value/red",
        f"{NAME}/value/re%64",
        f"{NAME}/value/red blue",
        f"{NAME}/value/-red",
        f"{NAME}/value/red_",
        f"{NAME}/value/red/value/blue",
        f"{NAME}//value/red",
        "http://example.com/attr/team/value/red",
        "https:///attr/team/value/red",
        "https://user@example.com/attr/team/value/red",
        "https://example.com:443/attr/team/value/red",
        "https://example..com/attr/team/value/red",
        "https://example.com./attr/team/value/red",
        "https://-a.com/attr/team/value/red",
        "https://example.com/x/attr/team/value/red",
        "https://example.com/attr/team/value/\u212a",
        "https://example.com/attr/team/value/r\u0131d",
        "https://example.com/attr/team/value/\ud800",
        "x" * 1_000_000,
        f"{NAME}/value/" + "a" * 254,
    ],
)
def test_text_of_another_form_is_no_name(fqn):
    with pytest.raises(AttributeUnknown):
        parse_fqn(fqn)


def test_a_name_is_bounded():
    host = "a." * 60
    longest = f"https://{host}b/attr/{'c' * 150}/value/".ljust(MAX_FQN_CHARS, "d")
    assert parse_fqn(longest)[1].endswith("dd")
    with pytest.raises(AttributeUnknown):
        parse_fqn(longest + "d")


@given(
    st.text(max_size=60) | st.from_regex(r"https://[a-zA-Z.-]{1,9}/attr/[\w-]{1,9}/value/[\w-]{1,9}", fullmatch=True)
)
def test_whatever_is_read_is_the_text_itself_in_lower_case(fqn):
    try:
        name, value = parse_fqn(fqn)
    except AttributeUnknown:
        return
    assert f"{name}/value/{value}" == fqn.lower()
    assert fqn.isascii()
