"""A KAS with a key of every kind, one with the settings of production, and each route in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.kit import Kit, running_kit
from tests.opentdf.key_folder import KeyFolder
from tests.opentdf.tdf_client import ROUTES, Route


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    return KeyFolder(tmp_path_factory.mktemp("opentdf") / "keys").write()


@pytest.fixture(scope="session")
def tdf_kit(tmp_path_factory: pytest.TempPathFactory, key_folder: KeyFolder) -> Iterator[Kit]:
    """Local defaults: unbound tokens and policies without demands are taken, nonces are offered."""
    with running_kit(tmp_path_factory.mktemp("tdf"), KAS_KEYS_DIR=str(key_folder.path)) as running:
        yield running


@pytest.fixture(scope="session")
def strict_kit(tmp_path_factory: pytest.TempPathFactory, key_folder: KeyFolder) -> Iterator[Kit]:
    """Bound tokens alone, every proof with a nonce, no policy without demands; small limits, a preferred key."""
    settings = {
        "KAS_KEYS_DIR": str(key_folder.path),
        "KAS_OPENTDF_BEARER": "refuse",
        "KAS_OPENTDF_DPOP_NONCE": "require",
        "KAS_OPENTDF_EMPTY_POLICY": "refuse",
        "KAS_OPENTDF_BASE_KEY": "ec:secp256r1",
        "KAS_MAX_BODY_BYTES": "8192",
    }
    with running_kit(tmp_path_factory.mktemp("strict"), **settings) as running:
        yield running


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> Route:
    """REST, Connect in JSON, Connect in protobuf."""
    found: Route = request.param
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "routes_in_turn: each case runs on one route, the first on every route")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What all routes share is attacked on each of them in turn: every case once, and no route without a case.

    With ``EVERY_ROUTE`` in the environment (``make attacks``) every case runs on every route.
    """
    if "EVERY_ROUTE" in os.environ:
        return
    left_out = [item for item in items if item.get_closest_marker("routes_in_turn") and not _is_its_turn(item)]
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]


def _is_its_turn(item: pytest.Item) -> bool:
    indices = dict(item.callspec.indices) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    route = indices.pop("route", None)
    return route is None or not any(indices.values()) or (sum(indices.values()) - route) % len(ROUTES) == 0
