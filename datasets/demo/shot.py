"""How a person is photographed: pose, expression, gaze, light, background and camera, drawn per picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from facedata.datasets.demo.actions import AUS, EXPRESSIONS
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

__all__ = ["DOMAINS", "Shot", "draw_shot"]

DOMAINS = ("studio", "office", "phone-night")
"""Capture settings. studio: soft key and fill before paper, a clean camera. office: daylight against ceiling
light before a room, mixed white balance. phone-night: a warm, hard, dim key, a noisy small camera, blur."""


@dataclass(frozen=True)
class Shot:
    """One picture's circumstances. Angles are in degrees, colour temperatures in kelvin."""

    seed: int
    domain: str
    expression: str  # a name of `EXPRESSIONS`, or "random"
    units: tuple[tuple[int, float], ...]  # (AU, 0..5), those above zero, in order
    yaw: float  # positive: the face turns to the image's right
    pitch: float  # positive: up
    roll: float  # positive: clockwise in the picture
    gaze: tuple[float, float]  # degrees in the head: to the image's right, up
    scale: float
    shift: tuple[float, float]
    key_azimuth: float  # negative: light from the image's left
    key_elevation: float
    key_kelvin: float
    key_power: float
    key_softness: float  # 0 hard .. 1 soft
    fill_ratio: float  # key over fill
    fill_kelvin: float
    ambient: float
    ambient_kelvin: float
    rim: float
    white_kelvin: float  # what the camera takes for white
    exposure: float  # stops
    contrast: float
    noise: float  # standard deviation of the darks, of 1
    softness: float  # blur's standard deviation as a share of the picture's side
    background: str
    background_colour: tuple[float, float, float]
    cloth: str
    cloth_colour: tuple[float, float, float]

    @property
    def au(self) -> dict[int, float]:
        """Every renderable action unit -> intensity 0..5; 0 is absent."""
        return {unit: dict(self.units).get(unit, 0.0) for unit in AUS}

    def parameters(self) -> dict[str, Any]:
        """Return every field as a JSON-ready dict (`units` as {"12": 4.0})."""
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {**fields, "units": {str(unit): level for unit, level in self.units}}


def _units(words: Words, expression: str) -> tuple[tuple[int, float], ...]:
    """Draw intensities round the expression's typical ones, or a few units at random."""
    if expression == "random":
        chosen = {unit: words.uniform(1.0, 5.0) for unit in AUS if words.chance(0.22)}
        if 43 in chosen and words.chance(0.6):
            del chosen[43]
    else:
        chosen = {}
        for unit, level in EXPRESSIONS[expression].items():
            chosen[unit] = min(5.0, max(0.5, level * words.uniform(0.7, 1.25)))
    return tuple((unit, round(level, 2)) for unit, level in sorted(chosen.items()))


def _light(words: Words, domain: str) -> dict[str, float]:
    side = words.choice((-1.0, 1.0))
    if domain == "studio":
        key = words.uniform(5000.0, 5800.0)
        return {
            "key_azimuth": side * words.uniform(15.0, 55.0), "key_elevation": words.uniform(20.0, 48.0),
            "key_kelvin": key, "key_power": 1.0, "key_softness": words.uniform(0.6, 1.0),
            "fill_ratio": words.log_uniform(1.8, 6.0), "fill_kelvin": key,
            "ambient": words.uniform(0.10, 0.22),
            "ambient_kelvin": key, "rim": words.uniform(0.0, 0.8),
            "white_kelvin": key + words.uniform(-150.0, 150.0),
            "exposure": words.uniform(-0.1, 0.25), "contrast": words.uniform(0.95, 1.1),
            "noise": words.uniform(0.001, 0.004), "softness": words.uniform(0.0008, 0.0018),
        }  # fmt: skip
    if domain == "office":
        return {
            "key_azimuth": side * words.uniform(10.0, 75.0), "key_elevation": words.uniform(5.0, 60.0),
            "key_kelvin": words.uniform(5500.0, 7500.0), "key_power": words.uniform(0.75, 1.0),
            "key_softness": words.uniform(0.7, 1.0), "fill_ratio": words.log_uniform(1.5, 4.0),
            "fill_kelvin": words.uniform(3600.0, 4800.0), "ambient": words.uniform(0.22, 0.38),
            "ambient_kelvin": words.uniform(4000.0, 5500.0), "rim": words.uniform(0.0, 0.4),
            "white_kelvin": words.uniform(4600.0, 6000.0), "exposure": words.uniform(-0.35, 0.3),
            "contrast": words.uniform(0.85, 1.0), "noise": words.uniform(0.004, 0.010),
            "softness": words.uniform(0.0015, 0.0035),
        }  # fmt: skip
    return {
        "key_azimuth": side * words.uniform(0.0, 60.0), "key_elevation": words.uniform(-10.0, 55.0),
        "key_kelvin": words.uniform(2400.0, 3400.0), "key_power": words.uniform(0.7, 0.95),
        "key_softness": words.uniform(0.1, 0.5), "fill_ratio": words.log_uniform(3.0, 9.0),
        "fill_kelvin": words.uniform(4500.0, 9000.0), "ambient": words.uniform(0.08, 0.16),
        "ambient_kelvin": words.uniform(3000.0, 6500.0), "rim": words.uniform(0.0, 0.6),
        "white_kelvin": words.uniform(3000.0, 4200.0), "exposure": words.uniform(-0.75, -0.05),
        "contrast": words.uniform(0.95, 1.2), "noise": words.uniform(0.014, 0.034),
        "softness": words.uniform(0.0025, 0.005),
    }  # fmt: skip


_BACKGROUNDS = {
    "studio": ("paper", "gradient"),
    "office": ("room", "window", "wall"),
    "phone-night": ("bokeh", "lamp"),
}


def _hue(words: Words, low: float, high: float, grey: float) -> tuple[float, float, float]:
    level = words.log_uniform(low, high)
    tint = [words.uniform(-1.0, 1.0) * (1.0 - grey) for _ in range(3)]
    mean = sum(tint) / 3
    return tuple(round(level * 2.0 ** (1.1 * (t - mean)), 5) for t in tint)


def draw_shot(words: Words, domain: str = "studio", expression: str | None = None) -> Shot:
    """Draw a picture's circumstances in `domain` (one of `DOMAINS`).

    `expression` is a name of `EXPRESSIONS`, "random" for units at random, or None to draw one of them all.
    Yaw reaches +-35, pitch +-20 and roll +-15 degrees, with most pictures near the front.
    """
    if domain not in DOMAINS:
        raise UsageError(f"domain {domain!r} is not known; choose from {', '.join(DOMAINS)}")
    names = (*EXPRESSIONS, "random")
    if expression is None:
        expression = words.named("expression").choice(names)
    if expression not in names:
        raise UsageError(f"expression {expression!r} is not known; choose from {', '.join(names)}")
    pose, frame, scene = words.named("pose"), words.named("frame"), words.named("scene")
    reach = {"studio": 0.7, "office": 1.0, "phone-night": 0.85}[domain]

    def angle(limit: float) -> float:
        return round(max(-limit, min(limit, pose.normal(0.0, 0.42 * limit * reach))), 2)

    gaze = words.named("gaze")
    return Shot(
        seed=words.named("seed").integer(0, 2**31 - 1),
        domain=domain,
        expression=expression,
        units=_units(words.named("units"), expression),
        yaw=angle(35.0),
        pitch=angle(20.0),
        roll=angle(15.0),
        gaze=(round(gaze.normal(0.0, 5.0), 2), round(gaze.normal(0.0, 3.0), 2)),
        scale=round(frame.uniform(0.95, 1.12), 4),
        shift=(round(frame.uniform(-0.03, 0.03), 4), round(frame.uniform(-0.03, 0.03), 4)),
        **{k: round(v, 5) for k, v in _light(words.named("light"), domain).items()},
        background=scene.choice(_BACKGROUNDS[domain]),
        background_colour=_hue(scene, 0.08, 0.55, 0.7)
        if domain != "phone-night"
        else _hue(scene, 0.008, 0.04, 0.5),
        cloth=scene.choice(("crew", "crew", "shirt", "turtleneck")),
        cloth_colour=_hue(scene, 0.02, 0.6, 0.35),
    )
