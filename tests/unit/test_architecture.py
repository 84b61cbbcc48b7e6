"""The architecture holds: direction of imports, who may touch what, and what is nowhere. Each rule is shown to bite."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

import kas
from tests.unit import source_rules as rules
from tests.unit.source_rules import Module, Rule

ROOT = Path(__file__).resolve().parents[2]
KAS = rules.modules(ROOT, "kas")
MAIN = rules.modules(ROOT, "main")
ROWS = rules.rows_of(kas.__doc__ or "")

# Name -> the rule, and a module that offends against it.
EVERYWHERE: dict[str, tuple[Rule, list[Module]]] = {
    "direction": (
        rules.direction(ROWS),
        [
            Module("kas.encoding", "from kas.jose import ALGORITHMS"),
            Module("kas.encoding", "def f():\n    import kas.jose"),
            Module("kas.crypto.binding", "from kas import jose, rewrap"),
            Module("kas.auth.dpop", "from kas.policy.rules import Rules"),
            Module("kas.policy.rules", "if TYPE_CHECKING:\n    from kas.auth.issuers import Issuer"),
            Module("kas.rewrap", "from kas.web.edge import Edge"),
            Module("kas.engine", "from kas.rewrap import Rewrap"),
            Module("kas.protocol.values", "from kas.engine import PolicyEngine"),
            Module("kas.keys.registry", "from kas.protocol.values import KeyAccess"),
            Module("kas.newcomer", ""),
        ],
    ),
    "flask": (
        rules.only_in(("flask", "werkzeug", "gunicorn", "functions_framework"), "main", "kas.web", "kas.service"),
        [Module("kas.rewrap", "import flask"), Module("kas.auth.dpop", "from werkzeug.http import parse_date")],
    ),
    "google": (
        rules.only_in(
            ("google", "googleapiclient", "grpc"),
            "kas.google.official_clients",
            "kas.google.credentials",
            "kas.admin",
            besides="google.protobuf",
        ),
        [
            Module("kas.keys.software", "from google.cloud import kms"),
            Module("kas.service", "import google.auth"),
            Module("kas.protocol.opentdf.messages", "from google import auth"),
        ],
    ),
    "protobuf": (
        rules.only_in(
            ("google.protobuf",), "kas.protocol.opentdf.messages", "kas.google.official_clients", "kas.admin"
        ),
        [
            Module("kas.protocol.connect", "from google.protobuf import json_format"),
            Module("kas.web.opentdf", "def f():\n    import google.protobuf"),
        ],
    ),
    "metrics library": (
        rules.only_in(("prometheus_client",), "kas.metrics"),
        [
            Module("kas.web.metrics", "from prometheus_client import generate_latest"),
            Module("kas.rewrap", "def f():\n    import prometheus_client"),
            Module("kas.parts", "if TYPE_CHECKING:\n    from prometheus_client.core import Metric"),
        ],
    ),
    "plots": (
        rules.only_in(("matplotlib",), "kas.cost.plot"),
        [
            Module("kas.cost.report", "import matplotlib"),
            Module("kas.service", "def f():\n    from matplotlib import pyplot"),
        ],
    ),
    "local": (
        rules.only_in(("local", "tests", "docs")),
        [Module("kas.keys.folder", "from local.client import Http"), Module("kas.service", "import tests.kit")],
    ),
    "JOSE library": (
        rules.only_in(("jwt",)),  # what signs and checks on the other side: `local` and the tests
        [Module("kas.auth.access_token", "import jwt"), Module("kas.auth.dpop", "from jwt import decode")],
    ),
    "relative imports": (rules.no_relative_imports, [Module("kas.jose", "from . import encoding")]),
    "clock and environment": (
        rules.no_clock_and_no_environment,
        [
            Module("kas.audit", "import time"),
            Module("kas.audit", "from time import time"),
            Module("kas.service", "import os\nos.environ['A']"),
            Module("kas.service", "from os import getenv"),
            Module("kas.policy.decision", "import datetime\ndatetime.datetime.now()"),
            Module("kas.policy.decision", "from datetime import date\ndate.today()"),
        ],
    ),
    "assert": (rules.no_assert, [Module("kas.jose", "def f(x):\n    assert x")]),
    "mutable globals": (
        rules.no_mutable_globals,
        [
            Module("kas.jose", "CACHE = {}"),
            Module("kas.jose", "CACHE: dict[str, str] = dict()"),
            Module("kas.jose", "CACHE: Final = {}\ndef f():\n    CACHE['a'] = 1"),
            Module("kas.jose", "SEEN: Final = set()\ndef f():\n    SEEN.add(1)"),
            Module("kas.jose", "SEEN: Final = []\ndef f():\n    del SEEN[0]"),
            Module("kas.jose", "N: Final = 1\ndef f():\n    global N\n    N = 2"),
        ],
    ),
    "dataclasses": (
        rules.plain_dataclasses,
        [
            Module("kas.jose", f"from kas.dataclass import dataclass\n@dataclass(slots=True)\nclass A{text}")
            for text in (
                "(B):\n    a: int",
                ":\n    a: int = 1\n    b: int",
                ":\n    a: int = field(init=False)",
                ":\n    a: int = field(default=1, hash=False)",
                ":\n    a: int = field(default=1)\n    b: int = field(repr=False)",
            )
        ],
    ),
    "size": (rules.size, [Module("kas.jose", "\n" * 301)]),
}
SAMPLES = [(name, sample) for name, (_, samples) in EVERYWHERE.items() for sample in samples]
IO_SAMPLES = [
    "import os",
    "from pathlib import Path",
    "import socket",
    "import urllib.request",
    "open('x')",
    "print(1)",
]
BROAD_SAMPLES = ["except:", "except Exception:", "except BaseException:", "except (ValueError, Exception):"]


@pytest.mark.parametrize("name", EVERYWHERE)
def test_rule_holds_in_every_module(name: str) -> None:
    """No module of the service offends."""
    check = EVERYWHERE[name][0]
    assert [offence for module in KAS for offence in check(module)] == []


@pytest.mark.parametrize(
    ("name", "sample"), SAMPLES, ids=[f"{name}-{index}" for index, (name, _) in enumerate(SAMPLES)]
)
def test_rule_bites(name: str, sample: Module) -> None:
    """A module that offends is found."""
    assert EVERYWHERE[name][0](sample)


def test_rows_of_the_map_name_every_module_once() -> None:
    """`kas/__init__.py` shows what there is: nothing is missing and nothing is listed that is gone."""
    listed = [name for row in ROWS for name in row]
    existing = {module.name.split(".")[1] for module in KAS if "." in module.name}
    assert sorted(listed) == sorted(existing)


def test_the_tree_in_the_document_is_that_of_the_files() -> None:
    """Every file and folder of `kas` is listed and nothing that is gone; of a folder every module is named."""
    listed = rules.tree_of((ROOT / "docs" / "architecture.md").read_text("utf-8"))
    entries = [path for path in (ROOT / "kas").iterdir() if path.name not in {"__init__.py", "__pycache__"}]
    assert sorted(listed) == sorted(f"{path.name}/" if path.is_dir() else path.name for path in entries)
    for folder in (path for path in entries if path.is_dir()):
        names = {path.stem for path in folder.rglob("*.py")} - {"__init__"}
        assert names - rules.words(listed[f"{folder.name}/"]) == set(), folder.name


def test_rule_about_the_tree_bites() -> None:
    """What stands before and behind the folder is not read, a second line belongs to the first."""
    text = "main.py  x\nkas/\n  a.py      text\n  web/      one: x ·\n            two\nlocal/  y\n"
    assert rules.tree_of(text) == {"a.py": "text", "web/": "one: x · two"}
    assert rules.words("one: x · two, three_4") == {"one", "x", "two", "three_4"}


def test_pure_modules_do_no_io() -> None:
    """Decisions, cryptography and encoding are functions of their arguments."""
    pure = [module for module in KAS if module.is_in(*rules.WITHOUT_IO)]
    assert len(pure) > 10
    assert [offence for module in pure for offence in rules.without_io(module)] == []


@pytest.mark.parametrize("text", IO_SAMPLES)
def test_rule_about_io_bites(text: str) -> None:
    """Each way out is found."""
    assert rules.without_io(Module("kas.crypto.binding", text))


@pytest.mark.parametrize("name", rules.POLICY_LOADERS)
def test_only_the_loaders_of_policies_may_name_a_path(name: str) -> None:
    """The exception is as wide as one import in each of two modules."""
    assert rules.without_io(Module(name, "from pathlib import Path")) == []
    assert rules.without_io(Module(name, "import os"))
    assert rules.without_io(Module(name, "open('x')"))


def test_unexpected_errors_are_caught_in_four_places() -> None:
    """At the edge, around the edge itself, and around one of many operations or calls; there is no bare one."""
    found = [place.partition(":")[0] for module in [*KAS, *MAIN] for place in rules.broad_excepts(module)]
    assert sorted(found) == ["kas.federation.line", "kas.keys.flights", "kas.web.edge", "kas.web.host"]


def test_decisions_are_asked_for_in_one_place() -> None:
    """What explains decides as what releases does; the rule bites."""
    assert [name for module in [*KAS, *MAIN] for name in rules.decisions(module)] == ["kas.engine"]
    assert rules.decisions(Module("kas.explain", "engine.for_request().decide(claims)")) == ["kas.explain"]


@pytest.mark.parametrize("clause", BROAD_SAMPLES)
def test_rule_about_broad_excepts_bites(clause: str) -> None:
    """Bare, by name, and within a tuple."""
    assert rules.broad_excepts(Module("kas.jose", f"try:\n    f()\n{clause}\n    pass"))


def test_client_stands_alone() -> None:
    """It is written from the specification: it imports nothing of the service it talks to."""
    check = rules.only_in(("kas", "tests", "main"))
    client = [module for module in rules.modules(ROOT, "local") if module.is_in("local.client")]
    assert len(client) > 5
    assert [offence for module in client for offence in check(module)] == []
    assert check(Module("local.client.keys", "from kas.jose import to_jwk"))


def test_environment_is_read_at_the_entry_point() -> None:
    """`main.py` hands it over, and the clock with it."""
    assert [offence for module in MAIN for offence in rules.no_clock_and_no_environment(module)]


def test_settings_go_no_further_than_the_wiring() -> None:
    """No other module receives them whole."""
    users = {module.name for module in KAS if "kas.config" in set(module.imported())}
    assert users <= {"kas.service", "kas.parts", "kas.files", "kas.request_limits", "kas.stores"}


def test_what_decides_is_one_list() -> None:
    """What must be covered to the last branch is what is mutated, and all of it is there."""
    makefile = re.search(r"^DECIDING := ((?:.*\$\\\n)*.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert makefile
    covered = re.sub(r"\$\\\n\s*", "", makefile[1]).split(",")
    settings = ConfigParser()
    settings.read(ROOT / "tests" / "mutants" / "setup.cfg", "utf-8")
    assert covered == settings["mutmut"]["only_mutate"].split()
    assert [name for name in covered if not (ROOT / name).is_file()] == []
