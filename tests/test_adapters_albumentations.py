"""The operators and policies inside albumentations pipelines."""

import json

import numpy as np
import pytest
from test_operators import picture

from facedata.augment import registry
from facedata.augment.adapters.albumentations import FaceDataPolicy, FaceDataTransform
from facedata.augment.operator import Applied, Operator, Parameters, quantity
from facedata.augment.policy import load_policy
from facedata.augment.registry import OPERATORS, find
from facedata.augment.task import replay
from facedata.augment.truth import Course
from facedata.datasets.errors import UsageError

import albumentations as A  # noqa: N812 isort: skip

ALL = pytest.mark.parametrize("name", OPERATORS)
FLAT = pytest.mark.parametrize("name", load_policy("fas-aug").sub_policies.operators)
EMPTY = np.zeros((64, 80), np.uint8)


class MovedParameters(Parameters):
    strength: float = quantity("way", unit="px", low=0, high=20, draw={"uniform": [5.0, 9.0]})


class Moved(Operator[MovedParameters]):
    """A print in the left half, moved to the right by a whole number of pixels: a medium with a geometry."""

    name = "moved"
    attack = "print/moved"
    strength = "strength"
    parameters = MovedParameters

    def apply(self, image, parameters):
        way = round(parameters.strength)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[:, way : image.shape[1] // 2] = 255
        out = np.roll(image, way, axis=1)
        out[:, :way] = 0
        return Applied(out, mask)

    def map_points(self, points, parameters, width, height):
        return points + np.array([round(parameters.strength), 0])


@pytest.fixture
def moved(monkeypatch):
    monkeypatch.setitem(registry.OPERATORS, "moved", Moved())
    return {"strength": 8.0}


def compose(*transforms, **options):
    return A.Compose(transforms, additional_targets={"attack_mask": "mask"}, seed=7, **options)


@ALL
def test_the_picture_is_that_of_the_operator_on_the_recorded_parameters(name):
    image = picture(96, 80)
    pipeline = A.Compose([FaceDataTransform(name, p=1)], seed=3, save_applied_params=True)
    made = pipeline(image=image)
    ((_, params),) = made["applied_transforms"]
    assert np.array_equal(made["image"], replay(params, image))
    assert not params["steps"] or params["steps"][0]["operator"] == name
    assert params["attack"] == (find(name).attack if params["steps"] else None)


def test_the_default_transform_differs_from_call_to_call_and_its_draws_are_the_operators():
    transform = FaceDataTransform("reflection", p=1)
    transform.set_random_seed(1)
    drawn = []
    for _ in range(30):
        transform(image=picture(32, 32))
        drawn.append(transform.get_applied_params()["steps"][0]["parameters"]["strength"])
    assert len(set(drawn)) == 30
    assert 0.01 <= min(drawn) < 0.06
    assert 0.15 < max(drawn) <= 0.2


def test_given_parameters_take_the_place_of_the_default_draws():
    transform = FaceDataTransform("moire-pattern", {"strength": {"uniform": [0.5, 0.6]}, "pitch": 2.0}, p=1)
    transform(image=picture(32, 32))
    parameters = transform.get_applied_params()["steps"][0]["parameters"]
    assert 0.5 <= parameters["strength"] <= 0.6
    assert parameters["pitch"] == 2.0


def test_a_seeded_pipeline_gives_the_same_pictures_and_another_seed_others():
    def run(seed):
        pipeline = A.Compose([FaceDataTransform("reflection"), FaceDataPolicy("fas-aug")], seed=seed)
        return [pipeline(image=picture(64, 64))["image"] for _ in range(6)]

    first, again, other = run(7), run(7), run(8)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert len({image.tobytes() for image in first}) > 3


def test_probability():
    transform = FaceDataTransform("reflection", p=0.25)
    transform.set_random_seed(5)
    image = picture(32, 32)
    changed = sum(not np.array_equal(transform(image=image)["image"], image) for _ in range(200))
    assert 30 < changed < 70
    assert np.array_equal(FaceDataTransform("reflection", p=0)(image=image)["image"], image)


@pytest.mark.parametrize(
    "transform",
    [
        FaceDataTransform("moire-pattern", {"strength": {"uniform": [0.1, 0.3]}, "sensor": 256}, p=0.4),
        FaceDataTransform("reflection"),
        FaceDataPolicy("fas-aug", p=0.9),
    ],
    ids=["parameters", "bare", "policy"],
)
def test_serialisation_round_trip(transform, tmp_path):
    pipeline = A.Compose([transform, A.HorizontalFlip(p=0.5)], seed=11)
    written = A.to_dict(pipeline)
    assert json.loads(json.dumps(written)) == written
    revived = A.from_dict(json.loads(json.dumps(written)))
    assert A.to_dict(revived) == written
    for data_format in ("json", "yaml"):
        A.save(pipeline, tmp_path / data_format, data_format=data_format)
        assert A.to_dict(A.load(tmp_path / data_format, data_format=data_format)) == written
    revived.set_random_seed(11)
    pipeline.set_random_seed(11)
    for _ in range(4):
        image = picture(64, 64)
        assert np.array_equal(pipeline(image=image)["image"], revived(image=image)["image"])
    assert type(transform).__name__ in repr(pipeline)


def test_replay_gives_the_picture_again_also_through_json():
    pipeline = A.ReplayCompose(
        [FaceDataTransform("moire-pattern"), FaceDataPolicy("mixed"), A.VerticalFlip()]
    )
    pipeline.set_random_seed(2)
    image = picture(64, 80)
    for _ in range(6):
        made = pipeline(image=image)
        saved = json.loads(json.dumps(made["replay"]))
        assert np.array_equal(A.ReplayCompose.replay(saved, image=image)["image"], made["image"])


def test_replay_refuses_an_operator_of_another_version():
    made = A.ReplayCompose([FaceDataTransform("reflection", p=1)])(image=picture(32, 32))
    made["replay"]["transforms"][0]["params"]["steps"][0]["version"] = 99
    with pytest.raises(UsageError, match="99 made this row"):
        A.ReplayCompose.replay(made["replay"], image=picture(32, 32))


@FLAT
def test_operators_without_geometry_move_nothing(name):
    mask = np.arange(64 * 80, dtype=np.int32).reshape(64, 80) % 7
    pipeline = compose(
        FaceDataTransform(name, p=1),
        bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]),
        keypoint_params=A.KeypointParams("xy"),
    )
    boxes, points = [[8, 10, 40, 50]], [(3.5, 4.25), (70.0, 60.0)]
    made = pipeline(
        image=picture(64, 80), mask=mask, masks=[mask], bboxes=boxes, labels=[1], keypoints=points
    )
    assert np.array_equal(made["mask"], mask)
    assert np.array_equal(made["masks"][0], mask)
    assert np.allclose(made["bboxes"], boxes)
    assert np.allclose(made["keypoints"], points)


@FLAT
def test_the_attack_mask_covers_the_frame_where_a_medium_shows(name):
    pipeline = compose(FaceDataTransform(name, p=1), save_applied_params=True)
    made = pipeline(image=picture(64, 80), attack_mask=EMPTY)
    attack = made["applied_transforms"][0][1]["attack"]
    assert attack is None if find(name).attack is None else True
    assert (made["attack_mask"] == (255 if attack else 0)).all()
    assert not EMPTY.any(), "the mask that was given is not written to"


def test_masks_boxes_and_points_move_with_a_geometry(moved):
    image, mask = picture(64, 80), np.zeros((64, 80), np.uint8)
    mask[20:30, 10:20] = 3
    pipeline = compose(
        FaceDataTransform("moved", moved, p=1),
        bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]),
        keypoint_params=A.KeypointParams("xy"),
    )
    made = pipeline(image=image, mask=mask, bboxes=[[10, 20, 20, 30]], labels=[0], keypoints=[(10.0, 20.0)])
    assert np.array_equal(made["mask"], np.roll(mask, 8, axis=1))
    assert np.allclose(made["bboxes"], [[18, 20, 28, 30]], atol=1e-3)
    assert np.allclose(made["keypoints"], [(18, 20)])


def test_a_replay_moves_everything_and_marks_its_screen():
    dark, mask = np.zeros((128, 128, 3), np.uint8), np.zeros((128, 128), np.uint8)
    mask[60:64, 40:44] = 1
    pipeline = compose(
        FaceDataTransform("replay-lcd", {"fill": 0.8, "roll": 20.0, "screen_width": 100.0}, p=1.0),
        keypoint_params=A.KeypointParams("xy"),
        bbox_params=A.BboxParams("pascal_voc", label_fields=["names"]),
    )
    made = pipeline(
        image=dark,
        mask=mask,
        attack_mask=np.zeros_like(mask),
        keypoints=[(41.5, 61.5)],
        bboxes=[(40, 60, 44, 64)],
        names=["spot"],
    )
    ((x, y),) = made["keypoints"]
    assert np.hypot(x - 41.5, y - 61.5) > 2, "the pose moved nothing"
    rows, columns = np.nonzero(made["mask"])
    assert np.hypot(columns.mean() - x, rows.mean() - y) < 1.5
    left, top, right, bottom = made["bboxes"][0]
    assert left <= x <= right
    assert top <= y <= bottom
    assert 0.3 < (made["attack_mask"] == 255).mean() < 1


def test_capture_leaves_the_attack_mask_empty():
    made = compose(FaceDataTransform("capture", p=1.0))(image=picture(64, 80), attack_mask=EMPTY)
    assert not made["attack_mask"].any()


def test_the_attack_mask_of_one_step_moves_with_the_next_and_with_other_transforms(moved):
    twice = compose(FaceDataTransform("moved", moved, p=1), FaceDataTransform("moved", moved, p=1))
    made = twice(image=picture(64, 80), attack_mask=EMPTY)
    columns = np.flatnonzero(made["attack_mask"].any(0))
    assert (columns.min(), columns.max()) == (8, 47), "8..39 of the second, 16..47 of the first"
    flipped = compose(FaceDataTransform("moved", moved, p=1), A.HorizontalFlip(p=1))
    made = flipped(image=picture(64, 80), attack_mask=EMPTY)
    columns = np.flatnonzero(made["attack_mask"].any(0))
    assert (columns.min(), columns.max()) == (40, 71)


def test_a_policy_moves_masks_through_all_its_steps(moved, tmp_path):
    (tmp_path / "p.yaml").write_text(
        "name: p\nchains:\n  - steps:\n"
        + "    - {operator: moved, parameters: {strength: 8}}\n" * 2
        + "    - {operator: reflection, parameters: {strength: 0.1}}\n"
    )
    pipeline = compose(FaceDataPolicy(str(tmp_path / "p.yaml")), keypoint_params=A.KeypointParams("xy"))
    made = pipeline(image=picture(64, 80), attack_mask=EMPTY, mask=np.eye(64, 80), keypoints=[(1.0, 2.0)])
    assert np.allclose(made["keypoints"], [(17, 2)])
    assert np.array_equal(made["mask"], np.eye(64, 80, 16))
    assert (made["attack_mask"] == 255).all(), "a glass before the print covers all"


@pytest.mark.parametrize(
    "forward",
    [
        lambda p: p @ np.array([[0.6, 0.8], [-0.8, 0.6]]) * 0.9 + (30, -10),
        lambda p: p @ np.array([[-1.0, 0], [0, -1.0]]) + (79, 63),
        lambda p: (p * (0.9, 1.1) + (4, -3)) / (1 + p @ np.array([[0.002], [-0.001]])),
        lambda p: (40, 32) + (p - (40, 32)) * (1 + 1e-4 * ((p - (40, 32)) ** 2).sum(1, keepdims=True)),
        lambda p: p + np.stack([3 * np.sin(p[:, 1] / 9), 2 * np.cos(p[:, 0] / 11)], 1),
    ],
    ids=["similarity", "half turn", "homography", "radial", "waves"],
)
def test_masks_follow_any_smooth_map(forward):
    """A point that lands in the middle of a pixel brings the value of the pixel that it came from."""

    class Along(Moved):
        def map_points(self, points, parameters, width, height):
            return forward(points)

    mask = np.random.default_rng(0).integers(1, 200, (64, 80)).astype(np.uint8)
    moved = Course(Along(), None, 80, 64).carry(mask, None)
    assert moved.dtype == np.uint8
    step = 0.05
    source = np.stack(np.meshgrid(np.arange(0, 79, step), np.arange(0, 63, step)), -1).reshape(-1, 2)
    target = forward(source)
    column, row = np.rint(target).astype(int).T
    lands = (np.abs(target - np.rint(target)) < 0.1).all(1)
    lands &= (column >= 0) & (column < 80) & (row >= 0) & (row < 64)
    lands &= (np.abs(source - np.floor(source) - 0.5) > 0.2).all(1)  # not from between two pixels
    assert lands.sum() > 20_000
    from_column, from_row = np.rint(source[lands]).astype(int).T
    assert np.array_equal(moved[row[lands], column[lands]], mask[from_row, from_column])
    reached = np.zeros_like(mask, bool)
    inside = (column >= 0) & (column < 80) & (row >= 0) & (row < 64)
    reached[row[inside], column[inside]] = True
    assert not moved[~reached].any(), "what comes from outside the frame is nothing"


def test_several_pictures_share_the_draw():
    images = np.stack([picture(32, 32, seed) for seed in range(3)])
    transform = FaceDataTransform("reflection", p=1)
    made = transform(images=images)["images"]
    params = transform.get_applied_params()
    assert all(np.array_equal(out, replay(params, image)) for out, image in zip(made, images, strict=True))


def test_errors_are_those_of_the_operators(tmp_path):
    with pytest.raises(UsageError, match="no operator 'Moire_Patern'; did you mean 'moire-pattern'"):
        FaceDataTransform("Moire_Patern")
    with pytest.raises(UsageError, match=r"reflection: strength = 2 \(unit 1\): .*less than or equal to 1"):
        FaceDataTransform("reflection", {"strength": 2})
    with pytest.raises(UsageError, match=r"strength = 2 \(unit 1\)"):
        FaceDataTransform("reflection", {"strength": {"uniform": [0.1, 2]}})
    with pytest.raises(UsageError, match="reflection: no parameter 'strenght'; it has strength"):
        FaceDataTransform("reflection", {"strenght": 0.1})
    with pytest.raises(UsageError, match=r"reflection: strength: .*is not a distribution"):
        FaceDataTransform("reflection", {"strength": {"unifrom": [0, 1]}})
    with pytest.raises(UsageError, match=r"p = 1\.5 is not in 0"):
        FaceDataTransform("reflection", p=1.5)
    with pytest.raises(UsageError, match="no policy 'fas'; there are"):
        FaceDataPolicy("fas")
    with pytest.raises(TypeError, match="paramters"):
        FaceDataTransform("reflection", paramters={})


@pytest.mark.parametrize("wrong", [np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8)])
def test_what_is_no_picture_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(height, width, 3\)"):
        FaceDataTransform("reflection", p=1)(image=wrong)


def test_given_parameters_are_copied_and_the_picture_is_not_written_to():
    given = {"strength": {"uniform": [0.1, 0.2]}}
    transform = FaceDataTransform("reflection", given, p=1)
    given["strength"]["uniform"][1] = 9
    image = picture(32, 32)
    before = image.copy()
    transform(image=image)
    assert np.array_equal(image, before)
    assert transform.parameters == {"strength": {"uniform": [0.1, 0.2]}}
