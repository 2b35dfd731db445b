"""The pipeline: saved and loaded, conditioned, guided, and the same picture whatever stands beside it."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from synth_parts import tiny_network

from facedata.datasets.words import generator_of
from facedata.synth.conditions import Conditions, FourierFeatures
from facedata.synth.latents import decoded, encoded
from facedata.synth.load import SCHEDULERS, scheduler_of
from facedata.synth.model import SpoofUNet
from facedata.synth.pipeline import GUIDED, Guidance, SpoofDiffusionPipeline
from facedata.synth.schedule import levels, noise_scheduler


def conditions(count: int, seed: int = 0, side: int = 16) -> Conditions:
    draw = torch.Generator().manual_seed(seed)
    yes = torch.ones(count, dtype=torch.bool)
    return Conditions(
        torch.rand(count, 3, side, side, generator=draw) * 2 - 1,
        torch.rand(count, 3, side, side, generator=draw) * 2 - 1,
        torch.arange(count) % 2,
        torch.randn(count, 4, generator=draw),
        *(yes,) * 4,
    )


def part(given: Conditions, *numbers: int) -> Conditions:
    told = {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    chosen = {name: value[list(numbers)] for name, value in told.items() if value is not None}
    return Conditions(**chosen)


def pipeline_of(scheduler: str = "ddim", unet: SpoofUNet | None = None, vae=None) -> SpoofDiffusionPipeline:
    base = DDIMScheduler.from_config(noise_scheduler().config)
    made = SpoofDiffusionPipeline(unet or tiny_network(), scheduler_of(scheduler, base.config), vae)
    made.set_progress_bar_config(disable=True)
    return made


def generators(*numbers: int) -> list[torch.Generator]:
    return [generator_of(5, "picture", number) for number in numbers]


def test_it_is_saved_and_loaded_exactly_without_pickle(tmp_path):
    vae = AutoencoderKL(block_out_channels=(16,), norm_num_groups=8, latent_channels=4).eval()
    latent = pipeline_of(unet=tiny_network(channels_in=4), vae=vae)
    for name, one in (("pixels", pipeline_of()), ("latents", latent)):
        one.save_pretrained(tmp_path / name, safe_serialization=True)
        again = SpoofDiffusionPipeline.from_pretrained(tmp_path / name)
        again.set_progress_bar_config(disable=True)
        for part_name in ("unet", "vae"):
            before, after = getattr(one, part_name), getattr(again, part_name)
            assert (before is None) == (after is None)
            if before is not None:
                wanted, found = before.state_dict(), after.state_dict()
                assert found.keys() == wanted.keys()
                assert all(torch.equal(found[key], wanted[key]) for key in wanted)
        suffixes = {path.suffix for path in (tmp_path / name).rglob("*") if path.is_file()}
        assert suffixes == {".json", ".safetensors"}
        given = conditions(2)
        pictures = [each(given, generators(0, 1), steps=3) for each in (one, again)]
        assert torch.equal(*pictures)


@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_a_picture_does_not_depend_on_its_neighbours_order_or_batch(scheduler):
    made, given = pipeline_of(scheduler), conditions(8)
    together = made(given, generators(*range(8)), steps=5)
    assert together.shape == (8, 3, 16, 16)
    assert together.min() >= 0
    assert together.max() <= 1
    assert together.flatten(1).std(dim=1).min() > 0.05, "eight blank pictures would be alike as well"
    assert (together[0] - together[1]).abs().max() > 0.1
    backwards = made(part(given, *range(7, -1, -1)), generators(*range(7, -1, -1)), steps=5).flip(0)
    alone = torch.cat([made(part(given, n), generators(n), steps=5) for n in range(8)])
    assert (together - backwards).abs().max() < 1 / 255
    assert (together - alone).abs().max() < 1 / 255
    assert torch.equal(together, made(given, generators(*range(8)), steps=5)), "bit for bit at one batch size"
    torch.manual_seed(99)  # no picture may depend on the global generator
    assert torch.equal(together, made(given, generators(*range(8)), steps=5))


def test_guidance_of_one_everywhere_is_one_prediction_and_parts_always_sum_to_one():
    assert Guidance(1, 1, 1, 1).parts() == [(1.0, ())]
    for weights in ((1, 1, 1, 1.5), (0, 1, 1, 1), (2, 0.5, 3, 1.5), (0, 0, 0, 0)):
        parts = Guidance(*weights).parts()
        assert sum(factor for factor, _ in parts) == pytest.approx(1)
        assert len(parts) == len({left_out for _, left_out in parts})
        ignored = {name for name, weight in zip(GUIDED, weights, strict=True) if weight == 0}
        assert all(ignored <= set(left_out) for _, left_out in parts)


@pytest.mark.parametrize("place", range(4))
def test_each_condition_is_guided_apart(place):
    """A weight w scales exactly the step from the prediction without the condition to the one with it."""
    name = GUIDED[place]
    made, given = pipeline_of(), conditions(2)
    state, time = torch.randn(2, 3, 16, 16), torch.tensor(500)

    def told(**weights):
        guidance = Guidance(**{**dict.fromkeys(GUIDED, 1.0), **weights})
        with torch.no_grad():
            return made._guided(state, time, given, guidance.parts())

    def seen(*left_out):
        with torch.no_grad():
            return made.unet(state, time, given.without(*left_out))[0]

    step = seen(*GUIDED[place + 1 :]) - seen(*GUIDED[place:])
    assert step.abs().max() > 1e-3, f"the network does not hear {name}"
    torch.testing.assert_close(told(**{name: 3.0}) - told(), 2 * step, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", GUIDED)
def test_a_condition_that_is_left_out_is_not_seen(name):
    network, given = tiny_network(), conditions(2).without(name)
    other = dataclasses.replace(given, **{name: getattr(conditions(2, seed=1), name).flip(0)})
    with torch.no_grad():
        state = torch.randn(2, 3, 16, 16)
        assert torch.equal(network(state, 500, given)[0], network(state, 500, other)[0])
        shown = dataclasses.replace(other, **{f"has_{name}": torch.ones(2, dtype=torch.bool)})
        assert not torch.equal(network(state, 500, conditions(2))[0], network(state, 500, shown)[0])


def test_less_strength_keeps_more_of_the_live_face():
    made, given = pipeline_of(), conditions(4)
    live = given.content / 2 + 0.5
    away = [
        float((made(given, generators(*range(4)), steps=10, strength=share) - live).square().mean())
        for share in (0.1, 0.5, 1.0)
    ]
    assert away[0] < away[1] < away[2]
    for wrong in (0.0, 1.01):
        with pytest.raises(ValueError, match="not in"):
            made(given, generators(*range(4)), strength=wrong)


def test_less_temperature_varies_less():
    made, given = pipeline_of(), conditions(1)
    spread = []
    for temperature in (0.0, 0.5, 1.0):
        pictures = [made(given, generators(n), steps=4, temperature=temperature) for n in range(6)]
        spread.append(float(torch.cat(pictures).std(dim=0).mean()))
    assert spread[0] < 1e-6
    assert spread[0] < spread[1] < spread[2]
    with pytest.raises(ValueError, match="under 0"):
        made(given, generators(0), temperature=-0.1)


def test_bf16_gives_nearly_the_same_velocity_and_the_face_in_full():
    network, given = tiny_network(), conditions(4)
    state, times = torch.randn(4, 3, 16, 16), torch.tensor([999, 700, 300, 20])
    with torch.no_grad():
        full, _ = network(state, times, given)
        half, told = network.to(torch.bfloat16)(state, times, given)
    assert half.dtype == told.quality.dtype == told.maps.asked.dtype == torch.float32
    assert 0 < (full - half).abs().max() < 0.1
    made = pipeline_of(unet=network)(given, generators(*range(4)), steps=4)
    assert made.dtype == torch.float32
    assert bool(made.isfinite().all())


def test_quality_is_heard_in_full_whatever_the_precision():
    features = FourierFeatures(4)
    values = torch.tensor([[-3.9, 0.0, 1.25, 3.3]])
    assert torch.equal(features(values), features.to(torch.bfloat16)(values))
    assert features(values).shape == (1, features.width)
    assert (features(values) - features(values + 0.1)).abs().max() > 0.5


def test_at_the_end_of_the_schedule_there_is_noise_alone():
    alpha, sigma = levels(torch.tensor([0, 999]))
    assert alpha[1] == 0
    assert sigma[1] == 1
    assert alpha[0] > 0.99
    torch.testing.assert_close(alpha.square() + sigma.square(), torch.ones(2, 1, 1, 1))


def test_latents_are_of_the_pictures_and_scaled_as_the_autoencoder_says():
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        scaling_factor=0.25,
        shift_factor=0.5,
    ).eval()
    pictures = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        raw = vae.encode(pictures).latent_dist.mode()
        torch.testing.assert_close(encoded(vae, pictures), (raw - 0.5) * 0.25)
        torch.testing.assert_close(decoded(vae, (raw - 0.5) * 0.25), vae.decode(raw).sample)
