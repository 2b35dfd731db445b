"""Batched mask-resin and mask-silicone, experimental: what `operators.mask_3d` does to one picture."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from facedata.augment.adapters.torch.base import Packed, Params
from facedata.augment.adapters.torch.blurs import blurred, mapped, pack_shadow, shadowed, smoother, taps
from facedata.augment.adapters.torch.camera import Photographs, pack_camera
from facedata.augment.adapters.torch.light import BRIGHTEST, mixed, to_light, whole
from facedata.augment.adapters.torch.pixels import column
from facedata.augment.adapters.torch.surfaces import layered
from facedata.augment.light import ONE
from facedata.augment.operators.mask_3d import (
    LUMA,
    MaskParameters,
    blur_step,
    mask_depth,
    mask_lamp,
    mask_shadow,
    outline,
    slopes,
    spread,
)

__all__ = ["BatchedResinMask", "BatchedSiliconeMask"]


_NARROW: Final = ("smooth", "colour")
"""Blurs of `mask_3d.BLURS` that are done tap by tap, at the picture's own px."""
_WIDE: Final = ("old", "near", "level")
"""Blurs of `mask_3d.BLURS` that are done on fewer px."""


class BatchedMask(Photographs):
    """Base of the masks: repaint the face, light it anew, leave the eyes live, photograph.

    The mask's slopes, its outline and the maps of wide blurs are prepared on the CPU. Everything between the
    picture and the light is smooth, and so is the gradient.
    """

    def pack_one(self, parameters: MaskParameters, height: int, width: int) -> Packed:
        """Return what `medium` takes, and the camera."""
        pupil = parameters.pupils(width)
        lamp = mask_lamp(parameters).place()
        light = np.array([lamp[0], lamp[1], -lamp[2]]) / np.linalg.norm(lamp)
        half = light + np.array([0, 0, 1])
        skin = [parameters.chroma, parameters.detail, parameters.relit]
        packed: Packed = {
            "slopes": np.ascontiguousarray(slopes(parameters, width, height).transpose(2, 0, 1)),
            "light": light.astype(np.float32),
            "half": (half / np.linalg.norm(half)).astype(np.float32),
            "shine": np.array([parameters.ambient, parameters.gloss, parameters.gloss_exponent], np.float32),
            "skin": np.array(skin, np.float32),
            "cover": outline(parameters, width, height),
            **pack_shadow(height, width, *mask_shadow(parameters, width)),
            **pack_camera(parameters, height, width),
            "share": np.float32(round(parameters.strength * ONE) / ONE),
            "depth": np.float32(mask_depth(parameters)),
        }
        for name in _NARROW:
            packed[name] = taps(spread(name, pupil))
        for name in _WIDE:
            sigma = spread(name, pupil)
            step = blur_step(sigma, height, width)
            packed[f"{name}_down_rows"], packed[f"{name}_up_rows"] = smoother(height, step, sigma)
            packed[f"{name}_down_columns"], packed[f"{name}_up_columns"] = smoother(width, step, sigma)
        return packed

    def medium(self, image: Tensor, params: Params) -> tuple[Tensor, Tensor]:
        """Return the light before the lens (see `light`), B x 3 x H x W, and the mask's cover, 0-1.

        `image` is float32, sRGB-coded.
        """
        live = to_light(image)
        irradiance, gloss = shading(params, *image.shape[2:])
        masked = painted(live, irradiance, gloss, params)
        cover = params["cover"].to(torch.float32)
        return layered(masked, live, cover, shadowed(cover, params), params), cover[:, None] / 255

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the photographs of the masked faces."""
        light, _ = self.medium(image, params)
        return mixed(image, self.photograph(light, params), params["share"])


def shading(params: Params, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return irradiance and highlight, B x 1 x H x W: ambient + (1 - ambient) n.l / l_z, and k_s (n.h)^m."""
    facing = interpolate(params["slopes"], size=(height, width), mode="bilinear", align_corners=False)
    facing = normalize(facing, dim=1)
    ambient, gloss, exponent = (column(value) for value in params["shine"].unbind(1))
    light, half = (params[name][:, :, None, None] for name in ("light", "half"))
    lit = (facing * light).sum(1, keepdim=True).clamp_min(0)
    facet = (facing * half).sum(1, keepdim=True).clamp_min(0)
    return ambient + (1 - ambient) * lit / light[:, 2:], torch.where(lit > 0, gloss * facet**exponent, 0.0)


def painted(live: Tensor, irradiance: Tensor, gloss: Tensor, params: Params) -> Tensor:
    """Return the light of the mask that is painted like the face whose light is `live`, B x 3 x H x W."""
    chroma, detail, relit = (column(value) for value in params["skin"].unbind(1))
    live = live / ONE
    weights = torch.tensor(LUMA, device=live.device)[:, None, None]
    luma = (live * weights).sum(1, keepdim=True).clamp_min(1e-3)
    old, level = (_wide(luma, name, params) for name in ("old", "level"))
    smooth = blurred(luma, params["smooth"])
    paint = (smooth + (luma - smooth) * detail) / old
    colour = blurred(live / luma, params["colour"])
    near = _wide(colour, "near", params)
    colour = near + (colour - near) * chroma
    colour = 1 + (colour - 1) * (0.5 + 0.5 * chroma)
    shade = old ** (1 - relit) * (level * irradiance) ** relit
    return whole(((paint * shade * colour + gloss) * ONE).clamp(0, BRIGHTEST))


def _wide(field: Tensor, name: str, params: Params) -> Tensor:
    """Return the field under the wide blur of that name, computed on fewer px."""
    small = mapped(field, params[f"{name}_down_rows"], params[f"{name}_down_columns"])
    return mapped(small, params[f"{name}_up_rows"], params[f"{name}_up_columns"])


class BatchedResinMask(BatchedMask):
    """`mask-resin`: hard and shiny."""

    name = "mask-resin"


class BatchedSiliconeMask(BatchedMask):
    """`mask-silicone`: soft and dull."""

    name = "mask-silicone"
