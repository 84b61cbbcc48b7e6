"""Judges what bandit, pip-audit and cyclonedx-py wrote, and writes it down with its date.

    python tests/audit/verdict.py FOLDER requirements.txt accepted.toml

Exit status 0: all was asked and nothing is to do. 1: something is to do. 2: nothing is known to be to do, but not
everything could be asked: an advisory service that does not answer, or does not know a package, has not said that there is no
advisory. It does not judge whether what the tools look for is all that there is to find.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SERVICES: Final = ("pypi", "osv")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one tool makes of it: ``to_do`` is to be mended, ``unasked`` could not be found out."""

    about: str
    to_do: Sequence[str] = ()
    unasked: Sequence[str] = ()
    good: str = ""


def pins(requirements: str) -> dict[str, str]:
    """Name, as indexes normalise it, to version."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in _PIN.findall(requirements)}


def judge_code(report: Mapping[str, Any] | None, accepted: Sequence[Mapping[str, str]]) -> Verdict:
    """Every finding has an accepted reason, and every reason a finding."""
    if report is None:
        return Verdict("code", unasked=["bandit has written nothing"])
    findings = report["results"]
    to_do = [_place(one) for one in findings if not any(_is_about(entry, one) for entry in accepted)]
    to_do += [
        f"accepted, and not found any more: {entry['test']} in {entry['path']}"
        for entry in accepted
        if not any(_is_about(entry, one) for one in findings)
    ]
    to_do += [
        f"accepted without a reason: {entry['path']}" for entry in accepted if not entry.get("reason", "").strip()
    ]
    lines = report["metrics"]["_totals"]["loc"]
    good = f"{lines} lines, {len(findings)} findings, each with a reason to stay (tests/audit/accepted.toml)"
    return Verdict("code", to_do, [f"not read: {one['filename']}" for one in report["errors"]], good)


def _is_about(entry: Mapping[str, str], finding: Mapping[str, Any]) -> bool:
    path, name = entry["path"], finding["filename"]
    is_there = name.startswith(path) if path.endswith("/") else name == path
    return is_there and entry["test"] == finding["test_id"] and entry.get("code", "") in finding["code"]


def _place(finding: Mapping[str, Any]) -> str:
    return f"{finding['test_id']} {finding['filename']}:{finding['line_number']}: {finding['issue_text']}"


def judge_advisories(reports: Iterable[Mapping[str, Any] | None], pinned: Mapping[str, str]) -> Verdict:
    """Every pinned requirement was answered for, by one service or another, and none has an advisory."""
    answered: set[tuple[str, str]] = set()
    to_do: set[str] = set()
    for report in reports:
        for one in (report or {}).get("dependencies", ()):
            if "skip_reason" in one:
                continue
            answered.add((one["name"], one["version"]))
            to_do |= {f"{one['name']} {one['version']}: {found['id']}" for found in one["vulns"]}
    unasked = [f"{name} {version}" for name, version in pinned.items() if (name, version) not in answered]
    if len(unasked) == len(pinned):
        unasked = [f"any of {len(pinned)} requirements: no service that knows advisories was reached"]
    good = f"no advisory is known for any of {len(pinned)} requirements"
    return Verdict("advisories", sorted(to_do), unasked, good)


def judge_parts(bill: Mapping[str, Any] | None, pinned: Mapping[str, str]) -> Verdict:
    """The bill of materials lists what is installed, each with a hash, and nothing else."""
    if bill is None:
        return Verdict("parts", unasked=["cyclonedx-py has written nothing"])
    listed = {part["name"]: part["version"] for part in bill["components"]}
    hashed = {part["name"] for part in bill["components"] if any(_hashes(part))}
    to_do = [f"not listed as it is installed: {name}" for name in pinned if listed.get(name) != pinned[name]]
    to_do += [f"listed and not installed: {name}" for name in listed if name not in pinned]
    to_do += [f"listed without a hash: {name}" for name in listed if name not in hashed]
    return Verdict(
        "parts", to_do, (), f"{bill['bomFormat']} {bill['specVersion']}, {len(listed)} components with hashes"
    )


def _hashes(part: Mapping[str, Any]) -> Iterable[Any]:
    return (one for reference in part.get("externalReferences", ()) for one in reference.get("hashes", ()))


def status_of(verdicts: Iterable[Verdict]) -> int:
    all_verdicts = list(verdicts)
    if any(one.to_do for one in all_verdicts):
        return 1
    return 2 if any(one.unasked for one in all_verdicts) else 0


def told(verdict: Verdict) -> str:
    """Never the good sentence while something is to do or was not asked."""
    lines = [f"{verdict.about}: to do: {one}" for one in verdict.to_do]
    if verdict.unasked:
        lines.append(f"{verdict.about}: NOT KNOWN, could not be asked: {', '.join(verdict.unasked)}")
    return "\n".join(lines or [f"{verdict.about}: {verdict.good}"])


def _read(path: Path) -> Any:
    """What a tool wrote; None where it wrote nothing that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def main(arguments: Sequence[str]) -> int:
    folder, requirements, accepted = (Path(one) for one in arguments)
    pinned = pins(requirements.read_text("utf-8"))
    verdicts = [
        judge_code(_read(folder / "bandit.json"), tomllib.loads(accepted.read_text("utf-8"))["accepted"]),
        judge_advisories((_read(folder / f"advisories-{one}.json") for one in SERVICES), pinned),
        judge_parts(_read(folder / "sbom.json"), pinned),
    ]
    result = {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "requirements": hashlib.sha256(requirements.read_bytes()).hexdigest(),
        "status": status_of(verdicts),
        "verdicts": [
            {"about": one.about, "toDo": one.to_do, "unasked": one.unasked, "said": told(one)} for one in verdicts
        ],
    }
    (folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    said = "\n".join(told(one) for one in verdicts)
    sys.stdout.write(f"{result['date']}, requirements {result['requirements']}\n{said}\n")
    return status_of(verdicts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
