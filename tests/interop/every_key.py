"""A folder of KAS keys with one of every kind that an OpenTDF client can wrap to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.keys.folder import make_local_keys
from kas.keys.index import INDEX

# What local mode does not make by itself.
_MORE: Final[Mapping[str, Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]]] = {
    "RSA-4096": lambda: rsa.generate_private_key(65537, 4096),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


def make_every_key(folder: Path) -> None:
    """Makes the folder; nothing is in it before."""
    make_local_keys(folder)
    index = json.loads((folder / INDEX).read_text("utf-8"))
    for algorithm, make in _MORE.items():
        path = folder / f"{algorithm}.pem"
        path.touch(mode=0o600)
        path.write_bytes(
            make().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        entry = {"kid": f"more-{algorithm}", "file": path.name, "algorithm": algorithm, "status": "active"}
        index["unwrapKeys"].append({**entry, "dialects": ["opentdf"]})
    (folder / INDEX).write_text(json.dumps(index), "utf-8")
