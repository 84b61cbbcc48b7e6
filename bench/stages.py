"""Where the time of a start goes: one start under ``-X importtime`` by a host that says how far it is (`staged_host`).

Saying so costs some milliseconds of every hundred, so a start that is measured is never one of these.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.host import Function, Visit, first_answer

# In the order of a start; of imports and wiring there are several pieces.
STAGES: Final = {
    "interpreter": "interpreter",
    "framework": "import of the functions framework",
    "import cryptography": "import of cryptography",
    "import others": "import of other packages",
    "import kas.web": "import of kas.web",
    "import kas.protocol": "import of kas.protocol",
    "import kas.keys": "import of kas.keys and kas.google",
    "import kas.policy": "import of kas.policy and kas.auth",
    "import kas": "import of the rest of kas",
    "settings": "settings and their secrets",
    "keys": "keys: secrets, what is sealed",
    "wiring": "policy files, wiring",
    "server": "server: import, listening",
    "fork": "fork",
    "worker": "worker: from the fork to the request",
    "request": "requests inside the function",
    "wire": "way back",
}
_GROUPS: Final = {
    "cryptography": "import cryptography",
    "_cffi_backend": "import cryptography",
    "kas.web": "import kas.web",
    "kas.protocol": "import kas.protocol",
    "kas.keys": "import kas.keys",
    "kas.google": "import kas.keys",
    "kas.policy": "import kas.policy",
    "kas.auth": "import kas.policy",
    "kas": "import kas",
}
_STAGED_HOST: Final = ("-P", "-X", "importtime", str(Path(__file__).with_name("staged_host.py")))
_LINE: Final = re.compile(
    r"stage (?P<time>[0-9.]+) (?P<stage>\w+)|import time:\s+(?P<own>[0-9]+) \|\s+[0-9]+ \|\s+(?P<module>\S+)"
)


def stages_of(function: Function, visit: Visit) -> dict[str, float]:
    """Milliseconds of each stage of one start, by the names of `STAGES`."""
    with tempfile.TemporaryFile() as errors:
        start = first_answer(replace(function, runner=_STAGED_HOST), visit, errors)
        errors.seek(0)
        lines = errors.read().decode("utf-8", "replace").splitlines()
    spent: defaultdict[str, float] = defaultdict(float)
    then = start.began
    for stage, time, imports in _marks(lines):
        if stage == "import":
            for group, milliseconds in imports.items():
                spent[group] += milliseconds
            spent["import others"] += (time - then) * 1000 - sum(imports.values())
        else:
            spent[stage] += (time - then) * 1000
        then = time
    spent["wire"] = (start.began - then) * 1000 + start.wall
    return {stage: spent[stage] for stage in STAGES}


def _marks(lines: Sequence[str]) -> Iterator[tuple[str, float, dict[str, float]]]:
    """Each stage as it ended, with the milliseconds of what was imported in it by group."""
    imports: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        if found["module"]:
            imports[_group(found["module"])] += int(found["own"]) / 1000
        else:
            yield found["stage"], float(found["time"]), imports
            imports = defaultdict(float)


def _group(module: str) -> str:
    own = [group for package, group in _GROUPS.items() if module == package or module.startswith(f"{package}.")]
    return own[0] if own else "import others"
