"""Pictures of an evaluation: the DET curve, and error by attack and domain."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from facedata.datasets.errors import TargetError
from facedata.datasets.whole import whole
from facedata.recipes.metrics.curve import Group, cuts
from facedata.recipes.metrics.evaluation import Level

__all__ = ["write_det", "write_table"]

Values = NDArray[np.float64]

_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
_LOW, _HIGH = 0.0008, 0.95  # shares that the picture shows; a normal deviate has no end
_COLOURS = ("#0ea5e9", "#a16207", "#7c3aed", "#15803d", "#db2777", "#ea580c", "#0f766e", "#4f46e5")
_DASHES = ((), (4, 2), (1, 1.5), (4, 1.5, 1, 1.5))  # solid first
_deviate = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])


@mpl.rc_context({"text.parse_math": False})  # a name with a dollar sign is a name
def write_det(level: Level, title: str, path: Path) -> None:
    """Write the DET curve (ISO/IEC 19795-1): BPCER over APCER on axes of normal deviates.

    One line of all attacks and one of each species; a point marks the threshold, the dotted line equal error.
    """
    live, spoof, species = level.presentations.groups()
    figure = Figure(figsize=(5.6, 5.6), layout="constrained")
    axes = figure.subplots()
    if len(species) > 1:
        for number, (name, group) in enumerate(species.items()):
            (line,) = axes.plot(*_curve(live, group), label=f"{name} ({len(group.scores)})", linewidth=1.1)
            line.set_color(_COLOURS[number % len(_COLOURS)])
            line.set_linestyle((0, _DASHES[number // len(_COLOURS) % len(_DASHES)]))
    axes.plot(*_curve(live, spoof), color="#18181b", linewidth=2, label=f"all attacks ({len(spoof.scores)})")
    at = np.array([level.threshold.value])
    far = 1 - spoof.below(at) / len(spoof.scores)
    frr = live.below(at) / len(live.scores)
    shown = f"threshold {level.threshold.value:.4g}, {level.threshold.rule.origin}"
    axes.scatter(_shown(far), _shown(frr), s=60, color="#b91c1c", clip_on=False, zorder=5, label=shown)
    ends = _deviate([_LOW, _HIGH])
    axes.plot(ends, ends, color="#a1a1aa", linewidth=0.8, linestyle=":")
    axes.set(
        xlim=ends, ylim=ends, xlabel="attacks accepted, APCER (%)", ylabel="bona fide rejected, BPCER (%)"
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(_deviate(_TICKS), [f"{100 * tick:g}" for tick in _TICKS])
    axes.tick_params(labelsize=8)
    axes.grid(color="#e4e4e7", linewidth=0.6)
    axes.set_title(f"{title}: {level.name} level, {len(live.scores)} bona fide", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    _save(figure, path)


@mpl.rc_context({"text.parse_math": False})
def write_table(level: Level, title: str, path: Path) -> None:
    """Write error at the threshold as a table of cells: APCER of each attack, then BPCER, by domain."""
    columns = [("all", level.rates), *(level.domains.items() if len(level.domains) > 1 else [])]
    names = [*level.rates.species, "bona fide (BPCER)"]
    values = np.full((len(names), len(columns)), np.nan)
    texts = {}
    for column, (_, rates) in enumerate(columns):
        cells = [(rates.apcer.get(name), rates.species.get(name, 0)) for name in level.rates.species]
        for row, (found, number) in enumerate([*cells, (rates.at["bpcer"], rates.bona_fide)]):
            if found is not None and found.value is not None:
                values[row, column] = found.value
                texts[row, column] = f"{100 * found.value:.1f} %\nof {number}"
    figure = Figure(figsize=(2.6 + 1.15 * len(columns), 1.5 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(values, cmap="YlOrRd", vmin=0, vmax=0.6, aspect="auto")
    for (row, column), text in texts.items():
        dark = values[row, column] > 0.4
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axes.set_xticks(range(len(columns)), [name for name, _ in columns], fontsize=8, rotation=20, ha="right")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.axhline(len(names) - 1.5, color="#18181b", linewidth=1)
    axes.set_title(
        f"{title}: {level.name} level\nthreshold {level.threshold.rule.origin}", fontsize=9, loc="left"
    )
    bar = figure.colorbar(picture, ax=axes, extend="max", format=lambda value, _: f"{100 * value:.0f} %")
    bar.ax.tick_params(labelsize=7)
    _save(figure, path)


def _curve(live: Group, attacks: Group) -> tuple[Values, Values]:
    thresholds = cuts(live, attacks)
    far = 1 - attacks.below(thresholds) / len(attacks.scores)
    return _shown(far), _shown(live.below(thresholds) / len(live.scores))


def _shown(shares: Values) -> Values:
    found: Values = _deviate(np.clip(shares, _LOW, _HIGH))
    return found


def _save(figure: Figure, path: Path) -> None:
    try:
        # without the library's version, so that equal data gives equal bytes
        with whole(path) as hidden:
            figure.savefig(hidden, format="png", dpi=120, metadata={"Software": None})
    except OSError as error:
        raise TargetError(f"cannot write {path} ({error.strerror}); choose another -o") from None
