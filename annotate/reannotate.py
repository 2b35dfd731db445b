"""`facedata annotate au|expression`: labels, detectors' outputs and models' answers become one label each.

What is decided how is in `adjudicate` and `votes`. The rules of the house on top of it:

- Nothing is asserted from pixels alone: a question that only models answered stays open ("not coded").
- Rendered truth is never adjudicated: it is the reference that others are measured by. Where there is none,
  people's labels are, each row's own left out when that row is decided.
- A label that a person gave is overturned by a person only. Where the others outweigh it, where the
  probability stays below the threshold, or where a model contradicts what it was told, the question goes to
  review, and the row keeps what it had.
- The shown expression is asked for, not what somebody felt.

The results are edits, as `facedata edit` takes them, and lines for people to review.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

from facedata.annotate.adjudicate import STATED, Reliability, posterior
from facedata.annotate.facs import EXPRESSIONS
from facedata.annotate.votes import ABSENT, PRESENT, Answers, Votes, expression_votes, unit_votes
from facedata.datasets.errors import UsageError
from facedata.datasets.sample import Sample
from facedata.datasets.whole import whole

__all__ = [
    "THRESHOLD",
    "Adjudicated",
    "ProposedEdit",
    "Review",
    "reannotate_expressions",
    "reannotate_units",
    "write_csv",
]

_AUTHOR = "facedata annotate"
THRESHOLD = 0.9  # of a label's probability, under which people look at it
_REFERENCES = ("truth", "human")  # a label that was adjudicated is no reference: it holds the others' votes


@dataclass(frozen=True, slots=True)
class ProposedEdit:
    """A line of an edits file: `old` and `new` as it spells them, empty for null."""

    sid: str
    field: str
    old: str
    new: str
    author: str
    time: str
    message: str


@dataclass(frozen=True, slots=True)
class Review:
    """A question for people: `label` is the row's, `suggested` what the votes come to, so probably."""

    sid: str
    field: str
    label: str
    suggested: str
    confidence: float
    reason: str
    votes: str
    image: str


@dataclass
class Adjudicated:
    """What a run came to: `counts` of questions accepted, for review, left open (only models), and truth."""

    edits: list[ProposedEdit] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    reliability: dict[str, dict[str, float]] = field(default_factory=dict)
    """By source: the references it was counted on, and how often it says each class where that is so."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    value: str
    confidence: float
    reason: str  # empty where accepted


class _Judge:
    """Decides questions of one kind, after the reliabilities were counted."""

    def __init__(self, classes: Sequence[str], stated: Mapping[str, float], threshold: float) -> None:
        if not 0.5 <= threshold < 1:
            raise UsageError(f"--threshold {threshold:g} is not in [0.5, 1)")
        if odd := {kind: share for kind, share in stated.items() if not 0 < share < 1}:
            raise UsageError(f"reliabilities {odd} are not between 0 and 1")
        self.kinds: dict[str, str] = {"human": "human"}
        self._counted = {
            reference: Reliability(classes, self.kinds, {**STATED, **stated}) for reference in _REFERENCES
        }
        self.threshold = threshold
        self._labels: dict[str, Counter[str]] = defaultdict(Counter)
        self._reference = "human"

    @property
    def reliability(self) -> Reliability:
        """The confusions as counted against the reference in use."""
        return self._counted[self._reference]

    def learn(self, asked: Iterable[tuple[str, Votes]]) -> None:
        """Count priors and confusions: against truth where some is known, else against people."""
        for question, votes in asked:
            if votes.label is not None:
                self._labels[question][votes.label] += 1
                self._count(votes, +1)
                if votes.origin == "truth" and votes.independent:
                    self._reference = "truth"

    def decide(self, question: str, votes: Votes) -> _Verdict:
        """Return the verdict on a question that somebody but models answered."""
        if votes.label is not None and votes.origin == "truth":
            return _Verdict(votes.label, 1.0, "")
        self._count(votes, -1)  # a row is no reference for itself
        heard = dict(votes.independent)
        if votes.label is not None:
            heard["human"] = [votes.label]
        shares = posterior(heard, self.reliability, self._prior(question))
        self._count(votes, +1)
        value = max(shares, key=lambda name: (shares[name], name))
        return _Verdict(value, shares[value], self._doubt(votes, value, shares[value]))

    def _doubt(self, votes: Votes, value: str, confidence: float) -> str:
        if votes.label is not None and value != votes.label:
            return f"the others outweigh the label {votes.label}"
        if confidence < self.threshold:
            return f"below the threshold of {self.threshold:g}"
        for source, said in votes.told.items():
            if 2 * sum(vote != value for vote in said) > len(said):
                return f"{source} was told the label and contradicts it"
        return ""

    def _prior(self, question: str) -> dict[str, float]:
        """Return the base rates of the labels, with one count for each class beside them (Laplace)."""
        counted, classes = self._labels[question], self.reliability.classes
        total = sum(counted.values()) + len(classes)
        return {name: (counted[name] + 1) / total for name in classes}

    def _count(self, votes: Votes, weight: float) -> None:
        if votes.label is not None and votes.origin in self._counted:
            for source, said in votes.independent.items():
                self._counted[votes.origin].count(source, votes.label, said, weight)

    def measured(self) -> dict[str, dict[str, float]]:
        """Return for each source its references, and how often it says a class where that is so."""
        return {
            source: {"references": round(self.reliability.references(source), 6)}
            | {
                name: round(self.reliability.theta(source, name, name), 4)
                for name in self.reliability.classes
            }
            for source in sorted(self.kinds)
        }


def reannotate_units(
    samples: Iterable[Sample],
    answers: Answers,
    *,
    threshold: float = THRESHOLD,
    stated: Mapping[str, float] | None = None,
) -> Adjudicated:
    """Adjudicate the action units of `samples`, gone through twice; raise UsageError on bad settings.

    A unit is accepted as present or absent, goes to review, or stays uncoded. Its intensity is the row's own,
    else the median of the detectors' that see it, else none (present, not graded).
    """
    judge, result = _Judge((ABSENT, PRESENT), stated or {}, threshold), Adjudicated()
    for sample in samples:
        asked = unit_votes(sample, answers.get(sample.sample_id, ()), judge.kinds)
        judge.learn((f"au.{au}", votes) for au, votes in asked.items())
    for sample in samples:
        one = unit_votes(sample, answers.get(sample.sample_id, ()), judge.kinds)
        domain, sure = set(sample.au_domain or ()), {}
        levels: dict[int, float | None] = dict(sample.au or {})
        for au, votes in sorted(one.items()):
            verdict = _settled(f"au.{au}", votes, judge, sample, result)
            if verdict is None:
                continue
            sure[str(au)] = round(verdict.confidence, 4)
            if au not in domain:
                domain.add(au)
                if verdict.value == PRESENT:
                    levels[au] = statistics.median(votes.intensities) if votes.intensities else None
        if sure:
            result.edits += _unit_edits(sample, domain, levels, sure)
    result.reliability = judge.measured()
    return result


def reannotate_expressions(
    samples: Iterable[Sample],
    answers: Answers,
    *,
    threshold: float = THRESHOLD,
    stated: Mapping[str, float] | None = None,
) -> Adjudicated:
    """Adjudicate the shown expressions of `samples`, as `reannotate_units` does action units."""
    judge, result = _Judge(EXPRESSIONS, stated or {}, threshold), Adjudicated()
    for sample in samples:
        votes = expression_votes(sample, answers.get(sample.sample_id, ()), judge.kinds)
        judge.learn([("expression", votes)])
    for sample in samples:
        votes = expression_votes(sample, answers.get(sample.sample_id, ()), judge.kinds)
        verdict = _settled("expression", votes, judge, sample, result)
        if verdict is None:
            continue
        if sample.expression is None:
            message = f"adjudicated with {verdict.confidence:.3f}"
            result.edits.append(_edit(sample, "expression", "", verdict.value, message))
        sure = {"expression": round(verdict.confidence, 4)}
        result.edits += _attribute_edits(sample, "expression", sure, made=sample.expression is None)
    result.reliability = judge.measured()
    return result


def _settled(
    question: str, votes: Votes, judge: _Judge, sample: Sample, result: Adjudicated
) -> _Verdict | None:
    """Return the verdict where it is accepted; count it, and put it up for review where it is not."""
    if not votes.grounded(judge.kinds):
        if votes.independent or votes.told:
            result.counts["left open: only models answered"] += 1
        return None
    verdict = judge.decide(question, votes)
    if votes.origin == "truth" and votes.label is not None:
        result.counts["truth"] += 1
        return None
    if not verdict.reason:
        result.counts["accepted"] += 1
        return verdict
    result.counts["review"] += 1
    said = {"label": votes.label, **votes.independent, **{f"{k} (told)": v for k, v in votes.told.items()}}
    result.reviews.append(
        Review(
            sid=sample.sample_id,
            field=question,
            label=votes.label or "",
            suggested=verdict.value,
            confidence=round(verdict.confidence, 4),
            reason=verdict.reason,
            votes=json.dumps(said, ensure_ascii=False, sort_keys=True),
            image=sample.image,
        )
    )
    return None


def _unit_edits(
    sample: Sample, domain: set[int], levels: Mapping[int, float | None], sure: Mapping[str, float]
) -> list[ProposedEdit]:
    edits = []
    made = domain - set(sample.au_domain or ())
    if made:
        message = f"adjudicated: {' '.join(f'AU{au}' for au in sorted(made))}"
        old, new = _spelled(sample.au), _spelled(levels)
        if old != new:
            edits.append(_edit(sample, "au", old, new, message))
        before = " ".join(map(str, sample.au_domain or ()))
        edits.append(_edit(sample, "au_domain", before, " ".join(map(str, sorted(domain))), message))
    return edits + _attribute_edits(sample, "au", sure, made=bool(made) and sample.au_domain is None)


def _attribute_edits(
    sample: Sample, name: str, sure: Mapping[str, float], *, made: bool
) -> list[ProposedEdit]:
    """Return edits of how sure the labels are and, of new ones, where they come from."""
    known = sample.attributes or {}
    before = known.get("adjudicated")
    told = {**(before or {}), name: dict(sure)}
    edits = [_edit(sample, "attributes.adjudicated", _json(before), _json(told), "probabilities of labels")]
    if made:
        origin = known.get("origin")
        others = ("label", "attack", "expression", "au")
        by_field = dict(origin) if isinstance(origin, Mapping) else dict.fromkeys(others, origin)
        by_field = {key: value for key, value in by_field.items() if value is not None}
        old = origin if isinstance(origin, str) else _json(origin)
        edits.append(
            _edit(sample, "attributes.origin", old, _json({**by_field, name: "adjudicated"}), "origin")
        )
    return edits


def _edit(sample: Sample, name: str, old: str, new: str, message: str) -> ProposedEdit:
    return ProposedEdit(sample.sample_id, name, old, new, _AUTHOR, "", message)


def _spelled(levels: Mapping[int, float] | Mapping[int, float | None] | None) -> str:
    """Return action units as an edits file spells them; `12=` is present without a grade."""
    pairs = sorted((levels or {}).items())
    return " ".join(f"{au}={'' if level is None else repr(float(level))}" for au, level in pairs)


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def write_csv(rows: Sequence[ProposedEdit | Review], kind: type[ProposedEdit | Review], path: Path) -> None:
    """Write edits or reviews as CSV with a header, in the order of their samples; `kind` is their class."""
    with whole(path) as hidden, hidden.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([one.name for one in fields(kind)])
        writer.writerows(astuple(one) for one in sorted(rows, key=lambda one: (one.sid, one.field)))
