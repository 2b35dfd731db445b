"""Attacks that are cut to a face: they lie on the eyes and the mouth of the row's own face, or on a part."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from test_operators import picture

from facedata.augment.adapters.albumentations import FaceDataPolicy, FaceDataTransform
from facedata.augment.facial import FaceParameters
from facedata.augment.landmarks import Face, known_face
from facedata.augment.operators import mask_3d
from facedata.augment.operators.paper_shape import holes
from facedata.augment.policy import Policy, load_policy
from facedata.augment.registry import OPERATORS
from facedata.augment.task import Augment, replay, restored
from facedata.datasets.demo import demo_face
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

import albumentations as A  # noqa: N812 isort: skip

PLACED = ("paper-cut", "mask-resin", "mask-silicone")
EACH = pytest.mark.parametrize("name", PLACED)
SIDE = 128
EYES, MOUTH = (slice(36, 42), slice(42, 48)), slice(48, 68)


def five(points):
    """MTCNN's landmarks of iBUG's: eyes, tip of the nose, corners of the mouth."""
    return np.stack([points[EYES[0]].mean(0), points[EYES[1]].mean(0), points[30], points[48], points[54]])


def row(landmarks=None, box=None, width=SIDE, height=SIDE):
    pairs = None if landmarks is None else tuple((float(x), float(y)) for x, y in landmarks)
    values = {"sample_id": "f" * 32, "image": "", "content_hash": "0" * 64, "label": "live"}
    return Sample(**values, width=width, height=height, landmarks=pairs, box=box)


def policy(*steps):
    return Policy.model_validate({"name": "p", "chains": [{"steps": list(steps)}]})


def planned(steps, parent, variants=1):
    return Augment(policy(*steps), variants, 0).plan(parent)


def centres(parameters, width, height):
    """Middles of the holes that are cut, px from the corner; those of a mask are its eyes'."""
    if isinstance(parameters, mask_3d.MaskParameters):
        return parameters.to_picture(np.array([(-0.5, 0.0), (0.5, 0.0)]), width, height) + 0.5
    return np.array([outline.mean(axis=0) for outline in holes(parameters, width, height)]) + 0.5


def truth(points):
    return np.stack([points[EYES[0]].mean(0), points[EYES[1]].mean(0), points[MOUTH].mean(0)])


@EACH
@pytest.mark.parametrize("scheme", [lambda p: p, five], ids=["68", "5"])
def test_holes_lie_on_the_eyes_and_the_mouth_of_demo_faces(name, scheme):
    for person in range(6):
        face = demo_face(person, 2, SIDE)
        parent = row(scheme(face.landmarks), face.box)
        fixed = {"cut": "both", "raggedness": 0} if name == "paper-cut" else {"raggedness": 0}
        (made,) = planned([{"operator": name, "parameters": fixed}], parent)
        (step,) = restored(json.loads(json.dumps(made.sample.parameters)))
        found = centres(step.parameters, SIDE, SIDE)
        expected = truth(face.landmarks)
        # five points have the corners of the mouth alone
        limit = [0.1, 0.1, 0.1 if scheme is not five else 4.0]
        assert (np.hypot(*(found - expected[: len(found)]).T) < limit[: len(found)]).all()
        # what is live is what the mask of the attack leaves out
        pixels = face.image
        applied = step.operator.apply(pixels, step.parameters)
        spots = expected[: len(found)] - 0.5
        if name == "paper-cut":
            spots = step.operator.map_points(spots, step.parameters, SIDE, SIDE)
        assert [applied.mask[round(y), round(x)] < 128 for x, y in spots] == [True] * len(found)
        assert np.array_equal(replay(made.sample.parameters, pixels), applied.image)


def test_a_box_alone_places_a_face_upright_in_it():
    """By the rendered faces' own boxes: all but exact for a head that is not turned, a guess for another."""
    for person in range(12):
        face = demo_face(person, 1, SIDE)
        known = known_face(None, face.box, SIDE, SIDE)
        expected = truth(face.landmarks)
        apart = np.hypot(*(expected[1] - expected[0]))
        missed = np.hypot(*(np.array([*known.eyes, known.mouth]) - expected).T) / apart
        turned = abs(known_face(face.landmarks, face.box, SIDE, SIDE).layout()["face_shift"])
        assert missed.max() < 0.3 + turned, person


def test_which_eye_comes_first_and_how_the_head_is_turned_do_not_matter():
    straight = np.array([(40.0, 50.0), (80.0, 52.0), (60, 70), (46.0, 95.0), (76.0, 96.0)])
    expected = known_face(straight, None, SIDE, SIDE).layout()
    assert known_face(straight[[1, 0, 2, 4, 3]], None, SIDE, SIDE).layout() == expected
    middle = (straight[0] + straight[1]) / 2
    for degrees in (-170.0, -95.0, -30.0, 75.0, 140.0):
        turn = np.radians(degrees)
        matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        layout = known_face((straight - middle) @ matrix + middle, None, SIDE, SIDE).layout()
        turned = (layout.pop("face_roll") - expected["face_roll"] - degrees + 180) % 360 - 180
        assert turned == pytest.approx(0, abs=0.01)
        assert layout == pytest.approx({k: v for k, v in expected.items() if k != "face_roll"}, abs=0.01)


def test_the_layout_tells_the_points():
    rng = np.random.default_rng(3)
    for _ in range(20):
        eyes = rng.uniform(30, 90, (2, 2))
        across = eyes[1] - eyes[0]
        mouth = eyes.mean(0) + np.array([-across[1], across[0]]) * rng.uniform(0.5, 2) + across * 0.3
        face = Face((tuple(eyes[0]), tuple(eyes[1])), tuple(mouth), tuple(eyes.mean(0)), 140, 120)
        layout = face.layout()
        parameters = FaceParameters(**layout, raggedness=0.0)
        places = np.array([(-0.5, 0), (0.5, 0), (layout["mouth_shift"], layout["mouth_drop"])])
        found = parameters.to_picture(places, 140, 120) + 0.5
        assert found == pytest.approx(np.array([*eyes, mouth]), abs=0.01)


@pytest.mark.parametrize(
    ("landmarks", "box"),
    [
        (None, None),
        (np.zeros((106, 2)), None),
        (np.zeros((5, 2)), None),
        (np.full((68, 2), np.nan), None),
        (None, (900.0, -700.0, 50.0, 60.0)),
        (None, (60.0, 60.0, 0.5, 0.5)),
    ],
    ids=["nothing", "other scheme", "one point", "not a number", "outside the frame", "smaller than a px"],
)
@EACH
def test_what_cannot_be_a_face_leaves_the_default_layout(name, landmarks, box):
    (made,) = planned([{"operator": name}], row(landmarks, box))
    (plain,) = planned([{"operator": name}], row())
    assert made.sample.parameters == plain.sample.parameters
    made.recipe[0].operator.apply(picture(SIDE, SIDE), made.recipe[0].parameters)


def test_a_box_half_outside_the_frame_is_a_face():
    (made,) = planned([{"operator": "paper-cut"}], row(box=(-40.0, 20.0, 80.0, 100.0)))
    parameters = made.recipe[0].parameters
    assert parameters.eyes_x == pytest.approx(0.0)
    made.recipe[0].operator.apply(picture(SIDE, SIDE), parameters)


def test_a_box_that_is_not_of_the_landmarks_face_moves_no_hole():
    face = demo_face(1, 1, SIDE)
    (made,) = planned([{"operator": "paper-cut"}], row(face.landmarks, (500.0, 500.0, 10.0, 10.0)))
    own = known_face(face.landmarks, None, SIDE, SIDE).layout()
    assert made.recipe[0].parameters.face_shift == 1
    assert made.recipe[0].parameters.eyes_x == own["eyes_x"]


def test_what_a_policy_gives_comes_before_the_face():
    face = demo_face(1, 1, SIDE)
    step = {"operator": "paper-cut", "parameters": {"eyes_x": 31.0}}
    (made,) = planned([step], row(face.landmarks))
    expected = known_face(face.landmarks, None, SIDE, SIDE).layout()
    assert made.recipe[0].parameters.eyes_x == 31.0
    assert made.recipe[0].parameters.eyes_y == expected["eyes_y"]


def test_an_earlier_step_takes_the_face_with_it():
    """A print held off centre and turned, then a cut sheet: holes are cut where the print has the eyes."""
    face = demo_face(2, 0, SIDE)
    pose = {"part": "whole", "fill": 0.7, "offset_x": 12.0, "roll": 20.0}
    steps = [{"operator": "print-inkjet", "parameters": pose}, {"operator": "paper-cut"}]
    (made,) = planned(steps, row(face.landmarks))
    before, after = made.recipe
    eyes = truth(face.landmarks)[:2] - 0.5
    moved = before.operator.map_points(eyes, before.parameters, SIDE, SIDE)
    found = after.parameters.to_picture(np.array([(-0.5, 0.0), (0.5, 0.0)]), SIDE, SIDE)
    assert found == pytest.approx(moved, abs=0.05)


def test_keypoints_and_boxes_of_albumentations_are_a_face_too():
    face = demo_face(4, 1, SIDE)
    expected = known_face(face.landmarks, None, SIDE, SIDE).layout()
    given = {"image": face.image, "keypoints": face.landmarks - 0.5}
    for transform in (FaceDataTransform("mask-resin", p=1), FaceDataPolicy("paper-mask")):
        pipeline = A.Compose(
            [transform], keypoint_params=A.KeypointParams("xy"), save_applied_params=True, seed=3
        )
        for _ in range(6):
            ((_, params),) = pipeline(**given)["applied_transforms"]
            for step in params["steps"]:
                for name, value in expected.items():
                    if name in step["parameters"]:
                        assert step["parameters"][name] == pytest.approx(value, abs=0.01)
    boxed = A.Compose(
        [FaceDataTransform("paper-cut", {"eyes_y": 40.0}, p=1)],
        bbox_params=A.BboxParams("coco", label_fields=["labels"]),
        save_applied_params=True,
    )
    ((_, params),) = boxed(image=face.image, bboxes=[(20, 10, 80, 100)], labels=[1])["applied_transforms"]
    expected = known_face(None, (20, 10, 80, 100), SIDE, SIDE).layout()
    assert params["steps"][0]["parameters"]["eyes_x"] == pytest.approx(expected["eyes_x"], abs=0.01)
    assert params["steps"][0]["parameters"]["eyes_y"] == 40.0


COVERED = {
    # share of the face's parts (eye, eye, mouth, brow, chin, left and right cheek) that a piece hides
    "face": (1, 1, 1, 1, 1, 1, 1),
    "upper": (1, 1, 0, 1, 0, 0, 0),
    "lower": (0, 0, 1, 0, 1, 1, 1),
    "left": (1, 0, None, None, None, 1, 0),
    "right": (0, 1, None, None, None, 0, 1),
    "eyes": (1, 1, 0, 0, 0, 0, 0),
    "mouth": (0, 0, 1, 0, 0, 0, 0),
}
PROBES = np.array([(-0.5, 0), (0.5, 0), (0, 1.08), (0, -0.7), (0, 1.7), (-0.6, 0.6), (0.6, 0.6)])


@EACH
@pytest.mark.parametrize("part", COVERED)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_piece_covers_its_part_of_the_face_and_the_mask_says_where(name, part, seed):
    operator = OPERATORS[name]
    fixed = {"covers": part, "face_roll": 25.0, "mouth_drop": 1.08}
    # a mask always has holes for the eyes: the smallest, beside which it is looked
    fixed |= {"cut": "none", "tilt": 0.0, "pan": 0.0} if name == "paper-cut" else {"hole": 0.1}
    parameters = operator.sample(Words.of(seed, name), fixed)
    applied = operator.apply(picture(200, 160), parameters)
    beside = np.zeros((7, 2)) if name == "paper-cut" else np.array([(0, 0.1)] * 2 + [(0, 0)] * 5)
    probes = parameters.to_picture(PROBES + beside, 160, 200)
    if name == "paper-cut":
        probes = operator.map_points(probes, parameters, 160, 200)
    seen = [applied.mask[round(y), round(x)] / 255 for x, y in probes]
    for found, expected in zip(seen, COVERED[part], strict=True):
        assert expected is None or found == expected, (seen, COVERED[part])
    assert 0 < (applied.mask > 0).mean() < 0.75
    count = cv2.connectedComponents((applied.mask > 127).astype(np.uint8))[0] - 1
    assert count == 1


def test_the_policy_of_partial_attacks_leaves_live_parts():
    face = demo_face(6, 0, SIDE)
    task = Augment(load_policy("partial"), 40, 2, truth="masks")
    species = set()
    for made in task.plan(row(face.landmarks, face.box)):
        mask = task.render(made, face.image).layers["mask"] > 127
        assert made.sample.label == ("spoof" if mask.any() else "live")
        if made.sample.attack:
            species.add(made.sample.attack)
            assert 0.03 < mask.mean() < 0.72
    assert species == {"print/inkjet", "print/laser", "paper/cut", "replay/oled"}
