"""Truth in chains: what an earlier step knows lies, after later ones, where the picture's content lies."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from facedata.augment.operator import Applied, Operator, Parameters
from facedata.augment.policy import Step, load_policy
from facedata.augment.registry import OPERATORS
from facedata.augment.task import Augment
from facedata.datasets.task import Planned
from facedata.datasets.words import Words

SIDE = 192
BLACK = np.zeros((SIDE, SIDE, 3), np.uint8)


def disc(x=100, y=84, radius=26):
    return cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (x, y), radius, 255, -1)


class Sticker(Operator[Parameters]):
    """A white disc on the picture, which it tells by its mask and by a layer."""

    name = "sticker"
    attack = "print/sticker"
    strength = "none"
    parameters = Parameters

    def is_identity(self, parameters):
        return False

    def apply(self, image, parameters):
        return Applied(np.maximum(image, disc()[..., None]), disc(), {"disc": disc()})


class Mark(Sticker):
    """The same as a fault of the camera: no attack."""

    name = "mark"
    attack = None


def step(name, seed=0, **fixed):
    operator = OPERATORS[name]
    given = {key: value for key, value in fixed.items() if key in operator.draws()}
    return Step(operator, operator.sample(Words.of(seed, name), given))


def explained(steps, pixels=BLACK, truth="all"):
    return Augment(load_policy("capture"), 1, 0, truth=truth).render(Planned(None, None, steps), pixels)


def overlap(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def test_layers_land_where_the_content_lands_in_random_chains():
    """The disc of a layer is where the pictures with and without the disc differ."""
    policy = load_policy("fas-aug+")
    seen = Counter()
    for variant in range(40):
        _, steps = policy.draw(4, "chain", variant)
        if any(s.operator.name in ("hand-trembling", "low-resolution") for s in steps):
            continue  # both smear the disc that is looked for
        told = explained([Step(Mark(), Parameters()), *steps])
        plain = explained(steps)
        added = told.pixels.astype(int).sum(axis=2) - plain.pixels.astype(int).sum(axis=2)
        added = cv2.GaussianBlur(added.astype(np.float32), (0, 0), 1.5)
        if added.max() < 60:
            continue  # turned out of the frame, or cut away
        found = added > added.max() / 2
        layer = told.layers["mark-disc"] > 127
        assert overlap(found, layer) > 0.75, [s.to_json() for s in steps]
        seen.update(s.operator.name for s in steps if not np.array_equal(layer, disc() > 127))
    assert sum(seen.values()) > 15
    assert len(seen) > 8


@pytest.mark.parametrize("truth", ["masks", "all"])
@pytest.mark.parametrize("name", ["print-laser", "paper-curved", "paper-folded", "replay-lcd", "replay-oled"])
def test_a_medium_that_is_shown_again_covers_no_more_than_what_shows_it(name, truth):
    """Dots on the whole picture, then a sheet or a screen before a room: the room is no medium."""
    later = step(name, 3, fill=0.6, part="whole", behind="room", screen_width=100.0, margin=0.0)
    dots = step("bn-halftone", strength=0.4)
    grey = np.full_like(BLACK, 128)
    rendered = explained([dots, later], grey, truth)
    alone = later.operator.apply(dots.operator.apply(grey, dots.parameters).image, later.parameters).mask
    assert 0.1 < (alone > 0).mean() < 0.7
    assert np.array_equal(rendered.layers["mask"], alone)


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("print-inkjet", {"part": "left", "part_share": 0.4}),
        ("paper-cut", {"fill": 0.8, "covers": "face"}),
        ("replay-oled", {"behind": "live", "screen_width": 30.0, "screen_x": -30.0, "fill": 1.0}),
    ],
)
def test_what_shows_beside_a_sheet_or_a_screen_stays_where_it_was(name, fixed):
    """A sticker on the face, and a sheet before a part of it: both are media, each where it is seen."""
    sticker, later = Step(Sticker(), Parameters()), step(name, 2, **fixed)
    rendered = explained([sticker, later])
    own = later.operator.apply(sticker.operator.apply(BLACK, None).image, later.parameters).mask
    beside = own < 128
    expected = np.where(beside, np.maximum(disc(), own), rendered.layers["mask"])
    assert (disc()[beside] > 0).any(), "some of the sticker is not hidden"
    assert np.array_equal(rendered.layers["mask"], expected)
    assert (rendered.layers["mask"][own == 255] == 255).all()
    assert np.array_equal(rendered.layers["sticker-disc"][beside], disc()[beside])


def test_a_camera_moves_nothing():
    rendered = explained([Step(Sticker(), Parameters()), step("capture", 1)])
    assert np.array_equal(rendered.layers["mask"], disc())
    assert np.array_equal(rendered.layers["sticker-disc"], disc())
