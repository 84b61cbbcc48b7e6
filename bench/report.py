"""Figures for machines: ``build/bench-….json``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from local.processes import ROOT

TRANSPORTS: Final = ("http", "grpc", "rest")
_DIGITS: Final = 3


def add_transport(parser: argparse.ArgumentParser) -> None:
    """``--transport``: by which client the service calls Cloud KMS."""
    parser.add_argument("--transport", choices=TRANSPORTS, default=TRANSPORTS[0], help="KAS_KMS_TRANSPORT")


def report_name(name: str, transport: str) -> str:
    """Of the default, or with the transport behind it."""
    return name if transport == TRANSPORTS[0] else f"{name}-{transport}"


def write_report(name: str, figures: Mapping[str, float], context: Mapping[str, Any]) -> Path:
    """Writes ``build/<name>.json``; ``context`` is what else a reader needs to compare."""
    path = ROOT / "build" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    rounded = {key: round(value, _DIGITS) for key, value in figures.items()}
    path.write_text(json.dumps({"figures": rounded, "context": context}, indent=2) + "\n", "utf-8")
    return path


def machine() -> dict[str, Any]:
    """What is measured, and on what: to be asked before anything is, since measuring is a load."""
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
