"""The operator's checkout: a copy of this one, so that what a rehearsal writes is gone with it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from local.processes import ROOT
from local.rehearsal.issuer import Issuer

# What is no part of a checkout, or this operator's own.
_LEFT: Final = shutil.ignore_patterns(
    ".git", ".venv", ".local", "build", "node_modules", "__pycache__", ".*_cache", "issuers.json"
)


def copy_checkout(folder: Path, issuer: Issuer) -> Path:
    """Below ``folder``, with the issuer whose tokens the smoke test brings as the one that the service takes."""
    checkout = folder / "checkout"
    shutil.copytree(ROOT, checkout, ignore=_LEFT)
    (checkout / ".venv").symlink_to(os.environ.get("VIRTUAL_ENV") or ROOT / ".venv")
    (checkout / "config" / "issuers.json").write_text(issuer.document(), "utf-8")
    return checkout
