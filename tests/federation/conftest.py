"""Worlds for all tests of this folder: three running nations, and some among hostile ones. A test that stops a nation makes
one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federation.among_fakes import AmongFakes, Document, over_tls, running_among_fakes
from tests.federation.nations import Nations, running_nations
from tests.interop.tls_front import make_certificates


@pytest.fixture(scope="session")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    with running_nations(tmp_path_factory.mktemp("nations")) as running:
        yield running


@pytest.fixture(scope="session")
def among_fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmongFakes]:
    """The US and Britain are real; every other nation is in hostile hands (`tests.federation.fake_kas`).

    ``fra`` is a partner like Britain; ``deu`` is given one second, ``swe`` and ``fin`` three of the four that a request
    has; ``dnk`` is there to fail five times; ``ita`` is suspended, ``esp`` has agreed on nothing; with ``nor`` Norwegians
    may ask, for what is under no community. ``bel`` has a certificate of an authority that is known, ``nld`` of another,
    ``pol`` has an address with https and speaks without.
    """

    def change(kases: dict[str, Document], agreements: dict[frozenset[str], Document]) -> None:
        kases["deu"]["timeoutSeconds"] = 1
        kases["ita"]["status"] = "suspended"
        over_tls(kases["pol"])
        for pair in [pair for pair in agreements if "esp" in pair]:
            del agreements[pair]
        for pair in ({"usa", "fra"}, {"usa", "gbr"}):
            agreements[frozenset(pair)]["maxDepth"] = 2
        agreements[frozenset({"usa", "nor"})] |= {"allowedCountries": ["NOR"], "allowedCOIs": []}

    known, unknown = (make_certificates(tmp_path_factory.mktemp(name)) for name in ("known", "unknown"))
    with running_among_fakes(
        tmp_path_factory.mktemp("among-fakes"),
        real=("usa", "gbr"),
        fakes=("fra", "deu", "swe", "fin", "dnk", "ita", "esp", "nor", "bel", "nld", "pol"),
        certificates={"bel": known[1], "nld": unknown[1]},
        change=change,
        KAS_FEDERATION_DEADLINE_SECONDS="4",
        SSL_CERT_FILE=str(known[0]),
    ) as running:
        yield running
