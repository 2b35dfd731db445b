"""Batches of faces with their truth: made on the CPU by threads, varied on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facedata.datasets.dataset import Dataset
from facedata.datasets.words import Words, generator_of
from facedata.recipes.config import LookConfig
from facedata.recipes.fas_config import FasConfig
from facedata.recipes.order import Order
from facedata.recipes.pictures import Shelf
from facedata.recipes.rows import Row

if TYPE_CHECKING:
    from facedata.augment.adapters.torch import BatchedPolicy

__all__ = ["Batches", "FasBatch", "Look", "as_tensor", "drawn_look", "moved", "on_device", "varied"]

B = TypeVar("B")

MADE = "made"
"""The kind of attacks that a policy makes of a kind that no row has."""


@dataclass(frozen=True, slots=True)
class Look:
    """How n pictures are varied: `maps` (n, 2, 3) of places, `gains` (n, 3) of light, `noise` (n,).

    `kept` (n, modalities) says what a network sees of each, the colours first; None is all.
    """

    maps: Tensor
    gains: Tensor
    noise: Tensor
    seed: int
    kept: Tensor | None = None


@dataclass(frozen=True, slots=True)
class FasBatch:
    """n samples: pictures (n, 3, s, s) in [0, 1] and what is true of them.

    `views` is a second look at the same pictures, or None. `kind` is 0 for live and numbers species, `domain`
    numbers domains, `person` people, -1 where nobody is named. `masks` (n, 1, h, w) is 1 where the attack
    medium shows; `known` (n,) says whose is truth.
    """

    pictures: Tensor
    views: Tensor | None
    spoof: Tensor
    kind: Tensor
    domain: Tensor
    person: Tensor
    masks: Tensor
    known: Tensor
    samples: tuple[str, ...]
    looks: tuple[Look, ...] = ()
    """How each view is varied."""
    stages: Any = None
    """Packed parameters of a policy, for each step of its chains."""
    number: int = 0
    attacked: Tensor | None = None
    """Which samples (n,) are to be attacked before they are learned from."""


class Batches:
    """Batch `number` of rows, as a function of the seed and the number."""

    def __init__(self, dataset: Dataset, rows: Sequence[Row], config: FasConfig) -> None:
        self.rows, self.config, self.seed = rows, config, config.loop.seed
        side, memory = config.network.side, config.loop.memory
        self.shelf = Shelf(dataset, [row.image for row in rows], side, memory)
        self.layers = Shelf(
            dataset,
            [row.mask or row.image for row in rows],
            side // 4,
            memory // 8 if config.losses.mask else 0,
        )
        self.order = Order([_cell(row, config.rows.balance) for row in rows], self.seed)
        self.policy = _policy(config.augment.policy)
        self.views = 2 if config.losses.asymmetric_contrast else 1
        self.domains = _numbered(row.domain or "" for row in rows)
        self.kinds = {"live": 0} | {
            name: number + 1
            for name, number in _numbered(row.attack or "unnamed" for row in rows if row.spoof).items()
        }
        self.people = _numbered(row.subject for row in rows if row.subject is not None)
        if self.policy is not None:
            # what a policy touched is a domain of its own, as the extra domains of FAS-Aug are
            self.domains |= {
                f"{name}+{config.augment.policy}": number + len(self.domains)
                for name, number in self.domains.items()
            }
            self.kinds[MADE] = len(self.kinds)

    def at(self, number: int) -> FasBatch:
        """Return batch `number`, on the CPU."""
        size = self.config.loop.batch
        chosen = self.order.between(number * size, (number + 1) * size)
        rows = [self.rows[one] for one in chosen]
        domain = torch.tensor([self.domains[row.domain or ""] for row in rows])
        kind = torch.tensor([self.kinds[row.attack or "unnamed"] if row.spoof else 0 for row in rows])
        masks, known = self._masks(chosen, rows)
        batch = FasBatch(
            as_tensor(self.shelf.get(chosen)),
            None,
            torch.tensor([row.spoof for row in rows]),
            kind,
            domain,
            torch.tensor([self.people.get(row.subject or "", -1) for row in rows]),
            masks,
            known,
            tuple(row.sample_id for row in rows),
            tuple(self._look(number, view, len(rows)) for view in range(self.views)),
            number=number,
            attacked=self._attacked(number, len(rows)),
        )
        return batch if self.policy is None else self._drawn(batch, rows, chosen, number)

    def place(self, batch: FasBatch, device: torch.device) -> FasBatch:
        """Return the batch on a device, with the policy applied, moved and lit."""
        batch = on_device(batch, device)
        with torch.no_grad():
            pictures = batch.pictures
            if batch.stages is not None and self.policy is not None:
                pictures = self.policy.to(device)(pictures, batch.stages)
            views = [varied(pictures, look) for look in batch.looks]
            masks = moved(batch.masks, batch.looks[0].maps)
        return replace(batch, pictures=views[0], views=views[1] if len(views) > 1 else None, masks=masks)

    def _look(self, number: int, view: int, size: int) -> Look:
        look = drawn_look(self.config.augment, generator_of(self.seed, "look", number, view), size)
        return replace(look, kept=self._kept(number, view, size))

    def _kept(self, number: int, view: int, size: int) -> Tensor | None:
        """Return which modalities are there: each is absent by its own chance, but never all of them.

        Where chance would take all, one at random stays.
        """
        if not (absent := self.config.augment.absent):
            return None
        draw, modalities = generator_of(self.seed, "kept", number, view), 1 + len(self.config.network.maps)
        kept = torch.rand((size, modalities), generator=draw) >= absent
        stays = torch.randint(modalities, (size,), generator=draw)
        return kept | (~kept.any(1, keepdim=True) & functional.one_hot(stays, modalities).bool())

    def _attacked(self, number: int, size: int) -> Tensor | None:
        """Return which samples are attacked: the configured share, and always one at least."""
        robust = self.config.robust
        if robust.attack is None:
            return None
        draw = generator_of(self.seed, "attacked", number)
        order = torch.randperm(size, generator=draw)
        return order < max(1, round(robust.share * size))

    def _masks(self, chosen: Sequence[int], rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
        """Return masks and whose are known: a live face's is empty."""
        side = self.config.network.side // 4
        masks = torch.zeros(len(rows), 1, side, side)
        known = torch.tensor([not row.spoof or row.mask is not None for row in rows])
        if self.config.losses.mask:
            for place, (one, row) in enumerate(zip(chosen, rows, strict=True)):
                if row.spoof and row.mask is not None:
                    masks[place] = as_tensor(self.layers.get([one]))[0, :1]
        return masks, known

    def _drawn(self, batch: FasBatch, rows: Sequence[Row], chosen: Sequence[int], number: int) -> FasBatch:
        """Draw what the policy does: to which samples, by which parameters, and what the label becomes."""
        if (policy := self.policy) is None:
            return batch
        told, side = self.config.augment, self.config.network.side
        takes = [
            Words.of(self.seed, "policy", number, place).chance(told.share) for place in range(len(rows))
        ]
        faces = [_face(row, side) for row in rows]
        variant = number * self.config.loop.batch // max(1, len(self.rows))
        steps = policy.draw(batch.samples, self.seed, variant, faces)
        steps = [chain if taken else [] for chain, taken in zip(steps, takes, strict=True)]
        spoof, kind, domain = batch.spoof.clone(), batch.kind.clone(), batch.domain.clone()
        known = batch.known.clone()
        for place, species in enumerate(policy.attacks(steps, side)):
            if not takes[place]:
                continue
            domain[place] += len(self.domains) // 2
            if species is not None:
                spoof[place], known[place] = True, False
                kind[place] = self.kinds.get(species, self.kinds[MADE])
        stages = policy.pack(steps, side)
        return replace(batch, spoof=spoof, kind=kind, domain=domain, known=known, stages=stages)


def as_tensor(pictures: Any) -> Tensor:
    """Return n x 3 x h x w float32 in [0, 1] of n x h x w x 3 uint8."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255


def drawn_look(told: LookConfig, draw: torch.Generator, size: int) -> Look:
    """Return how `size` pictures are varied, drawn from `draw`."""
    unit = torch.rand((size, 9), generator=draw)
    signed = unit * 2 - 1
    scale = 1 + told.scale * signed[:, 1]
    maps = torch.zeros(size, 2, 3)
    maps[:, 0, 0] = torch.where(unit[:, 0] < told.flip, -scale, scale)
    maps[:, 1, 1] = scale
    maps[:, :, 2] = 2 * told.shift * signed[:, 2:4]  # the map's unit is half a side
    gains = 2 ** (told.light * signed[:, 4:5]) * (1 + told.tint * signed[:, 5:8])
    return Look(maps, gains, told.noise * unit[:, 8], int(torch.randint(2**62, (), generator=draw)))


def moved(pictures: Tensor, maps: Tensor, side: int | None = None) -> Tensor:
    """Return pictures (n, c, h, w) looked up through (n, 2, 3) maps of places in [-1, 1]; edges go on.

    They are as large as before, or `side` x `side`.
    """
    shape = pictures.shape if side is None else (*pictures.shape[:2], side, side)
    grid = functional.affine_grid(maps, list(shape), align_corners=False)
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def varied(pictures: Tensor, look: Look, side: int | None = None) -> Tensor:
    """Return pictures (n, 3, h, w) in [0, 1] from another place, in another light, with a camera's noise.

    They are as large as before, or `side` x `side`.
    """
    # light is multiplied as light; a square stands for the curve of the codes
    lit = moved(pictures, look.maps, side).square() * look.gains[:, :, None, None]
    draw = torch.Generator(pictures.device).manual_seed(look.seed)
    noise = torch.randn(lit.shape, generator=draw, device=lit.device) * look.noise[:, None, None, None]
    return (lit.clamp(0, 1).sqrt() + noise).clamp(0, 1)


def on_device(batch: B, device: torch.device) -> B:
    """Return a batch, a dataclass, with every tensor in it on a device."""

    def to(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(device, non_blocking=True)
        if isinstance(value, dict):
            return {name: to(one) for name, one in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{one.name: to(getattr(value, one.name)) for one in fields(value)})
        return type(value)(map(to, value)) if isinstance(value, (list, tuple)) else value

    moved_there: B = to(batch)
    return moved_there


def _cell(row: Row, balance: str) -> tuple[str, ...]:
    cells = {"domain-label": (row.domain or "", row.label), "label": (row.label,), "none": ()}
    return cells[balance]


def _numbered(names: Any) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)))}


def _policy(name: str | None) -> BatchedPolicy | None:
    if name is None:
        return None
    from facedata.augment.adapters.torch import BatchedPolicy

    return BatchedPolicy(name)


def _face(row: Row, side: int) -> Any:
    """Return the face of a row where it lies on the squared picture, None where nothing says so."""
    from facedata.augment.landmarks import known_face

    least = min(row.width, row.height)
    left, top, scale = (row.width - least) // 2, (row.height - least) // 2, side / least
    landmarks = row.landmarks and [((x - left) * scale, (y - top) * scale) for x, y in row.landmarks]
    box = row.box and [
        (row.box[0] - left) * scale,
        (row.box[1] - top) * scale,
        row.box[2] * scale,
        row.box[3] * scale,
    ]
    return known_face(landmarks, box, side, side)
