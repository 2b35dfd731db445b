"""What users get wrong, for every operator: values outside physics, odd frames, what is no picture."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml
from test_operators import picture

from facedata.augment.adapters.albumentations import FaceDataTransform
from facedata.augment.policy import Step, load_policy
from facedata.augment.registry import OPERATORS
from facedata.augment.run import augment
from facedata.augment.task import Augment
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.pictures import read_picture
from facedata.datasets.sample import Sample
from facedata.datasets.task import Planned
from facedata.datasets.words import Words

ALL = pytest.mark.parametrize("name", OPERATORS)
FRAMES = [(16, 16), (17, 31), (90, 64), (1, 7)]


def numbers(operator):
    """The parameters that are numbers, with the ends of their ranges."""
    return {name: operator.bounds(name) for name in operator.draws() if operator.bounds(name) != (None, None)}


def outside(low, high):
    """A value below and one above a range, whole where the ends are."""
    way = max(1, math.ceil(high - low))
    return low - way, high + way


@ALL
def test_every_number_has_both_ends_and_none_is_passed(name):
    """By policy, adapter and the parameters: name, value, unit and range are told."""
    operator = OPERATORS[name]
    drawn = operator.sample(Words.of(0, name)).model_dump()
    found = numbers(operator)
    assert all(None not in ends for ends in found.values()), "a range with two ends"
    kinds = {field.annotation for key, field in operator.parameters.model_fields.items() if key not in found}
    assert not kinds & {int, float}, "a number without a range"
    for parameter, (low, high) in found.items():
        for value in (*outside(low, high), math.nan, math.inf, "much", None):
            with pytest.raises(UsageError) as told:
                operator.parse({**drawn, parameter: value})
            text = str(told.value)
            for part in (f"{name}: {parameter} = ", f"(unit {operator.unit(parameter)})"):
                assert part in text
            assert f"its range is {low:g} .. {high:g}" in text
        with pytest.raises(UsageError, match=f"{parameter} = .*its range is"):
            FaceDataTransform(name, {parameter: outside(low, high)[0]})


@ALL
def test_a_policy_file_with_a_value_outside_physics_is_refused_as_it_is_read(name, tmp_path):
    operator = OPERATORS[name]
    path = tmp_path / "p.yaml"
    for parameter, (low, high) in numbers(operator).items():
        below, above = outside(low, high)
        draws = (below, {"uniform": [low, above]}, {"choice": [low, above]}, {"normal": [above, 1.0]})
        for draw in draws[:: 3 if parameter != operator.strength else 1]:
            step = {"operator": name, "parameters": {parameter: draw}}
            path.write_text(yaml.safe_dump({"name": "p", "chains": [{"steps": [step]}]}))
            with pytest.raises(UsageError, match=rf"p\.yaml: chains\[0\]: {name}: {parameter}.*its range is"):
                load_policy(str(path))


def test_the_tails_of_a_normal_distribution_end_where_the_range_does():
    operator = OPERATORS["print-laser"]
    tilts = [operator.sample(Words.of(seed), {"tilt": {"normal": [0.0, 60.0]}}).tilt for seed in range(200)]
    assert max(tilts) == 45
    assert min(tilts) == -45
    assert np.mean(np.abs(tilts) < 45) == pytest.approx(0.55, abs=0.1)


def test_the_command_says_it_in_one_line(tmp_path):
    (tmp_path / "faces").mkdir()
    cv2.imwrite(str(tmp_path / "faces" / "a.png"), picture(32, 32))
    step = {"operator": "replay-projector", "parameters": {"pitch": -0.3}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump({"name": "p", "chains": [{"steps": [step]}]}))
    command = "import sys; from facedata.cli.main import run; sys.argv[0] = 'facedata'; run()"
    arguments = ["augment", "faces", "-o", "out", "--policy", "p.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "pitch = -0.3 (unit mm)" in done.stderr
    assert "its range is" in done.stderr
    assert not (tmp_path / "out").exists()


@ALL
@pytest.mark.parametrize("size", FRAMES, ids=str)
def test_frames_of_any_shape_with_all_truth(name, size):
    """Twice in a row, with all truth moved through the second."""
    operator = OPERATORS[name]
    for seed in range(2):
        steps = [Step(operator, operator.sample(Words.of(seed, name)))] * 2
        task = Augment(load_policy("capture"), 1, 0, truth="all")
        told = task.render(Planned(None, None, steps), picture(*size))
        assert told.pixels.shape == (*size, 3)
        assert all(layer.shape[:2] == size for layer in told.layers.values())
        json.dumps(told.attributes, allow_nan=False)


@ALL
def test_boxes_and_landmarks_outside_the_frame_stay_numbers(name):
    outside_frame = np.array([(-5000.0, 40.0), (90.0, 1e5), (1e6, -1e6), (32.0, 32.0)])
    operator = OPERATORS[name]
    for seed in range(20):
        parameters = operator.sample(Words.of(seed, name))
        moved = operator.map_points(outside_frame, parameters, 64, 64)
        assert np.isfinite(moved).all()
    row = Sample(
        sample_id="f" * 32, image="", content_hash="0" * 64, width=64, height=64, label="live",
        box=(-4000.0, 9000.0, 30.0, 20.0), landmarks=((1e5, -1e5),) * 5,
    )  # fmt: skip
    policy = load_policy("mixed").model_copy(update={"chains": [_chain(name)]})
    (planned,) = Augment(policy, 1, 0).plan(row)
    assert planned.sample.problems() == []
    json.dumps(planned.sample.to_row(), allow_nan=False)


def _chain(name):
    values = {"name": "p", "chains": [{"steps": [{"operator": name}]}]}
    return type(load_policy("mixed")).model_validate(values).chains[0]


@pytest.mark.parametrize("policy", ["mixed", "fas-aug+"])
def test_grey_and_sixteen_bit_files_become_rgb(tmp_path, policy):
    (tmp_path / "in").mkdir()
    grey = picture(40, 52)[..., 0]
    cv2.imwrite(str(tmp_path / "in" / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "in" / "deep.png"), grey.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "in" / "colour.png"), picture(40, 52).astype(np.uint16) * 257)
    result = augment(tmp_path / "in", tmp_path / "out", policy=policy, variants=6)
    assert result.record.failures == []
    dataset = Dataset.open(result.root)
    for row in dataset:
        assert read_picture(dataset.read(row.image), row.image).pixels.shape == (40, 52, 3)


@pytest.mark.parametrize("wrong", [np.uint16, np.float32, bool])
def test_arrays_that_are_no_picture_are_told_what_is_one(wrong):
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(height, width, 3\), got .*20, 30"):
        FaceDataTransform("capture", p=1)(image=picture(20, 30).astype(wrong))
