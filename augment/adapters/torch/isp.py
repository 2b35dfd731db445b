"""From the raw frame to codes, batched: demosaic, white balance, tone, detail (`facedata.augment.isp`)."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.augment.adapters.torch.base import Params
from facedata.augment.adapters.torch.light import coded, cut, grid
from facedata.augment.isp import HEADROOM

__all__ = ["binned", "demosaiced", "finished", "pack_tone", "refined", "toned"]

_GREY: Final = 0.18
_KNEE: Final = 0.6
"""Share of white up to which the curve's shoulder is straight."""


def pack_tone(contrast: float, shoulder: float) -> NDArray[np.float32]:
    """Return what `toned` takes of one sample: contrast, shoulder and the bend of the roll-off, float32 x 3.

    The roll-off x / (1 + x bend) from the knee on brings the sensor's full scale to white.
    """
    brightest = _GREY * (4095.5 / 4096 * HEADROOM / _GREY) ** contrast
    bend = 1 / (1 - _KNEE) - 1 / (max(1.0, brightest) - _KNEE)
    return np.array([contrast, shoulder, bend], np.float32)


def demosaiced(raw: Tensor, params: Params) -> Tensor:
    """Return light (65535 is full scale), B x 3 x rows x columns, of a raw frame with a border of two px.

    White balance, then missing colours from the nearest two or four sites.
    """
    rows, columns = grid(raw.shape[1], raw.shape[2], raw.device)
    red, green, blue = params["camera_gains"][..., None, None].unbind(1)
    colour = (rows & 1) + (columns & 1)
    gain = torch.where(colour == 0, red, torch.where(colour == 1, green, blue))
    ready = cut((raw - params["camera_levels"][:, 0, None, None]) * (gain / 2048)).clamp(max=65535)
    here = ready[:, 2:-2, 2:-2]
    beside = ready[:, 2:-2, 1:-3] + ready[:, 2:-2, 3:-1]
    above = ready[:, 1:-3, 2:-2] + ready[:, 3:-1, 2:-2]
    corners = ready[:, 1:-3, 1:-3] + ready[:, 1:-3, 3:-1] + ready[:, 3:-1, 1:-3] + ready[:, 3:-1, 3:-1]
    odd_row, odd_column = (rows[2:-2] & 1) == 1, (columns[:, 2:-2] & 1) == 1
    on_green = odd_row ^ odd_column
    # a row's own colour stands beside its green sites, the other one above and below them
    own = torch.where(on_green, cut(beside / 2), here)
    other = torch.where(on_green, cut(above / 2), cut(corners / 4))
    middle = torch.where(on_green, here, cut((beside + above) / 4))
    return torch.stack([torch.where(odd_row, other, own), middle, torch.where(odd_row, own, other)], dim=1)


def binned(raw: Tensor, params: Params) -> Tensor:
    """Return what `demosaiced` does, averaged 2 x 2: B x 3 x rows / 2 x columns / 2.

    The mean over a cell of a bilinear demosaic is a fixed sum of sites.
    """
    black = params["camera_levels"][:, 0, None, None] * 16

    def at(down: int, right: int) -> Tensor:
        """Return the sites that lie so far from those above and left of the cells, one a cell."""
        tall, wide = raw.shape[1] - 4, raw.shape[2] - 4
        return raw[:, 1 + down : 1 + down + tall : 2, 1 + right : 1 + right + wide : 2]

    red = 9 * at(1, 1) + 3 * (at(1, 3) + at(3, 1)) + at(3, 3)
    blue = 9 * at(2, 2) + 3 * (at(2, 0) + at(0, 2)) + at(0, 0)
    green = 6 * (at(1, 2) + at(2, 1)) + at(0, 1) + at(1, 0) + at(2, 3) + at(3, 2)
    light = torch.stack([cut((plane - black) / 4) for plane in (red, green, blue)], dim=1)
    gains = (params["camera_gains"] / 4).floor()[..., None, None]
    return cut(light * (gains / 2048))


def finished(light: Tensor, params: Params) -> Tensor:
    """Return codes, whole numbers 0-255, of light (65535 is full scale): saturation, then tone."""
    light = light.clamp(max=65535)
    red, green, blue = light.unbind(1)
    # Rec. 709 luminance, Q15 as in the NumPy half
    grey = cut((red * 6966 + green * 23436 + blue * 2366) / 32768)[:, None]
    vivid = grey + cut((light - grey) * params["camera_saturation"][:, None, None, None])
    bins = cut(vivid.clamp(0, 65535) / 16)
    return toned(bins, params["camera_tone"])


def toned(bins: Tensor, tone: Tensor) -> Tensor:
    """Return codes, whole numbers, of light in 1/4096 of full scale (whole); see `isp.tone_table`.

    `tone`, float32, B x 3: contrast, shoulder, and the bend of the roll-off.
    """
    contrast, shoulder, bend = tone[..., None, None, None].unbind(1)
    light = (bins + 0.5) / 4096 * HEADROOM
    curve = _GREY * (light / _GREY) ** contrast
    over = (curve - _KNEE).clamp_min(0)
    return coded(curve + shoulder * (over / (1 + over * bend) - over))


def refined(codes: Tensor, params: Params) -> Tensor:
    """Return the codes, whole numbers, denoised and sharpened: `isp.refine`.

    `codes`, B x 3 x H x W, go on past the edge as its px.
    """
    wide = torch.nn.functional.pad(codes, (2, 2, 2, 2), mode="replicate")
    height, width = codes.shape[2:]
    core, chroma_core = (4 * value if k else value for k, value in enumerate(params["camera_core"].unbind(1)))
    core, chroma_core = core[:, None, None, None], chroma_core[:, None, None, None]
    up, above, here, below, down = (wide[:, :, k : k + height] for k in range(5))
    near, far = above + below + 2 * here, up + down + 2 * (above + here + below)
    near_sum = near[..., 1 : width + 1] + 2 * near[..., 2 : width + 2] + near[..., 3 : width + 3]
    far_sum = (
        far[..., :width]
        + far[..., 4 : width + 4]
        + 2 * (far[..., 1 : width + 1] + far[..., 2 : width + 2] + far[..., 3 : width + 3])
    )
    fine = _luma(codes * 16 - near_sum)
    coarse = codes * 64 - far_sum
    left = fine - torch.maximum(torch.minimum(fine, core), -core)
    added = cut((left * params["camera_sharpening"][:, None, None, None] + 128) / 256) - fine
    chroma = coarse - _luma(coarse)
    noise = torch.maximum(torch.minimum(chroma, chroma_core), -chroma_core)
    return (codes + cut((added * 4 - noise + 32) / 64)).clamp(0, 255)


def _luma(detail: Tensor) -> Tensor:
    """Return the BT.601 luma, B x 1 x H x W, of detail in red, green and blue."""
    red, green, blue = (detail[:, k : k + 1] for k in range(3))
    return cut((red * 77 + green * 150 + blue * 29 + 128) / 256)
