"""The context of every connection that this service opens with TLS: the certificate must be vouched for, current and of
the host that was asked for, under TLS 1.2 at least.

Authorities are those that OpenSSL finds: the system's, or what ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name. The system
keeps its own twice, in one bundle and in a folder under the hash of their names. Reading the bundle takes some 28 ms,
so where the folder has all that is in there, OpenSSL looks up in it the one authority that a certificate names.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from pathlib import Path
from typing import Final

_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_BEGIN: Final = b"-----BEGIN "


def client_context() -> ssl.SSLContext:
    """A new one, which reads an authority when a certificate names it, or all of them now where it must."""
    return _strict(ssl.create_default_context(capath=hashed_folders(ssl.get_default_verify_paths())))


def context_of(path: Path) -> ssl.SSLContext:
    """A new one that takes the authorities in this PEM file, and no others. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the certificate, and the host's name
    context.load_verify_locations(cafile=path)
    return _strict(context)


def context_of_text(pem: str) -> ssl.SSLContext:
    """As `context_of`, of what such a file says. Raises OSError, of which ssl.SSLError is one, and ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return _strict(context)


def listing_context() -> ssl.SSLContext:
    """A new one that has read all authorities: for a library that wants a list of them."""
    context = ssl.create_default_context()
    for entry in _hashed(ssl.get_default_verify_paths().capath):
        with contextlib.suppress(OSError):  # of which ssl.SSLError is one: passed over, as OpenSSL does
            context.load_verify_locations(cafile=entry.path)
    return _strict(context)


def hashed_folders(paths: ssl.DefaultVerifyPaths) -> str | None:
    """The folders, as OpenSSL takes them, that have every authority of ``paths``; None where not all are there by hash.

    ``SSL_CERT_DIR`` takes the place of the system's folder and not of its bundle, so the system's folder stays for that.
    """
    names_a_bundle = paths.cafile not in {None, paths.openssl_cafile}
    if names_a_bundle or not paths.capath or not _has_all_of(paths.openssl_capath, paths.openssl_cafile):
        return None
    return os.pathsep.join(dict.fromkeys((paths.capath, paths.openssl_capath)))


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context


def _has_all_of(folder: str, bundle: str) -> bool:
    """By their number. Of links whose targets are gone it is enough to see one: an image has all of them or none."""
    entries = _hashed(folder)
    return bool(entries) and entries[0].is_file() and len(entries) >= _size(bundle)


def _hashed(folder: str | None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or "") as entries:
            return [entry for entry in entries if _HASHED.fullmatch(entry.name)]
    except OSError:
        return []


def _size(bundle: str) -> int:
    """How many certificates there are."""
    try:
        return Path(bundle).read_bytes().count(_BEGIN)
    except OSError:
        return 0
