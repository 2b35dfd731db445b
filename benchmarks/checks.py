"""How well the checks of annotations find errors: precision and recall on errors of known kind and rate.

    python benchmarks/checks.py [--records 1000] [--seed 0] [--write docs/checks.md]

Right answers are made for drawn evidence, half of them given one fault each, all kinds equally often, and all
are checked. Two kinds of text: the stock tasks' own rules, and `paraphrases.yaml`, written apart from them.
`--write` puts the tables into the file, between its markers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from scipy.stats import binomtest

from facedata.annotate.checks.base import Answer
from facedata.annotate.checks.catalogue import CHECKS, run_checks
from facedata.annotate.checks.duplicates import NEAR, Seen, shingles, similarity
from facedata.annotate.checks.scan import claims, scan
from facedata.annotate.compose import understand
from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS, PROTOTYPES
from facedata.annotate.faults import FAULTS, OTHER_SAMPLE, Case, Sentences, inject, sentence
from facedata.annotate.knowledge import knowledge
from facedata.annotate.tasks import CheckSpec, Task, load_task
from facedata.datasets.words import Words

CODED = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 17, 20, 23, 25, 26, 43)  # what the rendered faces have
SPECIES = ("print/inkjet", "print/laser", "replay/lcd", "replay/oled", "mask/resin", "mask/silicone")
NOT_MEASURED = ("equals-truth", "prototype")
EVERY = tuple(CheckSpec(rule=rule) for rule in CHECKS if rule not in NOT_MEASURED)
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
    response = {"text": _joined(bank, sentences, words), "expression": evidence["expression"]["value"]}
    return Case(
        evidence, response, clauses=tuple((au, _found(text, response["text"])) for au, text in clauses)
    )


def _joined(bank: dict[str, Any], clauses: list[str], words: Words) -> str:
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
        evidence, {"text": _joined(bank, sentences, words), "label": label, "attack": species, "boxes": boxes}
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
        Corpus("unseen words", unseen, _prose_of(unseen)),
    ]


def _prose_of(bank: Bank) -> Sources:
    return [(FACES, partial(face_case, bank.words)), (PICTURES, partial(picture_case, bank.words))]


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


def measure(corpus: Corpus, records: int, seed: int) -> tuple[dict[str, Score], dict[str, Score]]:
    """Return scores by check and by fault: `records` right answers, and as many with one fault each."""
    checks = {spec.rule: Score() for spec in EVERY}
    faults = {fault.name: Score() for fault in (*FAULTS, OTHER_SAMPLE)}
    for number in range(records):
        words = Words.of(seed, "case", number)
        task, make = corpus.sources[number % len(corpus.sources)]
        case = make(words)
        for rule, detail in _findings(task, case, None, words).items():
            checks[rule].clean += 1
            if detail:
                checks[rule].alarms += 1
                checks[rule].false += 1
                checks[rule].alarming.append(f"{detail} | {case.response[case.text]}")
        _one_fault(corpus, number, seed, checks, faults)
    return checks, faults


def _one_fault(
    corpus: Corpus,
    number: int,
    seed: int,
    checks: dict[str, Score],
    faults: dict[str, Score],
) -> None:
    """Give a new right answer one of the faults that it can have, any as likely, and count what is found."""
    words = Words.of(seed, "fault", number)
    task, make = corpus.sources[number % len(corpus.sources)]
    case, other = make(words), make(words.named("other"))
    order = words.named("order")
    for fault in sorted((*FAULTS, OTHER_SAMPLE), key=lambda fault: order.named(fault.name).word()):
        text = inject(fault, case, other, corpus.bank.faults, words)
        if text is not None:
            break
    else:
        return
    found = {rule for rule, detail in _findings(task, case, text, words).items() if detail}
    caught = bool(found & set(fault.found_by)) if fault.found_by else bool(found)
    score = faults[fault.name]
    score.right, score.missed = score.right + caught, score.missed + (not caught)
    if not caught:
        score.missing.append(text)
    for rule, one in checks.items():
        if rule in fault.found_by:
            one.right, one.missed = one.right + (rule in found), one.missed + (rule not in found)
        elif rule in found and fault is not OTHER_SAMPLE and rule not in fault.may:
            one.false += 1
            one.alarming.append(f"{fault.name} | {text}")


def _findings(task: Task, case: Case, text: str | None, words: Words) -> dict[str, str]:
    said = json.dumps(case.response, ensure_ascii=False) if text is None else text
    answer = understand(task, case.evidence, words, said)
    found = run_checks(answer, EVERY)
    return {check.rule: check.detail if check.status in ("fail", "flag") else "" for check in found}


def near_duplicates(bank: dict[str, Any], records: int, seed: int) -> Score:
    """Score near-duplicate: a tenth of a stream repeats an earlier text with one word in twenty changed."""
    score, seen, texts = Score(), Seen(), []
    for number in range(records):
        words = Words.of(seed, "stream", number)
        copied = bool(texts) and words.chance(0.1)
        text = (
            _reworded(words.choice(texts), words) if copied else str(face_case(bank, words).response["text"])
        )
        found = seen.nearest(str(number), text) is not None
        score.right += copied and found
        score.missed += copied and not found
        score.false += found and not copied
        score.alarms += found and not copied
        score.clean += not copied
        texts = [*texts[-200:], text]
    seen.close()
    return score


def _reworded(text: str, words: Words) -> str:
    parts = text.split()
    for _ in range(max(1, len(parts) // 20)):
        parts[words.integer(0, len(parts) - 1)] = words.choice(("quite", "now", "indeed", "rather", "here"))
    return " ".join(parts)


def swap_controls(bank: dict[str, Any], records: int, seed: int) -> Score:
    """Score swap-control: half of the answerers say the same again, half describe the same labels anew."""
    score = Score()
    for number in range(records):
        words = Words.of(seed, "swap", number)
        text, blind = str(face_case(bank, words.named("case")).response["text"]), words.chance(0.5)
        again = _reworded(text, words) if blind else _anew(bank, words)
        found = similarity(shingles(text), shingles(again)) >= NEAR
        score.right += blind and found
        score.missed += blind and not found
        score.false += found and not blind
        score.alarms += found and not blind
        score.clean += not blind
    return score


def _anew(bank: dict[str, Any], words: Words) -> str:
    """Return another text about the same evidence: the case's draws up to its words are the same."""
    evidence = face_evidence(words.named("case"))
    fresh = words.named("again")
    sentences = [
        fresh.choice(bank["seen"][unit["au"]]).format(AU=f"AU{unit['au']}") for unit in evidence["aus"]
    ]
    sentences.append(fresh.choice(bank["harmless"]))
    noun = fresh.choice(bank["nouns"][evidence["expression"]["value"]])
    return _joined(bank, [*sentences, fresh.choice(bank["verdict"]).format(noun=noun)], fresh)


def mislabelled(records: int, seed: int) -> Score:
    """Score prototype: half of the samples carry the expression of another one."""
    score = Score()
    for number in range(records):
        words = Words.of(seed, "label", number)
        evidence, wrong = face_evidence(words), words.chance(0.5)
        if wrong:
            others = [one for one in EXPRESSIONS if one != evidence["expression"]["value"]]
            evidence["expression"] = {"value": words.choice(others)}
        found = CHECKS["prototype"](Answer(FACES, evidence, {}), {})
        if found is None:
            continue
        score.right += wrong and bool(found)
        score.missed += wrong and not found
        score.false += bool(found) and not wrong
        score.alarms += bool(found) and not wrong
        score.clean += not wrong
    return score


def speed(sources: Sources, records: int, seed: int) -> tuple[float, int]:
    """Return (ms of CPU a record for all checks, mean length in characters), best of five."""
    answers = []
    for number in range(records):
        words = Words.of(seed, "speed", number)
        task, make = sources[number % len(sources)]
        case = make(words)
        answers.append(understand(task, case.evidence, words, json.dumps(case.response)))
    best = float("inf")
    for _ in range(5):
        scan.cache_clear()
        claims.cache_clear()
        fresh = [replace(answer, memo={}) for answer in answers]
        began = time.process_time()
        for answer in fresh:
            run_checks(answer, EVERY)
        best = min(best, time.process_time() - began)
    length = sum(len(text) for answer in answers for text in answer.texts) // records
    return best / records * 1e3, length


def _share(hits: int, count: int) -> str:
    if not count:
        return "-"
    low, high = binomtest(hits, count).proportion_ci(method="wilson")
    return f"{100 * hits / count:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def _rows(name: str, checks: Mapping[str, Score]) -> Iterator[str]:
    for rule, one in checks.items():
        if one.right + one.missed == 0:
            continue
        found, faulty = one.right, one.right + one.missed
        precision = _share(found, found + one.false)
        yield (
            f"| `{rule}` | {name} | {precision} | {_share(found, faulty)} | {faulty} | "
            f"{_share(one.alarms, one.clean)} |"
        )


def tables(records: int, seed: int, show: int = 0) -> str:
    """Return the tables in Markdown; `show` misses and false alarms of each go to stderr."""
    lines = [
        "| Check | Text | Precision, % | Recall, % | Faults | False alarms on right answers, % |",
        "|---|---|---:|---:|---:|---:|",
    ]
    kinds = ["", "| Fault | Text | Found, % | Faults |", "|---|---|---:|---:|"]
    for corpus in corpora():
        name = corpus.name
        checks, faults = measure(corpus, records, seed)
        if not corpus.prose:
            checks["prototype"] = mislabelled(records, seed)
        if corpus.prose:
            checks["near-duplicate"] = near_duplicates(corpus.bank.words, records, seed)
            checks["swap-control"] = swap_controls(corpus.bank.words, records, seed)
        lines += _rows(name, checks)
        kinds += [
            f"| {fault} | {name} | {_share(one.right, one.right + one.missed)} | {one.right + one.missed} |"
            for fault, one in faults.items()
            if one.right + one.missed
        ]
        for kind, one in {**checks, **faults}.items():
            for text in (*one.missing[:show], *one.alarming[:show]):
                print(f"{name}: {kind}: {text}\n", file=sys.stderr)
        ms, length = speed(corpus.sources, min(records, 300), seed)
        kinds.append(f"| all checks: {ms:.2f} ms a record of {length} characters | {name} | | |")
    return "\n".join([*lines, *kinds])


def main() -> None:
    """Print the tables, or write them between the markers of a file."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--records", type=int, default=1000, help="right answers, and as many faulty ones")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--show", type=int, default=0, help="misses and false alarms to show of each kind")
    options.add_argument("--write", type=Path, help="the page to put the tables into")
    chosen = options.parse_args()
    made = tables(chosen.records, chosen.seed, chosen.show)
    if chosen.write is None:
        print(made)
        return
    page = chosen.write.read_text("utf-8")
    marked = re.compile(r"(<!-- figures -->\n).*(<!-- end of figures -->)", re.DOTALL)
    chosen.write.write_text(marked.sub(lambda found: f"{found[1]}{made}\n{found[2]}", page), "utf-8")


if __name__ == "__main__":
    main()
