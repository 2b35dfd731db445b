"""Places, pooling, clips and contrasts of label recipes, against closed forms and hand-worked cases."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from label_parts import MARKS, tiny
from pydantic import ValidationError
from recipe_parts import one_thread

from facedata.datasets.errors import SourceError
from facedata.datasets.pictures import square_window
from facedata.recipes.batches import moved
from facedata.recipes.labels.contrast import (
    cross_identity_contrast,
    masked_error,
    patterns,
    temporal_contrast,
)
from facedata.recipes.labels.items import Items, clips_of, windows
from facedata.recipes.labels.network import LabelNetwork, pooled, regions_of
from facedata.recipes.labels.regions import (
    PLACES,
    Marks,
    chained,
    cut_of,
    moved_places,
    places_of,
    region_weights,
)
from facedata.recipes.labels.rows import Face
from facedata.recipes.labels.truth import Coding, labels_of

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

close = pytest.approx
NAN = math.nan


def gradient(loss: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad(loss, of)
    return found


def circle(*degrees: float) -> torch.Tensor:
    """Features of length 1 at these angles: squared distances are 2 - 2 cos."""
    turned = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    return torch.stack([turned.cos(), turned.sin()], 1).requires_grad_()


def apart(degrees: float) -> float:
    return 2 - 2 * math.cos(math.radians(degrees))


# ---- contrasts


def test_frames_that_drift_evenly_are_in_order_and_those_that_jump_are_not():
    clip, time = torch.zeros(3, dtype=torch.int64), torch.arange(3)
    # at 0, 60 and 120 degrees: neighbours at 1, the ends at 3
    assert temporal_contrast(circle(0, 60, 120), clip, time, 2, 1.0).item() == 0
    # the anchors are the ends alone: the middle one has no far frame
    tight = temporal_contrast(circle(0, 60, 120), clip, time, 2, 2.5)
    assert tight.item() == close(2.5 + 1 - 3)
    # the last one back at the first: near at 1, far at 0
    back = temporal_contrast(circle(0, 60, 0), clip, time, 2, 0.2)
    assert back.item() == close(0.2 + 1 - 0)


def test_frames_are_compared_within_a_clip_only_and_by_their_distance():
    features, time = circle(0, 90, 180, 10), torch.tensor([0, 1, 2, 3])
    one = torch.zeros(4, dtype=torch.int64)
    # near: (0, 1), (1, 2), (2, 3); far by 3: (0, 3) alone
    found = temporal_contrast(features, one, time, 3, 0.5)
    assert found.item() == close((0.5 + apart(90) - apart(10) + 0.5 + apart(170) - apart(10)) / 2)
    parted = temporal_contrast(features, torch.tensor([0, 0, 1, 1]), time, 2, 0.5)
    assert parted.item() == 0
    assert gradient(parted, features).abs().sum() == 0


def test_people_who_show_the_same_are_drawn_together():
    person = torch.tensor([0, 0, 1])
    present = torch.tensor([[1.0, 0], [0, 1], [1, 0]])
    same, other = patterns(present, torch.ones(3, 2, dtype=torch.bool))
    features = circle(0, 20, 90)
    # anchor 0: positive 2 (another person, the same), negative 1 (the same person, else); 2 has no negative
    found = cross_identity_contrast(features, person, same, other, 0.2)
    assert found.item() == close(0.2 + apart(90) - apart(20))
    pull = gradient(found, features)
    # a step downhill turns the positive towards the anchor and the negative away from it
    assert (pull[2] @ torch.tensor([-1.0, 0], dtype=torch.float64)).item() > 0
    assert (pull[1] @ torch.tensor([0, 1.0], dtype=torch.float64)).item() < 0
    nobody = cross_identity_contrast(features, torch.tensor([-1, -1, -1]), same, other, 0.2)
    assert nobody.item() == 0


def test_patterns_are_compared_on_what_was_coded_on_both():
    present = torch.tensor([[1.0, 0, NAN], [1, NAN, 1], [NAN, NAN, 0], [1, 1, 0]])
    coded = ~present.isnan()
    same, other = patterns(present, coded)
    assert same.int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    # 0 and 3 differ in the second; 1 and 2 in the third; 1 and 3 too; 0 and 2 share nothing
    assert other.int().tolist() == [[0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 0], [1, 1, 0, 0]]


def test_what_was_not_graded_gives_no_gradient():
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    truth, known = torch.tensor([[0.0, NAN], [5.0, NAN]]), torch.tensor([[True, False], [True, False]])
    loss = masked_error(values, truth, known)
    assert loss.item() == close((1 + 4) / 2)
    assert gradient(loss, values).tolist() == [[1, 0], [-2, 0]]
    nothing = masked_error(values, truth, torch.zeros(2, 2, dtype=torch.bool))
    assert gradient(nothing, values).tolist() == [[0, 0], [0, 0]]


# ---- pooling


def test_pictures_are_pooled_by_items():
    values = torch.tensor([[2.0], [4.0], [9.0]])
    item = torch.tensor([0, 0, 1])
    assert pooled(values, item, 2).tolist() == [[3], [9]]
    # softmax of 0 and log 3: a quarter and three quarters
    weighed = pooled(values, item, 2, torch.tensor([0.0, math.log(3), 50.0]))
    assert weighed.flatten().tolist() == close([3.5, 9])


@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_a_clip_of_one_picture_again_and_again_is_read_as_that_picture(pool):
    torch.manual_seed(0)
    config = tiny(losses={"units": 1.0, "expression": 1.0}, clips={"pool": pool})
    network = LabelNetwork(config, 3, (4, 12)).eval()
    picture, places = torch.rand(1, 3, 32, 32), torch.from_numpy(places_of(face(), ALL, (4, 12)))[None]
    with torch.no_grad():
        still = network(picture, torch.tensor([0]), 1, places)
        both = network(torch.cat([picture] * 4), torch.tensor([0, 1, 1, 1]), 2, torch.cat([places] * 4))
    for name in ("units", "expressions"):
        torch.testing.assert_close(
            getattr(both, name), getattr(still, name).expand(2, -1), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("name", ["small", "central", "vit"])
def test_every_network_reads_labels_and_every_weight_learns(name):
    torch.manual_seed(0)
    losses = {"units": 1.0, "expression": 1.0, "intensity": 1.0, "affect": 1.0}
    config = tiny(network={"name": name, "width": 8}, losses=losses, clips={"pool": "attention"})
    network = LabelNetwork(config, 3, (4, 12))
    places = torch.from_numpy(np.stack([places_of(face(), ALL, (4, 12))] * 3))
    said = network(torch.rand(3, 3, 32, 32), torch.tensor([0, 0, 1]), 2, places)
    assert [tuple(getattr(said, one).shape) for one in ("expressions", "units", "levels", "affect")] == [
        (2, 3),
        (2, 2),
        (2, 2),
        (2, 2),
    ]
    levels = said.levels.detach()
    assert 0 <= float(levels.min()) <= float(levels.max()) <= 5
    sum((getattr(said, one) ** 2).sum() for one in ("expressions", "units", "levels", "affect")).backward()
    # processes that train together wait for every gradient
    assert [one for one, weight in network.named_parameters() if weight.grad is None] == []


# ---- places

ALL = (0, 0, 32)
"""The window that is all of a picture of 32 px."""


def face(**more) -> Marks:
    return Marks(**{"landmarks": tuple(MARKS), "box": None, "width": 32, "height": 32, **more})


def test_places_lie_where_the_units_show():
    """Eyes at (10, 12) and (22, 12) of 32 px, the middle of the mouth at (16, 23): 0.75 apart, of 2."""
    found = places_of(face(), ALL, (12, 17, 4, 99))
    distance = 12 / 16
    assert found[:3, :, 2] == close(np.full((3, 2), distance))
    x = 0.42 * distance
    assert found[0, :, 0] == close([-x, x])
    assert found[0, :, 1] == close([7 / 16 - 0.05 * distance] * 2)
    assert found[1, 0] == close([0, 7 / 16 + 0.45 * distance, distance])
    assert (found[2, :, 1] < -4 / 16).all()  # the brows are above the eyes
    assert np.isnan(found[3]).all()  # a unit without a place


def test_all_schemes_of_landmarks_agree_and_a_turned_head_turns_its_places():
    many = np.zeros((68, 2))
    many[36:42], many[42:48], many[48:68], many[16] = MARKS[0], MARKS[1], (16, 23), (32, 0)
    units = tuple(PLACES)
    flat = places_of(face(), ALL, units)
    assert places_of(face(landmarks=tuple(map(tuple, many))), ALL, units) == close(flat)
    turned = tuple((32 - y, x) for x, y in MARKS)  # by a right angle, clockwise
    found = places_of(face(landmarks=turned), ALL, units)
    assert found[..., 0] == close(-flat[..., 1], abs=1e-6)
    assert found[..., 1] == close(flat[..., 0], abs=1e-6)
    swapped = (MARKS[1], MARKS[0], MARKS[2], MARKS[4], MARKS[3])  # the other eye first
    assert places_of(face(landmarks=swapped), ALL, units) == close(flat)


@pytest.mark.parametrize("landmarks", [None, (), tuple(MARKS[:3]), tuple([(NAN, 1.0)] * 5)])
def test_without_landmarks_that_are_known_no_place_is_made_up(landmarks):
    assert np.isnan(places_of(face(landmarks=landmarks), ALL, (4, 12))).all()


def test_places_on_a_wide_picture_are_those_of_its_middle_square():
    wide = tuple((x + 20, y) for x, y in MARKS)
    marks = face(landmarks=wide, width=72)
    assert marks.window(None) == (20, 0, 32)
    found = places_of(marks, marks.window(None), (4, 12))
    assert found == close(places_of(face(), ALL, (4, 12)))


def test_weights_of_a_region_are_highest_there_and_even_where_nothing_is_known():
    places = torch.full((1, 2, 2, 3), NAN)
    places[0, 0] = torch.tensor([[-0.75, 0.25, 0.5], [0.75, 0.25, 0.5]])
    found = region_weights(places, 4, 4, 0.25)
    assert found.shape == (1, 2, 4, 4)
    assert found.sum((2, 3)).flatten().tolist() == close([1, 1])
    assert found[0, 1].tolist() == [[close(1 / 16)] * 4] * 4
    # cells' middles are at -0.75, -0.25, 0.25, 0.75; the least width is half a cell, 0.25
    assert found[0, 0].max().item() == close(found[0, 0, 2, 0].item())
    assert found[0, 0, 2, 0].item() == close(found[0, 0, 2, 3].item())
    ratio = math.exp(-(0.5**2) / (2 * 0.25**2))
    far = math.exp(-(1.5**2) / (2 * 0.25**2))  # the other side's share
    assert (found[0, 0, 1, 0] / found[0, 0, 2, 0]).item() == close(ratio, rel=1e-3)
    assert far < 1e-7


def test_a_face_is_cut_out_level_with_eyes_and_mouth_in_place():
    """Eyes 12 px apart and the mouth 11 px below, of 32 px: half a side of the cut is 1.25 x 12 = 15 px."""
    upright = face()
    turned = face(landmarks=tuple((32 - y, x) for x, y in MARKS))  # by a right angle
    swapped = face(landmarks=(MARKS[1], MARKS[0], MARKS[2], MARKS[4], MARKS[3]))
    seen = []
    for marks in (upright, turned, swapped):
        window = marks.window(1.25)
        assert window[2] == 45  # half as large again
        places = torch.from_numpy(places_of(marks, window, (43, 24)))[None]
        seen.append(moved_places(places, torch.from_numpy(cut_of(marks, window, 1.25))[None])[0])
    torch.testing.assert_close(seen[0], seen[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen[0], seen[2], atol=1e-5, rtol=1e-5)
    assert seen[0][0, :, 0].tolist() == close([-6 / 15, 6 / 15], abs=1e-5)
    assert seen[0][0, :, 1].tolist() == close([-5.5 / 15] * 2, abs=1e-5)
    assert seen[0][1, 0, :2].tolist() == close([0, 5.5 / 15], abs=1e-5)
    assert seen[0][0, 0, 2].item() == close(12 / 15)


@pytest.mark.parametrize("corner", [(0, 0), (100, 40), (-6, -3)])
def test_the_pixels_of_a_face_are_cut_out_wherever_it_is_on_the_picture(corner):
    """A white mouth, and all else black: half outside of the picture too."""
    marks = face(landmarks=tuple((x + corner[0], y + corner[1]) for x, y in MARKS), width=160, height=90)
    pixels = np.zeros((90, 160, 3), np.uint8)
    pixels[max(0, 21 + corner[1]) : 25 + corner[1], max(0, 14 + corner[0]) : 18 + corner[0]] = 255
    window = marks.window(1.25)
    square = square_window(pixels, *window, 45)
    maps = torch.from_numpy(cut_of(marks, window, 1.25))[None]
    cut = moved(torch.from_numpy(square[None, :, :, 0]).float()[None], maps, 30)[0, 0]
    rows, columns = torch.where(cut > 127)
    assert float(rows.float().mean()) + 0.5 == close(15 + 5.5, abs=0.5)
    assert float(columns.float().mean()) + 0.5 == close(15, abs=0.5)


def test_a_face_that_only_a_box_tells_is_cut_out_and_one_that_nothing_tells_is_left():
    boxed = face(landmarks=None, box=(8.0, 8.0, 16.0, 16.0))
    left, top, side = boxed.window(1.3)
    assert 8 < left + side / 2 < 24
    assert 8 < top + side / 2 < 24
    assert cut_of(boxed, boxed.window(1.3), 1.3)[0, 0] == close(
        2 / 3, abs=0.05
    )  # the window's room of a half
    for marks in (
        face(landmarks=None),
        face(landmarks=None, box=(NAN, 0.0, 4.0, 4.0)),
        face(landmarks=None, box=(200.0, 200.0, 16.0, 16.0)),
        face(landmarks=tuple((40 * x, 40 * y) for x, y in MARKS)),
    ):
        assert marks.window(1.3) == (0, 0, 32)
        assert cut_of(marks, marks.window(1.3), 1.3).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_two_maps_in_turn_are_one():
    draw = torch.Generator().manual_seed(0)
    cut = torch.tensor([[[0.5, 0.1, 0.2], [-0.1, 0.5, 0.1]]])
    look = torch.tensor([[[-1.1, 0, 0.05], [0, 1.1, -0.1]]])
    places = torch.rand(1, 2, 2, 3, generator=draw)
    torch.testing.assert_close(
        moved_places(places, chained(cut, look)), moved_places(moved_places(places, cut), look)
    )
    picture = torch.rand(1, 1, 8, 8, generator=draw)
    smooth = torch.nn.functional.interpolate(picture, scale_factor=16, mode="bicubic")
    inside = (..., slice(32, 96), slice(32, 96))  # at the rim the first of two has lost what was beyond
    at_once, in_turn = moved(smooth, chained(cut, look)), moved(moved(smooth, cut), look)
    torch.testing.assert_close(at_once[inside], in_turn[inside], atol=0.02, rtol=0)


def test_expressions_are_read_where_a_face_moves_and_units_where_they_show():
    assert regions_of((), tiny(losses={"expression": 1.0})) == (1, 2, 4, 5, 6, 9, 10, 12, 17, 25)
    assert regions_of((4, 12), tiny()) == (4, 12)
    assert regions_of((4, 12), tiny(head={"regions": False})) == ()


# ---- clips


def frames(**clips: int) -> list[Face]:
    """Frames of clips, out of order, then five stills."""
    marks = face()
    made = [
        Face(f"{name}-{number}", "", None, name, name, number, marks)
        for name, count in clips.items()
        for number in reversed(range(count))
    ]
    return made + [Face(f"still-{number}", "", None, None, None, 0, marks) for number in range(5)]


def items(faces: list[Face], **clips: int) -> Items:
    config = tiny(clips={"each_batch": 2, "frames": 3, **clips}, loop={"batch": 6})
    return Items(faces, labels_of([Coding({}, {}, NAN, NAN)] * len(faces), (), ()), config, "here")


def test_every_batch_holds_exactly_as_many_clips_as_it_was_told():
    faces = frames(a=5, b=4, c=1)
    made = items(faces)
    seen: Counter[int] = Counter()
    for number in range(12):
        batch = made.at(number)
        assert batch == made.at(number)
        assert [len(one) for one in batch] == [1, 1, 1, 1, 3, 3]
        assert {faces[clip[0]].clip for clip in batch[4:]} == {"a", "b"}
        for clip in batch[4:]:
            assert len({faces[one].clip for one in clip}) == 1
            first, *rest = (faces[one].frame for one in clip)
            assert rest == [first + 1, first + 2]
        seen.update(one for (one,) in batch[:4])
    # stills are the five pictures and the clip of one frame, eight times each
    assert {faces[one].sample_id for one in seen} == {"c-0", *(f"still-{n}" for n in range(5))}
    assert set(seen.values()) == {8}


def test_a_stride_leaves_frames_out_and_a_short_clip_is_read_as_it_is():
    faces = frames(a=5, b=2)
    for number in range(6):
        for clip in items(faces, stride=2).at(number)[4:]:
            told = [faces[one].frame for one in clip]
            assert told == ([0, 2, 4] if faces[clip[0]].clip == "a" else [0])


def test_where_all_are_frames_each_is_a_still_too_and_without_clips_none_can_be_read():
    clips = frames(a=4)[:4]
    found = [one for number in range(4) for (one,) in items(clips).at(number)[:4]]
    assert set(found) == {0, 1, 2, 3}
    with pytest.raises(SourceError, match=r"here: no two rows to train on .* clips.each_batch: 0"):
        items(frames())


def test_a_frame_is_answered_for_with_those_round_it():
    faces = frames(a=4)
    assert [faces[one].frame for one in clips_of(faces)[0]] == [0, 1, 2, 3]
    read = windows(faces, tiny(clips={"each_batch": 1, "frames": 3}))
    told = {
        faces[number].sample_id: [faces[one].frame for one in window] for number, window in enumerate(read)
    }
    assert (told["a-0"], told["a-1"], told["a-3"]) == ([0, 1], [0, 1, 2], [2, 3])
    assert read[4:] == [[number] for number in range(4, 9)]
    assert windows(faces, tiny()) == [[number] for number in range(9)]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"clips": {"each_batch": 9}, "loop": {"batch": 8}}, "more than loop.batch 8 holds"),
        ({"losses": {"neighbours": 1.0}}, "set clips.each_batch"),
        ({"losses": {"intensity": 1.0}}, "give losses.units weight too"),
    ],
)
def test_parts_of_a_configuration_that_do_not_fit_are_refused(parts, said):
    with pytest.raises(ValidationError, match=said):
        tiny(**parts)
