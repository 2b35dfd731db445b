"""Protocols: files that say which rows are of which split, by conditions that people can read."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facedata.datasets.errors import UsageError
from facedata.datasets.safe_yaml import load_yaml
from facedata.datasets.versions.expression import Expression

__all__ = ["HoldOut", "Protocol", "load_protocol", "stock_protocols"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HoldOut(_Model):
    """A share of the training rows that becomes a split of its own, group by group."""

    split: str = Field(default="val", pattern=_NAME)
    of: str = "train"
    share: float = Field(gt=0, lt=1)
    by: str = "subject"


class Protocol(_Model):
    """`splits` maps a split's name to the condition of its rows; `needs` are domains that must be there."""

    name: str
    title: str = ""
    source: str = ""
    splits: dict[str, str] = Field(min_length=1)
    others: Literal["keep", "drop"] = "keep"
    needs: list[str] = Field(default_factory=list)
    hold_out: HoldOut | None = None

    def conditions(self) -> dict[str, Expression]:
        """Return the conditions, checked."""
        return {
            split: Expression(text, f"protocol {self.name}: splits.{split}")
            for split, text in self.splits.items()
        }


@cache
def stock_protocols() -> dict[str, str]:
    """Return the names of the protocols that come with facedata, each with its title."""
    found = {}
    for entry in sorted(_folder().iterdir(), key=str):
        if entry.name.endswith(".yaml"):
            values = yaml.safe_load(entry.read_text("utf-8"))
            found[str(values["name"])] = str(values.get("title", ""))
    return found


def load_protocol(name_or_path: str) -> Protocol:
    """Return a stock protocol by name, or one of a YAML file by path; UsageError says what is wrong."""
    if name_or_path in stock_protocols():
        text = _folder().joinpath(f"{name_or_path}.yaml").read_text("utf-8")
    elif name_or_path.endswith((".yaml", ".yml")):
        try:
            text = Path(name_or_path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"protocol {name_or_path} cannot be read ({error}); check the path") from None
    else:
        known = ", ".join(stock_protocols())
        raise UsageError(f"no protocol {name_or_path!r}; there are {known}, or give a .yaml file")
    try:
        protocol = Protocol.model_validate(load_yaml(text))
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place else ""
        raise UsageError(
            f"{name_or_path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}"
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "top level"
        raise UsageError(f"{name_or_path}: {field}: {problem['msg'].lower()}") from None
    protocol.conditions()
    if protocol.hold_out and protocol.hold_out.of not in protocol.splits:
        raise UsageError(f"{name_or_path}: hold_out.of {protocol.hold_out.of!r} is no split of the protocol")
    return protocol


def _folder() -> Any:
    return resources.files("facedata.datasets").joinpath("protocols")
