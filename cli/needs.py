"""Which libraries a verb needs, looked for before it does anything."""

from __future__ import annotations

import importlib.util

__all__ = ["RECIPES", "need_packages"]

RECIPES = ("torch", "accelerate", "safetensors")
"""What every recipe needs."""


def need_packages(verb: str, extra: str = "recipes", names: tuple[str, ...] = RECIPES) -> None:
    """Raise UsageError naming the libraries that are not installed, and the extra that brings them."""
    from facedata.datasets.errors import UsageError

    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise UsageError(f"{verb} needs {', '.join(missing)}: pip install 'facedata[{extra}]'")
