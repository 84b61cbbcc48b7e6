"""Each client opens its own files and the others', or the format forbids it; who stands in the way is shown."""

from __future__ import annotations

import pytest

from tests.interop.clients import CLIENTS, decrypt, encrypt
from tests.interop.conftest import TEXT
from tests.kit import Kit

# The format before 4.3.0, which the Go SDK still writes when asked to: hashes in hexadecimal, no version.
OLDER = ("--target-mode", "4.2.2")

# What of the others' files a client cannot read at all, whatever a KAS answers, and what it says then.
NEWER_HASHES = "Failed integrity check on root signature"
UNKNOWN_MEMBER = "unexpected keyword argument 'schemaVersion'"
FORBIDDEN = {
    ("otdf-python", "npm"): NEWER_HASHES,
    ("go", "npm"): NEWER_HASHES,
    ("npm", "otdf-python"): UNKNOWN_MEMBER,
}


@pytest.mark.parametrize("reader", CLIENTS)
@pytest.mark.parametrize("writer", CLIENTS)
def test_a_file_comes_back_from_every_client_that_knows_its_format(written, place, writer, reader):
    """Writer × reader; where the format forbids, the reader says so in its own words."""
    outcome = decrypt(reader, written(writer), place)
    if (writer, reader) in FORBIDDEN:
        assert outcome.status != 0
        assert FORBIDDEN[writer, reader] in outcome.error
    else:
        assert outcome.content == TEXT, outcome.error


@pytest.mark.parametrize("reader", CLIENTS)
def test_the_older_format_is_read_by_all(written, place, reader):
    outcome = decrypt(reader, written("go", options=OLDER), place)
    assert outcome.content == TEXT, outcome.error


@pytest.mark.parametrize("writer", ["otdf-python", "go"])
def test_it_is_not_the_kas_that_keeps_newer_files_from_the_npm_client(written, place, kit: Kit, writer):
    """The KAS releases the key; what fails is the client's own check of hashes in another notation."""
    tdf = written(writer)
    before = len(_released(kit))
    assert NEWER_HASHES in decrypt("npm", tdf, place).error
    assert len(_released(kit)) == before + 1


def test_it_is_not_the_kas_that_keeps_npm_files_from_otdf_python(written, place, kit: Kit):
    """The client gives up while it reads the manifest and asks for nothing."""
    tdf = written("npm")
    before = kit.log.read_bytes().count(b'"rewrap"')
    assert UNKNOWN_MEMBER in decrypt("otdf-python", tdf, place).error
    assert kit.log.read_bytes().count(b'"rewrap"') == before


@pytest.mark.parametrize("size", [0, 20 * 2**20], ids=["empty", "20 MiB"])
@pytest.mark.parametrize("client", CLIENTS)
def test_files_of_any_size_come_back(client, size, place, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(range(256)) * (size // 256))
    outcome = decrypt(client, encrypt(client, plain, tmp_path / "tdf", place), place)
    assert outcome.content == plain.read_bytes(), outcome.error


def _released(kit: Kit) -> list[bytes]:
    return [line for line in kit.log.read_bytes().splitlines() if b'"outcome":"released"' in line]
