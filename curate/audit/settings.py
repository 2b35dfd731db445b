"""`--set NAME.THRESHOLD=VALUE`: thresholds from the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from facedata.datasets.errors import UsageError
from facedata.datasets.safe_yaml import load_yaml

__all__ = ["read_settings"]


def read_settings(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return thresholds by audit; a value is YAML, so that `0.95`, `7` and `[age, gender]` are what they are.

    Names and values are checked where the audits are known. Raises UsageError for what is not of this form.

    >>> read_settings(["near-duplicates.cosine=0.95"])
    {'near-duplicates': {'cosine': 0.95}}
    """
    settings: dict[str, dict[str, Any]] = {}
    for text in texts:
        place, equals, value = text.partition("=")
        name, dot, threshold = place.partition(".")
        if not (equals and dot and name and threshold):
            raise UsageError(f"--set {text!r} is not NAME.THRESHOLD=VALUE, as in near-duplicates.cosine=0.95")
        try:
            settings.setdefault(name, {})[threshold] = load_yaml(value)
        except yaml.YAMLError:
            raise UsageError(f"--set {text!r}: {value!r} is no value") from None
    return settings
