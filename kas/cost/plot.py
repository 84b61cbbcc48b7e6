"""Cost against traffic, architectures compared: one picture. The only user of matplotlib, which a service never has."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kas.cost.architectures import ARCHITECTURES, Architecture, is_sufficient, monthly, steps, traffics
from kas.cost.prices import Prices
from kas.cost.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PER_DECADE: Final = 60
_SHOWN: Final = (100.0, 2e7)  # requests a day
_BUDGET: Final = 20  # US dollars, that the pilot stays below
_COLOURS: Final = {
    "pilot": "#0072b2",
    "vm": "#009e73",
    "firestore": "#e69f00",
    "valkey": "#cc79a7",
    "redis": "#d55e00",
}  # told apart by people who see fewer colours
_SIZE: Final = (10.0, 6.2)  # inches
_DPI: Final = 120


class PlotUnavailable(Exception):
    """There is no matplotlib."""


def draw(scenario: Scenario, prices: Prices, path: Path) -> None:
    """Writes a PNG. Raises PlotUnavailable, and OSError when the file cannot be written."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotUnavailable(
            "--plot needs matplotlib (python3 -m pip install matplotlib); all else does not"
        ) from error
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=_SHOWN)
    for order, architecture in enumerate(reversed(ARCHITECTURES), start=1):  # the simpler one on top of its equals
        _draw_architecture(axes, scenario, prices, architecture, order)
    _draw_steps(axes, scenario, prices)
    _label(axes, scenario, prices)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=_DPI)
    path.write_bytes(whole.getvalue())


def _draw_architecture(axes: Axes, scenario: Scenario, prices: Prices, architecture: Architecture, order: int) -> None:
    """A line where it suffices, dots where it does not."""
    points = list(_points(scenario, prices, architecture))
    style: dict[str, Any] = {"color": _COLOURS[architecture.name], "linewidth": 2.2, "zorder": order}
    enough = [cost if suffices else math.nan for _, cost, suffices in points]
    short = [math.nan if suffices else cost for _, cost, suffices in points]
    across = [traffic for traffic, _, _ in points]
    axes.plot(across, enough, label=architecture.title, **style)
    axes.plot(across, short, linestyle=":", alpha=0.7, **style)


def _points(scenario: Scenario, prices: Prices, architecture: Architecture) -> Iterator[tuple[float, float, bool]]:
    low, high = _SHOWN
    for traffic in traffics(_PER_DECADE):
        if low <= traffic <= high:
            applied = architecture.applied(replace(scenario, requests_per_day=traffic))
            yield traffic, monthly(applied, prices), is_sufficient(applied)


def _draw_steps(axes: Axes, scenario: Scenario, prices: Prices) -> None:
    """Where the cheapest that suffices changes, and a list of what it is."""
    low, high = _SHOWN
    words = ["cheapest that suffices:"]
    for number, step in enumerate(steps(scenario, prices)):
        title = "nothing that is compared" if step.architecture is None else step.architecture.title
        words.append(
            f"any traffic: {title}" if number == 0 else f"from {_three_figures(step.requests_per_day)}: {title}"
        )
        if step.architecture is not None and low < step.requests_per_day < high:
            axes.axvline(step.requests_per_day, color="#666666", linewidth=0.8, linestyle="--", zorder=0)
            colour = _COLOURS[step.architecture.name]
            axes.plot(
                step.requests_per_day, step.cost, "o", color=colour, markeredgecolor="white", markersize=10, zorder=20
            )
    box = {"facecolor": "white", "edgecolor": "#cccccc", "boxstyle": "round"}
    axes.text(
        0.985,
        0.03,
        "\n".join(words),
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        multialignment="left",
        bbox=box,
        fontsize=9.5,
    )
    axes.axhline(_BUDGET, color="#444444", linewidth=1.2, linestyle="-.", zorder=0.9)
    axes.text(_SHOWN[0] * 1.08, _BUDGET * 1.03, f"budget ${_BUDGET}", color="#444444", va="bottom", fontsize=9)


def _three_figures(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}"


def _label(axes: Axes, scenario: Scenario, prices: Prices) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"${value:,.0f}"))
    axes.set_xlabel("requests a day" + (" of each nation" if len(scenario.nations) > 1 else ""))
    axes.set_ylabel("US dollars a month")
    key = "sealed keys" if scenario.key == "sealed" else f"{scenario.key}, {scenario.protection}"
    axes.set_title(
        f"What a Key Access Service costs: {' + '.join(scenario.nations)}, {key}, {' + '.join(scenario.dialects)},"
        f" {scenario.hit_rate:.0%} hits\ndotted: does not suffice at the busiest moment · list prices of {prices.date}",
        fontsize=10.5,
    )
    axes.grid(visible=True, which="major", color="#dddddd")
    axes.grid(visible=True, which="minor", color="#f2f2f2")
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="upper left", framealpha=1)
