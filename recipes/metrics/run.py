"""`facedata eval`: predictions and truth read, parted, tested and written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from facedata.annotate.score.bootstrap import Draws, Estimate
from facedata.annotate.score.scores import Section
from facedata.datasets.errors import SourceError, TargetError, UsageError
from facedata.datasets.record import write_text
from facedata.recipes.metrics.evaluation import Evaluated, Level, evaluate_parts
from facedata.recipes.metrics.labels import label_sections
from facedata.recipes.metrics.parts import (
    Part,
    dev_part,
    fold_parts,
    protocols,
    refuse_unknown,
    test_part,
    tested_rows,
)
from facedata.recipes.metrics.predictions import Predictions, read_predictions
from facedata.recipes.metrics.report import HEADS, Sheet, markdown, per_cent
from facedata.recipes.metrics.thresholds import DEV_EER, parse_rule
from facedata.recipes.metrics.truth import Truth, read_truth

__all__ = ["Evaluating", "Evaluation", "evaluate"]

_MEAN = ("hter", "auc", "eer", "tpr_at_fpr_1", "bpcer", "apcer_max", "acer")


@dataclass(frozen=True)
class Evaluating:
    """How to evaluate.

    `threshold` is as `parse_rule` reads it. `dev` is a dataset whose rows of `dev_split` (all, where it has
    none) the threshold is chosen on, in place of those of the evaluated dataset; their scores are in
    `dev_scores`, or in the same table. `protocol` names a protocol, or a family of them. `leave_missing`
    reports without the rows that have no score, and says how many.
    """

    threshold: str = DEV_EER
    split: str = "test"
    dev_split: str = "val"
    dev: Path | None = None
    dev_scores: Path | None = None
    protocol: str | None = None
    leave_missing: bool = False
    draws: Draws = field(default_factory=Draws)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: of each fold (one, named "", without a protocol), and of labels."""

    title: str
    folds: dict[str, Evaluated]
    labels: tuple[Section, ...]
    draws: Draws
    notes: tuple[str, ...] = ()

    def levels(self) -> dict[str, list[Level]]:
        """Return the folds' levels, by name: those that every fold has."""
        found: dict[str, list[Level]] = {}
        for one in self.folds.values():
            for level in one.levels:
                found.setdefault(level.name, []).append(level)
        return {name: levels for name, levels in found.items() if len(levels) == len(self.folds)}

    def mean(self, level: str = "frame") -> dict[str, float | None]:
        """Return the rates' means over the folds; None where a fold leaves one undefined."""
        found: dict[str, float | None] = {}
        for name in _MEAN:
            values = [one.rates.along.get(name) or one.rates.at[name] for one in self.levels()[level]]
            known = [one.value for one in values if one.value is not None]
            found[name] = fmean(known) if len(known) == len(values) else None
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything, JSON-ready: one test's rates at the top, or the folds and their mean."""
        bootstrap = {"draws": self.draws.count, "seed": self.draws.seed, "level": self.draws.level}
        found: dict[str, Any] = {"evaluated": self.title, "bootstrap": bootstrap, "notes": list(self.notes)}
        if list(self.folds) == [""]:
            one = self.folds[""].to_json()
            found |= {**one, "notes": [*self.notes, *one["notes"]]}
        elif self.folds:
            found["folds"] = {name: one.to_json() for name, one in self.folds.items()}
            found["mean"] = {level: self.mean(level) for level in self.levels()}
        for section in self.labels:
            found[section.title.replace(" ", "_")] = {
                row.name: {**row.counts, **{name: one.to_json() for name, one in row.measures.items()}}
                for row in section.rows
            }
        return found

    def summary(self) -> list[Sheet]:
        """Return, of each level, a line a fold and their mean; nothing where there is one test only."""
        if len(self.folds) < 2:
            return []
        heads = ("", *(HEADS[name] for name in _MEAN))
        found = []
        for name, levels in self.levels().items():
            lines = []
            for fold, level in zip(self.folds, levels, strict=True):
                rates = {**level.rates.at, **level.rates.along}
                lines.append((fold, *(per_cent(rates[key]) for key in _MEAN)))
            lines.append(("mean", *(per_cent(Estimate(value)) for value in self.mean(name).values())))
            rule = levels[0].threshold.rule
            about = f"Thresholds, of each fold its own: {rule.origin}, {rule.told()}."
            found.append(Sheet(f"Folds, {name} level", about, heads, tuple(lines)))
        return found

    def write(self, folder: Path) -> list[Path]:
        """Write metrics.json, metrics.md and the pictures into `folder`, and return their paths."""
        from facedata.recipes.metrics.plots import write_det, write_table

        written, pictures = [folder / "metrics.md", folder / "metrics.json"], []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for fold, found in self.folds.items():
                for level in found.levels:
                    stem = "-".join(filter(None, (fold, level.name)))
                    what = fold or self.title
                    for kind, draw in (("det", write_det), ("attacks", write_table)):
                        path = folder / f"{kind}-{stem}.png"
                        draw(level, what, path)
                        pictures.append((f"{kind} of {what}, {level.name} level", path.name))
                        written.append(path)
            write_text(written[0], self.to_markdown(pictures))
            write_text(written[1], json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n")
        except OSError as error:
            raise TargetError(f"cannot write {folder} ({error.strerror}); choose another -o") from None
        return written

    def to_markdown(self, pictures: Sequence[tuple[str, str]] = ()) -> str:
        """Return the report; `pictures` are texts and files beside it."""
        parts = [(name or found.of, found) for name, found in self.folds.items()]
        title = f"Evaluation of {self.title}"
        return markdown(title, self.notes, self.draws, parts, self.summary(), self.labels, pictures)


def evaluate(path: Path, scores: Path | None, how: Evaluating | None = None) -> Evaluation:
    """Evaluate the predictions in `scores` on the dataset at `path`, or a table of scores and labels there.

    Raises UsageError where arguments do not go together or a development set is needed and absent, and
    SourceError where predictions cannot be used; messages name the first sample concerned.
    """
    how = how or Evaluating()
    truth, own = read_truth(path)
    if (own is None) == (scores is None):
        raise UsageError(
            f"{path} is a dataset, so its predictions come with --scores FILE"
            if own is None
            else f"{path} is a table with scores of its own; leave out --scores"
        )
    given = own if own is not None else read_predictions(Path(str(scores)))
    if how.protocol is not None:
        return _folds(truth, given, how)
    if given.folds:
        raise UsageError(f"{given.name} has the column fold; say which protocol with --protocol")
    folds, notes = {}, []
    if "score" not in given.columns:
        if how.dev is not None or how.dev_scores is not None:
            raise UsageError(f"{given.name} has no column score, so nothing needs --dev or --dev-scores")
        refuse_unknown(given, [truth])
    else:
        dev, shared = _dev(truth, given, how)
        refuse_unknown(given, [truth, *shared])
        test = test_part(truth, given, how.split, leave_missing=how.leave_missing)
        folds[""] = evaluate_parts(test, dev, parse_rule(how.threshold), how.draws)
        notes = list(_unused(given, test, dev))
    labels = _labels(truth, given, how)
    if not folds and not labels:
        raise SourceError(
            f"{given.name} predicts {', '.join(given.columns)}, of which {truth.name} has no labels"
            + (f" in its {how.split} rows" if truth.splits() else "")
        )
    return Evaluation(f"{given.name} on {truth.name}", folds, labels, how.draws, tuple(notes))


def _unused(given: Predictions, test: Part, dev: Part | None) -> Iterator[str]:
    used = [part.presentations.table.index for part in (test, dev) if part is not None]
    rest = ~given.table["sample_id"].isin({one for index in used for one in index})
    if rest.any():
        yield f"{int(rest.sum())} scores are of rows that are neither tested nor in the development set"


def _dev(truth: Truth, given: Predictions, how: Evaluating) -> tuple[Part | None, list[Truth]]:
    """Return the development set, and the truths beside `truth` that the scores in `given` may be of."""
    if how.dev is None and how.dev_scores is None:
        return dev_part(truth, given, how.dev_split, whole=False), []
    if parse_rule(how.threshold).origin != "source-dev":
        raise UsageError(
            f"--dev and --dev-scores choose a threshold, and so does --threshold {how.threshold}"
        )
    other, own = (truth, None) if how.dev is None else read_truth(how.dev)
    if own is not None and how.dev_scores is not None:
        raise UsageError(f"{how.dev} is a table with scores of its own; leave out --dev-scores")
    apart = own if how.dev_scores is None else read_predictions(how.dev_scores)
    if apart is not None:
        refuse_unknown(apart, [other])
    part = dev_part(other, apart or given, how.dev_split, whole=how.dev is not None)
    if part is None:
        raise SourceError(f"no row of {other.name} that a threshold could be chosen on has a score")
    return part, [] if apart is not None else [other]


def _folds(truth: Truth, given: Predictions, how: Evaluating) -> Evaluation:
    if how.dev is not None or how.dev_scores is not None:
        raise UsageError("--protocol takes its development set from the source domains; leave out --dev")
    chosen = protocols(str(how.protocol))
    names = [protocol.name for protocol in chosen]
    notes = []
    if not given.folds:
        notes.append(
            "the scores name no folds: the same ones count in each, which is fair only where the model was "
            "trained on none of these domains"
        )
    elif absent := [name for name in names if name not in given.folds]:
        raise SourceError(
            f"{given.name} has no scores of the fold {absent[0]}; it has {', '.join(given.folds)}"
        )
    elif stray := [name for name in given.folds if name not in names]:
        raise UsageError(
            f"{given.name} has the fold {stray[0]}; --protocol {how.protocol} has {', '.join(names)}"
        )
    refuse_unknown(given, [truth])
    folds = {}
    for protocol in chosen:
        scores = given.of_fold(protocol.name) if given.folds else given
        test, dev = fold_parts(truth, scores, protocol, how.dev_split, leave_missing=how.leave_missing)
        folds[protocol.name] = evaluate_parts(test, dev, parse_rule(how.threshold), how.draws)
    title = f"{given.name} on {truth.name}, protocol {how.protocol}"
    return Evaluation(title, folds, (), how.draws, tuple(notes))


def _labels(truth: Truth, given: Predictions, how: Evaluating) -> tuple[Section, ...]:
    if set(given.columns) <= {"score"}:
        return ()
    if truth.dataset is None:
        raise UsageError(
            f"{truth.name} is a table, which can stand alone for scores only; give the dataset and --scores"
        )
    tested, of = tested_rows(truth, how.split)
    clusters = {str(sample): str(name) for sample, name in truth.table["cluster"][tested].items()}
    return label_sections(truth.dataset, given, clusters, how.draws, of=of, leave_missing=how.leave_missing)
