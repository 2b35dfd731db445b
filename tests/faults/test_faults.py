"""A short form of `python -m tests.faults`: every fault, each on one or two of the verbs that it can meet."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from .__main__ import put, table
from .faults import FAULTS
from .harness import Bench, Outcome, bench
from .verbs import VERBS

SHORT = {
    "kill -9": ("augment", "merge", "train fas", "rebuild, annotate"),
    "kill -9 at a file operation": (
        *("ingest folder", "annotate, rules", "split", "train au", "curate pull", "synth gates", "init"),
        *("report", "curate install-plugin"),
    ),
    "SIGTERM": ("edit", "export folder", "synth sample", "maps"),
    "SIGINT twice": ("ingest list", "annotate, server", "train fer", "audit"),
    "a worker's segmentation fault": ("augment, 2 workers",),
    "memory limit": ("sample", "augment", "train fas", "join"),
    "disk full": ("ingest folder", "annotate, rules", "merge", "synth train", "eval, scores"),
    "file size limit": ("filter", "export webdataset", "train fer", "report, metrics and plots"),
    "read-only target": ("augment", "export huggingface", "train fas", "annotate score"),
    "a file operation fails": ("ingest list", "filter", "train sft", "annotate au", "diff, picture"),
    "slow and flaky storage": ("sample", "rebuild, augment"),
    "slow and flaky source": ("filter", "ingest folder", "eval, model"),
    "clock set back": ("ingest folder", "merge", "synth despoof"),
    "two runs on one target": ("split", "annotate, server", "train fas", "synth train, adapter", "train sft"),
    "damaged input": ("annotate, rules", "export folder", "merge", "join"),
    "damaged part of a stopped run": (
        *("ingest folder", "augment", "filter", "train fas", "train sft", "synth train", "synth sample"),
    ),
    "damaged journal": ("annotate, server",),
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("faults"), pictures=12) as made:
        yield made


def test_every_fault_is_among_them():
    assert set(SHORT) == set(FAULTS)
    assert all(set(verbs) <= set(FAULTS[fault][1]) for fault, verbs in SHORT.items())
    assert {verb for verbs in SHORT.values() for verb in verbs} == set(VERBS)


@pytest.mark.parametrize(("fault", "verb"), [(fault, verb) for fault in SHORT for verb in SHORT[fault]])
def test_what_is_gone_on_with_is_what_an_untouched_run_makes(tools: Bench, fault: str, verb: str):
    outcome = FAULTS[fault][0](tools, VERBS[verb], random.Random(f"{fault} {verb}"))
    assert outcome.problems == [], outcome.detail
    assert outcome.lost == 0
    assert outcome.end == "same"


def test_the_table_counts_what_was_found(tmp_path: Path):
    outcomes = [
        Outcome("edit", "kill -9", end="same"),
        Outcome("split", "kill -9", end="refused"),
        Outcome("split", "kill -9", lost=3, problems=["rows are gone"], struck=False),
    ]
    text = table(outcomes)
    assert text.splitlines()[2] == "| kill -9 | 2 | 3 | 2 | 1 | 1 | 3 | 1 |"
    page = tmp_path / "page.md"
    old = "| Fault |\n|---|\n| SIGTERM | 1 |\n| kill -9 | 1 |\n"
    page.write_text(f"before\n<!-- table: begin -->\n{old}<!-- table: end -->\nafter\n")
    put(page, text)
    assert page.read_text().startswith("before\n<!-- table: begin -->\n| Fault")
    rows = "| kill -9 | 2 | 3 | 2 | 1 | 1 | 3 | 1 |\n| SIGTERM | 1 |\n"
    assert page.read_text().endswith(f"{rows}<!-- table: end -->\nafter\n"), "others stay"
