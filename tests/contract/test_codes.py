"""Every code of `docs/api.md` is expected by a test, and no other exists.

Read from the source of the tests, not recorded while they run: it is the same whichever tests are run, it costs a
second, and a test that passes has seen what it expects. It fails when a code is added that no test names. What it
cannot see is a test that names a code and asserts nothing about it; files that only list codes are left out for that.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from kas.errors import leaves
from kas.protocol.faults import MESSAGES
from tests.contract.codes import ROOT, expected_words

API = (ROOT / "docs" / "api.md").read_text("utf-8")


def documented(table: str, column: int) -> set[str]:
    """The codes of a table of the document."""
    rows = API.partition(f"<!-- table: {table} -->")[2].partition("<!-- end -->")[0].splitlines()[3:]
    return {re.sub(r"[` ]", "", row.split("|")[column]) for row in rows if row.startswith("|")}


@pytest.fixture(scope="module")
def words() -> set[str]:
    return expected_words()


def test_every_documented_code_exists_and_no_other():
    assert documented("errors", 3) | documented("kao errors", 2) == {leaf.code for leaf in leaves()}
    assert documented("faults", 1) == set(MESSAGES)


def test_every_code_of_an_error_is_expected_by_a_test(words):
    """Under its name on the wire, or as the class that is raised."""
    assert {leaf.code for leaf in leaves() if not {leaf.code, leaf.__name__} & words} == set()


def test_every_code_of_a_fault_is_expected_by_a_test(words):
    assert set(MESSAGES) - words == set()


def test_a_code_that_no_test_names_is_found(tmp_path: Path, words):
    """The check bites: without the tests of one code, in a table of its own, the code is missing."""
    assert "proof_" + "never_made" not in words
    (tmp_path / "tests").mkdir()
    source = 'CASES = [("a", "b_code")]\ndef helper():\n    return "c_code"\ndef test_one():\n    CASES, helper()\n'
    (tmp_path / "tests" / "test_one.py").write_text(source + 'UNUSED = "d_code"\n', "utf-8")
    assert {"b_code", "c_code", "d_code"} & expected_words(tmp_path) == {"b_code", "c_code"}
    shutil.rmtree(tmp_path / "tests")
