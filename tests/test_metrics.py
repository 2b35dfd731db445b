"""Numbers and plots of a version: true of its rows, and equal for equal rows."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from known_faces import make_known
from PIL import Image
from test_cli import facedata

from facedata.curate.metrics import PLOTS, write_metrics, write_plots
from facedata.datasets.quality import quality_of


def test_quality_of_a_step_edge_is_what_theory_says():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    found = quality_of(pixels)
    assert found.brightness == pytest.approx(127.5)
    assert found.contrast == pytest.approx(127.5)
    # the Laplacian is 255 in one column, -255 in the next and 0 elsewhere
    assert found.sharpness == pytest.approx(255 * math.sqrt(2 / 64))


def test_quality_of_one_colour_is_its_luma_alone():
    found = quality_of(np.full((20, 30, 3), (200, 100, 50), np.uint8))
    assert found.brightness == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=0.5)
    assert (found.contrast, found.sharpness) == (0, 0)


def test_metrics_hold_the_counts_and_the_mean_quality_of_each_label(tmp_path):
    known = make_known(tmp_path / "known")
    metrics = write_metrics(known, tmp_path / "reports" / "metrics.json")
    assert json.loads((tmp_path / "reports" / "metrics.json").read_text()) == metrics
    assert (metrics["rows"], metrics["subjects"], metrics["failures"]) == (12, 6, 0)
    assert metrics["by_label"] == {"live": 7, "spoof": 3, "unlabelled": 2}
    assert metrics["by_split"] == {"test: day 2": 4, "train": 4, "val": 4}
    (one, *others) = sorted((known / "images" / "unlabelled").iterdir())
    looked = [quality_of(np.asarray(Image.open(path).convert("RGB"))) for path in (one, *others)]
    mean = sum(quality.contrast for quality in looked) / len(looked)
    assert metrics["quality"]["unlabelled"]["contrast"] == pytest.approx(mean, abs=0.5)  # two decoders


def test_equal_rows_give_equal_plots(tmp_path):
    for number, layout in enumerate(("files", "shards")):
        write_plots(make_known(tmp_path / f"known {number}", layout=layout), tmp_path / f"plots {number}")
    for name in PLOTS:
        first, second = (tmp_path / f"plots {number}" / name for number in (0, 1))
        assert first.read_bytes() == second.read_bytes()
        with Image.open(first) as picture:
            picture.load()
            assert len(picture.convert("RGB").getcolors(2**24)) > 10


def test_report_writes_a_page_where_nothing_else_is_asked_for(tmp_path):
    make_known(tmp_path / "known")
    said = facedata("report", "known", "--metrics", "m.json", "--plots", "plots", cwd=tmp_path).stdout
    assert said == "metrics  m.json\nplots    plots\n"
    facedata("report", "known", cwd=tmp_path)
    assert (tmp_path / "known.report.html").is_file()
