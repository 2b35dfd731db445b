"""Batched capture: the camera alone, on live faces too."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from facedata.augment.adapters.torch.base import Packed, Params
from facedata.augment.adapters.torch.camera import Photographs, form, pack_camera
from facedata.augment.adapters.torch.light import mixed, to_light
from facedata.augment.adapters.torch.optics import shaded
from facedata.augment.light import ONE
from facedata.augment.operators.capture import CaptureParameters, side_gains

__all__ = ["BatchedCapture"]


class BatchedCapture(Photographs):
    """`capture`: the picture's light through the shared camera, with a second light from one side."""

    name = "capture"

    def pack_one(self, parameters: CaptureParameters, height: int, width: int) -> Packed:
        """Return the camera, the second light's gains and the share of it all."""
        packed = pack_camera(parameters, height, width)
        gains = np.zeros((3, 3))
        gains[:, 0] = 1
        if parameters.side_light > 0:
            rows, columns = np.asarray(packed["camera_sensor"]).tolist()
            gains = np.stack(side_gains(parameters, rows, columns), axis=1) / (65536 * ONE)
        share = np.float32(round(parameters.strength * ONE) / ONE)
        return {**packed, "side": gains.astype(np.float32), "share": share}

    def render(self, image: Tensor, params: Params) -> Tensor:
        """Return the photographs."""
        mosaic = shaded(form(to_light(image), params), params["side"])
        taken = self.photograph_mosaic(mosaic, params, (image.shape[2], image.shape[3]))
        return mixed(image, taken, params["share"])
