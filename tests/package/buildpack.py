"""What Google's buildpack for Python functions does with an upload, as its public source says.

It compiles the source in place, by `python3 -m compileall -f -q .`, installs the requirements and starts
`functions-framework` in the folder of the source. What exports the image sets the time of every file to the first second
of 1980. Not shown: its own flags of pip, and its base image.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.package import rooms
from tests.package.rooms import Image

# With it bytecode carries a digest of its source in place of the source's time, which the export changes.
BUILD_VARIABLES = {"SOURCE_DATE_EPOCH": "315532801"}
_EXPORT_TIME = 315_532_801
_COMPILE = ["-m", "compileall", "-f", "-q", "."]


def built(source: Path, root: Path, variables: Mapping[str, str] = BUILD_VARIABLES) -> Image:
    """An image in ``root``, which has the environment already; ``variables`` are those of the build."""
    workspace = root / "workspace"
    shutil.copytree(source, workspace)
    env = {"PATH": "/venv/bin:/usr/bin:/bin", "FUNCTION_TARGET": "kas", "PYTHONUNBUFFERED": "TRUE"}
    image = Image(root, env, "/workspace", "33:33", ["functions-framework"], writable="/tmp")
    rooms.build(image, [sys.executable, *_COMPILE], {**variables, "PATH": os.environ["PATH"]})
    for path in [workspace, *workspace.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_EXPORT_TIME, _EXPORT_TIME))
    return image
