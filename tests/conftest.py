"""Fixtures: a pair of processes for the whole run, and others with settings of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.canaries import CANARIES, CanaryWatch
from tests.kit import Kit, running_kit


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CanaryWatch(CANARIES))


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """The pair with default settings."""
    with running_kit(tmp_path_factory.mktemp("pair")) as running:
        yield running


@pytest.fixture(scope="session")
def kit_without_nonces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A pair that takes proofs without nonce."""
    with running_kit(tmp_path_factory.mktemp("pair"), KAS_REWRAP_DPOP_NONCE="off") as running:
        yield running
