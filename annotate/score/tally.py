"""Counts of one task's answers against the truth: all that the measures are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facedata.annotate.checks.scan import claims
from facedata.annotate.score.answers import right, yes_or_no
from facedata.annotate.score.bootstrap import Bank, Draws, Sums
from facedata.annotate.score.boxes import CONFIDENCES, iou_matrix, match
from facedata.annotate.score.cider import Cider
from facedata.annotate.score.claims import present_in, verdict
from facedata.annotate.score.facts import Box, Facts
from facedata.annotate.score.rege import expression_named, units_named
from facedata.annotate.score.text import meteor, rouge_l, words

__all__ = ["ALL", "CLASSES", "NO_ANSWER", "SIDE", "THRESHOLDS", "Pair", "Tally"]

CLASSES = ("expression", "label", "attack", "attack_class")
SIDE = "side"
"""Stands among the classes for the side of a unit that shows."""
NO_ANSWER = ""
"""Stands for the class of an answer that gives none; no truth has it."""
ALL = "all"
THRESHOLDS = (0.4, 0.5)
_VERDICTS = ("supported", "contradicted", "unjudged")
_WAITING = 512  # answers whose CIDEr is worked out together


@dataclass(slots=True)
class Pair:
    """An answer beside the truth. `said` is None where no answer could be read; that is wrong in everything.

    `subject` is the key of the subject's draws. `boxes` are the true boxes, None where the truth knows none;
    `asked` is what answers to the task speak of, and `questions` how many an answer to it gives at most.
    """

    subject: int
    truth: Facts
    said: Facts | None
    text: str
    references: Sequence[str]
    boxes: tuple[Box, ...] | None
    asked: frozenset[str]
    questions: int = 0


class Tally:
    """Counts of one task."""

    def __init__(self, draws: Draws) -> None:
        self.counts: Counter[str] = Counter()
        self.bank = Bank(draws)
        self.units = Sums(4, self.bank)
        """Of each action unit: true positives, false positives, false negatives, true negatives."""
        self.levels = Sums(6, self.bank)
        """Of each action unit's two intensities x, y: count, x, y, xx, yy, xy."""
        self.graded = False
        """Whether any answer gave an intensity."""
        self.classes = Sums(1, self.bank)
        """Of each (what, truth, answer): their number."""
        self.answers = Sums(7, self.bank)
        """Of each kind of question: number, right; true yes, these right; true no, these right; said yes."""
        self.claims = Sums(5, self.bank)
        """Claims supported, contradicted, unjudged; showing units that are claimed to show, showing units."""
        self.boxes = Sums(3 + 2 * CONFIDENCES * len(THRESHOLDS), self.bank)
        """Pictures with true boxes, their IoU, these boxes; then hits and misses by confidence, by threshold.

        Of the boxes of the medium (`boxes`), and of each part of the face."""
        self.texts = Sums(4, self.bank)
        """Texts, their ROUGE-L, METEOR and CIDEr."""
        self.named_units = Sums(4, self.bank)
        """As `units`, with the units whose numbers stand in the text, as REGE was published."""
        self.claimed_units = Sums(4, self.bank)
        """As `units`, with the units that the text claims to show."""
        self.named_expression = Sums(2, self.bank)
        """Answers, and those that name the true expression, as REGE was published."""
        self.cider = Cider()
        self._waiting: list[tuple[int, list[str], list[list[str]]]] = []

    def add(self, pair: Pair) -> None:
        """Count one answer."""
        self.counts["scored"] += 1
        self.bank.begin(pair.subject)
        self._units(pair)
        self._sides(pair)
        self._classes(pair)
        self._answers(pair)
        if pair.boxes is not None and "boxes" in pair.asked:
            self._boxes(pair, pair.boxes)
        if pair.truth.parts is not None and "parts" in pair.asked:
            self._parts(pair.truth.parts, (pair.said and pair.said.parts) or {})
        if pair.references:
            self._text(pair)
        self._rege(pair, self._claims(pair))

    def finish(self) -> None:
        """Count the CIDEr of the answers that still wait for it."""
        waiting, self._waiting = self._waiting, []
        scores = self.cider.scores([(answer, references) for _, answer, references in waiting])
        if scores is not None:
            for (subject, _, _), score in zip(waiting, scores, strict=True):
                self.bank.begin(subject)
                self.texts.add("text", 3, float(score))

    def _units(self, pair: Pair) -> None:
        truth, said = pair.truth, pair.said
        if truth.coded is None or "aus" not in pair.asked:
            return
        shows = truth.aus or {}
        answered = None if said is None else said.aus or {}
        self.units.count(
            (unit, _cell(unit in shows, None if answered is None else unit in answered))
            for unit in truth.coded
        )
        if answered is None:
            return
        self.counts["units answered that were not coded"] += len(set(answered) - truth.coded)
        both = {unit: (shows.get(unit, 0.0), answered.get(unit, 0.0)) for unit in truth.coded}
        graded = {unit: (x, y) for unit, (x, y) in both.items() if x is not None and y is not None}
        self.levels.count((unit, 0) for unit in graded)
        for unit, (x, y) in graded.items():
            if x or y:
                self.graded = self.graded or bool(y)
                for column, value in enumerate((x, y, x * x, y * y, x * y), start=1):
                    if value:
                        self.levels.add(unit, column, value)

    def _sides(self, pair: Pair) -> None:
        """Count the side of each unit that shows; a unit that is answered without a side is on both."""
        truth, said = pair.truth, pair.said or Facts()
        if truth.coded is None or "sides" not in pair.asked:
            return
        answered, stated = said.aus or {}, said.sides or {}
        for unit, side in (truth.sides or {}).items():
            if unit in truth.coded:
                self.classes.add((SIDE, side, stated.get(unit, "both") if unit in answered else NO_ANSWER), 0)

    def _classes(self, pair: Pair) -> None:
        for what in CLASSES:
            truth = getattr(pair.truth, what)
            if truth is not None and what in pair.asked:
                said = None if pair.said is None else getattr(pair.said, what)
                self.classes.add((what, truth, said or NO_ANSWER), 0)

    def _answers(self, pair: Pair) -> None:
        """Count the questions that were answered; of a failed answer as many as others give at most."""
        known = pair.truth.questions
        if not known or "answers" not in pair.asked:
            return
        if pair.said is None or pair.said.answers is None:
            share = min(1.0, pair.questions / len(known))
            given = [(question, "", share) for question in known]
        else:
            given = [(question, answer, 1.0) for question, answer in dict(pair.said.answers).items()]
        for asked, answer, weight in given:
            question = known.get(asked)
            if question is None:
                self.counts["questions that the truth does not hold"] += 1
                continue
            hit = right(question, answer)
            first = 2 if question.answer == "yes" else 4
            columns = [
                0,
                *([1] if hit else []),
                *([first, *([first + 1] if hit else [])] if question.closed else []),
            ]
            if question.closed and yes_or_no(answer) == "yes":
                columns.append(6)
            for column in columns:
                self.answers.add(question.kind, column, weight)

    def _boxes(self, pair: Pair, truth: tuple[Box, ...]) -> None:
        said = pair.said or Facts()
        overlap, each = match(truth, said.boxes or ())
        for column, value in enumerate((1.0, overlap, float(len(truth))) if truth else ()):
            self.boxes.add("boxes", column, value)
        confidences = said.confidences or (1.0,) * len(each)
        for found, confidence in zip(each, confidences, strict=True):
            self._hit("boxes", float(found), confidence)

    def _parts(self, truth: Mapping[str, Box], said: Mapping[str, Box]) -> None:
        """Count the box of each part of the face; a name that the truth does not have cannot be judged."""
        self.counts["parts that the truth does not hold"] += len(said.keys() - truth.keys())
        for name, box in truth.items():
            found = float(iou_matrix([box], [said[name]])[0, 0]) if name in said else 0.0
            for column, value in enumerate((1.0, found, 1.0)):
                self.boxes.add(name, column, value)
            if name in said:
                self._hit(name, found, 1.0)

    def _hit(self, group: str, overlap: float, confidence: float) -> None:
        level = round(min(max(confidence, 0.0), 1.0) * (CONFIDENCES - 1))
        for number, threshold in enumerate(THRESHOLDS):
            first = 3 + 2 * CONFIDENCES * number + (0 if overlap >= threshold else CONFIDENCES)
            self.boxes.add(group, first + level)

    def _claims(self, pair: Pair) -> frozenset[int]:
        """Count the claims of a text, and return the units that it claims to show."""
        if pair.truth.coded is None:
            return frozenset()  # nothing that its claims could be held against
        made = claims(pair.text)
        present = present_in(made)
        for claim in made:
            self.claims.add("claims", _VERDICTS.index(verdict(claim, pair.truth)))
        shows = frozenset(pair.truth.aus or ()) & pair.truth.coded
        self.claims.add("claims", 3, len(shows & present))
        self.claims.add("claims", 4, len(shows))
        return present

    def _text(self, pair: Pair) -> None:
        answer = words(pair.text)
        references = [words(text) for text in pair.references]
        values = (1.0, rouge_l(answer, references), meteor(answer, references))
        for column, value in enumerate(values):
            self.texts.add("text", column, value)
        self._waiting.append((pair.subject, answer, references))

    def _rege(self, pair: Pair, claimed: frozenset[int]) -> None:
        truth = pair.truth
        if truth.coded is not None and "aus" in pair.asked:
            named, shows, failed = units_named(pair.text), truth.aus or {}, pair.said is None
            self.named_units.count((unit, _cell(unit in shows, unit in named)) for unit in truth.coded)
            self.claimed_units.count(
                (unit, _cell(unit in shows, None if failed else unit in claimed)) for unit in truth.coded
            )
        if truth.expression is not None and "expression" in pair.asked:
            self.named_expression.add("expression", 0)
            if expression_named(pair.text) == truth.expression:
                self.named_expression.add("expression", 1)
        if len(self._waiting) >= _WAITING:
            self.finish()


def _cell(shows: bool, answered: bool | None) -> int:
    """Return the column of a unit: of tp, fp, fn, tn; None, no answer, is wrong whatever is true."""
    if answered is None:
        answered = not shows
    return (0 if answered else 2) if shows else (1 if answered else 3)
