"""Plots of audits as PNG: distributions of fields, and estimates with their intervals."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["distributions", "estimates"]

_LABELS = {"live": "#15803d", "spoof": "#b91c1c", "unlabelled": "#71717a"}
_BINS = 24
_COLUMNS = 5
_MOST_PANELS = 15
_MOST_LINES = 60
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def distributions(fields: Mapping[str, NDArray[np.float64]], label: pd.Series) -> bytes | None:
    """Return a panel for each field of numbers, the labels laid over each other, each of area 1; PNG.

    A panel runs from the first to the 99th percent, so that a few outliers do not hide the others. None where
    no field has three different values.
    """
    drawn = {
        name: values for name, values in fields.items() if len(np.unique(values[np.isfinite(values)])) > 2
    }
    drawn = dict(list(drawn.items())[:_MOST_PANELS])
    if not drawn:
        return None
    shown = label.where(label.notna(), "unlabelled").to_numpy()
    lines = -(-len(drawn) // _COLUMNS)
    columns = min(_COLUMNS, len(drawn))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(2.1 * columns, 1.5 * lines + 0.25), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes in panels[len(drawn) :]:
            axes.remove()
        for axes, (name, values) in zip(panels, drawn.items(), strict=False):
            low, high = np.nanquantile(values, [0.01, 0.99])
            span = (low, high) if high > low else (low - 0.5, low + 0.5)
            for one, colour in _LABELS.items():
                part = values[(shown == one) & np.isfinite(values)]
                if len(part):
                    style = {"bins": _BINS, "range": span, "density": True, "color": colour}
                    axes.hist(np.clip(part, *span), histtype="stepfilled", alpha=0.25, **style)
                    axes.hist(np.clip(part, *span), histtype="step", label=one, **style)
            axes.set_yticks([])
            axes.set_title(name.replace("_", " "), fontsize=8, loc="left")
            axes.tick_params(labelsize=7)
        handles, names = panels[0].get_legend_handles_labels()
        if len(names) > 1:
            figure.legend(handles, names, loc="outside upper right", ncols=3, frameon=False, fontsize=8)
        return _png(figure)


def estimates(table: pd.DataFrame) -> bytes | None:
    """Return the lines of a table with an estimate and its ends (`low`, `high`) as points with bars; PNG.

    The estimate is the column before `low`; the columns of text name the line. None for any other table.
    """
    if not {"low", "high"} <= set(table.columns):
        return None
    place = list(table.columns).index("low") - 1
    if place < 0 or not len(table) or not pd.api.types.is_numeric_dtype(table.iloc[:, place]):
        return None
    shown = table.head(_MOST_LINES).iloc[::-1]
    words = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    names = [", ".join(str(one) for one in line) for line in shown[words].itertuples(index=False)]
    value, low, high = (shown.iloc[:, place + step].to_numpy(np.float64) for step in (0, 1, 2))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 0.5 + 0.17 * len(shown)), layout="constrained")
        axes = figure.subplots()
        rows = np.arange(len(shown))
        axes.hlines(rows, low, high, color="#a1a1aa", linewidth=2)
        axes.plot(value, rows, "o", color="#18181b", markersize=3.5)
        axes.set_yticks(rows, names, fontsize=7)
        axes.set_ylim(-0.7, len(shown) - 0.3)
        if np.nanmin(low, initial=0) < 0:
            axes.axvline(0, color="#d4d4d8", linewidth=0.8, zorder=0)
        axes.set_xlabel(str(table.columns[place]))
        return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # without the library's version, so that equal data gives equal bytes
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
