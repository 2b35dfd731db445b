"""What a version of a dataset comes to in numbers and pictures, to lay beside another version.

`dvc metrics diff` compares the numbers, `dvc plots diff` shows the pictures side by side. Nothing in them
depends on the time, the place or the order of work.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import TargetError
from facedata.datasets.items import printable
from facedata.datasets.pictures import read_picture
from facedata.datasets.quality import Quality, quality_of
from facedata.datasets.record import write_text
from facedata.datasets.whole import whole

__all__ = ["PLOTS", "write_metrics", "write_plots"]

PLOTS = ("attacks.png", "domains.png", "quality.png")
"""The pictures that `write_plots` makes."""

_LOOKED_AT = 2000  # pictures; ids are hashes, so the first rows are a fair sample of all
_LABELS = {"live": "#15803d", "spoof": "#b91c1c", "unlabelled": "#71717a"}
_SPLITS = ("#1e3a8a", "#0ea5e9", "#a16207", "#7c3aed", "#71717a")
_MEASURES = {"brightness": "brightness (luma, 0-255)", "contrast": "contrast", "sharpness": "sharpness"}


@dataclass
class _Looked:
    """Quality by label of the first rows."""

    by_label: dict[str, list[Quality]] = field(default_factory=dict)

    def values(self, measure: str) -> dict[str, list[float]]:
        return {label: [getattr(q, measure) for q in found] for label, found in self.by_label.items()}


def write_metrics(dataset: str | Path, target: Path) -> dict[str, Any]:
    """Write and return the numbers of a dataset as JSON: counts, failures, mean quality by label."""
    found = Dataset.open(dataset)
    counts = found.record.counts.model_dump()
    looked = _look(found)
    quality = {
        label: {name: round(fmean(getattr(q, name) for q in all_of), 3) for name in _MEASURES}
        for label, all_of in sorted(looked.by_label.items())
    }
    metrics = {**counts, "failures": len(found.record.failures), "quality": quality}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, json.dumps(metrics, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error.strerror}; choose another --metrics") from None
    return metrics


def write_plots(dataset: str | Path, folder: Path) -> None:
    """Write PNG pictures of a dataset into `folder`: attacks by split, domains by label, quality by label."""
    with mpl.rc_context({"text.parse_math": False}):  # a name with a dollar sign is a name
        _write_plots(Dataset.open(dataset), folder)


def _write_plots(found: Dataset, folder: Path) -> None:
    attacks: dict[str, Counter[str]] = {}
    domains: dict[str, Counter[str]] = {}
    for table in found.tables(["label", "attack", "domain", "split"]):
        for row in table.to_pylist():
            label = row["label"] or "unlabelled"
            shown = row["attack"] or (label if label != "spoof" else "spoof, unnamed")
            attacks.setdefault(printable(row["split"] or "no split"), Counter())[printable(shown)] += 1
            domains.setdefault(label, Counter())[printable(row["domain"] or "no domain")] += 1
    splits = dict(zip(sorted(attacks), _SPLITS * len(attacks), strict=False))
    drawn = (
        _bars(attacks, splits, "Samples by attack and split"),
        _bars(domains, _LABELS, "Samples by domain and label"),
        _histograms(_look(found)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in zip(PLOTS, drawn, strict=True):
            # without the library's version, so that equal data gives equal bytes
            with whole(folder / name) as hidden:
                figure.savefig(hidden, format="png", dpi=120, metadata={"Software": None})
    except OSError as error:
        raise TargetError(f"cannot write {folder}: {error.strerror}; choose another --plots") from None


def _look(dataset: Dataset) -> _Looked:
    looked = _Looked()
    for row in islice(dataset.rows(["image", "label"]), _LOOKED_AT):
        pixels = read_picture(dataset.read(row["image"]), row["image"], max_pixels=2**40).pixels
        looked.by_label.setdefault(row["label"] or "unlabelled", []).append(quality_of(pixels))
    return looked


def _bars(groups: dict[str, Counter[str]], colours: dict[str, str], title: str) -> Figure:
    """Return stacked horizontal bars: a bar a name, a colour a group."""
    names = sorted({name for group in groups.values() for name in group}, reverse=True)
    figure = Figure(figsize=(7, 1.3 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = dict.fromkeys(names, 0)
    for group, counts in sorted(groups.items()):
        widths = [counts[name] for name in names]
        axes.barh(names, widths, left=[left[name] for name in names], color=colours[group], label=group)
        left = {name: left[name] + counts[name] for name in names}
    for name, total in left.items():
        axes.annotate(f" {total}", (total, name), va="center", fontsize=8)
    axes.margins(x=0.08)
    _finish(axes, title)
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(groups))
    return figure


def _histograms(looked: _Looked) -> Figure:
    """Return one panel a measure, the labels' distributions laid over each other, each of area 1."""
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    panels = figure.subplots(1, len(_MEASURES))
    for axes, (measure, title) in zip(panels, _MEASURES.items(), strict=True):
        values = looked.values(measure)
        every = [value for part in values.values() for value in part]
        span = (min(every), max(every) if max(every) > min(every) else min(every) + 1)
        bins = min(40, 2 + int(2 * len(every) ** (1 / 3)))  # Rice's rule
        for label, part in sorted(values.items()):
            style = {"bins": bins, "range": span, "density": True, "color": _LABELS[label]}
            line = {"linestyle": "--" if label == "spoof" else "-", "label": f"{label} ({len(part)})"}
            axes.hist(part, histtype="stepfilled", alpha=0.2, **style)
            axes.hist(part, histtype="step", **line, **style)
        axes.set_yticks([])
        _finish(axes, title)
    panels[-1].legend(frameon=False, fontsize=8)
    return figure


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
