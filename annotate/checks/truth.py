"""Checks that what is stated is what is known: expression, label, attack, or any value of the evidence.

Each looks at a field of the response, where the task has it, and at the prose. Settings: `field`, the place
in the response, `truth`, the place in the evidence, both with dots; `values`, what a known value is called in
this task, a name or a list of names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from facedata.annotate.checks.base import Answer, InProse, values_at
from facedata.annotate.checks.scan import scan
from facedata.annotate.checks.sentence import Mention

__all__ = [
    "attack_equals_truth",
    "equals_truth",
    "expression_equals_truth",
    "label_equals_truth",
    "media_of",
    "mentions",
]

_MEDIA = {
    "print": {"print"},
    "paper": {"print"},
    "paper/cut": {"print", "mask"},
    "mask/paper": {"print", "mask"},
    "replay": {"replay"},
    "mask": {"mask"},
}


def media_of(species: str | None) -> set[str] | None:
    """Return the media that words may name for a species: none for live, None where it is not known."""
    if species is None:
        return set()
    for prefix in (species, species.split("/")[0]):
        if prefix in _MEDIA:
            return _MEDIA[prefix]
    return set() if species.startswith("digital") else None


def mentions(answer: Answer, kind: str) -> Iterable[Mention]:
    """Yield what the answer's texts assert of one kind; what they deny or leave open is not among it."""
    for text in answer.texts:
        for mention in scan(text):
            if mention.kind == kind and mention.denied is False:
                yield mention


def equals_truth(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find a field that differs from the evidence; settings `field` and `truth` are needed."""
    return _field(answer, settings, settings["field"], settings["truth"])


def expression_equals_truth(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find a stated expression, in its field or in prose, that is not the known one."""
    truth = answer.evidence.get("expression", {}).get("value")
    if truth is None:
        return None
    if found := _field(answer, settings, "expression", "expression.value"):
        return found
    said = {str(mention.value) for mention in mentions(answer, "expression")}
    others = sorted(
        {one.replace(" ", " or ") for one in said if truth not in one.split()}
    )  # "worried": one of two
    return InProse(f"says {', '.join(others)}; the expression is {truth}") if others else ""


def label_equals_truth(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find a label, in its field or in prose, that is not the known one."""
    truth = answer.evidence.get("label", {}).get("value")
    if truth is None:
        return None
    if found := _field(answer, settings, "label", "label.value"):
        return found
    others = sorted({str(mention.value) for mention in mentions(answer, "label")} - {truth})
    if not others:
        denied = {m.value for text in answer.texts for m in scan(text) if m.kind == "label" and m.denied}
        return InProse(f"denies that the face is {truth}") if truth in denied else ""
    return InProse(f"says {', '.join(others)}; the label is {truth}")


def attack_equals_truth(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find an attack in its field that is not the known one; `cue-for-species` looks at the prose.

    The field may name the species or, more coarsely, the first part of it.
    """
    label = answer.evidence.get("label", {}).get("value")
    species = answer.evidence.get("attack", {}).get("species")
    if species is None and label != "live":
        return None
    called = (
        _called(settings, species)
        if species is not None
        else _called(settings, "live") or [None, "", "none", "live"]
    )
    called = called or [species, str(species).split("/")[0]]
    for value in values_at(answer.response, settings.get("field", "attack")):
        if value not in called:
            return f"says {value!r}; the attack is {species or 'none'}"
    return ""


def _called(settings: Mapping[str, Any], truth: str) -> list[Any]:
    """Return what the task calls a known value; of a species, the longest prefix that is listed."""
    names = settings.get("values", {})
    parts = str(truth).split("/")
    for length in range(len(parts), 0, -1):
        found = names.get("/".join(parts[:length]))
        if found is not None:
            return list(found) if isinstance(found, list | tuple) else [found]
    return []


def _field(answer: Answer, settings: Mapping[str, Any], place: str, source: str) -> str | None:
    truths = list(values_at(answer.evidence, settings.get("truth", source)))
    if not truths:
        return None
    allowed = _called(settings, truths[0]) or truths
    for value in values_at(answer.response, settings.get("field", place)):
        if value not in allowed:
            return f"says {value!r}; it is {' or '.join(map(repr, allowed))}"
    return ""
