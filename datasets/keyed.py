"""A value inside a YAML file, named on a command line as `FILE.yaml:KEY.KEY`.

So a pipeline keeps all that a stage depends on in one file of parameters, and a tool that watches single keys
sees exactly what the stage reads.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from facedata.datasets.errors import UsageError
from facedata.datasets.safe_yaml import load_yaml

__all__ = ["is_keyed", "keyed_value", "read_yaml"]

_KEYED = re.compile(r"(?P<file>.+\.ya?ml):(?P<keys>[^/\\]+)")


def is_keyed(reference: str) -> bool:
    """Whether `reference` is of the form FILE.yaml:KEY."""
    return _KEYED.fullmatch(reference) is not None


def keyed_value(reference: str) -> Any:
    """Return what stands under the key; raise UsageError naming the first key that is not there."""
    match = _KEYED.fullmatch(reference)
    if match is None:
        raise UsageError(f"{reference!r} is not of the form FILE.yaml:KEY")
    value, path = read_yaml(Path(match["file"])), match["file"]
    for key in match["keys"].split("."):
        if not isinstance(value, dict) or key not in value:
            known = ", ".join(map(str, value)) if isinstance(value, dict) and value else "nothing"
            raise UsageError(f"{path} has no {key!r} there; it has {known}")
        value, path = value[key], f"{path}: {key}"
    return value


def read_yaml(path: Path, what: str = "file") -> Any:
    """Return the content of a YAML file; raise UsageError, with the line, where it is not valid."""
    try:
        return load_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{what} {path} cannot be read ({error}); check the path") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f":{place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or error
        raise UsageError(f"{path}{line}: not valid YAML: {problem}") from None
