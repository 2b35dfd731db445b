"""Whole answers written by hand, each with the truth it was written for: `answers.yaml`, `unseen2.yaml`.

Nothing is drawn here: each text counts once, so the figures repeat exactly. A sentence that stands `after` a
right answer is put after one of its kind, in turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from facedata.annotate.checks.catalogue import CHECKS, run_checks
from facedata.annotate.compose import understand
from facedata.annotate.facs import ACTION_UNITS
from facedata.annotate.faults import FAULTS
from facedata.annotate.tasks import CheckSpec, Task
from facedata.datasets.words import Words

__all__ = ["Score", "Text", "measure_texts", "texts_of"]

RULES = tuple(CheckSpec(rule=rule) for rule in CHECKS if rule not in ("schema", "equals-truth", "prototype"))
# A unit that is denied, or goes by another number, is not mentioned; who declines may name the request.
_MAY = {
    "flipped polarity": {"aus-complete"},
    "wrong name": {"aus-complete", "aus-grounded"},
    "refusal": {"no-label-leak"},
}
_PROSE = Task.model_validate(
    {
        "name": "prose",
        "version": 1,
        "about": "free prose",
        "source": "benchmark",
        "prompt": "-",
        "rules": "-",
        "response": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "turns": [{"ask": ["What do you see?"], "answer": "{{ response.text }}"}],
    }
)


@dataclass
class Score:
    """Counts of one check or one fault."""

    right: int = 0
    missed: int = 0
    false: int = 0
    alarms: int = 0
    clean: int = 0
    missing: list[str] = field(default_factory=list)
    alarming: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Text:
    """One text: its fault, none for a right answer, and the right answer it stands after, if any."""

    fault: str | None
    evidence: Mapping[str, Any]
    text: str
    after: str = ""


def texts_of(path: Path) -> list[Text]:
    """Return the texts of a file, right answers first."""
    bank = yaml.safe_load(path.read_text("utf-8"))
    right = [Text(None, _evidence(one), one["text"].strip()) for one in bank["right"]]
    by_kind = {
        kind: [one for one, row in zip(right, bank["right"], strict=True) if kind in row]
        for kind in ("face", "picture")
    }
    return [*right, *_faulty(bank["faults"], by_kind)]


def _faulty(faults: Mapping[str, Any], right: Mapping[str, list[Text]]) -> Iterator[Text]:
    for fault, rows in faults.items():
        for number, row in enumerate(rows):
            if (kind := row.get("after")) is not None:
                before = right[kind][number % len(right[kind])]
                yield Text(fault, before.evidence, f"{before.text} {row['text'].strip()}", before.text)
            else:
                yield Text(fault, _evidence(row), row["text"].strip())


def _evidence(row: Mapping[str, Any]) -> dict[str, Any]:
    if (picture := row.get("picture")) is not None:
        if picture == "live":
            return {"label": {"value": "live"}}
        return {"label": {"value": "spoof"}, "attack": {"species": picture}}
    if (face := row.get("face")) is None:
        return {}
    evidence: dict[str, Any] = {"expression": {"value": face["expression"], "origin": "truth"}}
    if "aus" in face:
        sides = face.get("sides", {})
        evidence["aus"] = [
            {"au": au, "name": ACTION_UNITS[au].name} | ({"side": sides[au]} if au in sides else {})
            for au in face["aus"]
        ]
        evidence["coded"] = sorted({*face["aus"], *face["absent"]})
        evidence["absent"] = sorted(face["absent"])
    return evidence


def measure_texts(path: Path) -> tuple[dict[str, Score], dict[str, Score]]:
    """Return scores by check and by fault for the texts of a file."""
    checks = {spec.rule: Score() for spec in RULES}
    kinds = {fault.name: fault for fault in FAULTS}
    faults: dict[str, Score] = {}
    for one in texts_of(path):
        found = _found(one.evidence, one.text)
        if one.fault is None:
            for rule, detail in found.items():
                checks[rule].clean += 1
                checks[rule].alarms += bool(detail)
        else:
            kind, score = kinds[one.fault], faults.setdefault(one.fault, Score())
            caught = any(found.get(rule) for rule in kind.found_by)
            score.right, score.missed = score.right + caught, score.missed + (not caught)
            if not caught:
                score.missing.append(one.text)
        _count(one, found, checks)
    return checks, faults


def _count(one: Text, found: Mapping[str, str], checks: Mapping[str, Score]) -> None:
    kind = next((fault for fault in FAULTS if fault.name == one.fault), None)
    found_by = kind.found_by if kind else ()
    allowed = {*kind.may, *_MAY.get(kind.name, ())} if kind else set()
    # What the right answer raises by itself is counted there.
    before = _found(one.evidence, one.after) if one.after else {}
    for rule, score in checks.items():
        detail = found.get(rule, "")
        if rule in found_by:
            score.right, score.missed = score.right + bool(detail), score.missed + (not detail)
            if not detail:
                score.missing.append(one.text)
        elif detail and rule not in allowed and not before.get(rule):
            score.false += 1
            score.alarming.append(f"{detail} | {one.fault} | {one.text}")


def _found(evidence: Mapping[str, Any], text: str) -> dict[str, str]:
    answer = understand(_PROSE, evidence, Words.of(0), json.dumps({"text": text}))
    return {
        check.rule: check.detail if check.status in ("fail", "flag") else ""
        for check in run_checks(answer, RULES)
    }
