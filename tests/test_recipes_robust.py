"""The switches of robustness in the recipe against attacks: each changes what it must, and nothing else."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from recipe_parts import SIDE, domains, ids, one_thread, tiny
from safetensors.torch import load_file
from torch.nn import functional
from transformers import ViTConfig, ViTModel
from typer.testing import CliRunner

from facedata.annotate.score.bootstrap import Draws
from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, TargetError, UsageError
from facedata.recipes import fas
from facedata.recipes.batches import Batches, as_tensor
from facedata.recipes.checkpoint import load_weights, read_card
from facedata.recipes.config import RowsConfig, load_config
from facedata.recipes.criterion import Criterion, FasModule
from facedata.recipes.evaluating import evaluate_model
from facedata.recipes.fas_config import FasConfig
from facedata.recipes.hardening import Guide, Hardening, begun, made_network
from facedata.recipes.metrics.run import Evaluating
from facedata.recipes.models.base import Network
from facedata.recipes.pictures import Shelf
from facedata.recipes.robust import Attack, Share, attacked
from facedata.recipes.rows import choose_rows

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

CPU = torch.device("cpu")
PLAIN = {"shift": 0, "scale": 0, "light": 0, "tint": 0, "noise": 0}


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return domains(tmp_path_factory.mktemp("faces"), people=12)


@pytest.fixture(scope="module")
def vit(tmp_path_factory) -> Path:
    """The folder of a small transformer."""
    torch.manual_seed(5)
    told = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=SIDE,
        patch_size=8,
    )
    root = tmp_path_factory.mktemp("vit")
    ViTModel(told, add_pooling_layer=False).save_pretrained(root)
    return root


@pytest.fixture(scope="module")
def begins(faces, tmp_path_factory) -> Path:
    """A finished model to begin with: trained without the domain south."""
    root = tmp_path_factory.mktemp("begins") / "model"
    fas.train_fas(faces, root, tiny(rows={"hold_out": ["south"]}, loop={"steps": 6}))
    return root


def network_of(model: Path) -> tuple[Network, float]:
    card = read_card(model)
    network = made_network(FasConfig.model_validate(card["config"]), card["architecture"])
    load_weights(model, network, card)
    return network.eval(), card["threshold"]["value"]


def number(value: torch.Tensor) -> float:
    return float(value.detach())


class Scores(torch.nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.network(pictures).score


def accuracy(model: Path, dataset: Path, how: Attack | None) -> float:
    """The share of the split test that a model tells right at its threshold, after an attack on that."""
    network, threshold = network_of(model)
    source = Dataset.open(dataset)
    rows = [row for row in source.rows() if row["split"] == "test"]
    pictures = as_tensor(Shelf(source, [row["image"] for row in rows], SIDE, 0).get(range(len(rows))))
    live = torch.tensor([row["label"] == "live" for row in rows])

    def loss(score: torch.Tensor) -> torch.Tensor:
        return functional.binary_cross_entropy_with_logits(score - threshold, live.float(), reduction="sum")

    if how is not None:
        pictures = attacked(Scores(network), pictures, loss, how)
    return float(((network(pictures).score >= threshold) == live).float().mean())


def test_a_network_that_was_attacked_in_training_withstands_what_a_plain_one_does_not(faces, tmp_path):
    """The lines of an attack change many codes, so what tells it from a face is there to be learned."""
    loop = {"steps": 200, "batch": 16, "rate": 0.005, "dev_every": 100}
    found = {}
    for name, robust in {
        "plain": {},
        "hardened": {"attack": "pgd", "epsilon": 4, "iterations": 3, "share": 0.5},
    }.items():
        config = tiny(network={"width": 8}, augment=PLAIN, loop=loop, robust=robust)
        fas.train_fas(faces, tmp_path / name, config)
        how = Attack("pgd", 4, 20, seed=9)
        found[name] = [accuracy(tmp_path / name, faces, one) for one in (None, how)]
    assert found["plain"][0] == 1
    assert found["hardened"][0] > 0.95
    assert found["plain"][1] < 0.6
    assert found["hardened"][1] > 0.9


def parts_of(faces: Path, **robust) -> tuple[FasModule, Batches]:
    config = tiny(augment=PLAIN, loop={"batch": 12}, robust={"attack": "pgd", "iterations": 2, **robust})
    rows = choose_rows(Dataset.open(faces), RowsConfig(), None, seed=0).train
    torch.manual_seed(0)
    network, _ = begun(config, None)
    criterion = Criterion(config.losses, network.features, 2, 3, 8)
    return FasModule(network, criterion, Hardening(config, None)), Batches(Dataset.open(faces), rows, config)


def test_a_share_of_each_batch_is_attacked_as_its_number_says(faces):
    module, batches = parts_of(faces, share=0.25)
    chosen = []
    for place in (0, 1, 2):
        batch = batches.place(batches.at(place), CPU)
        worse = module.hardening.worse(module.network, batch)
        off = (worse - batch.pictures).abs().amax((1, 2, 3))
        assert int(batch.attacked.sum()) == 3  # a quarter of twelve
        assert torch.equal(off > 0, batch.attacked)
        assert float(off.max()) <= 4 / 255 + 1e-6
        assert 0 <= float(worse.min()) <= float(worse.max()) <= 1
        clean, harmed = (
            functional.binary_cross_entropy_with_logits(
                module.network(pictures[batch.attacked]).score, (~batch.spoof[batch.attacked]).float()
            )
            for pictures in (batch.pictures, worse)
        )
        assert number(harmed) > number(clean)
        assert torch.equal(module.hardening.worse(module.network, batch), worse)
        chosen.append(batch.attacked)
    assert not torch.equal(chosen[0], chosen[1])
    assert int(parts_of(faces, share=0.01)[1].at(0).attacked.sum()) == 1
    assert tiny().robust.attack is None
    plain = Batches(batches.shelf._dataset, batches.rows, tiny())
    assert plain.at(0).attacked is None


def test_a_guide_says_how_far_answers_are_from_those_it_knew(faces):
    module, batches = parts_of(faces)
    batch = batches.place(batches.at(0), CPU)
    guide, seen = Guide(module.network, by_score=True), module.network(batch.pictures)
    assert number(guide.distance(seen, batch.pictures)) == pytest.approx(0, abs=1e-6)
    assert copy.deepcopy(module).hardening is not module.hardening
    assert copy.deepcopy(guide) is guide  # an average of the weights holds no second one
    with torch.no_grad():
        module.network.head.bias += 1
    moved = module.network(batch.pictures)
    before = torch.sigmoid(seen.score)
    told = before * (seen.score - moved.score) + torch.log(
        (1 + moved.score.exp()) / (1 + seen.score.exp())
    )  # KL of Bernoullis: p log(p / q) + (1 - p) log((1 - p) / (1 - q))
    assert number(guide.distance(moved, batch.pictures)) == pytest.approx(number(told.mean()), abs=1e-6)
    # by the trunk a head's bias is nothing, and a turned trunk all
    trunk = Guide(module.network, by_score=False)
    assert number(trunk.distance(moved, batch.pictures)) == pytest.approx(0, abs=1e-6)
    turned = type(moved)(moved.score, moved.features, -moved.trunk, moved.mask)
    assert number(trunk.distance(turned, batch.pictures)) == pytest.approx(2, abs=1e-6)


def test_guidance_draws_and_consistency_is_of_attacked_pictures_alone(faces):
    """Losses of the whole module, by hand on the samples that were attacked."""
    module, batches = parts_of(faces, consistency=2.0)
    batch = batches.place(batches.at(0), CPU)
    losses = module(batch)
    assert set(losses) == {"cross_entropy", "consistency"}
    worse = module.hardening.worse(module.network, batch)
    harmed, clean = (
        torch.sigmoid(module.network(pictures[batch.attacked]).score) for pictures in (worse, batch.pictures)
    )
    each = clean * (clean / harmed).log() + (1 - clean) * ((1 - clean) / (1 - harmed)).log()
    assert number(losses["consistency"]) == pytest.approx(2 * number(each.mean()), rel=1e-3)
    plain = functional.binary_cross_entropy_with_logits(module.network(worse).score, (~batch.spoof).float())
    assert number(losses["cross_entropy"]) == pytest.approx(number(plain), rel=1e-4)


def test_a_hardened_run_goes_on_to_the_same_numbers(faces, begins, tmp_path):
    robust = {
        "attack": "pgd", "iterations": 2, "guidance": 1.0, "consistency": 1.0, "pretrained": str(begins),
    }  # fmt: skip
    config = tiny(rows={"hold_out": ["south"]}, robust=robust)

    def stop(step: int, _total: int, _losses) -> None:
        if step == 6:
            raise KeyboardInterrupt

    fas.train_fas(faces, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        fas.train_fas(faces, tmp_path / "parts", config, progress=stop)
    fas.train_fas(faces, tmp_path / "parts", config, resume=True)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert logs[0].splitlines()[0] == "step,loss,cross_entropy,guidance,consistency"
    # the guide is in no state
    states = load_file(max((tmp_path / "whole" / "states").iterdir()))
    assert not [key for key in states if "guide" in key or "frozen" in key]


def test_training_begins_with_the_model_that_is_named_and_says_which(faces, begins, tmp_path):
    config = tiny(
        rows={"hold_out": ["south"]}, robust={"pretrained": str(begins)}, loop={"steps": 1, "rate": 1e-12}
    )
    fas.train_fas(faces, tmp_path / "m", config)
    given, found = (load_file(root / "model.safetensors") for root in (begins, tmp_path / "m"))
    assert all(torch.allclose(given[key], found[key], atol=1e-6) for key in given)
    card = read_card(tmp_path / "m")
    assert card["pretrained"]["weights"] == read_card(begins)["weights"]
    # another model in that folder is another run
    fas.train_fas(faces, tmp_path / "other", tiny(rows={"hold_out": ["south"]}, loop={"seed": 1, "steps": 1}))
    (begins / "aside").mkdir()
    kept = {}
    try:
        for name in ("model.safetensors", "training.json"):
            kept[name] = (begins / name).read_bytes()
            (begins / name).write_bytes((tmp_path / "other" / name).read_bytes())
        with pytest.raises(TargetError, match="another pretrained"):
            fas.train_fas(faces, tmp_path / "m", config, resume=True)
    finally:
        for name, data in kept.items():
            (begins / name).write_bytes(data)
        (begins / "aside").rmdir()


def test_rows_that_the_first_model_learned_from_are_tested_by_neither(faces, begins, tmp_path):
    """Training goes on with the domain south alone; the other domain's rows are known all the same."""
    config = tiny(
        rows={"hold_out": ["north"]}, robust={"pretrained": str(begins)}, loop={"steps": 1, "dev_every": 1}
    )
    fas.train_fas(faces, tmp_path / "m", config)
    kept = pd.read_parquet(tmp_path / "m" / "rows.parquet")
    assert set(kept.index[kept["part"] == "train"]) == set(ids(faces, split="train", domain="south"))
    assert set(kept.index[kept["part"] == "pretrained"]) == set(ids(faces, split="train", domain="north"))
    assert set(kept.index[kept["part"] == "watched"]) == set(ids(faces, split="val", domain="north"))
    with pytest.raises(SourceError, match="was trained on, or watched by"):
        evaluate_model(faces, tmp_path / "m", Evaluating(split="train", draws=Draws(0, 0, 0.95)))


def test_a_threshold_is_not_chosen_on_rows_that_the_first_model_learned_from(faces, begins, tmp_path):
    swapped, edits = tmp_path / "swapped", tmp_path / "edits.csv"
    lines = ["sid,field,old,new,author,time,message"]
    for old, new in (("train", "val"), ("val", "train")):
        lines += [f"{one},split,{old},{new},me,2026-01-01T00:00:00Z,swap" for one in ids(faces, split=old)]
    edits.write_text("\n".join(lines) + "\n")
    done = CliRunner().invoke(app, ["edit", str(faces), str(edits), "-o", str(swapped)])
    assert done.exit_code == 0, done.output
    with pytest.raises(SourceError, match=r"rows for development are rows that .* learned from"):
        fas.train_fas(swapped, tmp_path / "m", tiny(robust={"pretrained": str(begins)}))
    assert not (tmp_path / "m").exists()


def test_models_that_training_cannot_begin_with(faces, begins, vit, tmp_path):
    with pytest.raises(UsageError, match=r"has network.width 4, not 8"):
        fas.train_fas(faces, tmp_path / "m", tiny(network={"width": 8}, robust={"pretrained": str(begins)}))
    network = {"name": "vit", "weights": str(vit), "bottleneck": 2}
    branched = tiny(network=network, robust={"lora_rank": 2}, loop={"steps": 1, "dev_every": 1})
    fas.train_fas(faces, tmp_path / "b", branched)
    with pytest.raises(UsageError, match="has branches of its own"):
        fas.train_fas(
            faces, tmp_path / "m", tiny(network=network, robust={"pretrained": str(tmp_path / "b")})
        )


def test_branches_of_a_vit_learn_and_the_command_says_which_share(faces, vit, tmp_path):
    """Guided by the vit itself, as it was before training."""
    config = tmp_path / "c.yaml"
    config.write_text(
        f"network: {{name: vit, side: {SIDE}, weights: {vit}, bottleneck: 2}}\n"
        "robust: {attack: fgsm, guidance: 1.0, lora_rank: 4}\n"
        "loop: {batch: 8, memory: 8, rate: 0.05, dev_every: 3, warmup: 1}\n"
    )
    command = ["train", "fas", faces, "--config", config, "--steps", 3, "-o", tmp_path / "m"]
    done = CliRunner().invoke(app, [str(one) for one in command])
    assert done.exit_code == 0, done.output
    learned = load_file(tmp_path / "m" / "model.safetensors")
    given = ViTModel.from_pretrained(vit, add_pooling_layer=False).state_dict()
    base = {key: value for key, value in learned.items() if key.startswith("vit.") and "adapter" not in key}
    for key, value in given.items():
        assert any(one.shape == value.shape and torch.equal(one, value) for one in base.values()), key
    moved = [float(value.abs().max()) for key, value in base.items() if key.endswith(".up.weight")]
    assert len(moved) == 2 * 6
    assert all(moved)  # they began at 0
    # two layers of: four branches 32 -> 32, one 32 -> 64, one 64 -> 32, and an adapter of two channels
    branches = 2 * (4 * (64 + 128 + 128) + (64 + 128 + 256) + (128 + 256 + 128))
    adapters = 2 * ((32 * 2 + 2) + 2 * 2 * 9 + (2 * 32 + 32))
    heads = 2 * 32 + (32 * 32 + 32) + (32 + 1)
    share = Share(branches + adapters + heads, sum(value.numel() for value in learned.values()))
    assert f"{share.trainable:,} of {share.total:,} parameters ({share.percent:.2f} %)" in done.stdout
    head = (tmp_path / "m" / "log.csv").read_text().splitlines()
    assert head[0] == "step,loss,cross_entropy,guidance"
    assert float(head[1].split(",")[3]) < float(head[3].split(",")[3]) < 2  # it began where the guide is
    assert math.isfinite(json.loads((tmp_path / "m" / "training.json").read_text())["threshold"]["value"])
    scores = fas.score(tmp_path / "m", Dataset.open(faces)).table
    assert scores["score"].nunique() > 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("robust: {guidance: 1}", "robust.attack"),
        ("robust: {attack: pgd, guidance: 1}", "give robust.pretrained, or a vit's weights"),
        ("robust: {lora_rank: 4, pretrained: m}", "is for a vit"),
        ("network: {name: vit}\nrobust: {lora_rank: 4}", "has learned"),
        ("robust: {attack: cw}", "robust.attack: Input should be 'fgsm' or 'pgd'"),
    ],
)
def test_switches_that_would_do_nothing_are_refused(tmp_path, text, said):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_config(FasConfig, tmp_path / "c.yaml", fas.DEFAULT_CONFIG)
