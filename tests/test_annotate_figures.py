"""The figures of the checks: their floors, what faults are, and that the pages say what is measured."""

from __future__ import annotations

import importlib
import json
import re
import sys

import pytest
from conftest import ROOT

from facedata.annotate.checks.catalogue import FLAGS_IN_PROSE
from facedata.annotate.faults import FAULTS, OTHER_SAMPLE, inject
from facedata.datasets.words import Words

FLOORS = {  # of recall, and of right answers without an alarm; per cent, for words the checks were mended by
    "schema": (100, 100),
    "expression-equals-truth": (90, 99),
    "label-equals-truth": (90, 99),
    "attack-equals-truth": (100, 100),
    "aus-complete": (85, 93),
    "aus-grounded": (85, 98),
    "polarity": (80, 98),
    "side": (60, 99),
    "au-names": (90, 99),
    "cue-for-species": (85, 99),
    "boxes-inside": (100, 100),
    "boxes-match": (100, 100),
    "no-label-leak": (90, 99),
    "no-identity": (90, 99),
    "no-demographics": (90, 99),
    "refusal": (85, 99),
}
NUMBER = r"(\d+\.\d) \((\d+\.\d)-(\d+\.\d)\)"


@pytest.fixture(scope="module")
def bench():
    """The benchmark's modules, which stand beside each other in a folder of scripts."""
    folder, before = str(ROOT / "benchmarks"), set(sys.modules)
    sys.path.insert(0, folder)
    yield importlib.import_module("checks")
    sys.path.remove(folder)
    for name in ("checks", "drawn_answers", "drawn_scores", "whole_answers"):
        if name not in before:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def unseen(bench):
    return bench.of_texts(bench.WHOLE["unseen answers"])


def corpus_of(bench, name: str):
    return next(one for one in bench.corpora() if one.name == name)


def test_the_checks_keep_their_floors(bench):
    checks, _ = bench.measure(corpus_of(bench, "known words"), 400, seed=7)
    assert set(checks) == set(FLOORS)
    for rule, (recall, clean) in FLOORS.items():
        one = checks[rule]
        faulty = one.right + one.missed
        assert faulty >= 3, rule
        assert 100 * one.right / faulty >= recall, (rule, one.missing[:3])
        assert 100 * (1 - one.alarms / one.clean) >= clean, (rule, one.alarming[:3])


def test_whole_answers_keep_their_floors(bench):
    figures = bench.of_texts(bench.WHOLE["known answers"])
    for rule, one in figures.checks.items():
        assert one.alarms <= 0.04 * one.clean, (rule, one.alarming[:3])
        assert one.right >= 0.9 * (one.right + one.missed) or one.missed <= 2, (rule, one.missing)


def test_faults_do_what_they_say(bench):
    corpus = corpus_of(bench, "known words")
    for fault in (*FAULTS, OTHER_SAMPLE):
        made = 0
        for number in range(60):
            words = Words.of(3, fault.name, number)
            _, make = corpus.sources[number % 2]
            case, other = make(words), make(words.named("other"))
            before = json.dumps(case.response)
            text = inject(fault, case, other, corpus.bank.faults, words)
            assert json.dumps(case.response) == before, "the right answer is left as it is"
            if text is not None:
                made += 1
                assert text != json.dumps(case.response, ensure_ascii=False), fault.name
        assert made, fault.name


def rows_of(page: str) -> dict[str, list[list[str]]]:
    """Return the rows of the tables between a page's markers, by their first cell."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    marked = re.search(r"<!-- figures -->\n(.*)\n<!-- end of figures -->", text, re.DOTALL)
    assert marked is not None, page
    rows: dict[str, list[list[str]]] = {}
    for line in marked[1].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows.setdefault(cells[0], []).append(cells[1:])
    return rows


def test_the_page_has_the_figures_on_unseen_answers(bench, unseen):
    # These are drawn from nothing, so the command gives them again to the last digit.
    written = rows_of("annotate.md")
    for line in bench.main_table([], unseen).splitlines()[2:]:
        fault, _, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert written[fault][0][4:] == cells[3:], fault
    rows = rows_of("checks.md")
    for line in (*bench.check_rows("unseen answers", unseen), *bench.fault_rows("unseen answers", unseen)):
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells in rows[first], line


def test_the_page_has_the_figures_on_drawn_answers(bench):
    # A smaller run's intervals meet those of the page, and faults are as frequent within sampling error.
    written = rows_of("annotate.md")
    figures = [
        bench.Figures(*bench.measure(corpus_of(bench, name), 300, seed=5))
        for name in ("rules", "known words")
    ]
    for line in bench.main_table(figures, figures[0]).splitlines()[2:]:
        fault, check, rate, precision, recall, *_ = [cell.strip() for cell in line.strip("|").split("|")]
        page_check, page_rate, page_precision, page_recall, *_ = written[fault][0]
        assert page_check == check
        assert abs(float(rate) - float(page_rate)) < 3.5, fault
        for now, then in ((precision, page_precision), (recall, page_recall)):
            (_, low, high), (_, page_low, page_high) = (
                re.fullmatch(NUMBER, one).groups() for one in (now, then)
            )
            assert float(low) <= float(page_high), (fault, now, then)
            assert float(page_low) <= float(high), (fault, now, then)


def test_a_check_fails_an_answer_by_its_prose_where_it_was_measured_to_be_right(bench, unseen):
    assert bench.flagging(unseen) == FLAGS_IN_PROSE
