"""`docs/SECURITY-AUDIT-REPORT.md` is complete and cites what there is: the model's claims, the tests, the standard."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.asvs_levels import LEVELS, requirements
from tests.requirement_ids import ATTACKS, FAULTS

ROOT = Path(__file__).resolve().parent.parent
REPORT = (ROOT / "docs" / "SECURITY-AUDIT-REPORT.md").read_text("utf-8")
MODEL = (ROOT / "docs" / "security-model.md").read_text("utf-8")
ATTACKERS = "What an attacker can do who has …"
NOTHING_TO_SHOW = "the memory of the process"
# A table of the model, by the beginning of its head, and where the report has its claims.
TABLES = {
    "| step | why here |": "The order of the steps",
    "| … | he can |": ATTACKERS,
    "| guarantee | made in |": "Guarantees",
    "| what | how long |": "Caches",
    "| what is done to the trail |": "What is done to the trail",
    "| what | then |": "When something it needs fails",
}


def section(title: str) -> str:
    """What stands under a heading, up to the next of its rank or higher."""
    _, heading, rest = re.split(rf"^(##+) {re.escape(title)}$", REPORT, maxsplit=1, flags=re.MULTILINE)
    return re.split(rf"^#{{2,{len(heading)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Cells of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in lines[2:]]


def known_tests() -> set[str]:
    return {
        f"{path.relative_to(ROOT / 'tests').as_posix()}::{node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`([\w/]+\.py::\w+)`", REPORT))
    assert len(named) > 200
    assert named - known_tests() == set()


@pytest.mark.parametrize(("head", "title"), TABLES.items(), ids=TABLES.values())
def test_every_claim_of_the_model_has_its_tests(head, title):
    """A row of the model that is new or worded anew stands in the report, with a test or a reason to have none."""
    _, _, rest = MODEL.partition(head)
    claims = [cells[0] for cells in rows(head + rest.split("\n\n", maxsplit=1)[0])]
    shown = {cells[0]: cells[1] for cells in rows(section(title))}
    assert len(claims) > 3
    assert list(shown) == claims
    assert [claim for claim, tests in shown.items() if tests == "–"] == (
        [NOTHING_TO_SHOW] if title == ATTACKERS else []
    )


def test_what_is_claimed_in_prose_has_its_tests():
    claims = rows(section("What it says in prose"))
    assert len(claims) > 15
    assert [claim for claim, tests in claims if "::" not in tests and not _cited(tests)] == []


def _cited(text: str) -> set[str]:
    """Ids in a text, ranges unfolded, as the tables of ids have them."""
    ranges = re.findall(r"\b([A-Z])(\d+)(?:–\1(\d+))?\b", text)
    attacks = {
        f"{kind}{number:02}" for kind, first, last in ranges for number in range(int(first), int(last or first) + 1)
    }
    faults = re.findall(r"\bfaults? (\d+)(?:–(\d+))?", text)
    return attacks | {f"{one:02}" for first, last in faults for one in range(int(first), int(last or first) + 1)}


def test_every_attack_and_fault_is_cited():
    """That each has a test of its name is `test_requirements_table`'s to show."""
    assert _cited(section("Attacks and faults")) == {*ATTACKS, *FAULTS}


def test_the_numbers_of_the_standard_are_those_that_it_has():
    """Of 5.0.0: 345 in 17 chapters, of which 70 are of level 1, 183 of level 2, 92 of level 3."""
    numbers = requirements()
    assert (len(numbers), len({section.partition(".")[0] for section in LEVELS})) == (345, 17)
    assert Counter(numbers.values()) == {1: 70, 2: 183, 3: 92}


def _unfolded(text: str) -> list[str]:
    """`5.1.1–5.4.3, 6.8.3`, in the standard's order."""
    order = list(requirements())
    found: list[str] = []
    for part in text.split(", "):
        first, _, last = part.partition("–")
        found += order[order.index(first) : order.index(last or first) + 1]
    return found


def test_every_requirement_of_the_standard_is_accounted_for_once():
    falls, holds = rows(section("What falls short")), rows(section("What holds"))
    others = [(_unfolded(cells[0]), int(cells[1])) for cells in rows(section("What does not apply"))]
    assert [len(ids) for ids, _ in others] == [number for _, number in others]
    seen = [cells[0] for cells in falls + holds] + [one for ids, _ in others for one in ids]
    assert sorted(seen) == sorted(requirements())
    assert {cells[0]: int(cells[1]) for cells in falls + holds}.items() <= requirements().items()


def test_what_holds_says_by_what():
    """A test, or a document that is there."""
    for number, _, how, shown in rows(section("What holds")):
        assert how
        documents = re.findall(r"`((?:docs|requirements)[\w./-]*)`", shown)
        assert "::" in shown or documents or "make audit" in shown or shown == "below", number
        assert [name for name in documents if not (ROOT / name).exists()] == []


def test_the_counts_are_those_of_the_rows():
    numbers = requirements()
    held = Counter(numbers[cells[0]] for cells in rows(section("What holds")))
    fallen = Counter(numbers[cells[0]] for cells in rows(section("What falls short")))
    table = rows(section("OWASP ASVS 5.0"))[:3]
    for level, total, hold, fall, other in ([int(cell) for cell in cells] for cells in table):
        assert (hold, fall) == (held[level], fallen[level])
        assert total == hold + fall + other == Counter(numbers.values())[level]


def test_the_audit_is_of_these_requirements():
    """What is deployed has changed since: run `make audit` and write down what it says."""
    told = re.search(r"requirements ([0-9a-f]{64})", section("`make audit`"))
    assert told
    assert told[1] == hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()


def test_it_claims_no_more_than_it_is():
    assert "nobody independent has audited" in " ".join(REPORT.split())
    assert "compliant" not in REPORT.lower()
