"""Losses of labels beyond those of `facedata.recipes.losses`: pure functions, each with its closed form.

Shapes: n samples, d features, u units. A batch with nothing to compare, or nothing coded, gives a zero that
gradients pass through.

The two contrasts have the aims of CLP (Li and Shan, arXiv 2403.03400), which learns without labels: frames of
a clip that are told apart by a margin, and people whose units are alike brought together. There the latter is
done by reconstruction with a memory; here by triplets and labels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["cross_identity_contrast", "masked_error", "patterns", "temporal_contrast"]


def masked_error(values: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Return the mean squared error over what is known, (n, k) each: of intensities, of valence and arousal.

    What `truth` holds elsewhere, NaN too, plays no part.
    """
    weights = known.to(values.dtype)
    off = (values - torch.where(known, truth, values.detach())).square() * weights
    return off.sum() / weights.sum().clamp(min=1)


def temporal_contrast(features: Tensor, clip: Tensor, time: Tensor, far: float, margin: float) -> Tensor:
    """Return how far neighbouring frames are from being nearer than far ones by `margin`, on average.

    `features` (n, d) are normalised here, `clip` (n,) numbers clips and `time` (n,) counts frames. For each
    anchor, each frame of the clip one frame away and each that is `far` or more away: the hinge
    max(0, margin + |a - near|^2 - |a - far|^2), the mean over all of them.
    """
    apart = (time[:, None] - time[None]).abs()
    same = clip[:, None] == clip[None]
    return _triplets(features, same & (apart == 1), same & (apart >= far), margin)


def cross_identity_contrast(
    features: Tensor, person: Tensor, same: Tensor, other: Tensor, margin: float
) -> Tensor:
    """Return how far people who show the same are from being nearer than one person who shows else.

    `features` (n, d) are normalised here, `person` (n,) numbers people, -1 where nobody is named; `same` and
    `other` (n, n) bool say which samples show the same pattern and which show different ones. Positives of an
    anchor are of another person and `same`, negatives of the same person and `other`; then as in
    `temporal_contrast`.
    """
    named = (person[:, None] >= 0) & (person[None] >= 0)
    alike = person[:, None] == person[None]
    return _triplets(features, named & ~alike & same, named & alike & other, margin)


def patterns(present: Tensor, coded: Tensor) -> tuple[Tensor, Tensor]:
    """Return which of n samples show the same units, and which different ones, (n, n) bool each.

    `present` and `coded` are (n, u). Two samples are compared on the units that were coded on both; where
    there is none, they show neither the same nor different ones.
    """
    shows, both = present > 0.5, coded[:, None] & coded[None]
    differ = ((shows[:, None] != shows[None]) & both).any(-1)
    return both.any(-1) & ~differ, differ


def _triplets(features: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Return the mean hinge over all (anchor, positive, negative), given as (n, n) bool."""
    unit = functional.normalize(features, dim=1)
    distance = (2 - 2 * unit @ unit.T).clamp(min=0)
    anchor, near, far = (positive[:, :, None] & negative[:, None]).nonzero(as_tuple=True)
    hinge = functional.relu(margin + distance[anchor, near] - distance[anchor, far])
    return hinge.sum() / max(1, len(anchor))
