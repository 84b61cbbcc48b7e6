"""Which codes the tests expect, read from their source: a code as text or an error's class, where something is asserted.

What counts stands in an ``assert`` or is handed to a function that asserts, ``pytest.raises`` among them: itself, or by
way of a parameter of the test, a local name, or a table or helper of tests. What a test merely sends counts for nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# They list codes without producing them, or count whatever they are given.
LISTS = {
    "tests/contract/test_codes.py",
    "tests/contract/test_openapi.py",
    "tests/unit/test_errors.py",
    "tests/unit/test_metrics.py",
}
_ASSERTING = {"raises", "fail"}


@dataclass
class Source:
    """One file of tests: its functions, the values at its top, and what it imports from other files of tests."""

    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    values: dict[str, ast.AST] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)

    def names(self) -> set[str]:
        return {*self.functions, *self.classes, *self.values, *self.imported}

    def words(self, what: str, asserting: frozenset[str]) -> tuple[set[str], set[str]]:
        """What ``what`` expects, and the names in it that lead on; of a class, to those of its methods that assert."""
        if what in self.functions:
            return _of_function(self.functions[what], asserting)
        if what in self.classes:
            return set(), {one.name for one in _methods(self.classes[what])} & asserting
        words = set(_words(self.values[what])) if what in self.values else set()
        return words, words


def expected_words(root: Path = ROOT, *, of_parts: bool = True) -> set[str]:
    """Every text and name that some test expects, through whatever tables and helpers of tests; unless ``of_parts``, that
    some test outside ``tests/unit`` does.
    """
    sources, asserting = _read_all(root)
    asked = {name: source for name, source in sources.items() if of_parts or not name.startswith("tests.unit.")}
    todo = [(name, test) for name, source in asked.items() for test in source.functions if test.startswith("test_")]
    seen, words = set(todo), set[str]()
    while todo:
        name, what = todo.pop()
        source = sources[name]
        expected, used = source.words(what, asserting)
        words |= expected
        found = {(name, word) for word in used & source.names()}
        found |= {source.imported[what]} if what in source.imported else set()
        fresh = {one for one in found if one[0] in sources} - seen
        seen |= fresh
        todo.extend(fresh)
    return words


@cache
def _read_all(root: Path) -> tuple[Mapping[str, Source], frozenset[str]]:
    """The files by the names of their modules, and the names of the functions that assert."""
    files = {path.relative_to(root): path for path in (root / "tests").rglob("*.py")}
    sources = {_name(file): _read(path) for file, path in files.items() if file.as_posix() not in LISTS}
    return sources, asserting_names(one for source in sources.values() for one in source.functions.values())


def asserting_names(functions: Iterable[ast.FunctionDef]) -> frozenset[str]:
    """The functions that assert, themselves or in what they call; a helper is found by its name in any file."""
    calls = [(one.name, _called(one), _asserts(one)) for one in functions]
    names, found = {name for name, _, asserts in calls if asserts} | _ASSERTING, 0
    while found != len(names):
        found = len(names)
        names |= {name for name, called, _ in calls if called & names}
    return frozenset(names)


def _asserts(function: ast.FunctionDef) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(function))


def _called(node: ast.AST) -> set[str]:
    return {name for call in ast.walk(node) if isinstance(call, ast.Call) and (name := _callee(call))}


def _callee(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


@cache
def _of_function(function: ast.FunctionDef, asserting: frozenset[str]) -> tuple[set[str], set[str]]:
    """The words that it expects; and the names that lead on: those, and the functions that assert for it. Of a function
    that asserts nothing, all words: it makes what another one asserts.
    """
    used = set(_words(function))
    if function.name not in asserting:
        return used, used
    known, expected = _origins(function), set[str]()
    todo = set(_words_where_asserted(function, asserting))
    while todo:
        expected |= todo
        todo = {word for name in todo & known.keys() for word in known[name]} - expected
    return expected, expected | (used & asserting)


def _words_where_asserted(function: ast.FunctionDef, asserting: frozenset[str]) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            yield from _words(node.test)
        elif isinstance(node, ast.Call) and _callee(node) in asserting:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from _words(argument)


def _origins(function: ast.FunctionDef) -> Mapping[str, set[str]]:
    """Local name -> words from which it has its value: of a parameter those of the decorator that names it."""
    found: dict[str, set[str]] = {}

    def add(target: ast.AST, *values: ast.AST) -> None:
        words = {word for value in values for word in _words(value)}
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                found.setdefault(node.id, set()).update(words)

    for argument in (*function.args.args, *function.args.kwonlyargs):
        add(ast.Name(argument.arg), *(one for one in function.decorator_list if argument.arg in _parameters(one)))
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            add(ast.Tuple(node.targets), node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            add(node.target, node.value)
        elif isinstance(node, ast.For | ast.comprehension):
            add(node.target, node.iter)
    return found


def _parameters(decorator: ast.AST) -> set[str]:
    """The names that ``parametrize`` gives values: its first argument is a text or several."""
    named = decorator.args[:1] if isinstance(decorator, ast.Call) else []
    return {name.strip() for one in named for text in _words(one) for name in text.split(",")}


def _name(file: Path) -> str:
    return ".".join(file.with_suffix("").parts)


def _read(path: Path) -> Source:
    source = Source()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            source.functions[node.name] = node
        elif isinstance(node, ast.ClassDef):
            source.functions |= {one.name: one for one in _methods(node)}
            source.classes[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            source.values |= {one.id: node.value for one in targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and node.module:
            source.imported |= {one.asname or one.name: (node.module, one.name) for one in node.names}
    return source


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [one for one in node.body if isinstance(one, ast.FunctionDef)]


def _words(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value.partition(":")[0]  # Connect's messages begin with the code
        elif isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr
