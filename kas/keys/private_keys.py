"""The private keys that the index names, as far as this process holds any: fetched once, at the start, and checked.

Each must be what the index says it is, and lies under one ``kid``. A disabled key is not fetched at all. Whatever cannot
be fetched, opened or used stops the start; nothing stands in for it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from kas.dataclass import dataclass
from kas.errors import ConfigError
from kas.jose import CURVES, check_rsa
from kas.keys.index import KeyIndex, SigningEntry, Source, UnwrapEntry, refuse_open_folder
from kas.keys.registry import KeyRecord
from kas.keys.software import UnwrapPrivateKey
from kas.references import read_judged

_OTHERS: Final = 0o077
_SIGNING_CURVE: Final = "P-256"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A private key as it is kept: opened by ``key`` of Cloud KMS for its own ``kid`` alone."""

    place: str
    kid: str
    key: str
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """Every record of an unwrap key; the private halves that are held here, by ``kid``; and signing keys by ``kid``, the
    current one first.
    """

    records: tuple[KeyRecord, ...]
    unwrap_keys: Mapping[str, UnwrapPrivateKey]
    signing_keys: Mapping[str, ec.EllipticCurvePrivateKey]

    @property
    def current_signing_key(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """With its ``kid``; there is always one."""
        return next(iter(self.signing_keys.items()))


# place -> reference; gives place -> what it stands for. Raises ConfigError.
Resolve = Callable[[Mapping[str, str]], Mapping[str, bytes]]
# Gives kid -> the key as PKCS #8 in DER. Raises ConfigError.
Unseal = Callable[[Iterable[Sealed]], Mapping[str, bytes]]


def fetch_keys(index: KeyIndex, folder: Path, resolve: Resolve, unseal: Unseal) -> Keys:
    """The keys of ``index``, whose files lie in ``folder``. Raises ConfigError, which names the place in the index.

    1. All secrets at once.
    2. Those that are sealed are opened, at once too.
    3. Each key is what the index says, and has one name: none is used under two, and none that unwraps signs.
    """
    held = [(entry, entry.source) for entry in index.unwrap if entry.source and entry.record.status != "disabled"]
    sources = [source for _, source in held] + [entry.source for entry in index.signing]
    # 1.
    references = {source.place: source.reference for source in sources if source.reference is not None}
    payloads = resolve(references) if references else {}
    # 2.
    sealed = [
        Sealed(source.place, entry.record.kid, source.sealed_by, payloads[source.place])
        for entry, source in held
        if source.sealed_by is not None
    ]
    opened = unseal(sealed) if sealed else {}
    # 3.
    unwrap_keys = {
        entry.record.kid: _unwrap_key(entry, _parse(source, folder, payloads, opened.get(entry.record.kid)))
        for entry, source in held
    }
    signing_keys = {entry.kid: _signing_key(entry, _parse(entry.source, folder, payloads)) for entry in index.signing}
    _refuse_twins(index, [*unwrap_keys.values()], [*signing_keys.values()])
    return Keys(tuple(entry.record for entry in index.unwrap), unwrap_keys, signing_keys)


def _parse(source: Source, folder: Path, payloads: Mapping[str, bytes], opened: bytes | None = None) -> object:
    """PKCS #8, without a password: in DER where it was sealed, else in PEM."""
    try:
        if source.sealed_by is not None:
            return load_der_private_key(opened or b"", password=None)
        if source.file is not None:
            return load_pem_private_key(_read_file(source, folder), password=None)
        return load_pem_private_key(payloads[source.place], password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{source.place}: cannot be read as a private key") from error


def _read_file(source: Source, folder: Path) -> bytes:
    """Raises OSError."""
    refuse_open_folder(folder)
    return read_judged(source.place, folder / str(source.file), _fault_of)


def _fault_of(descriptor: int) -> str | None:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        return "what it names is no file"
    return "the file is readable by others (chmod 600)" if mode & _OTHERS else None


def _unwrap_key(entry: UnwrapEntry, key: object) -> UnwrapPrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or _name(key) != entry.record.algorithm:
        raise ConfigError(f"{entry.place}: what it names holds no {entry.record.algorithm} key")
    if isinstance(key, rsa.RSAPrivateKey):
        try:
            check_rsa(key.public_key())
        except ValueError as error:
            raise ConfigError(f"{entry.place}: {error}") from error
    return key


def _signing_key(entry: SigningEntry, key: object) -> ec.EllipticCurvePrivateKey:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or _name(key) != _SIGNING_CURVE:
        raise ConfigError(f"{entry.place}: what it names holds no {_SIGNING_CURVE} key")
    return key


def _name(key: UnwrapPrivateKey) -> str | None:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return next((name for name, curve in CURVES.items() if curve.name == key.curve.name), None)
    return f"RSA-{key.key_size}"


def _refuse_twins(index: KeyIndex, unwrap: list[UnwrapPrivateKey], signing: list[ec.EllipticCurvePrivateKey]) -> None:
    place = index.unwrap[0].place.partition(".unwrapKeys")[0]
    unwrapping, verifying = {_public(key) for key in unwrap}, {_public(key) for key in signing}
    if len(unwrapping) != len(unwrap) or len(verifying) != len(signing):
        raise ConfigError(f"{place}: one key is listed under two kids")
    if unwrapping & verifying:
        raise ConfigError(f"{place}: a signing key is never an unwrap key")


def _public(key: UnwrapPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
