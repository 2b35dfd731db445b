"""The batched torch operators give what the NumPy ones give, from the same words."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from conftest import picture

from facedata.augment.adapters.torch import BATCHED, BatchedPolicy, batched
from facedata.augment.policy import load_policy
from facedata.augment.registry import OPERATORS
from facedata.augment.task import restored
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

# Largest and mean difference of 255. OpenCV's resize rounds to 8 bits between its two passes, torch does not.
BOUNDS = {**dict.fromkeys(BATCHED, (2.0, 0.1)), "low-resolution": (2.0, 0.2)}
SIZES = [(64, 64), (80, 96), (256, 256)]
REFERENCE = load_policy("fas-aug").sub_policies.operators


def batch_of(count: int, height: int, width: int) -> tuple[np.ndarray, torch.Tensor]:
    pixels = np.stack([picture(number, width=width, height=height) for number in range(count)])
    return pixels, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def test_every_reference_operator_has_a_module():
    assert set(BATCHED) == set(REFERENCE)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", BATCHED)
def test_parity_with_the_numpy_operator(name, size):
    module, operator = batched(name), OPERATORS[name]
    ids = [f"sample-{number}" for number in range(6)]
    pixels, image = batch_of(6, *size)
    parameters = module.draw(ids, seed=5)
    made = module(image, module.pack(parameters, size))
    made = np.rint(made.permute(0, 2, 3, 1).numpy() * 255)
    for number, one in enumerate(parameters):
        words = Words.of(5, ids[number], 0, 0, name)
        assert one == operator.sample(words), "the draw is not that of the dataset's row"
        error = np.abs(made[number] - operator.apply(pixels[number], one).image.astype(float))
        largest, mean = BOUNDS[name]
        assert error.max() <= largest, f"{name} {size}: {one}"
        assert error.mean() <= mean, f"{name} {size}: {one}"


@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_is_the_same_as_its_pictures_one_by_one(name):
    module = batched(name)
    _, image = batch_of(4, 48, 64)
    parameters = module.draw(list("abcd"), seed=1)
    together = module(image, module.pack(parameters, (48, 64)))
    for number in range(4):
        alone = module(image[number : number + 1], module.pack(parameters[number : number + 1], (48, 64)))
        assert torch.allclose(alone[0], together[number], atol=1 / 255 / 4)


@pytest.mark.parametrize("name", BATCHED)
def test_forward_is_one_graph(name):
    """A Python loop over the batch or a branch on a value would break it."""
    module = batched(name)
    _, image = batch_of(3, 32, 32)
    params = module.sample(list("abc"), 2, size=32)
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(image, params), module(image, params), atol=1e-5)


def test_a_policy_gives_what_the_task_gives():
    policy = BatchedPolicy("fas-aug")
    ids = [f"{number:032x}" for number in range(12)]
    pixels, image = batch_of(12, 64, 64)
    steps = policy.draw(ids, seed=7, variant=1)
    made = policy(image, policy.pack(steps, 64))
    made = np.rint(made.permute(0, 2, 3, 1).numpy() * 255)
    for number, chain in enumerate(steps):
        expected = pixels[number]
        for step in restored({"steps": [json.loads(json.dumps(step.to_json())) for step in chain]}):
            expected = step.operator.apply(expected, step.parameters).image
        error = np.abs(made[number] - expected.astype(float))
        assert error.mean() < 0.5, chain
        assert np.quantile(error, 0.99) <= 4, chain


def test_gradients_reach_the_picture():
    for name in ("color-diversity", "reflection", "moire-pattern", "hand-trembling"):
        module = batched(name)
        _, image = batch_of(2, 32, 32)
        image.requires_grad_()
        module(image, module.sample(["a", "b"], 3, size=32)).sum().backward()
        assert torch.isfinite(image.grad).all()
        assert image.grad.abs().sum() > 0


def test_errors_name_the_thing_and_the_mend():
    with pytest.raises(UsageError, match="capture has no batched module"):
        batched("capture")
    with pytest.raises(UsageError, match="no parameter 'glare'"):
        batched("reflection", {"glare": 1})
    module = batched("reflection")
    _, image = batch_of(2, 32, 32)
    with pytest.raises(ValueError, match="packed for shape"):
        module(image, module.sample(["a", "b"], 0, size=64))
    with pytest.raises(ValueError, match="expected floating point"):
        module((image * 255).to(torch.uint8), module.sample(["a", "b"], 0, size=32))
