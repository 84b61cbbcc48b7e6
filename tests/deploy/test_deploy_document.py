"""`docs/CLOUD-RUN-DEPLOYMENT.md` is true: its commands, in their order, and its prices."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from kas.cost.lines import total
from kas.cost.prices import load_prices
from kas.cost.scenario import Scenario
from kas.cost.services import bill
from tests.deploy.conftest import ROOT
from tests.deploy.google_http import google_http

TEXT = (ROOT / "docs" / "CLOUD-RUN-DEPLOYMENT.md").read_text("utf-8")
DAYS = (1000.0, 10_000.0, 100_000.0)
PILOT: dict[str, Any] = {"alert_conditions": 9, "memory_mib": 640}
ROWS: dict[str, dict[str, Any]] = {
    "both dialects": {},
    "ACP-240 alone, without an EC key": {"dialects": ("acp240",), "sealed_ec": False},
    "both dialects, keys in software": {"protection": "software"},
    "both dialects, TLS 1.3 alone": {"tls13": True},
    "both dialects, several instances on Firestore": {"state": "firestore", "instances": 3, "secrets": 4},
    "both dialects, several instances on Redis": {"state": "redis", "instances": 3, "secrets": 5},
    "both dialects, three nations, each with so many": {"nations": ("usa", "fra", "gbr")},
}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def commands(kind: str) -> list[tuple[dict[str, str], list[str]]]:
    """Variables and words of every call of deploy.sh."""
    lines = [shlex.split(line, comments=True) for block in blocks(kind) for line in block.splitlines()]
    calls = [line for line in lines if "./deploy.sh" in line]
    places = [call.index("./deploy.sh") for call in calls]
    return [
        (dict(word.split("=", 1) for word in call[:place]), call[place + 1 :])
        for call, place in zip(calls, places, strict=True)
    ]


def test_the_commands_from_top_to_bottom_do_what_is_said(deployment):
    asked = commands("sh")
    assert {words[0] for _, words in asked} == {
        *("plan", "apply", "status", "smoke", "promote", "rollback", "rotate-key", "rotate-secrets", "cost", "destroy"),
    }
    seen = []
    with google_http() as google:
        for settings, words in asked:
            done = deployment.ok(*words, **settings, **google.settings)
            seen.append((words, len(done.changes)))
    assert [number for words, number in seen if words == ["apply"]] == [42, 0, 6]
    assert [number for words, number in seen if words[0] in {"plan", "status", "smoke", "cost"}] == [0] * 10
    assert not deployment.project.kind("run services")
    assert deployment.project.kind("secrets").keys() == {"kas-usa-ec"}


@pytest.mark.parametrize(("settings", "words"), commands("shell"))
def test_what_needs_google_itself_is_a_command_too(deployment, settings, words):
    (deployment.folder / "env.fra.yaml").write_text((deployment.tree / "env.yaml").read_text("utf-8"), "utf-8")
    known = {**settings, "ENV_FILE": str(deployment.folder / settings.get("ENV_FILE", "env.fra.yaml"))}
    done = deployment.run(*("plan" if word == "apply" else word for word in words if word != "--measure"), **known)
    assert done.status == 0, done.err


def cost(changes: dict[str, Any], day: float) -> float:
    return total(bill(Scenario(**PILOT, **changes, requests_per_day=day), load_prices()))


def test_the_prices_are_those_of_the_model():
    table = re.search(r"<!-- prices -->\n(.*?)<!-- end -->", TEXT, re.DOTALL)
    assert table
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].strip().splitlines()[2:]]
    expected = [[name, *(f"{cost(changes, day):.2f}" for day in DAYS)] for name, changes in ROWS.items()]
    assert rows == expected


def test_the_steps_of_the_table_are_those_of_apply(deployment):
    table = TEXT.split("| step | makes |", 1)[1].split("\n\n", 1)[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = [name.strip() for cell in cells for name in re.split("[;,]", cell)]
    lines = deployment.ok("apply").out.splitlines()
    headed = [line[2:] for line in lines if line.startswith("# ") and "http" not in line and "commands" not in line]
    assert sorted(named) == sorted(headed)


def test_every_setting_of_the_script_that_the_document_names_is_there():
    script = (ROOT / "deploy.sh").read_text("utf-8")
    named = set(re.findall(r"`([A-Z_]+)=", TEXT)) | {"MEMORY", "DOMAIN", "ENV_FILE", "SERVICE"}
    assert named - {name for name in named if re.search(rf"^{name}=", script, re.MULTILINE)} == set()
