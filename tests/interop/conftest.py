"""Fixtures: the clients, the place where they meet the KAS, and files that they wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.clients import Place, encrypt, require_installed
from tests.kit import Kit

SECRET_TO_USA = (
    "https://kas.example/attr/classification/value/SECRET",
    "https://kas.example/attr/releasability/value/USA",
)
TEXT = "Überschrift\n".encode() * 3


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    require_installed()


@pytest.fixture(scope="session")
def place(kit: Kit) -> Place:
    """The KAS with the settings of local mode."""
    return Place(kit.base, kit.world.provider.base)


Written = Callable[..., Path]


@pytest.fixture(scope="session")
def written(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """TDFs of ``TEXT``, each made once: ``written(client, *attributes, options=…)``."""
    folder = tmp_path_factory.mktemp("tdf")
    plain = folder / "plain"
    plain.write_bytes(TEXT)
    made: dict[tuple[object, ...], Path] = {}

    def write(client: str, *attributes: str, options: tuple[str, ...] = ()) -> Path:
        key = (client, attributes, options)
        if key not in made:
            target = folder / f"{len(made)}.tdf"
            made[key] = encrypt(client, plain, target, place, *attributes, options=options)
        return made[key]

    return write
