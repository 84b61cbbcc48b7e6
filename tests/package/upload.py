"""Which files go to Google, by the rules of gitignore as git itself has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from local.processes import ROOT


def taken(folder: Path, rules: Path = ROOT / ".gcloudignore") -> list[str]:
    """The files of ``folder`` that ``rules`` do not leave out, sorted; git's own folder is never among them."""
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run(["git", "init", "--quiet", "--bare", empty], env=env, check=True, timeout=60)
        listed = subprocess.run(
            [
                *("git", f"--git-dir={empty}", f"--work-tree={folder}", "ls-files"),
                *("--others", f"--exclude-from={rules}", "-z"),
            ],
            cwd=folder,
            env=env,
            capture_output=True,
            check=True,
            timeout=60,
        )
    return sorted(name.decode() for name in listed.stdout.split(b"\0") if name)


def copy(target: Path, source: Path = ROOT) -> Path:
    """``target`` with the files of ``source`` that are uploaded."""
    for name in taken(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    return target
