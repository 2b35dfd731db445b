"""Whether domains differ in their frequencies: sharper, softer, noisier, with a screen's lattice.

A picture's spectrum is read as a distribution over frequency: each ring's power times its frequency squared,
since pictures of the world fall off about as 1/f^2 (Field 1987) and would otherwise be all lowest ring. The
Wasserstein distance of two such distributions is how far along the frequency axis one has to be moved to be
the other, as a share of the axis.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import Codes, Floats, Mask, clusters_of, drawn_sums, spread, told
from facedata.curate.audit.grouping import graded
from facedata.curate.audit.probe import finite
from facedata.datasets.errors import UsageError

__all__ = ["SPECTRA", "SpectraThresholds", "densities", "spectra", "wasserstein"]


class SpectraThresholds(Thresholds):
    """How far the spectra of two domains may lie apart."""

    warn_distance: float = Field(
        0.02, description="warn where the lower end of a distance exceeds this share of the frequencies", gt=0
    )
    fail_distance: float = Field(0.1, description="fail where it exceeds this", gt=0)
    least: int = Field(20, description="rows of a label under which a domain is left out", ge=2)
    draws: int = Field(300, description="draws of clusters for intervals", ge=20)
    seed: int = 0
    shown: int = Field(6, description="samples of each domain that a finding names")


def densities(spectra: NDArray[np.float32]) -> Floats:
    """Return each picture's whitened spectrum as a distribution over frequency, (n, bands), sums 1."""
    bands = spectra.shape[1]
    frequency = (np.arange(bands) + 0.5) / bands
    logs = spectra.astype(np.float64) + 2 * np.log(frequency)
    mass = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(mass / mass.sum(1, keepdims=True), dtype=np.float64)


def wasserstein(first: Floats, second: Floats) -> Floats:
    """Return the Wasserstein-1 distance, (...), of distributions (..., bands), in shares of the axis.

    >>> wasserstein(np.array([1.0, 0, 0, 0]), np.array([0, 0, 1.0, 0])).item()
    0.5
    """
    return np.asarray(np.abs(np.cumsum(first - second, -1))[..., :-1].sum(-1) / first.shape[-1])


def spectra(rows: Rows, limits: SpectraThresholds) -> Outcome:
    """Return the distances between the domains' mean spectra, within each label.

    Intervals are from whole clusters, less what two draws of one domain differ by: a distance is never
    negative, so chance alone makes it positive. Field `frequency`: the centre of a row's whitened spectrum,
    0 to 1 (Nyquist): low is soft, high is sharp or noisy.
    """
    if rows.spectra is None:
        raise UsageError("the audit needs spectra of the pictures")
    frame = rows.frame
    usable = finite(rows.spectra)
    mass = np.full(rows.spectra.shape, np.nan)
    mass[usable] = densities(rows.spectra[usable])
    bands = rows.spectra.shape[1]
    field = mass @ ((np.arange(bands) + 0.5) / bands)
    labels = frame["label"].fillna("no label")
    clusters, draws = clusters_of(frame), Draws(count=limits.draws, seed=limits.seed)
    found: list[tuple[str, str, str, Estimate, float, float]] = []
    for label in sorted(labels[usable].unique()):
        means = {}
        mine = usable & (labels == label).to_numpy(bool)
        for domain, part in frame["domain"][mine].groupby(frame["domain"][mine]):
            if len(part) >= limits.least:
                places = np.asarray(part.index, dtype=np.int64)
                means[str(domain)] = _drawn_means(mass[places], clusters[places], draws)
        for one, other in combinations(sorted(means), 2):
            centres = [float(means[name][0] @ (np.arange(bands) + 0.5)) / bands for name in (one, other)]
            found.append((label, one, other, _distance(means[one], means[other], draws), *centres))
    if not found:
        return Outcome(
            "skipped", f"No label has two domains with {limits.least} pictures.", fields={"frequency": field}
        )
    table = pd.DataFrame(
        [(*pair, e.value, e.low, e.high, a, b) for *pair, e, a, b in found],
        columns=["label", "domain", "other", "distance", "low", "high", "frequency", "other's"],
    )
    worst = max(found, key=lambda one: one[3].low or 0.0)
    low = worst[3].low or 0.0
    return Outcome(
        graded(low, limits.warn_distance, limits.fail_distance),
        f"The spectra of {worst[0]} pictures of {worst[1]} and {worst[2]} lie {told(worst[3], 3)} of the "
        "frequencies apart, the most of all pairs.",
        numbers={
            f"{label}: {one} and {other}": spread(e, int((usable & (labels == label).to_numpy()).sum()))
            for label, one, other, e, _, _ in found
        },
        findings=[
            _finding(frame, usable, one, limits) for one in found if (one[3].low or 0) > limits.warn_distance
        ],
        fields={"frequency": field},
        tables={"distances": table},
    )


def _drawn_means(mass: Floats, clusters: Codes, draws: Draws) -> Floats:
    sums = drawn_sums(np.column_stack([mass, np.ones(len(mass))]), clusters, draws)
    return sums[:, :-1] / sums[:, -1:]


def _distance(first: Floats, second: Floats, draws: Draws) -> Estimate:
    """Return the distance of two means, (1 + draws, bands) each, with a basic bootstrap interval.

    The draws' distances lie as far above the estimate as it lies above the truth, on average: the interval is
    mirrored (Davison and Hinkley 1997, section 5.2.1), which takes the bias of a distance off.
    """
    count = min(len(first), len(second))
    value = float(wasserstein(first[0], second[0]))
    if count < 3:
        return Estimate(value)
    drawn = wasserstein(first[1:count], second[1:count])  # a person of both domains is drawn in both
    ends = estimate(np.concatenate([[value], drawn]), draws)
    low, high = (2 * value - float(end) for end in (ends.high or value, ends.low or value))
    return Estimate(value, max(0.0, low), max(value, high))


def _finding(
    frame: pd.DataFrame,
    usable: Mask,
    found: tuple[str, str, str, Estimate, float, float],
    limits: SpectraThresholds,
) -> Finding:
    label, one, other, distance, a, b = found
    names: list[str] = []
    for domain in (one, other):
        mine = (
            usable & ((frame["domain"] == domain) & (frame["label"].fillna("no label") == label)).to_numpy()
        )
        names += list(frame.loc[mine, "sample_id"].head(limits.shown))
    sharper, softer = (one, other) if a > b else (other, one)
    return Finding(
        tuple(names),
        f"{label} pictures of {sharper} hold more of the high frequencies than those of {softer} (distance "
        f"{told(distance, 3)}): bring sizes, sharpness and compression together, or vary them in both",
        distance.low or 0.0,
    )


SPECTRA = Audit(
    name="spectra",
    title="Spectral drift between domains",
    about=(
        "How far apart the power spectra of domains lie within a label: blur, noise, resampling, compression "
        "and screens shift them, and a detector that keys on them does not carry over."
    ),
    run=spectra,
    thresholds=SpectraThresholds,
    needs=("spectra",),
    source="SFDA-rPPG: Wasserstein distance in the frequency domain",
)
