"""Questions that a row's labels answer, and the options of a multiple choice.

Every question comes from a stated label, and what was not coded is not asked about. Answers are `yes`, `no`
or a few words; `positive` and `negative` are clauses for the longer answer. `kind` is what is asked about:
`live`, `expression`, `unit`, or a trait by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from facedata.annotate.facs import EXPRESSIONS
from facedata.annotate.knowledge import clauses, knowledge
from facedata.datasets.words import Words

__all__ = ["choices_of", "questions_of"]

_OPTIONS = 4
_NEAR = {"sadness": "neutral", "fear": "surprise", "surprise": "fear", "anger": "disgust", "disgust": "anger"}
"""What an expression is most often taken for, so that one option is not easy."""


def questions_of(evidence: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return (kind, question, answer, positive, negative) of the labels in a sample's evidence."""
    asked = {"live": _live, "expression": _expression, "unit": _units}
    found = [{"kind": kind, **one} for kind, ask in asked.items() for one in ask(evidence)]
    return found + list(_traits(evidence))


def choices_of(expression: str, sample_id: str) -> list[str]:
    """Return four expressions with the right one among them, in an order of the sample's own."""
    words = Words.of("choices", sample_id)
    others = [name for name in EXPRESSIONS if name not in (expression, _NEAR.get(expression))]
    while len(others) > _OPTIONS - 1 - (expression in _NEAR):
        others.pop(words.integer(0, len(others) - 1))
    options = [expression, *others, *([_NEAR[expression]] if expression in _NEAR else [])]
    order = []
    while options:
        order.append(options.pop(words.integer(0, len(options) - 1)))
    return order


def _live(evidence: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    label = evidence.get("label", {}).get("value")
    if label is None:
        return
    positive, negative = "the face is live", "this is an attack and not a live face"
    yield _asked("Does the camera see a live face?", label == "live", positive, negative)
    positive, negative = "something other than a live face is shown", "the face is live"
    yield _asked("Is this a presentation attack?", label == "spoof", positive, negative)


def _expression(evidence: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    shown = evidence.get("expression", {}).get("value")
    if shown is None:
        return
    faces = knowledge("expressions")
    other = _NEAR.get(shown, "sadness" if shown != "sadness" else "happiness")
    for name in (shown, other):
        face = faces[name]
        negative = f"it looks {faces[shown]['adjective']}"
        question = f"Is this {face['article']} {face['adjective']} face?"
        yield _asked(question, name == shown, f"the face looks {face['adjective']}", negative)
    yield {"question": "What is the shown expression?", "answer": shown}


def _units(evidence: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    looks = knowledge("action_units")
    present = {unit["au"]: unit for unit in evidence.get("aus", ())}
    for au in evidence.get("coded", ()):
        if au in looks:
            question = f"Does the face show {looks[au]['question']}?"
            positive, negative = clauses(au, present)[0], f"there is no sign of {looks[au]['question']}"
            yield _asked(question, au in present, positive, negative)


def _traits(evidence: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    tables = knowledge("attributes")
    for trait in evidence.get("attributes", ()):
        if "question" in (table := tables[trait["name"]]):
            yield {"kind": trait["name"], "question": table["question"], "answer": trait["value"]}


def _asked(question: str, holds: bool, positive: str, negative: str) -> dict[str, str]:
    answer = "yes" if holds else "no"
    return {"question": question, "answer": answer, "positive": positive, "negative": negative}
