"""The files of ``deploy/``, filled with the values of a pilot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.preview.log_metrics import LogMetric
from deploy.render import render

FOLDER: Final = Path(__file__).resolve().parent.parent
# Policies that one profile of deploy.sh has, by the names of their files.
OF_ONE_PROFILE: Final[Mapping[str, str]] = {"traffic": "pilot", "state": "shared"}
# One vCPU and half a GiB in us-central1, and an RSA-2048 key.
EXAMPLE: Final[Mapping[str, str]] = {
    "SERVICE": "kas-usa",
    "PROJECT": "my-project",
    "CHANNEL": "projects/my-project/notificationChannels/1",
    "HOST": "kas-usa-1234567890.us-central1.run.app",
    "USD_PER_INSTANCE_SECOND": "0.00002525",
    "USD_PER_REQUEST": "0.0000004",
    "USD_PER_KEY_OPERATION": "0.000003",
    "DAILY_ALERT_USD": "0.70",
    "KEY_OPERATIONS_PER_DAY": "20000",
}


def log_metrics() -> list[LogMetric]:
    """Those of ``metrics/``."""
    return [LogMetric(_read(path)) for path in sorted(FOLDER.glob("metrics/*.json"))]


def dashboard() -> dict[str, Any]:
    """``dashboard.json``."""
    return dict(render(_read(FOLDER / "dashboard.json"), EXAMPLE))


def policies() -> dict[str, dict[str, Any]]:
    """Those of ``alerts/``, by the name of the file."""
    return {path.stem: dict(render(_read(path), EXAMPLE)) for path in sorted(FOLDER.glob("alerts/*.json"))}


def conditions(profile: str = "pilot") -> int:
    """How many conditions the policies of a profile have: each of them is what alerting is charged by."""
    own = (policy for name, policy in policies().items() if OF_ONE_PROFILE.get(name, profile) == profile)
    return sum(len(policy["conditions"]) for policy in own)


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
