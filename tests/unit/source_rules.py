"""What the architecture demands of source text: each rule reads one module and lists its offences."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

MAX_LINES = 300
WITHOUT_IO = ("kas.policy", "kas.crypto", "kas.encoding", "kas.jose", "kas.jwa", "kas.datakey", "kas.errors", "kas.uri")
POLICY_LOADERS = ("kas.policy.rules", "kas.policy.attributes")
# Modules that reach the world outside the process. `pathlib` counts: its paths open files.
IO_MODULES = {
    "asyncio", "builtins", "fcntl", "fileinput", "glob", "http", "io", "logging", "mmap", "multiprocessing", "os",
    "pathlib", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "urllib3",
}  # fmt: skip
IO_CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__"}
FIELD_OPTIONS = {"default", "default_factory", "repr", "compare"}
MAKERS = {"dict", "list", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict"}
MUTATORS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "update",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Module:
    """``name`` is dotted, without ``__init__``."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def imported(self) -> Iterator[str]:
        """Every dotted name that is imported, late and conditional imports included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                yield f".{base}" if node.level else base
                if not node.level:
                    yield from (f"{base}.{alias.name}" for alias in node.names)

    def is_in(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)


Rule = Callable[[Module], list[str]]


def modules(root: Path, package: str) -> list[Module]:
    """The modules of a package below ``root``, or the one file."""
    paths = sorted((root / package).rglob("*.py")) or [root / f"{package}.py"]
    found = []
    for path in paths:
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(name, path.read_text("utf-8")))
    return found


def rows_of(docstring: str) -> list[set[str]]:
    """The map of modules in ``kas/__init__.py``: one set of names a row, the highest first."""
    lines = docstring.partition("Where things are")[2].splitlines()[1:]
    names = [re.split(r"\s{2,}", line.strip())[0] for line in lines if line.strip()]
    return [{name.strip() for name in row.split(",")} for row in names]


def tree_of(document: str) -> dict[str, str]:
    """The tree of ``kas/`` in ``docs/architecture.md``: a file or folder, and what stands behind it."""
    entries: dict[str, str] = {}
    for line in re.split(r"^kas/$", document, flags=re.MULTILINE)[1].splitlines()[1:]:
        if not line.startswith("  "):
            break
        name, _, text = line[2:].partition(" ")
        last = name or next(reversed(entries))
        entries[last] = f"{entries.get(last, '')} {text.strip()}".strip()
    return entries


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def direction(rows: Sequence[set[str]]) -> Rule:
    """A module imports only from rows below its own, or from its own package."""
    height = {name: number for number, row in enumerate(rows) for name in row}

    def check(module: Module) -> list[str]:
        own = module.name.split(".")[1] if "." in module.name else ""
        if own not in height:
            return [f"{module.name} is on no row"] if own else []
        parts = [name.split(".") for name in module.imported()]
        used = {part[1] for part in parts if part[0] == "kas" and len(part) > 1 and part[1] != own}
        return [f"{module.name} imports kas.{name}" for name in sorted(used) if height.get(name, -1) <= height[own]]

    return check


def only_in(packages: Sequence[str], *allowed: str, besides: str = "") -> Rule:
    """``packages`` are imported by ``allowed`` modules alone; ``besides`` is a package within one that others may."""

    def check(module: Module) -> list[str]:
        found = {name for name in module.imported() if _is_within(name, packages)}
        found -= {name for name in found if besides and _is_within(name, [besides])}
        return [] if module.is_in(*allowed) else [f"{module.name} imports {name}" for name in sorted(found)]

    return check


def _is_within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def without_io(module: Module) -> list[str]:
    """No module or call that reaches outside the process."""
    used = {name.split(".")[0] for name in module.imported()} & IO_MODULES
    if module.name in POLICY_LOADERS:  # they are handed a place, and `kas.schema` reads it
        used -= {"pathlib"}
    network = {name for name in module.imported() if name.startswith(("urllib.request", "http.", "socket"))}
    names = {
        node.func.id for node in ast.walk(module.tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return [f"{module.name} uses {name}" for name in sorted(used | network | (names & IO_CALLS))]


def no_relative_imports(module: Module) -> list[str]:
    return [f"{module.name} imports {name}" for name in module.imported() if name.startswith(".")]


def no_clock_and_no_environment(module: Module) -> list[str]:
    """Time and settings arrive as arguments."""
    found = {name for name in module.imported() if name.split(".")[0] == "time" or name in {"os.environ", "os.getenv"}}
    attributes = [node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)]
    found |= {node.attr for node in attributes if node.attr in {"environ", "getenv"} and _is_os(node.value)}
    found |= {node.attr for node in attributes if node.attr in {"now", "utcnow", "today"} and _is_datetime(node.value)}
    return [f"{module.name} uses {name}" for name in sorted(found)]


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


def _is_datetime(node: ast.expr) -> bool:
    last = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return last in {"datetime", "date"}


def no_assert(module: Module) -> list[str]:
    """Checks must hold under ``python -O`` too."""
    return [f"{module.name}:{node.lineno} assert" for node in ast.walk(module.tree) if isinstance(node, ast.Assert)]


def decisions(module: Module) -> list[str]:
    """Every call of a decider."""
    calls = (node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call))
    return [module.name for one in calls if isinstance(one, ast.Attribute) and one.attr == "decide"]


def broad_excepts(module: Module) -> list[str]:
    """Every bare except, ``except Exception`` and ``except BaseException``."""
    handlers = [node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)]
    return [f"{module.name}:{node.lineno}" for node in handlers if _is_broad(node.type)]


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(item, ast.Name) and item.id in {"Exception", "BaseException"} for item in types)


def no_mutable_globals(module: Module) -> list[str]:
    """Containers at the top of a module are Final and nothing changes them; nothing is declared global."""
    offences, containers = [], set()
    for node in module.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_container(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            containers |= {target.id for target in targets if isinstance(target, ast.Name)}
            if isinstance(node, ast.Assign) or "Final" not in ast.unparse(node.annotation):
                offences.append(f"{module.name}:{node.lineno} is not Final")
    changes = (node for node in ast.walk(module.tree) if _changed_name(node) in containers)
    globals_ = (node for node in ast.walk(module.tree) if isinstance(node, ast.Global))
    return offences + [f"{module.name}:{node.lineno} changes a global" for node in [*changes, *globals_]]


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in MAKERS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _changed_name(node: ast.AST) -> str | None:
    changed: ast.expr | None = None
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        changed = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        changed = node.func.value
    elif isinstance(node, ast.AugAssign):
        changed = node.target
    return changed.id if isinstance(changed, ast.Name) else None


def plain_dataclasses(module: Module) -> list[str]:
    """Nothing that `kas.dataclass` leaves out: no inherited field, no other option of a field, defaults after the rest."""
    offences = []
    for node in ast.walk(module.tree) if "kas.dataclass.dataclass" in set(module.imported()) else ():
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(item) for item in node.decorator_list):
            fields = [line for line in node.body if isinstance(line, ast.AnnAssign)]
            fields = [line for line in fields if "ClassVar" not in ast.unparse(line.annotation)]
            kw_only = any("kw_only=True" in ast.unparse(item) for item in node.decorator_list)
            bare_after_default = not kw_only and sorted(fields, key=_has_default) != fields
            if node.bases or bare_after_default or any(_field_options(line) - FIELD_OPTIONS for line in fields):
                offences.append(f"{module.name}.{node.name}")
    return offences


def _has_default(line: ast.AnnAssign) -> bool:
    return line.value is not None and (
        not _is_field(line.value) or bool(_field_options(line) & {"default", "default_factory"})
    )


def _field_options(line: ast.AnnAssign) -> set[str | None]:
    return {option.arg for option in line.value.keywords} if _is_field(line.value) else set()


def _is_field(value: ast.expr | None) -> TypeGuard[ast.Call]:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in {"field", "dataclasses.field"}


def size(module: Module) -> list[str]:
    """A module that grows beyond this is two; the tables of errors and of settings may."""
    lines = module.text.count("\n")
    return (
        [f"{module.name} has {lines} lines"]
        if lines > MAX_LINES and module.name not in {"kas.errors", "kas.config"}
        else []
    )
