"""Asks gcloud's own parser about commands, without running one: JSON lists of words on standard input, refusals out.

    python tests/gcloud_parser.py FOLDER/OF/GOOGLE-CLOUD-SDK < commands.json

Prints a JSON list with one entry for each command: null where it is accepted, else what gcloud says.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    sdk = Path(sys.argv[1]) / "lib"
    sys.path[:0] = [str(sdk), str(sdk / "third_party")]
    from googlecloudsdk import gcloud_main  # type: ignore[import-not-found]

    parser = gcloud_main.CreateCLI([])._CLI__parser  # it has no other way to parse and not to run
    answers = [refusal(parser, words) for words in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


def refusal(parser: Any, words: list[str]) -> str | None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser.parse_args(words)
        except SystemExit as end:
            return said.getvalue().partition("\n")[0] or f"exit status {end.code}"
        except Exception as error:  # noqa: BLE001 - whatever gcloud makes of a line that it does not take
            return f"{type(error).__name__}: {error}"
    return None


if __name__ == "__main__":
    main()
