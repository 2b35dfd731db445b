"""Counts of one task's answers against the truth, by subject: all that the measures are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from facedata.annotate.checks.scan import claims
from facedata.annotate.score.bootstrap import Sums
from facedata.annotate.score.boxes import CONFIDENCES, match
from facedata.annotate.score.cider import Cider
from facedata.annotate.score.claims import present_in, verdict
from facedata.annotate.score.facts import Box, Facts
from facedata.annotate.score.rege import expression_named, units_named
from facedata.annotate.score.text import meteor, rouge_l, words

__all__ = ["CLASSES", "NO_ANSWER", "THRESHOLDS", "Pair", "Tally"]

CLASSES = ("expression", "label", "attack", "attack_class")
NO_ANSWER = ""
"""Stands for the class of an answer that gives none; no truth has it."""
THRESHOLDS = (0.4, 0.5)
_VERDICTS = ("supported", "contradicted", "unjudged")


@dataclass(slots=True)
class Pair:
    """An answer beside the truth. `said` is None where no answer could be read; that is wrong in everything.

    `boxes` are the true boxes, None where the truth knows none; `asked` is what answers to the task speak of.
    """

    subject: int
    image: str
    truth: Facts
    said: Facts | None
    text: str
    references: Sequence[str]
    boxes: tuple[Box, ...] | None
    asked: frozenset[str]


@dataclass
class Tally:
    """Counts of one task."""

    counts: Counter[str] = field(default_factory=Counter)
    units: Sums = field(default_factory=lambda: Sums(4))
    """Of each action unit: true positives, false positives, false negatives, true negatives."""
    levels: Sums = field(default_factory=lambda: Sums(6))
    """Of each action unit's two intensities x, y: count, x, y, xx, yy, xy."""
    graded: bool = False
    """Whether any answer gave an intensity."""
    classes: Sums = field(default_factory=lambda: Sums(1))
    """Of each (what, truth, answer): their number."""
    claims: Sums = field(default_factory=lambda: Sums(5))
    """Claims supported, contradicted, unjudged; showing units that are claimed to show, showing units."""
    boxes: Sums = field(default_factory=lambda: Sums(3 + 2 * CONFIDENCES * len(THRESHOLDS)))
    """Pictures with true boxes, their IoU, these boxes; then hits and misses by confidence, by threshold."""
    texts: Sums = field(default_factory=lambda: Sums(4))
    """Texts, their ROUGE-L, METEOR and CIDEr."""
    named_units: Sums = field(default_factory=lambda: Sums(4))
    """As `units`, with the units whose numbers stand in the text, as REGE was published."""
    claimed_units: Sums = field(default_factory=lambda: Sums(4))
    """As `units`, with the units that the text claims to show."""
    named_expression: Sums = field(default_factory=lambda: Sums(2))
    """Answers, and those that name the true expression, as REGE was published."""
    cider: Cider = field(default_factory=Cider)
    _of_text: list[int] = field(default_factory=list)

    def add(self, pair: Pair) -> None:
        """Count one answer."""
        self.counts["scored"] += 1
        self._units(pair)
        self._classes(pair)
        if pair.boxes is not None and "boxes" in pair.asked:
            self._boxes(pair, pair.boxes)
        if pair.references:
            self._text(pair)
        self._rege(pair, self._claims(pair))

    def finish(self) -> None:
        """Count what needs all answers: the CIDEr of each."""
        scores = self.cider.scores()
        if scores is not None:
            for subject, score in zip(self._of_text, scores, strict=True):
                self.texts.add(subject, "text", 3, float(score))

    def _units(self, pair: Pair) -> None:
        truth, said = pair.truth, pair.said
        if truth.coded is None or "aus" not in pair.asked:
            return
        shows = truth.aus or {}
        answered = None if said is None else said.aus or {}
        for unit in truth.coded:
            self.units.add(
                pair.subject, unit, _cell(unit in shows, None if answered is None else unit in answered)
            )
        if answered is None:
            return
        self.counts["units answered that were not coded"] += len(set(answered) - truth.coded)
        for unit in truth.coded:
            x = shows.get(unit, 0.0)
            y = answered.get(unit, 0.0)
            self.graded = self.graded or bool(y)
            if x is not None and y is not None:
                for column, value in enumerate((1.0, x, y, x * x, y * y, x * y)):
                    if value:
                        self.levels.add(pair.subject, unit, column, value)

    def _classes(self, pair: Pair) -> None:
        for what in CLASSES:
            truth = getattr(pair.truth, what)
            if truth is not None and what in pair.asked:
                said = None if pair.said is None else getattr(pair.said, what)
                self.classes.add(pair.subject, (what, truth, said or NO_ANSWER), 0)

    def _boxes(self, pair: Pair, truth: tuple[Box, ...]) -> None:
        said = pair.said or Facts()
        overlap, each = match(truth, said.boxes or ())
        for column, value in enumerate((1.0, overlap, float(len(truth))) if truth else ()):
            self.boxes.add(pair.subject, "boxes", column, value)
        confidences = said.confidences or (1.0,) * len(each)
        for found, confidence in zip(each, confidences, strict=True):
            level = round(min(max(confidence, 0.0), 1.0) * (CONFIDENCES - 1))
            for number, threshold in enumerate(THRESHOLDS):
                first = 3 + 2 * CONFIDENCES * number + (0 if found >= threshold else CONFIDENCES)
                self.boxes.add(pair.subject, "boxes", first + level)

    def _claims(self, pair: Pair) -> frozenset[int]:
        """Count the claims of a text, and return the units that it claims to show."""
        made = claims(pair.text)
        present = present_in(made)
        if pair.truth.coded is not None:
            for claim in made:
                self.claims.add(pair.subject, "claims", _VERDICTS.index(verdict(claim, pair.truth)))
            shows = frozenset(pair.truth.aus or ()) & pair.truth.coded
            self.claims.add(pair.subject, "claims", 3, len(shows & present))
            self.claims.add(pair.subject, "claims", 4, len(shows))
        return present

    def _text(self, pair: Pair) -> None:
        answer = words(pair.text)
        references = [words(text) for text in pair.references]
        values = (1.0, rouge_l(answer, references), meteor(answer, references))
        for column, value in enumerate(values):
            self.texts.add(pair.subject, "text", column, value)
        self.cider.add(pair.image, answer, references)
        self._of_text.append(pair.subject)

    def _rege(self, pair: Pair, claimed: frozenset[int]) -> None:
        truth = pair.truth
        if truth.coded is not None and "aus" in pair.asked:
            named = units_named(pair.text)
            for unit in truth.coded:
                shows = unit in (truth.aus or ())
                self.named_units.add(pair.subject, unit, _cell(shows, unit in named))
                answer = None if pair.said is None else unit in claimed
                self.claimed_units.add(pair.subject, unit, _cell(shows, answer))
        if truth.expression is not None and "expression" in pair.asked:
            self.named_expression.add(pair.subject, "expression", 0)
            if expression_named(pair.text) == truth.expression:
                self.named_expression.add(pair.subject, "expression", 1)


def _cell(shows: bool, answered: bool | None) -> int:
    """Return the column of a unit: of tp, fp, fn, tn; None, no answer, is wrong whatever is true."""
    if answered is None:
        answered = not shows
    return (0 if answered else 2) if shows else (1 if answered else 3)
