"""The recipes' losses against their closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from facedata.recipes import losses as own

close = pytest.approx


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(loss: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad(loss, of)
    return found


def test_risks_are_means_over_the_spoofs_of_a_group():
    losses = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    spoof = torch.tensor([True, True, False, True, False])
    risks, present = own.spoof_risks(losses, spoof, torch.tensor([0, 0, 0, 2, 1]), 4)
    assert risks.tolist() == [1.5, 0, 8, 0]
    assert present.tolist() == [True, False, True, False]


def test_equal_risks_have_no_variance_however_many_groups_are_empty():
    risks = torch.tensor([0.7, 0.7, 0.7, 0.7, 0.0, 0.0])
    present = torch.tensor([True] * 4 + [False] * 2)
    assert own.risk_variance(risks, present).item() == close(0, abs=1e-12)
    # the reference's form: (4/6)(2/6) 0.7^2
    assert own.risk_variance(risks, present, empty_as_zero=True).item() == close(0.49 * 8 / 36)


def test_variance_is_that_of_the_population_and_pulls_risks_together():
    risks = torch.tensor([0.2, 0.9, 0.4, 9.0], requires_grad=True)
    present = torch.tensor([True, True, True, False])
    loss = own.risk_variance(risks, present)
    assert loss.item() == close(np.var([0.2, 0.9, 0.4]))
    # d/dr_i = 2 (r_i - mean) / 3
    assert gradient(loss, risks).tolist() == close([-0.2, 0.8 / 3, -0.2 / 3, 0], abs=1e-6)


def test_a_batch_without_spoofs_teaches_nothing():
    losses = torch.ones(3, requires_grad=True)
    found = own.spoof_risks(losses, torch.zeros(3, dtype=torch.bool), torch.tensor([0, 1, 1]), 2)
    loss = own.risk_variance(*found)
    assert loss.item() == 0
    assert gradient(loss, losses).tolist() == [0, 0, 0]


def test_running_risks_remember_what_a_batch_lacks():
    state = own.RunningRisks.start(3)
    means, state = state.update(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([True, False, False]))
    assert (means.tolist(), state.seen.tolist()) == ([1, 0, 0], [True, False, False])
    second = torch.tensor([2.0, 5.0, 0.0], requires_grad=True)
    means, state = state.update(second, torch.tensor([True, True, False]), momentum=0.75)
    assert means.tolist() == [1.25, 5, 0]
    loss = own.risk_variance(means, state.seen)
    assert loss.item() == close(np.var([1.25, 5]))
    assert gradient(loss, second).tolist() == close([-1.875 * 0.25, 1.875, 0])
    means, _ = state.update(torch.zeros(3), torch.zeros(3, dtype=torch.bool))
    assert means.tolist() == [1.25, 5, 0]
    assert not means.requires_grad


def test_live_contrast_by_its_definition():
    features, live = drawn(7, 5), torch.tensor([True, False, True, True, False, True, True])
    unit = functional.normalize(features[live], dim=1).numpy()
    scores = unit @ unit.T / 0.3
    terms = []
    for i in range(len(unit)):
        others = [j for j in range(len(unit)) if j != i]
        bottom = np.exp(scores[i, others]).sum()
        terms.append(np.mean([-math.log(math.exp(scores[i, j]) / bottom) for j in others]))
    assert own.live_contrast(features, live, 0.3).item() == close(np.mean(terms))


def test_live_contrast_is_least_where_all_live_samples_are_alike_and_moves_no_spoof():
    live = torch.tensor([True, True, True, True, False])
    equal = torch.ones(5, 3)
    assert own.live_contrast(equal, live).item() == close(math.log(3), abs=1e-6)
    features = drawn(5, 3).requires_grad_()
    found = gradient(own.live_contrast(features, live), features)
    assert found[4].abs().max() == 0
    assert found[:4].abs().min(1).values.min() > 0


def test_an_empty_batch_is_no_error():
    none, no_kind = torch.zeros(0, 3, requires_grad=True), torch.zeros(0, dtype=torch.bool)
    found = [
        own.live_contrast(none, no_kind),
        own.asymmetric_contrast(none, none, no_kind),
        own.orthogonality(none, none),
        own.mahalanobis_triplets(none, no_kind.long()),
        own.unit_loss(none, none.detach(), none.detach() > 0),
        own.soft_label_loss(none, none.detach()),
    ]
    assert [loss.item() for loss in found] == [0] * len(found)
    assert all(gradient(loss, none).shape == (0, 3) for loss in found)


@pytest.mark.parametrize("number", [0, 1])
def test_contrast_of_too_few_live_samples_is_zero_with_a_gradient(number):
    features = drawn(3, 4).requires_grad_()
    live = torch.arange(3) < number
    loss = own.live_contrast(features, live)
    assert loss.item() == 0
    assert gradient(loss, features).abs().max() == 0


def test_asymmetric_contrast_by_its_definition():
    features, views = drawn(4, 6), drawn(4, 6, seed=1)
    live = [True, False, True, False]
    unit = functional.normalize(torch.cat([features, views]), dim=1).numpy()
    scores, kinds = np.exp(unit @ unit.T / 0.5), live * 2
    terms = []
    for i in range(8):
        same = [j for j in range(8) if j != i and ((kinds[i] and kinds[j]) or j % 4 == i % 4)]
        other = [j for j in range(8) if kinds[j] != kinds[i]]
        bottom = scores[i, same + other].sum()
        terms.append(np.mean([-math.log(scores[i, j] / bottom) for j in same]))
    found = own.asymmetric_contrast(features, views, torch.tensor(live), 0.5)
    assert found.item() == close(np.mean(terms))


def test_asymmetric_contrast_asks_nothing_of_two_spoofs():
    """Without live samples a spoof has its own view to resemble and nothing to differ from."""
    features = drawn(4, 6).requires_grad_()
    loss = own.asymmetric_contrast(features, drawn(4, 6, seed=1), torch.zeros(4, dtype=torch.bool))
    assert loss.item() == close(0, abs=1e-12)
    assert gradient(loss, features).abs().max() < 1e-12


def test_orthogonality_is_the_squared_cosine():
    angles = torch.tensor([0.0, math.pi / 2, math.pi / 3, math.pi])
    liveness = torch.tensor([[2.0, 0.0]]).expand(4, 2)
    identity = 3 * torch.stack([angles.cos(), angles.sin()], 1)
    assert own.orthogonality(liveness, identity).item() == close((1 + 0 + 0.25 + 1) / 4)


def test_mahalanobis_is_that_of_the_inverse_covariance():
    features, means = drawn(5, 3), drawn(2, 3, seed=1)
    factors = drawn(2, 3, 3, seed=2)
    covariance = factors @ factors.mT + 0.5 * torch.eye(3, dtype=torch.float64)
    found = own.mahalanobis(features, means, torch.linalg.cholesky(covariance))
    for i in range(5):
        for j in range(2):
            off = features[i] - means[j]
            assert found[i, j].item() == close(math.sqrt(off @ torch.linalg.inv(covariance[j]) @ off))


def test_a_feature_on_a_mean_has_a_finite_gradient():
    features = torch.zeros(1, 2, requires_grad=True)
    distances = own.mahalanobis(features, torch.zeros(1, 2), torch.eye(2)[None])
    assert gradient(distances.sum(), features).isfinite().all()


def test_triplets_by_hand():
    distances = torch.tensor([[1.0, 3.0, 5.0], [2.0, 2.5, 9.0], [4.0, 3.0, 3.5]])
    # own 1 against 3: met by the margin of 1; own 2.5 against 2: 1.5; own 3.5 against 3: 1.5
    found = own.mahalanobis_triplets(distances, torch.tensor([0, 1, 2]), 1.0)
    assert found.item() == close(1.0)


def test_masks_count_where_they_are_known():
    logits = torch.tensor([0.0, 3.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2).clone().requires_grad_()
    masks = torch.zeros(2, 1, 4, 4)
    masks[0, :, :, :2] = 1  # the left half
    masks[1] = math.nan
    loss = own.mask_loss(logits, masks, torch.tensor([True, False]))
    assert loss.item() == close(math.log(2))
    found = gradient(loss, logits)
    # sigmoid(0) - target, over four places: towards the medium on the left, away on the right
    assert found[0, 0].flatten().tolist() == close([-0.125, 0.125, -0.125, 0.125])
    assert found[1].abs().max() == 0


def test_units_that_were_not_coded_give_no_gradient():
    logits = torch.zeros(2, 2, requires_grad=True)
    present = torch.tensor([[1.0, math.nan], [0.0, 1.0]])
    coded = torch.tensor([[True, False], [True, True]])
    loss = own.unit_loss(logits, present, coded)
    assert loss.item() == close(math.log(2))
    assert gradient(loss, logits).flatten().tolist() == close([-0.5 / 3, 0, 0.5 / 3, -0.5 / 3])
    weighed = own.unit_loss(logits, present, coded, torch.tensor([3.0, 1.0]))
    assert weighed.item() == close(math.log(2) * (3 + 1 + 1) / 3)
    nothing = own.unit_loss(logits, present, torch.zeros(2, 2, dtype=torch.bool))
    assert (nothing.item(), gradient(nothing, logits).abs().max().item()) == (0, 0)


def test_soft_labels_are_cross_entropy_and_least_at_the_votes():
    votes = torch.tensor([[6.0, 3.0, 1.0], [0.0, 10.0, 0.0], [0.0, 0.0, 0.0]])
    shares = votes[:1] / 10
    entropy = -(shares * shares.log()).sum().item()
    assert own.soft_label_loss(shares.log(), votes[:1]).item() == close(entropy)
    logits = drawn(3, 3).float()
    expected = functional.cross_entropy(logits[:2], votes[:2] / 10)
    assert own.soft_label_loss(logits, votes).item() == close(expected.item())
    one_hot = own.soft_label_loss(logits[1:2], votes[1:2])
    assert one_hot.item() == close(functional.cross_entropy(logits[1:2], torch.tensor([1])).item())
