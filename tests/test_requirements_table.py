"""Every requirement, attack and fault has a test of its name or says what is missing; the document agrees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.make_alignment import DOCUMENT, ENTRIES, ROOT, by_id, document, misnamed, named_tests
from tests.requirement_ids import ATTACKS, FAULTS, REQUIREMENTS

REQUIRED = [
    "001",
    "002",
    "003",
    "010",
    "011",
    "012",
    "013",
    "020",
    "021",
    "022",
    "023",
    "024",
    "030",
    "031",
    "032",
    "033",
    "040",
    "041",
    "042",
    "043",
    "050",
    "051",
    "052",
    "053",
    "060",
    "061",
    "062",
    "063",
    "070",
    "071",
    "080",
    "081",
    "082",
    "083",
    "084",
    "085",
    "090",
    "091",
    "092",
    "093",
    "100",
    "101",
    "102",
    "103",
    "104",
    "110",
    "111",
    "112",
    "113",
    "114",
    "120",
    "121",
]
# What this version does not do. Nothing else may be without a test.
LATER = ["114"]
TESTS = by_id(named_tests(ROOT / "tests"))
# What is shown through HTTP, whatever tests of its parts there are besides; L06 is a fault of the deployment alone.
THROUGH_HTTP = [f"attack {key}" for key in ATTACKS if key[0] in "CLZG" and key != "L06"]
THROUGH_HTTP += [f"fault {key}" for key in ("04", "15", "16", "21", "22", "24")]
ALL = {f"{kind} {key}": entry for kind, entries in ENTRIES.items() for key, entry in entries.items()}


def without_parts(tests: list[str]) -> list[str]:
    """Those that are outside ``tests/unit``."""
    return [test for test in tests if not test.startswith("`unit/")]


def test_table_has_every_requirement() -> None:
    """No id is left out, none is invented."""
    assert sorted(REQUIREMENTS) == REQUIRED


def test_table_has_every_attack() -> None:
    """T1 to T18, P1 to P17, R1 to R15; those on caches, logs, resources, limits and federation."""
    ranges = {"T": 18, "P": 17, "R": 15, "C": 6, "G": 3, "Z": 6, "L": 7, "F": 10}
    expected = {f"{letter}{number:02}" for letter, last in ranges.items() for number in range(1, last + 1)}
    assert expected == set(ATTACKS)
    assert [key for key in sorted(expected) if ATTACKS[key][1]] == []


@pytest.mark.parametrize("key", THROUGH_HTTP)
def test_id_has_a_test_of_the_running_service(key: str) -> None:
    """Not of its parts alone."""
    assert without_parts(TESTS[key]) != []


def test_a_test_of_parts_alone_would_be_noticed() -> None:
    assert without_parts(["`unit/keys/test_budget.py` attack_l07_x"]) == []
    assert without_parts(["`kms/test_kms_budget.py` attack_l07_x"]) == ["`kms/test_kms_budget.py` attack_l07_x"]


def test_table_has_every_fault() -> None:
    """1 to 26."""
    assert list(FAULTS) == [f"{number:02}" for number in range(1, 27)]


def test_only_what_is_listed_here_is_put_off() -> None:
    """A requirement is not dropped by a word in a table."""
    assert [key for key, (_, status) in REQUIREMENTS.items() if status.startswith("later")] == LATER


@pytest.mark.parametrize("key", ALL)
def test_id_has_a_test_or_is_put_off(key: str) -> None:
    """The name of a test carries the id."""
    status = ALL[key][1]
    assert TESTS.get(key) or status.startswith(("later: ", "see "))


def test_document_is_up_to_date() -> None:
    """It lists exactly the tests that exist: run `python -m tests.make_alignment`."""
    assert DOCUMENT.read_text("utf-8") == document(TESTS)


def test_document_lists_no_test_that_does_not_exist() -> None:
    """Read back from the text, without the tool that wrote it."""
    listed = set(re.findall(r"\b((?:kas_req|attack|fault)_\w+)", DOCUMENT.read_text("utf-8")))
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert listed
    assert [name for name in listed if f"def test_{name}(" not in sources] == []


def test_document_says_aligned_and_claims_no_more() -> None:
    """The supplement is not public: nobody can say that it is met."""
    text = DOCUMENT.read_text("utf-8").lower()
    assert "aligned with" in text
    assert "compliant" not in text
    assert "compliance" not in text


def test_every_id_in_a_name_is_one_that_there_is() -> None:
    """A test that claims an id is in the table."""
    assert misnamed(named_tests(ROOT / "tests")) == []


@pytest.mark.parametrize(
    "name", ["kas_req_999_x", "kas_req_40_x", "attack_t1_x", "attack_x01_x", "fault_5_x", "fault_27_x"]
)
def test_name_with_an_id_that_there_is_not_is_found(tmp_path: Path, name: str) -> None:
    """A slip of the pen is no coverage."""
    (tmp_path / "test_x.py").write_text(f"def test_{name}() -> None: ...\n", "utf-8")
    assert misnamed(named_tests(tmp_path)) == [f"test_x.py: test_{name}"]


def test_missing_test_would_be_noticed() -> None:
    """The table of a tree without tests is another document, and none of its rows has a test."""
    assert document({}) != document(TESTS)
    assert "`" not in document({}).partition("## Requirements")[2]
