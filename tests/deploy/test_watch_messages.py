"""Dashboard, policies and log-based metrics are what gcloud takes: every field is one of Google's messages, of its type."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.preview.definitions import FOLDER, dashboard, log_metrics, policies
from deploy.render import render
from local.processes import ROOT

GCLOUD = shutil.which("gcloud")
SCHEMA = json.loads(Path(__file__).with_name("google_messages.json").read_text("utf-8"))
DOCUMENTS: dict[str, list[Any]] = {
    "v1.Dashboard": [dashboard()],
    "v3.AlertPolicy": list(policies().values()),
    "v2.LogMetric": [metric.definition for metric in log_metrics()],
}
IS_OF: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "float": (int, float),
    "boolean": bool,
    "map": dict,
    "message": dict,
}


def problems(name: str, document: Any) -> list[str]:
    """What Google's message of this name does not know, or knows to be of another type."""
    return _problems(SCHEMA[name], name.partition(".")[2], document, name)


def _problems(messages: dict[str, dict[str, str]], message: str, document: dict[str, Any], where: str) -> list[str]:
    found = []
    for name, value in document.items():
        place, kind = f"{where}.{name}", messages[message].get(name, "unknown")
        if kind.startswith("repeated ") is not isinstance(value, list):
            found.append(place)
            continue
        for item in value if isinstance(value, list) else [value]:
            found += _item(messages, kind.removeprefix("repeated "), item, place)
    return found


def _item(messages: dict[str, dict[str, str]], kind: str, item: Any, place: str) -> list[str]:
    word, _, rest = kind.partition(" ")
    if word == "enum":
        return [] if item in rest.split() else [place]
    if not isinstance(item, IS_OF.get(word, ())) or (isinstance(item, bool) and word != "boolean"):
        return [place]
    return _problems(messages, rest, item, place) if word == "message" else []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_field_is_one_that_google_knows(name: str) -> None:
    assert [problem for document in DOCUMENTS[name] for problem in problems(name, document)] == []


def test_a_field_that_is_misspelt_of_another_type_or_value_is_seen() -> None:
    document = json.loads(json.dumps(dashboard()))
    tile = document["mosaicLayout"]["tiles"][0]
    tile["xPos"], tile["ypos"] = "0", tile.pop("yPos")
    tile["widget"]["scorecard"]["thresholds"][0]["color"] = "PINK"
    tile["widget"]["scorecard"]["thresholds"] += [{"value": True}]
    document["displayName"] = ["a"]
    assert sorted(place.removeprefix("v1.Dashboard.") for place in problems("v1.Dashboard", document)) == [
        "displayName",
        "mosaicLayout.tiles.widget.scorecard.thresholds.color",
        "mosaicLayout.tiles.widget.scorecard.thresholds.value",
        "mosaicLayout.tiles.xPos",
        "mosaicLayout.tiles.ypos",
    ]


@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed: what is kept of its messages is used alone")
def test_gcloud_knows_every_field_and_what_is_kept_of_its_messages_is_what_it_has() -> None:
    """After a change: write what the command prints under ``messages`` into `google_messages.json`."""
    sdk = Path(str(GCLOUD)).resolve().parent.parent
    python = sdk / "platform" / "bundledpythonunix" / "bin" / "python3"
    script = ROOT / "tests" / "deploy" / "gcloud_messages.py"
    sent = json.dumps(DOCUMENTS)
    done = subprocess.run([python, "-B", script, sdk], input=sent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["unknown"] == []
    assert told["messages"] == SCHEMA


def test_what_a_policy_may_have_beyond_its_types() -> None:
    """https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies: a line in the log cannot be combined and
    needs a rate; a query is evaluated at multiples of 30 s; documentation and labels are bounded.
    """
    for name, policy in policies().items():
        (condition,) = policy["conditions"]
        assert (policy["userLabels"]["kas_alert"], policy["enabled"]) == (name, True)
        assert len(policy["documentation"]["content"].encode()) <= 8192
        assert ("conditionMatchedLog" in condition) is ("notificationRateLimit" in policy["alertStrategy"])
        if "conditionPrometheusQueryLanguage" in condition:
            query = condition["conditionPrometheusQueryLanguage"]
            assert int(query["evaluationInterval"].removesuffix("s")) % 30 == 0
            assert query["disableMetricValidation"] is True  # else none can be made before there was a line


def test_each_uptime_check_is_https_verified_and_seldom_enough_to_scale_to_zero() -> None:
    """The default of gcloud is plain HTTP once a minute."""
    values = {"SERVICE": "kas-usa", "HOST": "kas.example", "PROJECT": "my-project"}
    name, *flags = render(json.loads((FOLDER / "uptime.json").read_text("utf-8")), values)
    assert name == "KAS kas-usa"
    assert {"--protocol=https", "--port=443", "--validate-ssl=true", "--period=15"} <= set(flags)
    assert "--resource-labels=host=kas.example,project_id=my-project" in flags
