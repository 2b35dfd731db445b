"""Tokens that are read as far as they are like a prompt, and masked in training where they are little."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PromptReader"]


class PromptReader(nn.Module):
    """The mean of tokens by their ranking scores: the softmax of their cosines to a prompt that learns.

    In training the `kept` share of the tokens of a sample that are most like the prompt is always read; each
    of the others is masked by the chance `masked`. Otherwise all are read.

    Source: Wang et al. 2025, FaceShield (arXiv 2505.09415): prompt-guided vision token masking (PVTM). There
    the prompt is text, and what reads the tokens is a language model; here it is a vector, and the mean is.
    """

    def __init__(self, width: int, kept: float, masked: float) -> None:
        super().__init__()
        self.prompt = nn.Parameter(torch.randn(width) / width**0.5)
        self.kept, self.masked = kept, masked

    def forward(self, tokens: Tensor) -> Tensor:
        """Return n x width of n x count x width tokens."""
        likeness = functional.cosine_similarity(tokens.float(), self.prompt.float(), dim=-1)
        if self.training:
            likeness = likeness.masked_fill(self._masked(likeness.detach()), -torch.inf)
        return (likeness.softmax(1)[..., None] * tokens).sum(1)

    def _masked(self, likeness: Tensor) -> Tensor:
        """Return which tokens, n x count, are masked, drawn as dropout is, from torch's generator."""
        number = max(1, round(self.kept * likeness.shape[1]))  # one at least must be read
        most = torch.zeros_like(likeness, dtype=torch.bool)
        most.scatter_(1, likeness.topk(number, 1).indices, value=True)
        return (torch.rand_like(likeness) < self.masked) & ~most
