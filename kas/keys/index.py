"""The key index: which keys there are, what each is for, and where its private half lies.

It is ``keys.json`` in the folder of keys, or the same JSON in a setting. An unwrap key is in Cloud KMS (``kms``), in a
secret that only a key of Cloud KMS opens (``sealed`` and ``sealedBy``), or in a file beside the index (``file``). A signing
key is in a secret (``secret``) or in a file. Exactly one of them: nothing is tried in turn.

Read here is the form alone, all of it before anything is asked for. `kas.keys.private_keys` fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from kas.dataclass import dataclass
from kas.encoding import parse_json
from kas.errors import ConfigError, KasError
from kas.google.kms import VERSION_NAME
from kas.keys.registry import (
    ALGORITHMS,
    DIALECTS,
    MAX_LEGACY_KEYS,
    MAX_REMOTE_LEGACY_KEYS,
    STATUSES,
    KeyRecord,
    KeyRegistry,
)
from kas.schema import Node, load_document

INDEX: Final = "keys.json"
MAX_KID_CHARS: Final = 256
_OTHERS_WRITE: Final = 0o022


@dataclass(frozen=True, slots=True)
class Source:
    """Where a private key lies, and the place in the index that says so: a file, or a reference to a secret, whose
    payload is the key, or opens under ``sealed_by``, a symmetric key of Cloud KMS.
    """

    place: str
    file: str | None = None
    reference: str | None = None
    sealed_by: str | None = None


@dataclass(frozen=True, slots=True)
class UnwrapEntry:
    """``source`` is None for a key in Cloud KMS, which stays there."""

    place: str
    record: KeyRecord
    source: Source | None


@dataclass(frozen=True, slots=True)
class SigningEntry:
    place: str
    kid: str
    is_current: bool
    source: Source


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """Unwrap keys in their order; signing keys with the current one first."""

    unwrap: tuple[UnwrapEntry, ...]
    signing: tuple[SigningEntry, ...]


def read_index(text: str, folder: Path, *, takes_files: bool) -> KeyIndex:
    """The index in ``text`` or, where that is empty, in ``folder``; files are refused unless it ``takes_files``.

    Raises ConfigError, which names the setting or the file, and the place in it.
    """

    def read(document: Node) -> KeyIndex:
        return _read(document, takes_files=takes_files)

    if not text:
        path = folder / INDEX
        refuse_open_folder(folder, path)
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ConfigError(f"{INDEX}: is no file")
        return load_document(path, read)
    try:
        value = parse_json(text.encode("utf-8", "surrogateescape"))
    except KasError as error:
        raise ConfigError(f"KAS_KEYS: cannot be read ({error.code})") from None  # the cause would hold the text
    return read(Node(value, "KAS_KEYS"))


def refuse_open_folder(*paths: Path) -> None:
    """Raises ConfigError when others could change what is read from there."""
    for path in paths:
        if path.exists() and path.stat().st_mode & _OTHERS_WRITE:
            raise ConfigError(f"{path.name}: others can write it, and so change the keys (chmod go-w)")


def _read(document: Node, *, takes_files: bool) -> KeyIndex:
    unwrap = [_read_unwrap(node, takes_files=takes_files) for node in document["unwrapKeys"].items()]
    signing = [_read_signing(node, takes_files=takes_files) for node in document["signingKeys"].items()]
    document.done()
    if all(entry.record.status == "disabled" for entry in unwrap):
        document["unwrapKeys"].fail("must not be empty, nor disabled all of them")
    registry = KeyRegistry(tuple(entry.record for entry in unwrap))
    for dialect in DIALECTS:
        _check_legacy(registry.legacy(dialect), document["unwrapKeys"])
    if _repeats([entry.record.kid for entry in unwrap] + [entry.kid for entry in signing]):
        document.fail("a kid is used twice; a signing key is never an unwrap key")
    if _repeats(entry.record.kms_version for entry in unwrap if entry.record.kms_version):
        document.fail("one version in Cloud KMS is listed under two kids")
    if [entry.is_current for entry in signing].count(True) != 1:
        document.fail("exactly one signing key must be current")
    return KeyIndex(tuple(unwrap), tuple(sorted(signing, key=lambda entry: not entry.is_current)))


def _check_legacy(records: tuple[KeyRecord, ...], node: Node) -> None:
    """Of one dialect, disabled ones aside: one that is never tried would be published, or kept, for nothing."""
    if len(records) > MAX_LEGACY_KEYS:
        node.fail(f"must have at most {MAX_LEGACY_KEYS} legacy keys of one dialect")
    if sum(record.is_remote for record in records) > MAX_REMOTE_LEGACY_KEYS:
        node.fail(f"must have at most {MAX_REMOTE_LEGACY_KEYS} legacy key of one dialect in Cloud KMS")


def _repeats(values: Iterable[str]) -> bool:
    found = list(values)
    return len(set(found)) != len(found)


def _read_unwrap(node: Node, *, takes_files: bool) -> UnwrapEntry:
    kid = _read_kid(node)
    where = _one_of(node, ("file", "kms", "sealed"), takes_files=takes_files)
    legacy, version = node.get("legacy"), node.get("kms")
    record = KeyRecord(
        kid=kid,
        algorithm=node["algorithm"].choice(ALGORITHMS),
        status=node["status"].choice(STATUSES),
        dialects=frozenset(dialect.choice(DIALECTS) for dialect in node["dialects"].items()),
        is_legacy=legacy is not None and legacy.boolean(),
        kms_version=None if version is None else _read_version(version),
    )
    if not record.dialects or (record.is_rsa and len(record.dialects) > 1):
        node["dialects"].fail("an RSA key serves one dialect (its OAEP hash is fixed), an EC key one or both")
    if record.is_remote and not record.is_rsa:
        node["algorithm"].fail("Cloud KMS unwraps with RSA keys alone; an EC key is sealed")
    source = None if record.is_remote else _SOURCES[where](node)
    node.done()
    return UnwrapEntry(node.place, record, source)


def _read_signing(node: Node, *, takes_files: bool) -> SigningEntry:
    kid, status = _read_kid(node), node["status"].choice(("current", "previous"))
    source = _SOURCES[_one_of(node, ("file", "secret"), takes_files=takes_files)](node)
    node.done()
    return SigningEntry(node.place, kid, status == "current", source)


def _read_kid(node: Node) -> str:
    kid = node["kid"].text()
    if not kid.isprintable() or kid != kid.strip():
        node["kid"].fail("must be printable, without space around it")
    return kid if len(kid) <= MAX_KID_CHARS else node["kid"].fail("is too long")


def _one_of(node: Node, names: tuple[str, ...], *, takes_files: bool) -> str:
    found = [name for name in names if node.get(name) is not None]
    if "file" in found and not takes_files:
        node["file"].fail("private keys in files are refused on Cloud Run (K_SERVICE is set)")
    return found[0] if len(found) == 1 else node.fail(f"must have exactly one of {', '.join(names)}")


def _read_version(node: Node) -> str:
    name = node.text()
    if not VERSION_NAME.fullmatch(name):
        node.fail("must be the full name of a key version in us-central1, europe-west1 or europe-west2")
    return name


def _read_file(node: Node) -> Source:
    name = node["file"].text()
    if Path(name).name != name:
        node["file"].fail("must be a file of the same folder")
    return Source(node["file"].place, file=name)


def _read_secret(node: Node) -> Source:
    return Source(node["secret"].place, reference=node["secret"].text())


def _read_sealed(node: Node) -> Source:
    key = node["sealedBy"]
    if not VERSION_NAME.fullmatch(f"{key.text()}/cryptoKeyVersions/1"):  # a key's name is the beginning of a version's
        key.fail("must be the full name of a key in us-central1, europe-west1 or europe-west2")
    return Source(node["sealed"].place, reference=node["sealed"].text(), sealed_by=key.text())


_SOURCES: Final[dict[str, Callable[[Node], Source]]] = {
    "file": _read_file,
    "secret": _read_secret,
    "sealed": _read_sealed,
}
