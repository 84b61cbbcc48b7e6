"""`env.yaml`: a map of names to quoted texts, one a line, and nothing else of YAML.

Read strictly, since what is misread would be deployed; written so that gcloud and any YAML reader see the same texts.
``python3 -m deploy.env_file PATH NAME`` prints the text of one name, or an empty line.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(r"""([A-Z][A-Z0-9_]*): (?:"([^"\\]*)"|'([^']*)')""")


class Refused(Exception):
    """It cannot be deployed like this; the text says why."""


def read(path: Path) -> dict[str, str]:
    """Raises Refused."""
    values: dict[str, str] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise Refused(f"{path}: cannot be read ({error.strerror})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.rstrip())
        if found is None or found[1] in values:
            raise Refused(f'{path}, line {number}: is not NAME: "text", or the name is there twice')
        values[found[1]] = found[2] if found[3] is None else found[3]
    return values


def write(path: Path, values: Mapping[str, str]) -> None:
    """JSON's texts are YAML's too."""
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items()), "utf-8")


def main(arguments: Sequence[str]) -> int:
    try:
        print(read(Path(arguments[0])).get(arguments[1], ""))
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
