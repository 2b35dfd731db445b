"""From counts to measures with intervals: a section of rows for each kind of thing that was answered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedata.annotate.score.agreement import (
    ac1,
    accuracy,
    icc_consistency,
    kappa,
    precision_recall_f1,
)
from facedata.annotate.score.bootstrap import Drawn, Draws, Estimate, estimate
from facedata.annotate.score.boxes import CONFIDENCES, average_precision
from facedata.annotate.score.ratios import mean_of_defined, share_of
from facedata.annotate.score.scores import Row, Section
from facedata.annotate.score.tally import ALL, CLASSES, SIDE, THRESHOLDS, Tally

__all__ = ["sections"]

Values = NDArray[np.float64]

_SUMS = (
    *("units", "levels", "classes", "answers", "claims", "boxes", "texts"),
    *("named_units", "claimed_units", "named_expression"),
)


def sections(tally: Tally, subjects: int, draws: Draws) -> tuple[Section, ...]:
    """Return what a task's counts come to; parts that were not answered, or have no truth, are left out."""
    drawn = {name: getattr(tally, name).drawn(intervals=subjects > 1) for name in _SUMS}
    made = [
        _units(drawn["units"], draws),
        _levels(drawn["levels"], draws) if tally.graded else None,
        _classes(drawn["classes"], draws),
        _answers(drawn["answers"], draws),
        _claims(drawn["claims"], draws),
        _boxes(drawn["boxes"], draws),
        _texts(drawn["texts"], draws),
        _rege(drawn, draws),
    ]
    return tuple(section for section in made if section is not None)


def _units(drawn: Drawn, draws: Draws) -> Section | None:
    if not drawn.groups:
        return None
    confusion = drawn.both(_confusion)
    measures = dict(zip(("precision", "recall", "f1"), _of_present(confusion), strict=True))
    measures |= {"kappa": kappa(confusion), "ac1": ac1(confusion)}
    support = confusion[0, :, 1].sum(-1)
    rows = []
    for number, unit in _in_order(drawn):
        counts = {"coded": int(confusion[0, number].sum()), "present": int(support[number])}
        rows.append(Row(f"AU{unit}", counts, _estimates(measures, number, draws)))
    shown = support > 0
    mean = {name: estimate(mean_of_defined(values[:, shown]), draws) for name, values in measures.items()}
    rows.append(Row("mean", {"coded": int(confusion[0].sum()), "present": int(support.sum())}, mean))
    about = "Over the units that were coded; the mean is of the units that show in at least one sample."
    return Section("action units", about, tuple(rows))


def _levels(drawn: Drawn, draws: Draws) -> Section | None:
    if not drawn.groups:
        return None
    n, x, y, xx, yy, xy = np.moveaxis(drawn.both(lambda sums: sums), -1, 0)
    products = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
    icc = icc_consistency(n, np.stack([x, y], -1), products)
    rows = [
        Row(f"AU{unit}", {"graded": int(n[0, number])}, {"icc": estimate(icc[:, number], draws)})
        for number, unit in _in_order(drawn)
    ]
    rows.append(Row("mean", {"graded": int(n[0].sum())}, {"icc": estimate(mean_of_defined(icc), draws)}))
    about = (
        "ICC(3,1) of intensities 0-5, absent being 0; units that are present without a grade are left out."
    )
    return Section("intensity", about, tuple(rows))


def _classes(drawn: Drawn, draws: Draws) -> Section | None:
    rows = []
    for what in (*CLASSES, SIDE):
        pairs = [group for group in drawn.groups if isinstance(group, tuple) and group[0] == what]
        if not pairs:
            continue
        confusion = _class_confusion(drawn, pairs)
        _, recall, f1 = precision_recall_f1(confusion)
        measures = {
            "accuracy": accuracy(confusion),
            "macro_f1": mean_of_defined(f1),
            "uar": mean_of_defined(recall),
        }
        counts = {"answers": int(confusion[0].sum()), "classes": confusion.shape[-2]}
        rows.append(Row(what, counts, {name: estimate(one, draws) for name, one in measures.items()}))
    about = (
        "Over the classes of the truth; uar is the unweighted average recall. side is of the units that show."
    )
    return Section("classes", about, tuple(rows)) if rows else None


def _answers(drawn: Drawn, draws: Draws) -> Section | None:
    if not drawn.groups:
        return None
    sums = drawn.both(lambda one: one)
    kinds = sorted(zip(map(str, drawn.groups), range(len(drawn.groups)), strict=True))
    rows = [_answers_row(kind, sums[:, number], draws) for kind, number in kinds]
    rows.append(_answers_row(ALL, sums.sum(1), draws))
    about = (
        "Questions by what is asked about. balanced is the mean recall of yes and of no; said_yes, of the "
        "questions for yes or no, is the share that was answered yes, to be held against what is true."
    )
    return Section("answers", about, tuple(rows))


def _answers_row(kind: str, sums: Values, draws: Draws) -> Row:
    number, hit, yes, yes_hit, no, no_hit, said = np.moveaxis(sums, -1, 0)
    measures = {
        "accuracy": share_of(hit, number),
        "balanced": (share_of(yes_hit, yes) + share_of(no_hit, no)) / 2,
        "said_yes": share_of(said, yes + no),
    }
    counts = {"answers": round(number[0]), "true_yes": round(yes[0]), "true_no": round(no[0])}
    return Row(kind, counts, {name: estimate(one, draws) for name, one in measures.items()})


def _class_confusion(drawn: Drawn, pairs: list[tuple[str, str, str]]) -> Values:
    """Return counts (1 + draws, q, q + 1); the last column holds answers that are none of the classes."""
    classes = {name: number for number, name in enumerate(sorted({truth for _, truth, _ in pairs}))}
    counts = drawn.both(lambda sums: sums[..., 0])
    confusion = np.zeros((len(counts), len(classes), len(classes) + 1))
    for number, group in enumerate(drawn.groups):
        if group in pairs:
            _, truth, said = pairs[pairs.index(group)]
            confusion[:, classes[truth], classes.get(said, len(classes))] += counts[:, number]
    return confusion


def _claims(drawn: Drawn, draws: Draws) -> Section | None:
    if not drawn.groups:
        return None
    supported, contradicted, unjudged, found, shown = np.moveaxis(
        drawn.both(lambda sums: sums[..., 0, :]), -1, 0
    )
    made = supported + contradicted + unjudged
    if not made[0]:
        return None  # a task about something else
    measures = {
        "precision": share_of(supported, made),
        "contradiction": share_of(contradicted, made),
        "not_judged": share_of(unjudged, made),
        "recall": share_of(found, shown),
    }
    row = Row(
        "claims", {"claims": int(made[0])}, {name: estimate(one, draws) for name, one in measures.items()}
    )
    about = "Claims of action units in the text, with polarity; not judged are those of units not coded."
    return Section("claims", about, (row,))


def _boxes(drawn: Drawn, draws: Draws) -> Section | None:
    if not drawn.groups:
        return None
    sums = drawn.both(lambda one: one)
    groups = sorted(zip(map(str, drawn.groups), range(len(drawn.groups)), strict=True))
    rows = [_boxes_row(name, sums[:, number], draws) for name, number in groups]
    if len(rows) > 1:
        rows.append(_boxes_row(ALL, sums.sum(1), draws))
    about = (
        "Boxes paired one to one, or by the part of the face; answers without confidences are ranked alike."
    )
    return Section("localisation", about, tuple(rows))


def _boxes_row(name: str, sums: Values, draws: Draws) -> Row:
    measures = {"iou": share_of(sums[:, 1], sums[:, 0])}
    for number, threshold in enumerate(THRESHOLDS):
        first = 3 + 2 * CONFIDENCES * number
        hits, misses = (
            sums[:, first : first + CONFIDENCES],
            sums[:, first + CONFIDENCES : first + 2 * CONFIDENCES],
        )
        measures[f"ap@{threshold}"] = average_precision(hits, misses, sums[:, 2])
    counts = {"pictures": int(sums[0, 0]), "boxes": int(sums[0, 2])}
    return Row(name, counts, {key: estimate(one, draws) for key, one in measures.items()})


def _texts(drawn: Drawn, draws: Draws) -> Section | None:
    if not drawn.groups:
        return None
    sums = drawn.both(lambda one: one[..., 0, :])
    measures = {
        name: share_of(sums[:, column], sums[:, 0])
        for column, name in ((1, "rouge_l"), (2, "meteor"), (3, "cider"))
    }
    row = Row(
        "text", {"texts": int(sums[0, 0])}, {name: estimate(one, draws) for name, one in measures.items()}
    )
    about = "ROUGE-L and METEOR (exact and stem, no synonyms) 0-1, CIDEr-D 0-10, against the truth's texts."
    return Section("text", about, (row,))


def _rege(drawn: dict[str, Drawn], draws: Draws) -> Section | None:
    texts = drawn["texts"]
    if not texts.groups:
        return None
    sums = texts.both(lambda one: one[..., 0, :])
    generation = share_of(sums[:, 1], sums[:, 0])
    rows = []
    if drawn["named_units"].groups:
        published, aware = (_unit_recognition(drawn[name]) for name in ("named_units", "claimed_units"))
        rows.append(_rege_row("action units", published, aware, generation, draws))
    if drawn["named_expression"].groups:
        counts = drawn["named_expression"].both(lambda one: one[..., 0, :])
        pairs = [one for one in drawn["classes"].groups if isinstance(one, tuple) and one[0] == "expression"]
        aware = accuracy(_class_confusion(drawn["classes"], pairs))
        rows.append(_rege_row("expression", share_of(counts[:, 1], counts[:, 0]), aware, generation, draws))
    about = (
        "Recognition (F1 of action units, accuracy of expressions) plus ROUGE-L, 0-2: as published, by words "
        "in the text, and by claims with their polarity and the answer's stated expression."
    )
    return Section("rege", about, tuple(rows)) if rows else None


def _rege_row(name: str, published: Values, aware: Values, generation: Values, draws: Draws) -> Row:
    measures = {"recognition": published, "rouge_l": generation, "rege": published + generation}
    measures |= {"recognition_polarity": aware, "rege_polarity": aware + generation}
    return Row(name, {}, {key: estimate(one, draws) for key, one in measures.items()})


def _unit_recognition(drawn: Drawn) -> Values:
    confusion = drawn.both(_confusion)
    shown = confusion[0, :, 1].sum(-1) > 0
    return mean_of_defined(_of_present(confusion)[2][:, shown])


def _confusion(cells: Values) -> Values:
    """Return counts (..., 2, 2), truth by answer, absent before present, from (..., 4): tp, fp, fn, tn."""
    return cells[..., [3, 1, 2, 0]].reshape(*cells.shape[:-1], 2, 2)


def _of_present(confusion: Values) -> tuple[Values, Values, Values]:
    precision, recall, f1 = precision_recall_f1(confusion)
    return precision[..., 1], recall[..., 1], f1[..., 1]


def _in_order(drawn: Drawn) -> Iterator[tuple[int, object]]:
    return iter(sorted(enumerate(drawn.groups), key=lambda one: int(str(one[1]))))


def _estimates(measures: dict[str, Values], number: int, draws: Draws) -> dict[str, Estimate]:
    return {name: estimate(values[:, number], draws) for name, values in measures.items()}
