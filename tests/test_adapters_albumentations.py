"""The operators inside albumentations: composed, seeded, serialised, with masks, boxes and keypoints."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import picture

from facedata.augment.adapters.albumentations import FaceDataPolicy, FaceDataTransform
from facedata.augment.registry import OPERATORS
from facedata.augment.task import replay
from facedata.datasets.errors import UsageError

A = pytest.importorskip("albumentations")
FACE = picture(3, width=96, height=80)


def test_a_seeded_compose_gives_the_same_pictures():
    made = []
    for _ in range(2):
        compose = A.Compose([FaceDataPolicy("mixed"), A.HorizontalFlip(p=0.5)], seed=7)
        made.append([compose(image=FACE)["image"] for _ in range(5)])
    assert all(np.array_equal(one, two) for one, two in zip(*made, strict=True))
    assert len({one.tobytes() for one in made[0]}) > 1


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_serialises_and_runs(name):
    transform = A.from_dict(A.to_dict(A.Compose([FaceDataTransform(name, p=1.0)], seed=3)))
    transform.set_random_seed(3)
    direct = A.Compose([FaceDataTransform(name, p=1.0)], seed=3)
    assert np.array_equal(transform(image=FACE)["image"], direct(image=FACE)["image"])


def test_what_was_drawn_is_enough_to_make_it_again():
    compose = A.ReplayCompose([FaceDataPolicy("mixed")])
    for _ in range(5):
        made = compose(image=FACE)
        (applied,) = made["replay"]["transforms"]
        assert np.array_equal(replay({"steps": applied["params"]["steps"]}, FACE), made["image"])
        assert np.array_equal(A.ReplayCompose.replay(made["replay"], image=FACE)["image"], made["image"])


def test_masks_boxes_and_keypoints_move_with_the_picture():
    dark = np.zeros((128, 128, 3), np.uint8)
    mask = np.zeros((128, 128), np.uint8)
    mask[60:64, 40:44] = 1
    given = {"fill": 0.8, "roll": 20.0, "screen_width": 100.0}
    compose = A.Compose(
        [FaceDataTransform("replay-lcd", given, p=1.0)],
        keypoint_params=A.KeypointParams("xy"),
        bbox_params=A.BboxParams("pascal_voc", label_fields=["names"]),
        additional_targets={"attack_mask": "mask"},
        seed=1,
    )
    made = compose(
        image=dark,
        mask=mask,
        attack_mask=np.zeros((128, 128), np.uint8),
        keypoints=[(41.5, 61.5)],
        bboxes=[(40, 60, 44, 64)],
        names=["spot"],
    )
    (x, y) = made["keypoints"][0]
    assert np.hypot(x - 41.5, y - 61.5) > 2, "the pose moved nothing"
    rows, columns = np.nonzero(made["mask"])
    assert np.hypot(columns.mean() - x, rows.mean() - y) < 1.5
    left, top, right, bottom = made["bboxes"][0]
    assert left <= x <= right
    assert top <= y <= bottom
    assert 0.3 < (made["attack_mask"] == 255).mean() < 1


def test_capture_leaves_the_attack_mask_empty():
    compose = A.Compose([FaceDataTransform("capture", p=1.0)], additional_targets={"attack_mask": "mask"})
    made = compose(image=FACE, attack_mask=np.zeros(FACE.shape[:2], np.uint8))
    assert not made["attack_mask"].any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FaceDataTransform("moire-patern"), "did you mean 'moire-pattern'"),
        (lambda: FaceDataTransform("reflection", {"strength": 9}), "unit 1"),
        (lambda: FaceDataTransform("reflection", {"glare": 1}), "no parameter 'glare'"),
        (lambda: FaceDataTransform("reflection", p=2), "p = 2"),
        (lambda: FaceDataPolicy("nothing"), "no policy 'nothing'"),
    ],
)
def test_mistakes_are_told(make, words):
    with pytest.raises(UsageError, match=words):
        make()
