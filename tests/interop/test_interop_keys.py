"""Every kind of key on either side: the KAS's that files are wrapped to, the client's, and the one of its proofs.

The Go SDK has them all; the other two know RSA only and are in the other modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.clients import Place, decrypt, encrypt
from tests.interop.conftest import SECRET_TO_USA, TEXT
from tests.interop.every_key import make_every_key
from tests.interop.tdf import read_manifest
from tests.kit import running_kit

KINDS = {
    "rsa:2048": "wrapped",
    "rsa:4096": "wrapped",
    "ec:secp256r1": "ec-wrapped",
    "ec:secp384r1": "ec-wrapped",
    "ec:secp521r1": "ec-wrapped",
}


@pytest.fixture(scope="module")
def well_keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A KAS with every kind of key, which prefers none."""
    folder = tmp_path_factory.mktemp("keys")
    make_every_key(folder / "keys")
    with running_kit(folder) as kit:
        yield Place(kit.base, kit.world.provider.base)


@pytest.fixture
def plain(tmp_path) -> Path:
    path = tmp_path / "plain"
    path.write_bytes(TEXT)
    return path


@pytest.mark.parametrize(("key", "wrap"), KINDS.items())
def test_a_file_is_wrapped_to_the_kind_of_key_asked_for(well_keyed, plain, key, wrap):
    """The SDK asks for the public key by name."""
    tdf = encrypt("go", plain, plain.with_name("tdf"), well_keyed, options=("--wrap-key", key))
    assert read_manifest(tdf)["encryptionInformation"]["keyAccess"][0]["type"] == wrap
    outcome = decrypt("go", tdf, well_keyed)
    assert outcome.content == TEXT, outcome.error


@pytest.mark.parametrize("key", ["rsa:4096", "ec:secp256r1", "ec:secp384r1", "ec:secp521r1"])
@pytest.mark.parametrize("wrap", ["rsa:2048", "ec:secp256r1"])
def test_the_key_comes_back_under_every_kind_of_client_key(well_keyed, plain, key, wrap):
    tdf = encrypt("go", plain, plain.with_name("tdf"), well_keyed, options=("--wrap-key", wrap))
    outcome = decrypt("go", tdf, well_keyed, options=("--session-key", key))
    assert outcome.content == TEXT, outcome.error


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512"])
def test_possession_is_proved_with_every_algorithm_the_sdk_has(written, place, algorithm):
    """Token, proof and request token are then all of that key."""
    outcome = decrypt("go", written("go"), place, options=("--dpop-algorithm", algorithm))
    assert outcome.content == TEXT, outcome.error


def test_a_file_that_names_no_key_is_opened_with_the_legacy_one(written, place):
    tdf = written("go", options=("--without-kid",))
    assert "kid" not in read_manifest(tdf)["encryptionInformation"]["keyAccess"][0]
    outcome = decrypt("go", tdf, place)
    assert outcome.content == TEXT, outcome.error


def test_the_base_key_is_what_the_go_sdk_wraps_to(tmp_path, plain):
    """The operator's choice in the well-known document wins, with attributes and without."""
    with running_kit(tmp_path, KAS_OPENTDF_BASE_KEY="ec:secp256r1") as kit:
        place = Place(kit.base, kit.world.provider.base)
        for attributes in ((), SECRET_TO_USA):
            tdf = encrypt("go", plain, tmp_path / "tdf", place, *attributes)
            assert read_manifest(tdf)["encryptionInformation"]["keyAccess"][0]["type"] == "ec-wrapped"
            outcome = decrypt("go", tdf, place)
            assert outcome.content == TEXT, outcome.error
