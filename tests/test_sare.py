"""The experiment on SARE: what it says of models whose behaviour is known, and what it does to pictures."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from recipe_parts import domains

from facedata.datasets.dataset import Dataset

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def sare() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("sare_bench", ROOT / "benchmarks" / "sare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sare_bench"] = module  # dataclasses look their module up
    before = list(sys.path)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["sare_bench"]


def rows(reads: str) -> pd.DataFrame:
    """Every label with every artefact in two domains, eight of each, scored by the one or the other."""
    cells = [
        {"label": label, "artefact": artefact, "domain": domain}
        for label in ("live", "spoof")
        for artefact in ("grain", "blocks")
        for domain in ("a", "b")
        for _ in range(8)
    ]
    table = pd.DataFrame(cells)
    said = table["label"] == "live" if reads == "label" else table["artefact"] == "grain"
    return table.assign(score=np.where(said, 3.0, -3.0))


def test_a_model_that_reads_the_label_is_blind_to_the_artefact(sare: ModuleType) -> None:
    found = sare.measured(rows("label"), 0.0)
    assert found["worst"] == 0
    assert found["auc"] == 100
    assert found["probe"] == 50


def test_a_model_that_reads_the_artefact_is_found_out(sare: ModuleType) -> None:
    found = sare.measured(rows("artefact"), 0.0)
    assert found["worst"] == found["hter"] == 50
    assert found["probe"] == 100


def test_the_worst_domain_and_the_variance_are_those_of_domains(sare: ModuleType) -> None:
    table = rows("label")
    wrong = (table["domain"] == "b") & (table["label"] == "spoof")
    table.loc[wrong, "score"] = 3.0  # every attack of b is let in
    found = sare.measured(table, 0.0)
    assert (found["worst"], found["hter"]) == (50, 25)
    # risks are log(1 + e^-3) and 3 more: their variance is 1.5 squared
    assert found["variance"] == pytest.approx(1.5**2)


def test_artefacts_go_with_the_label_by_the_share(sare: ModuleType, tmp_path: Path) -> None:
    source = domains(tmp_path / "source")
    sare.spoiled(source, tmp_path / "always", {"north": 1.0, "south": 1.0}, 0)
    always = pd.read_csv(tmp_path / "always" / "list.csv")
    assert len(always) == len(list(Dataset.open(source).rows(("sample_id",))))
    assert (always["artefact"] == np.where(always["label"] == "spoof", "blocks", "grain")).all()
    sare.spoiled(source, tmp_path / "never", {"north": 0.0, "south": 0.0}, 0)
    never = pd.read_csv(tmp_path / "never" / "list.csv")
    assert (never["artefact"] != always["artefact"]).all()


def test_grain_is_noise_of_the_deviation_that_is_said(sare: ModuleType) -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert sare.grain(grey, 1).std() == pytest.approx(16, rel=0.03)
    np.testing.assert_array_equal(sare.grain(grey, 1), sare.grain(grey, 1))


def test_a_page_without_the_marks_is_named(sare: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- sare -->\nold\n<!-- /sare -->\nafter\n")
    sare.write_between(page, "sare", "new \\1")
    assert page.read_text() == "before\n<!-- sare -->\nnew \\1\n<!-- /sare -->\nafter\n"
    with pytest.raises(SystemExit, match=r"page\.md.*<!-- scale -->"):
        sare.write_between(page, "scale", "new")
