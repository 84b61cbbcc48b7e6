"""Fills the placeholders of a JSON file in this folder: ``python3 -m deploy.render FILE NAME=VALUE…`` prints the JSON for gcloud.

``${NAME}``, in capitals, is ours and must be given; ``${code}`` and ``${__interval}``, in small letters, are Cloud
Monitoring's and stay. A text that begins with ``=`` is a number once it is filled. More may be given than the file names, so
that one list does for all files. A file that is a list of texts is printed one a line: the arguments of a command.

Standard library alone: it runs where nothing is installed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_PLACEHOLDER: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_GOOGLES: Final = re.compile(r"\$\{[a-z_]+\}")
_NUMBER: Final = re.compile(r"\d+(\.\d+)?(e-?\d+)?")
# Values stand within the texts of query languages: what could end such a text, or begin a placeholder, is in none of ours.
_VALUE: Final = re.compile(r"[A-Za-z0-9 ._:/@+-]+")


class RenderError(Exception):
    """A file cannot be filled; the text says which place of it and why."""


def render(document: Any, values: Mapping[str, str]) -> Any:
    """``document`` with every placeholder filled. Raises RenderError."""
    for name, value in values.items():
        if not _VALUE.fullmatch(value):
            raise RenderError(f"{name}: {value!r} has a character that no value has")
    if missing := sorted(names(document) - values.keys()):
        raise RenderError(f"not given: {', '.join(missing)}")
    return _filled(document, values)


def names(document: Any) -> frozenset[str]:
    """Of the placeholders in ``document``."""
    return frozenset(name for text in _texts(document) for name in _PLACEHOLDER.findall(text))


def _texts(document: Any) -> list[str]:
    if isinstance(document, str):
        return [document]
    if isinstance(document, dict):
        return [text for value in document.values() for text in _texts(value)]
    return [text for value in document for text in _texts(value)] if isinstance(document, list) else []


def _filled(document: Any, values: Mapping[str, str]) -> Any:
    if isinstance(document, dict):
        return {name: _filled(value, values) for name, value in document.items()}
    if isinstance(document, list):
        return [_filled(value, values) for value in document]
    return _filled_text(document, values) if isinstance(document, str) else document


def _filled_text(text: str, values: Mapping[str, str]) -> str | float:
    filled = _PLACEHOLDER.sub(lambda match: values[match[1]], text)
    if "${" in _GOOGLES.sub("", filled):
        raise RenderError(f"{text!r} has a placeholder that is neither ours nor Cloud Monitoring's")
    if not filled.startswith("="):
        return filled
    if not _NUMBER.fullmatch(filled[1:]):
        raise RenderError(f"{text!r} is to be a number and became {filled[1:]!r}")
    return float(filled[1:])


def _pairs(arguments: Sequence[str]) -> dict[str, str]:
    pairs = [argument.partition("=") for argument in arguments]
    if odd := [argument for argument, (_, equals, _) in zip(arguments, pairs, strict=True) if not equals]:
        raise RenderError(f"not of the form NAME=VALUE: {', '.join(odd)}")
    values = {name: value for name, _, value in pairs}
    if len(values) < len(pairs):
        raise RenderError("a name is given twice")
    return values


def main(arguments: Sequence[str]) -> int:
    """The command; 1 where something is wrong, which it says on standard error."""
    if not arguments:
        sys.stderr.write("usage: python3 -m deploy.render FILE NAME=VALUE…\n")
        return 2
    path = Path(arguments[0])
    try:
        rendered = render(json.loads(path.read_text("utf-8")), _pairs(arguments[1:]))
    except (OSError, ValueError, RenderError) as error:
        sys.stderr.write(f"{path}: {error}\n")
        return 1
    is_list = isinstance(rendered, list)
    lines = rendered if is_list else [json.dumps(rendered, indent=2, ensure_ascii=False)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
