"""Batches of the recipe against attacks, and the losses that they are learned by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from recipe_parts import SIDE, domains, listed, one_thread, tiny
from torch.nn import functional

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.pictures import Encoding
from facedata.datasets.sample import Sample, derived_id
from facedata.datasets.task import Planned, Rendered
from facedata.recipes import fas
from facedata.recipes.batches import Batches, Look, moved, varied
from facedata.recipes.config import RowsConfig
from facedata.recipes.criterion import Criterion
from facedata.recipes.fas_config import LossConfig
from facedata.recipes.models.base import Seen
from facedata.recipes.rows import choose_rows

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    """Three domains, with splits."""
    return domains(tmp_path_factory.mktemp("three"), ("east", "north", "south"), people=8)


def chosen(dataset: Path):
    return choose_rows(Dataset.open(dataset), RowsConfig(), None, seed=0)


# ---- batches


def test_a_batch_holds_equally_many_of_each_domain_and_label_and_depends_on_its_number_alone(three):
    rows = chosen(three).train
    config = tiny(loop={"batch": 12})
    one, other = (Batches(Dataset.open(three), rows, config) for _ in range(2))
    counts = [0] * 6
    for number in (3, 0, 3):
        batch = one.place(one.at(number), CPU)
        counts = [int(((batch.domain == d) & (batch.spoof == s)).sum()) for d in range(3) for s in (0, 1)]
        assert counts == [2] * 6
    again = other.place(other.at(3), CPU)
    assert torch.equal(again.pictures, batch.pictures)
    assert again.samples == batch.samples
    assert not torch.equal(other.place(other.at(4), CPU).pictures, batch.pictures)
    assert batch.pictures.shape == (12, 3, SIDE, SIDE)
    assert bool((batch.kind > 0).eq(batch.spoof).all())


def test_two_views_differ_in_light_and_place_and_show_the_same_faces(three):
    rows = chosen(three).train
    batches = Batches(Dataset.open(three), rows, tiny(losses={"asymmetric_contrast": 0.1}))
    batch = batches.place(batches.at(0), CPU)
    assert batch.views is not None
    assert batch.views.shape == batch.pictures.shape
    assert float((batch.views - batch.pictures).abs().mean()) > 0.01
    plain = tiny(
        losses={"asymmetric_contrast": 0.1},
        augment={"flip": 0, "shift": 0, "scale": 0, "light": 0, "tint": 0, "noise": 0},
    )
    still = Batches(Dataset.open(three), rows, plain)
    same = still.place(still.at(0), CPU)
    torch.testing.assert_close(same.views, same.pictures)
    torch.testing.assert_close(same.pictures, still.at(0).pictures, atol=2e-3, rtol=0)


def test_a_picture_is_moved_mirrored_and_lit_as_it_is_told():
    picture = torch.zeros(1, 3, 8, 8)
    picture[:, :, 2, 1] = 0.5
    mirror = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    assert [int(one) for one in moved(picture, mirror)[0, 0].nonzero()[0]] == [2, 6]
    shift = torch.tensor(
        [[[1.0, 0, 2 * 2 / 8], [0, 1, 0]]]
    )  # two px: looked up to the right, so it moves left
    picture[:, :, 2, 1], picture[:, :, 2, 5] = 0, 0.5
    assert [int(one) for one in moved(picture, shift)[0, 0].nonzero()[0]] == [2, 3]
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    look = Look(still, torch.tensor([[4.0, 1.0, 0.25]]), torch.zeros(1), 0)
    lit = varied(torch.full((1, 3, 8, 8), 0.25), look)[0, :, 4, 4]
    assert lit.tolist() == pytest.approx([0.5, 0.25, 0.125])  # a stop of light is a factor on the square
    noisy = varied(torch.full((1, 3, 64, 64), 0.5), Look(still, torch.ones(1, 3), torch.tensor([0.05]), 1))
    assert float(noisy.std()) == pytest.approx(0.05, rel=0.05)


def test_a_policy_on_the_batch_turns_labels_as_its_operators_say(three):
    """moire-pattern makes a replay of whatever it is given; a share of the samples is left as it is."""
    rows = chosen(three).train
    policy = Path(three).parent / "moire.yaml"
    policy.write_text(
        "name: moire\nchains:\n  - steps:\n      - {operator: moire-pattern, parameters: {strength: 0.3}}\n"
    )
    plain = {"flip": 0, "shift": 0, "scale": 0, "light": 0, "tint": 0, "noise": 0}
    config = tiny(augment={**plain, "policy": str(policy), "share": 0.5}, loop={"batch": 24})
    batches = Batches(Dataset.open(three), rows, config)
    drawn = batches.at(0)
    batch = batches.place(drawn, CPU)
    before = Batches(Dataset.open(three), rows, tiny(augment=plain, loop={"batch": 24}))
    untouched = before.place(before.at(0), CPU)
    changed = (batch.pictures - untouched.pictures).abs().amax((1, 2, 3)) > 1e-3
    assert 4 < int(changed.sum()) < 20
    assert bool(batch.spoof[changed].all())
    assert bool(torch.equal(batch.spoof[~changed], untouched.spoof[~changed]))
    # touched ones are of a domain of their own
    assert bool((batch.domain[changed] == untouched.domain[changed] + 3).all())
    assert bool(torch.equal(batch.domain[~changed], untouched.domain[~changed]))
    assert not bool(batch.known[changed].any())


@dataclass(frozen=True)
class LeftHalf:
    """Of each face an attack that covers its left half, with its truth mask."""

    variants: int = 1
    encoding: Encoding = field(default_factory=lambda: Encoding("png"))
    keeps_originals: bool = True
    cacheable: bool = False
    preload: tuple[str, ...] = ()

    def settings(self) -> dict:
        return {}

    def plan(self, parent: Sample) -> list[Planned]:
        sample = parent.replace(
            sample_id=derived_id(parent.sample_id, "half", {}, 0, 0),
            content_hash="",
            label="spoof",
            attack="paper/half",
            parent_id=parent.sample_id,
            operator="half",
            parameters={},
            variant=0,
            seed=0,
        )
        return [Planned(sample, lambda: "", None)]

    def render(self, planned: Planned, pixels: np.ndarray) -> Rendered:
        mask = np.zeros(pixels.shape[:2], np.uint8)
        mask[:, : SIDE // 2] = 255
        return Rendered(np.where(mask[..., None] > 0, np.uint8(255), pixels // 2), {"mask": mask})


def test_truth_masks_come_with_the_pictures_and_move_with_them(tmp_path):
    live = [
        {"label": "live", "subject": f"p{n}", "domain": "d", "person": n, "number": 0, "place": 0}
        for n in range(8)
    ]
    source = open_input(listed(tmp_path, live), Reading())
    run("test", LeftHalf(), source, tmp_path / "halves", 0, Options(engine="serial"))
    dataset = Dataset.open(tmp_path / "halves")
    rows = choose_rows(dataset, RowsConfig(), None, seed=0).train
    augment = {"flip": 0.5, "shift": 0.1, "scale": 0.1, "light": 0, "tint": 0, "noise": 0}
    batches = Batches(dataset, rows, tiny(losses={"mask": 1.0}, augment=augment, loop={"batch": 12}))
    batch = batches.place(batches.at(0), CPU)
    assert bool(batch.known.all())
    assert float(batch.masks[~batch.spoof].max()) == 0
    white = functional.interpolate(batch.pictures.amin(1, keepdim=True), size=SIDE // 4, mode="area") > 0.9
    masks = batch.masks[batch.spoof]
    assert 0.25 < float(masks.mean()) < 0.75
    # where the mask is sure, the picture is white there, and nowhere else: mirrored ones too
    sure = (masks > 0.99) | (masks < 0.01)
    assert bool((white[batch.spoof] == (masks > 0.5))[sure].all())
    left = masks[:, 0, :, 0].mean(1)
    assert {bool(one > 0.5) for one in left} == {True, False}


# ---- losses


def seen_of(score: torch.Tensor, features: torch.Tensor) -> Seen:
    return Seen(score, features, features, torch.zeros(len(score), 1, 4, 4))


def batch_of(three: Path, **told):
    batches = Batches(Dataset.open(three), chosen(three).train, tiny(**told))
    return batches, batches.place(batches.at(0), CPU)


def test_losses_are_weighted_and_named_and_a_high_score_is_live(three):
    _, batch = batch_of(three)
    config = LossConfig(cross_entropy=2.0, live_contrast=0.5, mask=1.0)
    criterion = Criterion(config, 4, 3, 3, 5)
    score = torch.where(batch.spoof, -3.0, 3.0)
    found = criterion(seen_of(score, torch.ones(len(score), 4)), batch, None)
    assert set(found) == {"cross_entropy", "live_contrast", "mask"}
    assert float(found["cross_entropy"]) == pytest.approx(2 * math.log(1 + math.exp(-3)))
    live = int((~batch.spoof).sum())
    assert float(found["live_contrast"]) == pytest.approx(0.5 * math.log(live - 1))
    assert float(found["mask"]) == pytest.approx(math.log(2))  # live faces' empty masks at even odds
    wrong = criterion(seen_of(-score, torch.ones(len(score), 4)), batch, None)
    assert float(wrong["cross_entropy"]) == pytest.approx(2 * math.log(1 + math.exp(3)))


def test_risks_are_remembered_from_batch_to_batch_in_training_alone(three):
    _, batch = batch_of(three)
    config = LossConfig(risk_variance=10.0, risk_momentum=0.9)
    criterion = Criterion(config, 4, 3, 3, 5)
    score = batch.domain.float()  # spoofs of the third domain look the most live
    risks = [float(functional.softplus(torch.tensor(float(one)))) for one in range(3)]
    for again in range(2):
        found = criterion(seen_of(score, torch.ones(len(score), 4)), batch, None)
        assert float(found["risk_variance"]) == pytest.approx(10 * np.var(risks), rel=1e-4)
        assert criterion.risks.tolist() == pytest.approx(risks), again
    criterion.eval()
    criterion(seen_of(score * 0, torch.ones(len(score), 4)), batch, None)
    assert criterion.risks.tolist() == pytest.approx(risks)


def test_gaussians_gather_round_the_samples_of_their_kind(three):
    _, batch = batch_of(three)
    criterion = Criterion(LossConfig(triplets=1.0, margin=1.0), 2, 3, 3, 5)
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    draw = torch.Generator().manual_seed(0)
    for _ in range(60):
        features = centres[batch.kind] + 0.3 * torch.randn((len(batch.kind), 2), generator=draw)
        found = criterion(seen_of(features[:, 0], features), batch, None)
    torch.testing.assert_close(criterion.means, centres, atol=0.15, rtol=0)
    assert float(found["triplets"]) == 0  # far apart: by more than the margin
    mixed = criterion(seen_of(features[:, 0], centres[(batch.kind + 1) % 3]), batch, None)
    assert float(mixed["triplets"]) > 5


@pytest.mark.parametrize(
    "losses",
    [
        {"asymmetric_contrast": 0.1, "orthogonality": 0.1},
        {"risk_variance": 1.0, "risk_groups": "attack", "risk_momentum": 0.0, "empty_as_zero": True},
        {"mask": 0.5, "triplets": 0.1},
    ],
    ids=lambda losses: "+".join(losses),
)
@pytest.mark.parametrize("name", ["central", "vit"])
def test_every_network_trains_with_every_loss(three, tmp_path, losses, name):
    config = tiny(network={"name": name}, losses=losses, loop={"steps": 2, "dev_every": 2})
    made = fas.train_fas(three, tmp_path / "m", config)
    head = (tmp_path / "m" / "log.csv").read_text().splitlines()[0]
    named = [key for key, value in losses.items() if isinstance(value, float) and key != "risk_momentum"]
    assert set(named) <= set(head.split(","))
    scores = fas.score(tmp_path / "m", Dataset.open(three)).table
    assert made.steps == 2
    assert scores["score"].nunique() > 10
