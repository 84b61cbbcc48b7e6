"""A TDF taken apart and put together again with one thing changed: what someone with the file, but not the key, can do."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

MANIFEST: Final = "0.manifest.json"

Change = Callable[[dict[str, Any]], None]


def read_manifest(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    return manifest


def changed_copy(path: Path, target: Path, change: Change) -> Path:
    """The TDF with its manifest changed, every other byte of it the same."""
    manifest = read_manifest(path)
    change(manifest)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for name in source.namelist():
            copy.writestr(name, json.dumps(manifest) if name == MANIFEST else source.read(name))
    return target


def nothing(_manifest: dict[str, Any]) -> None:
    """The control: the archive is written anew, and what it says stays."""


def lower_classification(manifest: dict[str, Any]) -> None:
    """The policy demands the lowest level only."""
    encryption = manifest["encryptionInformation"]
    policy = base64.b64decode(encryption["policy"])
    lowered = policy.replace(b"/value/SECRET", b"/value/UNCLASSIFIED")
    assert lowered != policy
    encryption["policy"] = base64.b64encode(lowered).decode()


def flip_binding(manifest: dict[str, Any]) -> None:
    """One bit of the binding's last digit."""
    binding = manifest["encryptionInformation"]["keyAccess"][0]["policyBinding"]
    digits = base64.b64decode(binding["hash"])
    binding["hash"] = base64.b64encode(digits[:-1] + (b"0" if digits[-1:] != b"0" else b"1")).decode()


def flip_wrapped_key(manifest: dict[str, Any]) -> None:
    """One bit in the middle of the wrapped key."""
    kao = manifest["encryptionInformation"]["keyAccess"][0]
    wrapped = bytearray(base64.b64decode(kao["wrappedKey"]))
    wrapped[len(wrapped) // 2] ^= 1
    kao["wrappedKey"] = base64.b64encode(wrapped).decode()
