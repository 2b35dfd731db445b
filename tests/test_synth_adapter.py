"""An adapter: what it learns, what it leaves alone, and which base it goes with."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from synth_parts import Attack, make_faces, tiny, tiny_network
from torch import nn
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import DatasetError, TargetError, UsageError
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.versions.filter import filter_rows
from facedata.synth.adapter import grow, merge
from facedata.synth.conditions import Conditions
from facedata.synth.config import Lora
from facedata.synth.load import load_model, read_card
from facedata.synth.sample import Sampling, sample
from facedata.synth.state import learned
from facedata.synth.train import train

OLD, NEW = "print/paper", "replay/lcd"
LORA = {"lora": {"rank": 2}}
LEARNING = tiny(steps=4, rate=3e-3, weight_decay=0, ema=0, save_every=1, **LORA)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> dict[str, Path]:
    """Live faces with attacks of the kind that the base learns, and with one that it does not know."""
    root = tmp_path_factory.mktemp("synth")
    source = open_input(make_faces(root), Reading())
    run("test", Attack(), source, root / "all", 0, Options(engine="serial"))
    found = {}
    for name, kind in (("old", OLD), ("new", NEW)):
        found[name] = filter_rows(root / "all", f"label == 'live' or attack == '{kind}'", root / name).root
    return {**found, "all": root / "all"}


@pytest.fixture(scope="module")
def base(datasets, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("base") / "b"
    train(datasets["old"], root, tiny(steps=6))
    return root


@pytest.fixture(scope="module")
def adapter(datasets, base, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("adapter") / "a"
    train(datasets["new"], root, LEARNING, base=base)
    return root


def hashes(root: Path) -> dict[str, str]:
    return {
        str(one.relative_to(root)): content_hash(one.read_bytes()) for one in root.rglob("*") if one.is_file()
    }


def conditions(count: int) -> Conditions:
    draw = torch.Generator().manual_seed(3)
    yes = torch.ones(count, dtype=torch.bool)
    return Conditions(
        torch.rand(count, 3, 16, 16, generator=draw) * 2 - 1,
        torch.rand(count, 3, 16, 16, generator=draw) * 2 - 1,
        torch.zeros(count, dtype=torch.long),
        torch.randn(count, 4, generator=draw),
        *(yes,) * 4,
    )


def answers(model: nn.Module, given: Conditions) -> torch.Tensor:
    draw = torch.Generator().manual_seed(5)
    noisy = torch.randn(given.content.shape, generator=draw)
    with torch.no_grad():
        return torch.cat([model(noisy, time, given)[0] for time in (999, 500, 20)])


def test_a_base_that_has_grown_answers_as_before_and_hears_a_new_kind_as_none():
    model, given = tiny_network(), conditions(3)
    before, unheard = answers(model, given), answers(model, given.without("kind"))
    grow(model, 2, Lora(rank=2))
    assert model.config.kinds == 4
    assert torch.equal(answers(model, given), before)
    for kind in (2, 3):
        new = replace(given, kind=torch.full((3,), kind))
        torch.testing.assert_close(answers(model, new), unheard, atol=0, rtol=0)
    assert torch.equal(answers(model, given.without("kind")), unheard), "the null is still the last row"


def test_what_is_learned_is_low_rank_norms_and_rows_of_new_kinds():
    model = tiny_network()
    layers = [one for one in model.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    norms = [one for one in model.modules() if isinstance(one, nn.GroupNorm | nn.LayerNorm)]
    grow(model, 1, Lora(rank=2))
    names = learned(model)
    assert (
        sum(".lora_A." in name for name in names) == sum(".lora_B." in name for name in names) == len(layers)
    )
    assert [name for name in names if name.startswith("kind.")] == ["kind.new"]
    assert tuple(names["kind.new"].shape) == (1, 32)
    assert len(names) == 2 * len(layers) + 2 * len(norms) + 1
    for name, one in names.items():
        if ".lora_" in name:
            assert min(one.shape[:2]) == 2, "the matrices are of the rank that was asked for"


def test_merging_gives_a_plain_network_of_the_same_answers():
    model, given = tiny_network(), conditions(3)
    plain = set(dict(model.named_parameters()))
    before = answers(model, given)
    grow(model, 1, Lora(rank=2))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for one in learned(model).values():
            one.add_(0.05 * torch.randn(one.shape, generator=draw))
    new = replace(given, kind=torch.full((3,), 2))
    grown = answers(model, given), answers(model, new)
    assert (grown[0] - before).abs().max() > 0.01
    assert (grown[0] - grown[1]).abs().max() > 1e-4
    merge(model)
    assert set(dict(model.named_parameters())) | {"kind.weight"} == plain
    torch.testing.assert_close(answers(model, given), grown[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(answers(model, new), grown[1], atol=1e-4, rtol=1e-4)


def test_every_matrix_is_trained_and_the_base_stays_bit_for_bit(adapter, base, datasets, tmp_path):
    """Where a layer that starts at nought stood behind one, no gradient would come through it."""
    states = sorted((adapter / "states").iterdir())
    early, late = (load_file(one / "model.safetensors") for one in (states[0], states[-1]))
    assert early.keys() == late.keys()
    # no weight decay: nothing but a gradient moves them
    assert [name for name in early if torch.equal(early[name], late[name])] == []
    whole, before = load_model(base).pipeline.unet, hashes(base)
    train(datasets["new"], tmp_path / "a", tiny(steps=1, **LORA), base=base)
    assert hashes(base) == before
    # and what is loaded is the base's, where nothing was learned beside it
    changed = load_model(adapter).pipeline.unet
    assert torch.equal(changed.null_style, whole.null_style)
    assert torch.equal(changed.kind.weight[[0, 2]], whole.kind.weight)
    assert not torch.equal(changed.kind.weight[1], whole.kind.weight[1])
    assert not torch.equal(changed.unet.conv_in.weight, whole.unet.conv_in.weight)


def test_a_gradient_reaches_every_matrix_at_the_second_step():
    model, given = tiny_network().train(), conditions(4)
    grow(model, 1, Lora(rank=2))
    given = replace(given, kind=torch.tensor([0, 0, 2, 2]), has_style=torch.tensor([True, True, True, False]))
    draw = torch.Generator().manual_seed(1)
    rate = 1e-2
    for step in range(2):
        model.zero_grad()
        found, told = model(torch.randn(4, 3, 16, 16, generator=draw), 500, given)
        heard = (told.quality, *told.maps)
        (found.square().mean() + sum(one.square().mean() for one in heard)).backward()
        still = [name for name, one in learned(model).items() if one.grad is None or not one.grad.any()]
        if step == 0:  # the second matrices are 0: they hide the first ones, and nothing else
            assert still
            assert all(".lora_A." in name for name in still)
            with torch.no_grad():
                for one in learned(model).values():
                    one.sub_(rate * one.grad)
        else:
            assert still == []
    frozen = [one for one in model.parameters() if not one.requires_grad]
    assert frozen
    assert all(one.grad is None for one in frozen)


def test_an_adapter_that_stopped_goes_on_to_the_same_numbers(datasets, base, tmp_path):
    config = tiny(steps=6, **LORA)
    whole = train(datasets["new"], tmp_path / "whole", config, base=base)

    def stop(step, _total, _loss):
        if step == 5:  # a step after the last state
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(datasets["new"], tmp_path / "parts", config, base=base, progress=stop)
    with pytest.raises(DatasetError, match=r"no finished model \(adapter\.safetensors is missing\)"):
        load_model(tmp_path / "parts")
    again = train(datasets["new"], tmp_path / "parts", config, base=base, resume=True)
    assert again.loss == whole.loss
    first, second = ((tmp_path / name / "adapter.safetensors").read_bytes() for name in ("whole", "parts"))
    assert content_hash(first) == content_hash(second)
    assert read_card(tmp_path / "whole")["weights"] == read_card(tmp_path / "parts")["weights"]
    assert 0 < whole.learned < 0.5 * whole.parameters


def test_an_adapter_samples_its_kind_from_its_base_and_is_saved_small(adapter, base, datasets, tmp_path):
    few = Sampling(steps=2)
    one = sample(datasets["new"], adapter, datasets["all"], tmp_path / "one", seed=3, sampling=few)
    rows = list(Dataset.open(tmp_path / "one"))
    assert {row.attack for row in rows} == {NEW}, "kinds of the base are the base's to make"
    assert {row.parameters["model"] for row in rows} == {read_card(adapter)["weights"]}
    moved = shutil.copytree(adapter, tmp_path / "elsewhere" / "a")
    with pytest.raises(UsageError, match=r"its base is not at .* say where it is with --base"):
        sample(datasets["new"], moved, datasets["all"], tmp_path / "x", sampling=few)
    two = sample(datasets["new"], moved, datasets["all"], tmp_path / "two", base=base, seed=3, sampling=few)
    assert two.record.version == one.record.version
    # the same conditions and noise through the base alone give another picture
    pipelines = [load_model(path).pipeline for path in (base, adapter)]
    draws = [torch.Generator().manual_seed(0) for _ in range(2)]
    given = conditions(1).without("kind")
    made = [pipeline(given, [draw], steps=2) for pipeline, draw in zip(pipelines, draws, strict=True)]
    assert (made[0] - made[1]).abs().max() > 1 / 255


def test_what_is_not_its_base_or_not_safe_is_refused(adapter, base, datasets, tmp_path):
    other = tmp_path / "other"
    train(datasets["old"], other, tiny(steps=1, seed=9))
    with pytest.raises(DatasetError, match=r"other is not the base of .* give that one with --base"):
        load_model(adapter, base=other)
    with pytest.raises(UsageError, match="is a whole model, which needs no base; leave it out"):
        load_model(base, base=other)
    copy = shutil.copytree(adapter, tmp_path / "copy")
    with pytest.raises(TargetError, match="was trained with another base"):
        train(datasets["new"], copy, LEARNING, base=other, resume=True)
    save_file({"weight": torch.zeros(1)}, copy / "adapter.safetensors")
    with pytest.raises(DatasetError, match=r"not those that its training\.json names"):
        load_model(copy, base=base)
    card = json.loads((copy / "training.json").read_text())
    card["weights"] = read_weights(copy, card)
    (copy / "training.json").write_text(json.dumps(card))
    with pytest.raises(DatasetError, match=r"cannot be loaded \(it is of another network"):
        load_model(copy, base=base)
    torch.save({}, copy / "adapter.bin")
    with pytest.raises(DatasetError, match=r"adapter\.bin is pickled"):
        load_model(copy, base=base)


def read_weights(root: Path, card: dict) -> str:
    from facedata.synth.card import weights_of

    return weights_of(root, card["base"]["weights"])


def test_a_base_that_no_kind_can_be_added_to_is_refused(adapter, base, datasets, tmp_path):
    target = tmp_path / "a"

    def refused(said, source="new", path=base, **told):
        with pytest.raises(UsageError, match=said):
            train(datasets[source], target, tiny(steps=1, **{**LORA, **told}), base=path)
        assert not target.exists()

    refused("the base .* knows print/paper already", source="all")
    refused("is an adapter; give the whole model", path=adapter)
    refused("with task despoof: adapters are for new kinds", task="despoof")
    refused(r"network.resolution is 32, and 16 in the base", network={"resolution": 32})
    refused("name it with --base, or leave lora out", path=None)
    with pytest.raises(UsageError, match="is the input"):
        train(datasets["new"], base, tiny(steps=1, **LORA), base=base, overwrite=True)
    assert read_card(base)["kinds"] == [OLD]


def test_the_verbs_take_an_adapter_and_print_the_share_that_is_trained(base, datasets, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("{steps: 2, batch: 4, lora: {rank: 2}}")
    runner = CliRunner()

    def told(*words):
        done = runner.invoke(app, ["synth", *map(str, words)])
        assert done.exit_code == 0, done.output
        return done.output

    model = tmp_path / "a"
    output = told("train", datasets["new"], "--config", config, "--base", base, "-o", model)
    made = tiny_network(kinds=1)
    count = sum(one.numel() for one in made.parameters())
    grow(made, 1, Lora(rank=2))
    new = sum(one.numel() for one in learned(made).values())
    total = sum(one.numel() for one in made.parameters())
    assert total > count
    assert f"{total:,} parameters, of which {new:,} ({new / total:.1%}) were trained" in output
    styles = ["--style", datasets["new"], "--steps", 2]
    plain = ["sample", datasets["new"], "--model", model, *styles, "--gates", "none"]
    told(*plain, "-o", tmp_path / "made")
    again = ["gates", tmp_path / "made", "--model", model, "--content", datasets["new"]]
    done = runner.invoke(app, ["synth", *map(str, [*again, "-o", tmp_path / "judged", "--json"])])
    assert done.exit_code in (0, 1), done.output
    assert "Traceback" not in done.output
    shutil.rmtree(model / "grids")
    done = runner.invoke(
        app, ["synth", "despoof", *map(str, [datasets["new"], "--model", model, "-o", tmp_path / "d"])]
    )
    assert done.exit_code == 2
    assert "was trained to make attacks" in " ".join(done.output.split())
