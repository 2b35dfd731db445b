"""What the camera left of an attack's medium, worked out from the recorded parameters of a step.

Each measure is the size that something has in the stored picture: a period in px, a contrast over the mean,
an angle. A cue is claimed where its measure is large enough (`knowledge/cues.yaml`), so that no text tells of
a lattice that the lens blurred away. The equations are those of docs/physics; where the row holds the
operator's own truth (`attributes.truth`), the waves are taken from there. What cannot be worked out is left
out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["measures"]

Parameters = Mapping[str, Any]

_WAVELENGTH = 0.55  # um, green light
_LEAST_PERIOD = 2.5  # px: what is finer is a single px wide, which nobody sees as a pattern
_FRESNEL = {"glass": 0.04, "coated": 0.008, "matte": 0.035}  # docs/physics/replay.md
_DIFFUSE = {"glass": 0.008, "coated": 0.006, "matte": 0.015}


@dataclass(frozen=True, slots=True)
class _Wave:
    """One wave of a lattice as the sensor records it: cycles per photosite, amplitude over the mean."""

    x: float
    y: float
    amplitude: float
    green: bool
    folded: bool


def measures(
    operator: str, parameters: Parameters, truth: Mapping[str, Any], width: int, height: int
) -> dict[str, float]:
    """Return what can be worked out of a step: `grid_period` (px), `grid`, `moire_period` (px), `moire`, ...

    `truth` is what the operator told of itself, or empty; `width` and `height` are the picture's, px.
    """
    found: dict[str, float] = {}
    for rule in _RULES:
        try:
            found |= rule(operator, parameters, truth, width, height)
        except (KeyError, TypeError, ZeroDivisionError):
            continue  # a parameter that this operator has not
    return {name: round(value, 4) for name, value in found.items()}


def _lattice(
    operator: str, p: Parameters, truth: Mapping[str, Any], width: int, height: int
) -> dict[str, float]:
    if operator == "moire-pattern":
        oversample = p["sensor"] / min(width, height)
        waves = _stripe_waves(p["pitch"], p["optics"], p["rotation"], (0.28, 0.85), "rgb-stripe")
        share = float(p["strength"])
    elif operator.startswith("replay-"):
        oversample, share = float(p["oversample"]), float(p.get("strength", 1))
        waves = list(_told(truth)) if "aliases" in truth else _panel_waves(operator, p)
    else:
        return {}
    seen = [
        (share * _left(wave, oversample), math.hypot(wave.x, wave.y) * oversample, wave) for wave in waves
    ]
    found = {}
    for name, folded in (("grid", False), ("moire", True)):
        best = max(
            (
                (level, frequency)
                for level, frequency, wave in seen
                if wave.folded == folded and 1 / max(width, height) < frequency <= 1 / _LEAST_PERIOD
            ),
            default=None,
        )
        if best:
            found |= {name: best[0], f"{name}_period": 1 / best[1]}
    return found


def _told(truth: Mapping[str, Any]) -> Iterator[_Wave]:
    """Yield the waves that the operator itself predicted."""
    (a, b), (c, d) = truth["jacobian"]
    for alias in truth["aliases"]:
        x, y = alias["cycles_per_photosite"]
        nx, ny = alias["order"]
        # a harmonic of the lattice that comes out where it went in is the lattice itself; the order counts
        # periods of one or two display px
        direct = any(
            math.hypot((a * nx + c * ny) / period - x, (b * nx + d * ny) / period - y) < 1e-3
            for period in (1, 2)
        )
        yield _Wave(x, y, alias["amplitude"], alias["channel"] == "G", not direct)


def _panel_waves(operator: str, p: Parameters) -> list[_Wave]:
    if operator == "replay-projector":
        return []  # its grid is faint; only the operator's own truth tells of it
    pitch = 25.4 / p["density"]
    scale = p["focal_length"] * pitch / (p["distance"] * p["photosite"] / 1000)
    diffraction = 0.42 * _WAVELENGTH * p["f_number"] / p["photosite"]
    sigma = math.hypot(p["defocus"] * p["oversample"], diffraction)
    return _stripe_waves(scale, sigma, p["roll"], (p["aperture_width"], p["aperture_height"]), p["lattice"])


def _stripe_waves(
    scale: float, sigma: float, turn: float, aperture: tuple[float, float], lattice: str
) -> list[_Wave]:
    """Return the first harmonics across and along a panel seen straight on.

    `scale` is in photosites a display px.

    For layouts that are not stripes a lower bound of the amplitude stands in: a diamond that fills its cell.
    """
    if lattice in ("rgb-stripe", "bgr-stripe"):
        levels = (2 * _sinc(aperture[0]), 2 * _sinc(aperture[1]))
    elif lattice == "rgb-rows":
        levels = (2 * _sinc(aperture[1]), 2 * _sinc(aperture[0]))
    elif lattice == "pentile-diamond":
        levels = (0.8, 0.8)
    else:
        return []
    angle = math.radians(turn)
    waves = []
    for level, (nx, ny) in zip(levels, ((1.0, 0.0), (0.0, 1.0)), strict=True):
        x = (nx * math.cos(angle) - ny * math.sin(angle)) / scale
        y = (nx * math.sin(angle) + ny * math.cos(angle)) / scale
        passed = math.exp(-2 * (math.pi * sigma) ** 2 * (x * x + y * y)) * _sinc(x) * _sinc(y)
        for green in (False, True):
            if not green and lattice == "pentile-diamond":
                continue  # red and blue stand at every second place there
            folded_x, folded_y = _fold(x, y, green)
            folded = math.hypot(folded_x - x, folded_y - y) > 1e-9
            waves.append(_Wave(folded_x, folded_y, abs(level * passed), green, folded))
    return waves


def _fold(x: float, y: float, green: bool) -> tuple[float, float]:
    """Return the lowest wave that a Bayer channel cannot tell from (x, y); see docs/physics/replay.md."""
    steps = (
        [round(2 * x) / 2 + step for step in (-0.5, 0, 0.5)],
        [round(2 * y) / 2 + step for step in (-0.5, 0, 0.5)],
    )
    places = [(i, j) for i in steps[0] for j in steps[1] if not green or round(2 * (i + j)) % 2 == 0]
    return min(((x - i, y - j) for i, j in places), key=lambda rest: math.hypot(*rest))


def _left(wave: _Wave, oversample: float) -> float:
    """Return a wave's amplitude after demosaicing (means of neighbours) and averaging to the picture."""
    cx, cy = math.cos(2 * math.pi * wave.x), math.cos(2 * math.pi * wave.y)
    demosaiced = 0.5 + 0.25 * (cx + cy) if wave.green else (0.5 + 0.5 * cx) * (0.5 + 0.5 * cy)
    if oversample > 1:
        demosaiced *= math.cos(math.pi * wave.x) * math.cos(math.pi * wave.y)
    # one colour of three carries a wave of red or blue
    return abs(wave.amplitude * demosaiced) * (1.0 if wave.green else 0.5)


def _dots(
    operator: str, p: Parameters, truth: Mapping[str, Any], width: int, height: int
) -> dict[str, float]:
    """Return the pitch of a print's dots, px, and what a lens leaves of them at a mid-tone."""
    del truth
    if operator in ("sfc-halftone", "bn-halftone"):
        cell = 25.4 / p["ruling"] if operator == "sfc-halftone" else p["dot"] / 1000
        return {"dots_period": cell / p["print_width"] * min(width, height), "dots": float(p["strength"])}
    laser = operator == "print-laser" or p.get("printer") == "laser"
    if not laser and operator != "print-inkjet" and p.get("printer") != "inkjet":
        return {}
    cell = 25.4 / p["ruling"] if laser else p["drop"] / 1000
    px = cell / p["medium_width"] * p["fill"] * width
    passed = math.exp(-2 * (math.pi * p["defocus"] / px) ** 2)
    return {"dots_period": px, "dots": (0.5 if laser else 0.25) * passed}


def _bands(
    operator: str, p: Parameters, truth: Mapping[str, Any], width: int, height: int
) -> dict[str, float]:
    """Return of a rolling shutter's bands the first amplitude, and how many cross the picture."""
    del truth, width, height
    time = p["row_time"] * 1e-6 * p["frame_rows"]
    found = {}
    sources = [("flicker", p["flicker_frequency"], p["flicker_depth"], p["flicker_duty"])]
    if "pulse_frequency" in p:
        sources.append(("pulse", p["pulse_frequency"], p["pulse_depth"], p["pulse_duty"]))
    if p.get("engine") == "dlp":
        sources.append(("wheel", p["wheel_frequency"], 1.0, p["wheel_duty"]))
    for name, frequency, depth, duty in sources:
        first = depth if duty == 0 else 2 * depth * abs(_sinc(duty))
        found[f"{name}_bands"] = time * frequency
        found[name] = first * abs(_sinc(frequency * p["exposure_time"]))
    return found


def _room(
    operator: str, p: Parameters, truth: Mapping[str, Any], width: int, height: int
) -> dict[str, float]:
    """Return the room's light on a screen or wall, over its white: what it mirrors, and what it scatters."""
    del truth, width, height
    if operator == "reflection":
        return {"mirrored": float(p["strength"])}
    if operator == "replay-projector":
        raster = p["columns"] * p["pitch"] / 1000
        white = p["gain"] * p["flux"] / (math.pi * raster * raster * 9 / 16)
        return {"veil": p["reflectance"] * p["illuminance"] / math.pi / white}
    surface = p["surface"]
    return {
        "mirrored": _FRESNEL[surface] * p["mirrored_luminance"] / p["luminance"],
        "veil": _DIFFUSE[surface] * p["illuminance"] / math.pi / p["luminance"],
    }


def _sheet(
    operator: str, p: Parameters, truth: Mapping[str, Any], width: int, height: int
) -> dict[str, float]:
    """Return how far a sheet bends (deg), its blacks, its highlight, banding, fibres and noise."""
    del truth
    scale = p["medium_width"] / (p["fill"] * width)  # mm a px
    found = {
        "black": 10 ** -p["d_max"],
        "banding": p["banding"] / 100,
        "banding_period": p["banding_period"] / scale,
        "fibre": p["fibre"] / 100,
        "noise": math.sqrt(p["shot_noise"] / 2 + p["read_noise"]) / 0.5,
    }
    # the picture covers `fill` of the frame, and the bare rim begins where it ends
    aside = max(abs(p["offset_x"]), abs(p["offset_y"])) / 100 * min(width, height)
    found["bare"] = min(p["margin"] / scale, max(0.0, (1 - p["fill"]) / 2 * width + aside))
    if "misregistration" in p:
        found["fringe"] = p["misregistration"] / scale
    if "gap" in p:
        found["shadow"] = p["gap"] * math.tan(math.radians(p["lamp_angle"])) / scale
    turn = math.degrees(p["medium_width"] / 2 / p["radius"]) if "radius" in p else 0.0
    if turn:
        found["bend"] = 2 * turn
    found["highlight"] = p["gloss"] * _lobe(p, turn if operator != "paper-folded" else p["fold_angle"] / 2)
    return found


def _lobe(p: Parameters, turn: float) -> float:
    """Return (n.h)^m where it is largest near the middle; `turn` is how far a bent sheet's normal goes, deg.

    A flat sheet sees the lamp under one angle; of a bent one some place is turned halfway to it, at most by
    `turn`, if the rulings lie across: a third of it is counted on.
    """
    lamp, azimuth = math.radians(p["lamp_angle"]), math.radians(p["lamp_azimuth"])
    half = lamp / 2
    halfway = (math.sin(half) * math.cos(azimuth), -math.sin(half) * math.sin(azimuth), math.cos(half))
    tilt, pan = math.radians(p["tilt"]), math.radians(p["pan"])
    # tilt above 0 leans the top away, so the sheet looks up; pan above 0 turns the right side away
    normal = (math.sin(pan) * math.cos(tilt), -math.sin(tilt), math.cos(pan) * math.cos(tilt))
    angle = math.acos(min(1.0, sum(n * h for n, h in zip(normal, halfway, strict=True))))
    return math.cos(max(0.0, angle - math.radians(turn) / 3)) ** float(p["gloss_exponent"])


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


_RULES: tuple[Callable[[str, Parameters, Mapping[str, Any], int, int], dict[str, float]], ...] = (
    _lattice,
    _dots,
    _bands,
    _room,
    _sheet,
)
