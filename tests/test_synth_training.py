"""Training: to the same numbers however often it stops, on what it should, and safely off the rails."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from synth_parts import KINDS, make_attacks, shelf_of, tiny

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError, TargetError, UsageError
from facedata.datasets.words import Words
from facedata.synth import train as training
from facedata.synth.batches import Batches
from facedata.synth.config import Dropping
from facedata.synth.load import load_model, read_card
from facedata.synth.losses import clean_of, relative_quality_loss, sharpness, snr_weights, velocity
from facedata.synth.pairs import LIVE
from facedata.synth.schedule import levels
from facedata.synth.train import train


@pytest.fixture(scope="module")
def attacks(tmp_path_factory) -> Path:
    return make_attacks(tmp_path_factory.mktemp("synth"))


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "unet" / "diffusion_pytorch_model.safetensors")


def test_a_run_that_stopped_goes_on_to_the_same_loss_and_weights(attacks, tmp_path):
    config = tiny(steps=8, accumulate=2)
    whole = train(attacks, tmp_path / "whole", config)

    def stop(step, _total, _loss):
        if step == 6:  # two steps after the last state
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(attacks, tmp_path / "parts", config, progress=stop)
    again = train(attacks, tmp_path / "parts", config, resume=True)
    assert again.loss == whole.loss
    logs = [(tmp_path / name / "log.csv").read_bytes() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert [int(line.split(",")[0]) for line in logs[0].decode().splitlines()] == list(range(1, 9))
    before, after = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert read_card(tmp_path / "whole")["weights"] == read_card(tmp_path / "parts")["weights"]
    # and what is compared does move
    assert weights_moved(tmp_path / "whole")
    with pytest.raises(UsageError, match="trained for 8 steps already"):
        train(attacks, tmp_path / "whole", tiny(steps=4, accumulate=2), resume=True)


def weights_moved(model: Path) -> bool:
    states = sorted((model / "states").iterdir())
    first, last = (load_file(one / "model.safetensors") for one in (states[0], states[-1]))
    return all(not torch.equal(first[key], last[key]) for key in ("unet.conv_out.weight", "null_quality"))


def test_another_seed_is_another_network(attacks, tmp_path):
    for seed in (1, 2):
        train(attacks, tmp_path / str(seed), tiny(steps=1, seed=seed))
    cards = [read_card(tmp_path / str(seed))["weights"] for seed in (1, 2)]
    assert cards[0] != cards[1]


def test_what_is_learned_lowers_the_error(attacks, tmp_path):
    """The loss over the last batches is well under that of the first, with the network's own seed."""
    train(attacks, tmp_path / "m", tiny(steps=60, rate=3e-3))
    losses = [float(line.split(",")[1]) for line in (tmp_path / "m" / "log.csv").read_text().splitlines()]
    assert np.mean(losses[-15:]) < 0.7 * np.mean(losses[:15])


def test_each_null_is_trained(attacks):
    """Each condition is left out by a draw of its own, as often as was asked for."""
    dataset = Dataset.open(attacks)
    pairs, shelf, scale = shelf_of(dataset)
    drop = Dropping(content=0.1, style=0.2, kind=0.3, quality=0.4)
    batches = Batches(pairs, shelf, scale, drop, 8, 3)
    given = [batches.at(step).conditions for step in range(150)]
    out = {
        name: 1 - torch.cat([getattr(one, f"has_{name}") for one in given]).float()
        for name in ("content", "style", "kind", "quality")
    }
    for name, share in drop.model_dump().items():
        # 1,200 draws: four standard errors
        assert abs(float(out[name].mean()) - share) < 4 * math.sqrt(share * (1 - share) / 1200)
    together = torch.corrcoef(torch.stack(list(out.values()))) - torch.eye(4)
    assert together.abs().max() < 4 / math.sqrt(1200), "left out together, none could be guided apart"


def test_a_batch_is_a_function_of_its_step_and_an_epoch_shows_every_pair(attacks):
    dataset = Dataset.open(attacks)
    pairs, shelf, scale = shelf_of(dataset)
    batches = Batches(pairs, shelf, scale, Dropping(), 4, 3)
    ahead = [batch.samples for batch in batches.between(2, 6)]
    assert ahead == [batches.at(step).samples for step in range(2, 6)]
    epoch = [one for step in range(6) for one in batches.at(step).samples]
    assert sorted(epoch) == sorted(pairs.faces[pair.target].sample_id for pair in pairs.pairs)
    one, two = batches.at(3), batches.at(3)
    assert torch.equal(one.noise, two.noise)
    assert torch.equal(one.times, two.times)
    assert not torch.equal(one.noise, batches.at(4).noise)


def test_a_style_is_of_the_kind_of_another_person_and_not_the_target(attacks):
    dataset = Dataset.open(attacks)
    pairs, _, _ = shelf_of(dataset)
    assert pairs.kinds == KINDS
    assert len(pairs.pairs) == 24
    for number, pair in enumerate(pairs.pairs * 5):
        style, target = pairs.faces[pairs.style_of(pair, Words.of(number))], pairs.faces[pair.target]
        assert style.attack == target.attack
        assert style.subject != target.subject
        assert pairs.faces[pair.content].subject == target.subject


def test_the_loss_of_quality_reaches_the_encoder_of_styles(attacks, tmp_path):
    """With quality_task, what the tokens tell of the style's quality comes nearer to what was measured."""
    missed = {}
    for weight in (0.0, 10.0):
        model = tmp_path / str(weight)
        train(attacks, model, tiny(steps=40, rate=3e-3, ema=0.5, quality_task=weight))
        loaded = load_model(model)
        pairs, shelf, scale = shelf_of(Dataset.open(attacks))
        batch = Batches(pairs, shelf, scale, Dropping(), 24, 3).at(0)
        with torch.no_grad():
            *_, heard = loaded.pipeline.unet.embed(batch.conditions)
        missed[weight] = float((heard - batch.style_quality).square().mean())
    assert missed[10.0] < 0.6 * missed[0.0]


def test_no_number_ends_the_run_names_the_samples_and_keeps_the_weights(attacks, tmp_path, monkeypatch):
    learned = training._Run._loss
    calls = iter(range(99))

    def diverging(self, *arguments):
        loss = learned(self, *arguments)
        return loss * math.nan if next(calls) == 2 else loss

    monkeypatch.setattr(training._Run, "_loss", diverging)
    with pytest.raises(FacedataError, match="the loss is nan at step 3") as said:
        train(attacks, tmp_path / "m", tiny())
    spoofs = {one.sample_id for one in Dataset.open(attacks) if one.label == "spoof"}
    named = str(said.value).split("samples ")[1].split("; ")[0].split(", ")
    assert len(named) == 4
    assert set(named) <= spoofs
    assert "step-00000002 is kept" in str(said.value)
    monkeypatch.setattr(training._Run, "_loss", learned)
    made = train(attacks, tmp_path / "m", tiny(rate=1e-4), resume=True)
    assert math.isfinite(made.loss)
    assert made.steps == 8


def test_a_run_goes_on_only_where_it_began(attacks, tmp_path):
    train(attacks, tmp_path / "m", tiny(steps=2))
    with pytest.raises(TargetError, match="not empty"):
        train(attacks, tmp_path / "m", tiny(steps=2))
    with pytest.raises(TargetError, match="trained with another snr"):
        train(attacks, tmp_path / "m", tiny(steps=2, snr=3), resume=True)
    state = tmp_path / "m" / "states" / "step-00000002" / "ema.safetensors"
    whole = state.read_bytes()
    for damaged in (whole[:100], whole[:-1] + bytes([whole[-1] ^ 1])):
        state.write_bytes(damaged)
        with pytest.raises(FacedataError, match="remove it to go on from the state before"):
            train(attacks, tmp_path / "m", tiny(steps=3), resume=True)


def test_bf16_trains_on_a_processor_and_fp16_says_that_it_does_not(attacks, tmp_path):
    made = train(attacks, tmp_path / "half", tiny(steps=2, precision="bf16"))
    assert math.isfinite(made.loss)
    train(attacks, tmp_path / "full", tiny(steps=2))
    half, full = weights(tmp_path / "half"), weights(tmp_path / "full")
    assert half["unet.conv_in.weight"].dtype == torch.float32
    assert not torch.equal(half["unet.conv_in.weight"], full["unet.conv_in.weight"])
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="fp16 is for a GPU"):
            train(attacks, tmp_path / "no", tiny(precision="fp16"))


def test_a_network_of_live_faces_learns_from_them_alone(attacks, tmp_path):
    train(attacks, tmp_path / "m", tiny(task="despoof", steps=2))
    assert read_card(tmp_path / "m")["kinds"] == [LIVE]
    live = {one.sample_id for one in Dataset.open(attacks) if one.label == "live"}
    assert read_card(tmp_path / "m")["pairs"] == len(live)


def test_latents_of_a_folder_are_trained_on_and_saved_with_the_pipeline(attacks, tmp_path):
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
    )
    vae.save_pretrained(tmp_path / "vae")
    config = tiny(steps=2, network={"resolution": 32, "vae": str(tmp_path / "vae")})
    calls = []
    encode = AutoencoderKL.encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoencoderKL, "encode", lambda self, x: calls.append(len(x)) or encode(self, x))
        train(attacks, tmp_path / "m", config)
    grid = 3 * 1  # the last sheet's faces, row by row, go through the pipeline
    assert len(calls) - grid == len(Dataset.open(attacks)), "each picture is encoded once"
    loaded = load_model(tmp_path / "m")
    assert loaded.pipeline.unet.config.sample_size == 16
    assert loaded.pipeline.unet.config.channels_in == 4
    assert all(
        torch.equal(one, loaded.pipeline.vae.state_dict()[name]) for name, one in vae.state_dict().items()
    )
    sheet = cv2.imread(str(tmp_path / "m" / "grids" / "step-000002.png"))
    assert sheet.shape[0] == 4 * 34 - 2


def test_the_weights_of_min_snr_are_those_of_its_paper_beside_pure_noise():
    snr = torch.tensor([0.0, 0.25, 1.0, 4.0, 9.0, 99.0])
    assert snr_weights(snr, 5.0).tolist() == pytest.approx([1, 1, 1, 1, 0.5, 0.05])


def test_relative_quality_has_its_closed_form():
    wanted, ones = torch.tensor([1.0, 0.0]), torch.ones(2)
    for found, loss in (([0.5, 0.0], 0.0), ([0.0, 0.0], 0.5), ([0.0, 1.0], 1.5), ([9.0, 0.0], 0.0)):
        assert float(relative_quality_loss(torch.tensor(found), wanted, ones)) == pytest.approx(loss)
    # three pictures: pairs (0,1) and (0,2) count, the second misses by .5 * .4 - .1, each by its weights
    wanted, found = torch.tensor([0.4, 0.0, 0.05]), torch.tensor([0.2, 0.0, 0.1])
    weights_ = torch.tensor([1.0, 1.0, 0.5])
    missing = 0.5 * (0.5 * 0.35 - 0.1)
    assert float(relative_quality_loss(found, wanted, weights_)) == pytest.approx(missing / 1.5)
    # nothing but noise: no opinion
    assert float(relative_quality_loss(found, wanted, torch.zeros(3))) == 0


def test_sharpness_falls_as_a_picture_is_blurred_and_its_gradient_is_finite():
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)
    values = sharpness(torch.cat([noise, blurred]))
    assert values[0] > values[1] + 1
    flat = torch.zeros(1, 3, 8, 8, requires_grad=True)
    sharpness(flat).sum().backward()
    assert bool(flat.grad.isfinite().all())


def test_a_velocity_gives_its_picture_back():
    draw = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, 3, 8, 8, generator=draw) for _ in range(2))
    alpha, sigma = levels(torch.tensor([999, 500, 0]))
    noisy = alpha * clean + sigma * noise
    torch.testing.assert_close(
        clean_of(noisy, velocity(clean, noise, alpha, sigma), alpha, sigma), clean, atol=1e-5, rtol=1e-5
    )


def test_the_card_says_what_was_learned_from(attacks, tmp_path):
    train(attacks, tmp_path / "m", tiny(steps=1))
    card = json.loads((tmp_path / "m" / "training.json").read_text())
    assert card["dataset"]["version"] == Dataset.open(attacks).version
    assert card["kinds"] == list(KINDS)
    assert card["pairs"] == 24
