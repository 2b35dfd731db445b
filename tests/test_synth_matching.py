"""Blur and noise on request: what filters do to pictures of known blur and noise, and what rows say of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from synth_parts import make_attacks, tiny
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.pictures import read_picture
from facedata.synth.load import load_model
from facedata.synth.matching import matched
from facedata.synth.pictures import as_tensor, fitted, seen_quality
from facedata.synth.response import quality_response
from facedata.synth.sample import Sampling, _matched, sample
from facedata.synth.train import train

SIDE = 64


@pytest.fixture(scope="module")
def attacks(tmp_path_factory) -> Path:
    return make_attacks(tmp_path_factory.mktemp("synth"))


@pytest.fixture(scope="module")
def model(attacks, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("model") / "m"
    train(attacks, root, tiny())
    return root


def grain(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((SIDE, SIDE)).astype(np.float32)


def of(picture: np.ndarray) -> dict[str, float]:
    return dict(zip(("blur", "noise"), seen_quality(picture), strict=True))


def scene(seed: int = 0) -> np.ndarray:
    """Soft shapes with some grain: neither flat nor clipped."""
    draw = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(draw.standard_normal((SIDE, SIDE, 3)), (0, 0), 2.5)
    fine = cv2.GaussianBlur(draw.standard_normal((SIDE, SIDE, 1)), (0, 0), 0.6)[:, :, None]
    return (128 + 180 * wide + 6 * fine).round().clip(0, 255).astype(np.uint8)


def test_a_picture_of_the_wanted_quality_is_left_as_it_is():
    made = matched(scene(), grain(), **of(scene()))
    assert np.abs(made.pixels.astype(int) - scene()).max() <= 1
    assert made.softened == pytest.approx(0, abs=0.15)
    assert made.noise == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("deviation", [0.7, 1.2, 2.0])
def test_the_blur_of_a_gaussian_is_found_again_and_its_picture_with_it(deviation):
    blurred = cv2.GaussianBlur(
        scene().astype(np.float32), (0, 0), deviation, borderType=cv2.BORDER_REFLECT_101
    )
    wanted = blurred.round().astype(np.uint8)
    made = matched(scene(), grain(), **of(wanted))
    assert made.softened == pytest.approx(deviation, rel=0.1)
    assert np.square(made.pixels - blurred).mean() < 0.35 * np.square(scene() - blurred).mean()


@pytest.mark.parametrize("codes", [2.0, 5.0, 12.0])
def test_noise_asked_of_a_flat_picture_is_the_noise_that_is_added(codes):
    """Immerkaer's estimate of grey noise on a plane is its deviation."""
    flat = np.full((SIDE, SIDE, 3), 128, np.uint8)
    made = matched(flat, grain(3), noise=np.log10(codes))
    assert made.noise == pytest.approx(codes, rel=0.05)
    assert made.pixels.std() == pytest.approx(codes, rel=0.05)
    assert made.after[1] == pytest.approx(np.log10(codes), abs=0.01)


@pytest.mark.parametrize(("blur", "codes"), [(-0.05, 1.0), (0.1, 0.7), (0.0, 1.2)])
def test_both_qualities_are_reached_at_once(blur, codes):
    before = seen_quality(scene())
    wanted = before + np.array([blur, np.log10(codes)])
    made = matched(scene(), grain(), blur=wanted[0], noise=wanted[1])
    assert made.after == pytest.approx(wanted, abs=0.01)
    assert made.before == pytest.approx(before)
    assert made.after == pytest.approx(seen_quality(made.pixels))


def test_what_cannot_be_reached_is_come_near_to_and_said():
    soft = cv2.GaussianBlur(scene(), (0, 0), 3.0)
    made = matched(soft, grain(), blur=0.05, noise=seen_quality(soft)[1])
    assert 0.1 < made.after[0] < made.before[0], "sharper, and not as sharp as asked"


def test_one_that_is_no_number_stays_for_the_gates_to_say_and_spoils_no_other(attacks):
    rows = list(Dataset.open(attacks))[:2]
    made = as_tensor(np.stack([scene(0), scene(1)])).div(2).add(0.5)
    made[0, 0, 0, 0] = torch.nan
    pictures, told = _matched(rows, made, [scene(2), scene(2)], ["blur", "noise"])
    assert torch.equal(pictures[0].isnan(), made[0].isnan())
    assert told[0] == {}
    assert told[1]["quality"]["blur"]["made"] == pytest.approx(seen_quality(scene(2))[0], abs=0.01)


def test_rows_say_what_was_done_and_the_files_show_it(attacks, model, tmp_path):
    told = {"limit": 6, "sampling": Sampling(steps=2)}
    plain = sample(attacks, model, attacks, tmp_path / "plain", **told)
    made = sample(attacks, model, attacks, tmp_path / "made", match=["noise"], **told)
    assert made.record.parameters["match"] == ["noise"]
    assert "match" not in plain.record.parameters
    rows, styles = Dataset.open(made.root), Dataset.open(attacks)
    looks = {one.sample_id: one for one in styles}
    before = {(one.parent_id, one.variant): one for one in Dataset.open(plain.root)}

    def shown(dataset, row):
        return seen_quality(fitted(read_picture(dataset.read(row.image), row.image).pixels, 16))

    missed = {"plain": [], "made": []}
    for row in rows:
        wanted = shown(styles, looks[row.parameters["style"]["sample_id"]])
        kept = row.attributes["quality"]
        assert shown(rows, row) == pytest.approx([kept[name]["made"] for name in ("blur", "noise")], abs=1e-3)
        other = before[row.parent_id, row.variant]
        assert row.sample_id != other.sample_id
        assert shown(Dataset.open(plain.root), other) == pytest.approx(
            [kept[name]["network"] for name in ("blur", "noise")], abs=1e-3
        )
        missed["made"].append(abs(shown(rows, row) - wanted)[1])
        missed["plain"].append(abs(shown(Dataset.open(plain.root), other) - wanted)[1])
    assert np.mean(missed["made"]) < 0.1 * np.mean(missed["plain"])


def test_an_asked_noise_is_followed_where_filters_do_it(attacks, model):
    told = {"count": 4, "steps": 2, "spread": (0.5, 1.5)}
    loaded, dataset = load_model(model), Dataset.open(attacks)
    heeded = quality_response(loaded, dataset, "noise", match=True, **told)
    assert heeded.slope == pytest.approx(1, abs=0.1)
    assert abs(quality_response(loaded, dataset, "noise", **told).slope) < 0.5


def test_the_command_line_takes_it(attacks, model, tmp_path):
    words = ["synth", "sample", str(attacks), "--model", str(model), "--style", str(attacks), "--steps", "1"]
    words += ["-o", str(tmp_path / "o"), "--gates", "none", "--limit", "2", "--match", "noise"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert all("quality" in one.attributes for one in Dataset.open(tmp_path / "o"))
