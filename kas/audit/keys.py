"""Keys as the commands need them: whose signatures count, of a published key set or in PEM; and which ``kid`` is which
version in Cloud KMS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kas.audit.checkpoint import ALGORITHM, is_signed
from kas.dataclass import dataclass
from kas.errors import ConfigError
from kas.jose import PublicJwk, is_for_signatures, parse_public_jwk, to_jwk
from kas.keys.index import read_index
from kas.keys.registry import KeyRegistry
from kas.schema import load_document

# The setting as it stands in env.yaml, in either kind of quotes.
_SETTING: Final = re.compile(r"""^KAS_KEYS:\s*(?:'((?:[^']|'')*)'|("(?:[^"\\]|\\.)*"))\s*$""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CheckpointKeys:
    """Keys by ``kid``, and ``nameless`` ones, which may have any other."""

    named: Mapping[str, PublicJwk]
    nameless: tuple[PublicJwk, ...] = ()

    def is_known(self, kid: str) -> bool:
        return kid in self.named or bool(self.nameless)

    def is_signed(self, kid: str, line_hash: str, signature: str) -> bool:
        """Whether the checkpoint with this hash was signed with the key of that name."""
        keys = (self.named[kid],) if kid in self.named else self.nameless
        return any(is_signed(key, line_hash, signature) for key in keys)


def load_keys(jwks: Iterable[Path], pems: Iterable[Path]) -> CheckpointKeys:
    """From key sets as the service publishes them, and from public keys in PEM. Raises ConfigError."""
    named: dict[str, PublicJwk] = {}
    for path in jwks:
        found = load_document(path, lambda document: _signing_keys(document["keys"].value))
        if not found:
            raise ConfigError(f"{path}: has no key that signs")
        named |= found
    return CheckpointKeys(named, tuple(map(_load_pem, pems)))


def _signing_keys(jwks: object) -> dict[str, PublicJwk]:
    """Those that sign: keys to wrap to stand in the same set."""
    found = {}
    for jwk in jwks if isinstance(jwks, list) else ():
        if isinstance(jwk, dict) and jwk.get("use") == "sig" and is_for_signatures(jwk, ALGORITHM):
            found[str(jwk.get("kid"))] = _parse(jwk)
    return found


def _parse(jwk: Mapping[str, Any]) -> PublicJwk:
    try:
        return parse_public_jwk(jwk)
    except ValueError as error:
        raise ConfigError(f"key {jwk.get('kid')!r}: is no sound public key") from error


def _load_pem(path: Path) -> PublicJwk:
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: holds no public key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ConfigError(f"{path}: holds no P-256 key, which is what signs checkpoints")
    return parse_public_jwk(to_jwk(key))


def load_registry(path: Path) -> KeyRegistry:
    """From a key index, or from an env.yaml with the setting ``KAS_KEYS``. Raises ConfigError."""
    try:
        text = path.read_text("utf-8")
        setting = _SETTING.search(text)
        if setting is not None:
            text = json.loads(setting[2]) if setting[2] else setting[1].replace("''", "'")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read") from error
    if not text.strip():
        raise ConfigError(f"{path}: has no key index")
    index = read_index(text, path.parent, takes_files=True)
    return KeyRegistry(tuple(entry.record for entry in index.unwrap))
