"""Robustness: attacks whose optimum is known, guidance by its closed form, adapters by their definition."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification

from facedata.datasets.errors import UsageError
from facedata.recipes.robust import (
    Attack,
    Frozen,
    LayerNormLora,
    Share,
    add_layernorm_lora,
    attacked,
    guidance,
    guided_loss,
)

close = pytest.approx


@pytest.fixture(autouse=True)
def one_thread():
    """Let torch use one thread: on a busy machine, several that wait for each other are far slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count: int = 6, side: int = 5) -> torch.Tensor:
    found = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))
    found[0, 0, 0, :2] = torch.tensor([0.0, 1.0])  # at the ends of the range
    return found


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        drawn = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(75, generator=drawn))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1) @ self.weight


SIGNS = torch.tensor([1.0, -1, 1, -1, 1, -1])


def logistic(scores: torch.Tensor) -> torch.Tensor:
    return functional.softplus(-SIGNS * scores).sum()


@pytest.mark.parametrize("how", [Attack("fgsm", 8), Attack("pgd", 8, 10), Attack("pgd", 8, 6, step=4)])
def test_of_a_linear_model_the_worst_picture_is_the_corner_of_the_ball(how):
    """The loss of a linear score falls with it, so each value goes by the sign of its weight, to the end."""
    model, clean = Linear(), pictures()
    found = attacked(model, clean, logistic, how)
    step = -SIGNS[:, None] * model.weight.detach().sign() * 8 / 255
    assert torch.allclose(found, (clean + step.reshape_as(clean)).clamp(0, 1), atol=1e-7)
    assert not found.requires_grad
    assert model.weight.grad is None
    # and the loss grows by as much as theory says where no value meets the end of its range
    inner = clean[1:].clamp(0.1, 0.9)
    told = attacked(model, inner, lambda scores: -(SIGNS[1:] * scores).sum(), how)
    grown = (SIGNS[1:] * (model(inner) - model(told))).detach()
    assert grown.numpy() == close(8 / 255 * model.weight.detach().abs().sum().item(), rel=1e-4)


def test_a_quadratic_has_its_worst_point_inside_the_ball_for_pgd_alone():
    """-(x - c)^2 is greatest at c: projected steps stay there, one step of the whole radius goes past it."""
    clean = torch.full((1, 3, 4, 4), 0.5)
    goal = clean + 1 / 255

    def score(batch: torch.Tensor) -> torch.Tensor:
        return -(batch - goal).square().sum()

    model = nn.Identity()
    pgd = attacked(model, clean, score, Attack("pgd", 8, 40, step=0.5))
    assert (pgd - goal).abs().max() <= 0.5 / 255 + 1e-6
    fgsm = attacked(model, clean, score, Attack("fgsm", 8))
    assert torch.allclose(fgsm, clean + 8 / 255)


def test_pictures_stay_in_the_ball_and_in_range_and_start_anew_in_each_batch():
    how = Attack("pgd", 6, 1, step=0.001, seed=5)
    clean = pictures(8, 16)
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 2))
    found = [attacked(model, clean, lambda out: out[:, 0].sum(), how, batch) for batch in (0, 0, 1)]
    for one in found:
        assert 0 <= one.min() <= one.max() <= 1
        assert (one - clean).abs().max() <= 6 / 255 + 1e-7
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    # a step of a thousandth of a code leaves the start as it was drawn: uniform, so of variance r^2 / 3
    inner = (clean > 0.05) & (clean < 0.95)
    start = (found[0] - clean)[inner] * 255
    assert start.mean().item() == close(0, abs=4 * 6 / math.sqrt(3 * len(start)))
    assert start.std().item() == close(6 / math.sqrt(3), rel=0.05)


def test_a_radius_of_nothing_changes_nothing_and_types_are_kept():
    clean = pictures().to(torch.float64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(75, 2)).double()
    found = attacked(model, clean, torch.sum, Attack("pgd", 0, 2))
    assert found.dtype == torch.float64
    assert torch.equal(found, clean)


def test_batch_norm_and_modes_are_left_as_they_were():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(36, 2)
    )
    model.train()
    model[1].eval()  # a batch norm that the loop has frozen stays frozen
    before = copy.deepcopy(model.state_dict())
    how = Attack("pgd", 4, 3)
    found = attacked(model, pictures(), lambda out: out[:, 0].sum(), how)
    assert [module.training for module in model] == [True, False, True, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    # dropout draws nothing, and in evaluation mode a sample's attack does not depend on its batch
    alone = attacked(model, pictures()[:1], lambda out: out[:, 0].sum(), Attack("fgsm", 4))
    together = attacked(model, pictures(), lambda out: out[:, 0].sum(), Attack("fgsm", 4))
    assert torch.equal(alone, together[:1])
    assert not torch.equal(found, pictures())


def test_attacks_work_where_gradients_are_off_and_in_a_distributed_model(tmp_path):
    model, clean = Linear(), pictures()
    with torch.no_grad():
        wanted = attacked(model, clean, logistic, Attack("fgsm", 8))
    assert not torch.equal(wanted, clean)
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        spread = nn.parallel.DistributedDataParallel(model)
        for _ in range(2):  # a reduction that was left open would stop the second step
            found = attacked(spread, clean, logistic, Attack("fgsm", 8))
            logistic(spread(found)).backward()
    finally:
        torch.distributed.destroy_process_group()
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"kind": "cw"}, "fgsm, pgd"),
        ({"radius": -1}, "0-255"),
        ({"steps": 0}, "positive"),
        ({"step": 0.0}, "positive"),
    ],
)
def test_attacks_that_cannot_be(arguments, word):
    with pytest.raises(UsageError, match=word):
        Attack(**arguments)


def test_pictures_out_of_range_are_refused():
    with pytest.raises(ValueError, match="0-1"):
        attacked(nn.Identity(), torch.full((1, 3, 2, 2), 1.5), torch.sum, Attack())
    with pytest.raises(ValueError, match="0-1"):
        attacked(nn.Identity(), torch.full((1, 3, 2, 2), math.nan), torch.sum, Attack())


def test_guidance_is_the_divergence_from_the_guide():
    guide = torch.tensor([[0.75, 0.25], [0.5, 0.5]]).log()
    model = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log().requires_grad_()
    loss = guidance(model, guide)
    assert loss.item() == close((0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2, rel=1e-6)
    (gradient,) = torch.autograd.grad(loss, model)  # of a softmax: (model - guide) / n
    assert gradient.flatten().tolist() == close([-0.125, 0.125, 0, 0], abs=1e-7)
    assert guidance(guide, guide).item() == close(0, abs=1e-7)


def test_the_guided_loss_adds_its_parts():
    drawn = torch.Generator().manual_seed(0)
    adversarial, frozen, clean = (torch.randn(5, 3, generator=drawn) for _ in range(3))
    labels = torch.tensor([0, 2, 1, 1, 0])
    plain = functional.cross_entropy(adversarial, labels)
    found = guided_loss(adversarial, labels, frozen, clean, general=2.0, consistent=3.0)
    wanted = plain + 2 * guidance(adversarial, frozen) + 3 * guidance(adversarial, clean)
    assert found.item() == close(wanted.item())
    none = torch.zeros(0, 3, requires_grad=True)
    assert guided_loss(none, labels[:0], none.detach(), none.detach()).item() == 0


def test_a_frozen_model_stays_while_the_other_learns():
    model = nn.Sequential(nn.Flatten(), nn.Linear(75, 2), nn.BatchNorm1d(2))
    frozen = Frozen(model)
    before = frozen(pictures())
    frozen.train()
    model.train()
    functional.cross_entropy(model(pictures()), torch.zeros(6, dtype=torch.int64)).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= parameter.grad
    assert torch.equal(frozen(pictures()), before)
    assert not torch.equal(model.eval()(pictures()), before)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert not before.requires_grad


def vit() -> ViTForImageClassification:
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=8,
        num_labels=2,
    )
    return ViTForImageClassification(config).eval()


def test_an_adapter_is_the_base_and_a_branch_behind_a_norm():
    base = nn.Linear(6, 4)
    layer = LayerNormLora(base, rank=2, alpha=6)
    values = torch.randn(3, 5, 6)
    assert torch.equal(layer(values), base(values))
    nn.init.normal_(layer.up.weight)
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    centred = values - values.mean(-1, keepdim=True)
    norm = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    branch = (norm * layer.norm.weight + layer.norm.bias) @ layer.down.weight.T @ layer.up.weight.T
    assert torch.allclose(layer(values), base(values) + 3 * branch, atol=1e-5)


def test_every_linear_layer_of_a_vit_gets_one_and_the_model_is_as_before():
    model, batch = vit(), torch.rand(2, 3, 16, 16)
    before, total = model(batch).logits, Share.of(model).total
    share = add_layernorm_lora(model, rank=4, learn=["classifier"])
    assert torch.equal(model(batch).logits, before)
    # a layer: four of 16 -> 16, one of 16 -> 32, one of 32 -> 16; norm 2 in, down 4 in, up 4 out
    adapters = 2 * (4 * (32 + 64 + 64) + (32 + 64 + 128) + (64 + 128 + 64))
    assert share == Share(trainable=adapters + 16 * 2 + 2, total=total + adapters)
    assert f"{share.trainable:,} of {share.total:,}" in str(share)
    functional.cross_entropy(model(batch).logits, torch.tensor([0, 1])).backward()
    learning = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert all(
        ".up." in name or ".down." in name or ".norm." in name or "classifier" in name for name in learning
    )
    assert sum(".up.weight" in name for name in learning) == 12
    assert not [name for name, _ in model.classifier.named_modules() if name]


def test_adapters_learn_and_come_back_from_a_checkpoint():
    model, batch = vit(), torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(8) % 2
    batch[::2, :, :, :8] = 0
    add_layernorm_lora(model, rank=4)
    base = {name: value.clone() for name, value in model.named_parameters() if not value.requires_grad}
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, 1e-2)
    losses = []
    for _ in range(15):
        loss = functional.cross_entropy(model(batch).logits, labels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(dict(model.named_parameters())[name], value) for name, value in base.items())
    again = vit()
    add_layernorm_lora(again, rank=4, seed=9)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(batch).logits, model(batch).logits)


def test_adapters_start_by_their_seed_and_leave_the_generator_alone():
    states = []
    for seed in (0, 0, 1):
        model = vit()
        before = torch.get_rng_state()
        add_layernorm_lora(model, rank=2, seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(torch.cat([one.flatten() for one in model.parameters() if one.requires_grad]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_a_shared_layer_has_one_adapter():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model.append(model[0])
    share = add_layernorm_lora(model, rank=1)
    assert model[0] is model[2]
    assert share.trainable == 8 + 4 + 4


def test_models_that_adapters_do_not_fit():
    with pytest.raises(UsageError, match="no linear layer"):
        add_layernorm_lora(nn.Conv2d(3, 3, 1))
    with pytest.raises(UsageError, match="no module 'head'"):
        add_layernorm_lora(vit(), learn=["head"])
    with pytest.raises(UsageError, match="MultiheadAttention"):
        add_layernorm_lora(nn.TransformerEncoderLayer(8, 2))
    with pytest.raises(UsageError, match="positive"):
        add_layernorm_lora(vit(), rank=0)
    model = vit()
    add_layernorm_lora(model)
    with pytest.raises(UsageError, match="already"):
        add_layernorm_lora(model)
