"""Picture quality: pictures that are of little use, and looks that tell live from spoof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds, Verdict
from facedata.curate.audit.clusters import auc, clusters_of
from facedata.curate.audit.grouping import MOST_GROUPS, graded, percent, worst

__all__ = [
    "PICTURE_QUALITY",
    "QUALITY_BY_LABEL",
    "LooksThresholds",
    "QualityThresholds",
    "picture_quality",
    "quality_by_label",
]

_MOST_SHOWN = 200  # pictures that a finding names, the worst first


class QualityThresholds(Thresholds):
    """From where on a picture is of little use, and how many of these are borne."""

    blur: float = Field(0.6, description="blur effect above which a picture is blurred, 0-1")
    dark: float = Field(0.5, description="share of black pixels (luma up to 5) above which it is dark")
    bright: float = Field(
        0.5, description="share of white pixels (luma from 250) above which it is burnt out"
    )
    contrast: float = Field(10.0, description="standard deviation of luma below which there is no contrast")
    noise: float = Field(15.0, description="standard deviation of noise, in luma, above which it is noisy")
    jpeg_quality: float = Field(40.0, description="JPEG quality below which it is compressed hard")
    blockiness: float = Field(2.0, description="step on the grid of 8 pixels over others, above: compressed")
    side: float = Field(112.0, description="shorter side, pixels, below which a picture is small")
    eye_distance: float = Field(24.0, description="pixels between the eyes below which a face is small")
    roll: float = Field(45.0, description="degrees beyond which a face lies on its side")
    turn: float = Field(0.5, description="nose off the middle of the eyes, in eye distances: in profile")
    warn: float = Field(0.05, ge=0, le=1, description="share of pictures with a fault")
    fail: float = Field(0.5, ge=0, le=1, description="share of pictures with a fault")


class LooksThresholds(Thresholds):
    """From where on a look tells the label; the nearer end of the interval is compared."""

    warn: float = Field(0.474, ge=0, le=1, description="Cliff's delta of spoof and live: a large effect")
    fail: float = Field(0.8, ge=0, le=1, description="Cliff's delta of spoof and live: an AUC of 0.9")
    least: int = Field(10, ge=2, description="rows that an attack needs to be compared with live")


_FAULTS = (
    ("blurred", "blur", "above"),
    ("dark", "dark", "above"),
    ("burnt out", "bright", "above"),
    ("without contrast", "contrast", "below"),
    ("noisy", "noise", "above"),
    ("compressed", "jpeg_quality", "below"),
    ("blocky", "blockiness", "above"),
    ("small", "side", "below"),
    ("small face", "eye_distance", "below"),
    ("lying face", "roll", "beyond"),
    ("profile", "turn", "beyond"),
)
_LOOKS = (
    *("brightness", "contrast", "sharpness", "blur", "noise", "dark", "bright"),
    *("blockiness", "jpeg_quality", "bits", "side", "eye_distance", "roll", "turn"),
)
_UNSIGNED = ("roll", "turn")  # to which side a face is turned is no matter of quality


def picture_quality(rows: Rows, thresholds: QualityThresholds) -> Outcome:
    """Find pictures that cannot be read, and those that are blurred, clipped, compressed, small or turned."""
    frame, count = rows.frame, len(rows)
    quality = pd.DataFrame(index=frame.index) if rows.quality is None else rows.quality
    ids = frame["sample_id"].to_numpy()
    faulty = np.zeros(count, bool)
    words: list[list[str]] = [[] for _ in range(count)]
    findings, numbers = [], {}
    for name, column, side in _FAULTS:
        if column not in quality:
            continue
        values, limit = quality[column].to_numpy(np.float64), getattr(thresholds, column)
        size = np.abs(values) if side == "beyond" else values
        badness = limit - size if side == "below" else size - limit
        bad = np.nan_to_num(badness, nan=-1.0) > 0
        numbers[name] = int(bad.sum())
        faulty |= bad
        for row in np.flatnonzero(bad):
            words[row].append(name)
        if bad.any():
            order = np.argsort(-np.where(bad, badness, -np.inf), kind="stable")[: min(bad.sum(), _MOST_SHOWN)]
            detail = f"{name} ({column} {side} {limit:g}): {bad.sum()} of {count}, the worst first"
            findings.append(Finding(tuple(ids[order]), detail, float(bad.sum())))
    findings.sort(key=lambda one: -one.score)
    lost = frame["unreadable"].notna().to_numpy()
    unread = [
        Finding((ids[row],), f"not readable: {frame['unreadable'].iloc[row]}", float(count))
        for row in np.flatnonzero(lost)[:MOST_GROUPS]
    ]
    share = float((faulty | lost).mean())
    said = f"{(faulty | lost).sum()} of {count} pictures ({percent(share)}) have a fault"
    if common := sorted(((number, name) for name, number in numbers.items() if number), reverse=True)[:3]:
        said += ": " + ", ".join(f"{number} {name}" for number, name in common)
    if lost.any():
        said += f"; {lost.sum()} cannot be read"
    measured = {name: quality[name].to_numpy(np.float64) for name in _LOOKS if name in quality}
    faults = np.array([", ".join(one) or None for one in words], object)
    faults[lost] = "not readable"
    return Outcome(
        "fail" if lost.any() else graded(share, thresholds.warn, thresholds.fail),
        said,
        numbers={
            "share": share,
            "faulty": int((faulty | lost).sum()),
            "unreadable": int(lost.sum()),
            **numbers,
        },
        findings=unread + findings,
        fields={"faults": faults, **measured},
        tables={"quantiles": _quantiles(measured)},
    )


def quality_by_label(rows: Rows, thresholds: LooksThresholds) -> Outcome:
    """Compare the looks of spoof with those of live, all attacks together and each alone.

    The effect is Cliff's delta: the chance that a spoof has more of a measure than a live picture, less the
    chance that it has less; 0 where both are alike, 1 or -1 where that measure alone tells all. It is 2 AUC
    - 1, with Obuchowski's interval for pictures of one person.
    """
    frame = rows.frame
    spoof, live = (frame["label"] == "spoof").to_numpy(), (frame["label"] == "live").to_numpy()
    if min(spoof.sum(), live.sum()) < 2:
        return Outcome("skipped", "there are no two pictures each of live and spoof")
    quality = pd.DataFrame(index=frame.index) if rows.quality is None else rows.quality
    kinds = {"all attacks": spoof}
    attacks = frame["attack"].where(pd.Series(spoof), None)
    if attacks.nunique() > 1:
        kinds |= {str(one): (attacks == one).to_numpy() for one in sorted(attacks.dropna().unique())}
    lines = _effects(quality, kinds, live, clusters_of(frame), thresholds.least)
    if not lines:
        return Outcome("skipped", "no measure is known of both live and spoof")
    table = pd.DataFrame(lines)
    ids = frame["sample_id"].to_numpy()
    verdicts: list[Verdict] = ["pass"]
    findings = []
    for line in lines:
        verdict = graded(line["sure"], thresholds.warn, thresholds.fail)
        # One attack may look like itself; what a detector could do with all of them is the verdict.
        if line["attack"] == "all attacks":
            verdicts.append(verdict)
        if verdict != "pass":
            way = "more" if line["delta"] > 0 else "less"
            detail = f"{line['attack']}: {way} {line['look']} than live, Cliff's delta {_told(line)}"
            chosen = kinds[line["attack"]]
            findings.append(Finding(_typical(ids, quality[line["look"]], chosen, live), detail, line["sure"]))
    top = max((line for line in lines if line["attack"] == "all attacks"), key=lambda line: line["sure"])
    numbers = {
        kind: {line["look"]: _numbers(line) for line in lines if line["attack"] == kind} for kind in kinds
    }
    return Outcome(
        worst(verdicts),
        f"of all looks, {top['look']} tells spoof from live most: Cliff's delta {_told(top)}",
        numbers={"delta": numbers},
        findings=sorted(findings, key=lambda one: -one.score),
        tables={"delta": table.drop(columns="sure")},
    )


def _effects(
    quality: pd.DataFrame,
    kinds: Mapping[str, NDArray[np.bool_]],
    live: NDArray[np.bool_],
    clusters: NDArray[np.intp],
    least: int,
) -> list[dict[str, Any]]:
    """Return a line for each look and kind of attack of which there are enough rows."""
    lines = []
    for look in _LOOKS:
        if look not in quality:
            continue
        values = quality[look].to_numpy(np.float64)
        values = np.abs(values) if look in _UNSIGNED else values
        for kind, chosen in kinds.items():
            known = (chosen | live) & np.isfinite(values)
            fewest = min((known & chosen).sum(), (known & live).sum())
            if fewest >= (2 if kind == "all attacks" else least):
                lines.append(_effect(look, kind, values[known], chosen[known], clusters[known]))
    return lines


def _effect(
    look: str, kind: str, values: NDArray[np.float64], spoof: NDArray[np.bool_], clusters: NDArray[np.intp]
) -> dict[str, Any]:
    area = auc(values, spoof, clusters)
    ends = [np.nan if one is None else 2 * one - 1 for one in (area.value, area.low, area.high)]
    low, high = ends[1:]
    # How much of an effect there is for sure: the nearer end of the interval, nothing where it holds 0.
    sure = 0.0 if np.isnan(low) or low <= 0 <= high else min(abs(low), abs(high))
    names = ("delta", "low", "high")
    return {
        "attack": kind,
        "look": look,
        **dict(zip(names, ends, strict=True)),
        "n": len(values),
        "sure": sure,
    }


def _typical(
    ids: NDArray[np.object_], values: pd.Series, spoof: NDArray[np.bool_], live: NDArray[np.bool_]
) -> tuple[str, ...]:
    """Return four spoof rows and four live ones about the median of each: what the difference looks like."""
    found: list[str] = []
    numbers = values.to_numpy(np.float64)
    for chosen in (spoof, live):
        places = np.flatnonzero(chosen & np.isfinite(numbers))
        middle = np.abs(numbers[places] - np.median(numbers[places]))
        found += list(ids[places[np.argsort(middle, kind="stable")[:4]]])
    return tuple(found)


def _told(line: dict[str, Any]) -> str:
    return f"{line['delta']:.2f} ({line['low']:.2f} to {line['high']:.2f})"


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    return {"value": line["delta"], "low": line["low"], "high": line["high"], "n": line["n"]}


def _quantiles(measured: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    shares = {"5 %": 0.05, "median": 0.5, "95 %": 0.95}
    lines = [
        {"look": name, "n": int(np.isfinite(values).sum())}
        | {share: float(np.nanquantile(values, at)) for share, at in shares.items()}
        for name, values in measured.items()
        if np.isfinite(values).any()
    ]
    return pd.DataFrame(lines)


PICTURE_QUALITY = Audit(
    name="picture-quality",
    title="Picture quality",
    about="Pictures that cannot be read, or are blurred, clipped, noisy, compressed, small, or show a face "
    "in profile or on its side. Some are meant; the share says whether a filter is wanted.",
    run=picture_quality,
    thresholds=QualityThresholds,
    needs=("quality",),
    source="Crete et al., The blur effect, SPIE 6492, 2007; Immerkaer, Fast noise variance estimation, 1996",
)

QUALITY_BY_LABEL = Audit(
    name="quality-by-label",
    title="Looks that tell live from spoof",
    about="Whether spoof is softer, darker, smaller or harder compressed than live. A detector learns that "
    "in place of the attack, and fails where the attacker has a better camera.",
    run=quality_by_label,
    thresholds=LooksThresholds,
    needs=("quality",),
    source="Cliff, Dominance statistics, Psychological Bulletin 114, 1993; Obuchowski, Biometrics 53, 1997; "
    "thresholds: Romano et al., 2006",
)
