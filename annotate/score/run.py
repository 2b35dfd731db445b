"""`facedata annotate score`: two sides read, paired, counted and measured."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pyarrow import RecordBatch

from facedata.annotate.score.bootstrap import Draws
from facedata.annotate.score.measures import sections
from facedata.annotate.score.parts import Parts, parts_for
from facedata.annotate.score.reading import (
    ANSWER_COLUMNS,
    ROW_COLUMNS,
    TRUTH_COLUMNS,
    Answered,
    Side,
    Truth,
    TruthKind,
    answered,
    asked_in,
    read_truth,
    said_in,
)
from facedata.annotate.score.scores import Scores, TaskScores
from facedata.annotate.score.tally import CLASSES, Pair, Tally
from facedata.annotate.score.text import words
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.datasets.errors import SourceError, UsageError

__all__ = ["Scoring", "score"]

_OTHER_NAMES = {"class": "attack_class", "regions": "parts"}
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
    """Reads both sides twice, part by part: for what is asked, then to count."""

    def __init__(self, left: Side, right: Side, scoring: Scoring, *, references: bool) -> None:
        self.left, self.right, self.scoring, self.references = left, right, scoring, references
        self.records = self.absent = self.alone = 0
        self.asked: dict[str, frozenset[str]] = {}
        self.questions: Counter[str] = Counter()
        self.subjects: set[str] = set()
        self.tallies: dict[str, Tally] = defaultdict(lambda: Tally(scoring.draws))

    def run(self) -> Scores:
        with TemporaryDirectory(prefix="facedata-score-") as folder:
            self._lay_out(Path(folder))
            self._survey()
            unknown = self._count()
        subjects = self.alone + len(self.subjects)
        found = []
        for task, tally in sorted(self.tallies.items()):
            tally.finish()
            if tally.counts:
                found.append(TaskScores(task, _counts(tally), sections(tally, subjects, self.scoring.draws)))
        return Scores(
            str(self.left.path),
            str(self.right.path),
            tuple(found),
            subjects,
            self.scoring.draws,
            tuple(self._notes(unknown, subjects)),
        )

    def _lay_out(self, folder: Path) -> None:
        left, right, tasks = self.left, self.right, self.scoring.tasks
        self.parts = parts_for(max(left.length(), right.length()))
        given, told, rows, names = (
            Parts(folder, name, self.parts) for name in ("given", "told", "rows", "names")
        )
        found: set[str] = set()

        def seen(batch: RecordBatch) -> None:
            self.records += batch.num_rows
            found.update(batch.column("task").unique().to_pylist())

        given.write(right.batches(ANSWER_COLUMNS, tasks), seen)
        if not self.records:
            raise SourceError(f"{right.path} has no records{_of(tasks)}; nothing is there to score")
        if self.references or self.scoring.truth == "answers" or left.dataset is None:
            told.write(left.batches(TRUTH_COLUMNS))
        rows.write(left.samples(ROW_COLUMNS))
        names.write(right.samples(("sample_id", "subject")))
        self.given, self.told, self.rows, self.names, self.tasks = given, told, rows, names, found

    def _survey(self) -> None:
        """Find what each task asks for, who the subjects are, and which words of the references are rare."""
        asked: dict[str, set[str]] = {task: set() for task in self.tasks}
        known_any = False
        for part in range(self.parts):
            given: set[tuple[str, str]] = set()
            for row in self.given.rows(part, "sample_id", "task", "structured"):
                given.add((row["sample_id"], row["task"]))
                fields, questions = asked_in(row)
                asked[row["task"]] |= fields
                self.questions[row["task"]] = max(self.questions[row["task"]], questions)
            expected: set[tuple[str, str]] = set()
            texts: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
            known = set()
            for row in self.told.rows(part):
                if self.left.dataset is None or self.scoring.truth == "answers":
                    known.add(row["sample_id"])
                place = (row["sample_id"], row["task"])
                if self.references and row["task"] in self.tasks:
                    expected.add(place)
                    asked[row["task"]] |= asked_in(row)[0]
                    if text := said_in(row):
                        texts[place].append(words(text))
            subjects = {
                row["sample_id"]: row["subject"] for row in self.rows.rows(part, "sample_id", "subject")
            }
            known |= subjects.keys()
            known_any = known_any or any(sample in known for sample, _ in given)
            missing = expected - given if self.scoring.missing else set()
            self.absent += sum(sample in known for sample, _ in missing)
            self._name(part, {sample for sample, _ in given | missing} & known, subjects)
            for place in sorted((given | missing) & texts.keys()):
                if place[0] in known:
                    self.tallies[place[1]].cider.learn(texts[place])
        if not known_any:
            raise SourceError(
                f"no sample that {self.right.path} answers is in {self.left.path}; give the dataset that was "
                "annotated"
            )
        self.asked = {task: frozenset(fields) or _asked_by_stock(task) for task, fields in asked.items()}

    def _name(self, part: int, samples: set[str], subjects: Mapping[str, str | None]) -> dict[str, int]:
        """Count the subjects of samples, and return the keys of their draws; who names none is alone."""
        other = {row["sample_id"]: row["subject"] for row in self.names.rows(part)}
        keys = {}
        for sample in samples:
            name = subjects.get(sample)
            name = other.get(sample) if name is None else name
            keys[sample] = self.scoring.draws.key(f"sample {sample}" if name is None else f"subject {name}")
            if name is not None:
                self.subjects.add(name)
            elif not self.asked:  # counted once, in the first reading
                self.alone += 1
        return keys

    def _count(self) -> int:
        """Count all answers, and return how many are about samples that the truth does not hold."""
        unknown = number = 0
        every = frozenset[str]().union(*self.asked.values())
        for part in range(self.parts):
            given = set(_places(self.given, part))
            missing: set[tuple[str, str]] = set()
            if self.references and self.scoring.missing:
                told = set(_places(self.told, part))
                missing = {place for place in told if place[1] in self.tasks} - given
            truth = read_truth(
                self.rows.rows(part),
                self.told.rows(part),
                {sample for sample, _ in given | missing},
                self.scoring.truth,
                dataset=self.left.dataset,
                references=self.references,
                asked=every,
            )
            keys = self._name(part, set(truth.facts), truth.subjects)
            left_out = (Answered(*place, None, "", "missing") for place in sorted(missing))
            for one in itertools.chain(map(answered, self.given.rows(part)), left_out):
                if one.sample_id in truth.facts:
                    self._add(one, truth, keys[one.sample_id])
                elif one.failure == "missing":
                    continue
                else:
                    unknown += 1
                number += 1
                if self.scoring.progress:
                    self.scoring.progress(number, self.records + self.absent)
        return unknown

    def _add(self, one: Answered, truth: Truth, subject: int) -> None:
        tally = self.tallies[one.task]
        if one.failure:
            tally.counts[one.failure] += 1
        asked = self.asked[one.task]
        tally.add(
            Pair(
                subject=subject,
                truth=truth.facts[one.sample_id],
                said=one.said,
                text=one.text,
                references=truth.texts.get((one.sample_id, one.task), ()),
                boxes=truth.boxes(one.sample_id) if "boxes" in asked else None,
                asked=asked,
                questions=self.questions[one.task],
            )
        )

    def _notes(self, unknown: int, subjects: int) -> Iterator[str]:
        if unknown:
            yield f"{unknown} answers are about samples that the truth does not hold; they are left out"
        if self.alone:
            yield f"{self.alone} samples name no subject; each counts as a subject of its own"
        if subjects < 2:
            yield "one subject: there is nothing to draw intervals from"
        elif subjects < _FEW:
            yield f"only {subjects} subjects: intervals from so few are too narrow"


def _places(parts: Parts, part: int) -> Iterator[tuple[str, str]]:
    return ((row["sample_id"], row["task"]) for row in parts.rows(part, "sample_id", "task"))


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
    fields = load_task(task).response.get("properties", {})
    asked = set(fields) & {*CLASSES, "aus", "boxes", "answers"}
    asked |= {name for field, name in _OTHER_NAMES.items() if field in fields}
    if "side" in fields.get("aus", {}).get("items", {}).get("properties", {}):
        asked.add("sides")
    return frozenset(asked)
