r"""Makes, lists, rotates and retires sealed keys: private keys that only a symmetric key of Cloud KMS opens.

    python -m kas.admin.sealed_keys make --kid KID --algorithm P-256 --dialects acp240,opentdf \
        --sealed-by projects/P/locations/L/keyRings/R/cryptoKeys/K --secret projects/P/secrets/S

On standard output is JSON: entries for the key index, versions, states. Errors are one line on standard error; the exit
status is 1 when something is not done and 2 when the command is not understood. `docs/sealed-keys.md` is the manual.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from kas.admin.calls import Clients, CommandFailed, new_clients
from kas.admin.key_life import list_all, make, retire, rotate
from kas.admin.sealed_key import SealedKey, is_secret, is_version, read_entry
from kas.admin.sealed_secrets import Held
from kas.errors import ConfigError
from kas.keys.registry import ALGORITHMS
from kas.setting import endpoint

_MANAGER: Final = "sm://"
_ANY_KEY: Final = {
    "algorithm": "P-256",
    "dialects": "acp240",
    "sealed_by": "projects/project/locations/us-central1/keyRings/ring/cryptoKeys/key",
}
_FOR_EVER: Final = """\
{version}: {key}
Once it is destroyed nobody can bring it back: every TDF that is wrapped to it is unreadable for ever.
Type the number of the version to destroy it: """
_RETIRED: Final = """\
A service whose key index lists it otherwise than disabled does not start any more; one that runs has it until it ends.
"""


def ask_to_destroy(held: Held, answers: TextIO, questions: TextIO) -> None:
    """Says what is lost and reads one line. Raises CommandFailed unless it is the number of the version."""
    key = "an unknown key" if held.key is None else f"the key {json.dumps(held.key.kid)}, {held.key.algorithm}"
    questions.write(_FOR_EVER.format(version=held.name, key=key))
    questions.flush()
    if answers.readline(80).strip() != held.name.rpartition("/")[2]:
        questions.write("\n")
        raise CommandFailed(f"{held.name}: not destroyed, since its number was not typed")


def _text(what: str, is_right: Callable[[str], bool]) -> Callable[[str], str]:
    def read(text: str) -> str:
        name = text.removeprefix(_MANAGER)
        if not is_right(name):
            raise argparse.ArgumentTypeError(f"must be {what}")
        return name

    return read


def _endpoint(text: str) -> str:
    try:
        return endpoint(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be an https origin, or http on loopback") from None


def new_parser() -> argparse.ArgumentParser:
    endpoints = argparse.ArgumentParser(add_help=False)
    for product, host in (("kms", "cloudkms"), ("secrets", "secretmanager")):
        default = f"https://{host}.googleapis.com"
        endpoints.add_argument(f"--{product}-endpoint", type=_endpoint, default=default, metavar="ORIGIN")
    parser = argparse.ArgumentParser(prog="python -m kas.admin.sealed_keys", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    secret = _text("projects/P/secrets/S", is_secret)
    version = _text("projects/P/secrets/S/versions/N", is_version)
    either = _text("projects/P/secrets/S, perhaps with /versions/N", lambda name: is_secret(name) or is_version(name))
    project = _text("projects/P", lambda name: name.count("/") == 1 and is_secret(f"{name}/secrets/s"))

    making = commands.add_parser("make", parents=[endpoints], help="make a key and store it sealed")
    making.add_argument("--kid", required=True)
    making.add_argument("--algorithm", required=True, choices=ALGORITHMS)
    making.add_argument("--dialects", required=True, help="acp240, opentdf, or both with a comma between")
    making.add_argument("--sealed-by", required=True, metavar="KEY", help="symmetric key of Cloud KMS, full name")
    making.add_argument("--secret", required=True, type=secret, help="made if there is none")
    making.add_argument("--location", action="append", default=[], help="where a new secret is held; may be repeated")
    making.add_argument(
        "--without-opening", action="store_true", help="for who may not decrypt: proved by list --check"
    )

    listing = commands.add_parser("list", parents=[endpoints], help="list keys and their states")
    listing.add_argument("--project", required=True, type=project)
    listing.add_argument("--check", action="store_true", help="open each enabled one; exit status 1 if one does not")

    rotating = commands.add_parser("rotate", parents=[endpoints], help="make a successor; the old key still opens")
    rotating.add_argument("--kid", required=True, help="of the new key")
    rotating.add_argument("--from", required=True, type=either, dest="source", metavar="VERSION", help="or a secret")

    retiring = commands.add_parser("retire", parents=[endpoints], help="disable a key")
    retiring.add_argument("--version", required=True, type=version)
    retiring.add_argument(
        "--destroy", action="store_true", help="destroy it for ever; the version's number must be typed"
    )
    return parser


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Raises CommandFailed."""
    key = _key_of(arguments, parser) if "kid" in arguments else None  # before anybody is asked anything
    clients = new_clients(arguments.kms_endpoint, arguments.secrets_endpoint)
    if arguments.command == "list":
        return _list(clients, arguments)
    if arguments.command == "retire":
        _retire(clients, arguments)
    elif arguments.command == "rotate":
        _show(rotate(clients, arguments.kid, arguments.source))
    elif key is not None:
        _show(make(clients, key, arguments.secret, arguments.location, opens=not arguments.without_opening))
    return 0


def _key_of(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> SealedKey:
    """The key that is asked for, of which the service would take the entry; of a successor only its kid is known yet."""
    given = {**_ANY_KEY, **vars(arguments)}
    dialects = tuple(dict.fromkeys(given["dialects"].split(",")))
    key = SealedKey(given["kid"], given["algorithm"], dialects, given["sealed_by"])
    try:
        read_entry(key.entry("projects/project/secrets/s/versions/1", "active"))
    except ConfigError as error:
        parser.error(str(error))
    return key


def _list(clients: Clients, arguments: argparse.Namespace) -> int:
    is_good = True
    for shown in list_all(clients, arguments.project, is_checked=arguments.check):
        _show(shown)
        is_good = is_good and shown.get("opens", True)
    return 0 if is_good else 1


def _retire(clients: Clients, arguments: argparse.Namespace) -> None:
    def confirm(held: Held) -> None:
        ask_to_destroy(held, sys.stdin, sys.stderr)

    _show(retire(clients, arguments.version, confirm if arguments.destroy else None))
    sys.stderr.write(_RETIRED)


def _show(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = new_parser()
    parsed = parser.parse_args(arguments)
    try:
        return _run(parsed, parser)
    except CommandFailed as error:
        sys.stderr.write(f"sealed_keys: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
