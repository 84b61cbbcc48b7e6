"""Placeholders are filled whole and alone: a name that is not given, or a value that could end a text, is an error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.preview.definitions import EXAMPLE, FOLDER
from deploy.render import RenderError, main, names, render
from local.processes import ROOT

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


def test_the_command_prints_what_gcloud_reads(tmp_path: Path) -> None:
    """As deploy.sh calls it, by whatever Python there is, without a package of ours."""
    path = tmp_path / "a.json"
    path.write_text('{"a": "${ONE}", "b": "=${TWO}"}', "utf-8")
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; runpy.run_module('deploy.render', run_name='__main__')",
    ]
    done = subprocess.run([*command, path, "ONE=x", "TWO=2"], capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"a": "x", "b": 2.0}, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ONE"], "NAME=VALUE"),
        (["ONE=1", "ONE=2"], "twice"),
        ([], "not given: ONE"),
        (['ONE="'], "character"),
    ],
)
def test_the_command_says_what_is_wrong_and_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text('["${ONE}"]', "utf-8")
    assert main([str(path), *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{path}: ")
    assert words in said.err


@pytest.mark.parametrize("content", [None, "{", '{"a": ${ONE}}'])
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content, "utf-8")
    assert main([str(path), "ONE=1"]) == 1
    assert capsys.readouterr().err.startswith(f"{path}: ")


def test_without_a_file_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err
