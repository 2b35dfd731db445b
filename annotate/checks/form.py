"""Checks of an answer's form: is it what the schema asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsonschema_rs import Validator

from facedata.annotate.checks.base import Answer

__all__ = ["parse", "schema"]

_FENCE = "```"
_LONGEST = 200  # characters of an answer that a message repeats


def parse(text: str, validator: Validator) -> tuple[Any, str]:
    """Return (response, ""), or (None, what is wrong) where `text` is not JSON of the validator's schema.

    One code fence round the whole answer is taken off: local models add it, and nothing is lost by it.
    """
    try:
        value = json.loads(_unfenced(text), parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()  # a ValueError for half a character, spelled \\ud800
    except (ValueError, RecursionError) as error:
        return None, f"not JSON ({error}): {text[:_LONGEST]!r}"
    problem = next(validator.iter_errors(value), None)
    if problem is not None:
        place = "".join(f"[{part!r}]" for part in problem.instance_path) or "the answer"
        return None, f"{place}: {problem.message[:_LONGEST]}"
    return value, ""


def schema(answer: Answer, settings: Mapping[str, Any]) -> str:
    """Find answers that are not JSON of the task's response schema."""
    del settings
    return answer.problem


def _unfenced(text: str) -> str:
    """Take a code fence off; no regular expression, which for thousands of line ends would take minutes."""
    inner = text.strip()
    if len(inner) < 2 * len(_FENCE) or not (inner.startswith(_FENCE) and inner.endswith(_FENCE)):
        return text
    word, _, rest = inner[len(_FENCE) : -len(_FENCE)].partition("\n")
    return rest if word.strip() in ("", "json") else text


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")
