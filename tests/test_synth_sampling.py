"""Sampling and de-spoofing through the engine: rows, lineage, and the same version every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synth_parts import KINDS, make_attacks, tiny
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.pictures import read_picture
from facedata.datasets.sources import DatasetSource
from facedata.datasets.validate import validate
from facedata.synth.despoof import despoof, residual_map
from facedata.synth.load import load_model, read_card
from facedata.synth.pictures import QUALITIES
from facedata.synth.pipeline import Guidance
from facedata.synth.response import quality_response
from facedata.synth.sample import Sampling, sample
from facedata.synth.train import train

FEW = {"steps": 4}


@pytest.fixture(scope="module")
def attacks(tmp_path_factory) -> Path:
    return make_attacks(tmp_path_factory.mktemp("synth"))


@pytest.fixture(scope="module")
def model(attacks, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("model") / "m"
    train(attacks, root, tiny(steps=60, rate=3e-3))
    return root


def pictures(root: Path) -> dict[tuple[str, int], np.ndarray]:
    """Pixels of a dataset by parent and variant: ids differ between batch sizes, which the rows name."""
    dataset = Dataset.open(root)
    return {
        (one.parent_id, one.variant): read_picture(dataset.read(one.image), one.image).pixels.astype(int)
        for one in dataset
    }


def test_pictures_are_the_same_whatever_the_batch_and_the_shards(attacks, model, tmp_path, monkeypatch):
    def made(name, batch, **options):
        sampling = Sampling(batch=batch, **FEW)
        return sample(attacks, model, attacks, tmp_path / name, seed=3, sampling=sampling, **options)

    eight, again = made("eight", 8), made("again", 8, options=Options(layout="shards"))
    assert eight.made == 12
    assert eight.record.version == again.record.version, "bit for bit at one batch size"
    one = made("one", 1)
    assert one.record.version != eight.record.version, "the rows name the batch size"
    few = made("few", 8, limit=3)
    assert few.made == 3
    shards = DatasetSource.shards
    monkeypatch.setattr(DatasetSource, "shards", lambda self, size: shards(self, 1))
    apart = made("apart", 8)  # other neighbours: batches never cross shards
    wanted = pictures(tmp_path / "eight")
    for name in ("again", "one", "few", "apart"):
        found = pictures(tmp_path / name)
        assert found.keys() <= wanted.keys()
        assert max(abs(found[key] - wanted[key]).max() for key in found) <= 1
    ids = [{row.sample_id for row in Dataset.open(tmp_path / name)} for name in ("eight", "apart", "few")]
    assert ids[0] == ids[1] > ids[2], "an id depends on nothing but the picture's own"
    assert apart.made == 12
    other = sample(attacks, model, attacks, tmp_path / "other", seed=4, sampling=Sampling(batch=8, **FEW))
    assert other.record.version != eight.record.version


def test_rows_name_their_live_face_style_model_and_every_choice(attacks, model, tmp_path):
    sampling = Sampling("dpm", 3, 0.9, Guidance(style=2.0), 4)
    sample(attacks, model, attacks, tmp_path / "o", seed=3, sampling=sampling, variants=2)
    assert validate(tmp_path / "o").findings == []
    source = {one.sample_id: one for one in Dataset.open(attacks)}
    rows = list(Dataset.open(tmp_path / "o"))
    assert len(rows) == 24
    assert {row.attack for row in rows} == set(KINDS)
    for row in rows:
        parent, style = source[row.parent_id], source[row.parameters["style"]["sample_id"]]
        assert (parent.label, row.label) == ("live", "spoof")
        assert (row.subject, row.split, row.domain) == (parent.subject, parent.split, parent.domain)
        assert style.attack == row.attack
        assert style.subject != row.subject
        assert style.content_hash == row.parameters["style"]["content_hash"]
        assert row.parameters["model"] == read_card(model)["weights"]
        assert row.parameters["sampling"] == sampling.to_json()
        assert row.parameters["sampling"]["guidance"] == {"content": 1, "quality": 1, "kind": 1, "style": 2}
        assert row.seed == 3
    record = Dataset.open(tmp_path / "o").record
    assert Dataset.open(attacks).version in {parent.version for parent in record.parents}


def test_what_is_made_resembles_its_style_more_than_another(attacks, model, tmp_path):
    """A network of sixty steps already tells a warm print from a blue replay."""
    sample(attacks, model, attacks, tmp_path / "o", seed=3, sampling=Sampling(**FEW), variants=4)
    dataset = Dataset.open(tmp_path / "o")
    blue = {kind: [] for kind in KINDS}
    for one in dataset:
        mean = read_picture(dataset.read(one.image), one.image).pixels.mean(axis=(0, 1))
        blue[one.attack].append(mean[2] - mean[0])
    assert np.mean(blue["replay/lcd"]) > np.mean(blue["print/paper"]) + 20


def test_physics_is_composed_over_what_is_made_and_the_row_says_so(attacks, model, tmp_path):
    plain = ["synth", "sample", attacks, "--model", model, "--style", attacks]
    plain += ["--steps", "3", "--gates", "none"]
    run = CliRunner()

    def made(name, *extra):
        done = run.invoke(app, [str(word) for word in [*plain, "-o", tmp_path / name, *extra]])
        assert done.exit_code == 0, done.output
        rows = list(Dataset.open(tmp_path / name))
        return {row.parent_id: row for row in rows}, pictures(tmp_path / name)

    without, before = made("without")
    policy = tmp_path / "lattice.yaml"
    step = "{operator: moire-pattern, parameters: {strength: 1.0, sensor: 64, pitch: 2.2}}"
    policy.write_text(f"name: lattice\nchains: [{{steps: [{step}]}}]\n")
    with_, after = made("with", "--compose", f"replay={policy}")
    assert {row.attack for row in with_.values()} == set(KINDS)
    for parent, row in with_.items():
        changed = abs(before[parent, 0] - after[parent, 0]).max()
        if row.attack == "replay/lcd":
            assert row.operator == "synth-diffusion+moire-pattern"
            assert row.parameters["compose"]["steps"][0]["operator"] == "moire-pattern"
            assert changed > 4
        else:
            assert row.operator == "synth-diffusion"
            assert changed == 0
            assert row.sample_id == without[parent].sample_id
        assert row.label == "spoof"
        assert row.attack == without[parent].attack
    made("all", "--compose", policy)
    twice = run.invoke(app, [str(w) for w in [*plain, "-o", tmp_path / "x", *["--compose", policy] * 2]])
    assert twice.exit_code == 2
    assert "every kind has a policy already" in " ".join(twice.output.split())


def test_a_model_that_was_trained_again_in_its_place_is_not_the_one_before(attacks, tmp_path):
    made = []
    for seed in (1, 2):
        train(attacks, tmp_path / "m", tiny(steps=1, seed=seed), overwrite=True)
        sample(attacks, tmp_path / "m", attacks, tmp_path / str(seed), sampling=Sampling(**FEW))
        made.append(pictures(tmp_path / str(seed)))
    assert any((made[0][key] != made[1][key]).any() for key in made[0])


def test_despoofing_gives_the_face_and_what_had_to_change(attacks, tmp_path):
    train(attacks, tmp_path / "live", tiny(task="despoof", steps=4))
    result = despoof(attacks, tmp_path / "live", tmp_path / "o", sampling=Sampling(strength=0.5, **FEW))
    assert result.made == 36
    dataset = Dataset.open(tmp_path / "o")
    for one in dataset:
        assert one.label is None
        assert one.attack is None
        made = read_picture(dataset.read(one.image), one.image).pixels
        assert made.shape == (16, 16, 3)
        assert [layer.name for layer in one.layers] == ["residual"]


def test_a_residual_is_the_mean_change_over_the_colours():
    before = np.zeros((2, 2, 3), np.uint8)
    after = before.copy()
    after[0, 1] = (30, 60, 0)
    assert residual_map(before, after).tolist() == [[0, 30], [0, 0]]


def test_the_response_to_an_asked_quality_is_measured_and_is_flat_where_it_is_not_heard(attacks, model):
    loaded, dataset = load_model(model), Dataset.open(attacks)
    found = quality_response(loaded, dataset, "noise", count=4, steps=3, spread=(-1.0, 1.0))
    scale, column = loaded.scale, QUALITIES.index("noise")
    wanted = [scale.mean[column] - scale.deviation[column], scale.mean[column] + scale.deviation[column]]
    assert found.asked == pytest.approx(wanted)
    assert found.slope == pytest.approx((found.made[1] - found.made[0]) / (wanted[1] - wanted[0]))
    assert found.made[0] != found.made[1]
    deaf = quality_response(
        loaded, dataset, "noise", count=4, steps=3, spread=(-1.0, 1.0), guidance=Guidance(quality=0)
    )
    assert deaf.slope == pytest.approx(0, abs=1e-3)
    with pytest.raises(ValueError, match="'compression' is not one of blur, noise"):
        quality_response(loaded, dataset, "compression")
