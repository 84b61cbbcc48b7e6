"""Which codes the tests expect, read from their source: a code as text or an error's class, wherever a test's own
words, its parameters or the tables of tests that it names have it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# They list codes without producing them.
LISTS = {"tests/unit/test_errors.py", "tests/contract/test_openapi.py", "tests/contract/test_codes.py"}


@dataclass
class Source:
    """One file of tests: its functions, the values at its top, and what it imports from other files of tests."""

    functions: dict[str, ast.AST] = field(default_factory=dict)
    values: dict[str, ast.AST] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)


def expected_words(root: Path = ROOT) -> set[str]:
    """Every text and name that some test uses, through whatever tables and helpers of tests."""
    sources = {_name(path, root): _read(path) for path in (root / "tests").rglob("*.py") if _is_read(path, root)}
    todo = [(name, test) for name, source in sources.items() for test in source.functions if test.startswith("test_")]
    seen, words = set(todo), set[str]()
    while todo:
        name, what = todo.pop()
        source = sources[name]
        node = source.functions.get(what) or source.values.get(what)
        if node is None:
            found = {source.imported[what]} if what in source.imported else set()
        else:
            used = set(_words(node))
            words |= used
            found = {(name, word) for word in used & (source.functions | source.values | source.imported).keys()}
        fresh = {one for one in found if one[0] in sources} - seen
        seen |= fresh
        todo.extend(fresh)
    return words


def _name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts)


def _is_read(path: Path, root: Path) -> bool:
    return path.relative_to(root).as_posix() not in LISTS


def _read(path: Path) -> Source:
    source = Source()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            source.functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            source.values[node.name] = node
            source.functions |= {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            source.values |= {one.id: node.value for one in targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and node.module:
            source.imported |= {one.asname or one.name: (node.module, one.name) for one in node.names}
    return source


def _words(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value.partition(":")[0]  # Connect's messages begin with the code
        elif isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr
