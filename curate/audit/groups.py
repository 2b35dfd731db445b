"""Whether a probe errs more for some groups of people, and whether forgetting the group mends it.

The worst gap is that of the group whose error is farthest from all others' together. Taken by itself the
largest of many differences is large by chance; its interval is simultaneous over all groups (max-t bootstrap;
Romano and Wolf 2005, Econometrica 73), so it excludes 0 for one dataset in twenty where no group differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import Codes, Floats, Mask, clusters_of, coded, drawn_sums, spread, told
from facedata.curate.audit.grouping import graded, numbered
from facedata.curate.audit.probe import Answers, compact, embeddings_of, finite, out_of_fold, unthreaded

__all__ = ["GROUPS", "GroupThresholds", "group_directions", "groups", "worst_gap"]

Embeddings = NDArray[np.float32]

_AGES = (0, 18, 30, 45, 60, 200)


class GroupThresholds(Thresholds):
    """Which attributes name groups, and how much more a probe may err for one of them."""

    attributes: tuple[str, ...] = Field(
        ("gender", "sex", "race", "ethnicity", "skin_tone", "age", "age_group"),
        description="attributes whose values are groups; ages become 0-17, 18-29, 30-44, 45-59, 60+",
    )
    warn_gap: float = Field(0.02, description="warn where the lower end of the worst gap in error exceeds it")
    fail_gap: float = Field(0.05, description="fail where it exceeds this")
    least: int = Field(30, description="rows of every class under which a group is left out", ge=2)
    folds: int = Field(5, description="folds, whole clusters each", ge=2)
    rows: int = Field(10_000, description="rows that one model is fitted on at most", ge=100)
    strength: float = Field(0.01, description="inverse of the L2 penalty on weights of scaled numbers", gt=0)
    draws: int = Field(500, description="draws of clusters for intervals", ge=20)
    seed: int = 0
    shown: int = Field(12, description="samples that a finding names")


@dataclass(frozen=True, slots=True)
class _Gap:
    errors: list[Estimate]
    worst: int
    value: Estimate
    drawn: Floats


@unthreaded
def groups(rows: Rows, limits: GroupThresholds) -> Outcome:
    """Return the error of a probe of the label (else of the expression) by group, and the worst gap.

    An error is the mean over the classes of the share that the probe gets wrong, out of fold: for live and
    spoof the ACER. It is measured twice, the second time with the directions projected away along which the
    groups' means differ within classes (learned in the same folds). Fields: `wrong`, 0 or 1;
    `wrong_without_<attribute>`, with its directions projected away.
    """
    frame = rows.frame
    embeddings = compact(embeddings_of(rows), limits.seed)
    column = "label" if frame["label"].notna().any() else "expression"
    classes = numbered(frame[column])
    usable = finite(embeddings) & (classes >= 0)
    named = list(_named(frame, classes, usable, limits))
    clusters = clusters_of(frame)[usable]
    if len(np.unique(classes[usable])) < 2 or not named or len(np.unique(clusters)) < limits.folds:
        return Outcome(
            "skipped",
            f"No attribute of {', '.join(limits.attributes)} names two groups with {limits.least} rows of "
            f"every class, of {limits.folds} persons or families.",
        )
    ask = _Asking(embeddings[usable], classes[usable], clusters, limits)
    before = ask.errors()
    fields = {"wrong": _scattered(before, usable)}
    tables, numbers, findings = [], {}, []
    worst: tuple[float, str] = (-1.0, "")
    for name, values, labels in named:
        codes = values[usable]
        after = ask.errors(codes)
        gap, left = (worst_gap(one, ask.classes, codes, ask.clusters, ask.draws) for one in (before, after))
        change = estimate(np.concatenate([[left.value.value or 0], left.drawn]) - _first(gap), ask.draws)
        count = int((codes >= 0).sum())
        numbers[name] = {
            "gap": {**spread(gap.value, count), "group": labels[gap.worst]},
            "gap after projection": {**spread(left.value, count), "group": labels[left.worst]},
            "change": spread(change, count),
            "group told from embeddings": ask.told_apart(codes),
            "group told after projection": ask.told_apart(codes, codes),
        }
        fields[f"wrong_without_{name}"] = _scattered(after, usable)
        tables.append(_table(name, labels, codes, gap, left))
        low = gap.value.low or 0.0
        if low > limits.warn_gap:
            findings.append(
                _finding(frame, name, labels[gap.worst], values == gap.worst, fields, gap, limits)
            )
        worst = max(
            worst,
            (
                low,
                f"{name} {labels[gap.worst]}: {told(gap.value, 3)}, after projection {told(left.value, 3)}",
            ),
        )
    return Outcome(
        graded(worst[0], limits.warn_gap, limits.fail_gap),
        f"The worst gap in a probe's error is that of {worst[1]}.",
        numbers=numbers,
        findings=findings,
        fields=fields,
        tables={"error by group": pd.concat(tables, ignore_index=True)},
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """The rows that are asked, and the settings of the probe."""

    embeddings: Embeddings
    classes: Codes
    clusters: Codes
    limits: GroupThresholds

    @property
    def draws(self) -> Draws:
        return Draws(count=self.limits.draws, seed=self.limits.seed)

    def errors(self, forget: Codes | None = None) -> Floats:
        """Return 1 for each row whose class the probe gets wrong, with a group forgotten or none."""
        return np.asarray(self._probe(self.classes, forget).said != self.classes, dtype=np.float64)

    def told_apart(self, codes: Codes, forget: Codes | None = None) -> float:
        """Return the balanced accuracy with which a probe tells the groups, by embeddings, out of fold."""
        which = codes >= 0
        said = self._probe(codes, forget, which).said
        truth = codes[which]
        return float(np.mean([(said[truth == one] == one).mean() for one in np.unique(truth)]))

    def _probe(self, target: Codes, forget: Codes | None, which: Mask | None = None) -> Answers:
        which = np.ones(len(target), bool) if which is None else which
        prepare = None if forget is None else _forgetting(self.classes[which], forget[which])
        limits = self.limits
        return out_of_fold(
            self.embeddings[which],
            target[which],
            self.clusters[which],
            folds=limits.folds,
            rows=limits.rows,
            strength=limits.strength,
            seed=limits.seed,
            prepare=prepare,
        )


def group_directions(embeddings: Embeddings, classes: Codes, codes: Codes) -> Embeddings:
    """Return orthonormal directions (d, at most groups - 1) along which groups differ within classes.

    They span the differences of the groups' means, each mean being that of the group's class means, so that a
    group with more spoofs does not drag the direction of spoofs along. Rows of no group (-1) do not count.
    """
    kinds = np.unique(classes[codes >= 0])
    means = []
    for group in np.unique(codes[codes >= 0]):
        mine = codes == group
        if all((mine & (classes == kind)).any() for kind in kinds):
            means.append(np.mean([embeddings[mine & (classes == kind)].mean(0) for kind in kinds], axis=0))
    away = np.stack(means).astype(np.float64) if len(means) > 1 else np.zeros((1, embeddings.shape[1]))
    away -= away.mean(0)
    _, sizes, directions = np.linalg.svd(away, full_matrices=False)
    return np.asarray(directions[sizes > 1e-9 * max(sizes[0], 1e-30)].T, dtype=np.float32)


def _forgetting(
    classes: Codes, codes: Codes
) -> Callable[[Embeddings, Codes], Callable[[Embeddings], Embeddings]]:
    """Return a preparation that projects embeddings on what is orthogonal to the groups' directions."""

    def prepare(embeddings: Embeddings, fitted: Codes) -> Callable[[Embeddings], Embeddings]:
        directions = group_directions(embeddings[fitted], classes[fitted], codes[fitted])
        return lambda given: np.asarray(given - (given @ directions) @ directions.T, dtype=np.float32)

    return prepare


def worst_gap(wrong: Floats, classes: Codes, codes: Codes, clusters: Codes, draws: Draws) -> _Gap:
    """Return each group's error, and the largest difference of a group's error and that of all others.

    `wrong` is (n,), 0 or 1; `codes` are groups, -1 for rows of none. The error is balanced over classes.
    """
    kinds, count = int(classes.max()) + 1, int(codes.max()) + 1
    known = codes >= 0
    cells = codes[known] * kinds + classes[known]
    columns = np.zeros((int(known.sum()), 2 * kinds * count))
    columns[np.arange(len(cells)), cells] = wrong[known]
    columns[np.arange(len(cells)), kinds * count + cells] = 1
    sums = drawn_sums(columns, clusters[known], draws).reshape(-1, 2, count, kinds)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = (sums[:, 0] / sums[:, 1]).mean(-1)
        rest = sums.sum(2, keepdims=True) - sums
        gaps = own - (rest[:, 0] / rest[:, 1]).mean(-1)
    errors = [estimate(own[:, group], draws) for group in range(count)]
    worst = int(np.nanargmax(np.abs(gaps[0])))
    drawn = np.abs(gaps[1:, worst])
    if len(gaps) < 3:
        return _Gap(errors, worst, Estimate(float(abs(gaps[0, worst]))), drawn)
    scale = np.maximum(np.nanstd(gaps[1:], axis=0), 1e-12)
    most = np.nanmax(np.abs(gaps[1:] - gaps[0]) / scale, axis=1)
    reach = float(np.nanquantile(most, draws.level)) * float(scale[worst])
    value = float(abs(gaps[0, worst]))
    return _Gap(errors, worst, Estimate(value, max(0.0, value - reach), min(1.0, value + reach)), drawn)


def _first(gap: _Gap) -> Floats:
    return np.concatenate([[gap.value.value or 0.0], gap.drawn])


def _named(
    frame: pd.DataFrame, classes: Codes, usable: Mask, limits: GroupThresholds
) -> Iterator[tuple[str, Codes, list[str]]]:
    """Yield each attribute that names two groups or more: name, codes (-1: none or too few rows), labels."""
    kinds = np.unique(classes[usable])
    for name in limits.attributes:
        found = frame["attributes"].map(lambda row, name=name: None if row is None else row.get(name))
        values = found.map(lambda value, name=name: _group(name, value)).where(usable, None)
        table = pd.crosstab(values, pd.Series(classes)).reindex(columns=kinds, fill_value=0)
        labels = sorted(table.index[(table >= limits.least).all(axis=1)])
        if len(labels) > 1:
            yield name, coded(values, labels), labels


def _group(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, list | dict):
        return None
    if name == "age" and isinstance(value, int | float):
        place = int(np.searchsorted(_AGES, value, "right")) - 1
        return f"{_AGES[place]}-{_AGES[place + 1] - 1}" if place + 2 < len(_AGES) else f"{_AGES[-2]}+"
    return str(value)


def _scattered(values: Floats, where: Mask) -> Floats:
    field = np.full(len(where), np.nan)
    field[where] = values
    return field


def _table(name: str, labels: list[str], codes: Codes, gap: _Gap, left: _Gap) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "attribute": name,
            "group": labels,
            "rows": np.bincount(codes[codes >= 0], minlength=len(labels)),
            "error": [one.value for one in gap.errors],
            "low": [one.low for one in gap.errors],
            "high": [one.high for one in gap.errors],
            "after projection": [one.value for one in left.errors],
        }
    )


def _finding(
    frame: pd.DataFrame,
    name: str,
    label: str,
    mine: Mask,
    fields: dict[str, Floats],
    gap: _Gap,
    limits: GroupThresholds,
) -> Finding:
    errors = frame.loc[mine & (fields["wrong"] == 1), "sample_id"].head(limits.shown)
    return Finding(
        tuple(errors),
        f"a probe's error for {name} {label} is {told(gap.errors[gap.worst], 3)}, {told(gap.value, 3)} away "
        "from the others': add rows of that group in every class, or look at how they were taken",
        gap.value.low or 0.0,
    )


GROUPS = Audit(
    name="groups",
    title="Gaps between groups",
    about=(
        "How much more a linear probe errs for one group of people (age, gender, race) than for the others, "
        "with a simultaneous interval, and what is left when the groups' directions are projected away."
    ),
    run=groups,
    thresholds=GroupThresholds,
    needs=("embeddings",),
    source="FVL-FP (orthogonal projection of group directions); max-t intervals: Romano and Wolf 2005",
)
