"""What the audits find of planted faults: a small run of benchmarks/audits.py with floors."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from conftest import ROOT

from facedata.curate.audit.catalogue import AUDITS


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("audits_bench", ROOT / "benchmarks" / "audits.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["audits_bench"] = module  # dataclasses look their module up
    before = list(sys.path)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["audits_bench"]


# Least precision and recall; of a few datasets less is sure than of many rows.
FLOORS = {
    "exact-duplicates": (1.0, 1.0),
    "near-duplicates": (0.95, 0.9),
    "subject-leakage": (1.0, 1.0),
    "source-leakage": (1.0, 1.0),
    "near-leakage": (0.95, 0.85),
    "label-balance": (0.9, 0.4),
    "coverage": (0.9, 0.4),
    "confounding": (0.9, 0.4),
    "unit-balance": (0.9, 0.5),
    "group-balance": (0.9, 0.8),
    "picture-quality": (0.95, 0.9),
    "quality-by-label": (0.8, 0.7),
}


def test_every_audit_keeps_its_floors(bench):
    for plant in bench.every_plant():
        if plant.audit not in FLOORS:
            continue
        repeats = 2 if plant.counted == "rows" else 10
        score = bench.measure(plant, seed=5, repeats=repeats)
        precision, recall = FLOORS[plant.audit]
        assert score.right + score.missed >= 2, plant.audit
        assert score.precision["value"] >= precision, plant.audit
        assert score.recall["value"] >= recall, plant.audit


def test_every_audit_has_a_plant(bench):
    assert {plant.audit for plant in bench.every_plant()} >= {audit.name for audit in AUDITS}


def test_the_table_is_written_between_its_marks(bench, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- planted -->\nold\n<!-- /planted -->\nafter\n")
    bench.main(["--only", "subject-leakage", "--write", str(page)])
    text = page.read_text()
    assert text.startswith("before\n<!-- planted -->\n| Audit |")
    assert "old" not in text
    assert "| `subject-leakage` |" in text
    assert text.endswith("<!-- /planted -->\nafter\n")
