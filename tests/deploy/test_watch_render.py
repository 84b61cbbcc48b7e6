"""Placeholders are filled whole and alone: a name that is not given, or a value that could end a text, is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.preview.definitions import EXAMPLE, FOLDER
from deploy.render import RenderError, names, render

FILES = sorted(
    [FOLDER / "dashboard.json", FOLDER / "uptime.json", *FOLDER.glob("alerts/*.json"), *FOLDER.glob("metrics/*.json")]
)


def test_placeholders_are_filled_wherever_they_stand() -> None:
    document = {"a": ["${ONE} and ${TWO}", {"b": "${ONE}"}], "c": 3, "d": None, "e": True}
    assert render(document, {"ONE": "1", "TWO": "t/w:o"}) == {
        "a": ["1 and t/w:o", {"b": "1"}],
        "c": 3,
        "d": None,
        "e": True,
    }


def test_a_text_that_is_to_be_a_number_becomes_one() -> None:
    assert render({"value": "=${LIMIT}"}, {"LIMIT": "0.70"}) == {"value": 0.7}
    assert render(["=${LIMIT}"], {"LIMIT": "3e-6"}) == [0.000003]
    with pytest.raises(RenderError, match="number"):
        render({"value": "=${LIMIT}"}, {"LIMIT": "much"})


def test_what_is_cloud_monitorings_stays() -> None:
    text = 'x{a="b"}[${__interval}] ${response_code}'
    assert render([text], {}) == [text]


@pytest.mark.parametrize("text", ["${ONE", "${One}", "${ONE }", "${}", "$${1}"])
def test_a_placeholder_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(RenderError):
        render([text], {"ONE": "1"})


def test_what_is_not_given_is_named() -> None:
    with pytest.raises(RenderError, match="not given: ONE, TWO"):
        render(["${TWO} ${ONE} ${THREE}"], {"THREE": "3"})


def test_more_may_be_given_than_is_named() -> None:
    assert render(["${ONE}"], {"ONE": "1", "TWO": "2"}) == ["1"]


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", "${ONE}", "a{b", "", "ü", "a'b", "a,b", "a=b"])
def test_a_value_that_could_be_more_than_a_value_is_refused(value: str) -> None:
    """It stands in texts of three query languages and in a list of labels."""
    with pytest.raises(RenderError, match="ONE"):
        render(["${ONE}"], {"ONE": value})


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(FOLDER)) for path in FILES])
def test_every_file_is_filled_by_the_values_of_a_deployment(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    assert names(document) <= EXAMPLE.keys()
    assert "${" not in json.dumps(render(document, EXAMPLE)).replace("${__interval}", "").replace(
        "${response_code_class}", ""
    )


def test_every_value_of_the_example_is_named_by_a_file() -> None:
    found = {name for path in FILES for name in names(json.loads(path.read_text("utf-8")))}
    assert found == EXAMPLE.keys()
