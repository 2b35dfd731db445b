"""What the providers share: prices, keys, estimates, and words of servers made safe to write down."""

from __future__ import annotations

import functools
import os
import re
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import yaml

from facedata.annotate.providers.base import Outcome, Price, Request
from facedata.datasets.canonical import canonical_json
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Usage

__all__ = [
    "address_of",
    "estimated",
    "key_of",
    "known_price",
    "message_of",
    "missing_extra",
    "parse_price",
    "seconds",
    "without",
]

_LONGEST = 300  # characters of a server's message that are kept
_CHARACTERS = 3.5  # of English prose and JSON in a token, on the low side
_OVERHEAD = 16  # tokens of roles and separators
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m)?\s*$")
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, None: 1.0}


@functools.cache
def _prices() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load((files(__package__) / "prices.yaml").read_text("utf-8"))
    return table


def known_price(provider: str, model: str) -> Price | None:
    """Return the price of a model that `prices.yaml` lists, None for others."""
    listed = _prices().get(provider, {}).get(model)
    return None if listed is None else Price(**listed)


def parse_price(text: str) -> Price:
    """Return the price that `IN,OUT` says, US dollars for a million tokens; raise UsageError."""
    try:
        prompt, output = (float(part) for part in text.split(","))
        if not (0 <= prompt < float("inf") and 0 <= output < float("inf")):
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--price {text!r} is not IN,OUT, US dollars for a million tokens, such as 0.30,2.50"
        ) from None
    return Price(prompt, output)


def key_of(*variables: str) -> str:
    """Return the first of these environment variables that is set, an empty text where none is.

    Raises UsageError where it is no key: a server would refuse it, or the library fail on it, every time.
    """
    for name in variables:
        if value := os.environ.get(name, "").strip():
            if not value.isascii() or not value.isprintable() or " " in value:
                raise UsageError(f"{name} holds blanks or letters that no key has; set it again")
            return value
    return ""


def address_of(text: str | None) -> str | None:
    """Return a server's address as it is written into records; raise UsageError where it is none.

    One that holds a password or a query, where a key may stand, is refused without repeating it.
    """
    if text is None:
        return None
    if any(mark in text for mark in "@?#"):
        raise UsageError(
            "the address of the server holds a name, a password or a query; it is written into records, so "
            "give it without, and the key in the environment"
        )
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(f"--base-url {text!r} is no address such as http://localhost:8000/v1")
    return text


def without(outcome: Outcome, secret: str) -> Outcome:
    """Return an outcome in which no text repeats a secret: a server may echo what it was sent."""
    if not secret:
        return outcome
    return replace(
        outcome,
        text=outcome.text.replace(secret, "***"),
        detail=outcome.detail.replace(secret, "***"),
        model=outcome.model and outcome.model.replace(secret, "***"),
        response_id=outcome.response_id and outcome.response_id.replace(secret, "***"),
    )


def message_of(text: object, *secrets: str) -> str:
    """Return a server's words in one line, short, and without any of `secrets`."""
    words = " ".join(str(text).split())
    for secret in secrets:
        if secret:
            words = words.replace(secret, "***")
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."


def seconds(text: str | None) -> float | None:
    """Return a stated delay in seconds, None where it is none: `30`, `1.5s`, `200ms`, or an HTTP date."""
    if found := _DURATION.match(text or ""):
        return float(found.group(1)) * _UNITS[found.group(2)]
    try:
        return max(0.0, parsedate_to_datetime(text or "").timestamp() - time.time())
    except ValueError:
        return None


def estimated(request: Request, image_tokens: int) -> Usage:
    """Return the tokens that a request may take: prompt by its length, output as long as it may become."""
    letters = len(request.system) + len(request.prompt) + len(canonical_json(request.schema))
    return Usage(
        prompt=round(letters / _CHARACTERS) + _OVERHEAD + image_tokens, output=request.sampling.max_tokens
    )


def missing_extra(library: str, extra: str) -> UsageError:
    """Return the error for a provider whose library is not installed."""
    return UsageError(f"this provider needs {library}; install it with: pip install 'facedata[{extra}]'")
