"""Three running nations for all tests of this folder: a test that stops one makes a world of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federation.nations import Nations, running_nations


@pytest.fixture(scope="session")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    with running_nations(tmp_path_factory.mktemp("nations")) as running:
        yield running
