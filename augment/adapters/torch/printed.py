"""Ink on paper, batched: separation, dot gain, screens, Yule-Nielsen-Neugebauer colour (`augment.printing`).

The gradient to the picture is that of the mean over a halftone's cell: which places of a cell are inked is
decided on the tone's value and passes none. Rounding passes it as if it were not there.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedata.augment.adapters.torch.base import Packed, Params
from facedata.augment.adapters.torch.blurs import mapped, shifted, softener
from facedata.augment.adapters.torch.light import BRIGHTEST, cut, passed
from facedata.augment.adapters.torch.pixels import column, rounded
from facedata.augment.adapters.torch.surfaces import Seen, looked
from facedata.augment.bluenoise import MASK_SIDE
from facedata.augment.light import ONE
from facedata.augment.paper import INKS, NODES, SOLID, TILE, fibres
from facedata.augment.printing import (
    CELL_STEPS,
    DROP_STEPS,
    Halftone,
    PrintParameters,
    banding,
    displacements,
    screen_phases,
    screen_step,
    sheet_of,
)
from facedata.augment.screens import CELL_LEVELS, CELL_SIDE, DROP_LEVELS, cell_table, drop_table
from facedata.datasets.words import Words

__all__ = ["Press", "pack_print"]

_CELL: Final = (CELL_LEVELS + 1) * CELL_SIDE**2
_DROP: Final = (DROP_LEVELS + 1) * MASK_SIDE**2
_TURN: Final = 2**26
"""Parts of a screen's cell in which its place is counted."""
_FINE: Final = 2**18
"""Parts of a px of the picture in which places on the sheet are counted."""
_FAR: Final = 2.0**14
"""Places beyond are taken here, px: the sheet is bare, and whole numbers do not spill over."""
_FRINGE: Final = 0.25
"""Displacement of the inks, in px of the sensor, from which on it is rendered."""


@cache
def _screens(drops: bool) -> NDArray[np.int16]:
    """Return the tables of `screens` one after the other: clustered dots (4 MB), then drops (32 MB)."""
    tables = [cell_table(step) for step in range(CELL_STEPS[0], CELL_STEPS[1] + 1)]
    if drops:
        tables += [drop_table(step) for step in range(DROP_STEPS[0], DROP_STEPS[1] + 1)]
    return np.concatenate(tables)


def pack_print(
    parameters: PrintParameters, halftone: Halftone, scale: float, step: float, size: tuple[int, int]
) -> Packed:
    """Return what `Press` takes beside the picture, where each px looks and its light.

    `scale` is mm of the sheet a px of the picture, `step` how many of these a px of the sensor spans at most,
    and `size` the picture's height and width. `dots`, `fringes` and `soften_rows` are empty where px see no
    screen, no displaced inks and not more than a px and a half of the picture.
    """
    sheet = sheet_of(parameters)
    plain = sheet.arithmetic()
    words = Words.of(parameters.paper_seed, "sheet")
    origin = [words.integer(0, TILE - 1), words.integer(0, TILE - 1)]
    finest = scale * step
    passes = parameters.banding_period / finest
    errors = banding(parameters.paper_seed, bool(halftone.drop), passes)
    feed = [min(256 / passes * step, 512.0), words.integer(0, 255)]
    shift = halftone.misregistration / finest
    fringes = displacements(shift, words) if shift >= _FRINGE else np.zeros((0, 2))
    which, dots = screen_step(halftone, finest), np.zeros((0, 6))
    screen = [0, 0, 1]
    if which is not None:
        side = MASK_SIDE if halftone.drop else CELL_SIDE
        cells = screen_phases(halftone, scale, side, parameters.paper_seed) / side
        # what keeps the sum positive there is whole cells
        cells[:, [2, 5]] %= 1
        dots = np.rint(cells * _TURN)
        first = (which - CELL_STEPS[0]) * _CELL
        if halftone.drop:
            first = (CELL_STEPS[1] + 1 - CELL_STEPS[0]) * _CELL + (which - DROP_STEPS[0]) * _DROP
        screen = [first, DROP_LEVELS if halftone.drop else CELL_LEVELS, side]
    lengths = size if step > 1.5 else (0, 0)
    return {
        "soften_rows": softener(lengths[0], 0.35 * step),
        "soften_columns": softener(lengths[1], 0.35 * step),
        "ink": np.array([sheet.n, sheet.black], np.float32),
        "curves": plain.curves,
        "slopes": plain.slopes,
        "paper": plain.paper,
        "band": 1 + np.float32(parameters.banding / 100) * errors,
        "feed": np.array(feed, np.float32),
        "fibre": np.array(origin, np.int32),
        "softened": np.float32(step > 1.5),
        "rough": np.float32(parameters.fibre / 100),
        "fringes": np.asarray(fringes, np.float32),
        "dots": dots.astype(np.int64),
        "screen": np.array(screen, np.int32),
        "stepped": np.float32(which is not None or len(fringes) > 0),
    }


class Press(nn.Module):
    """Prints pictures, and gives the light that leaves the sheet.

    The tables of screens and the tile of fibres are its buffers; `drops` False leaves those of inkjet out.
    """

    screens: Tensor
    fibres: Tensor
    solids: Tensor

    def __init__(self, *, drops: bool = True) -> None:
        super().__init__()
        self.register_buffer("screens", torch.from_numpy(_screens(drops)), persistent=False)
        self.register_buffer("fibres", torch.from_numpy(fibres()), persistent=False)
        self.register_buffer("solids", torch.from_numpy(INKS.astype(np.float32)), persistent=False)

    def forward(self, image: Tensor, seen: Seen, params: Params) -> Tensor:
        """Return the light (see `light`), B x 3 x H x W, of the printed pictures as each px sees them."""
        height, width = image.shape[2:]
        tones = separated(looked(softened(image, params), seen.place, 1.0), params)
        scale, start = params["feed"][:, :, None, None].unbind(1)
        phase = (seen.place[:, 1] * scale + start).floor().to(torch.int32) & 255
        error = params["band"].gather(1, phase.flatten(1).long()).reshape(phase.shape)[:, None]
        tones = (tones * error).clamp(max=1)
        if _stepped(params):
            tones = _either(tones, (tones.detach() * SOLID).floor() / SOLID, params)
        surface, under = params["paper"][:, :, :, None, None].unbind(2)
        light = surface + under * _contone(tones, params)
        if _stepped(params):
            smooth, exact = self._dotted(tones, seen.place, params)
            exact = surface.round() + (under.round().to(torch.int32) * exact >> 15)
            stepped = passed(exact, surface + under * smooth)
            light = torch.where(column(params["stepped"]) > 0, stepped, light)
        rows = torch.arange(height, device=image.device)[:, None] + params["fibre"][:, 0, None, None]
        columns = torch.arange(width, device=image.device) + params["fibre"][:, 1, None, None]
        fibre = self.fibres[rows & (TILE - 1), columns & (TILE - 1)][:, None]
        shade = seen.light[:, :1] * (1 + column(params["rough"]) * fibre)
        return cut((light * shade + seen.light[:, 1:] * ONE).clamp(max=BRIGHTEST))

    def _dotted(self, tones: Tensor, place: Tensor, params: Params) -> tuple[Tensor, Tensor]:
        """Return prod_j F_j, and prod_j F_j - d_j (F_j - T_j) / (1 - a_j) in Q15; both B x 3 x H x W.

        The first is the mean of the second over a cell of the screen.
        """
        n = column(params["ink"][:, 0])
        smooth, exact = torch.ones_like(place[:, :1]), torch.full_like(place[:, :1], ONE).to(torch.int32)
        for ink in range(4):
            tone = tones[:, ink, None]
            smooth = smooth * _root(ink, covering(ink, tone, params), params) ** n
            exact = exact * self._factor(ink, tone.detach(), place, params) >> 15
        return smooth, exact

    def _factor(self, ink: int, tone: Tensor, place: Tensor, params: Params) -> Tensor:
        """Return an ink's factor where its screen lies d above its tone: Q15, int32, B x 3 x H x W."""
        n = column(params["ink"][:, 0])
        # factors are tabulated at steps of tone and linear between them, in Q15
        node = (tone * NODES).floor()
        part = (tone * NODES - node) * (SOLID // NODES)
        low, high = (
            (_root(ink, covering(ink, (node + step) / NODES, params), params) ** n * (ONE - 1)).round()
            for step in (0, 1)
        )
        factor = ((low + (high - low) * part / (SOLID // NODES)).floor()).to(torch.int32)
        if not params["dots"].shape[1]:
            return factor
        # so are the screen and its contrast, but not between
        node = (tone * NODES + 0.5).floor() / NODES
        coverage = covering(ink, node, params)
        drop = _root(ink, coverage, params) ** n - self.solids[ink, :, None, None]
        contrast = (drop / (1 - coverage).clamp_min(1 / NODES)).clamp(0, 1)
        contrast = (contrast * (ONE - 1)).round().to(torch.int32)
        first, levels, side = params["screen"][:, :, None, None].unbind(1)
        level = (coverage[:, 0] * levels).round().to(torch.int32)
        across, down = _cell(place, params["dots"][:, ink], side).unbind(1)
        beyond = self.screens[first + (level * side + down) * side + across][:, None].to(torch.int32)
        return (factor - (beyond * contrast >> 15)).clamp(0, ONE - 1)


def _cell(place: Tensor, forms: Tensor, side: Tensor) -> Tensor:
    """Return the place in a screen's cell, int32, B x 2 (across, down) x H x W, of `place` on the sheet.

    `forms` (int64, B x 6) is the cell's place in `_TURN` parts of a cell as two linear forms. Both are in
    whole numbers, for a float32 keeps too few digits of a place that is thousands of cells away.
    """
    u, v = (place.clamp(-_FAR, _FAR) * _FINE).to(torch.int64).unbind(1)
    a, b, start, c, d, begin = forms[:, :, None, None].unbind(1)
    turns = torch.stack([u * a + v * b + start * _FINE, u * c + v * d + begin * _FINE], dim=1)
    within = (turns & (_TURN * _FINE - 1)) * side[:, None]
    return (within // (_TURN * _FINE)).to(torch.int32)


def softened(image: Tensor, params: Params) -> Tensor:
    """Return the pictures, rounded to 8 bits, blurred where a px of the sensor spans several of theirs."""
    if not params["soften_rows"].shape[1]:
        return image
    soft = rounded(mapped(image, params["soften_rows"], params["soften_columns"]), 255.0)
    return torch.where(column(params["softened"]) > 0, soft, image)


def separated(image: Tensor, params: Params) -> Tensor:
    """Return tones 0-1 of C, M, Y, K, B x 4 x H x W, of sRGB pictures: complements, some of them as black.

    Where screens or fringes are seen they are in whole steps of 1/8192.
    """
    tone = 1 - image
    key = (column(params["ink"][:, 1]) * tone.amin(1, keepdim=True) ** 2).clamp(max=1 - 1 / SOLID)
    inks = (tone - key).clamp_min(0) / (1 - key)
    if not _stepped(params):
        return torch.cat([inks, key], dim=1)
    black, complement = ((values.detach() * SOLID).round().to(torch.int32) for values in (key, tone))
    # 65536 / (1 - black), to the nearest; the products below fill 30 bits
    over = (2**30 + SOLID - black) // (2 * (SOLID - black))
    inks = _either(inks, ((complement - black) * over + 32768 >> 16) / SOLID, params)
    if params["fringes"].shape[1]:
        moved = shifted(inks, params["fringes"])
        inks = _either(moved, (moved.detach() * SOLID).round() / SOLID, params)
    return torch.cat([inks, _either(key, black / SOLID, params)], dim=1)


def covering(ink: int, tone: Tensor, params: Params) -> Tensor:
    """Return the coverage 0-1 of tones 0-1 of an ink: grey balance, then dot gain."""
    first, second = (column(params["curves"][:, ink, k]) for k in (0, 1))
    gain = column(params["curves"][:, 4, 0])
    balanced = tone * (first + second * tone)
    return (balanced + gain * balanced * (1 - balanced)).clamp(0, 1)


def _root(ink: int, coverage: Tensor, params: Params) -> Tensor:
    """Return F^(1/n) = 1 - a + a T^(1/n), B x 3 x H x W, of coverage a, B x 1 x H x W."""
    return 1 - params["slopes"][:, ink, :, None, None] * coverage


def _contone(tones: Tensor, params: Params) -> Tensor:
    """Return prod_j F_j, B x 3 x H x W, of tones B x 4 x H x W; its root in steps of 1/4095, as tabulated."""
    first, second, third, fourth = (
        _root(ink, covering(ink, tones[:, ink, None], params), params) for ink in range(4)
    )
    return rounded((first * second) * (third * fourth), 4095.0) ** column(params["ink"][:, 0])


def _stepped(params: Params) -> bool:
    """Whether screens or fringes are seen in the batch: its shapes say so."""
    return params["dots"].shape[1] + params["fringes"].shape[1] > 0


def _either(smooth: Tensor, stepped: Tensor, params: Params) -> Tensor:
    """Return `stepped` for samples with screens or fringes, else `smooth`, whose gradient both have."""
    return torch.where(column(params["stepped"]) > 0, passed(stepped, smooth), smooth)
