"""Writes `docs/ACP-240-ALIGNMENT.md`: every requirement, attack and fault with the tests that carry its id.

    python -m tests.make_alignment             rewrites it
    python -m tests.make_alignment --check     exit status 1 when it is out of date

A test belongs to an id by its name: ``test_kas_req_040_…``, ``test_attack_p10b_…`` (P10), ``test_fault_05_…``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.requirement_ids import ATTACKS, FAULTS, REQUIREMENTS, Entry

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "ACP-240-ALIGNMENT.md"
_NAME = re.compile(
    r"test_(?:kas_req_(?P<requirement>\d{3})|attack_(?P<attack>[a-z]\d{2})[a-z]?|fault_(?P<fault>\d{2}))_"
)
_MARKED = re.compile(r"test_(kas_req|attack|fault)_")

Tests = Mapping[str, list[str]]
ENTRIES: Mapping[str, Mapping[str, Entry]] = {"requirement": REQUIREMENTS, "attack": ATTACKS, "fault": FAULTS}

INTRODUCTION = """\
# Alignment with ACP-240, and what is defended

Written by `python -m tests.make_alignment`; a test holds it to the tests that exist. The service is **aligned with**
public restatements of ACP-240 SUPP-5(A) AMDT 1 (the document itself is not public); it claims no more than the tests
below show. Statuses: *aligned* has tests; *part* is aligned but for what it names; *see* has tests that carry no id of
their own, in that file; *later* is not built yet. M: must, S: should, O: may. Files are named from `tests/` on.
"""


def named_tests(folder: Path) -> Iterator[tuple[str, str]]:
    """Every test function below ``folder`` whose name claims an id: (file below ``tests``, name)."""
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and _MARKED.match(node.name):
                yield path.relative_to(folder).as_posix(), node.name


def by_id(names: Iterable[tuple[str, str]]) -> Tests:
    """The tests of each id; see `misnamed` for the rest."""
    found: dict[str, list[str]] = defaultdict(list)
    for file, name in names:
        key = _key(name)
        if key is not None:
            found[key].append(f"`{file}` {name.removeprefix('test_')}")
    return found


def misnamed(names: Iterable[tuple[str, str]]) -> list[str]:
    """Tests that claim an id which is malformed or which there is not."""
    return [f"{file}: {name}" for file, name in names if _key(name) is None]


def _key(name: str) -> str | None:
    match = _NAME.match(name)
    if match is None:
        return None
    kind, number = next((kind, number) for kind, number in match.groupdict().items() if number)
    number = number.upper()
    return f"{kind} {number}" if number in ENTRIES[kind] else None


def document(tests: Tests) -> str:
    parts = [
        INTRODUCTION,
        "## Requirements (KAS-REQ)\n",
        _table("requirement", tests),
        "## Attacks\n",
        _table("attack", tests),
        "## Faults of earlier systems\n",
        _table("fault", tests),
    ]
    return "\n".join(parts)


def _table(kind: str, tests: Tests) -> str:
    lines = ["| id | in short | status | tests |", "|---|---|---|---|"]
    for key, (words, status) in ENTRIES[kind].items():
        listed = "<br>".join(_grouped(tests.get(f"{kind} {key}", [])))
        lines.append(f"| {key} | {words} | {status or 'aligned'} | {listed or '–'} |")
    return "\n".join([*lines, ""])


def _grouped(tests: list[str]) -> Iterator[str]:
    """One line a file: its name, then its tests."""
    files: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        file, _, name = test.partition(" ")
        files[file].append(name)
    for file, names in files.items():
        yield f"{file}: {', '.join(names)}"


def main(arguments: list[str]) -> int:
    text = document(by_id(named_tests(ROOT / "tests")))
    if "--check" in arguments:
        return int(not DOCUMENT.exists() or DOCUMENT.read_text("utf-8") != text)
    DOCUMENT.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
