"""Which attack a picture shows, judged by a model of its own that was fitted on physics.

A linear model on numbers of a picture and of its live face: what an attack adds is easier to see beside what
was there before. The network that makes pictures has no part in it, so it cannot have learned to please it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.spectra import radial_log_power

__all__ = ["FEATURES", "KindModel", "kind_features"]

Floats = NDArray[np.float64]
_RINGS = 16
_SCALES = (0.7, 1.5, 3.0)  # px: deviations of the blurs that texture stands out against
_CELLS = 4
_STRENGTH = 0.05  # inverse of the L2 penalty on weights of scaled numbers


def kind_features(made: NDArray[np.uint8], content: NDArray[np.uint8]) -> Floats:
    """Return FEATURES numbers of a picture and its live face, both uint8 RGB of one size.

    Texture and colour of the picture, what they are more than the live face's, the affine map of colours from
    one to the other, and how badly it fits in 4 x 4 cells (glare, edges of paper, folds).
    """
    of_made, of_content = _texture(made), _texture(content)
    return np.concatenate([of_made, of_made - of_content, _change(made, content)])


def _texture(pixels: NDArray[np.uint8]) -> Floats:
    luma = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    tones = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    found = [np.nan_to_num(radial_log_power(pixels, _RINGS)).astype(np.float64)]
    details = [luma - cv2.GaussianBlur(luma, (0, 0), scale) for scale in _SCALES]
    for detail in details:
        spread = float(detail.std()) + 0.1
        found.append(
            np.array([np.log(spread), np.abs(detail).mean() / spread, (detail**3).mean() / spread**3])
        )
    for channel in np.moveaxis(tones, 2, 0):
        fine = channel - cv2.GaussianBlur(channel, (0, 0), 1)
        marks = np.quantile(channel, (0.02, 0.25, 0.75, 0.98)) / 32
        found.append(
            np.array([channel.mean() / 32, channel.std() / 32, *marks, np.log(float(fine.std()) + 0.1)])
        )
    found.append(cv2.resize(tones, (3, 3), interpolation=cv2.INTER_AREA).ravel() / 32)
    found.append(np.log(cv2.resize(np.abs(details[0]), (3, 3), interpolation=cv2.INTER_AREA).ravel() + 0.1))
    across, along = (np.abs(np.diff(luma, axis=axis)).mean() for axis in (1, 0))
    found.append(np.log(np.array([across, along]) + 0.1))
    return np.concatenate(found)


def _change(made: NDArray[np.uint8], content: NDArray[np.uint8]) -> Floats:
    before, after = (
        cv2.resize(one, (16, 16), interpolation=cv2.INTER_AREA).reshape(-1, 3) / 255.0
        for one in (content, made)
    )
    given = np.column_stack([before, np.ones(len(before))])
    prior = np.eye(4)[:, :3]  # no change, where a flat picture does not tell
    weights = np.linalg.solve(given.T @ given + 0.05 * np.eye(4), given.T @ after + 0.05 * prior)
    rest = np.square(after - given @ weights).mean(axis=1).reshape(16, 16)
    cells = cv2.resize(rest, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.concatenate([weights.ravel(), np.log(np.sqrt(cells.ravel()) + 0.01)])


FEATURES = 2 * (_RINGS + 3 * len(_SCALES) + 21 + 27 + 9 + 2) + 12 + _CELLS**2
"""How many numbers `kind_features` gives."""


@dataclass(frozen=True, slots=True)
class KindModel:
    """Multinomial logistic regression: `weights` features x kinds, `bias`, and the scale of the features."""

    centre: Floats
    scale: Floats
    weights: Floats
    bias: Floats

    @classmethod
    def fit(cls, features: Floats, kinds: NDArray[np.int64], count: int) -> KindModel:
        """Fit on n x features numbers and their kinds, 0 to `count` - 1, every kind weighing the same."""
        import torch

        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 1e-6, scale, np.inf)
        given = torch.from_numpy((features - centre) / scale)
        answers = torch.from_numpy(kinds)
        weigh = 1 / torch.bincount(answers, minlength=count).clamp(min=1).double()
        weights = torch.zeros(given.shape[1], count, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(count, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weights, bias], max_iter=300, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(given @ weights + bias, answers, weight=weigh)
            loss = loss + weights.square().sum() / (2 * _STRENGTH * len(given))
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return cls(centre, scale, weights.detach().numpy(), bias.detach().numpy())

    def chances(self, features: Floats) -> Floats:
        """Return n x kinds chances of n x features numbers."""
        logits = ((features - self.centre) / self.scale) @ self.weights + self.bias
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float64)
