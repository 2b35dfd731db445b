"""What a display emits: its tone curve, and the lattice of its subpixels as a camera resolves it.

A subpixel lattice is periodic, so lens and photosite act on each of its harmonics alone: one tile of a
period, its Fourier coefficients multiplied by the optics' transfer, holds all that a sensor can see of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facedata.augment.kernels import kernel
from facedata.augment.light import ONE

__all__ = [
    "CELLS",
    "LATTICES",
    "MEAN",
    "Alias",
    "LatticeName",
    "Resolved",
    "aliases",
    "emission",
    "fold",
    "resolve",
    "spectrum",
    "transfer",
]

Floats = NDArray[np.float64]

CELLS: Final = 64
"""Cells of a tile for each display pixel along a side; a power of two, so that places wrap by a bit mask."""
MEAN: Final = 4096
"""Mean of each channel of a tile (Q12)."""
_CODES: Final = 4096
"""Entries of an emission table: 8-bit codes with 4 bits of interpolation."""
_LOGARITHMS: Final = np.log(np.maximum(np.arange(_CODES), 1e-99).clip(None, 255 * 16) / (255 * 16))
"""Of those codes' signals, the first next to nothing."""
LatticeName = Literal["rgb-stripe", "bgr-stripe", "rgb-rows", "pentile-diamond", "wrgb", "grid"]


@dataclass(frozen=True)
class Subpixel:
    """A lit aperture: its colour, its centre and its size in display pixels.

    `colour` is the share of each channel's light that this subpixel emits. `width` and `height` multiply
    those of the display; a `diamond` has them as its diagonals, any other is a rectangle.
    """

    colour: tuple[float, float, float]
    x: float
    y: float
    width: float = 1.0
    height: float = 1.0
    diamond: bool = False


@dataclass(frozen=True)
class Lattice:
    """Subpixels of one period of `period` x `period` display pixels."""

    period: int
    subpixels: tuple[Subpixel, ...]


_RED, _GREEN, _BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_WHITE_SHARE: Final = 0.5


def _stripes(*colours: tuple[float, float, float]) -> Lattice:
    count = len(colours)
    return Lattice(
        1, tuple(Subpixel(c, (i + 0.5) / count, 0.5, width=3 / count) for i, c in enumerate(colours))
    )


def _diamonds() -> Lattice:
    """Return the RGBG layout: red and blue in a checkerboard, green between them and smaller."""
    found = []
    for i in range(2):
        for j in range(2):
            shared = _RED if (i + j) % 2 == 0 else _BLUE
            found.append(Subpixel(shared, i + 0.25, j + 0.25, 2.4, 2.4, diamond=True))
            found.append(Subpixel(_GREEN, i + 0.75, j + 0.75, 1.7, 1.7, diamond=True))
    return Lattice(2, tuple(found))


def _with_white() -> Lattice:
    rest = 1 - _WHITE_SHARE
    colours = [(_WHITE_SHARE,) * 3, (rest, 0.0, 0.0), (0.0, rest, 0.0), (0.0, 0.0, rest)]
    return _stripes(*colours)


LATTICES: Final[dict[str, Lattice]] = {
    # the stripe of most LCD; BGR is the same panel upside down
    "rgb-stripe": _stripes(_RED, _GREEN, _BLUE),
    "bgr-stripe": _stripes(_BLUE, _GREEN, _RED),
    # a panel of stripes held in landscape
    "rgb-rows": Lattice(
        1,
        tuple(Subpixel(c, 0.5, (i + 0.5) / 3) for i, c in enumerate((_RED, _GREEN, _BLUE))),
    ),
    # the diamond PenTile of telephones' OLED: two subpixels to the pixel
    "pentile-diamond": _diamonds(),
    # television OLED; greys are shared between the white subpixel and the coloured ones
    "wrgb": _with_white(),
    # a projector: all colours in one aperture, a grid of dark lines between
    "grid": Lattice(1, (Subpixel((1.0, 1.0, 1.0), 0.5, 0.5),)),
}
"""The lattices by name."""

if set(get_args(LatticeName)) != set(LATTICES):
    raise RuntimeError("LatticeName and LATTICES differ")


@dataclass(frozen=True)
class _Parts:
    """The subpixels of one lattice as arrays; `shares` (3 x n) is each one's share of a channel's light."""

    x: Floats
    y: Floats
    width: Floats
    height: Floats
    shares: Floats
    diamonds: bool


@cache
def _parts(name: str) -> _Parts:
    parts = LATTICES[name].subpixels
    x, y, width, height = np.array([(s.x, s.y, s.width, s.height) for s in parts]).T
    colours = np.array([s.colour for s in parts]).T
    shares = colours / colours.sum(axis=1, keepdims=True)
    return _Parts(x[:, None], y[:, None], width[:, None], height[:, None], shares, parts[0].diamond)


def spectrum(name: str, width: float, height: float, x: Floats, y: Floats) -> NDArray[np.complex128]:
    """Return the Fourier coefficients of a white display, before any optics: complex, 3 x len(y) x len(x).

    `x` and `y` are frequencies in cycles per display pixel: multiples of 1 / period. Mean 1 a channel.
    `width` and `height` are those of an aperture in display pixels: of a stripe of three (.25-.32 x .8-.95 on
    LCD datasheets); other lattices scale them to the room that their subpixels have, a diamond is `height`
    times as tall as it is wide. A rectangle transforms to sinc(x w) sinc(y h), a diamond of diagonals w and h
    to sinc((x w + y h) / 2) sinc((x w - y h) / 2).
    """
    parts = _parts(name)
    across, down = parts.width * width, parts.height * height
    if name == "rgb-rows":
        across, down = parts.width * height, parts.height * width
    elif name == "grid":
        across = np.minimum(1.0, across)
    sizes = np.stack([parts.x[:, 0], parts.y[:, 0], across[:, 0], down[:, 0]], axis=1)
    return shone(sizes, parts.shares, parts.diamonds, height, x, y)


@kernel
def _sinc(x: float) -> float:
    """Return sin(pi x) / (pi x)."""
    turn = math.pi * x
    return math.sin(turn) / turn if turn != 0 else 1.0


@kernel
def shone(
    sizes: Floats, shares: Floats, diamonds: bool, tall: float, x: Floats, y: Floats
) -> NDArray[np.complex128]:
    """Return the coefficients of `spectrum`: of apertures at `sizes` (x, y, width, height; n x 4).

    `shares` (3 x n) are theirs of each channel's light. Diamonds are `tall` times as tall as wide.
    """
    out = np.zeros((3, y.size, x.size), np.complex128)
    rows, columns = np.empty(y.size, np.complex128), np.empty(x.size, np.complex128)
    for part in range(sizes.shape[0]):
        left, top, wide, high = sizes[part, 0], sizes[part, 1], sizes[part, 2], sizes[part, 3]
        for i in range(y.size):
            turn = -2 * math.pi * top * y[i]
            rows[i] = complex(math.cos(turn), math.sin(turn)) * (1.0 if diamonds else _sinc(high * y[i]))
        for j in range(x.size):
            turn = -2 * math.pi * left * x[j]
            columns[j] = complex(math.cos(turn), math.sin(turn)) * (1.0 if diamonds else _sinc(wide * x[j]))
        for i in range(y.size):
            for j in range(x.size):
                wave = rows[i] * columns[j]
                if diamonds:
                    along, up = wide * x[j] / 2, wide * tall * y[i] / 2
                    wave *= _sinc(along + up) * _sinc(along - up)
                for channel in range(3):
                    out[channel, i, j] += shares[channel, part] * wave
    return out


def transfer(x: Floats, y: Floats, jacobian: Floats, sigma: float, panel_sigma: float = 0.0) -> Floats:
    """Return the optics' transfer of waves of (`x`, `y`) cycles per display pixel: ... x len(y) x len(x).

    `jacobian` is d(display px) / d(sensor px), ... x 2 x 2, `sigma` the lens's Gaussian in sensor px,
    `panel_sigma` one before the camera (a projector's lens) in display px. A wave n has f = J^T n cycles per
    sensor px, of which lens and square photosite leave exp(-2 (pi sigma f)^2) sinc(f_x) sinc(f_y).
    """
    whole = np.ascontiguousarray(jacobian, np.float64)
    found = passed(x, y, whole.reshape(-1, 2, 2), sigma, panel_sigma)
    return found.reshape(*whole.shape[:-2], y.size, x.size)


@kernel
def passed(x: Floats, y: Floats, jacobians: Floats, sigma: float, panel_sigma: float) -> Floats:
    """Return what `transfer` does for N jacobians."""
    out = np.empty((jacobians.shape[0], y.size, x.size))
    for n in range(jacobians.shape[0]):
        for i in range(y.size):
            for j in range(x.size):
                wave_x = jacobians[n, 0, 0] * x[j] + jacobians[n, 1, 0] * y[i]
                wave_y = jacobians[n, 0, 1] * x[j] + jacobians[n, 1, 1] * y[i]
                lens = sigma * sigma * (wave_x * wave_x + wave_y * wave_y)
                panel = panel_sigma * panel_sigma * (x[j] * x[j] + y[i] * y[i])
                share = math.exp(-2 * math.pi**2 * (lens + panel))
                out[n, i, j] = share * _sinc(wave_x) * _sinc(wave_y)
    return out


@lru_cache(maxsize=64)
def _waves(reach: int, side: int) -> tuple[NDArray[np.complex128], Floats]:
    """Return the waves down a tile, side x (2 reach + 1), and across it, 2 (reach + 1) x side, times 4096.

    A place is looked up by the cell that it falls in, so a cell holds the light at its middle. An order
    across stands for its conjugate too.
    """
    middle = (np.arange(side) + 0.5) / side
    down = np.exp(2j * math.pi * np.outer(middle, np.arange(-reach, reach + 1.0)))
    angle = 2 * math.pi * np.outer(np.arange(reach + 1.0), middle)
    twice = np.where(np.arange(reach + 1) > 0, 2.0, 1.0)[:, None] * MEAN
    return down, np.concatenate([twice * np.cos(angle), -twice * np.sin(angle)])


@dataclass(frozen=True)
class Resolved:
    """A lattice through lens and photosites: harmonics of orders -`reach` .. `reach` (rows), 0 .. `reach`.

    `light` is complex, ... x 3 x (2 reach + 1) x (reach + 1): mean 1, so twice a modulus is the amplitude of
    a wave over the mean.
    """

    light: NDArray[np.complex128]
    period: int

    @property
    def reach(self) -> int:
        """The highest order."""
        return int(self.light.shape[-1]) - 1

    def tile(self, cells: int = CELLS) -> NDArray[np.uint16]:
        """Return what a photosite collects of a white display, by the place in a period it looks at.

        Result: uint16, ... x 3 x n x n (channel, row, column of the display), n = `cells` (a power of two) a
        display pixel, 4096 the mean.
        """
        down, across = _waves(self.reach, cells * self.period)
        planes = np.ascontiguousarray(self.light).reshape(-1, *self.light.shape[-2:])
        side = cells * self.period
        return laid_out(planes, down, across).reshape(*self.light.shape[:-2], side, side)

    def contrast(self) -> Floats:
        """Return the standard deviation over the mean on the sensor, for red, green and blue."""
        power = np.abs(self.light) ** 2
        # a half spectrum holds each wave with n_x > 0 once, and stands for two
        total = power[..., 0].sum(axis=-1) + 2 * power[..., 1:].sum(axis=(-2, -1))
        return np.asarray(np.sqrt(np.maximum(total - power[..., self.reach, 0], 0.0)), np.float64)


@kernel
def laid_out(
    light: NDArray[np.complex128], down: NDArray[np.complex128], across: Floats
) -> NDArray[np.uint16]:
    """Return n x side x side sums of waves, to the nearest whole number, 0 at least.

    `light` holds n planes of harmonics (2 reach + 1 rows, reach + 1 columns), `down` and `across` are those
    of `_waves`. Few orders survive the optics, for which sums are faster than a transform.
    """
    side, orders = down.shape[0], light.shape[2]
    out = np.empty((light.shape[0], side, side), np.uint16)
    total = np.empty(side)
    for plane in range(light.shape[0]):
        for y in range(side):
            total[:] = 0.5
            for order in range(orders):
                wave = 0j
                for k in range(light.shape[1]):
                    wave += down[y, k] * light[plane, k, order]
                cosine, sine = across[order], across[orders + order]
                real, imaginary = wave.real, wave.imag
                for x in range(side):
                    total[x] += real * cosine[x] + imaginary * sine[x]
            row = out[plane, y]
            for x in range(side):
                row[x] = np.uint16(np.int32(max(total[x], 0.0)))
    return out


def resolve(
    name: str, width: float, height: float, jacobian: Floats, sigma: float, panel_sigma: float = 0.0
) -> Resolved:
    """Return the lattice `name` as lens and photosites leave it, for each of the Jacobians (... x 2 x 2).

    The other arguments are those of `spectrum` and `transfer`.
    """
    period = LATTICES[name].period
    # beyond these orders the Gaussians leave less than 1 / 5000
    finest = _least_stretch(jacobian)
    spread = math.hypot(sigma * finest, panel_sigma)
    reach = CELLS * period // 2 - 1
    if spread * reach > 0.66 * period:
        reach = max(1, math.ceil(0.66 * period / spread))
    x = np.arange(reach + 1.0) / period
    y = np.arange(-reach, reach + 1.0) / period
    left = transfer(x, y, jacobian, sigma, panel_sigma)
    return Resolved(spectrum(name, width, height, x, y) * left[..., None, :, :], period)


def _least_stretch(jacobian: Floats) -> float:
    """Return the smallest singular value of some 2 x 2 matrices."""
    (a, b), (c, d) = np.moveaxis(jacobian, (-2, -1), (0, 1))
    return float(np.min(np.abs(np.hypot(a + d, c - b) - np.hypot(a - d, b + c)))) / 2


@dataclass(frozen=True, slots=True)
class Alias:
    """A band: harmonic `order` of the display folded by the sensor's filters of one `channel` (0-2).

    `wave` is its frequency (x, y) in cycles per sensor px, `amplitude` that of the cosine over the mean.
    """

    channel: int
    order: tuple[int, int]
    wave: tuple[float, float]
    amplitude: float


def aliases(seen: Resolved, jacobian: Floats, *, least: float = 0.01) -> list[Alias]:
    """Return the waves that a Bayer (RGGB) sensor records of a lattice, the strongest first.

    wave = J^T n - m with m the nearest point of the reciprocal lattice of that channel's filters: red and
    blue stand on every second row and column, so m is a multiple of (1/2, 0) and (0, 1/2); green stands on a
    quincunx, so m is a sum of (1/2, 1/2) and (1/2, -1/2). Only amplitudes of `least` and more are told.
    """
    found = []
    for channel, row, x in np.argwhere(2 * np.abs(seen.light) >= least):
        y = int(row) - seen.reach
        if x == 0 and y <= 0:
            continue
        wave = fold(jacobian.T @ np.array([x, y]) / seen.period, green=channel == 1)
        amplitude = 2 * float(np.abs(seen.light[channel, row, x]))
        found.append(Alias(int(channel), (int(x), y), (float(wave[0]), float(wave[1])), amplitude))
    return sorted(found, key=lambda alias: -alias.amplitude)


def fold(wave: Floats, *, green: bool) -> Floats:
    """Return the wave of lowest frequency that samples of a Bayer channel cannot tell from `wave`."""
    nearest = np.rint(2 * wave) / 2
    if not green:
        return wave - nearest
    candidates = []
    for x in (-0.5, 0.0, 0.5):
        for y in (-0.5, 0.0, 0.5):
            point = nearest + np.array([x, y])
            if round(2 * float(point.sum())) % 2 == 0:
                candidates.append(wave - point)
    return min(candidates, key=lambda rest: float(rest @ rest))


def emission(gamma: float, contrast_ratio: float) -> NDArray[np.uint16]:
    """Return the light of each code: uint16 x 4096 (code x 16), 32768 is white.

    L = L_b + (L_w - L_b) s^gamma, with L_b = L_w / contrast.
    """
    signal = np.exp(gamma * _LOGARITHMS)
    black = 1 / contrast_ratio
    return np.asarray(np.rint((black + (1 - black) * signal) * ONE), np.uint16)
