"""Every code of `docs/api.md` is expected by a test, and no other exists.

Read from the source of the tests, not recorded while they run: it is the same whichever tests are run, it costs some
seconds, and a test that passes has seen what it expects. It fails when a code is added that no test asserts, or none but
those of parts. Files that only list codes are left out.
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


def test_every_code_but_these_is_expected_of_the_running_service():
    """A stranger's address, and standard output that takes no line, are not had on a machine of tests: the edge's own."""
    words = expected_words(of_parts=False)
    unseen = {leaf.code for leaf in leaves() if not {leaf.code, leaf.__name__} & words}
    assert unseen == {"loopback_only", "audit_unavailable"}


def test_every_code_of_a_fault_is_expected_by_a_test(words):
    assert set(MESSAGES) - words == set()


SAMPLE = """
import pytest

CASES = [("a", "table_code")]
UNUSED = "unused_code"

def helper():
    return "helper_code"

def refused(answer, code):
    assert answer == code

class Caller:
    def is_refused(self):
        refused(self, "method_code")

    def asks(self):
        return "asked_code"

@pytest.mark.parametrize("one", ["parameter_code"])
@pytest.mark.parametrize("other", ["sent_parameter_code"])
def test_one(one, other):
    sent = "sent_code"
    send(sent, other)
    for case in CASES:
        local = case
    assert local == helper()
    refused(1, "argument_code")
    with pytest.raises(RaisedError):
        Caller().is_refused()
    assert one
"""
FOUND = {f"{kind}_code" for kind in ("table", "helper", "method", "parameter", "argument")} | {"RaisedError"}


def test_a_code_that_no_test_expects_is_found(tmp_path: Path, words):
    """The check bites: what is merely sent or stands about is not expected."""
    assert "proof_" + "never_made" not in words
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(SAMPLE, "utf-8")
    found = expected_words(tmp_path)
    assert found >= FOUND
    assert not {"unused_code", "asked_code", "sent_code", "sent_parameter_code"} & found
    shutil.rmtree(tmp_path / "tests")
