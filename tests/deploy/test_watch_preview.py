"""The simulated day has something to show in every tile, and the picture is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from deploy.preview.day import MIDNIGHT, Happened, simulated_day
from deploy.preview.definitions import dashboard
from deploy.preview.draw import draw
from deploy.preview.evaluate import Store
from deploy.preview.platform import stored
from tests.deploy.watch_queries import promql_of, tiles

HOUR = 3600.0
# What this day has none of: a sealed key, a budget that is used up, an answer of Cloud KMS that was changed.
NOT_ON_THIS_DAY = ('"budget_exhausted"', "[.]Decrypt", "kms_integrity|kms_protection_level")


@pytest.fixture(scope="module")
def day() -> Happened:
    return simulated_day()


@pytest.fixture(scope="module")
def store(day: Happened) -> Store:
    return stored(day)


@pytest.mark.parametrize("title", [title for title, widget in tiles() if promql_of(widget)])
def test_every_query_of_a_tile_gives_something_that_day(title: str, store: Store) -> None:
    for query in promql_of(dict(tiles())[title]):
        shown = any(store.query(query, MIDNIGHT + hour * HOUR, HOUR) for hour in range(1, 25))
        assert shown is not any(text in query and " or vector(0)" not in query for text in NOT_ON_THIS_DAY), query


def test_the_picture_has_the_proportions_of_the_grid(tmp_path: Path, store: Store, day: Happened) -> None:
    """One tile of each kind, since all of them take seconds."""
    kinds = {
        next(name for name in tile["widget"] if name != "title"): tile for tile in dashboard()["mosaicLayout"]["tiles"]
    }
    assert kinds.keys() == {"scorecard", "incidentList", "sectionHeader", "xyChart", "logsPanel"}
    rows = [
        {**tile, "xPos": 0, "yPos": 16 * number, "width": 24, "height": 16}
        for number, tile in enumerate(kinds.values())
    ]
    draw({"displayName": "five", "mosaicLayout": {"columns": 24, "tiles": rows}}, store, day, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.width / picture.height) == pytest.approx(24 / (5 * 16 + 3), rel=0.01)
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 100
