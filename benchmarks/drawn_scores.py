"""What the checks find in drawn answers: right ones, and as many that have one fault each."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from drawn_answers import FACES, Corpus, Sources, face_case, face_evidence, joined
from whole_answers import Score

from facedata.annotate.checks.base import Answer
from facedata.annotate.checks.catalogue import CHECKS, run_checks
from facedata.annotate.checks.duplicates import NEAR, Seen, shingles, similarity
from facedata.annotate.checks.scan import claims, scan
from facedata.annotate.compose import understand
from facedata.annotate.facs import EXPRESSIONS
from facedata.annotate.faults import FAULTS, OTHER_SAMPLE, Case, inject
from facedata.annotate.tasks import CheckSpec, Task
from facedata.datasets.words import Words

__all__ = ["EVERY", "measure", "mislabelled", "near_duplicates", "speed", "swap_controls"]

NOT_MEASURED = ("equals-truth", "prototype")
EVERY = tuple(CheckSpec(rule=rule) for rule in CHECKS if rule not in NOT_MEASURED)


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
    return joined(bank, [*sentences, fresh.choice(bank["verdict"]).format(noun=noun)], fresh)


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
