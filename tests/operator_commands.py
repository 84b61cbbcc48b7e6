"""The commands that a document tells people to run, taken apart as a shell would take them, without running any."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What follows one of them is a command of its own.
_ENDS = frozenset({";", "|", "||", "&", "&&", "(", ")", "\n", "{", "}", ";;"})
_BEGINS = frozenset(
    {"for", "do", "if", "then", "else", "elif", "until", "while", "!", "time", "exec", "sudo", "export"}
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SHELLS = frozenset({"sh", "shell", "bash"})
# Of a block that does not say what it is: it is commands where it begins with one of these.
_OURS = (".venv/bin/python", "./deploy.sh", "gcloud ", "make ", "python3 ")
_INSIDE = re.compile(r"\$\(((?:[^()]|\([^()]*\))*)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of shell, as a shell takes it."""

    document: str
    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    text = path.read_text("utf-8")
    return [
        Block(path.name, language, re.sub(f"^{indent}", "", body, flags=re.MULTILINE))
        for indent, language, body in _FENCED.findall(text)
        if language in _SHELLS or (not language and body.startswith(_OURS))
    ]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each simple command, quotes taken off; those inside ``$(…)`` stand for themselves as well."""
    whole = re.sub(r"\\\n\s*", " ", text)
    whole = re.sub(r"(^|[ \t])#[^\n]*", r"\1", whole, flags=re.MULTILINE)
    whole = re.sub(r"[ \t]\d*>&\d", "", whole)
    whole = re.sub(r"\$\{\w+:-(\w*)\}", r"\1", whole)  # what is taken where nothing is given
    for inside in _INSIDE.findall(whole):
        yield from commands(inside)
    words: list[str] = []
    for token in _tokens(_INSIDE.sub("SUBSTITUTED", whole)):
        if set(token) <= set(";|&()\n") or token in _ENDS:
            yield from _simple(words)
            words = []
        else:
            words.append(token)
    yield from _simple(words)


def _tokens(text: str) -> Iterator[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();|&\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = ""
    return iter(lexer)


def _simple(words: list[str]) -> Iterator[list[str]]:
    """Without what a shell keeps for itself before a command: keywords, settings of its environment, redirections."""
    rest = _without_redirections(words)
    while rest and (rest[0] in _BEGINS or _ASSIGNMENT.fullmatch(rest[0])):
        rest = rest[1:]
    if rest and rest[0] not in {"done", "fi", "in"}:
        yield rest


def _without_redirections(words: list[str]) -> list[str]:
    kept, is_target = [], False
    for word in words:
        if is_target:
            is_target = False
        elif re.fullmatch(r"\d*[<>]+&?", word):
            is_target = True
        elif not re.match(r"\d*[<>]", word):
            kept.append(word)
    return kept
