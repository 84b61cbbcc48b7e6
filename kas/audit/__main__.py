"""Verifies an audit trail, and reconciles it with Google's own record of decrypts.

    python -m kas.audit verify --jwks jwks.json FILE
    python -m kas.audit reconcile --keys keys.json AUDIT KMSLOG

Files are the lines that the service wrote, or what `gcloud logging read --format=json` gives. The exit status is 0 when
nothing is wrong, 1 when something is, which is said, and 2 when a file cannot be read or the command is not understood.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from kas.audit.keys import load_keys, load_registry
from kas.audit.read import read_log
from kas.audit.reconcile import WINDOW_SECONDS, Reconciliation, readers
from kas.audit.times import Period, seconds_of
from kas.audit.trail import counted
from kas.audit.verify import Verification
from kas.errors import ConfigError

_WHOLE: Final = 0
_WRONG: Final = 1
_UNREADABLE: Final = 2
_NOTHING: Final = "nothing was changed or cut that a checkpoint covers"


def new_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kas.audit", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    verifying = commands.add_parser("verify", help="say where a trail was changed or cut")
    verifying.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of one trail, in any order")
    verifying.add_argument(
        "--jwks", action="append", default=[], type=Path, metavar="FILE", help="the key set that the service publishes"
    )
    verifying.add_argument(
        "--key", action="append", default=[], type=Path, metavar="FILE", help="a public key in PEM, of an older set"
    )
    verifying.add_argument(
        "--partial",
        action="store_true",
        help="the files are a part of the trail: beginnings of processes may be missing",
    )
    reconciling = commands.add_parser("reconcile", help="compare a trail with Cloud KMS's data-access audit log")
    reconciling.add_argument("audit", type=Path, metavar="AUDIT", help="the trail")
    reconciling.add_argument(
        "log", type=Path, metavar="KMSLOG", help="entries of cloudaudit.googleapis.com/data_access"
    )
    reconciling.add_argument(
        "--keys", required=True, type=Path, metavar="FILE", help="keys.json, or env.yaml with KAS_KEYS: kid to version"
    )
    reconciling.add_argument("--account", metavar="EMAIL", help="the service's: calls by others are said one by one")
    reconciling.add_argument("--from", dest="first", type=_time, metavar="TIME", help="compare from then on (RFC 3339)")
    reconciling.add_argument("--to", dest="last", type=_time, metavar="TIME", help="compare until then")
    reconciling.add_argument(
        "--window",
        type=_seconds,
        default=WINDOW_SECONDS,
        metavar="SECONDS",
        help="how far apart the two may say it was",
    )
    return parser


def _time(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a time such as 2026-11-23T22:55:10Z") from None


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 3600:  # noqa: PLR2004 - an hour
        raise argparse.ArgumentTypeError("must be 1 to 3600")
    return int(text)


def _verify(arguments: argparse.Namespace) -> int:
    """Raises ConfigError."""
    verification = Verification(load_keys(arguments.jwks, arguments.key))
    for path in arguments.files:
        verification.add(read_log(path))
    verdict = verification.verdict(is_part=arguments.partial)
    if not verdict.lines and not verdict.faults:
        raise ConfigError(f"{', '.join(map(str, arguments.files))}: there is no line of a trail")
    faults = [f"fault: {fault}" for fault in verdict.faults]
    if verdict.untold:
        faults.append(f"fault: {verdict.untold} more are not told")
    count = f"{counted(verdict.lines, 'line')} of the trail, {verdict.others} of others"
    summary = counted(len(verdict.faults) + verdict.untold, "fault") if faults else _NOTHING
    _say([*verdict.processes, *verdict.notes, *faults, f"{count}: {summary}"])
    return _WRONG if faults else _WHOLE


def _reconcile(arguments: argparse.Namespace) -> int:
    """Raises ConfigError."""
    unbounded = Period()
    period = Period(
        unbounded.first if arguments.first is None else arguments.first,
        unbounded.last if arguments.last is None else arguments.last,
    )
    audited, log = readers(load_registry(arguments.keys), period, arguments.window)
    audited.add(read_log(arguments.audit))
    log.add(read_log(arguments.log))
    if not log.entries:
        raise ConfigError(f"{arguments.log}: there is no entry of Cloud KMS")
    found = Reconciliation(audited, log, period, arguments.window, arguments.account)
    surplus = [f"surplus: {line}" for line in found.surplus()]
    _say([*found.lines(), *surplus, f"{len(surplus)} surplus" if surplus else "both say the same"])
    return _WRONG if surplus else _WHOLE


def _say(lines: Iterable[str]) -> None:
    """What logs brought in must neither begin a line of its own nor colour a terminal."""
    for line in lines:
        shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
        sys.stdout.write(f"{shown}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser()
    parsed = parser.parse_args(arguments)
    if parsed.command == "verify" and not parsed.jwks and not parsed.key:
        parser.error("verify needs --jwks or --key: without the service's keys a trail proves nothing")
    try:
        return _verify(parsed) if parsed.command == "verify" else _reconcile(parsed)
    except ConfigError as error:
        sys.stderr.write(f"audit: {error}\n")
        return _UNREADABLE


if __name__ == "__main__":
    sys.exit(main())
