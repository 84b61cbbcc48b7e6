"""Fills the placeholders of the JSON files in this folder.

``${NAME}``, in capitals, is ours and must be given; ``${code}`` and ``${__interval}``, in small letters, are Cloud
Monitoring's and stay. A text that begins with ``=`` is a number once it is filled. More may be given than a file names, so
that one list does for all files.

Standard library alone: it runs where nothing is installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
