"""`facedata maps`: layers of a dataset's pictures, with everything else as it was."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.pictures import read_picture
from facedata.recipes.maps import MAPS
from facedata.recipes.maps.run import LAYER_MAPS, write_maps


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def ingested(faces, tmp_path):
    run("ingest", "folder", faces, "-o", tmp_path / "ingested")
    return tmp_path / "ingested"


def layer(dataset: Dataset, reference: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(dataset.read(reference), np.uint8), cv2.IMREAD_UNCHANGED)


def test_every_map_becomes_layers_and_rows_stay(ingested, tmp_path):
    told = run("maps", ingested, "--kind", ",".join(LAYER_MAPS), "-o", tmp_path / "maps", "--json")
    assert json.loads(told)["rows"] == 12
    before, after = Dataset.open(ingested), Dataset.open(tmp_path / "maps")
    for old, new in zip(before, after, strict=True):
        assert (old.sample_id, old.content_hash, old.label) == (new.sample_id, new.content_hash, new.label)
        assert old.source == new.source
        pixels = read_picture(before.read(old.image), "old").pixels
        found = {one.name: layer(after, one.ref) for one in new.layers}
        wanted = {name: values for one in LAYER_MAPS for name, values in MAPS[one].layers(pixels).items()}
        assert set(found) == set(wanted) == {name for one in LAYER_MAPS for name in MAPS[one].layer_names()}
        for name, values in wanted.items():
            assert np.array_equal(found[name], values)
            assert values.shape == pixels.shape[:2]
    assert [parent.version for parent in after.record.parents] == [before.version]
    assert "the same" in run("rebuild", tmp_path / "maps")
    run("validate", tmp_path / "maps")


def test_codes_of_a_layer_are_the_window_of_its_map():
    """A code is a 255th of the window `shown`, and what lies beyond is clipped."""
    pixels = np.full((20, 20, 3), 100, np.uint8)
    pixels[10, 10] = 120
    found = MAPS["laplacian"].layers(pixels)["laplacian"]
    low, high = MAPS["laplacian"].shown
    assert found[10, 10] == 0  # -80 is below the window
    assert found[10, 9] == round(255 * (20 - low) / (high - low))
    assert found[3, 3] == round(255 * -low / (high - low))


def test_layers_of_other_verbs_are_kept_and_maps_can_be_added(ingested, tmp_path):
    run("maps", ingested, "--kind", "lbp", "-o", tmp_path / "one")
    run("maps", tmp_path / "one", "--kind", "srm", "-o", tmp_path / "two", "--layout", "shards")
    names = {one.name for sample in Dataset.open(tmp_path / "two") for one in sample.layers}
    assert names == {"lbp", "srm-3x3", "srm-5x5", "srm-1x3"}
    with pytest.raises(UsageError, match="'lbp' already"):
        write_maps(tmp_path / "one", tmp_path / "again", ["srm", "lbp"])
    assert not (tmp_path / "again").exists()


def test_instruction_records_that_are_left_behind_are_counted(ingested, tmp_path):
    run("annotate", "spoof-coarse", ingested, "--provider", "rules", "-o", tmp_path / "told")
    run("maps", tmp_path / "told", "--kind", "grey", "-o", tmp_path / "maps")
    before, after = (Dataset.open(tmp_path / name).record for name in ("told", "maps"))
    assert sum(before.counts.instructions["spoof-coarse"].values()) == 12
    assert after.notes == ["left behind: 12 instruction records"]
    assert not after.counts.instructions


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("glcm", "no map 'glcm'"),
        ("st-map", "of a clip"),
        ("difference", "synth despoof"),
        (" ,", "no map is named"),
    ],
)
def test_maps_that_cannot_be_made(ingested, tmp_path, kind, word):
    done = CliRunner().invoke(app, ["maps", str(ingested), "--kind", kind, "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert word in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_not_installed_is_named_before_anything_is_made(ingested, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"hog needs skimage: pip install 'facedata\[maps\]'"):
        write_maps(ingested, tmp_path / "out", ["lbp", "hog"])
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_too_small_is_set_aside(tmp_path):
    folder = tmp_path / "mixed" / "live"
    folder.mkdir(parents=True)
    drawn = np.random.default_rng(0)
    for name, side in (("large", 40), ("small", 20)):
        cv2.imwrite(str(folder / f"{name}.png"), drawn.integers(0, 256, (side, side, 3), dtype=np.uint8))
    run("ingest", "folder", folder.parent, "-o", tmp_path / "in")
    done = CliRunner().invoke(
        app, ["maps", str(tmp_path / "in"), "--kind", "richest-patch", "-o", str(tmp_path / "out"), "--json"]
    )
    assert done.exit_code == 3
    record = Dataset.open(tmp_path / "out").record
    assert record.counts.rows == 1
    assert [failure.kind for failure in record.failures] == ["no-map"]
    assert "20 x 20 px is less than 32 px" in record.failures[0].reason
