"""Every command that an operator's document shows is one that there is, as far as this can be known without running it:
a shell parses it, `deploy.sh` has the verb, `make` the target, our commands and gcloud take the arguments.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from kas.errors import leaves
from tests.operator_commands import ROOT, blocks, commands

DOCS = ROOT / "docs"
RUNBOOK = DOCS / "OPERATIONS-RUNBOOK.md"
NAMES = (
    "OPERATIONS-RUNBOOK",
    "CLOUD-RUN-DEPLOYMENT",
    "COST-OPTIMIZATION",
    "GCP-KMS-SETUP",
    "WATCHING",
    "CONTAINER",
    "SECURITY-AUDIT-REPORT",
    "configuration",
    "federation",
)
DOCUMENTS = [DOCS / f"{name}.md" for name in NAMES]
GCLOUD = shutil.which("gcloud")
# What is on a machine anyway, or defined in the document.
TOOLS = {"cp", "curl", "date", "docker", "echo", "grep", "head", "lines", "openssl", "printf", "read", "sed", "set"}
TOOLS |= {"sleep", "sort", "source", "tr", "uniq"}

NEEDS_GCLOUD = pytest.mark.skipif(
    GCLOUD is None, reason="gcloud is not installed, which nothing here does and Debian has no package for"
)
BAD = [
    ["kms", "keys", "list", "--keyrung=k"],
    ["run", "services", "undo", "kas-usa"],
    ["run", "deploy", "kas", "--cpus=1"],
]


def commands_of(path: Path) -> list[list[str]]:
    return [words for block in blocks(path) for words in commands(block.text)]


def all_commands(program: str) -> list[list[str]]:
    return [words[1:] for path in DOCUMENTS for words in commands_of(path) if words[0] == program]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_shell_parses_every_block(path):
    for block in blocks(path):
        said = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
        assert (said.returncode, said.stderr) == (0, ""), block.text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_program_is_one_that_an_operator_has(path):
    ours = {"gcloud", "make", "./deploy.sh", ".venv/bin/python", "python3"}
    unknown = {words[0] for words in commands_of(path)} - TOOLS - ours
    assert {word for word in unknown if not _is_keyword_line(word, path)} == set()


def _is_keyword_line(word: str, path: Path) -> bool:
    """The name that a ``for`` gives, or that is exported."""
    return (
        re.search(rf"\b(for {re.escape(word)} in |export {re.escape(word)}$)", path.read_text("utf-8"), re.MULTILINE)
        is not None
    )


def test_there_are_commands_and_each_document_of_the_operator_has_some():
    assert len(commands_of(RUNBOOK)) > 60
    assert {path.stem for path in DOCUMENTS} >= {"OPERATIONS-RUNBOOK", "GCP-KMS-SETUP"}


def test_commands_are_found_wherever_a_shell_would_find_them():
    text = """\
# not a command
key=$(gcloud secrets list | head -1) && \\
    ./deploy.sh plan --nation usa > file 2>&1   # nor this
for one in a b; do make demo; done
A=1 B=2 make run KEYS=kms
lines() { gcloud logging read "resource.type=x AND $1"; }
until gcloud run services list | grep -q x; do sleep 5; done
"""
    found = [" ".join(words) for words in commands(text)]
    assert [one for one in found if not one.startswith(("one in", "lines"))] == [
        "gcloud secrets list",
        "head -1",
        "./deploy.sh plan --nation usa",
        "make demo",
        "make run KEYS=kms",
        "gcloud logging read resource.type=x AND $1",
        "gcloud run services list",
        "grep -q x",
        "sleep 5",
    ]


def _variables_and_targets() -> tuple[set[str], set[str]]:
    text = (ROOT / "Makefile").read_text("utf-8")
    variables = set(re.findall(r"^(\w+) [?:]=", text, re.MULTILINE))
    return variables, set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def test_make_has_every_target_and_variable():
    variables, targets = _variables_and_targets()
    for words in all_commands("make"):
        asked = [word for word in words if "=" not in word]
        given = {word.partition("=")[0] for word in words if "=" in word}
        assert set(asked) <= targets
        assert given <= variables


def test_our_own_commands_take_their_arguments():
    """Those of Python: by the parser of each."""
    asked = [words for words in all_commands(".venv/bin/python") + all_commands("python3") if words[:1] == ["-m"]]
    assert any(words[1].startswith("kas.") for words in asked)
    for _, module, *arguments in asked:
        assert _parses(module, arguments), (module, arguments)


def _parses(module: str, arguments: list[str]) -> bool:
    """By ``new_parser`` of the module, or of the package's ``__main__``; other modules must be there and no more."""
    assert _spec(module), module
    if not module.startswith("kas."):
        return True
    main = f"{module}.__main__"
    found = importlib.import_module(main if _is_package(module) else module)
    try:
        found.new_parser().parse_args(arguments)
    except SystemExit:
        return False
    return True


def _spec(module: str) -> ModuleSpec | None:
    return importlib.util.find_spec(module)


def _is_package(module: str) -> bool:
    spec = _spec(module)
    return spec is not None and spec.submodule_search_locations is not None


def test_an_argument_that_there_is_not_would_be_noticed():
    assert _parses("kas.admin.federation", ["check", "x.json", "--id", "kas-usa"])
    assert not _parses("kas.admin.federation", ["check", "x.json", "--identity", "kas-usa"])


@cache
def _refusals() -> dict[str, str]:
    """What gcloud does not take, and why; asked together, since gcloud takes seconds to begin."""
    asked = [*all_commands("gcloud"), *BAD]
    return {" ".join(words): why for words, why in zip(asked, _ask_gcloud(asked), strict=True) if why}


def _ask_gcloud(asked: list[list[str]]) -> list[str | None]:
    assert GCLOUD is not None
    sdk = Path(GCLOUD).resolve().parent.parent
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(ROOT / "build"),
        "CLOUDSDK_CORE_PROJECT": "my-project",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CONFIG": str(ROOT / "build" / "gcloud"),
    }
    answer = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "gcloud_parser.py"), str(sdk)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=env,
        check=True,
    )
    answers: list[str | None] = json.loads(answer.stdout)
    return answers


@NEEDS_GCLOUD
def test_gcloud_takes_every_command():
    assert {line: why for line, why in _refusals().items() if line not in map(" ".join, BAD)} == {}


@NEEDS_GCLOUD
@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_a_command_that_gcloud_does_not_take_would_be_noticed(words):
    assert " ".join(words) in _refusals()


def test_commands_of_gcloud_have_their_form():
    """Where gcloud is not installed this is all that is known: words, then flags of the one form."""
    asked = all_commands("gcloud")
    assert asked
    for words in asked:
        flags = [word for word in words if word.startswith("-")]
        assert [flag for flag in flags if not re.fullmatch(r"--[a-z][a-z0-9-]*(=.*)?|-", flag, re.DOTALL)] == []
        assert re.fullmatch(r"[a-z][a-z-]*", words[0])


def _members() -> set[str]:
    """Of lines that the service writes: the audit's, by its document, and the operator's, by the code."""
    api = (DOCS / "api.md").read_text("utf-8")
    audit = {name for line in api.splitlines() if line.startswith('{"severity"') for name in json.loads(line)}
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "kas").rglob("*.py"))
    return audit | set(re.findall(r'"([a-z][A-Za-z]*)":', source))


def test_every_member_that_a_query_names_is_written():
    text = "\n".join(path.read_text("utf-8") for path in DOCUMENTS)
    asked = set(re.findall(r"\bjsonPayload\.([A-Za-z]+)", text))
    assert len(asked) > 10
    assert asked - _members() == set()


def test_the_runbook_knows_every_code():
    """Whatever a caller shows, there is a line about it."""
    text = RUNBOOK.read_text("utf-8")
    assert {leaf.code for leaf in leaves() if f"`{leaf.code}`" not in text} == set()


def _events() -> set[str]:
    """Of the lines to the operator: as literals, as class attributes and as constants."""
    found: set[str] = set()
    for path in (ROOT / "kas").rglob("*.py"):
        source = path.read_text("utf-8")
        found |= set(re.findall(r'"event": "([a-z_]+)"', source))
        found |= set(re.findall(r'^    event = "([a-z_]+)"', source, re.MULTILINE))
        for constant in re.findall(r'"event": ([A-Z_]+)\b', source):
            found |= set(re.findall(rf'^{constant}: Final = "([a-z_]+)"', source, re.MULTILINE))
    return found


def test_the_runbook_knows_every_line_of_the_operator():
    text = RUNBOOK.read_text("utf-8")
    events = _events()
    assert {"kms_integrity", "key_budget_low", "readiness", "peer_failed"} <= events
    assert {event for event in events if f"`{event}`" not in text} == set()


def _deploy_words() -> tuple[set[str], set[str], set[str]]:
    """Verbs and flags, as deploy.sh tells them itself, and the settings at its top."""
    said = subprocess.run(["./deploy.sh", "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^  ([a-z][a-z-]+)(?: \[?[A-Z]+\]?)?  ", said, re.MULTILINE))
    settings = set(re.findall(r"^([A-Z_]+)=", (ROOT / "deploy.sh").read_text("utf-8"), re.MULTILINE))
    return verbs, set(re.findall(r"--[a-z0-9-]+", said)), settings


def test_deploy_has_every_verb_and_flag():
    verbs, flags, _ = _deploy_words()
    assert verbs >= {"plan", "apply", "rollback", "rotate-key"}
    asked = all_commands("./deploy.sh")
    assert len(asked) > 10
    assert {words[0] for words in asked if words} - verbs == set()
    assert {word for words in asked for word in words if word.startswith("--")} - flags == set()


def test_deploy_has_every_setting_that_is_given_to_it():
    _, _, settings = _deploy_words()
    text = "\n".join(block.text for path in DOCUMENTS for block in blocks(path))
    given = {
        name
        for line in re.findall(r"^(.*)\./deploy\.sh", text, re.MULTILINE)
        for name in re.findall(r"\b([A-Z_]+)=", line)
    }
    assert "MEMORY" in given
    assert given - settings == set()


def test_the_runbook_has_a_page_for_every_alarm():
    text = RUNBOOK.read_text("utf-8")
    alarms = [json.loads(path.read_text("utf-8")) for path in (ROOT / "deploy" / "alerts").glob("*.json")]
    names = {alarm["displayName"].partition(": ")[2] for alarm in alarms}
    assert len(names) > 7
    assert {name for name in names if f"| {name}" not in text} == set()
