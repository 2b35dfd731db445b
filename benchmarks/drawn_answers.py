"""Answers that are drawn: right ones made for drawn evidence, in the tasks' own words or in those of a bank.

`paraphrases.yaml` and `unseen.yaml` are banks of clauses. Faults are put in by `facedata.annotate.faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS, PROTOTYPES
from facedata.annotate.faults import Case, Sentences, sentence
from facedata.annotate.knowledge import knowledge
from facedata.annotate.tasks import Task, load_task
from facedata.datasets.words import Words

__all__ = ["FACES", "HERE", "Bank", "Corpus", "Sources", "corpora", "face_case", "face_evidence", "joined"]

CODED = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 20, 23, 25, 26, 43)  # what the rendered faces have
SPECIES = ("print/inkjet", "print/laser", "replay/lcd", "replay/oled", "mask/resin", "mask/silicone")
HERE = Path(__file__).parent


class Bank:
    """The words of a file: right answers are made of them, and faults."""

    def __init__(self, path: Path) -> None:
        self.words = yaml.safe_load(path.read_text("utf-8"))
        known = self.words
        self.faults = Sentences(
            seen=known["seen"],
            denied=known["denied"],
            side=known["side"],
            verdicts=known["verdict"],
            nouns=known["nouns"],
            cues=known["spoof"],
            labels=known["label"],
            leak=known["leak"],
            identity=known["identity"],
            demographics=known["demographics"],
            refusal=known["refusal"],
        )


TEXT = {"type": "string", "minLength": 1}


def _free(name: str, fields: Mapping[str, Any]) -> Task:
    """Return a task whose answer is prose, with some fields beside it."""
    return Task.model_validate(
        {
            "name": name,
            "version": 1,
            "about": "free prose",
            "source": "benchmark",
            "prompt": "-",
            "rules": "-",
            "response": {
                "type": "object",
                "additionalProperties": False,
                "required": ["text", *fields],
                "properties": {"text": TEXT, **fields},
            },
            "turns": [{"ask": ["What do you see?"], "answer": "{{ response.text }}"}],
        }
    )


FACES = _free("faces", {"expression": TEXT})
BOX = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
PICTURES = _free(
    "pictures",
    {"label": TEXT, "attack": {"type": ["string", "null"]}, "boxes": {"type": "array", "items": BOX}},
)


def face_evidence(words: Words) -> dict[str, Any]:
    """Return drawn labels of a face: units near a prototype of the expression, some units not coded."""
    name = words.choice(EXPRESSIONS)
    likely = [one.core for one in PROTOTYPES if one.emotion == name]
    chosen = set(words.choice(likely)) & set(CODED) if likely else set()
    for au in CODED:
        if words.chance(0.06):
            chosen ^= {au}
    if 5 in chosen:
        chosen.discard(43)  # eyes that are wide open are not closed
    coded = [au for au in CODED if au in chosen or words.chance(0.9)]
    units = [_unit(au, words) for au in sorted(chosen)]
    return {
        "picture": {"width": 256, "height": 256},
        "expression": {"value": name, "origin": "truth"},
        "coded": coded,
        "absent": [au for au in coded if au not in chosen],
        "aus": units,
    }


def _unit(au: int, words: Words) -> dict[str, Any]:
    known = ACTION_UNITS[au]
    unit = {"au": au, "name": known.name, "region": known.region, "strength": "slight", "intensity": 2.0}
    return unit | ({"side": words.choice(("left", "right"))} if words.chance(0.15) else {})


def picture_evidence(words: Words) -> dict[str, Any]:
    """Return drawn labels of a live or attacked picture."""
    evidence: dict[str, Any] = {"picture": {"width": 256, "height": 256}}
    if words.chance(0.4):
        return evidence | {"label": {"value": "live"}}
    width, height = words.integer(40, 150), words.integer(40, 150)
    box = [words.integer(0, 256 - width), words.integer(0, 256 - height), width, height]
    species = words.choice(SPECIES)
    return evidence | {
        "label": {"value": "spoof"},
        "attack": {"species": species},
        "region": {"boxes": [box], "share": width * height / 256**2},
    }


def face_case(bank: dict[str, Any], words: Words) -> Case:
    """Return a right answer about a face in the bank's words."""
    evidence = face_evidence(words)
    clauses = []
    for unit in evidence["aus"]:
        text = words.choice(bank["seen"][unit["au"]]).format(AU=f"AU{unit['au']}")
        if "side" in unit and words.chance(0.7):
            text = words.choice(bank["side"]).format(au=unit["au"], side=unit["side"])
        clauses.append((unit["au"], text))
    sentences = [text for _, text in clauses]
    for au in evidence["absent"]:
        if words.chance(0.15):
            name = ACTION_UNITS[au].name
            sentences.append(words.choice(bank["denied"]).format(AU=f"AU{au}", name=name))
    sentences.append(words.choice(bank["harmless"]))
    noun = words.choice(bank["nouns"][evidence["expression"]["value"]])
    sentences.append(words.choice(bank["verdict"]).format(noun=noun))
    response = {"text": joined(bank, sentences, words), "expression": evidence["expression"]["value"]}
    return Case(
        evidence, response, clauses=tuple((au, _found(text, response["text"])) for au, text in clauses)
    )


def joined(bank: Mapping[str, Any], clauses: list[str], words: Words) -> str:
    """Return clauses as prose: each a sentence, or two joined to one."""
    text, rest = [], list(clauses)
    while rest:
        first = rest.pop(0)
        if rest and words.chance(0.5):
            first = words.choice(bank["links"]).format(a=first, b=rest.pop(0))
        text.append(sentence(first))
    return " ".join(text)


def _found(clause: str, text: str) -> str:
    return clause if clause in text else sentence(clause)[:-1]


def picture_case(bank: dict[str, Any], words: Words) -> Case:
    """Return a right answer about a picture in the bank's words."""
    evidence = picture_evidence(words)
    label, species = evidence["label"]["value"], evidence.get("attack", {}).get("species")
    medium = species.split("/")[0] if species else "live"
    sentences = [words.choice(bank["spoof"][medium]) for _ in range(2)]
    sentences += [words.choice(bank["harmless"]), words.choice(bank["label"][label])]
    boxes = [
        [value + words.integer(-2, 2) for value in box] for box in evidence.get("region", {}).get("boxes", [])
    ]
    boxes = [[max(0, min(x, 256 - w)), max(0, min(y, 256 - h)), w, h] for x, y, w, h in boxes]
    return Case(
        evidence, {"text": joined(bank, sentences, words), "label": label, "attack": species, "boxes": boxes}
    )


def located_case(task: Task, words: Words) -> Case:
    """Return the stock task's own answer about where an attack shows."""
    evidence = picture_evidence(words)
    if "attack" in evidence:
        evidence["attack"] |= {
            "called": knowledge("attacks")["species"][evidence["attack"]["species"]]["called"]
        }
    else:
        evidence["region"] = {"boxes": [], "share": 0.0}
    return Case(evidence, task.written(evidence, words), text="description")


def rules_case(task: Task, words: Words) -> Case:
    """Return the stock task's own answer about a face."""
    evidence = face_evidence(words)
    return Case(evidence, task.written(evidence, words), text="reasoning")


Sources = list[tuple[Task, Callable[[Words], Case]]]


@dataclass(frozen=True)
class Corpus:
    """A kind of text: where right answers come from, and what faults say."""

    name: str
    bank: Bank
    sources: Sources
    prose: bool = True


def corpora() -> list[Corpus]:
    """Return the kinds of text."""
    known, unseen = Bank(HERE / "paraphrases.yaml"), Bank(HERE / "unseen.yaml")
    explain, locate = load_task("explain-expression"), load_task("spoof-locate")
    stock: Sources = [(explain, partial(rules_case, explain)), (locate, partial(located_case, locate))]
    return [
        Corpus("rules", known, stock, prose=False),
        Corpus("known words", known, _prose_of(known)),
        Corpus("once unseen words", unseen, _prose_of(unseen)),
    ]


def _prose_of(bank: Bank) -> Sources:
    return [(FACES, partial(face_case, bank.words)), (PICTURES, partial(picture_case, bank.words))]
