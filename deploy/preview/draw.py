"""The dashboard as a picture: tiles where the layout puts them, each with what its queries give over the day."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deploy.preview.day import DAY, MIDNIGHT, Happened
from deploy.preview.evaluate import Labels, Store, Vector

STEP_SECONDS: Final = 900.0
_TIMES: Final = tuple(MIDNIGHT + STEP_SECONDS * (n + 1) for n in range(int(DAY // STEP_SECONDS)))
_INCHES: Final = 0.42  # of one block of the grid
_GREY, _RED, _AMBER, _GREEN = "#5f6368", "#d93025", "#e37400", "#188038"
_MAX_LEGEND: Final = 8


def draw(dashboard: Mapping[str, Any], store: Store, day: Happened, out: Path) -> None:
    """Writes the picture of ``dashboard`` to ``out``."""
    mpl.use("Agg")
    layout = dashboard["mosaicLayout"]
    rows = max(tile["yPos"] + tile["height"] for tile in layout["tiles"])
    width, height = layout["columns"] * _INCHES, (rows + 3) * _INCHES
    figure = plt.figure(figsize=(width, height), facecolor="#f1f3f4")
    figure.text(0.008, 1 - 1.6 / (rows + 3), dashboard["displayName"], fontsize=20, weight="bold")
    for tile in layout["tiles"]:
        left, top = tile["xPos"] / layout["columns"], (tile["yPos"] + 3) / (rows + 3)
        across, down = tile["width"] / layout["columns"], tile["height"] / (rows + 3)
        _tile(figure, (left, 1 - top - down, across, down), tile["widget"], store, day)
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=100)
    out.write_bytes(whole.getvalue())
    plt.close(figure)


def _tile(
    figure: Figure, box: tuple[float, float, float, float], widget: Mapping[str, Any], store: Store, day: Happened
) -> None:
    left, bottom, width, height = box
    if "sectionHeader" in widget:
        figure.text(left + 0.008, bottom + 0.55 * height, widget["title"], fontsize=16, weight="bold", va="center")
        figure.text(left + 0.008, bottom + 0.2 * height, widget["sectionHeader"]["subtitle"], color=_GREY, va="center")
        return
    gap = 0.002
    card = figure.add_axes((left + gap, bottom + gap / 2, width - 2 * gap, height - gap))
    card.set(xticks=[], yticks=[], facecolor="white")
    for spine in card.spines.values():
        spine.set_color("#dadce0")
    inches = height * figure.get_figheight()
    card.text(0.02, 1 - 0.2 / inches, widget["title"], fontsize=11, weight="bold", va="top", transform=card.transAxes)
    if "scorecard" in widget:
        _scorecard(card, widget["scorecard"], store)
    elif "xyChart" in widget:
        inner = (left + 0.13 * width, bottom + 0.16 * height, 0.75 * width, 0.62 * height)
        _chart(figure.add_axes(inner), widget["xyChart"], store)
    elif "logsPanel" in widget:
        lines = [line for _, stream, line in sorted(day.lines) if stream == "stderr"][-14:]
        card.text(0.01, 0.86, "\n".join(lines), family="monospace", fontsize=9, va="top", transform=card.transAxes)
    else:
        card.text(0.02, 0.8, "(incidents: drawn by Cloud Monitoring)", color=_GREY, va="top", transform=card.transAxes)


def _scorecard(card: Axes, scorecard: Mapping[str, Any], store: Store) -> None:
    query = scorecard["timeSeriesQuery"]
    # In the middle of the afternoon: at midnight there is little to see.
    vector = store.query(query["prometheusQuery"], MIDNIGHT + 17 * 3600, STEP_SECONDS)
    value = next(iter(vector.values()), math.nan)
    colour = _GREEN
    for threshold in scorecard["thresholds"]:
        crossed = value >= threshold["value"] if threshold["direction"] == "ABOVE" else value <= threshold["value"]
        if crossed and colour != _RED:
            colour = {"RED": _RED, "YELLOW": _AMBER}[threshold["color"]]
    shown = "no data" if math.isnan(value) else f"{value:.3g}"
    card.text(0.03, 0.3, shown, fontsize=28, color=colour, transform=card.transAxes)
    card.text(0.97, 0.3, query.get("unitOverride", ""), fontsize=13, ha="right", color=_GREY, transform=card.transAxes)


def _chart(axes: Axes, chart: Mapping[str, Any], store: Store) -> None:
    axes.set_ylabel(chart["yAxis"]["label"], fontsize=9, color=_GREY)
    second, colours, base = None, iter(plt.get_cmap("tab10").colors * 3), [0.0] * len(_TIMES)  # type: ignore[attr-defined]
    for data in chart["dataSets"]:
        on = axes
        if data["targetAxis"] == "Y2":
            second = on = second or axes.twinx()
            second.set_ylabel(chart["y2Axis"]["label"], fontsize=9, color=_GREY)
        for labels, values in _lines(store, data["timeSeriesQuery"]["prometheusQuery"]):
            base = _plot(on, data["plotType"], values, base, _legend(data, labels), next(colours))
    for threshold in chart.get("thresholds", []):
        axes.axhline(threshold["value"], color=_RED, linestyle="--", linewidth=1)
        axes.text(24, threshold["value"], threshold["label"], color=_RED, fontsize=8, ha="right", va="bottom")
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 4), [f"{hour:02}:00" for hour in range(0, 25, 4)], fontsize=8)
    for one in (axes, *([second] if second else [])):
        one.set_ylim(bottom=0)
        one.tick_params(axis="y", labelsize=8)
    axes.grid(visible=True, color="#e8eaed")
    axes.set_axisbelow(True)
    handles = [pair for one in (axes, second) if one for pair in zip(*one.get_legend_handles_labels(), strict=True)]
    if handles:
        shown = handles[:_MAX_LEGEND]
        axes.legend(
            [handle for handle, _ in shown],
            [textwrap.shorten(name, 34, placeholder="…") for _, name in shown],
            fontsize=8,
            ncols=2,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            frameon=False,
            borderaxespad=0.1,
        )
    else:
        axes.text(12, 0.5, "nothing in this day", ha="center", color=_GREY, transform=axes.get_xaxis_transform())


def _lines(store: Store, query: str) -> list[tuple[Labels, list[float]]]:
    """By labels, over the day; the largest first."""
    vectors: Sequence[Vector] = [store.query(query, time, STEP_SECONDS) for time in _TIMES]
    labels = {one for vector in vectors for one in vector}
    found = [(one, [vector.get(one, math.nan) for vector in vectors]) for one in labels]
    return sorted(found, key=lambda pair: (-sum(value for value in pair[1] if value == value), sorted(pair[0])))  # noqa: PLR0124 - not NaN


def _plot(axes: Axes, kind: str, values: list[float], base: list[float], legend: str, colour: Any) -> list[float]:
    hours = [(time - MIDNIGHT) / 3600 for time in _TIMES]
    if kind == "LINE":
        is_sparse = sum(not math.isnan(value) for value in values) < len(values) / 3
        axes.plot(
            hours, values, label=legend, color=colour, linewidth=1.4, marker="o" if is_sparse else "", markersize=3
        )
        return base
    heights = [0.0 if math.isnan(value) else value for value in values]
    tops = [low + one for low, one in zip(base, heights, strict=True)]
    if kind == "STACKED_AREA":
        axes.fill_between(hours, base, tops, label=legend, color=colour, alpha=0.75, linewidth=0)
    else:
        axes.bar(hours, heights, 0.22, bottom=base, label=legend, color=colour)
    return tops


def _legend(data: Mapping[str, Any], labels: Labels) -> str:
    template = data.get("legendTemplate", " ".join(value for _, value in sorted(labels)))
    return re.sub(r"\$\{(\w+)\}", lambda match: dict(labels).get(match[1], ""), template)
