"""Who a demo face is: proportions, colours, hair and what the person wears, drawn once and kept for life."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from facedata.datasets.words import Words

__all__ = ["Identity", "draw_identity"]

HairStyle = Literal["bald", "buzz", "short", "swept", "curly", "bob", "long", "tied"]
BeardStyle = Literal["none", "stubble", "moustache", "goatee", "full"]
GlassesStyle = Literal["none", "round", "square", "rimless"]


@dataclass(frozen=True)
class Identity:
    """One person. Lengths are millimetres on the neutral head, angles degrees, the rest lies in 0..1.

    The means and spreads of the lengths follow adult anthropometry (Farkas, *Anthropometry of the Head and
    Face*, 1994: bizygomatic breadth about 130-140, nasion to gnathion 112-124, mouth 50-54, nose 31-45,
    distance between the pupils 60-66, all +-5 %). `melanin` and `haemoglobin` are positions on the scales of
    `colour.skin_albedo`. `seed` keys everything that is too fine to be named: pores, freckles, strands.
    """

    seed: int
    robustness: float  # brow ridge, jaw and neck: 0 gracile, 1 robust
    age: float  # 0 about twenty years, 1 about seventy: folds, grey, loss of fullness
    face_width: float
    cranium_width: float
    cranium_height: float
    face_length: float  # eye line to chin
    jaw_width: float  # width at the mouth's height over face_width
    chin_width: float
    chin_projection: float
    cheekbone: float
    fullness: float
    eye_spacing: float  # between the pupils
    eye_width: float
    eye_opening: float
    eye_tilt: float  # outer corner up is positive
    eye_depth: float
    lid_crease: float  # height of the lid fold over the lid's edge
    iris_radius: float
    brow_height: float  # over the eye line
    brow_arch: float
    brow_thickness: float
    brow_density: float
    nose_length: float  # eye line to subnasale
    nose_width: float
    nose_projection: float
    nose_bridge: float
    nose_hump: float
    nose_upturn: float
    philtrum: float  # subnasale to stomion
    mouth_width: float
    upper_lip: float
    lower_lip: float
    ear_size: float
    ear_angle: float
    asymmetry: tuple[float, float, float, float]  # brow, eye, nose, mouth: image-right over image-left
    melanin: float
    haemoglobin: float
    blotchiness: float
    freckles: float
    oiliness: float
    eye_melanin: float  # 0 blue, 0.5 green to hazel, 1 dark brown
    hair_melanin: float  # 0 fair, 1 black
    hair_red: float
    hair_grey: float
    hair_style: HairStyle
    hair_length: float  # 0..1 within the style
    hairline: float  # 0 low, 1 receding
    parting: float  # -1 image-left, 1 image-right
    beard: BeardStyle
    beard_density: float
    glasses: GlassesStyle
    glasses_colour: float
    lipstick: float
    lipstick_hue: float
    eye_shadow: float

    def parameters(self) -> dict[str, Any]:
        """Return every field as a JSON-ready dict."""
        return {**asdict(self), "asymmetry": list(self.asymmetry)}


def _between(words: Words, mean: float, spread: float, limit: float = 2.0) -> float:
    """Draw a normal deviate folded at `limit` deviations, so that no face falls off the anatomy."""
    return mean + spread * max(-limit, min(limit, words.normal(0.0, 1.0)))


def _colours(words: Words) -> dict[str, float]:
    melanin = words.uniform(0.0, 1.0)
    # Hair and eyes darken with the skin, loosely, as they do in people.
    hair = min(1.0, max(0.0, words.uniform(0.0, 1.1) if melanin < 0.35 else words.uniform(0.62, 1.1)))
    eyes = words.unit() if melanin < 0.35 else words.uniform(0.62, 1.0)
    return {
        "melanin": melanin,
        "haemoglobin": words.uniform(0.15, 1.0),
        "blotchiness": words.uniform(0.2, 1.0),
        "freckles": max(0.0, words.uniform(-0.9, 1.0)) * (1.0 if melanin < 0.5 else 0.3),
        "oiliness": words.uniform(0.1, 1.0),
        "eye_melanin": eyes,
        "hair_melanin": hair,
        "hair_red": max(0.0, words.uniform(-1.2, 1.0)) * (1.0 if melanin < 0.3 else 0.2),
    }


def draw_identity(words: Words) -> Identity:
    """Draw a person from `words`; the same words give the same person."""
    shape = words.named("shape")
    robust = shape.unit()
    age = shape.unit() ** 1.4
    style = words.named("style")
    masculine = robust > 0.5
    if masculine:
        hair = style.choice(("bald", "buzz", "buzz", "short", "short", "short", "swept", "swept", "curly"))
        beard = style.choice(("none", "none", "none", "stubble", "stubble", "moustache", "goatee", "full"))
    else:
        hair = style.choice(("short", "swept", "curly", "bob", "bob", "long", "long", "long", "tied", "tied"))
        beard = "none"
    made_up = not masculine and style.chance(0.5)
    grey = max(0.0, age - 0.45) * style.uniform(0.3, 2.0)
    return Identity(
        seed=words.named("seed").integer(0, 2**31 - 1),
        robustness=robust,
        age=age,
        face_width=_between(shape, 133.0 + 9.0 * robust, 5.0),
        cranium_width=_between(shape, 150.0 + 5.0 * robust, 4.0),
        cranium_height=_between(shape, 113.0, 3.5),
        face_length=_between(shape, 106.0 + 9.0 * robust, 4.2),
        jaw_width=_between(shape, 0.80 + 0.055 * robust, 0.025),
        chin_width=_between(shape, 0.44 + 0.09 * robust, 0.04),
        chin_projection=_between(shape, 0.0, 2.0),
        cheekbone=shape.unit(),
        fullness=shape.unit(),
        eye_spacing=_between(shape, 61.5 + 2.5 * robust, 2.2),
        eye_width=_between(shape, 30.5, 1.1),
        eye_opening=_between(shape, 10.6 - 0.9 * robust, 0.7),
        eye_tilt=_between(shape, 4.0 - 2.0 * robust, 2.2),
        eye_depth=_between(shape, 0.0, 1.2),
        lid_crease=shape.uniform(1.5, 6.0),
        iris_radius=_between(shape, 5.9, 0.15),
        brow_height=_between(shape, 21.5 - 2.5 * robust, 1.5),
        brow_arch=shape.uniform(0.2, 1.0) * (1.15 - 0.5 * robust),
        brow_thickness=_between(shape, 4.3 + 1.8 * robust, 0.9),
        brow_density=shape.uniform(0.45, 1.0),
        nose_length=_between(shape, 45.0 + 3.5 * robust, 2.2),
        nose_width=_between(shape, 33.5 + 3.0 * robust, 2.6),
        nose_projection=_between(shape, 17.0 + 2.0 * robust, 1.6),
        nose_bridge=shape.unit(),
        nose_hump=max(0.0, _between(shape, 0.1 + 0.4 * robust, 0.4)),
        nose_upturn=_between(shape, 0.5 - 0.4 * robust, 0.5),
        philtrum=_between(shape, 19.0 + 2.5 * robust, 1.6),
        mouth_width=_between(shape, 51.0 + 3.0 * robust, 2.8),
        upper_lip=_between(shape, 7.4 - 1.4 * robust - 1.6 * age, 1.2),
        lower_lip=_between(shape, 9.6 - 1.4 * robust - 1.6 * age, 1.3),
        ear_size=_between(shape, 60.0 + 4.0 * robust + 3.0 * age, 2.6),
        ear_angle=shape.uniform(14.0, 34.0),
        asymmetry=tuple(_between(shape, 0.0, 1.0) for _ in range(4)),  # type: ignore[arg-type]
        **_colours(words.named("colours")),
        hair_grey=min(1.0, grey),
        hair_style=hair,  # type: ignore[arg-type]
        hair_length=style.unit(),
        hairline=min(1.0, style.uniform(0.0, 0.5) + (0.5 * age if masculine else 0.0)),
        parting=style.choice((-1.0, 1.0)) * style.uniform(0.2, 0.7),
        beard=beard,  # type: ignore[arg-type]
        beard_density=style.uniform(0.5, 1.0),
        glasses=style.choice(("none",) * 7 + ("round", "square", "rimless")),
        glasses_colour=style.unit(),
        lipstick=style.uniform(0.3, 0.9) if made_up else 0.0,
        lipstick_hue=style.unit(),
        eye_shadow=style.uniform(0.2, 0.8) if made_up else 0.0,
    )
