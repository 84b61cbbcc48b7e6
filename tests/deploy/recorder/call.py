"""One command as it arrived."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

CHANGING = {
    *("add", "add-backend", "add-iam-policy-binding", "create", "delete", "deploy", "enable", "make"),
    *("remove-iam-policy-binding", "set-cleanup-policies", "set-iam-policy", "update", "update-traffic"),
}


class Fault(Exception):
    """What gcloud writes on standard error where Google refuses."""


@dataclass(frozen=True, slots=True)
class Call:
    """``program`` is gcloud or python."""

    program: str
    argv: tuple[str, ...]
    stdin: str
    cwd: str

    @property
    def words(self) -> list[str]:
        """The command and its arguments, without flags and tracks."""
        return [word for word in self.argv if not word.startswith("-") and word not in {"alpha", "beta"}]

    @property
    def flags(self) -> dict[str, str]:
        """By name, the last of several."""
        pairs = (word[2:].partition("=") for word in self.argv if word.startswith("--"))
        return {name: value for name, _, value in pairs}

    def all(self, flag: str) -> list[str]:
        """Every value of a flag that comes several times."""
        return [word.partition("=")[2] for word in self.argv if word.startswith(f"--{flag}=")]

    @property
    def is_changing(self) -> bool:
        if self.program != "gcloud":
            return "make" in self.argv
        return any(word in CHANGING for word in self.argv[:5])

    def line(self, work: str = "\0") -> str:
        """As a plan prints it; ``work`` is the private folder."""
        name = self.program if self.program == "gcloud" else ".venv/bin/python"
        return shlex.join([name, *self.argv]).replace(work, "$WORK")
