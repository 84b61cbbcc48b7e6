"""Checks a registry of Key Access Services and prints what it allows.

    python -m kas.admin.federation check config/federation.json --id kas-usa

For each partner of that service, or of every service without ``--id``, one line of a table says what their agreement lets
pass. The exit status is 1 when the file is refused, with the place and the reason on standard error, and 2 when the
command is not understood. Two operators who compare what it prints compare what they agreed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from kas.errors import ConfigError
from kas.federation.registry import Agreement, Federation, Peer
from kas.federation.registry_file import read_federation
from kas.policy.rules import load_rules
from kas.setting import path

_HEAD: Final = (
    "kas",
    "partner",
    "status",
    "up to",
    "communities",
    "countries",
    "depth",
    "audience",
    "time-out",
    "clientKeyHash",
)
_TRUSTED: Final = "this partner is trusted with the keys: it may put in a client key of its own"


def new_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kas.admin.federation", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="check a registry and print what it allows")
    checking.add_argument("file", type=Path, help="the registry (KAS_FEDERATION_CONFIG_PATH)")
    checking.add_argument("--id", metavar="KAS", help="what it allows this service; without it, every one")
    checking.add_argument("--local", action="store_true", help="take plain http on loopback, as local mode does")
    checking.add_argument(
        "--policy-dir", type=path, default=path("config"), metavar="DIR", help="labels.json and countries.json"
    )
    return parser


def _check(arguments: argparse.Namespace) -> str:
    """What the file allows. Raises ConfigError."""
    rules = load_rules(arguments.policy_dir)
    federation = read_federation(
        arguments.file, countries=rules.countries, levels=rules.levels, allow_loopback_http=arguments.local
    )
    if arguments.id is not None and arguments.id not in federation.kases:
        raise ConfigError(f"{arguments.file.name}.kases: has no entry with the id {arguments.id!r}")
    pairs = list(_pairs(federation, federation.kases if arguments.id is None else (arguments.id,)))
    lines = [*_table([_HEAD, *(_row(own, peer) for own, peer in pairs)]), *_warnings(pairs), *_keys(federation)]
    return "".join(f"{line}\n" for line in lines)


def _pairs(federation: Federation, kas_ids: Iterable[str]) -> Iterator[tuple[Peer, Peer]]:
    """Each service with each of its partners as it sees them."""
    for kas_id in kas_ids:
        for peer in federation.seen_by(kas_id).peers.values():
            yield federation.kases[kas_id], peer


def _row(own: Peer, peer: Peer) -> tuple[str, ...]:
    named = own.kas_id, f"{peer.kas_id} ({peer.country})", "active" if peer.is_active else "suspended"
    if peer.agreement is None:
        return *named, "no agreement: nothing passes"
    if not (own.is_active and peer.is_active):
        return *named, "nothing passes while one of them is suspended"
    return *named, *_terms(peer.agreement, peer.timeout_seconds)


def _terms(agreement: Agreement, timeout_seconds: int) -> tuple[str, ...]:
    return (
        agreement.max_classification,
        ", ".join(sorted(agreement.cois)) or "none",
        ", ".join(sorted(agreement.countries)) or "none",
        str(agreement.max_depth),
        agreement.audience,
        f"{timeout_seconds} s",
        "demanded" if agreement.require_client_key_hash else "NOT DEMANDED",
    )


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Aligned columns; a row that ends early is a sentence and widens none."""
    whole = [row for row in rows if len(row) == len(_HEAD)]
    widths = [max(len(row[column]) for row in whole) for column in range(len(_HEAD))]
    for column in range(3):  # those that every row has
        widths[column] = max(len(row[column]) for row in rows)
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def _warnings(pairs: Iterable[tuple[Peer, Peer]]) -> Iterator[str]:
    for own, peer in pairs:
        if peer.agreement is not None and not peer.agreement.require_client_key_hash:
            yield f"{own.kas_id}, of {peer.kas_id}: {_TRUSTED}"


def _keys(federation: Federation) -> Iterator[str]:
    """Whose signatures count: what two operators read to each other."""
    for kas_id, peer in federation.kases.items():
        yield f"{kas_id} signs with {', '.join(sorted(peer.thumbprints))}"


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = new_parser().parse_args(arguments)
    try:
        sys.stdout.write(_check(parsed))
    except ConfigError as error:
        sys.stderr.write(f"federation: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
