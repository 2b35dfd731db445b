"""Guidance by the pretrained model: adversarial training that does not forget what was known."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Frozen", "guidance", "guided_loss"]


class Frozen(nn.Module):
    """A copy of a model as it is now, that neither learns nor changes its mode.

    Call it as the model; gradients stop at its parameters and at its result. It is no part of the trained
    model: keep it beside, not inside, so that checkpoints do not hold it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever a loop asks of all modules."""
        del mode
        return super().train(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return what the copied model says."""
        with torch.no_grad():
            found: Tensor = self.model(pictures)
        return found


def guidance(logits: Tensor, guide: Tensor) -> Tensor:
    """Return the mean over samples of KL(guide || model), nats, of class logits n x k each; 0 where alike."""
    if not len(logits):
        return logits.sum() * 0
    return functional.kl_div(
        functional.log_softmax(logits, 1),
        functional.log_softmax(guide, 1),
        reduction="batchmean",
        log_target=True,
    )


def guided_loss(
    adversarial: Tensor,
    labels: Tensor,
    frozen: Tensor,
    clean: Tensor,
    *,
    general: float = 1.0,
    consistent: float = 1.0,
) -> Tensor:
    """Return the loss of PMG-AFT on class logits, n x k each.

    Cross entropy of `adversarial`, the model's logits of adversarial pictures, against `labels` (n,) int64;
    plus `general` times their divergence from `frozen`, the pretrained model's logits of the same pictures;
    plus `consistent` times that from `clean`, the model's own logits of the pictures before. Gradients pass
    through `clean` too, as in the authors' code.

    Source: Wang et al. 2024, Pre-trained Model Guided Fine-Tuning for Zero-Shot Adversarial Robustness
    (arXiv 2401.04350).
    """
    if not len(adversarial):
        return adversarial.sum() * 0
    return (
        functional.cross_entropy(adversarial, labels)
        + general * guidance(adversarial, frozen)
        + consistent * guidance(adversarial, clean)
    )
