"""Faults of known kind and rate, put into right answers: what the checks are measured with.

A fault takes a right answer and gives one that is wrong in one way, drawn by hash words. Each names the
checks that must find it, and those that may find it too.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS
from facedata.datasets.words import Words

__all__ = ["FAULTS", "OTHER_SAMPLE", "Case", "Fault", "Sentences", "inject", "sentence"]


@dataclass(frozen=True, slots=True)
class Sentences:
    """What faults say, by kind: lists of sentences without a full stop.

    `denied` and `side` hold `{AU}`, `{name}`, `{au}` and `{side}`; `seen` has sentences by unit, `cues` by
    medium, `labels` by label, `verdicts` hold `{noun}`, whose words for each expression are `nouns`.
    """

    seen: Mapping[int, Sequence[str]]
    denied: Sequence[str]
    side: Sequence[str]
    verdicts: Sequence[str]
    nouns: Mapping[str, Sequence[str]]
    cues: Mapping[str, Sequence[str]]
    labels: Mapping[str, Sequence[str]]
    leak: Sequence[str]
    identity: Sequence[str]
    demographics: Sequence[str]
    refusal: Sequence[str]


@dataclass(frozen=True, slots=True)
class Case:
    """A right answer: its evidence, the response and `text`, the response's field of free prose.

    `clauses` are the (unit, words) of that prose, where it is made of such; else the response lists `aus`.
    """

    evidence: Mapping[str, Any]
    response: Mapping[str, Any]
    text: str = "text"
    clauses: tuple[tuple[int, str], ...] = ()


Change = Callable[[dict[str, Any], Case, Case, Sentences, Words], bool]
"""Makes a response wrong in place, given the case, another one, and words; False where it cannot be."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of error. `found_by` must find it; `may` name checks that find it with good reason as well."""

    name: str
    change: Change
    found_by: tuple[str, ...]
    may: tuple[str, ...] = field(default=())


def inject(fault: Fault, case: Case, other: Case, said: Sentences, words: Words) -> str | None:
    """Return a faulty answer's text, or None where the fault does not apply to this case."""
    response = copy.deepcopy(dict(case.response))
    if not fault.change(response, case, other, said, words):
        return None
    return str(response.get("broken", json.dumps(response, ensure_ascii=False)))


def sentence(text: str) -> str:
    """Return a clause as a sentence.

    >>> sentence("the lips part")
    'The lips part.'
    """
    return f"{text[:1].upper()}{text[1:]}."


def _add(response: dict[str, Any], case: Case, text: str, words: Words) -> bool:
    """Put a sentence before or after the prose."""
    prose = str(response[case.text])
    parts = [prose, sentence(text)] if words.chance(0.5) else [sentence(text), prose]
    response[case.text] = " ".join(parts)
    return True


def _present(case: Case) -> list[int]:
    return [unit["au"] for unit in case.evidence.get("aus", ())]


def _about(au: int, said: Sentences, words: Words) -> str:
    return words.choice(said.seen[au]).format(AU=f"AU{au}")


def wrong_expression(
    response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words
) -> bool:
    """State another expression: in its field, or in prose."""
    del other
    truth = case.evidence.get("expression", {}).get("value")
    if truth is None:
        return False
    name = words.choice([one for one in EXPRESSIONS if one != truth])
    if "expression" in response and words.chance(0.5):
        response["expression"] = name
        return True
    noun = words.choice(said.nouns[name])
    return _add(response, case, words.choice(said.verdicts).format(noun=noun), words)


def wrong_label(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """State the other label: in its field, or in prose."""
    del other
    truth = case.evidence.get("label", {}).get("value")
    if truth is None:
        return False
    wrong = "live" if truth == "spoof" else "spoof"
    if "label" in response and words.chance(0.5):
        response["label"] = wrong
        return True
    return _add(response, case, words.choice(said.labels[wrong]), words)


def wrong_attack(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Name another attack in its field."""
    del other, said
    species = case.evidence.get("attack", {}).get("species")
    if species is None or "attack" not in response:
        return False
    families = [one for one in ("print", "replay", "mask") if one != species.split("/")[0]]
    response["attack"] = words.choice(families)
    return True


def wrong_cue(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Name a sign of another medium."""
    del other
    if "label" not in case.evidence:
        return False
    species = case.evidence.get("attack", {}).get("species", "live")
    media = [one for one in said.cues if one not in ("live", species.split("/")[0])]
    return _add(response, case, words.choice(said.cues[words.choice(media)]), words)


def dropped_au(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Leave a present unit out."""
    del other, said
    present = _present(case)
    if len(present) < 2:
        return False
    au = words.choice(present)
    prose = str(response[case.text])
    for unit, clause in case.clauses:
        prose = prose.replace(clause, "") if unit == au else prose
    response[case.text] = re.sub(rf"\bAU{au}\b,? ?(?:and )?", "", prose)
    if "aus" in response:
        response["aus"] = [unit for unit in response["aus"] if unit["au"] != au]
    return True


def invented_au(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Assert a unit that does not show."""
    del other
    if "coded" not in case.evidence:
        return False
    present = set(_present(case))
    # Descriptions of these pairs mean the same to a reader who sees words alone.
    alike = {1: 2, 2: 1, 25: 26, 26: 25, 6: 7, 7: 6}
    choice = [au for au in said.seen if au not in present and alike.get(au) not in present]
    return bool(choice) and _add(response, case, _about(words.choice(choice), said, words), words)


def flipped_polarity(
    response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words
) -> bool:
    """Deny a present unit."""
    del other
    present = [au for au in _present(case) if au in ACTION_UNITS]
    if not present:
        return False
    au = words.choice(present)
    name = ACTION_UNITS[au].name
    return _add(response, case, words.choice(said.denied).format(AU=f"AU{au}", name=name), words)


def flipped_side(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Put a one-sided unit on the other side."""
    del other
    sided = [unit for unit in case.evidence.get("aus", ()) if unit.get("side") in ("left", "right")]
    if not sided:
        return False
    unit = words.choice(sided)
    turned = "left" if unit["side"] == "right" else "right"
    return _add(response, case, words.choice(said.side).format(au=unit["au"], side=turned), words)


def wrong_name(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Put another unit's name beside a number."""
    del other, said
    present = [au for au in _present(case) if au in ACTION_UNITS]
    if not present:
        return False
    au = words.choice(present)
    if "aus" in response and words.chance(0.5):
        entry = words.choice(response["aus"])
        entry["name"] = words.choice(
            [unit.name for unit in ACTION_UNITS.values() if unit.number != entry["au"]]
        )
        return True
    name = words.choice([unit.name for unit in ACTION_UNITS.values() if unit.number != au])
    form = words.choice(
        ["AU{au} ({name}) is clear", "the {name} (AU{au}) is active", "AU{au}, the {name}, acts here"]
    )
    return _add(response, case, form.format(au=au, name=name), words)


def box_outside(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Move a box so that it leaves the picture by at least two pixels."""
    del other, said
    if not response.get("boxes"):
        return False
    x, y, width, height = response["boxes"][0]
    picture = case.evidence["picture"]
    by = words.integer(2, 60)
    if words.chance(0.5):
        response["boxes"][0] = [picture["width"] - width + by, y, width, height]
    else:
        response["boxes"][0] = [x, -by, width, height]
    return True


def box_elsewhere(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Draw a box of the same size elsewhere in the picture, overlapping by less than half."""
    del other, said
    if not response.get("boxes"):
        return False
    x, y, width, height = response["boxes"][0]
    picture = case.evidence["picture"]
    for _ in range(20):
        new_x = words.integer(0, max(0, int(picture["width"] - width)))
        new_y = words.integer(0, max(0, int(picture["height"] - height)))
        common = max(0, width - abs(new_x - x)) * max(0, height - abs(new_y - y))
        if common / (2 * width * height - common) < 0.45:
            response["boxes"] = [[new_x, new_y, width, height]]
            return True
    return False


def _saying(kind: str) -> Change:
    def change(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
        del other
        return _add(response, case, words.choice(getattr(said, kind)), words)

    return change


def declined(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Decline, in the form of an answer."""
    del other
    response[case.text] = sentence(words.choice(said.refusal))
    return True


def other_sample(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Give the answer to another sample, whose truth differs."""
    del said, words
    same = all(
        case.evidence.get(key) == other.evidence.get(key) for key in ("expression", "absent", "attack")
    )
    if same or set(other.response) != set(case.response):
        return False
    response.clear()
    response.update(copy.deepcopy(dict(other.response)))
    return True


def bad_form(response: dict[str, Any], case: Case, other: Case, said: Sentences, words: Words) -> bool:
    """Break the JSON, or the schema."""
    del other, said
    text = json.dumps(response)
    kind = words.integer(0, 3)
    if kind == 0:
        response["broken"] = text[: words.integer(1, len(text) - 1)]
    elif kind == 1:
        del response[case.text]
    elif kind == 2:
        response[case.text] = 7
    else:
        response["broken"] = f"Here is my answer: {text}"
    return True


_UNITS = ("aus-complete", "aus-grounded", "polarity", "side")
_STATED = ("expression-equals-truth", "label-equals-truth", "attack-equals-truth")

FAULTS: tuple[Fault, ...] = (
    Fault("wrong expression", wrong_expression, ("expression-equals-truth",)),
    Fault("wrong label", wrong_label, ("label-equals-truth",)),
    Fault("wrong attack", wrong_attack, ("attack-equals-truth",)),
    Fault("wrong cue", wrong_cue, ("cue-for-species",)),
    Fault("dropped unit", dropped_au, ("aus-complete",)),
    Fault("invented unit", invented_au, ("aus-grounded",)),
    Fault("flipped polarity", flipped_polarity, ("polarity",)),
    Fault("flipped side", flipped_side, ("side",)),
    Fault("wrong name", wrong_name, ("au-names",), ("aus-grounded",)),
    Fault("box outside", box_outside, ("boxes-inside",), ("boxes-match",)),
    Fault("box elsewhere", box_elsewhere, ("boxes-match",)),
    Fault("label leak", _saying("leak"), ("no-label-leak",), _STATED),
    # "The president is smiling" claims a unit as well.
    Fault("identity", _saying("identity"), ("no-identity",), ("no-demographics", "aus-grounded")),
    Fault("demographics", _saying("demographics"), ("no-demographics",), ("aus-grounded",)),
    Fault("refusal", declined, ("refusal",), _UNITS),
    Fault("bad form", bad_form, ("schema",)),
)
"""Errors that one answer shows."""

OTHER_SAMPLE = Fault(
    "another sample's text", other_sample, (), (*_UNITS, *_STATED, "cue-for-species", "boxes-match")
)
"""Found by whichever check sees the difference."""
