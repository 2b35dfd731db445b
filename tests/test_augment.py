"""The augmentation task: policies, levels, label effects, and rows that are enough to make it again."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest
from conftest import jpeg, picture

from facedata.augment.operator import Applied, Operator, Parameters
from facedata.augment.policy import Policy, Step, load_policy, stock_policies
from facedata.augment.registry import OPERATORS, magnitude
from facedata.augment.run import augment, plan
from facedata.augment.task import Augment, replay
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.errors import UsageError
from facedata.datasets.inputs import Reading
from facedata.datasets.pictures import Encoding, read_picture
from facedata.datasets.sample import LABELS, Sample
from facedata.datasets.sheet import steps_of
from facedata.datasets.storage import LAYOUTS
from facedata.datasets.validate import validate

MEDIA = {"color-distortion", "reflection", "bn-halftone", "moire-pattern", "sfc-halftone"}
REFERENCE = load_policy("fas-aug")


def sample(number=0, **values):
    return Sample(
        sample_id=f"{number:032x}", image="", content_hash="0" * 64, width=256, height=256, **values
    )


def test_the_eight_operations_and_their_label_effects():
    names = REFERENCE.sub_policies.operators
    assert len(names) == len(set(names)) == 8
    assert {name for name in names if OPERATORS[name].attack} == MEDIA


def test_levels_are_those_of_the_reference():
    seen = set()
    for variant in range(300):
        _, steps = REFERENCE.draw(3, "f" * 32, variant)
        assert len(steps) == 2
        for step in steps:
            low, high = magnitude(step.operator)
            strength = getattr(step.parameters, step.operator.strength)
            expected = low + step.level / 9 * (high - low) if step.level else step.operator.neutral
            assert strength == pytest.approx(expected)
            assert step.shows(256, 256) or step.level == 0 or step.operator.name == "color-diversity"
            assert not (step.shows(256, 256) and step.level == 0)
            seen.add((step.operator.name, step.level))
    assert {level for _, level in seen} == set(range(10))
    assert {name for name, _ in seen} == set(REFERENCE.sub_policies.operators)


def test_pictures_of_an_extra_domain_share_five_sub_policies():
    pairs = Counter()
    for number in range(400):
        described, steps = REFERENCE.draw(3, f"{number:032x}", 4)
        assert described == {"policy": "fas-aug", "extra_domain": 2, "epoch": 1}
        pairs[tuple((step.operator.name, step.level) for step in steps)] += 1
    assert len(pairs) == 5
    assert min(pairs.values()) > 50


def test_share_of_live_pictures_that_turn_to_spoof_is_the_references():
    """1 - (3/8 + 5/8 * 1/10)**2 = 80.9 %: two of eight operations, five flip, level 0 of ten does not."""
    task = Augment(REFERENCE, variants=3000, seed=1)
    labels = Counter(planned.sample.label for planned in task.plan(sample(label="live")))
    expected = 1 - (3 / 8 + 5 / 8 / 10) ** 2
    assert labels["spoof"] / 3000 == pytest.approx(expected, abs=0.04)


def test_label_effects():
    flip = Augment(REFERENCE, 200, 0).plan(sample(label="live"))
    keep = Augment(REFERENCE, 200, 0, "keep").plan(sample(label="live"))
    drop = Augment(REFERENCE, 200, 0, "drop").plan(sample(label="live"))
    for planned in flip:
        media = [name for name in planned.sample.operator.split("+") if name in MEDIA]
        assert planned.sample.label == ("spoof" if media else "live")
        assert planned.sample.attack == (OPERATORS[media[-1]].attack if media else None)
    assert {planned.sample.label for planned in keep} == {"live"}
    assert {planned.sample.attack for planned in keep} == {None}
    assert [p.sample.sample_id for p in drop] == [
        p.sample.sample_id for p in flip if p.sample.label == "live"
    ]


def test_an_unlabelled_picture_turns_spoof_only_where_a_medium_is_rendered():
    labels = {planned.sample.label for planned in Augment(REFERENCE, 200, 0).plan(sample())}
    assert labels == {None, "spoof"}


def test_a_spoof_stays_the_attack_that_it_was():
    for effect in ("flip", "keep", "drop"):
        planned = Augment(REFERENCE, 30, 0, effect).plan(sample(label="spoof", attack="mask/resin"))
        assert len(planned) == 30
        assert {(p.sample.label, p.sample.attack) for p in planned} == {("spoof", "mask/resin")}


def test_nothing_of_the_parent_is_lost():
    parent = sample(
        subject="ada", domain="lab", split="train", expression="happiness", au={12: 3.0}, au_domain=(12,),
        box=(1, 2, 3, 4), valence=0.5, attributes={"camera": "left"},
    )  # fmt: skip
    for planned in Augment(REFERENCE, 9, 0).plan(parent):
        for name in (
            "subject",
            "domain",
            "split",
            "expression",
            "au",
            "au_domain",
            "box",
            "valence",
            "attributes",
        ):
            assert getattr(planned.sample, name) == getattr(parent, name)
        assert planned.sample.parent_id == parent.sample_id
        assert planned.sample.expected_id() == planned.sample.sample_id


def test_more_variants_leave_the_first_ones_as_they_were():
    few, many = (Augment(REFERENCE, count, 5).plan(sample()) for count in (3, 9))
    assert [p.sample.sample_id for p in few] == [p.sample.sample_id for p in many[:3]]


def test_seeds_and_samples_draw_apart():
    ids = {
        planned.sample.sample_id
        for seed in range(5)
        for number in range(5)
        for planned in Augment(REFERENCE, 5, seed).plan(sample(number))
    }
    assert len(ids) == 125


@pytest.mark.parametrize("policy", ["fas-aug", "mixed", "fas-aug+"])
def test_rows_are_enough_to_make_their_pictures_again(faces, tmp_path, policy):
    encoding = Encoding("png")
    result = augment(faces, tmp_path / "out", policy=policy, variants=6, encoding=encoding, options=Options())
    dataset = Dataset.open(result.root)
    rows = {found.sample_id: found for found in dataset}
    made = [found for found in rows.values() if found.parent_id]
    assert len(made) == 72
    for found in made:
        parent = read_picture(dataset.read(rows[found.parent_id].image), "parent").pixels
        pixels = read_picture(dataset.read(found.image), "made").pixels
        assert np.array_equal(replay(json.loads(json.dumps(found.parameters)), parent), pixels)
        acting = [s["operator"] for s in steps_of(found) if s.get("level", 1) > 0 and shows(s, found)]
        assert found.operator == ("+".join(acting) or "identity")
        assert np.array_equal(pixels, parent) or acting


def shows(step, found):
    operator = OPERATORS[step["operator"]]
    return operator.shows(operator.parse(step["parameters"]), found.width, found.height)


def test_a_medium_too_fine_to_be_seen_makes_no_spoof():
    """Halftone cells under two pixels are not rendered: such a picture shows nothing of a print."""
    halftone = {"operator": "sfc-halftone", "parameters": {"ruling": 85, "print_width": 14, "strength": 0.2}}
    policy = Policy.model_validate({"name": "fine", "chains": [{"steps": [halftone]}]})
    for side, label, operator in [(64, "live", "identity"), (512, "spoof", "sfc-halftone")]:
        parent = sample(label="live").replace(width=side, height=side)
        (planned,) = Augment(policy, 1, 0).plan(parent)
        assert (planned.sample.label, planned.sample.operator) == (label, operator)
        pixels = picture(3, width=side, height=side)
        assert np.array_equal(replay(planned.sample.parameters, pixels), pixels) == (label == "live")


def test_replay_refuses_another_version_of_an_operator():
    step = {"operator": "hand-trembling", "version": 999, "parameters": {}}
    with pytest.raises(UsageError, match="999 made this row; install the facedata"):
        replay({"steps": [step]}, picture())


def test_whole_runs_are_equal_over_engines(faces, tmp_path):
    versions = set()
    for engine, workers, layout in [("serial", 1, "files"), ("process", 2, "shards")]:
        options = Options(engine=engine, workers=workers, layout=layout)
        versions.add(augment(faces, tmp_path / engine, seed=7, options=options).record.version)
        assert validate(tmp_path / engine).findings == []
    assert len(versions) == 1


def test_originals_can_be_left_out(faces, tmp_path):
    result = augment(faces, tmp_path / "out", variants=2, keep_originals=False)
    assert result.record.counts.rows == 24
    assert validate(tmp_path / "out").findings == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_variants_that_the_input_holds_already_stand_once(faces, tmp_path, layout):
    once = augment(faces, tmp_path / "once", seed=7, options=Options(layout=layout))
    again = augment(tmp_path / "once", tmp_path / "again", seed=7, options=Options(layout=layout))
    assert {failure.kind for failure in again.record.failures} == {"duplicate-id"}
    assert len(again.record.failures) == once.made
    assert again.record.counts.rows == once.record.counts.rows + again.made - once.made
    assert validate(tmp_path / "again").findings == []


def test_truth_masks_say_where_media_show(faces, tmp_path):
    live = Reading(label="live")
    result = augment(faces, tmp_path / "out", policy="fas-aug", variants=5, truth="masks", reading=live)
    assert validate(result.root).findings == []
    dataset = Dataset.open(result.root)
    for found in dataset:
        if found.parent_id:
            (layer,) = found.layers
            mask = read_picture(dataset.read(layer.ref), "mask").pixels
            assert mask.shape[:2] == (found.height, found.width)
            assert mask.all() == bool(set(found.operator.split("+")) & MEDIA)


SCENES = sorted(set(stock_policies()) - {"fas-aug", "fas-aug+"})


@pytest.mark.parametrize("name", SCENES)
def test_scenes_render_their_media_and_capture_live_faces(name):
    """Live faces go through the camera too: noise and JPEG must not tell an attack."""
    parent = sample(label="live", box=(60, 60, 120, 140), landmarks=((100.0, 120.0), (150.0, 121.0)))
    planned = Augment(load_policy(name), 60, 3).plan(parent)
    by_label = {label: {p.sample.operator for p in planned if p.sample.label == label} for label in LABELS}
    assert by_label["live"] == {"capture"}
    species = {p.sample.attack.partition("/")[0] for p in planned if p.sample.attack}
    several = {"print", "replay", "paper"}
    expected = {"mixed": several, "partial": several, "capture": set()}.get(name, {name.partition("-")[0]})
    assert species == expected
    share = sum(p.sample.label == "live" for p in planned) / 60
    assert share == 1 if name == "capture" else 0.2 < share < 0.6


@pytest.mark.parametrize("name", SCENES)
def test_scenes_keep_all_their_truth(tmp_path, name):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "a.jpg").write_bytes(jpeg(1, width=96, height=96))
    result = augment(tmp_path / "faces", tmp_path / "out", policy=name, variants=8, truth="all")
    assert result.record.failures == []
    assert validate(result.root).findings == []
    dataset = Dataset.open(result.root)
    for found in dataset:
        if found.parent_id:
            layers = {layer.name: layer for layer in found.layers}
            mask = read_picture(dataset.read(layers["mask"].ref), "mask").pixels
            assert mask.any() == (found.attack is not None)
            assert found.attributes["truth"][0]["operator"] == found.operator
            assert found.attack is None or len(layers) > 1 or len(found.attributes["truth"][0]) > 1


def test_landmarks_follow_the_picture_through_an_instrument():
    """A white dot is found where map_points says, whatever the pose: by what it adds to a black picture."""
    policy = load_policy("mixed")
    dark = np.zeros((256, 256, 3), np.uint8)
    dotted = dark.copy()
    dotted[138:143, 108:113] = 255
    seen = Counter()
    for variant in range(150):
        _, (step,) = policy.draw(9, "dot", variant)
        point = step.operator.map_points(np.array([[110.5, 140.5]]), step.parameters, 256, 256)[0]
        before, after = (step.operator.apply(image, step.parameters).image for image in (dark, dotted))
        added = cv2.GaussianBlur(
            after.astype(np.float32).sum(axis=2) - before.astype(np.float32).sum(axis=2), (0, 0), 2
        )
        if added.max() > 60:
            y, x = np.unravel_index(added.argmax(), added.shape)
            assert np.hypot(x + 0.5 - point[0], y + 0.5 - point[1]) < 3, step.to_json()
            seen[step.operator.name] += 1
    assert len(seen) >= 7
    assert sum(seen.values()) > 75


class Shift(Operator[Parameters]):
    """Moves everything by ten pixels to the right and stamps a patch of a medium."""

    name = "shift"
    attack = "print/patch"
    strength = "none"
    parameters = Parameters

    def is_identity(self, parameters):
        return False

    def apply(self, image, parameters):
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[:5] = 255
        return Applied(np.roll(image, 10, axis=1), mask)

    def explain(self, image, parameters):
        image, mask, *_ = self.apply(image, parameters)
        return Applied(image, mask, {"glare": image}, {"shift": 10})

    def map_points(self, points, parameters, width, height):
        return points + np.array([10.0, 0.0])


class ShiftPolicy:
    name = "shift"

    def model_dump(self, **_):
        return {"name": "shift"}

    def draw(self, seed, sample_id, variant, face, session=None):
        return {"policy": "shift"}, [Step(Shift(), Parameters())] * 2


@pytest.mark.parametrize("truth", ["masks", "all"])
def test_geometry_moves_landmarks_and_truth_is_kept(truth):
    task = Augment(ShiftPolicy(), 1, 0, truth=truth)
    parent = sample(box=(1, 2, 30, 40), landmarks=((5.0, 6.0),), label="live")
    (planned,) = task.plan(parent)
    assert planned.sample.box == (21, 2, 30, 40)
    assert planned.sample.landmarks == ((25.0, 6.0),)
    assert planned.sample.attack == "print/patch"
    rendered = task.render(planned, picture(1))
    assert np.array_equal(rendered.pixels, np.roll(picture(1), 20, axis=1))
    assert rendered.layers["mask"][:5].all()
    assert not rendered.layers["mask"][5:].any()
    assert set(rendered.layers) == ({"mask", "shift-glare"} if truth == "all" else {"mask"})
    facts = [{"operator": "shift", "shift": 10}] * 2
    assert rendered.attributes == ({"truth": facts} if truth == "all" else {})


def test_dropped_samples_are_counted(faces, tmp_path):
    live = Reading(label="live")
    result = augment(faces, tmp_path / "out", policy="fas-aug", variants=5, label_effect="drop", reading=live)
    assert result.left_out > 0
    assert result.made + result.left_out == 60
    assert any(str(result.left_out) in note for note in result.record.notes)


def test_plan_reads_no_picture(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"")
    found = plan(tmp_path, policy="fas-aug", variants=3)
    assert (found["inputs"], found["samples"], found["policy"]) == (1, 3, "fas-aug")


CHAINS = """
name: phone
chains:
  - weight: 3
    steps:
      - operator: moire-pattern
        parameters: {strength: {uniform: [0.2, 0.25]}}
      - {operator: low-resolution, probability: 0.5}
  - steps:
      - operator: hand-trembling
"""


def test_a_policy_of_ones_own(tmp_path):
    (tmp_path / "p.yaml").write_text(CHAINS)
    policy = load_policy(str(tmp_path / "p.yaml"))
    chains = Counter()
    for variant in range(600):
        _, steps = policy.draw(0, "a", variant)
        chains[tuple(step.operator.name for step in steps)] += 1
        if steps[0].operator.name == "moire-pattern":
            assert 0.2 <= steps[0].parameters.strength < 0.25
    assert set(chains) == {("moire-pattern",), ("moire-pattern", "low-resolution"), ("hand-trembling",)}
    assert chains[("hand-trembling",)] == pytest.approx(150, abs=40)
    assert chains[("moire-pattern",)] == pytest.approx(225, abs=50)


def test_a_step_of_several_operators_draws_one(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "name: a\nchains: [{steps: [{operator: [reflection, bn-halftone]}, {operator: hand-trembling}]}]"
    )
    policy = load_policy(str(tmp_path / "p.yaml"))
    drawn = Counter(policy.draw(0, "a", variant)[1][0].operator.name for variant in range(300))
    assert set(drawn) == {"reflection", "bn-halftone"}
    assert min(drawn.values()) > 100


BAD_POLICIES = {
    "parameters of several": (
        "name: a\nchains: [{steps: [{operator: [reflection, bn-halftone], parameters: {strength: 0.1}}]}]",
        "parameters belong to one operator",
    ),
    "no operator": ("name: a\nchains: [{steps: [{operator: []}]}]", "at least 1 item"),
    "not yaml": ("name: [", r"p.yaml:\d+: not valid YAML"),
    "not a mapping": ("- 1", "top level"),
    "no form": ("name: a", "give either chains or sub_policies"),
    "two forms": ("name: a\nchains: []\nsub_policies: {operators: [reflection]}", "give either"),
    "no chains": ("name: a\nchains: []", "chains is empty"),
    "unknown key": ("name: a\nchain: []", "extra inputs"),
    "unknown operator": ("name: a\nchains: [{steps: [{operator: moire-patern}]}]",
        r"p.yaml: chains\[0\]: no operator 'moire-patern'; did you mean 'moire-pattern'",),
    "unknown parameter": (
        "name: a\nchains: [{steps: [{operator: reflection, parameters: {glare: 1}}]}]",
        r"p.yaml: chains\[0\]: reflection: glare: .*no parameter 'glare'; it has strength",
    ),
    "outside physics": (
        "name: a\nchains: [{steps: [{operator: reflection, parameters: {strength: {uniform: [0, 9]}}}]}]",
        r"strength = 9.* \(unit .*less than or equal to",
    ),
    "bad distribution": (
        "name: a\nchains: [{steps: [{operator: reflection, parameters: {strength: {gauss: [0, 1]}}}]}]",
        "is not a distribution; use one of choice, integer, log_uniform, normal, uniform",
    ),
    "reversed range": (
        "name: a\nchains: [{steps: [{operator: reflection, parameters: {strength: {uniform: [1, 0]}}}]}]",
        "has low 1 above high 0",
    ),
    "probability": (
        "name: a\nchains: [{steps: [{operator: reflection, probability: 2}]}]",
        "less than or equal to 1",
    ),
    "weight": ("name: a\nchains: [{weight: 0, steps: [{operator: reflection}]}]", "greater than 0"),
    "code": ("name: !!python/object/apply:os.system ['true']", "not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BAD_POLICIES.values(), ids=BAD_POLICIES.keys())
def test_bad_policies_name_the_place_and_the_mend(tmp_path, text, words):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(UsageError, match=words):
        load_policy(str(tmp_path / "p.yaml"))


@pytest.mark.parametrize("name", ["fas-augs", "nowhere.yaml", ""])
def test_missing_policies_are_told(name):
    with pytest.raises(UsageError, match="polic"):
        load_policy(name)


@pytest.mark.parametrize("name", stock_policies())
def test_stock_policies_load_and_draw(name):
    policy = load_policy(name)
    assert isinstance(policy, Policy)
    assert policy.description
    policy.draw(0, "a", 0)


@pytest.mark.parametrize(
    "options", [{"variants": 0}, {"seed": -1}, {"label_effect": "invert"}, {"truth": "some"}, {"seed": 2**63}]
)
def test_arguments_that_cannot_work(options):
    with pytest.raises(UsageError):
        Augment(**{"policy": REFERENCE, "variants": 1, "seed": 0, **options})


def test_grey_and_tiny_pictures_go_through(tmp_path):
    (tmp_path / "faces").mkdir()
    for number, (width, height) in enumerate([(1, 1), (2, 300), (300, 3), (17, 16)]):
        (tmp_path / "faces" / f"{number}.jpg").write_bytes(jpeg(number, width=width, height=height))
    for policy in ("fas-aug", "fas-aug+"):
        result = augment(tmp_path / "faces", tmp_path / policy, policy=policy, variants=30)
        assert result.record.failures == []
        assert result.made == 120
