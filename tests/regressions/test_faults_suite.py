"""Fault 24: suites of empty bodies. Every test of this project asserts something, itself or in what it calls."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
_ASSERTING = {"raises", "fail", "call_and_validate"}
# What these show is that nothing is raised.
_QUIET = {
    "test_keys_are_usable_when_every_active_one_is_there",
    "test_any_text_is_a_jws_or_a_value_error",
    "test_an_optional_member_that_was_asked_for_is_known",
    "test_target_takes_its_seeds_and_changes_of_them",
    "test_jws_parser_raises_nothing_but_value_errors",
}


def _called(function: ast.AST) -> set[str]:
    """The functions that it calls by name. A method or a fixture is no assertion, whatever it checks of its own."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    return names | {call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in _ASSERTING}


def silent_tests(sources: dict[str, str]) -> list[str]:
    """The tests of these files that reach no assertion; a helper is found by its name in any of them."""
    functions = [
        (file, node.name, _called(node), any(isinstance(inner, ast.Assert) for inner in ast.walk(node)))
        for file, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    ]
    asserting, found = {name for _, name, _, asserts in functions if asserts} | _ASSERTING, 0
    while found != len(asserting):
        found = len(asserting)
        asserting |= {name for _, name, called, _ in functions if called & asserting}
    names = [(file, name) for file, name, _, _ in functions if name.startswith("test_")]
    return [f"{file}: {name}" for file, name in names if name not in asserting]


def test_fault_24_every_test_asserts_something() -> None:
    sources = {str(path.relative_to(TESTS)): path.read_text("utf-8") for path in TESTS.rglob("*.py")}
    assert len([name for name in sources if "/test_" in name]) > 50
    silent = {line.rpartition(" ")[2]: line for line in silent_tests(sources)}
    assert [line for name, line in silent.items() if name not in _QUIET] == []


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        ("pass", True),
        ("send(1)", True),
        ("assert send(1)", False),
        ("helper(1)", False),
        ("with pytest.raises(ValueError): send(1)", False),
    ],
)
def test_fault_24_a_test_without_an_assertion_is_found(body: str, *, is_found: bool) -> None:
    """The helper asserts through another one."""
    helpers = "def send(x): return x\ndef inner(x): assert x\ndef helper(x): inner(x)\n"
    found = silent_tests({"helpers.py": helpers, "test_x.py": f"def test_x():\n    {body}\n"})
    assert found == (["test_x.py: test_x"] if is_found else [])
