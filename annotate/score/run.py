"""`facedata annotate score`: two sides read, paired, counted and measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facedata.annotate.score.bootstrap import Draws
from facedata.annotate.score.measures import sections
from facedata.annotate.score.reading import Answered, Side, Truth, TruthKind, answers, read_truth, survey
from facedata.annotate.score.scores import Scores, TaskScores
from facedata.annotate.score.tally import CLASSES, Pair, Tally
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.datasets.errors import SourceError, UsageError

__all__ = ["Scoring", "score"]

_FEW = 20  # subjects, below which a cluster bootstrap is known to cover less than it says


@dataclass(frozen=True, slots=True)
class Scoring:
    """How to score.

    `tasks` are scored, or all; `truth` is `labels` (rows of a dataset, evidence of records) or `answers` (the
    structured answers of the truth's records). `missing` counts a record of the truth that has no answer as
    wrong; without it such records are left out.
    """

    tasks: tuple[str, ...] = ()
    truth: TruthKind = "labels"
    missing: bool = True
    draws: Draws = field(default_factory=Draws)
    progress: Callable[[int, int], None] | None = None


def score(truth: str | Path, given: str | Path, scoring: Scoring | None = None) -> Scores:
    """Score the answers at `given` against the truth at `truth`: datasets' folders or files of records.

    Raise UsageError where the truth cannot be had as `scoring` wants it, and SourceError where nothing can be
    compared.
    """
    scoring = scoring or Scoring()
    left, right = Side.open(truth), Side.open(given)
    if right.records is None:
        raise SourceError(f"{right.path} has no answers to score; make some with facedata annotate")
    if scoring.truth == "answers" and left.records is None:
        raise UsageError(f"{left.path} has no answers that could be the truth; pass --truth labels")
    same = left.records is not None and left.records.resolve() == right.records.resolve()
    if same and scoring.truth == "answers":
        raise UsageError(f"{left.path} would be scored against itself; pass --truth labels")
    return _Comparison(left, right, scoring, references=not same).run()


class _Comparison:
    def __init__(self, left: Side, right: Side, scoring: Scoring, *, references: bool) -> None:
        self.left, self.right, self.scoring = left, right, scoring
        given, asked = survey(right, scoring.tasks)
        wanted, self.records = given.keys(), given.total()
        if not wanted:
            raise SourceError(f"{right.path} has no records{_of(scoring.tasks)}; nothing is there to score")
        expected, also_asked = survey(left, tuple(asked)) if references else (Counter(), {})
        self.asked = {task: frozenset(asked[task] | also_asked.get(task, set())) for task in asked}
        for task in [task for task, fields in self.asked.items() if not fields]:
            self.asked[task] = _asked_by_stock(task)
        self.missing = sorted(expected.keys() - wanted) if scoring.missing else []
        samples = {sample for sample, _ in wanted} | {sample for sample, _ in self.missing}
        self.truth = read_truth(left, samples, scoring.truth, references)
        if not self.truth.facts.keys() & {sample for sample, _ in wanted}:
            raise SourceError(
                f"no sample that {right.path} answers is in {left.path}; give the dataset that was annotated"
            )
        self.missing = [place for place in self.missing if place[0] in self.truth.facts]
        self.subjects = _Subjects(self.truth, right, samples)
        self.tallies: dict[str, Tally] = defaultdict(Tally)

    def run(self) -> Scores:
        unknown = 0
        for number, one in enumerate(self._answers(), start=1):
            if self.scoring.progress:
                self.scoring.progress(number, self.records + len(self.missing))
            if one.sample_id in self.truth.facts:
                self._add(one)
            else:
                unknown += 1
        found = []
        for task, tally in sorted(self.tallies.items()):
            tally.finish()
            found.append(
                TaskScores(task, _counts(tally), sections(tally, len(self.subjects), self.scoring.draws))
            )
        return Scores(
            str(self.left.path),
            str(self.right.path),
            tuple(found),
            len(self.subjects),
            self.scoring.draws,
            tuple(self._notes(unknown)),
        )

    def _answers(self) -> Iterator[Answered]:
        yield from answers(self.right, self.scoring.tasks)
        for sample, task in self.missing:
            yield Answered(sample, task, None, "", "missing")

    def _add(self, one: Answered) -> None:
        truth, tally = self.truth, self.tallies[one.task]
        if one.failure:
            tally.counts[one.failure] += 1
        asked = self.asked[one.task]
        tally.add(
            Pair(
                subject=self.subjects.number(one.sample_id),
                image=one.sample_id,
                truth=truth.facts[one.sample_id],
                said=one.said,
                text=one.text,
                references=truth.texts.get((one.sample_id, one.task), ()),
                boxes=truth.boxes(one.sample_id) if "boxes" in asked else None,
                asked=asked,
            )
        )

    def _notes(self, unknown: int) -> Iterator[str]:
        if unknown:
            yield f"{unknown} answers are about samples that the truth does not hold; they are left out"
        if self.subjects.alone:
            yield f"{self.subjects.alone} samples name no subject; each counts as a subject of its own"
        if len(self.subjects) < 2:
            yield "one subject: there is nothing to draw intervals from"
        elif len(self.subjects) < _FEW:
            yield f"only {len(self.subjects)} subjects: intervals from so few are too narrow"


class _Subjects:
    """Numbers of the subjects, by their names' order, so that the draws do not depend on the records' order.

    `alone` counts samples that name none: each of them is a subject of its own.
    """

    def __init__(self, truth: Truth, right: Side, samples: Iterable[str]) -> None:
        names = {sample: truth.subjects.get(sample) for sample in samples if sample in truth.facts}
        if right.dataset is not None and None in names.values():
            for row in right.dataset.rows(("sample_id", "subject")):
                if names.get(row["sample_id"], "") is None:
                    names[row["sample_id"]] = row["subject"]
        self.alone = sum(name is None for name in names.values())
        keys = {sample: (sample, False) if name is None else (name, True) for sample, name in names.items()}
        numbers = {key: number for number, key in enumerate(sorted(set(keys.values())))}
        self._numbers = {sample: numbers[key] for sample, key in keys.items()}
        self._count = len(numbers)

    def number(self, sample_id: str) -> int:
        return self._numbers[sample_id]

    def __len__(self) -> int:
        return self._count


def _of(tasks: Sequence[str]) -> str:
    return f" of {', '.join(tasks)}" if tasks else ""


def _counts(tally: Tally) -> dict[str, int]:
    order: Counter[str] = Counter(dict.fromkeys(("scored", "invalid", "blocked", "missing"), 0))
    order.update(tally.counts)
    return dict(order)


def _asked_by_stock(task: str) -> frozenset[str]:
    """Return what a stock task asks for, where no answer to it could be read."""
    if task not in stock_tasks():
        return frozenset()
    asked = set(load_task(task).response.get("properties", ()))
    if "class" in asked:
        asked.add("attack_class")
    return frozenset(asked & {*CLASSES, "aus", "boxes"})
