# ruff: noqa: INP001 - a script beside what it writes, not a package
"""Writes the tables of the documents from the code that they describe: settings, errors, structural faults, Connect's codes,
costs.

    python docs/tables.py            rewrites the tables
    python docs/tables.py --check    exit status 1 when one is out of date or in no document

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "docs"))

import cost_tables  # noqa: E402 - after the path

from kas.config import Settings  # noqa: E402 - after the path
from kas.errors import Internal, KaoRefusal, leaves  # noqa: E402
from kas.protocol.connect import CODES  # noqa: E402
from kas.protocol.faults import MESSAGES  # noqa: E402


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def settings() -> str:
    fields = [field.metadata for field in dataclasses.fields(Settings) if field.metadata]
    rows = (
        (
            f"`{meta['name']}`",
            meta["takes"],
            "must be set" if meta["default"] is None else f"`{meta['default']}`",
            meta["meaning"],
        )
        for meta in fields
    )
    return _table(("setting", "takes", "default", "meaning"), rows)


def errors() -> str:
    whole = [leaf for leaf in leaves() if not issubclass(leaf, KaoRefusal)]
    whole.sort(key=lambda leaf: (leaf is Internal, leaf.status))
    rows = ((str(leaf.status), f"`{leaf.error}`", f"`{leaf.code}`", leaf.message()) for leaf in whole)
    return _table(("status", "error", "code", "message"), rows)


def kao_errors() -> str:
    rows = ((str(leaf.status or "none"), f"`{leaf.code}`", leaf.message()) for leaf in leaves(KaoRefusal))
    return _table(("stands for", "code", "error"), rows)


def faults() -> str:
    return _table(("code", "message"), ((f"`{code}`", message) for code, message in MESSAGES.items()))


def connect() -> str:
    rows = ((str(ours), f"`{code}`", str(status)) for ours, (code, status) in CODES.items())
    return _table(("status", "Connect's code", "Connect's status"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "errors": errors,
    "kao errors": kao_errors,
    "faults": faults,
    "connect": connect,
    "cost bills": partial(cost_tables.bills, _table),
    "cost knobs": partial(cost_tables.knobs, _table),
    "cost architectures": partial(cost_tables.architectures, _table),
    "cost cheapest": partial(cost_tables.cheapest, _table),
    "cost pays": partial(cost_tables.pays, _table),
    "cost compute": partial(cost_tables.compute, _table),
    "cost assumptions": partial(cost_tables.assumptions, _table),
    "cost prices": partial(cost_tables.prices, _table),
}
_PLACE = re.compile(r"(<!-- table: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refreshed(text: str) -> str:
    """The document with every table written anew."""
    return _PLACE.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}", text)


def main(arguments: list[str]) -> int:
    outdated, unprinted = [], set(TABLES)
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text("utf-8")
        unprinted -= {match[2] for match in _PLACE.finditer(text)}
        if refreshed(text) != text:
            outdated.append(path.name)
            if "--check" not in arguments:
                path.write_text(refreshed(text), "utf-8")
    if outdated:
        print(f"{'out of date' if '--check' in arguments else 'rewritten'}: {', '.join(outdated)}")  # noqa: T201
    if unprinted:
        print(f"in no document: {', '.join(sorted(unprinted))}")  # noqa: T201
    return int("--check" in arguments and bool(outdated or unprinted))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
