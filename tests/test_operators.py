"""What holds for every operator: shapes, purity, replay, identity, monotone strength, errors that help."""

import json
import pickle
import subprocess
import sys
from itertools import pairwise
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facedata.augment.operator import check_image
from facedata.augment.registry import OPERATORS, find, magnitude, warm
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

ALL = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
SIZES = [(1, 1), (2, 3), (16, 16), (33, 57), (130, 64), (5, 300)]


def picture(height=256, width=256, seed=0):
    """A picture with shading, edges, texture and all tones, of no particular subject."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [
        np.sin(2 * np.pi * (3 * x + k * y)) * 0.3 + np.cos(2 * np.pi * (2 * y - k * x)) * 0.3
        for k in (1, 2, 3)
    ]
    base = (
        0.5 + np.stack(waves, -1) * 0.7 + (((x * 7).astype(int) + (y * 7).astype(int)) % 2)[..., None] * 0.15
    )
    noise = np.random.default_rng(seed).normal(0, 0.02, base.shape)
    return np.clip((base + noise) * 255, 0, 255).astype(np.uint8)


def drawn(operator, seed=0, **fixed):
    return operator.sample(Words.of(seed, operator.name), fixed)


def at(operator, share, seed=0, **fixed):
    """Parameters with the strength at `share` of the top of its default range."""
    return drawn(operator, seed, **{**fixed, operator.strength: share * magnitude(operator)[1]})


@ALL
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_gives_the_same_size_and_leaves_the_input_alone(operator, size):
    image = picture(*size)
    before = image.copy()
    applied = operator.apply(image, at(operator, 1.0))
    assert applied.image.shape == image.shape
    assert applied.image.dtype == np.uint8
    if applied.mask is not None:
        assert operator.attack is not None
        assert applied.mask.shape == size
        assert applied.mask.dtype == np.uint8
        assert applied.mask.any() or np.array_equal(applied.image, before), "no medium, no change"
    assert not np.shares_memory(applied.image, image)
    assert np.array_equal(image, before)


@ALL
def test_same_parameters_give_the_same_pixels_also_through_json_and_pickle(operator):
    image, parameters = picture(96, 80), drawn(operator, 5)
    expected = operator.apply(image, parameters).image
    values = json.loads(json.dumps(parameters.model_dump(mode="json")))
    assert np.array_equal(operator.apply(image, operator.parse(values)).image, expected)
    revived, copied = pickle.loads(pickle.dumps((operator, parameters)))
    assert np.array_equal(revived.apply(image, copied).image, expected)


@ALL
def test_read_only_and_strided_pictures_are_pictures_too(operator):
    wide = picture(64, 120)
    view, parameters = wide[:, ::2], at(operator, 1.0)
    expected = operator.apply(view.copy(), parameters).image
    assert np.array_equal(operator.apply(view, parameters).image, expected)
    frozen = view.copy()
    frozen.flags.writeable = False
    assert np.array_equal(operator.apply(frozen, parameters).image, expected)


@ALL
@pytest.mark.parametrize("size", [(1, 1), (64, 48)], ids=str)
def test_neutral_strength_is_the_identity(operator, size):
    image = picture(*size)
    parameters = drawn(operator, 1, **{operator.strength: operator.neutral})
    assert operator.is_identity(parameters)
    applied = operator.apply(image, parameters)
    assert np.array_equal(applied.image, image)
    assert (applied.mask is not None) == (operator.attack is not None)
    assert applied.mask is None or not applied.mask.any()
    assert not operator.is_identity(at(operator, 1.0))


STEADY = {
    "color-diversity": {"source": "srgb", "target": "adobe-rgb-1998"},
    "low-resolution": {"down": "area", "up": "cubic"},
}


@ALL
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_distance_to_the_input_grows_with_strength(operator, seed):
    image = picture(seed=seed)
    distances = []
    for share in (0, 0.1, 0.25, 0.5, 0.75, 1.0):
        out = operator.apply(image, at(operator, share, seed, **STEADY.get(operator.name, {}))).image
        distances.append(np.abs(out.astype(int) - image).mean())
    assert distances[0] == 0
    assert all(a < b for a, b in pairwise(distances[1:])), distances
    assert distances[-1] > 1, "the top of the range must be seen"


@ALL
def test_default_draws_are_within_range_and_apart(operator):
    pool = [drawn(operator, seed) for seed in range(40)]
    for name, draw in operator.draws().items():
        values = {getattr(p, name) for p in pool}
        assert values == {draw} if not isinstance(draw, dict) else len(values) > 1, name
        assert operator.unit(name)
    low, high = magnitude(operator)
    assert operator.neutral <= low < high
    assert all(low <= getattr(p, operator.strength) <= high for p in pool)


RANGES = {
    "reflection": (0.01, 0.2),
    "bn-halftone": (0.01, 0.4),
    "moire-pattern": (0.01, 0.3),
    "sfc-halftone": (0.01, 0.2),
    "hand-trembling": (100 / 256, 1600 / 256),
    "low-resolution": (0.01, 0.9),
}
ATTACKS = {
    "color-distortion": "print/paper",
    "reflection": "replay/glass",
    "bn-halftone": "print/inkjet",
    "moire-pattern": "replay/lcd",
    "sfc-halftone": "print/laser",
    "replay-lcd": "replay/lcd",
    "replay-oled": "replay/oled",
    "replay-projector": "replay/projector",
    "print-inkjet": "print/inkjet",
    "print-laser": "print/laser",
    "paper-curved": "paper/curved",
    "paper-folded": "paper/folded",
    "paper-cut": "paper/cut",
    "mask-resin": "mask/resin",
    "mask-silicone": "mask/silicone",
}


def test_a_screen_too_fine_to_see_says_so_in_the_mask():
    operator = OPERATORS["sfc-halftone"]
    seen, unseen = (operator.apply(picture(side, side), at(operator, 1.0)) for side in (256, 64))
    assert seen.mask is None
    assert unseen.mask is not None
    assert not unseen.mask.any()


def test_ranges_and_label_effects_are_those_of_the_reference():
    assert {name: magnitude(OPERATORS[name]) for name in RANGES} == RANGES
    assert {name: o.attack for name, o in OPERATORS.items() if o.attack} == ATTACKS


@ALL
def test_a_value_out_of_range_is_named_with_unit_and_range(operator):
    values = drawn(operator).model_dump()
    with pytest.raises(
        UsageError, match=rf"{operator.name}: {operator.strength} = 1000.*unit .*less than or equal to"
    ):
        operator.parse({**values, operator.strength: 1000})
    with pytest.raises(UsageError, match=rf"{operator.strength} = -1.*greater than or equal to 0"):
        operator.parse({**values, operator.strength: -1})
    with pytest.raises(UsageError, match=rf"no parameter 'strenght'; it has .*{operator.strength}"):
        operator.parse({**values, "strenght": 0.1})


@ALL
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3)),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(operator, wrong):
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(height, width, 3\)"):
        operator.apply(wrong, drawn(operator))
    with pytest.raises(ValueError, match="expected uint8"):
        check_image(wrong)


@pytest.mark.parametrize(
    ("name", "limit", "fixed"),
    [
        ("color-diversity", 1.5, {"source": "srgb", "target": "display-p3"}),
        ("color-distortion", 1.5, {}),
        ("reflection", 1.0, {}),
        ("hand-trembling", 2.0, {"direction": 45.0}),
        ("low-resolution", 2.5, {"down": "area", "up": "linear"}),
        ("moire-pattern", 2.0, {"sensor": 256}),
    ],
)
def test_a_larger_version_of_a_picture_gets_the_same_visible_effect(name, limit, fixed):
    """Apply at 768 px and reduce, against reduce and apply: lengths are shares of the picture, not pixels."""
    operator = OPERATORS[name]
    large = cv2.GaussianBlur(picture(768, 768), (0, 0), 3)
    small = cv2.resize(large, (256, 256), interpolation=cv2.INTER_AREA)
    parameters = at(operator, 1.0, 3, **fixed)
    reduced = cv2.resize(operator.apply(large, parameters).image, (256, 256), interpolation=cv2.INTER_AREA)
    direct = operator.apply(small, parameters).image
    effect = np.abs(direct.astype(int) - small).mean()
    assert np.abs(reduced.astype(int) - direct).mean() < min(limit, effect * 0.6)


def anything(operator, words):
    """Parameters from the whole physical range, its ends among them, not only from the default draws."""
    values = {}
    for name, field in operator.parameters.model_fields.items():
        options = get_args(field.annotation)
        if options:
            values[name] = words.choice(options)
            continue
        bounds = {type(m).__name__: m for m in field.metadata}
        low, high = bounds["Ge"].ge, bounds["Le"].le
        end = words.choice((low, high, None, None))
        values[name] = (
            end
            if end is not None
            else (words.integer if field.annotation is int else words.uniform)(low, high)
        )
    return operator.parse(values)


@ALL
@given(key=st.integers(0, 2**32), height=st.integers(1, 70), width=st.integers(1, 70))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_the_whole_physical_range_renders(operator, key, height, width):
    parameters = anything(operator, Words.of(key, "anything"))
    out = operator.apply(picture(height, width), parameters).image
    assert out.shape == (height, width, 3)


@ALL
@pytest.mark.parametrize("size", [(1, 900), (900, 1), (3, 700)], ids=str)
def test_strips_are_pictures_too(operator, size):
    assert operator.apply(picture(*size), at(operator, 1.0, 2)).image.shape == (*size, 3)


@ALL
def test_a_4k_frame_goes_through(operator):
    frame = np.tile(picture(180, 320), (12, 12, 1))
    assert operator.apply(frame, at(operator, 1.0, 2)).image.shape == (2160, 3840, 3)


def test_find_names_the_closest_match():
    assert find("reflection") is OPERATORS["reflection"]
    with pytest.raises(UsageError, match="did you mean 'moire-pattern'"):
        find("Moire_Patern")
    with pytest.raises(UsageError, match="there are bn-halftone, "):
        find("xyzzy")


def test_names_and_versions():
    assert list(OPERATORS) == [o.name for o in OPERATORS.values()]
    assert len(OPERATORS) == 19
    assert all(o.version >= 1 for o in OPERATORS.values())
    assert all(o.apply.__doc__ and type(o).__doc__ and o.parameters.__doc__ for o in OPERATORS.values())


def test_importing_the_registry_compiles_nothing_and_warming_compiles_all():
    found = "[k for k in gc.get_objects() if isinstance(k, Dispatcher) and 'facedata' in k.__module__]"
    code = (
        "import gc\n"
        "import facedata.augment.registry as r\n"
        "from numba.core.dispatcher import Dispatcher\n"
        f"kernels = {found}\n"
        "assert len(kernels) >= 8 and not any(k.signatures for k in kernels), kernels\n"
        "r.warm()\n"
        "cold = [k.__name__ for k in kernels if not k.signatures and not k.__name__.startswith('_')]\n"
        "assert not cold, cold\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_warm_runs_again_without_harm():
    warm()
