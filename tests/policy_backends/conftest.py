"""Fixtures: the engines, one of them over a real Open Policy Agent that serves the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kas.engine import Engine
from tests.policy_backends.agent import OPA, Agent, running_agent
from tests.policy_backends.asking import asking, builtin, write_attributes
from tests.unit.policy.good_policy import CONFIG


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    assert OPA.is_file(), "tests/policy_backends/setup.sh builds the Open Policy Agent"


@pytest.fixture(scope="session")
def attributes_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped attributes and some more."""
    return write_attributes(tmp_path_factory.mktemp("attributes"))


@pytest.fixture(scope="session")
def agent(attributes_path: Path) -> Iterator[Agent]:
    with running_agent(CONFIG, attributes_path) as running:
        yield running


@pytest.fixture(params=["builtin", "opa"])
def engine(request: pytest.FixtureRequest, attributes_path: Path) -> Engine:
    """Each backend in turn."""
    if request.param == "builtin":
        return builtin(attributes_path)
    return asking(request.getfixturevalue("agent").url, attributes_path)
