"""What an augmentation operator is: drawn parameters, then a pure function of pixels.

An operator has two halves. `sample` draws every random choice and returns parameters; `apply` draws none, so
the parameters in a row are enough to render the same picture again. A parameter is declared once, with its
unit, its physical range and the distribution that it is drawn from by default.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facedata.augment.draws import Draw, draw_value
from facedata.augment.landmarks import Face
from facedata.datasets.errors import UsageError
from facedata.datasets.words import Words

__all__ = ["OF_A_SHOT", "Applied", "Image", "Operator", "Parameters", "check_image", "quantity"]

Image = NDArray[np.uint8]
"""A picture: uint8, height x width x 3, RGB, sRGB-coded."""


class Parameters(BaseModel):
    """Parameters of one operator: frozen, JSON-ready; an unknown or non-finite value is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


P = TypeVar("P", bound=Parameters)

OF_A_SHOT = frozenset(
    (
        "tilt",
        "pan",
        "roll",
        "offset_x",
        "offset_y",
        "noise_seed",
        "flicker_phase",
        "pulse_phase",
        "wheel_phase",
    )
)
"""What differs between two shots of one session: how the hand holds it, the noise, when the shutter opens.

The medium, the device, the camera and the light stay."""


def quantity(
    description: str,
    *,
    unit: str,
    draw: Draw,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Declare a parameter: what it is, its unit, its physical range and its default distribution.

    `unit` is an SI unit, `px`, `%`, `deg`, `1` for a ratio, or `name` for a choice by name. `low` and `high`
    bound what is physically meaningful, both included; `draw` is the distribution of the reference policy.
    """
    return Field(description=description, ge=low, le=high, json_schema_extra={"unit": unit, "draw": draw})


class Applied(NamedTuple):
    """What `apply` returns: the picture, and exact truth about it.

    `mask` is uint8, height x width, 255 where the attack medium shows, or None where no medium was rendered
    (a capture operator) or where it covers the whole frame without exception (see `Operator.attack`).
    `layers` are further pictures of truth by name, uint8, height x width (x 3), and `facts` JSON-ready truth
    (homography, predicted alias wave-vectors, ...); both only where `truth` was asked for.
    """

    image: Image
    mask: NDArray[np.uint8] | None = None
    layers: Mapping[str, NDArray[np.uint8]] = {}
    facts: Mapping[str, Any] = {}


class Operator(ABC, Generic[P]):
    """Base of all operators; a subclass is stateless, so that one instance serves every worker."""

    name: ClassVar[str]
    """Name in policies and rows: lower case words joined by `-`."""
    version: ClassVar[int] = 1
    """Raised whenever the same parameters give other pixels than before."""
    attack: ClassVar[str | None] = None
    """Attack species that the rendered medium makes, such as `replay/lcd`; None keeps the label."""
    strength: ClassVar[str]
    """Name of the parameter whose value `neutral` makes the operator the identity."""
    neutral: ClassVar[float] = 0.0
    parameters: type[P]
    """The parameter model; fields are declared with `quantity`."""

    @abstractmethod
    def apply(self, image: Image, parameters: P) -> Applied:
        """Return the picture after the operator; `image` is not written to."""

    def species(self, parameters: P) -> str | None:
        """Return the attack species that these parameters make: `attack`, unless a parameter decides it."""
        del parameters
        return self.attack

    def explain(self, image: Image, parameters: P) -> Applied:
        """Return what `apply` returns, with all the truth there is about it; slower."""
        return self.apply(image, parameters)

    def map_points(
        self, points: NDArray[np.float64], parameters: P, width: int, height: int
    ) -> NDArray[np.float64]:
        """Return where points of the picture, N x 2 (x, y) in pixels, lie after the operator."""
        del parameters, width, height
        return points

    def live_beside(self, parameters: P) -> bool:
        """Whether the picture itself shows, where it was, beside the medium: a live face behind it."""
        del parameters
        return False

    def placed(self, face: Face) -> dict[str, float]:
        """Return parameters that a known face decides, by name, in place of their draws: none."""
        del face
        return {}

    def sample(self, words: Words, given: Mapping[str, Draw] | None = None, shot: Words | None = None) -> P:
        """Draw parameters from `words`, each from its own substream.

        `given` replaces the default distribution of the parameters it names. Those that differ from one shot
        to the next in one session (OF_A_SHOT) are drawn from `shot`, where it is given.
        """
        given = given or {}
        draws = self.draws().items()
        values = {
            name: self._drawn(name, given.get(name, draw), shot if shot and name in OF_A_SHOT else words)
            for name, draw in draws
        }
        return self.parse({**{k: v for k, v in given.items() if k not in values}, **values})

    def _drawn(self, name: str, draw: Draw, words: Words) -> Any:
        value = draw_value(draw, words, name)
        if isinstance(draw, dict) and "normal" in draw:  # its tails have no end, a parameter has
            low, high = self.bounds(name)
            value = value if low is None else max(value, low)
            value = value if high is None else min(value, high)
        return value

    def parse(self, values: Mapping[str, Any]) -> P:
        """Return checked parameters, or raise UsageError naming the parameter, its unit and its range."""
        try:
            return self.parameters.model_validate(dict(values))
        except ValidationError as error:
            raise UsageError(self._explain(error)) from None

    def is_identity(self, parameters: P) -> bool:
        """Whether these parameters leave every pixel (and so the label) as it was."""
        return bool(getattr(parameters, self.strength) == self.neutral)

    def shows(self, parameters: P, width: int, height: int) -> bool:
        """Whether anything of the operator is seen on a picture of this size.

        Dots may be too fine for it. Where nothing shows, `apply` gives the picture back, the label is kept,
        and the row does not name the operator.
        """
        del width, height
        return not self.is_identity(parameters)

    @classmethod
    def draws(cls) -> dict[str, Draw]:
        """Return the default distribution of each parameter, by name."""
        return dict(_draws(cls))

    @classmethod
    def unit(cls, name: str) -> str:
        """Return the unit of a parameter."""
        return str(cls._extra(name)["unit"])

    @classmethod
    def bounds(cls, name: str) -> tuple[float | None, float | None]:
        """Return the ends of the physical range of a parameter, both included; None where it has none."""
        return _bounds(cls, name)

    @classmethod
    def range(cls, name: str) -> str:
        """Return the physical range of a parameter, for people; `any` where it has none."""
        low, high = cls.bounds(name)
        if low is None and high is None:
            return "any"
        return f"{'' if low is None else f'{low:g}'} .. {'' if high is None else f'{high:g}'}".strip()

    @classmethod
    def drawn(cls, name: str) -> str:
        """Return the default distribution of a parameter, for people."""
        draw = cls.draws()[name]
        if not isinstance(draw, dict):
            return f"{draw}"
        kind, arguments = next(iter(draw.items()))
        if kind == "choice":
            return "one of " + ", ".join(map(str, arguments))
        spread = " +- " if kind == "normal" else " .. "
        return f"{kind.replace('_', '-')} {spread.join(f'{value:g}' for value in arguments)}"

    @classmethod
    def _extra(cls, name: str) -> dict[str, Any]:
        extra = cls.parameters.model_fields[name].json_schema_extra
        if not isinstance(extra, dict):
            raise TypeError(f"{cls.__name__}.{name} is not declared with quantity()")
        return dict(extra)

    def _explain(self, error: ValidationError) -> str:
        problem = error.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        if problem["type"] == "extra_forbidden":
            known = ", ".join(self.parameters.model_fields)
            return f"{self.name}: no parameter {name!r}; it has {known}"
        if name not in self.parameters.model_fields:
            return f"{self.name}: {problem['msg']}"
        text = problem["msg"][0].lower() + problem["msg"][1:]
        told = f"{self.name}: {name} = {problem['input']!r} (unit {self.unit(name)}): {text}"
        return told if self.range(name) == "any" else f"{told}; its range is {self.range(name)}"


@cache
def _bounds(operator: type[Operator[Any]], name: str) -> tuple[float | None, float | None]:
    found = {type(bound).__name__: bound for bound in operator.parameters.model_fields[name].metadata}
    return getattr(found.get("Ge"), "ge", None), getattr(found.get("Le"), "le", None)


@cache
def _draws(operator: type[Operator[Any]]) -> dict[str, Draw]:
    return {name: operator._extra(name)["draw"] for name in operator.parameters.model_fields}


def check_image(image: NDArray[Any]) -> Image:
    """Return `image` when it is uint8 RGB, else raise ValueError with what was expected and what came."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        came = f"{image.dtype} of shape {image.shape}"
        raise ValueError(f"expected uint8 of shape (height, width, 3), got {came}")
    return image
