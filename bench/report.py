"""Figures for machines: ``build/bench-….json``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from local.processes import ROOT

_DIGITS: Final = 3


def write_report(name: str, figures: Mapping[str, float], context: Mapping[str, Any]) -> Path:
    """Writes ``build/<name>.json``; ``context`` is what else a reader needs to compare."""
    path = ROOT / "build" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    rounded = {key: round(value, _DIGITS) for key, value in figures.items()}
    path.write_text(json.dumps({"figures": rounded, "context": {**_machine(), **context}}, indent=2) + "\n", "utf-8")
    return path


def _machine() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "loadBefore": round(os.getloadavg()[0], 2),
    }
