"""Configuration files: whatever is missing, misspelt or of another shape stops the start and is named."""

from __future__ import annotations

import re

import pytest

from kas.errors import ConfigError
from kas.schema import Node, load_document


def node(value):
    return Node(value, "file.json")


def refuses(match):
    return pytest.raises(ConfigError, match=match)


def test_a_member_that_is_there_is_read_with_its_place():
    found = node({"a": {"b": ["x"]}})["a"]["b"].items()[0]
    assert (found.value, found.place) == ("x", "file.json.a.b[0]")


def test_a_member_that_must_be_there_is_named_when_it_is_missing():
    with refuses(r"^file\.json: a is missing$"):
        node({"b": 1})["a"]


def test_an_absent_member_is_none_and_null_is_not_absent():
    assert node({}).get("a") is None
    assert node({"a": None}).get("a").value is None


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
def test_what_is_no_object_has_no_members(value):
    for read in (lambda: node(value)["a"], lambda: node(value).get("a"), node(value).members, node(value).done):
        with refuses(r"^file\.json: must be an object$"):
            read()


def test_members_whose_names_are_data_are_all_read():
    assert {name: one.place for name, one in node({"x": 1, "y": 2}).members().items()} == {
        "x": "file.json.x",
        "y": "file.json.y",
    }


@pytest.mark.parametrize("value", [None, {}, "text", 5])
def test_what_is_no_list_has_no_items(value):
    with refuses("must be a list"):
        node(value).items()


def test_a_member_that_nobody_asked_for_is_refused():
    document = node({"known": 1, "knwon": 2})
    document["known"]
    with refuses(r"^file\.json: unknown member 'knwon'$"):
        document.done()


def test_an_optional_member_that_was_asked_for_is_known():
    document = node({"a": 1})
    document.get("a")
    document.get("b")
    document.done()


@pytest.mark.parametrize("value", ["", None, 5, True, [], {}])
def test_text_is_text_and_not_empty(value):
    assert node("x").text() == "x"
    with refuses("must be non-empty text"):
        node(value).text()


def test_a_choice_is_one_of_the_options():
    assert node("a").choice(("a", "b")) == "a"
    with refuses(r"must be one of a, b"):
        node("A").choice(("a", "b"))


@pytest.mark.parametrize("value", [0, 1, "true", None, []])
def test_a_boolean_is_true_or_false(value):
    assert node(True).boolean() is True
    assert node(False).boolean() is False
    with refuses("must be true or false"):
        node(value).boolean()


@pytest.mark.parametrize("value", [0, 4, 1.0, True, "1", None])
def test_a_whole_number_is_within_its_bounds(value):
    assert [node(number).integer(1, 3) for number in (1, 2, 3)] == [1, 2, 3]
    with refuses("must be a whole number from 1 to 3"):
        node(value).integer(1, 3)


def test_a_pair_is_two_different_texts():
    assert node(["b", "a"]).pair() == ("b", "a")
    for value in ([], ["a"], ["a", "b", "c"], ["a", "a"], ["a", 1], "ab", {"a": 1, "b": 2}):
        with pytest.raises(ConfigError):
            node(value).pair()


def test_texts_are_not_empty_and_not_repeated():
    assert node(["a", "b"]).texts() == ("a", "b")
    assert node([]).texts() == ()
    with refuses("must not repeat an item"):
        node(["a", "b", "a"]).texts()
    with refuses(r"file\.json\[1\]: must be non-empty text"):
        node(["a", ""]).texts()


def test_a_file_is_read_from_its_top(tmp_path):
    path = tmp_path / "file.json"
    path.write_text('{"a": "x"}', "utf-8")
    assert load_document(path, lambda top: top["a"].text()) == "x"


@pytest.mark.parametrize("text", ["", "{", '{"a": 1, "a": 2}', "{'a': 1}", "NaN", "\ufeff{}"])
def test_a_file_that_is_no_sound_json_is_named(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_text(text, "utf-8")
    with refuses(rf"^{re.escape(str(path))}: cannot be read \((invalid_json|not_canonical)\)$"):
        load_document(path, lambda top: top.value)


def test_a_file_that_is_not_there_is_named_with_its_folder(tmp_path):
    """Files of one name may lie in several."""
    path = tmp_path / "absent.json"
    with refuses(rf"^{re.escape(str(path))}: cannot be read \(No such file or directory\)$"):
        load_document(path, lambda top: top.value)
    with refuses("cannot be read"):
        load_document(tmp_path, lambda top: top.value)
