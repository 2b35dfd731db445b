"""The pipeline: a live face and an attack to look like go in, the face under that attack comes out."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from facedata.synth.conditions import Conditions
from facedata.synth.latents import decoded, encoded
from facedata.synth.model import SpoofUNet

__all__ = ["GUIDED", "TEMPERATURE", "Guidance", "SpoofDiffusionPipeline"]

TEMPERATURE = 0.5
"""Share of the noise's deviation that pictures are made from, unless another is asked for."""

GUIDED = ("content", "quality", "kind", "style")
"""Conditions in the order in which guidance adds them."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """How strongly each condition is followed: 1 as it was learned, more exaggerates, 0 ignores it.

    Conditions are added one after the other in the order of GUIDED, and each weight scales the step from the
    prediction without its condition to the one with it (Brooks et al., InstructPix2Pix, CVPR 2023, for two).
    Weights of 1 cost nothing: as many predictions are made as there are other weights, and one more.
    """

    content: float = 1.0
    quality: float = 1.0
    kind: float = 1.0
    style: float = 1.5

    def parts(self) -> list[tuple[float, tuple[str, ...]]]:
        """Return (factor, conditions left out) of the predictions that are summed; factors sum to 1."""
        heard = [name for name in GUIDED if getattr(self, name)]  # 0: it is in no prediction at all
        factors: dict[tuple[str, ...], float] = {}

        def add(given: Sequence[str], factor: float) -> None:
            left_out = tuple(name for name in GUIDED if name not in given)
            factors[left_out] = factors.get(left_out, 0.0) + factor

        add((), 1.0)
        for place, name in enumerate(heard):
            weight = getattr(self, name)
            add(heard[: place + 1], weight)
            add(heard[:place], -weight)
        return [(factor, left_out) for left_out, factor in factors.items() if abs(factor) > 1e-9]


class SpoofDiffusionPipeline(DiffusionPipeline):  # type: ignore[misc] # diffusers is untyped
    """Make attacks. Schedulers of diffusers that take velocities serve; `vae` is an AutoencoderKL or None."""

    model_cpu_offload_seq = "unet->vae"
    _optional_components = ["vae"]  # noqa: RUF012 - a name of diffusers

    def __init__(self, unet: SpoofUNet, scheduler: Any, vae: Any = None) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler, vae=vae)

    @torch.no_grad()
    def __call__(
        self,
        conditions: Conditions,
        generators: Sequence[torch.Generator],
        steps: int = 20,
        strength: float = 1.0,
        guidance: Guidance | None = None,
        start: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """Return n x 3 x h x w pictures in [0, 1], float32 on the CPU.

        `conditions` hold pictures in [-1, 1], encoded here where there is a VAE. Each sample draws its noise
        from a generator of its own on the CPU, so that a picture does not depend on its neighbours, on the
        batch or on the device. `strength` under 1 starts from the content (from `start`, n x 3 x h x w, where
        it is given) with that share of the noise: more of its identity, and more of its colours.
        `temperature` is the share of the noise's deviation to start from: under 1, pictures come closer to
        what the network takes for likeliest, vary less, and show less of what it has not learned. Raises
        ValueError where `strength` is not in (0, 1] or `temperature` is under 0.
        """
        if not 0 < strength <= 1:
            raise ValueError(f"strength {strength} is not in (0, 1]")
        if temperature < 0:
            raise ValueError(f"temperature {temperature} is under 0")
        device = self.unet.device
        parts = (guidance or Guidance()).parts()
        content = self._encoded(conditions.content.to(device))
        # In full: the network rounds what its layers take, and not the face that it changes.
        given = dataclasses.replace(conditions, content=content).to(device, torch.float32)
        prior, covered = self.unet.prior, given.covered(content.shape[2:])
        noise = torch.stack([torch.randn(content.shape[1:], generator=one) for one in generators])
        noise = temperature * noise
        self.scheduler.set_timesteps(steps, device=device)
        timesteps = self.scheduler.timesteps
        first = min(steps - 1, round(steps * (1 - strength)))
        timesteps = timesteps[first:]
        if first:
            if hasattr(self.scheduler, "set_begin_index"):
                self.scheduler.set_begin_index(first)
            at = timesteps[:1].repeat(len(noise))
            pictures = content if start is None else self._encoded(start.to(device))
            clean = prior.to_state(pictures.float(), given.content, covered)
            state = self.scheduler.add_noise(clean, noise.to(device), at)
        else:
            state = noise.to(device) * self.scheduler.init_noise_sigma
        extra = {}
        if "generator" in inspect.signature(self.scheduler.step).parameters:
            extra["generator"] = list(generators)  # schedulers that draw noise at each step
        for timestep in self.progress_bar(timesteps):
            scaled = self.scheduler.scale_model_input(state, timestep)
            velocity = self._guided(scaled, timestep, given, parts)
            state = self.scheduler.step(velocity, timestep, state, **extra).prev_sample
        return (
            self._decoded(prior.to_pictures(state, given.content, covered)).div(2).add(0.5).clamp(0, 1).cpu()
        )

    def _guided(
        self, state: Tensor, timestep: Tensor, given: Conditions, parts: Sequence[tuple[float, Any]]
    ) -> Tensor:
        every = Conditions.cat([given.without(*left_out) for _, left_out in parts])
        found, _ = self.unet(state.repeat(len(parts), 1, 1, 1), timestep, every)
        pieces = found.chunk(len(parts))
        return sum(
            (factor * piece for (factor, _), piece in zip(parts, pieces, strict=True)),
            start=torch.zeros_like(pieces[0]),
        )

    def _encoded(self, pictures: Tensor) -> Tensor:
        return pictures if self.vae is None else encoded(self.vae, pictures)

    def _decoded(self, state: Tensor) -> Tensor:
        return state if self.vae is None else decoded(self.vae, state)
